//! The members of requests and answers, named as the services name them.

use std::collections::BTreeMap;
use std::fmt;

use base64ct::{Base64, Encoding};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::context::EncryptionContext;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::SecretBytes;

/// Bytes that go out, secret or not, in base64.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(Base64::encode_string(self.0)))
    }
}

/// A context that goes out: an object, absent where it is empty.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Context<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Context<'a> {
    pub(super) fn of(context: &'a EncryptionContext) -> Option<Self> {
        (!context.is_empty()).then(|| Context(context.iter().collect()))
    }
}

/// A request of any of the cryptographic operations: each has some of these members.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cryptographic<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_spec: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) plaintext: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ciphertext_blob: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encryption_context: Option<Context<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_encryption_context: Option<Context<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) destination_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) destination_encryption_context: Option<Context<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signing_algorithm: Option<&'static str>,
}

/// A request of any of the operations on secrets.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfSecret<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_request_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kms_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret_string: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret_binary: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version_stage: Option<&'a str>,
}

/// The JSON of a request; `secret` is the length of what it holds. There is room for all of it,
/// so that no copy is left behind by growth.
pub(super) fn encode(request: &impl Serialize, secret: usize) -> Result<Zeroizing<Vec<u8>>> {
    // A character of text takes up to six.
    let mut body = Zeroizing::new(Vec::with_capacity(secret.saturating_mul(6) + 32 * 1024));
    serde_json::to_writer(&mut *body, request)
        .map_err(|_| Error::new(ErrorCode::Internal, "a request has no JSON form"))?;
    Ok(body)
}

/// Bytes that came in.
#[derive(Default)]
pub(super) struct Received(pub(super) SecretBytes);

impl Received {
    /// The bytes of what is public.
    pub(super) fn into_public(self) -> Vec<u8> {
        self.0.expose().to_vec()
    }
}

impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Base64Text;

        impl Visitor<'_> for Base64Text {
            type Value = Received;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes in base64")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Received, E> {
                let bytes = Base64::decode_vec(text).map_err(|_| E::custom("not base64"))?;
                Ok(Received(SecretBytes::new(bytes)))
            }
        }

        deserializer.deserialize_str(Base64Text)
    }
}

/// Text that came in and must not leak.
pub(super) struct ReceivedText(pub(super) SecretBytes);

impl<'de> Deserialize<'de> for ReceivedText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = ReceivedText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ReceivedText, E> {
                Ok(ReceivedText(SecretBytes::from(text.as_bytes())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DataKeyAnswer {
    pub(super) key_id: String,
    pub(super) ciphertext_blob: Received,
    pub(super) plaintext: Received,
}

/// What Encrypt and ReEncrypt answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CiphertextAnswer {
    pub(super) key_id: String,
    pub(super) ciphertext_blob: Received,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PlaintextAnswer {
    pub(super) key_id: String,
    pub(super) plaintext: Received,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SignatureAnswer {
    pub(super) signature: Received,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VerifiedAnswer {
    pub(super) signature_valid: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PublicKeyAnswer {
    pub(super) key_id: String,
    pub(super) public_key: Received,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct KeyAnswer {
    pub(super) key_metadata: KeyMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct KeyMetadata {
    pub(super) arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VersionAnswer {
    pub(super) version_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SecretAnswer {
    pub(super) version_id: String,
    pub(super) secret_string: Option<ReceivedText>,
    pub(super) secret_binary: Option<Received>,
}

/// Reads an answer. The parser's own text could show a value.
pub(super) fn decode<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|_| not_understood())
}

pub(super) fn not_understood() -> Error {
    Error::new(ErrorCode::KmsProtocol, "the KMS gave an answer that its protocol does not allow")
}
