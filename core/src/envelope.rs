//! The header of an envelope: its stable part, which everything is bound to, and its recipient
//! list, which can be rewritten at any time (docs/spec/envelope.md, clause 4).

mod codec;
mod signature;

use std::fmt;

use crate::context::{EncryptionContext, decode_pairs, encode_pairs};
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{KeyUri, WrappedKey};
use crate::stream::Layout;
use crate::suite::Suite;

use codec::Reader;
pub(crate) use signature::SignatureHash;
pub use signature::{
    EnvelopeSignature, PendingSignature, SignatureCheck, SignerHint, SignerPolicy,
};

/// The first three bytes of every envelope (clause 4.2).
pub const MAGIC: [u8; 3] = *b"KFE";
/// The version of the format that this crate writes and reads (clause 10.1).
pub const VERSION: u8 = 1;
/// The longest header, stable part and recipients together, in bytes (clause 4.6, as the others).
pub const MAX_HEADER_LEN: usize = 65_536;
/// The most recipients of one envelope.
pub const MAX_RECIPIENTS: usize = 16;
/// The longest wrapped key, in bytes.
pub const MAX_WRAPPED_LEN: usize = 6_144;
/// The longest encoded provider parameters, in bytes.
pub const MAX_PARAMS_LEN: usize = 4_096;
/// The longest verification key in a header, in bytes.
pub const MAX_SIGNER_LEN: usize = 2_048;

const FLAG_SIGNED: u8 = 1;

/// A parsed or newly built header. Everything in it is public.
///
/// ```
/// # use keyfold::{Client, EncryptionContext, Header, Keyring, Suite};
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs.clone()));
/// # let context = EncryptionContext::from([("tenant", "acme")]);
/// # let sealed = kf.encrypt(b"hello", &ring, &context).await?;
/// // No key is needed to look at an envelope; nothing in a header is proven yet.
/// let (header, header_len) = Header::parse(&sealed)?;
/// assert_eq!(header.suite(), Suite::Aes256Gcm);
/// assert_eq!(header.context().get("tenant"), Some("acme"));
/// assert_eq!(header.recipients()[0].key, docs);
/// assert!(header.signature().is_none() && header.trailer_len() == 0);
/// assert_eq!(header.as_bytes(), &sealed[..header_len]);
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    suite: Suite,
    context: EncryptionContext,
    signature: Option<EnvelopeSignature>,
    recipients: Vec<WrappedKey>,
    // Kept as read, because keys and signatures are bound to the stable part's very bytes.
    bytes: Vec<u8>,
    stable_len: usize,
}

impl Header {
    /// Builds a header.
    ///
    /// ```
    /// # use keyfold::{EncryptionContext, Header, Suite};
    /// # use keyfold::{ProviderParams, WrappedKey};
    /// # let recipient = WrappedKey {
    /// #     key: "keyfold:docs".parse()?, params: ProviderParams::new(), ciphertext: vec![1],
    /// # };
    /// let context = EncryptionContext::from([("tenant", "acme")]);
    /// let header = Header::new(Suite::Aes256Gcm, context, None, vec![recipient])?;
    /// assert_eq!(Header::parse_detached(header.as_bytes())?, header);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `limit_exceeded` or `invalid_argument` where a part is beyond the limits of clause 4.
    pub fn new(
        suite: Suite,
        context: EncryptionContext,
        signature: Option<EnvelopeSignature>,
        recipients: Vec<WrappedKey>,
    ) -> Result<Self> {
        let stable = encode_stable(suite, &context.to_canonical()?, signature.as_ref())?;
        let bytes = join(&stable, &encode_recipients(&recipients)?)?;
        Ok(Header { suite, context, signature, recipients, bytes, stable_len: stable.len() })
    }

    /// The same stable part with another recipient list: rewrap, add, remove (clause 9).
    ///
    /// ```
    /// # use keyfold::{EncryptionContext, ErrorCode, Header, Suite};
    /// # use keyfold::{ProviderParams, WrappedKey};
    /// # let recipient = WrappedKey {
    /// #     key: "keyfold:docs".parse()?, params: ProviderParams::new(), ciphertext: vec![1],
    /// # };
    /// # let none = EncryptionContext::new();
    /// # let header = Header::new(Suite::Aes256Gcm, none, None, vec![recipient])?;
    /// let mut recipients = header.recipients().to_vec();
    /// recipients.extend_from_within(..); // a rewrapped one in real life
    /// let shared = header.with_recipients(recipients)?;
    /// assert_eq!(shared.stable_part(), header.stable_part()); // so body and signature stay valid
    /// assert_eq!(header.with_recipients(vec![]).unwrap_err().code(), ErrorCode::InvalidArgument);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` without a recipient, `limit_exceeded` beyond the limits of clause 4.
    pub fn with_recipients(&self, recipients: Vec<WrappedKey>) -> Result<Self> {
        let bytes = join(self.stable_part(), &encode_recipients(&recipients)?)?;
        let (context, signature) = (self.context.clone(), self.signature.clone());
        Ok(Header { suite: self.suite, context, signature, recipients, bytes, ..*self })
    }

