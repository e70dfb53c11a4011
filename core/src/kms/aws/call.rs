//! The requests of the seam, as operations of the services.

use std::time::Duration;

use super::exchange::{Exchange, Failure, Turn};
use super::wire::{self, Bytes, Context, Cryptographic, OfSecret};
use super::{AwsConfig, Service};
use crate::context::EncryptionContext;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{DataKey, KeyUri, ProviderParams, SecretBytes, WrappedKey};
use crate::kms::{DataKeyReply, Request, Response, SignInput};
use crate::sign::SignatureAlgorithm;
use crate::transport::{HttpRequest, HttpResponse};

/// The longest wrapped key and ciphertext, in bytes (docs/spec/envelope.md, clause 4.3).
const MAX_CIPHERTEXT: usize = 6144;

/// One [`Request`] on its way, as a machine: take a request, send it, hand its answer back, until
/// it is done.
///
/// ```
/// use std::time::Duration;
/// use keyfold::credentials::Credentials;
/// use keyfold::kms::aws::{AwsConfig, Call, Turn};
/// use keyfold::kms::{Request, Response};
/// use keyfold::transport::HttpResponse;
///
/// let config = AwsConfig::aws("us-east-1")?;
/// let secret = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_vec().into();
/// let credentials = Credentials::access_key("AKIDEXAMPLE", &secret, None)?;
/// let now = Duration::from_secs(1_700_000_000);
///
/// let request = Request::ResolveKey { key: "aws:alias/docs".parse()? };
/// let mut call = Call::new(&config, &request)?;
/// let http = call.request(&credentials, now)?;
/// assert_eq!(http.body, br#"{"KeyId":"alias/docs"}"#);
///
/// let body = br#"{"KeyMetadata":{"Arn":"arn:aws:kms:us-east-1:111122223333:key/7f1c"}}"#.to_vec();
/// let answer = HttpResponse { status: 200, headers: vec![], body };
/// let Turn::Done(Response::Key(key)) = call.answer(answer, now)? else { unreachable!() };
/// assert_eq!(key.as_str(), "aws:arn:aws:kms:us-east-1:111122223333:key/7f1c");
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct Call<'a> {
    config: &'a AwsConfig,
    request: &'a Request,
    exchange: Exchange<'a>,
    put: Put,
}

/// Storing a secret takes up to three operations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Put {
    /// A new version of what is there.
    Version,
    /// It was not there: a new secret.
    Create,
    /// Somebody else was faster: a new version after all.
    VersionAfterAll,
}

impl<'a> Call<'a> {
    /// Begins a request.
    ///
    /// # Errors
    /// `invalid_argument` for a key of another KMS, an algorithm that KMS keys do not have, or a
    /// request that this provider does not offer.
    pub fn new(config: &'a AwsConfig, request: &'a Request) -> Result<Self> {
        let put = Put::Version;
        let exchange = begin(config, request, put)?;
        Ok(Call { config, request, exchange, put })
    }

    /// The HTTP request to send now; `now` is the time since 1970.
    ///
    /// # Errors
    /// As [`Exchange::request`].
    pub fn request(&mut self, credentials: &Credentials, now: Duration) -> Result<HttpRequest> {
        self.exchange.request(credentials, now)
    }

    /// Takes the answer; `now` is the time since 1970.
    ///
    /// # Errors
    /// The `kms_*` codes and the others that [`Kms::call`](crate::Kms::call) names.
    pub fn answer(&mut self, response: HttpResponse, now: Duration) -> Result<Turn<Response>> {
        match self.exchange.take(response, now) {
            Ok(Turn::Send) => Ok(Turn::Send),
            Ok(Turn::Renew(error)) => Ok(Turn::Renew(error)),
            Ok(Turn::Done(body)) => self.understand(&body).map(Turn::Done),
            Err(failure) => self.go_on(failure, now),
        }
    }

    /// A secret that is not there yet is made; one that appeared meanwhile gets a new version.
    fn go_on(&mut self, failure: Failure, now: Duration) -> Result<Turn<Response>> {
        if let (Request::PutSecret { .. }, Failure::Service(both)) = (self.request, &failure) {
            let next = match (self.put, both.0.name()) {
                (Put::Version, Some("ResourceNotFoundException")) => Some(Put::Create),
                (Put::Create, Some("ResourceExistsException")) => Some(Put::VersionAfterAll),
                _ => None,
            };
            if let Some(next) = next {
                self.put = next;
                self.exchange = begin(self.config, self.request, next)?;
                return Ok(Turn::Send);
            }
        }
        let of_secret =
            matches!(self.request, Request::PutSecret { .. } | Request::GetSecret { .. });
        Err(failure.into_error(now, of_secret))
    }

