//! The requests of the seam about keys.

use super::{MAX_CONTEXT, TencentConfig, answer, ask, refused};
use crate::context::EncryptionContext;
use crate::error::Result;
use crate::keys::{KeyUri, ProviderParams, SecretBytes, WrappedKey};
use crate::kms::cloud::record::{Record, small_data};
use crate::kms::cloud::{
    self, Link, Service, bad_signature, ciphertext_text, context, data_key, demand_key, name_of,
    not_understood, uri_of,
};
use crate::kms::json::Object;
use crate::kms::wire::Members;
use crate::kms::{Request, Response, SignInput};
use crate::sign::SignatureAlgorithm;
use crate::transport::HttpResponse;

impl TencentConfig {
    pub(super) async fn call_keys(&self, link: Link<'_>, request: &Request) -> Result<Response> {
        match request {
            Request::GenerateDataKey { key, context } => {
                let mut members = Members::new(0);
                members.text("KeyId", name_of(self, key)?);
                members.text("KeySpec", "AES_256");
                let params = bind(&mut members, context)?;
                let response = link.ask(ask(Service::Keys, "GenerateDataKey", members)).await?;
                let answer = answer(&response)?;
                let data_key = data_key(answer.bytes("Plaintext")?, true)?;
                Ok(Response::DataKey { data_key, wrapped: self.wrapped(answer, params)? })
            }
            Request::Wrap { key, data_key, context } => {
                let (response, params) = self.encrypt(link, key, data_key, context).await?;
                Ok(Response::Wrapped(self.wrapped(answer(&response)?, params)?))
            }
            Request::Unwrap { wrapped, context, key } => {
                let demanded = name_of(self, key.as_ref().unwrap_or(&wrapped.key))?;
                let (text, bound) = taken(&wrapped.ciphertext, context, &wrapped.params)?;
                let response = decrypt(link, text, bound.as_deref()).await?;
                let answer = answer(&response)?;
                demand_key(&answer.text("KeyId")?, Some(demanded))?;
                Ok(Response::Unwrapped(data_key(answer.bytes("Plaintext")?, false)?))
            }
            Request::Rewrap { wrapped, context, key, to } => {
                let demanded = name_of(self, key.as_ref().unwrap_or(&wrapped.key))?;
                let (text, bound) = taken(&wrapped.ciphertext, context, &wrapped.params)?;
                let mut members = Members::new(0);
                members.text("CiphertextBlob", text);
                members.text("DestinationKeyId", name_of(self, to)?);
                members.maybe_text("SourceEncryptionContext", bound.as_deref());
                let mut params = ProviderParams::new();
                let bound = context::bind(context, MAX_CONTEXT, &mut params)?;
                members.maybe_text("DestinationEncryptionContext", bound.as_deref());
                let response = link.ask(ask(Service::Keys, "ReEncrypt", members)).await?;
                let answer = answer(&response)?;
                demand_key(&answer.text("SourceKeyId")?, Some(demanded))?;
                Ok(Response::Wrapped(self.wrapped(answer, params)?))
            }
            Request::Encrypt { key, plaintext, context } => {
                let (response, params) = self.encrypt(link, key, plaintext, context).await?;
                small_data(self.wrapped(answer(&response)?, params)?)
            }
            Request::Decrypt { key, ciphertext, context } => {
                let record = Record::decode(ciphertext)?;
                let demanded = key.as_ref().or(record.key.as_ref());
                let demanded = demanded.map(|key| name_of(self, key)).transpose()?;
                let (text, bound) = taken(&record.ciphertext, context, &record.params)?;
                let response = decrypt(link, text, bound.as_deref()).await?;
                let answer = answer(&response)?;
                let name = answer.text("KeyId")?;
                demand_key(&name, demanded)?;
                let plaintext = SecretBytes::new(answer.bytes("Plaintext")?);
                Ok(Response::Plaintext { plaintext, key: uri_of(self, &name)? })
            }
            Request::Sign { key, algorithm, input } => {
                let mut members = Members::new(message(input).len());
                members.text("KeyId", name_of(self, key)?);
                signed(&mut members, *algorithm, input)?;
                let response = link.ask(ask(Service::Keys, "SignByAsymmetricKey", members)).await?;
                let signature = answer(&response)?.bytes("Signature")?;
                Ok(Response::Signature(cloud::der_signature(*algorithm, signature)?))
            }
            Request::Verify { key, algorithm, input, signature } => {
                let mut members = Members::new(message(input).len());
                members.text("KeyId", name_of(self, key)?);
                members.bytes("SignatureValue", signature);
                signed(&mut members, *algorithm, input)?;
                let response =
                    link.ask(ask(Service::Keys, "VerifyByAsymmetricKey", members)).await?;
                if answer(&response)?.is_true("SignatureValid")? {
                    Ok(Response::Verified)
                } else {
                    Err(bad_signature())
                }
            }
            Request::GetPublicKey { key } => {
                let mut members = Members::new(0);
                members.text("KeyId", name_of(self, key)?);
                let response = link.ask(ask(Service::Keys, "GetPublicKey", members)).await?;
                let answer = answer(&response)?;
                let key = uri_of(self, &answer.text("KeyId")?)?;
                Ok(Response::PublicKey { spki: answer.bytes("PublicKey")?, key })
            }
            Request::ResolveKey { key } => {
                let response = self.describe(link, name_of(self, key)?).await?;
                let key = answer(&response)?.object("KeyMetadata")?;
                Ok(Response::Key(uri_of(self, &key.text("KeyId")?)?))
            }
            // Of the password safe; `secrets` has them.
            Request::PutSecret { .. }
            | Request::GetSecret { .. }
            // `call_sealed` has them.
            | Request::GenerateSealedDataKey { .. }
            | Request::UnwrapSealed { .. } => Err(not_understood()),
        }
    }

