//! Requests and answers, with the members that the AWS APIs give them.
//!
//! Serde reads and writes exactly that wire form: PascalCase names, blobs in base64, times in
//! seconds. A request with a member that is not known is refused: it may be a constraint. Members
//! of answers that are not known are ignored.
//!
//! ```
//! use keyfold_kms::Engine;
//! use keyfold_kms::types::CreateKeyRequest;
//!
//! // What an AWS SDK sends is read as it stands, and answered alike.
//! let request: CreateKeyRequest = serde_json::from_str(r#"{"Description": "documents"}"#)?;
//! let engine = Engine::in_memory()?;
//! let answer = serde_json::to_value(engine.call(&engine.owner(), &request)?)?;
//! assert_eq!(answer["KeyMetadata"]["KeyState"], "Enabled");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access_keys;
mod audit;
mod crypto;
mod grants;
mod keys;
mod names;
mod rotation;
mod secrets;
mod tokens;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyfold::EncryptionContext;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use access_keys::*;
pub use audit::*;
pub use crypto::*;
pub use grants::*;
pub use keys::*;
pub use names::*;
pub use rotation::*;
pub use secrets::*;
pub use tokens::*;

/// Public bytes: base64 on the wire.
///
/// ```
/// use keyfold_kms::types::Blob;
///
/// let blob = Blob::from(&b"KF"[..]);
/// assert_eq!(serde_json::to_string(&blob)?, r#""S0Y=""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Blob(bytes)
    }
}

impl From<&[u8]> for Blob {
    fn from(bytes: &[u8]) -> Self {
        Blob(bytes.to_vec())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Base64).map(Blob)
    }
}

/// Bytes that must not leak: plaintexts, messages, data keys. Base64 on the wire; zeroized on
/// drop; neither Debug nor Clone.
///
/// ```
/// use keyfold_kms::types::Sensitive;
///
/// let card: Sensitive = serde_json::from_str(r#""NDExMQ==""#)?;
/// assert_eq!((card.expose(), card.len()), (&b"4111"[..], 4));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct Sensitive(Vec<u8>);

impl Sensitive {
    /// Takes the bytes over; the caller keeps no copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Sensitive(bytes)
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

    /// Hands the bytes over to the caller, who wipes them.
    pub fn into_inner(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl From<Zeroizing<Vec<u8>>> for Sensitive {
    fn from(mut bytes: Zeroizing<Vec<u8>>) -> Self {
        Sensitive(std::mem::take(&mut *bytes))
    }
}

impl From<&[u8]> for Sensitive {
    fn from(bytes: &[u8]) -> Self {
        Sensitive(bytes.to_vec())
    }
}

impl Serialize for Sensitive {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(&self.0)))
    }
}

impl<'de> Deserialize<'de> for Sensitive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Base64).map(Sensitive)
    }
}

/// Reads base64 where it stands: the text, which may be a secret, is not copied.
struct Base64;

impl Visitor<'_> for Base64 {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
        // Room for all of it: what is decoded does not move, and is wiped where it fails.
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
        match STANDARD.decode_vec(text, &mut bytes) {
            Ok(()) => Ok(std::mem::take(&mut *bytes)),
            Err(_) => Err(E::custom("not base64")),
        }
    }
}

/// An encryption context on the wire: an object of strings. Absent, `null` and `{}` are the
/// same; a name that stands twice is refused.
pub(crate) mod context {
    use super::{Deserializer, EncryptionContext, MapAccess, Serialize, Serializer, Visitor, fmt};
    use std::collections::BTreeMap;

    pub(crate) fn serialize<S: Serializer>(
        context: &EncryptionContext,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        context.iter().collect::<BTreeMap<_, _>>().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<EncryptionContext, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = EncryptionContext;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_unit<E>(self) -> Result<EncryptionContext, E> {
                Ok(EncryptionContext::new())
            }

            fn visit_none<E>(self) -> Result<EncryptionContext, E> {
                Ok(EncryptionContext::new())
            }

            fn visit_some<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<EncryptionContext, D::Error> {
                deserializer.deserialize_map(self)
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<EncryptionContext, A::Error> {
                let mut context = EncryptionContext::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    if context.get(&name).is_some() {
                        return Err(serde::de::Error::custom("a name stands twice"));
                    }
                    context.insert(name, value);
                }
                Ok(context)
            }
        }

        deserializer.deserialize_option(Pairs)
    }
}

/// Reads a member that must be there, though it may be empty: `null` is none.
pub(crate) fn required<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let member: Option<T> = Option::deserialize(deserializer)?;
    member.ok_or_else(|| serde::de::Error::custom("it must not be null"))
}

/// Defines an enumeration of the wire: its variants and their names there.
macro_rules! wire_enum {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize,
        )]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &[$name] = &[$($name::$variant,)+];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::error::KmsError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or_else(|| {
                    let mut member = stringify!($name).to_owned();
                    member[..1].make_ascii_lowercase();
                    let names: Vec<_> = Self::ALL.iter().map(|value| value.as_str()).collect();
                    let constraint =
                        format!("Member must satisfy enum value set: [{}]", names.join(", "));
                    crate::error::KmsError::validation(&member, &constraint)
                })
            }
        }
    };
}
pub(crate) use wire_enum;

/// Checks of shapes, with the texts that AWS gives.
pub(crate) mod check {
    use std::ops::RangeInclusive;

    use crate::error::{KmsError, Result};

    /// The number of characters of a text.
    pub(crate) fn chars(member: &str, text: &str, range: RangeInclusive<usize>) -> Result<()> {
        // A text of n bytes has at least n/4 characters: no need to count an oversize one.
        let count = if text.len() / 4 > *range.end() { text.len() } else { text.chars().count() };
        length(member, count, &range)
    }

    /// The number of bytes of a blob.
    pub(crate) fn bytes(member: &str, bytes: &[u8], range: RangeInclusive<usize>) -> Result<()> {
        length(member, bytes.len(), &range)
    }

    /// The number of items of a list.
    pub(crate) fn items<T>(member: &str, items: &[T], range: RangeInclusive<usize>) -> Result<()> {
        length(member, items.len(), &range)
    }

    fn length(member: &str, count: usize, range: &RangeInclusive<usize>) -> Result<()> {
        let relation = if count < *range.start() {
            format!("greater than or equal to {}", range.start())
        } else if count > *range.end() {
            format!("less than or equal to {}", range.end())
        } else {
            return Ok(());
        };
        Err(KmsError::validation(member, &format!("Member must have length {relation}")))
    }

    /// A number.
    pub(crate) fn number(member: &str, value: u32, range: RangeInclusive<u32>) -> Result<()> {
        let relation = if value < *range.start() {
            format!("greater than or equal to {}", range.start())
        } else if value > *range.end() {
            format!("less than or equal to {}", range.end())
        } else {
            return Ok(());
        };
        Err(KmsError::validation(member, &format!("Member must have value {relation}")))
    }

    /// The name of a key: id, ARN or alias; what it means is seen at resolution.
    pub(crate) fn key_id(member: &str, key_id: &str) -> Result<()> {
        chars(member, key_id, 1..=2048)
    }

    /// Grant tokens: at most ten.
    pub(crate) fn grant_tokens(tokens: &[String]) -> Result<()> {
        items("grantTokens", tokens, 0..=10)?;
        tokens.iter().try_for_each(|token| chars("grantTokens", token, 1..=8192))
    }
}