    /// Reads a header from the start of `bytes`; the second value is its length.
    ///
    /// ```
    /// use keyfold::{ErrorCode, Header};
    ///
    /// assert_eq!(Header::parse(b"PK\x03\x04").unwrap_err().code(), ErrorCode::MalformedEnvelope);
    /// assert_eq!(Header::parse(b"KFE\x02").unwrap_err().code(), ErrorCode::UnsupportedVersion);
    /// assert_eq!(Header::parse(b"KFE\x01").unwrap_err().code(), ErrorCode::Truncated);
    /// ```
    ///
    /// # Errors
    /// `truncated` where `bytes` ends inside the header, otherwise the structural codes in the
    /// order of clause 4.1: `malformed_envelope`, `unsupported_version`, `unsupported_suite`,
    /// `limit_exceeded`.
    pub fn parse(bytes: &[u8]) -> Result<(Self, usize)> {
        Self::try_parse(bytes).map_err(|stop| match stop {
            Stop::Need(_) => Error::truncated("the input ends inside the header"),
            Stop::Failed(error) => error,
        })
    }

    /// Reads a header that is kept apart from its body, all of `bytes`.
    ///
    /// # Errors
    /// As [`Header::parse`], and `malformed_envelope` where bytes follow the last recipient.
    pub fn parse_detached(bytes: &[u8]) -> Result<Self> {
        let (header, len) = Self::parse(bytes)?;
        if len == bytes.len() {
            return Ok(header);
        }
        Err(Error::malformed("bytes follow the detached header"))
    }

    /// As [`Header::parse`], telling how many bytes are needed at least to get further.
    pub(crate) fn try_parse(bytes: &[u8]) -> Result<(Self, usize), Stop> {
        let mut reader = Reader::new(bytes, MAX_HEADER_LEN);
        reader.magic(&MAGIC)?;
        let version = reader.u8()?;
        if version != VERSION {
            let detail = format!("version {version} of the format is not supported");
            return Err(Error::new(ErrorCode::UnsupportedVersion, detail).into());
        }
        let suite = Suite::from_id(reader.u16()?)?;
        let flags = reader.u8()?;
        if flags & !FLAG_SIGNED != 0 {
            return Err(Error::malformed("a reserved flag is set").into());
        }
        let context = EncryptionContext::from_canonical(
            reader.bytes(0..=EncryptionContext::MAX_LEN, "the encryption context")?,
        )?;
        let signature = if flags & FLAG_SIGNED == 0 {
            None
        } else {
            let algorithm = EnvelopeSignature::check_id(reader.u8()?)?;
            let hint = reader.bytes(1..=MAX_SIGNER_LEN, "the verification key")?;
            Some(EnvelopeSignature::from_parts(algorithm, hint)?)
        };
        let stable_len = reader.consumed().len();
        let count = usize::from(reader.u8()?);
        match count {
            0 => return Err(Error::malformed("an envelope has at least one recipient").into()),
            1..=MAX_RECIPIENTS => {}
            _ => return Err(Error::limit("an envelope has at most 16 recipients").into()),
        }
        let mut recipients = Vec::with_capacity(count);
        for _ in 0..count {
            recipients.push(read_recipient(&mut reader)?);
        }
        let bytes = reader.consumed().to_vec();
        let len = bytes.len();
        Ok((Header { suite, context, signature, recipients, bytes, stable_len }, len))
    }

    /// The header as it stands before the body or beside it; at most 64 KiB.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The encryption context, public and not yet proven.
    pub fn context(&self) -> &EncryptionContext {
        &self.context
    }

    /// How the envelope says it is signed; a hint, never a reason to trust.
    pub fn signature(&self) -> Option<&EnvelopeSignature> {
        self.signature.as_ref()
    }

    /// Who can open the envelope.
    pub fn recipients(&self) -> &[WrappedKey] {
        &self.recipients
    }

    /// The stable part, to which the message key and the signature are bound (clause 4.2).
    pub fn stable_part(&self) -> &[u8] {
        &self.bytes[..self.stable_len]
    }

    /// Length in bytes of the signature that follows the body, 0 where there is none.
    pub fn trailer_len(&self) -> usize {
        self.signature.as_ref().map_or(0, EnvelopeSignature::len)
    }

