//! Requests and responses between the core and a KMS of the language's own.

use std::collections::HashMap;

use keyfold::kms::{DataKeyReply, Request, Response, SignInput};
use keyfold::{
    DataKey, EncryptionContext, Error, ErrorCode, KeyUri, Result, SecretBytes, WrappedKey,
};

use crate::error::invalid;
use crate::foreign::protocol;
use crate::sign::algorithm;

type Pairs = HashMap<String, String>;

/// A data key under a KMS key. All of it is public.
#[derive(Clone, uniffi::Record)]
pub struct Wrapped {
    /// The KMS key.
    pub key: String,
    /// The data key under it.
    pub ciphertext: Vec<u8>,
    /// What the KMS noted, to unwrap it again.
    pub parameters: HashMap<String, Vec<u8>>,
}

/// What is asked of a KMS: `keyfold::kms::Request`.
#[derive(uniffi::Enum)]
pub enum KmsRequest {
    /// Make a data key of 32 bytes.
    GenerateDataKey { key: String, context: Pairs },
    /// Put a data key under another KMS key.
    Wrap { key: String, data_key: Vec<u8>, context: Pairs },
    /// Recover a data key; `key` is an alias that must name the key that it is under.
    Unwrap { wrapped: Wrapped, context: Pairs, key: Option<String> },
    /// Put a data key under another KMS key, without anybody seeing it.
    Rewrap { wrapped: Wrapped, context: Pairs, key: Option<String>, to: String },
    /// Encrypt small data by the KMS key itself.
    Encrypt { key: String, plaintext: Vec<u8>, context: Pairs },
    /// Decrypt it; by this key, where one is named.
    Decrypt { key: Option<String>, ciphertext: Vec<u8>, context: Pairs },
    /// Sign a message of at most 4096 bytes, or a digest.
    Sign { key: String, algorithm: String, message: Vec<u8>, is_digest: bool },
    /// Verify such a signature.
    Verify { key: String, algorithm: String, message: Vec<u8>, is_digest: bool, signature: Vec<u8> },
    /// The public half of a key.
    GetPublicKey { key: String },
    /// The full name behind an alias.
    ResolveKey { key: String },
    /// Keep a secret.
    PutSecret { name: String, value: Vec<u8>, key: Option<String>, token: String },
    /// Get a secret.
    GetSecret { name: String, version: Option<String>, stage: Option<String> },
}

/// What it answers: `keyfold::kms::Response`.
#[derive(uniffi::Enum)]
pub enum KmsResponse {
    /// A data key, and the same under the KMS key.
    DataKey { data_key: Vec<u8>, wrapped: Wrapped },
    /// A data key under a KMS key.
    Wrapped { wrapped: Wrapped },
    /// A data key.
    Unwrapped { data_key: Vec<u8> },
    /// What was encrypted, and the full name of the key that did it.
    Ciphertext { ciphertext: Vec<u8>, key: String },
    /// What was decrypted, and the full name of the key that did it.
    Plaintext { plaintext: Vec<u8>, key: String },
    /// A signature.
    Signature { signature: Vec<u8> },
    /// The signature is right.
    Verified,
    /// A public key as SubjectPublicKeyInfo in DER, and the full name of the key.
    PublicKey { spki: Vec<u8>, key: String },
    /// The full name of a key.
    Key { key: String },
    /// The id of the version of a secret.
    SecretVersion { version: String },
    /// A secret, and the id of its version.
    Secret { value: Vec<u8>, version: String },
}

