//! The requests of the seam, as operations of the services.

use std::time::Duration;

use zeroize::Zeroizing;

use super::exchange::{Exchange, Failure};
use super::{AwsConfig, Service};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{DataKey, KeyUri, ProviderParams, SecretBytes, WrappedKey};
use crate::kms::driver::Turn;
use crate::kms::json::Object;
use crate::kms::wire::{self, Members};
use crate::kms::{DataKeyReply, Request, Response, SignInput};
use crate::sign::SignatureAlgorithm;
use crate::transport::{HttpRequest, HttpResponse};

/// The longest wrapped key and ciphertext, in bytes (docs/spec/envelope.md, clause 4.6).
const MAX_CIPHERTEXT: usize = 6144;
/// The longest record of small data, in bytes (docs/spec/providers.md, clause 4.1).
const MAX_RECORD: usize = 4 + 2 + 4096 + 64 * 1024;

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
    /// Whether the key is of a cloud that the server speaks to for us.
    relayed: bool,
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
        let relayed = is_relayed(config, request);
        Ok(Call { config, request, exchange, put, relayed })
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
        let answer = Object(body);
        Ok(match self.request {
            Request::GenerateDataKey { .. } => {
                let data_key = data_key(answer)?.map_err(|_| {
                    Error::new(ErrorCode::KmsProtocol, "the KMS made a data key of another length")
                })?;
                Response::DataKey { data_key, wrapped: self.wrapped(answer)? }
            }
            Request::Wrap { .. } | Request::Rewrap { .. } => {
                Response::Wrapped(self.wrapped(answer)?)
            }
            Request::Unwrap { .. } => {
                // Something else was encrypted under this key and context.
                Response::Unwrapped(data_key(answer)?.map_err(|_| Error::authentication())?)
            }
            Request::GenerateSealedDataKey { .. } => {
                Response::SealedDataKey { sealed: sealed(answer)?, wrapped: self.wrapped(answer)? }
            }
            Request::UnwrapSealed { .. } => Response::Sealed(sealed(answer)?),
            Request::Encrypt { .. } => {
                let (key, ciphertext) = (self.key_id(answer)?, answer.bytes("CiphertextBlob")?);
                let max = if self.relayed { MAX_RECORD } else { MAX_CIPHERTEXT };
                if ciphertext.is_empty() || ciphertext.len() > max {
                    return Err(wire::not_understood());
                }
                Response::Ciphertext { ciphertext, key }
            }
            Request::Decrypt { .. } => Response::Plaintext {
                plaintext: SecretBytes::new(answer.bytes("Plaintext")?),
                key: self.key_id(answer)?,
            },
            Request::Sign { .. } => Response::Signature(answer.bytes("Signature")?),
            Request::Verify { .. } if answer.is_true("SignatureValid")? => Response::Verified,
            Request::Verify { .. } => {
                // AWS itself answers an exception here.
                return Err(Error::new(ErrorCode::SignatureInvalid, "the signature does not hold"));
            }
            Request::GetPublicKey { .. } => {
                Response::PublicKey { spki: answer.bytes("PublicKey")?, key: self.key_id(answer)? }
            }
            Request::ResolveKey { .. } => {
                Response::Key(self.uri(&answer.object("KeyMetadata")?.text("Arn")?)?)
            }
            Request::PutSecret { .. } => {
                Response::SecretVersion { version: answer.text("VersionId")?.into_owned() }
            }
            Request::GetSecret { .. } => {
                let value = match answer.maybe_text("SecretString")? {
                    Some(text) => text.into_owned().into_bytes(),
                    None => answer.bytes("SecretBinary")?,
                };
                let version = answer.text("VersionId")?.into_owned();
                Response::Secret { value: SecretBytes::new(value), version }
            }
        })
    }

    /// The key that an answer names.
    fn key_id(&self, answer: Object<'_>) -> Result<KeyUri> {
        self.uri(&answer.text("KeyId")?)
    }

    fn uri(&self, name: &str) -> Result<KeyUri> {
        if !self.relayed {
            let uri = format!("{}:{name}", self.config.scheme());
            return KeyUri::new(uri).map_err(|_| wire::not_understood());
        }
        let uri = KeyUri::new(name).ok().filter(|key| self.config.relays(key));
        uri.ok_or_else(wire::not_understood)
    }

    fn wrapped(&self, answer: Object<'_>) -> Result<WrappedKey> {
        let (key, ciphertext) = (self.key_id(answer)?, answer.bytes("CiphertextBlob")?);
        let wrapped = if self.relayed {
            // What the cloud wrapped, with what it takes to unwrap it: as if it had been asked
            // directly.
            let wrapped = WrappedKey::from_record(&ciphertext);
            wrapped.ok().filter(|wrapped| wrapped.key == key).ok_or_else(wire::not_understood)?
        } else {
            WrappedKey { key, params: ProviderParams::new(), ciphertext }
        };
        if wrapped.ciphertext.is_empty() || wrapped.ciphertext.len() > MAX_CIPHERTEXT {
            return Err(wire::not_understood());
        }
        Ok(wrapped)
    }
}

