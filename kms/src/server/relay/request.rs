//! Requests about keys of clouds: the members that they have, and what they ask of a cloud.

use std::borrow::Cow;

use keyfold::kms::cloud::{self, ContextForm};
use keyfold::kms::{Request, SignInput};
use keyfold::sign::SignatureAlgorithm;
use keyfold::{EncryptionContext, KeyUri, SecretBytes, WrappedKey};
use serde::Deserialize;

use super::super::auth::Service;
use super::super::operations::Entry;
use super::super::strict;
use super::answer::Form;
use crate::audit::Trail;
use crate::engine::Relayed;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::types::{
    Blob, DataKeySpec, EncryptionAlgorithm, MessageType, Sensitive, SigningAlgorithm, check,
    context,
};

/// What stands in every URI of a cloud, and in no name of anything here.
const OF_CLOUD: &str = "://";
/// How the base64 of a record of a cloud's ciphertext begins; no blob of this engine does.
const RECORD: &str = "S0ZQA";
/// Members that AWS knows and a cloud does not.
const REFUSED: &[&str] = &["DryRun", "DryRunModifiers", "GrantTokens"];
/// The pair that stands for a secret in the limits of a token.
const SECRET: &str = "SecretARN";
/// The longest message and small plaintext, in bytes; clouds may take less.
const MAX_PLAINTEXT: usize = 64 * 1024;
const MAX_MESSAGE: usize = 4096;
/// The longest public key to seal to, in bytes; one of RSA with 2048 bits has 294.
const MAX_PUBLIC_KEY: usize = 1024;

/// What is asked of a cloud.
pub(super) struct Asked {
    /// For the audit record, and for the limits of the caller's credentials.
    pub(super) relayed: Relayed,
    /// Which actions on which keys and secrets it takes.
    pub(super) needs: Vec<(String, &'static str)>,
    /// What the cloud is asked, or why it is not; told to those alone who may ask.
    pub(super) request: Result<Request>,
    /// How its answer is written.
    pub(super) form: Form,
}

/// The members that may name a key or secret, of any operation.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Names<'a> {
    #[serde(borrow)]
    key_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    source_key_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    destination_key_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    secret_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ciphertext_blob: Option<Cow<'a, str>>,
}

/// Whether a body names a key or secret of a cloud. One that is not of the form that it must have
/// is left to whoever tells what is wrong with it.
pub(super) fn is_of_cloud(body: &[u8]) -> bool {
    let Ok(names) = serde_json::from_slice::<Names<'_>>(body) else { return false };
    let named = [&names.key_id, &names.source_key_id, &names.destination_key_id, &names.secret_id];
    let is_record = |blob: &Cow<'_, str>| blob.starts_with(RECORD);
    named.into_iter().flatten().any(|name| name.contains(OF_CLOUD))
        || (names.key_id.is_none()
            && names.source_key_id.is_none()
            && names.ciphertext_blob.as_ref().is_some_and(is_record))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct GenerateDataKey {
    key_id: String,
    key_spec: Option<DataKeySpec>,
    number_of_bytes: Option<u32>,
    #[serde(with = "context")]
    encryption_context: EncryptionContext,
    recipient: Option<Recipient>,
}

/// To whom a cloud seals a data key. AWS has an attestation in the place of the public key.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Recipient {
    key_encryption_algorithm: EncryptionAlgorithm,
    public_key: Blob,
}