fn pairs(context: &EncryptionContext) -> Pairs {
    context.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn text(key: &KeyUri) -> String {
    key.as_str().to_owned()
}

fn parts(input: &SignInput) -> (Vec<u8>, bool) {
    match input {
        SignInput::Message(message) => (message.clone(), false),
        SignInput::Digest(digest) => (digest.clone(), true),
    }
}

fn input(message: Vec<u8>, is_digest: bool) -> SignInput {
    if is_digest { SignInput::Digest(message) } else { SignInput::Message(message) }
}

fn data_key(mut bytes: Vec<u8>) -> Result<DataKeyReply> {
    // A KMS that answers another length breaks its protocol.
    DataKey::take(&mut bytes).map(DataKeyReply).map_err(|_| protocol("a data key has 32 bytes"))
}

impl Wrapped {
    fn of(wrapped: &WrappedKey) -> Self {
        Wrapped {
            key: text(&wrapped.key),
            ciphertext: wrapped.ciphertext.clone(),
            parameters: wrapped.params.iter().map(|(n, v)| (n.clone(), v.clone())).collect(),
        }
    }

    fn read(self) -> Result<WrappedKey> {
        Ok(WrappedKey {
            key: KeyUri::new(self.key)?,
            params: self.parameters.into_iter().collect(),
            ciphertext: self.ciphertext,
        })
    }
}

impl KmsRequest {
    pub(crate) fn of(request: &Request) -> Result<Self> {
        Ok(match request {
            Request::GenerateDataKey { key, context } => {
                KmsRequest::GenerateDataKey { key: text(key), context: pairs(context) }
            }
            Request::Wrap { key, data_key, context } => KmsRequest::Wrap {
                key: text(key),
                data_key: data_key.expose().to_vec(),
                context: pairs(context),
            },
            Request::Unwrap { wrapped, context, key } => KmsRequest::Unwrap {
                wrapped: Wrapped::of(wrapped),
                context: pairs(context),
                key: key.as_ref().map(text),
            },
            Request::Rewrap { wrapped, context, key, to } => KmsRequest::Rewrap {
                wrapped: Wrapped::of(wrapped),
                context: pairs(context),
                key: key.as_ref().map(text),
                to: text(to),
            },
            Request::Encrypt { key, plaintext, context } => KmsRequest::Encrypt {
                key: text(key),
                plaintext: plaintext.expose().to_vec(),
                context: pairs(context),
            },
            Request::Decrypt { key, ciphertext, context } => KmsRequest::Decrypt {
                key: key.as_ref().map(text),
                ciphertext: ciphertext.clone(),
                context: pairs(context),
            },
            Request::Sign { key, algorithm, input } => {
                let (message, is_digest) = parts(input);
                let algorithm = algorithm.as_str().to_owned();
                KmsRequest::Sign { key: text(key), algorithm, message, is_digest }
            }
            Request::Verify { key, algorithm, input, signature } => {
                let (message, is_digest) = parts(input);
                let (key, algorithm) = (text(key), algorithm.as_str().to_owned());
                let signature = signature.clone();
                KmsRequest::Verify { key, algorithm, message, is_digest, signature }
            }
            Request::GetPublicKey { key } => KmsRequest::GetPublicKey { key: text(key) },
            Request::ResolveKey { key } => KmsRequest::ResolveKey { key: text(key) },
            Request::PutSecret { name, value, key, token } => KmsRequest::PutSecret {
                name: name.clone(),
                value: value.expose().to_vec(),
                key: key.as_ref().map(text),
                token: token.clone(),
            },
            Request::GetSecret { name, version, stage } => KmsRequest::GetSecret {
                name: name.clone(),
                version: version.clone(),
                stage: stage.clone(),
            },
            _ => return Err(invalid("the caller's own KMS does not know this request yet")),
        })
    }

    pub(crate) fn into_request(self) -> Result<Request> {
        let key_of = |key: Option<String>| key.map(KeyUri::new).transpose();
        let context_of = |context: Pairs| -> EncryptionContext { context.into_iter().collect() };
        Ok(match self {
            KmsRequest::GenerateDataKey { key, context } => {
                Request::GenerateDataKey { key: KeyUri::new(key)?, context: context_of(context) }
            }
            KmsRequest::Wrap { key, data_key, context } => {
                let data_key = SecretBytes::new(data_key);
                Request::Wrap { key: KeyUri::new(key)?, data_key, context: context_of(context) }
            }
            KmsRequest::Unwrap { wrapped, context, key } => Request::Unwrap {
                wrapped: wrapped.read()?,
                context: context_of(context),
                key: key_of(key)?,
            },
            KmsRequest::Rewrap { wrapped, context, key, to } => Request::Rewrap {
                wrapped: wrapped.read()?,
                context: context_of(context),
                key: key_of(key)?,
                to: KeyUri::new(to)?,
            },
            KmsRequest::Encrypt { key, plaintext, context } => {
                let plaintext = SecretBytes::new(plaintext);
                Request::Encrypt { key: KeyUri::new(key)?, plaintext, context: context_of(context) }
            }
            KmsRequest::Decrypt { key, ciphertext, context } => {
                Request::Decrypt { key: key_of(key)?, ciphertext, context: context_of(context) }
            }
            KmsRequest::Sign { key, algorithm: name, message, is_digest } => Request::Sign {
                key: KeyUri::new(key)?,
                algorithm: algorithm(&name)?,
                input: input(message, is_digest),
            },
            KmsRequest::Verify { key, algorithm: name, message, is_digest, signature } => {
                Request::Verify {
                    key: KeyUri::new(key)?,
                    algorithm: algorithm(&name)?,
                    input: input(message, is_digest),
                    signature,
                }
            }
            KmsRequest::GetPublicKey { key } => Request::GetPublicKey { key: KeyUri::new(key)? },
            KmsRequest::ResolveKey { key } => Request::ResolveKey { key: KeyUri::new(key)? },
            KmsRequest::PutSecret { name, value, key, token } => {
                let value = SecretBytes::new(value);
                Request::PutSecret { name, value, key: key_of(key)?, token }
            }
            KmsRequest::GetSecret { name, version, stage } => {
                Request::GetSecret { name, version, stage }
            }
        })
    }
}

impl KmsResponse {
    pub(crate) fn of(response: &Response) -> Result<Self> {
        Ok(match response {
            Response::DataKey { data_key, wrapped } => KmsResponse::DataKey {
                data_key: data_key.0.expose().to_vec(),
                wrapped: Wrapped::of(wrapped),
            },
            Response::Wrapped(wrapped) => KmsResponse::Wrapped { wrapped: Wrapped::of(wrapped) },
            Response::Unwrapped(data_key) => {
                KmsResponse::Unwrapped { data_key: data_key.0.expose().to_vec() }
            }
            Response::Ciphertext { ciphertext, key } => {
                KmsResponse::Ciphertext { ciphertext: ciphertext.clone(), key: text(key) }
            }
            Response::Plaintext { plaintext, key } => {
                KmsResponse::Plaintext { plaintext: plaintext.expose().to_vec(), key: text(key) }
            }
            Response::Signature(signature) => {
                KmsResponse::Signature { signature: signature.clone() }
            }
            Response::Verified => KmsResponse::Verified,
            Response::PublicKey { spki, key } => {
                KmsResponse::PublicKey { spki: spki.clone(), key: text(key) }
            }
            Response::Key(key) => KmsResponse::Key { key: text(key) },
            Response::SecretVersion { version } => {
                KmsResponse::SecretVersion { version: version.clone() }
            }
            Response::Secret { value, version } => {
                KmsResponse::Secret { value: value.expose().to_vec(), version: version.clone() }
            }
            _ => return Err(protocol("the KMS answered what the language does not know yet")),
        })
    }

    /// What a KMS of the language's own answered. Another form than it may have breaks its
    /// protocol.
    pub(crate) fn into_response(self) -> Result<Response> {
        self.read().map_err(|error| Error::new(ErrorCode::KmsProtocol, error.detail().to_owned()))
    }

    fn read(self) -> Result<Response> {
        Ok(match self {
            KmsResponse::DataKey { data_key: bytes, wrapped } => {
                Response::DataKey { data_key: data_key(bytes)?, wrapped: wrapped.read()? }
            }
            KmsResponse::Wrapped { wrapped } => Response::Wrapped(wrapped.read()?),
            KmsResponse::Unwrapped { data_key: bytes } => Response::Unwrapped(data_key(bytes)?),
            KmsResponse::Ciphertext { ciphertext, key } => {
                Response::Ciphertext { ciphertext, key: KeyUri::new(key)? }
            }
            KmsResponse::Plaintext { plaintext, key } => {
                let plaintext = SecretBytes::new(plaintext);
                Response::Plaintext { plaintext, key: KeyUri::new(key)? }
            }
            KmsResponse::Signature { signature } => Response::Signature(signature),
            KmsResponse::Verified => Response::Verified,
            KmsResponse::PublicKey { spki, key } => {
                Response::PublicKey { spki, key: KeyUri::new(key)? }
            }
            KmsResponse::Key { key } => Response::Key(KeyUri::new(key)?),
            KmsResponse::SecretVersion { version } => Response::SecretVersion { version },
            KmsResponse::Secret { value, version } => {
                Response::Secret { value: SecretBytes::new(value), version }
            }
        })
    }
}
