//! Names of KMS keys, data keys and their wrapped form.

use std::collections::BTreeMap;
use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::crypto::rng::Rng;
use crate::error::{Error, Result};

/// Length of a data key in bytes (docs/spec/envelope.md, clause 2.1).
pub const DATA_KEY_LEN: usize = 32;

/// Names one KMS key: `scheme:rest`, at most 2048 printable ASCII characters.
///
/// The scheme names the provider (`keyfold` for the embedded KMS and keyfold's server), the rest
/// is the provider's own name of the key, such as an ARN or an alias. A URI names a key; it is
/// never an address to connect to (docs/spec/envelope.md, clause 4.3).
///
/// ```
/// let uri: keyfold::KeyUri = "keyfold:alias/docs".parse()?;
/// assert_eq!((uri.scheme(), uri.rest()), ("keyfold", "alias/docs"));
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyUri(String);

impl KeyUri {
    /// The longest key URI, in bytes.
    pub const MAX_LEN: usize = 2048;

    /// Checks and takes a key URI.
    ///
    /// ```
    /// use keyfold::{ErrorCode, KeyUri};
    ///
    /// assert_eq!(KeyUri::new("keyfold:alias/docs")?.as_str(), "keyfold:alias/docs");
    /// assert_eq!(KeyUri::new("alias/docs").unwrap_err().code(), ErrorCode::InvalidArgument);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` where the scheme is not a lowercase letter followed by lowercase
    /// letters, digits, `+`, `-` or `.`, where the rest is empty or not printable ASCII without
    /// spaces; `limit_exceeded` above [`KeyUri::MAX_LEN`].
    pub fn new(uri: impl Into<String>) -> Result<Self> {
        let uri = uri.into();
        if uri.len() > Self::MAX_LEN {
            return Err(Error::limit("a key URI is longer than 2048 bytes"));
        }
        let (scheme, rest) = uri
            .split_once(':')
            .ok_or_else(|| Error::invalid("a key URI has the form scheme:name"))?;
        let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.')
            });
        if !scheme_ok || rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::invalid("a key URI has the form scheme:name in printable ASCII"));
        }
        Ok(KeyUri(uri))
    }

    /// The whole URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The provider's scheme, before the first colon.
    pub fn scheme(&self) -> &str {
        self.split().0
    }

    /// The provider's own name of the key, after the first colon.
    pub fn rest(&self) -> &str {
        self.split().1
    }

    /// Whether this is another name for a key (`alias/docs`, `arn:…:alias/docs`) rather than the
    /// full name that recipients carry.
    ///
    /// ```
    /// use keyfold::KeyUri;
    ///
    /// assert!(KeyUri::new("keyfold:alias/docs")?.is_alias());
    /// assert!(KeyUri::new("keyfold:arn:aws:kms:us-east-1:000000000000:alias/docs")?.is_alias());
    /// assert!(!KeyUri::new("keyfold:arn:aws:kms:us-east-1:000000000000:key/7f1c")?.is_alias());
    /// assert!(KeyUri::new("alibaba://cn-hangzhou/alias/docs")?.is_alias());
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    pub fn is_alias(&self) -> bool {
        // A cloud's key is `//PLACE/NAME` (docs/spec/providers.md, clause 1.1).
        let name = match self.rest().strip_prefix("//") {
            Some(rest) => rest.split_once('/').map_or("", |(_place, name)| name),
            None => self.rest(),
        };
        name.split(':').any(|part| part.starts_with("alias/"))
    }

    fn split(&self) -> (&str, &str) {
        self.0.split_once(':').unwrap_or((&self.0, ""))
    }
}

impl std::str::FromStr for KeyUri {
    type Err = Error;

    fn from_str(uri: &str) -> Result<Self> {
        KeyUri::new(uri)
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyUri({})", self.0)
    }
}