    fn understand(&self, body: &[u8]) -> Result<Response> {
        match self.request {
            Request::GenerateDataKey { .. } => {
                let answer: wire::DataKeyAnswer = wire::decode(body)?;
                let data_key = data_key(&answer.plaintext.0).map_err(|_| {
                    Error::new(ErrorCode::KmsProtocol, "the KMS made a data key of another length")
                })?;
                let wrapped = self.wrapped(&answer.key_id, answer.ciphertext_blob)?;
                Ok(Response::DataKey { data_key, wrapped })
            }
            Request::Wrap { .. } | Request::Rewrap { .. } => {
                let answer: wire::CiphertextAnswer = wire::decode(body)?;
                Ok(Response::Wrapped(self.wrapped(&answer.key_id, answer.ciphertext_blob)?))
            }
            Request::Unwrap { .. } => {
                let answer: wire::PlaintextAnswer = wire::decode(body)?;
                // Something else was encrypted under this key and context.
                let data_key =
                    data_key(&answer.plaintext.0).map_err(|_| Error::authentication())?;
                Ok(Response::Unwrapped(data_key))
            }
            Request::Encrypt { .. } => {
                let answer: wire::CiphertextAnswer = wire::decode(body)?;
                let WrappedKey { key, ciphertext, .. } =
                    self.wrapped(&answer.key_id, answer.ciphertext_blob)?;
                Ok(Response::Ciphertext { ciphertext, key })
            }
            Request::Decrypt { .. } => {
                let answer: wire::PlaintextAnswer = wire::decode(body)?;
                let key = self.uri(&answer.key_id)?;
                Ok(Response::Plaintext { plaintext: answer.plaintext.0, key })
            }
            Request::Sign { .. } => {
                let answer: wire::SignatureAnswer = wire::decode(body)?;
                Ok(Response::Signature(answer.signature.into_public()))
            }
            Request::Verify { .. } => {
                let answer: wire::VerifiedAnswer = wire::decode(body)?;
                if answer.signature_valid {
                    return Ok(Response::Verified);
                }
                // AWS itself answers an exception here.
                Err(Error::new(ErrorCode::SignatureInvalid, "the signature does not hold"))
            }
            Request::GetPublicKey { .. } => {
                let answer: wire::PublicKeyAnswer = wire::decode(body)?;
                let key = self.uri(&answer.key_id)?;
                Ok(Response::PublicKey { spki: answer.public_key.into_public(), key })
            }
            Request::ResolveKey { .. } => {
                let answer: wire::KeyAnswer = wire::decode(body)?;
                Ok(Response::Key(self.uri(&answer.key_metadata.arn)?))
            }
            Request::PutSecret { .. } => {
                let answer: wire::VersionAnswer = wire::decode(body)?;
                Ok(Response::SecretVersion { version: answer.version_id })
            }
            Request::GetSecret { .. } => {
                let answer: wire::SecretAnswer = wire::decode(body)?;
                let value = match (answer.secret_string, answer.secret_binary) {
                    (Some(text), _) => text.0,
                    (None, Some(bytes)) => bytes.0,
                    (None, None) => return Err(wire::not_understood()),
                };
                Ok(Response::Secret { value, version: answer.version_id })
            }
        }
    }

    fn uri(&self, name: &str) -> Result<KeyUri> {
        KeyUri::new(format!("{}:{name}", self.config.scheme())).map_err(|_| wire::not_understood())
    }

    fn wrapped(&self, name: &str, blob: wire::Received) -> Result<WrappedKey> {
        let (key, ciphertext) = (self.uri(name)?, blob.into_public());
        if ciphertext.is_empty() || ciphertext.len() > MAX_CIPHERTEXT {
            return Err(wire::not_understood());
        }
        Ok(WrappedKey { key, params: ProviderParams::new(), ciphertext })
    }
}

fn data_key(bytes: &SecretBytes) -> Result<DataKeyReply> {
    let mut copy = zeroize::Zeroizing::new(bytes.expose().to_vec());
    DataKey::take(&mut copy).map(DataKeyReply)
}