impl Recipient {
    fn check(self) -> Result<Vec<u8>> {
        if self.key_encryption_algorithm != EncryptionAlgorithm::RsaesOaepSha256 {
            return Err(KmsError::unsupported("what is sealed is sealed by RSAES_OAEP_SHA_256"));
        }
        check_len("recipient.publicKey", self.public_key.0.len(), MAX_PUBLIC_KEY)?;
        Ok(self.public_key.0)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct Encrypt {
    key_id: String,
    plaintext: Sensitive,
    #[serde(with = "context")]
    encryption_context: EncryptionContext,
    encryption_algorithm: Option<EncryptionAlgorithm>,
    data_key: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct Decrypt {
    ciphertext_blob: Blob,
    key_id: Option<String>,
    #[serde(with = "context")]
    encryption_context: EncryptionContext,
    encryption_algorithm: Option<EncryptionAlgorithm>,
    data_key: bool,
    recipient: Option<Recipient>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct ReEncrypt {
    ciphertext_blob: Blob,
    source_key_id: Option<String>,
    #[serde(with = "context")]
    source_encryption_context: EncryptionContext,
    source_encryption_algorithm: Option<EncryptionAlgorithm>,
    destination_key_id: String,
    #[serde(with = "context")]
    destination_encryption_context: EncryptionContext,
    destination_encryption_algorithm: Option<EncryptionAlgorithm>,
    data_key: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct Sign {
    key_id: String,
    message: Sensitive,
    message_type: Option<MessageType>,
    signing_algorithm: Option<SigningAlgorithm>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct Verify {
    key_id: String,
    message: Sensitive,
    message_type: Option<MessageType>,
    signature: Blob,
    signing_algorithm: Option<SigningAlgorithm>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct KeyOnly {
    key_id: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct GetSecretValue {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

/// Reads a request.
///
/// # Errors
/// `SerializationException`, `ValidationException`, `UnsupportedOperationException`.
pub(super) fn read(entry: &'static Entry, body: &[u8]) -> Result<Asked> {
    match (entry.service, entry.name) {
        (Service::Kms, "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext") => {
            data_key(entry, strict::decode(body, REFUSED)?)
        }
        (Service::Kms, "Encrypt") => encrypt(entry, strict::decode(body, REFUSED)?),
        (Service::Kms, "Decrypt") => decrypt(entry, strict::decode(body, REFUSED)?),
        (Service::Kms, "ReEncrypt") => re_encrypt(entry, strict::decode(body, REFUSED)?),
        (Service::Kms, "Sign") => sign(entry, strict::decode(body, REFUSED)?),
        (Service::Kms, "Verify") => verify(entry, strict::decode(body, REFUSED)?),
        (Service::Kms, "GetPublicKey" | "DescribeKey") => {
            let KeyOnly { key_id } = strict::decode(body, REFUSED)?;
            let (action, form) = match entry.name {
                "GetPublicKey" => ("kms:GetPublicKey", Form::PublicKey),
                _ => ("kms:DescribeKey", Form::Description),
            };
            let key = key(&key_id)?;
            let request = match form {
                Form::PublicKey => Request::GetPublicKey { key },
                _ => Request::ResolveKey { key },
            };
            let relayed = Relayed::of(entry, Trail::default(), None);
            Ok(Asked::new(relayed, vec![(key_id, action)], Ok(request), form))
        }
        (Service::Secrets, "GetSecretValue") => secret(entry, strict::decode(body, REFUSED)?),
        _ => Err(KmsError::unsupported(
            "this is done at the cloud itself, by whoever has its credentials",
        )),
    }
}

fn data_key(entry: &Entry, given: GenerateDataKey) -> Result<Asked> {
    let GenerateDataKey { key_id, key_spec, number_of_bytes, encryption_context, recipient } =
        given;
    check_context(&encryption_context)?;
    if !matches!((key_spec, number_of_bytes), (Some(DataKeySpec::Aes256), None) | (None, Some(32)))
    {
        let why = "a data key of a cloud has 32 bytes: KeySpec is AES_256";
        return Err(KmsError::new(KmsErrorCode::Validation, why));
    }
    let (key, context) = (key(&key_id)?, encryption_context.clone());
    let recipient = recipient.map(Recipient::check).transpose()?;
    let (action, form, request) = match (entry.name, recipient) {
        ("GenerateDataKey", None) => {
            ("kms:GenerateDataKey", Form::DataKey, Request::GenerateDataKey { key, context })
        }
        ("GenerateDataKey", Some(recipient)) => {
            let request = Request::GenerateSealedDataKey { key, context, recipient };
            ("kms:GenerateDataKey", Form::SealedDataKey, request)
        }
        (_, None) => {
            let request = Request::GenerateDataKey { key, context };
            ("kms:GenerateDataKeyWithoutPlaintext", Form::WithoutPlaintext, request)
        }
        (_, Some(_)) => return Err(KmsError::unsupported("there is no plaintext to be sealed")),
    };
    let relayed = Relayed::of(entry, Trail::default(), Some(encryption_context));
    Ok(Asked::new(relayed, vec![(key_id, action)], Ok(request), form))
}

fn encrypt(entry: &Entry, given: Encrypt) -> Result<Asked> {
    let Encrypt { key_id, plaintext, encryption_context, encryption_algorithm, data_key } = given;
    check_context(&encryption_context)?;
    check_symmetric(encryption_algorithm)?;
    check_len("plaintext", plaintext.len(), MAX_PLAINTEXT)?;
    let trail = Trail { bytes_in: Some(plaintext.len() as u64), ..Trail::default() };
    let (key, context) = (key(&key_id)?, encryption_context.clone());
    let plaintext = SecretBytes::new(plaintext.into_inner());
    let (request, form) = if data_key {
        (Request::Wrap { key, data_key: plaintext, context }, Form::Wrapped)
    } else {
        (Request::Encrypt { key, plaintext, context }, Form::Ciphertext)
    };
    let relayed = Relayed::of(entry, trail, Some(encryption_context));
    Ok(Asked::new(relayed, vec![(key_id, "kms:Encrypt")], Ok(request), form))
}

fn decrypt(entry: &Entry, given: Decrypt) -> Result<Asked> {
    let Decrypt { ciphertext_blob, key_id, encryption_context, data_key, .. } = given;
    check_context(&encryption_context)?;
    check_symmetric(given.encryption_algorithm)?;
    let recipient = given.recipient.map(Recipient::check).transpose()?;
    let Blob(blob) = ciphertext_blob;
    let trail = Trail { bytes_in: Some(blob.len() as u64), ..Trail::default() };
    let named = key_id.as_deref().map(key).transpose()?;
    let record = WrappedKey::from_record(&blob).ok();
    let needs = sources(named.as_ref(), record.as_ref(), "kms:Decrypt")?;
    let context = encryption_context.clone();
    // Always demanded: what a record says of its key, its writer says.
    let key = named.or_else(|| record.as_ref().map(|record| record.key.clone()));
    let of = key.as_ref().map(ToString::to_string).unwrap_or_default();
    let (request, form) = match (data_key, recipient) {
        (true, None) => {
            let request = record.ok_or_else(KmsError::invalid_ciphertext);
            let request = request.map(|wrapped| Request::Unwrap { wrapped, context, key });
            (request, Form::Unwrapped(of))
        }
        (true, Some(recipient)) => {
            let request = record.ok_or_else(KmsError::invalid_ciphertext);
            let request =
                request.map(|wrapped| Request::UnwrapSealed { wrapped, context, key, recipient });
            (request, Form::Sealed(of))
        }
        (false, None) => (Ok(Request::Decrypt { key, ciphertext: blob, context }), Form::Plaintext),
        (false, Some(_)) => return Err(KmsError::unsupported("only data keys are sealed")),
    };
    let relayed = Relayed::of(entry, trail, Some(encryption_context));
    Ok(Asked::new(relayed, needs, request, form))
}

fn re_encrypt(entry: &Entry, given: ReEncrypt) -> Result<Asked> {
    let context = given.source_encryption_context;
    check_context(&context)?;
    check_symmetric(given.source_encryption_algorithm)?;
    check_symmetric(given.destination_encryption_algorithm)?;
    if !given.data_key || context != given.destination_encryption_context {
        let why = "what a cloud encrypted is re-encrypted for data keys alone, in one context";
        return Err(KmsError::unsupported(why));
    }
    let Blob(blob) = given.ciphertext_blob;
    let trail = Trail { bytes_in: Some(blob.len() as u64), ..Trail::default() };
    let named = given.source_key_id.as_deref().map(key).transpose()?;
    let record = WrappedKey::from_record(&blob).ok();
    let mut needs = sources(named.as_ref(), record.as_ref(), "kms:ReEncryptFrom")?;
    let to = key(&given.destination_key_id)?;
    needs.push((given.destination_key_id, "kms:ReEncryptTo"));
    let key = named.or_else(|| record.as_ref().map(|record| record.key.clone()));
    let request = record.ok_or_else(KmsError::invalid_ciphertext).map(|wrapped| Request::Rewrap {
        wrapped,
        context: context.clone(),
        key,
        to,
    });
    let relayed = Relayed::of(entry, trail, Some(context));
    Ok(Asked::new(relayed, needs, request, Form::Wrapped))
}

fn sign(entry: &Entry, given: Sign) -> Result<Asked> {
    let Sign { key_id, message, message_type, signing_algorithm } = given;
    let named = required(signing_algorithm)?;
    let (trail, algorithm, input) = signed(message, message_type, named)?;
    let key = key(&key_id)?;
    let request = Request::Sign { key, algorithm, input };
    let form = Form::Signature(key_id.clone(), named);
    Ok(Asked::new(Relayed::of(entry, trail, None), vec![(key_id, "kms:Sign")], Ok(request), form))
}

fn verify(entry: &Entry, given: Verify) -> Result<Asked> {
    let Verify { key_id, message, message_type, signature, signing_algorithm } = given;
    let named = required(signing_algorithm)?;
    let (trail, algorithm, input) = signed(message, message_type, named)?;
    check_len("signature", signature.0.len(), 6144)?;
    let key = key(&key_id)?;
    let request = Request::Verify { key, algorithm, input, signature: signature.0 };
    let form = Form::Verified(key_id.clone(), named);
    let relayed = Relayed::of(entry, trail, None);
    Ok(Asked::new(relayed, vec![(key_id, "kms:Verify")], Ok(request), form))
}

fn required(algorithm: Option<SigningAlgorithm>) -> Result<SigningAlgorithm> {
    algorithm.ok_or_else(|| KmsError::validation("signingAlgorithm", "Member must not be null"))
}

fn signed(
    message: Sensitive,
    kind: Option<MessageType>,
    algorithm: SigningAlgorithm,
) -> Result<(Trail, SignatureAlgorithm, SignInput)> {
    check_len("message", message.len(), MAX_MESSAGE)?;
    let name = Some(algorithm.as_str().to_owned());
    let algorithm: SignatureAlgorithm = algorithm.as_str().parse()?;
    let kind = kind.unwrap_or(MessageType::Raw);
    let trail = Trail {
        algorithm: name,
        message_type: Some(kind.as_str().to_owned()),
        bytes_in: Some(message.len() as u64),
        ..Trail::default()
    };
    let input = match kind {
        MessageType::Raw => SignInput::Message(message.into_inner()),
        MessageType::Digest if algorithm.digest_len() == Some(message.len()) => {
            SignInput::Digest(message.into_inner())
        }
        _ => {
            let why = "Member must be a digest of the algorithm's length";
            return Err(KmsError::validation("message", why));
        }
    };
    Ok((trail, algorithm, input))
}

fn secret(entry: &Entry, given: GetSecretValue) -> Result<Asked> {
    let GetSecretValue { secret_id, version_id, version_stage } = given;
    check::chars("secretId", &secret_id, 1..=KeyUri::MAX_LEN)?;
    // A token that names one secret is for this one.
    let context = EncryptionContext::from([(SECRET, secret_id.as_str())]);
    let relayed = Relayed::of(entry, Trail::default(), Some(context));
    let request = Request::GetSecret {
        // The relay takes the cloud's own part of it.
        name: secret_id.clone(),
        version: version_id,
        stage: version_stage,
    };
    let needs = vec![(secret_id.clone(), "secretsmanager:GetSecretValue")];
    Ok(Asked::new(relayed, needs, Ok(request), Form::Secret(secret_id)))
}

/// The keys that a ciphertext is to be of: the one that is named, and the one that its record
/// names.
fn sources(
    named: Option<&KeyUri>,
    record: Option<&WrappedKey>,
    action: &'static str,
) -> Result<Vec<(String, &'static str)>> {
    let keys = named.into_iter().chain(record.map(|record| &record.key));
    let mut needs: Vec<(String, _)> = keys.map(|key| (key.to_string(), action)).collect();
    needs.dedup();
    if needs.is_empty() { Err(KmsError::invalid_ciphertext()) } else { Ok(needs) }
}

fn key(name: &str) -> Result<KeyUri> {
    KeyUri::new(name)
        .map_err(|error| KmsError::new(KmsErrorCode::Validation, error.detail().to_owned()))
}

fn check_context(context: &EncryptionContext) -> Result<()> {
    context.to_canonical().map(drop).map_err(|_| {
        KmsError::validation("encryptionContext", "Member must have at most 8192 bytes encoded")
    })
}

fn check_symmetric(algorithm: Option<EncryptionAlgorithm>) -> Result<()> {
    match algorithm {
        None | Some(EncryptionAlgorithm::SymmetricDefault) => Ok(()),
        Some(_) => {
            Err(KmsError::unsupported("the cloud's own algorithm is SYMMETRIC_DEFAULT here"))
        }
    }
}

fn check_len(member: &str, len: usize, max: usize) -> Result<()> {
    if (1..=max).contains(&len) {
        return Ok(());
    }
    Err(KmsError::validation(member, &format!("Member must have 1 to {max} bytes")))
}

impl Relayed {
    fn of(entry: &Entry, trail: Trail, context: Option<EncryptionContext>) -> Self {
        let (service, name) = (entry.service.name(), entry.name);
        Relayed { service, name, trail, context, is_bound: true }
    }
}

impl Asked {
    fn new(
        mut relayed: Relayed,
        needs: Vec<(String, &'static str)>,
        request: Result<Request>,
        form: Form,
    ) -> Self {
        for (key, _) in &needs {
            relayed.trail.resource(key.as_str());
            let scheme = key.split_once(OF_CLOUD).map_or("", |(scheme, _)| scheme);
            let cloud = cloud::capabilities(scheme);
            let binds_none = cloud.is_some_and(|cloud| cloud.context == ContextForm::Never);
            relayed.is_bound &= relayed.service != "kms" || !binds_none;
        }
        Asked { relayed, needs, request, form }
    }
}