/// A data key: 32 random bytes from which message keys are derived (docs/spec/envelope.md, clauses
/// 2.1 and 5.2). Zeroized on drop, without Clone or Debug.
///
/// ```
/// use keyfold::{DataKey, SystemRng};
///
/// let mut answered = [7; 32]; // what a KMS answered
/// let key = DataKey::take(&mut answered)?;
/// assert_eq!(answered, [0; 32]); // the source is wiped
/// assert_eq!(key.expose(), &[7; 32]);
/// assert_ne!(DataKey::make(&SystemRng)?.expose(), key.expose());
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DataKey(Box<[u8; DATA_KEY_LEN]>);

impl DataKey {
    /// Takes a data key that a KMS generated or unwrapped, and wipes the source.
    ///
    /// # Errors
    /// `invalid_argument` unless `bytes` is 32 bytes long.
    pub fn take(bytes: &mut [u8]) -> Result<Self> {
        let mut key = Box::new([0; DATA_KEY_LEN]);
        let fits = bytes.len() == DATA_KEY_LEN;
        if fits {
            key.copy_from_slice(bytes);
        }
        bytes.zeroize();
        if fits { Ok(DataKey(key)) } else { Err(Error::invalid("a data key has 32 bytes")) }
    }

    /// Makes a random data key, for a KMS that can only wrap.
    ///
    /// # Errors
    /// `internal` where `rng` fails.
    pub fn make(rng: &dyn Rng) -> Result<Self> {
        let mut key = Box::new([0; DATA_KEY_LEN]);
        rng.fill(key.as_mut_slice())?;
        Ok(DataKey(key))
    }

    /// The bytes, for wrapping them and for deriving message keys; for nothing else.
    pub fn expose(&self) -> &[u8; DATA_KEY_LEN] {
        &self.0
    }
}

/// Bytes that must not leak: a secret's value or small plaintext. Zeroized on drop, compared in
/// constant time, never printed.
///
/// ```
/// use keyfold::SecretBytes;
///
/// let password = SecretBytes::from(b"correct horse".to_vec());
/// assert_eq!(password.expose(), b"correct horse");
/// assert_eq!(format!("{password:?}"), "SecretBytes(13 bytes)");
/// ```
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes the bytes over; the caller keeps no copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        SecretBytes(bytes)
    }

    /// The bytes themselves. Do not copy them further than needed.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        SecretBytes::new(bytes)
    }
}

impl From<&[u8]> for SecretBytes {
    fn from(bytes: &[u8]) -> Self {
        SecretBytes::new(bytes.to_vec())
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretBytes {}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

/// What a provider needs again to unwrap, beside the wrapped key itself: name to bytes.
///
/// The names in use are listed in docs/spec/envelope.md, clause 4.4.
pub type ProviderParams = BTreeMap<String, Vec<u8>>;

/// A data key wrapped by one KMS key: a recipient of an envelope. All of it is public, and nothing
/// of it authenticated (docs/spec/envelope.md, clauses 4.5 and 11.2).
///
/// ```
/// use keyfold::{EncryptionContext, Header, ProviderParams, Suite, WrappedKey};
///
/// let recipient = WrappedKey {
///     key: "keyfold:arn:aws:kms:us-east-1:000000000000:key/7f1c".parse()?,
///     params: ProviderParams::from([("version".to_owned(), b"3".to_vec())]),
///     ciphertext: vec![0; 145],
/// };
/// let header = Header::new(Suite::Aes256Gcm, EncryptionContext::new(), None, vec![recipient])?;
/// assert_eq!(header.recipients()[0].params["version"], b"3");
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WrappedKey {
    /// The KMS key that wrapped it, under its full name (never an alias).
    pub key: KeyUri,
    /// What the provider needs to unwrap it again; at most 4096 bytes encoded.
    pub params: ProviderParams,
    /// The provider's ciphertext; 1 to 6144 bytes.
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKey")
            .field("key", &self.key)
            .field("params", &self.params.keys().collect::<Vec<_>>())
            .field("ciphertext", &format_args!("{} bytes", self.ciphertext.len()))
            .finish()
    }
}
