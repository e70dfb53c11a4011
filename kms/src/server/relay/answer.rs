//! What clouds answer, as this protocol writes it.

use bytes::Bytes;
use keyfold::WrappedKey;
use keyfold::kms::Response;
use serde::Serialize;

use super::super::reply;
use crate::error::{KmsError, Result};
use crate::types::{Blob, EncryptionAlgorithm, SecretText, Sensitive, SigningAlgorithm};

/// How an answer is written, with what the cloud's own does not repeat: the key or secret, the
/// algorithm.
pub(super) enum Form {
    DataKey,
    SealedDataKey,
    WithoutPlaintext,
    Wrapped,
    Unwrapped(String),
    Sealed(String),
    Ciphertext,
    Plaintext,
    Signature(String, SigningAlgorithm),
    Verified(String, SigningAlgorithm),
    PublicKey,
    Description,
    Secret(String),
}

/// An answer: each has some of the members.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_blob: Option<Blob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Sensitive>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext_for_recipient: Option<Blob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_algorithm: Option<EncryptionAlgorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<Blob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature_valid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_algorithm: Option<SigningAlgorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Blob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_metadata: Option<KeyMetadata>,
    #[serde(rename = "ARN", skip_serializing_if = "Option::is_none")]
    arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_string: Option<SecretText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_binary: Option<Sensitive>,
}

/// Its name: what else there is to know of a key, the cloud tells.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyMetadata {
    key_id: String,
    arn: String,
}

impl Form {
    /// # Errors
    /// `KMSInternalException` for an answer of another kind.
    pub(super) fn answer(self, response: Response) -> Result<Bytes> {
        let symmetric = Some(EncryptionAlgorithm::SymmetricDefault);
        let answer = match (self, response) {
            (Form::DataKey, Response::DataKey { data_key, wrapped }) => Answer {
                plaintext: Some(Sensitive::new(data_key.0.expose().to_vec())),
                ..Answer::of(&wrapped)?
            },
            (Form::SealedDataKey, Response::SealedDataKey { sealed, wrapped }) => {
                Answer { ciphertext_for_recipient: Some(Blob(sealed)), ..Answer::of(&wrapped)? }
            }
            (Form::Sealed(key), Response::Sealed(sealed)) => Answer {
                key_id: Some(key),
                ciphertext_for_recipient: Some(Blob(sealed)),
                encryption_algorithm: symmetric,
                ..Answer::default()
            },
            (Form::WithoutPlaintext, Response::DataKey { wrapped, .. }) => Answer::of(&wrapped)?,
            (Form::Wrapped, Response::Wrapped(wrapped)) => {
                Answer { encryption_algorithm: symmetric, ..Answer::of(&wrapped)? }
            }
            (Form::Unwrapped(key), Response::Unwrapped(data_key)) => Answer {
                key_id: Some(key),
                plaintext: Some(Sensitive::new(data_key.0.expose().to_vec())),
                encryption_algorithm: symmetric,
                ..Answer::default()
            },
            (Form::Ciphertext, Response::Ciphertext { ciphertext, key }) => Answer {
                key_id: Some(key.to_string()),
                ciphertext_blob: Some(Blob(ciphertext)),
                encryption_algorithm: symmetric,
                ..Answer::default()
            },
            (Form::Plaintext, Response::Plaintext { plaintext, key }) => Answer {
                key_id: Some(key.to_string()),
                plaintext: Some(Sensitive::new(plaintext.expose().to_vec())),
                encryption_algorithm: symmetric,
                ..Answer::default()
            },
            (Form::Signature(key, algorithm), Response::Signature(signature)) => Answer {
                key_id: Some(key),
                signature: Some(Blob(signature)),
                signing_algorithm: Some(algorithm),
                ..Answer::default()
            },
            (Form::Verified(key, algorithm), Response::Verified) => Answer {
                key_id: Some(key),
                signature_valid: Some(true),
                signing_algorithm: Some(algorithm),
                ..Answer::default()
            },
            (Form::PublicKey, Response::PublicKey { spki, key }) => Answer {
                key_id: Some(key.to_string()),
                public_key: Some(Blob(spki)),
                ..Answer::default()
            },
            (Form::Description, Response::Key(key)) => {
                let (key_id, arn) = (key.to_string(), key.to_string());
                Answer { key_metadata: Some(KeyMetadata { key_id, arn }), ..Answer::default() }
            }
            (Form::Secret(uri), Response::Secret { value, version }) => {
                let text = std::str::from_utf8(value.expose()).ok().map(SecretText::from);
                let binary = text.is_none().then(|| Sensitive::new(value.expose().to_vec()));
                Answer {
                    arn: Some(uri.clone()),
                    name: Some(uri),
                    version_id: Some(version),
                    secret_string: text,
                    secret_binary: binary,
                    ..Answer::default()
                }
            }
            _ => return Err(KmsError::internal("a cloud's KMS answered another kind of request")),
        };
        reply::encode(&answer)
    }
}

impl Answer {
    fn of(wrapped: &WrappedKey) -> Result<Self> {
        let record = wrapped.to_record().map_err(|error| {
            KmsError::internal("a cloud's KMS answered what no record takes").with_source(error)
        })?;
        let (key_id, ciphertext_blob) = (Some(wrapped.key.to_string()), Some(Blob(record)));
        Ok(Answer { key_id, ciphertext_blob, ..Answer::default() })
    }
}