/// The operation for a request.
fn begin<'a>(config: &'a AwsConfig, request: &'a Request, put: Put) -> Result<Exchange<'a>> {
    if let Request::PutSecret { .. } | Request::GetSecret { .. } = request {
        return begin_secret(config, request, put);
    }
    let name = |key: &'a KeyUri| config.name(key);
    let none = Cryptographic::default;
    // The length of what is secret, beside the members.
    let (operation, members, secret) = match request {
        Request::GenerateDataKey { key, context } => {
            let (key_id, encryption_context) = (Some(name(key)?), Context::of(context));
            let key_spec = Some("AES_256");
            let members = Cryptographic { key_id, key_spec, encryption_context, ..none() };
            ("GenerateDataKey", members, 0)
        }
        Request::Wrap { key, data_key: plain, context }
        | Request::Encrypt { key, plaintext: plain, context } => {
            let (key_id, encryption_context) = (Some(name(key)?), Context::of(context));
            let plaintext = Some(Bytes(plain.expose()));
            let members = Cryptographic { key_id, plaintext, encryption_context, ..none() };
            ("Encrypt", members, plain.len())
        }
        Request::Unwrap { wrapped, context, key } => {
            // Always named: a ciphertext of another key is refused.
            let key = Some(key.as_ref().unwrap_or(&wrapped.key));
            ("Decrypt", decrypt(config, key, &wrapped.ciphertext, context)?, 0)
        }
        Request::Decrypt { key, ciphertext, context } => {
            ("Decrypt", decrypt(config, key.as_ref(), ciphertext, context)?, 0)
        }
        Request::Rewrap { wrapped, context, key, to } => {
            let members = Cryptographic {
                ciphertext_blob: Some(Bytes(&wrapped.ciphertext)),
                source_key_id: Some(name(key.as_ref().unwrap_or(&wrapped.key))?),
                source_encryption_context: Context::of(context),
                destination_key_id: Some(name(to)?),
                destination_encryption_context: Context::of(context),
                ..none()
            };
            ("ReEncrypt", members, 0)
        }
        Request::Sign { key, algorithm, input } => {
            let members = signed(name(key)?, *algorithm, input, None)?;
            ("Sign", members, input_len(input))
        }
        Request::Verify { key, algorithm, input, signature } => {
            let members = signed(name(key)?, *algorithm, input, Some(signature))?;
            ("Verify", members, input_len(input))
        }
        Request::GetPublicKey { key } => {
            ("GetPublicKey", Cryptographic { key_id: Some(name(key)?), ..none() }, 0)
        }
        Request::ResolveKey { key } => {
            ("DescribeKey", Cryptographic { key_id: Some(name(key)?), ..none() }, 0)
        }
        Request::PutSecret { .. } | Request::GetSecret { .. } => {
            return Err(Error::new(ErrorCode::Internal, "secrets have operations of their own"));
        }
    };
    Exchange::new(config, Service::Kms, operation, wire::encode(&members, secret)?)
}

fn decrypt<'a>(
    config: &'a AwsConfig,
    key: Option<&'a KeyUri>,
    ciphertext: &'a [u8],
    context: &'a EncryptionContext,
) -> Result<Cryptographic<'a>> {
    Ok(Cryptographic {
        key_id: key.map(|key| config.name(key)).transpose()?,
        ciphertext_blob: Some(Bytes(ciphertext)),
        encryption_context: Context::of(context),
        ..Cryptographic::default()
    })
}

fn signed<'a>(
    key_id: &'a str,
    algorithm: SignatureAlgorithm,
    input: &'a SignInput,
    signature: Option<&'a [u8]>,
) -> Result<Cryptographic<'a>> {
    // Never left to a default: services differ in it.
    let (message, message_type) = match input {
        SignInput::Message(message) => (message, "RAW"),
        SignInput::Digest(digest) => (digest, "DIGEST"),
    };
    Ok(Cryptographic {
        key_id: Some(key_id),
        message: Some(Bytes(message)),
        message_type: Some(message_type),
        signature: signature.map(Bytes),
        signing_algorithm: Some(signing(algorithm)?),
        ..Cryptographic::default()
    })
}

fn input_len(input: &SignInput) -> usize {
    match input {
        SignInput::Message(bytes) | SignInput::Digest(bytes) => bytes.len(),
    }
}

fn begin_secret<'a>(config: &'a AwsConfig, request: &'a Request, put: Put) -> Result<Exchange<'a>> {
    let (operation, members, secret) = match request {
        Request::PutSecret { name, value, key, token } => {
            // Text where it is UTF-8, which other clients can show; else bytes.
            let secret_string = std::str::from_utf8(value.expose()).ok();
            let secret_binary = secret_string.is_none().then(|| Bytes(value.expose()));
            let client_request_token = Some(token.as_str());
            let kms_key_id = key.as_ref().map(|key| config.name(key)).transpose()?;
            let of_value = OfSecret {
                client_request_token,
                secret_string,
                secret_binary,
                ..OfSecret::default()
            };
            if put == Put::Create {
                let members = OfSecret { name: Some(name), kms_key_id, ..of_value };
                ("CreateSecret", members, value.len())
            } else {
                let members = OfSecret { secret_id: Some(name), ..of_value };
                ("PutSecretValue", members, value.len())
            }
        }
        Request::GetSecret { name, version, stage } => {
            let members = OfSecret {
                secret_id: Some(name),
                version_id: version.as_deref(),
                version_stage: stage.as_deref(),
                ..OfSecret::default()
            };
            ("GetSecretValue", members, 0)
        }
        _ => return Err(Error::new(ErrorCode::Internal, "this is no request for a secret")),
    };
    Exchange::new(config, Service::Secrets, operation, wire::encode(&members, secret)?)
}

/// Ed25519ph is refused, as by the embedded KMS: the KMS API hashes a digest once more, so that
/// its signatures are not those of the message.
fn signing(algorithm: SignatureAlgorithm) -> Result<&'static str> {
    if algorithm == SignatureAlgorithm::Ed25519ph {
        return Err(Error::invalid(
            "a KMS key signs Ed25519 over whole messages of at most 4096 bytes",
        ));
    }
    Ok(algorithm.as_str())
}