/// Whether the server is to pass a request on.
fn is_relayed(config: &AwsConfig, request: &Request) -> bool {
    // A record names its key.
    if let Request::Decrypt { key: None, ciphertext, .. } = request {
        let record = WrappedKey::from_record(ciphertext).ok();
        return record.is_some_and(|record| config.relays(&record.key));
    }
    request.key().is_some_and(|key| config.relays(key))
}

/// The data key in an answer; the inner error where it is of another length.
fn data_key(answer: Object<'_>) -> Result<Result<DataKeyReply>> {
    let mut bytes = Zeroizing::new(answer.bytes("Plaintext")?);
    Ok(DataKey::take(&mut bytes).map(DataKeyReply))
}

/// What was sealed to us; whoever passed it on has not seen it.
fn sealed(answer: Object<'_>) -> Result<Vec<u8>> {
    if answer.maybe_text("Plaintext")?.is_some() {
        return Err(wire::not_understood());
    }
    answer.bytes("CiphertextForRecipient")
}

/// The operation for a request.
fn begin<'a>(config: &'a AwsConfig, request: &Request, put: Put) -> Result<Exchange<'a>> {
    let name = |key| config.name(key);
    let mut members = Members::new(secret_len(request));
    let operation = match request {
        Request::GenerateDataKey { key, context } => {
            members.text("KeyId", name(key)?);
            members.text("KeySpec", "AES_256");
            members.context("EncryptionContext", context);
            "GenerateDataKey"
        }
        Request::GenerateSealedDataKey { key, context, recipient: to } => {
            members.text("KeyId", name(key)?);
            members.text("KeySpec", "AES_256");
            recipient(config, key, &mut members, to)?;
            members.context("EncryptionContext", context);
            "GenerateDataKey"
        }
        Request::UnwrapSealed { wrapped, context, key, recipient: to } => {
            members.text("KeyId", name(key.as_ref().unwrap_or(&wrapped.key))?);
            ciphertext(config, &mut members, wrapped)?;
            recipient(config, &wrapped.key, &mut members, to)?;
            members.context("EncryptionContext", context);
            "Decrypt"
        }
        Request::Wrap { key, data_key: plain, context }
        | Request::Encrypt { key, plaintext: plain, context } => {
            members.text("KeyId", name(key)?);
            members.bytes("Plaintext", plain.expose());
            members.context("EncryptionContext", context);
            if matches!(request, Request::Wrap { .. }) && config.relays(key) {
                of_data_key(&mut members);
            }
            "Encrypt"
        }
        Request::Unwrap { wrapped, context, key } => {
            // Always named: a ciphertext of another key is refused.
            members.text("KeyId", name(key.as_ref().unwrap_or(&wrapped.key))?);
            ciphertext(config, &mut members, wrapped)?;
            members.context("EncryptionContext", context);
            "Decrypt"
        }
        Request::Decrypt { key, ciphertext, context } => {
            members.maybe_text("KeyId", key.as_ref().map(name).transpose()?);
            members.bytes("CiphertextBlob", ciphertext);
            members.context("EncryptionContext", context);
            "Decrypt"
        }
        Request::Rewrap { wrapped, context, key, to } => {
            ciphertext(config, &mut members, wrapped)?;
            members.text("SourceKeyId", name(key.as_ref().unwrap_or(&wrapped.key))?);
            members.context("SourceEncryptionContext", context);
            members.text("DestinationKeyId", name(to)?);
            members.context("DestinationEncryptionContext", context);
            "ReEncrypt"
        }
        Request::Sign { key, algorithm, input } => {
            signed(&mut members, name(key)?, input);
            members.text("SigningAlgorithm", signing(*algorithm)?);
            "Sign"
        }
        Request::Verify { key, algorithm, input, signature } => {
            signed(&mut members, name(key)?, input);
            members.bytes("Signature", signature);
            members.text("SigningAlgorithm", signing(*algorithm)?);
            "Verify"
        }
        Request::GetPublicKey { key } => {
            members.text("KeyId", name(key)?);
            "GetPublicKey"
        }
        Request::ResolveKey { key } => {
            members.text("KeyId", name(key)?);
            "DescribeKey"
        }
        Request::PutSecret { name: of, value, key, token } => {
            let create = put == Put::Create;
            members.text(if create { "Name" } else { "SecretId" }, of);
            members.text("ClientRequestToken", token);
            if create {
                members.maybe_text("KmsKeyId", key.as_ref().map(name).transpose()?);
            } else if let Some(key) = key {
                // It belongs to the secret already; that it is of this KMS counts all the same.
                name(key)?;
            }
            // Text where it is UTF-8, which other clients can show; else bytes.
            match std::str::from_utf8(value.expose()) {
                Ok(text) => members.text("SecretString", text),
                Err(_) => members.bytes("SecretBinary", value.expose()),
            }
            if create { "CreateSecret" } else { "PutSecretValue" }
        }
        Request::GetSecret { name, version, stage } => {
            members.text("SecretId", name);
            members.maybe_text("VersionId", version.as_deref());
            members.maybe_text("VersionStage", stage.as_deref());
            "GetSecretValue"
        }
    };
    Exchange::new(config, Service::of_operation(operation), operation, members.finish())
}