    /// The layout of the body that `following` bytes behind this header are. Nothing where there
    /// are none: what ends with its header is a detached one, and its body is elsewhere.
    ///
    /// ```
    /// # use keyfold::{EncryptionContext, Header, ProviderParams, Suite, WrappedKey};
    /// # let recipient = WrappedKey {
    /// #     key: "keyfold:docs".parse()?, params: ProviderParams::new(), ciphertext: vec![1],
    /// # };
    /// # let context = EncryptionContext::new();
    /// # let header = Header::new(Suite::Aes256Gcm, context, None, vec![recipient])?;
    /// let layout = header.body_layout(56 + 5 + 16)?.expect("a body");
    /// assert_eq!(layout.plaintext_len(), 5);
    /// assert!(header.body_layout(0)?.is_none());
    /// assert!(header.body_layout(56).is_err());
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Layout::new`].
    pub fn body_layout(&self, following: u64) -> Result<Option<Layout>> {
        if following == 0 {
            return Ok(None);
        }
        Layout::new(following, self.trailer_len()).map(Some)
    }
}

/// Prints no context value: the bytes are left out.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("suite", &self.suite)
            .field("context", &self.context)
            .field("signature", &self.signature)
            .field("recipients", &self.recipients)
            .finish_non_exhaustive()
    }
}

/// The stable part of a header, from a context in its canonical form.
pub(crate) fn encode_stable(
    suite: Suite,
    context: &[u8],
    signature: Option<&EnvelopeSignature>,
) -> Result<Vec<u8>> {
    let mut stable = Vec::with_capacity(9 + context.len());
    stable.extend_from_slice(&MAGIC);
    stable.push(VERSION);
    stable.extend_from_slice(&suite.id().to_be_bytes());
    stable.push(if signature.is_some() { FLAG_SIGNED } else { 0 });
    codec::put_bytes(&mut stable, context, EncryptionContext::MAX_LEN)?;
    if let Some(signature) = signature {
        stable.push(signature.algorithm_id());
        codec::put_bytes(&mut stable, signature.hint().as_bytes(), MAX_SIGNER_LEN)?;
    }
    Ok(stable)
}

/// The recipient list of a header.
pub(crate) fn encode_recipients(recipients: &[WrappedKey]) -> Result<Vec<u8>> {
    if recipients.is_empty() {
        return Err(Error::invalid("an envelope has at least one recipient"));
    }
    if recipients.len() > MAX_RECIPIENTS {
        return Err(Error::limit("an envelope has at most 16 recipients"));
    }
    let mut out = vec![u8::try_from(recipients.len()).unwrap_or(u8::MAX)];
    for recipient in recipients {
        if recipient.ciphertext.is_empty() {
            return Err(Error::invalid("a wrapped key is empty"));
        }
        codec::put_bytes(&mut out, recipient.key.as_str().as_bytes(), KeyUri::MAX_LEN)?;
        let params_len = recipient.params.iter().map(|(name, value)| 4 + name.len() + value.len());
        if params_len.sum::<usize>() + 2 > MAX_PARAMS_LEN {
            return Err(Error::limit("the provider parameters are longer than 4096 bytes"));
        }
        codec::put_bytes(&mut out, &encode_pairs(recipient.params.iter()), MAX_PARAMS_LEN)?;
        codec::put_bytes(&mut out, &recipient.ciphertext, MAX_WRAPPED_LEN)?;
    }
    Ok(out)
}

/// A whole header from its two parts.
pub(crate) fn join(stable: &[u8], recipients: &[u8]) -> Result<Vec<u8>> {
    if stable.len() + recipients.len() > MAX_HEADER_LEN {
        return Err(Error::limit("the header is longer than 64 KiB"));
    }
    Ok([stable, recipients].concat())
}

/// Why a header could not be read.
#[derive(Debug)]
pub(crate) enum Stop {
    /// So many bytes are needed at least, counted from the start of the header.
    Need(usize),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

fn read_recipient(reader: &mut Reader<'_>) -> Result<WrappedKey, Stop> {
    let uri = reader.bytes(1..=KeyUri::MAX_LEN, "a key URI")?;
    let key = parse_uri(uri)?;
    let params = reader.bytes(0..=MAX_PARAMS_LEN, "the provider parameters")?;
    let params = decode_pairs(params)?;
    let ciphertext = reader.bytes(1..=MAX_WRAPPED_LEN, "a wrapped key")?.to_vec();
    Ok(WrappedKey { key, params, ciphertext })
}

fn parse_uri(bytes: &[u8]) -> Result<KeyUri> {
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|uri| KeyUri::new(uri).ok())
        .ok_or_else(|| Error::malformed("a key URI in the header is not valid"))
}
