//! The requests of the seam about keys.

use std::borrow::Cow;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::{AlibabaConfig, MAX_CONTEXT, ask};
use crate::context::EncryptionContext;
use crate::error::{Error, Result};
use crate::keys::{KeyUri, ProviderParams, SecretBytes, WrappedKey};
use crate::kms::cloud::record::{Record, small_data};
use crate::kms::cloud::{
    self, Ask, Link, Service, bad_signature, ciphertext_text, context, data_key, demand_key,
    name_of, not_understood, uri_of,
};
use crate::kms::json::Object;
use crate::kms::moment;
use crate::kms::{Request, Response, SignInput};
use crate::sign::{MessageHasher, SignatureAlgorithm};
use crate::transport::HttpResponse;

impl AlibabaConfig {
    pub(super) async fn call_keys(&self, link: Link<'_>, request: &Request) -> Result<Response> {
        match request {
            Request::GenerateDataKey { key, context } => {
                let name = name_of(self, key)?;
                let ask = keys("GenerateDataKey", &[("KeyId", name), ("KeySpec", "AES_256")]);
                let (ask, params) = bind(ask, "EncryptionContext", context)?;
                let response = link.ask(ask).await?;
                let answer = Object(&response.body);
                let data_key = data_key(answer.bytes("Plaintext")?, true)?;
                Ok(Response::DataKey { data_key, wrapped: self.wrapped(answer, params)? })
            }
            Request::Wrap { key, data_key, context } => {
                Ok(Response::Wrapped(self.encrypt(link, key, data_key, context).await?))
            }
            Request::Unwrap { wrapped, context, key } => {
                let demanded = key.as_ref().unwrap_or(&wrapped.key);
                let (response, _) = self
                    .decrypt(link, &wrapped.ciphertext, context, &wrapped.params, Some(demanded))
                    .await?;
                let bytes = Object(&response.body).bytes("Plaintext")?;
                Ok(Response::Unwrapped(data_key(bytes, false)?))
            }
            Request::Rewrap { wrapped, context, key: Some(demanded), to } => {
                let name = id_of(name_of(self, &wrapped.key)?);
                let id = self.id(link, name_of(self, demanded)?).await?;
                demand_key(name, Some(&id))?;
                name_of(self, to)?;
                // The answer to ReEncrypt does not say which key it was; that to Decrypt does.
                let (ciphertext, params) = (&wrapped.ciphertext, &wrapped.params);
                let (response, _) =
                    self.decrypt(link, ciphertext, context, params, Some(demanded)).await?;
                let data_key = data_key(Object(&response.body).bytes("Plaintext")?, false)?;
                let data_key = SecretBytes::from(data_key.0.expose().as_slice());
                Ok(Response::Wrapped(self.encrypt(link, to, &data_key, context).await?))
            }
            Request::Rewrap { wrapped, context, key: None, to } => {
                name_of(self, &wrapped.key)?;
                let text = ciphertext_text(&wrapped.ciphertext)?;
                let mut ask = keys("ReEncrypt", &[("CiphertextBlob", text)]);
                ask = ask.with_query("DestinationKeyId", name_of(self, to)?);
                if let Some(bound) = context::bound(context, &wrapped.params)? {
                    ask = ask.with_query("SourceEncryptionContext", &bound);
                }
                let (ask, params) = bind(ask, "DestinationEncryptionContext", context)?;
                let response = link.ask(ask).await?;
                Ok(Response::Wrapped(self.wrapped(Object(&response.body), params)?))
            }
            Request::Encrypt { key, plaintext, context } => {
                small_data(self.encrypt(link, key, plaintext, context).await?)
            }
            Request::Decrypt { key, ciphertext, context } => {
                let record = Record::decode(ciphertext)?;
                let demanded = key.as_ref().or(record.key.as_ref());
                let (response, key) = self
                    .decrypt(link, &record.ciphertext, context, &record.params, demanded)
                    .await?;
                let plaintext = SecretBytes::new(Object(&response.body).bytes("Plaintext")?);
                Ok(Response::Plaintext { plaintext, key })
            }
            Request::Sign { key, algorithm, input } => {
                let parameters = digested(*algorithm, input)?;
                let ask = self.asymmetric(link, "AsymmetricSign", key).await?;
                let response = link.ask(with(ask, &parameters)).await?;
                let signature = Object(&response.body).bytes("Value")?;
                Ok(Response::Signature(cloud::der_signature(*algorithm, signature)?))
            }
            Request::Verify { key, algorithm, input, signature } => {
                let parameters = digested(*algorithm, input)?;
                let ask = self.asymmetric(link, "AsymmetricVerify", key).await?;
                let ask = ask.with_query("Value", &Base64::encode_string(signature));
                let response = link.ask(with(ask, &parameters)).await?;
                match Object(&response.body).maybe_flag("Value")? {
                    Some(true) => Ok(Response::Verified),
                    Some(false) => Err(bad_signature()),
                    None => Err(not_understood()),
                }
            }
            Request::GetPublicKey { key } => {
                let ask = self.asymmetric(link, "GetPublicKey", key).await?;
                let response = link.ask(ask).await?;
                let answer = Object(&response.body);
                let key = uri_of(self, &answer.text("KeyId")?)?;
                Ok(Response::PublicKey { spki: cloud::spki(&answer.text("PublicKey")?)?, key })
            }
            Request::ResolveKey { key } => {
                let response = self.describe(link, name_of(self, key)?).await?;
                let key = Object(&response.body).object("KeyMetadata")?;
                Ok(Response::Key(uri_of(self, &key.text("KeyId")?)?))
            }
            // Of the secrets manager; `secrets` has them.
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
                let name = name_of(self, key)?;
                let given = [("KeyId", name), ("KeySpec", "AES_256")];
                let ask = seal_to(keys("GenerateAndExportDataKey", &given), recipient)?;
                let (ask, params) = bind(ask, "EncryptionContext", context)?;
                let response = link.ask(ask).await?;
                let answer = Object(&response.body);
                let sealed = answer.bytes("ExportedDataKey")?;
                Ok(Response::SealedDataKey { sealed, wrapped: self.wrapped(answer, params)? })
            }
            Request::UnwrapSealed { wrapped, context, key, recipient } => {
                let demanded = key.as_ref().unwrap_or(&wrapped.key);
                let demanded = self.id(link, name_of(self, demanded)?).await?;
                let text = ciphertext_text(&wrapped.ciphertext)?;
                let mut ask =
                    seal_to(keys("ExportDataKey", &[("CiphertextBlob", text)]), recipient)?;
                if let Some(bound) = context::bound(context, &wrapped.params)? {
                    ask = ask.with_query("EncryptionContext", &bound);
                }
                let response = link.ask(ask).await?;
                let answer = Object(&response.body);
                demand_key(id_of(&answer.text("KeyId")?), Some(&demanded))?;
                Ok(Response::Sealed(answer.bytes("ExportedDataKey")?))
            }
            _ => Err(not_understood()),
        }
    }

    pub(super) async fn describe(&self, link: Link<'_>, name: &str) -> Result<HttpResponse> {
        let (name, _) = split_version(name);
        link.ask(keys("DescribeKey", &[("KeyId", name)])).await
    }

    /// The id behind a name: an alias is asked for, an ARN holds it.
    async fn id<'n>(&self, link: Link<'_>, name: &'n str) -> Result<Cow<'n, str>> {
        if !name.contains("alias/") {
            return Ok(id_of(name).into());
        }
        let response = self.describe(link, name).await?;
        let id = Object(&response.body).object("KeyMetadata")?.text("KeyId")?.into_owned();
        Ok(id.into())
    }

    async fn encrypt(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        plaintext: &SecretBytes,
        context: &EncryptionContext,
    ) -> Result<WrappedKey> {
        let text = Zeroizing::new(Base64::encode_string(plaintext.expose()));
        let name = name_of(self, key)?;
        let ask = keys("Encrypt", &[("KeyId", name), ("Plaintext", &text)]);
        let (ask, params) = bind(ask, "EncryptionContext", context)?;
        let response = link.ask(ask).await?;
        self.wrapped(Object(&response.body), params)
    }

    /// The answer, and the key that decrypted, which is the one that was demanded.
    async fn decrypt(
        &self,
        link: Link<'_>,
        ciphertext: &[u8],
        context: &EncryptionContext,
        params: &ProviderParams,
        demanded: Option<&KeyUri>,
    ) -> Result<(HttpResponse, KeyUri)> {
        let mut ask = keys("Decrypt", &[("CiphertextBlob", ciphertext_text(ciphertext)?)]);
        if let Some(bound) = context::bound(context, params)? {
            ask = ask.with_query("EncryptionContext", &bound);
        }
        let demanded = match demanded {
            Some(key) => Some(self.id(link, name_of(self, key)?).await?),
            None => None,
        };
        let response = link.ask(ask).await?;
        let key = {
            let name = Object(&response.body).text("KeyId")?;
            demand_key(id_of(&name), demanded.as_deref())?;
            uri_of(self, &name)?
        };
        Ok((response, key))
    }

    /// A request about a version of a key: the one that the URI names, else the newest.
    async fn asymmetric(&self, link: Link<'_>, action: &'static str, key: &KeyUri) -> Result<Ask> {
        let (name, version) = split_version(name_of(self, key)?);
        let version = match version {
            Some(version) => version.to_owned(),
            None => self.newest_version(link, name).await?,
        };
        Ok(keys(action, &[("KeyId", name), ("KeyVersionId", &version)]))
    }

    async fn newest_version(&self, link: Link<'_>, name: &str) -> Result<String> {
        let parameters = [("KeyId", name), ("PageNumber", "1"), ("PageSize", "100")];
        let response = link.ask(keys("ListKeyVersions", &parameters)).await?;
        let list = Object(&response.body).object("KeyVersions")?.array("KeyVersion")?;
        let mut newest: Option<(std::time::Duration, String)> = None;
        for version in list {
            let made = version.text("CreationDate")?;
            let made = moment::rfc_3339(&made).ok_or_else(not_understood)?;
            if newest.as_ref().is_none_or(|(known, _)| *known < made) {
                newest = Some((made, version.text("KeyVersionId")?.into_owned()));
            }
        }
        newest.map(|(_, id)| id).ok_or_else(not_understood)
    }

    fn wrapped(&self, answer: Object<'_>, mut params: ProviderParams) -> Result<WrappedKey> {
        let key = uri_of(self, &answer.text("KeyId")?)?;
        if let Some(version) = answer.maybe_text("KeyVersionId")?.filter(|text| !text.is_empty()) {
            params.insert("version".to_owned(), version.as_bytes().to_vec());
        }
        if params.values().any(|value| value.len() > 128) {
            return Err(not_understood());
        }
        cloud::wrapped(key, params, &answer.text("CiphertextBlob")?)
    }
}