/// A wrapped data key; that of a cloud goes with all that it takes to unwrap it.
fn ciphertext(config: &AwsConfig, members: &mut Members, wrapped: &WrappedKey) -> Result<()> {
    if config.relays(&wrapped.key) {
        members.bytes("CiphertextBlob", &wrapped.to_record()?);
        of_data_key(members);
    } else {
        members.bytes("CiphertextBlob", &wrapped.ciphertext);
    }
    Ok(())
}

/// To whom the cloud is to seal its answer.
fn recipient(config: &AwsConfig, key: &KeyUri, members: &mut Members, to: &[u8]) -> Result<()> {
    if !config.relays(key) {
        return Err(Error::invalid("this KMS seals no data keys to a public key"));
    }
    let mut recipient = Members::new(0);
    recipient.text("KeyEncryptionAlgorithm", "RSAES_OAEP_SHA_256");
    recipient.bytes("PublicKey", to);
    members.json("Recipient", &recipient.finish());
    Ok(())
}

/// Some clouds treat data keys in another way than small data.
fn of_data_key(members: &mut Members) {
    members.json("DataKey", b"true");
}

/// Bytes that are secret, beside the other members.
fn secret_len(request: &Request) -> usize {
    match request {
        Request::Wrap { data_key: secret, .. }
        | Request::Encrypt { plaintext: secret, .. }
        | Request::PutSecret { value: secret, .. } => secret.len(),
        Request::Sign { input, .. } | Request::Verify { input, .. } => match input {
            SignInput::Message(bytes) | SignInput::Digest(bytes) => bytes.len(),
        },
        _ => 0,
    }
}

fn signed(members: &mut Members, key: &str, input: &SignInput) {
    // Never left to a default: services differ in it.
    let (message, message_type) = match input {
        SignInput::Message(message) => (message, "RAW"),
        SignInput::Digest(digest) => (digest, "DIGEST"),
    };
    members.text("KeyId", key);
    members.bytes("Message", message);
    members.text("MessageType", message_type);
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