    /// Data keys that the service seals.
    pub(super) async fn call_sealed(&self, link: Link<'_>, request: &Request) -> Result<Response> {
        match request {
            Request::GenerateSealedDataKey { key, context, recipient } => {
                let mut members = Members::new(0);
                members.text("KeyId", name_of(self, key)?);
                members.text("KeySpec", "AES_256");
                seal_to(&mut members, recipient)?;
                let params = bind(&mut members, context)?;
                let response = link.ask(ask(Service::Keys, "GenerateDataKey", members)).await?;
                let answer = answer(&response)?;
                let sealed = answer.bytes("Plaintext")?;
                Ok(Response::SealedDataKey { sealed, wrapped: self.wrapped(answer, params)? })
            }
            Request::UnwrapSealed { wrapped, context, key, recipient } => {
                let demanded = name_of(self, key.as_ref().unwrap_or(&wrapped.key))?;
                let (text, bound) = taken(&wrapped.ciphertext, context, &wrapped.params)?;
                let mut members = Members::new(0);
                members.text("CiphertextBlob", text);
                seal_to(&mut members, recipient)?;
                members.maybe_text("EncryptionContext", bound.as_deref());
                let response = link.ask(ask(Service::Keys, "Decrypt", members)).await?;
                let answer = answer(&response)?;
                demand_key(&answer.text("KeyId")?, Some(demanded))?;
                Ok(Response::Sealed(answer.bytes("Plaintext")?))
            }
            _ => Err(not_understood()),
        }
    }

    pub(super) async fn describe(&self, link: Link<'_>, name: &str) -> Result<HttpResponse> {
        let mut members = Members::new(0);
        members.text("KeyId", name);
        link.ask(ask(Service::Keys, "DescribeKey", members)).await
    }

    async fn encrypt(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        plaintext: &SecretBytes,
        context: &EncryptionContext,
    ) -> Result<(HttpResponse, ProviderParams)> {
        let mut members = Members::new(plaintext.len());
        members.text("KeyId", name_of(self, key)?);
        members.bytes("Plaintext", plaintext.expose());
        let params = bind(&mut members, context)?;
        Ok((link.ask(ask(Service::Keys, "Encrypt", members)).await?, params))
    }

    fn wrapped(&self, answer: Object<'_>, params: ProviderParams) -> Result<WrappedKey> {
        let key = uri_of(self, &answer.text("KeyId")?)?;
        cloud::wrapped(key, params, &answer.text("CiphertextBlob")?)
    }
}

/// `Plaintext` of the answer is then encrypted to this key.
fn seal_to(members: &mut Members, recipient: &[u8]) -> Result<()> {
    members.text("EncryptionPublicKey", &cloud::recipient(recipient)?.to_spki_pem());
    members.text("EncryptionAlgorithm", cloud::SEALED_BY);
    Ok(())
}

fn bind(members: &mut Members, context: &EncryptionContext) -> Result<ProviderParams> {
    let mut params = ProviderParams::new();
    let bound = context::bind(context, MAX_CONTEXT, &mut params)?;
    members.maybe_text("EncryptionContext", bound.as_deref());
    Ok(params)
}

/// What a record says: the service's own text, and the context as it was bound.
fn taken<'a>(
    ciphertext: &'a [u8],
    context: &EncryptionContext,
    params: &ProviderParams,
) -> Result<(&'a str, Option<String>)> {
    Ok((ciphertext_text(ciphertext)?, context::bound(context, params)?))
}

async fn decrypt(link: Link<'_>, text: &str, bound: Option<&str>) -> Result<HttpResponse> {
    let mut members = Members::new(0);
    members.text("CiphertextBlob", text);
    members.maybe_text("EncryptionContext", bound);
    link.ask(ask(Service::Keys, "Decrypt", members)).await
}

fn message(input: &SignInput) -> &[u8] {
    match input {
        SignInput::Message(bytes) | SignInput::Digest(bytes) => bytes,
    }
}

fn signed(members: &mut Members, algorithm: SignatureAlgorithm, input: &SignInput) -> Result<()> {
    let name = match algorithm {
        SignatureAlgorithm::RsaPssSha256 => "RSA_PSS_SHA_256",
        SignatureAlgorithm::RsaPkcs1Sha256 => "RSA_PKCS1_SHA_256",
        SignatureAlgorithm::EcdsaSha256 => "ECC_P256_R1",
        _ => return Err(refused("Tencent's KMS signs with SHA-256: RSA PSS, RSA PKCS1 or P-256")),
    };
    // Never left to a default: services differ in it.
    let message_type = match input {
        SignInput::Message(_) => "RAW",
        SignInput::Digest(digest) => {
            algorithm.check_digest(digest)?;
            "DIGEST"
        }
    };
    members.text("Algorithm", name);
    members.bytes("Message", message(input));
    members.text("MessageType", message_type);
    Ok(())
}