fn keys(action: &'static str, parameters: &[(&str, &str)]) -> Ask {
    ask(Service::Keys, action, parameters)
}

/// A key, and the version that is named behind it.
fn split_version(name: &str) -> (&str, Option<&str>) {
    if name.starts_with("alias/") || name.starts_with("acs:") {
        return (name, None);
    }
    match name.split_once('/') {
        Some((key, version)) => (key, Some(version)),
        None => (name, None),
    }
}

/// The id in a name that is no alias.
fn id_of(name: &str) -> &str {
    match name.strip_prefix("acs:") {
        Some(arn) => arn.rsplit('/').next().unwrap_or(arn),
        None => split_version(name).0,
    }
}

fn bind(ask: Ask, name: &str, context: &EncryptionContext) -> Result<(Ask, ProviderParams)> {
    let mut params = ProviderParams::new();
    Ok(match context::bind(context, MAX_CONTEXT, &mut params)? {
        Some(bound) => (ask.with_query(name, &bound), params),
        None => (ask, params),
    })
}

fn with(ask: Ask, [algorithm, digest]: &[(&str, String); 2]) -> Ask {
    ask.with_query(algorithm.0, &algorithm.1).with_query(digest.0, &digest.1)
}

/// What is signed: the service takes digests only. It is known before the key is asked for its
/// version.
fn digested(
    algorithm: SignatureAlgorithm,
    input: &SignInput,
) -> Result<[(&'static str, String); 2]> {
    let name = match algorithm {
        SignatureAlgorithm::RsaPssSha256 => "RSA_PSS_SHA_256",
        SignatureAlgorithm::RsaPkcs1Sha256 => "RSA_PKCS1_SHA_256",
        SignatureAlgorithm::EcdsaSha256 => "ECDSA_SHA_256",
        _ => {
            let detail = "Alibaba's KMS signs with SHA-256: RSA PSS, RSA PKCS1 or ECDSA";
            return Err(Error::invalid(detail));
        }
    };
    let hashed;
    let digest = match input {
        SignInput::Digest(digest) => digest,
        SignInput::Message(message) => {
            let mut hasher = MessageHasher::new(algorithm)?;
            hasher.update(message);
            hashed = hasher.finish();
            &hashed
        }
    };
    algorithm.check_digest(digest)?;
    Ok([("Algorithm", name.to_owned()), ("Digest", Base64::encode_string(digest))])
}

/// `ExportedDataKey` of the answer is encrypted to this key.
fn seal_to(ask: Ask, recipient: &[u8]) -> Result<Ask> {
    cloud::recipient(recipient)?;
    let ask = ask.with_query("PublicKeyBlob", &Base64::encode_string(recipient));
    Ok(ask
        .with_query("WrappingKeySpec", "RSA_2048")
        .with_query("WrappingAlgorithm", cloud::SEALED_BY))
}
