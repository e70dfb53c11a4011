//! The requests of the seam about keys.

use base64ct::{Base64, Encoding};
use pkcs8::Document;

use super::name::KeyName;
use super::{GoogleConfig, answer, bare, checksum, post, refused};
use crate::context::EncryptionContext;
use crate::error::{Error, Result};
use crate::keys::{DataKey, KeyUri, ProviderParams, SecretBytes, WrappedKey};
use crate::kms::cloud::record::{Record, small_data};
use crate::kms::cloud::{
    self, Link, Service, ciphertext_text, data_key, der_signature, not_understood,
};
use crate::kms::json::Object;
use crate::kms::wire::Members;
use crate::kms::{DataKeyReply, Request, Response, SignInput};
use crate::sign::{MessageHasher, PublicKey, SignatureAlgorithm};
use crate::transport::HttpResponse;

/// How many algorithms of versions are kept.
const MAX_ALGORITHMS: usize = 256;

impl GoogleConfig {
    pub(super) async fn call_keys(&self, link: Link<'_>, request: &Request) -> Result<Response> {
        match request {
            Request::GenerateDataKey { key, context } => {
                // The service makes none.
                let data_key = DataKey::make(link.rng)?;
                let wrapped = self.encrypt(link, key, data_key.expose(), context).await?;
                Ok(Response::DataKey { data_key: DataKeyReply(data_key), wrapped })
            }
            Request::Wrap { key, data_key, context } => {
                self.encrypt(link, key, data_key.expose(), context).await.map(Response::Wrapped)
            }
            Request::Unwrap { wrapped, context, key } => {
                let demanded = key.as_ref().unwrap_or(&wrapped.key);
                let bytes = self.decrypt(link, demanded, &wrapped.ciphertext, context).await?;
                Ok(Response::Unwrapped(data_key(bytes, false)?))
            }
            Request::Rewrap { wrapped, context, key, to } => {
                let demanded = key.as_ref().unwrap_or(&wrapped.key);
                // The new key is not found wrong when the old one has answered.
                KeyName::of(self, to)?;
                let bytes = self.decrypt(link, demanded, &wrapped.ciphertext, context).await?;
                let data_key = data_key(bytes, false)?;
                self.encrypt(link, to, data_key.0.expose(), context).await.map(Response::Wrapped)
            }
            Request::Encrypt { key, plaintext, context } => {
                small_data(self.encrypt(link, key, plaintext.expose(), context).await?)
            }
            Request::Decrypt { key, ciphertext, context } => {
                let record = Record::decode(ciphertext)?;
                let key = key.as_ref().or(record.key.as_ref());
                let key = key.ok_or_else(|| refused("the key of a ciphertext must be named"))?;
                let bytes = self.decrypt(link, key, &record.ciphertext, context).await?;
                Ok(Response::Plaintext { plaintext: SecretBytes::new(bytes), key: key.clone() })
            }
            Request::Sign { key, algorithm, input } => {
                self.sign_input(link, key, *algorithm, input).await.map(Response::Signature)
            }
            Request::Verify { key, algorithm, input, signature } => {
                let response = self.public_key(link, key).await?;
                let answer = answer(&response)?;
                check_algorithm(&answer.text("algorithm")?, *algorithm)?;
                let public = PublicKey::from_spki_der(&spki(answer)?);
                let public = public.map_err(|_| not_understood())?;
                input.verify(&public, *algorithm, signature)?;
                Ok(Response::Verified)
            }
            Request::GetPublicKey { key } => {
                let response = self.public_key(link, key).await?;
                Ok(Response::PublicKey { spki: spki(answer(&response)?)?, key: key.clone() })
            }
            Request::ResolveKey { key } => {
                self.look_up(link, KeyName::of(self, key)?).await?;
                // There are no other names than full ones.
                Ok(Response::Key(key.clone()))
            }
            // Of the password safe; `secrets` has them.
            Request::PutSecret { .. }
            | Request::GetSecret { .. }
            // The capabilities have refused them already.
            | Request::GenerateSealedDataKey { .. }
            | Request::UnwrapSealed { .. } => Err(not_understood()),
        }
    }

    /// What the service knows of a key, or of a version.
    pub(super) async fn look_up(&self, link: Link<'_>, name: KeyName<'_>) -> Result<HttpResponse> {
        let response = link.ask(bare(Service::Keys, "GET", name.path())).await?;
        let answered = answer(&response)?.text("name")?;
        if !name.covers(&KeyName::answered(&answered)?) {
            return Err(not_understood());
        }
        drop(answered);
        Ok(response)
    }

    async fn encrypt(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<WrappedKey> {
        let name = KeyName::of(self, key)?;
        let mut members = Members::new(plaintext.len());
        checksum::put(&mut members, "plaintext", plaintext);
        let bound = bind(&mut members, context)?;
        let path = format!("{}:encrypt", name.path());
        let response = link.ask(post(Service::Keys, "encrypt", path, members)).await?;
        let answer = answer(&response)?;
        if !name.covers(&KeyName::answered(&answer.text("name")?)?) {
            return Err(not_understood());
        }
        let text = answer.text("ciphertext")?;
        checksum::check(answer, "ciphertext", &answer.bytes("ciphertext")?)?;
        checksum::verified(answer, "verifiedPlaintextCrc32c")?;
        if bound {
            checksum::verified(answer, "verifiedAdditionalAuthenticatedDataCrc32c")?;
        }
        cloud::wrapped(key.clone(), ProviderParams::new(), &text)
    }

    async fn decrypt(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>> {
        let name = KeyName::of(self, key)?;
        let text = ciphertext_text(ciphertext)?;
        let bytes = Base64::decode_vec(text).map_err(|_| Error::authentication())?;
        let mut members = Members::new(0);
        members.text("ciphertext", text);
        checksum::put_sum(&mut members, "ciphertext", &bytes);
        bind(&mut members, context)?;
        // The ciphertext knows its version: a version decrypts nothing.
        let path = format!("{}:decrypt", name.key_path());
        let response = link.ask(post(Service::Keys, "decrypt", path, members)).await?;
        checksum::bytes(answer(&response)?, "plaintext")
    }

    async fn sign_input(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        algorithm: SignatureAlgorithm,
        input: &SignInput,
    ) -> Result<Vec<u8>> {
        let name = KeyName::of(self, key)?;
        name.demand_version()?;
        let (field, verified, bytes) = match input {
            SignInput::Digest(digest) => {
                algorithm.check_digest(digest)?;
                ("digest", "verifiedDigestCrc32c", digest.clone())
            }
            // The message itself goes where there is no digest of it.
            SignInput::Message(message) if algorithm.digest_len().is_none() => {
                ("data", "verifiedDataCrc32c", message.clone())
            }
            SignInput::Message(message) => {
                let digest = MessageHasher::digest(algorithm, message)?;
                ("digest", "verifiedDigestCrc32c", digest)
            }
        };
        // The version decides how it signs: padding is not in the request.
        check_algorithm(&self.algorithm(link, name).await?, algorithm)?;
        let mut members = Members::new(bytes.len());
        if field == "digest" {
            let mut digest = Members::new(bytes.len());
            digest.bytes(&format!("sha{}", bytes.len() * 8), &bytes);
            members.json("digest", &digest.finish());
            checksum::put_sum(&mut members, "digest", &bytes);
        } else {
            checksum::put(&mut members, "data", &bytes);
        }
        let path = format!("{}:asymmetricSign", name.path());
        let response = link.ask(post(Service::Keys, "asymmetricSign", path, members)).await?;
        let answer = answer(&response)?;
        if !name.covers(&KeyName::answered(&answer.text("name")?)?) {
            return Err(not_understood());
        }
        let signature = checksum::bytes(answer, "signature")?;
        checksum::verified(answer, verified)?;
        der_signature(algorithm, signature)
    }

    /// The algorithm of a version, asked for once.
    async fn algorithm(&self, link: Link<'_>, name: KeyName<'_>) -> Result<String> {
        // What is kept is whole at any time: no panic leaves half of it.
        let kept = || self.algorithms.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = kept().get(&name.path()).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let response = self.look_up(link, name).await?;
        let algorithm = answer(&response)?.text("algorithm")?.into_owned();
        let mut kept = kept();
        if kept.len() == MAX_ALGORITHMS {
            kept.clear();
        }
        kept.insert(name.path(), algorithm.clone());
        Ok(algorithm)
    }

    async fn public_key(&self, link: Link<'_>, key: &KeyUri) -> Result<HttpResponse> {
        let name = KeyName::of(self, key)?;
        name.demand_version()?;
        let path = format!("{}/publicKey", name.path());
        link.ask(bare(Service::Keys, "GET", path)).await
    }
}

/// Adds the canonical context, where there is one.
fn bind(members: &mut Members, context: &EncryptionContext) -> Result<bool> {
    let canonical = context.to_canonical()?;
    if canonical.is_empty() {
        return Ok(false);
    }
    checksum::put(members, "additionalAuthenticatedData", &canonical);
    Ok(true)
}

/// The public key in an answer, as SubjectPublicKeyInfo.
fn spki(answer: Object<'_>) -> Result<Vec<u8>> {
    let pem = answer.text("pem")?;
    checksum::check(answer, "pem", pem.as_bytes())?;
    let (label, document) = Document::from_pem(&pem).map_err(|_| not_understood())?;
    if label != "PUBLIC KEY" {
        return Err(not_understood());
    }
    Ok(document.as_bytes().to_vec())
}

/// # Errors
/// `invalid_argument` where a version of Google's algorithm does not sign with ours.
fn check_algorithm(theirs: &str, ours: SignatureAlgorithm) -> Result<()> {
    let (beginning, end) = match ours {
        SignatureAlgorithm::RsaPkcs1Sha256 => ("RSA_SIGN_PKCS1_", "_SHA256"),
        SignatureAlgorithm::RsaPkcs1Sha384 => ("RSA_SIGN_PKCS1_", "_SHA384"),
        SignatureAlgorithm::RsaPkcs1Sha512 => ("RSA_SIGN_PKCS1_", "_SHA512"),
        SignatureAlgorithm::RsaPssSha256 => ("RSA_SIGN_PSS_", "_SHA256"),
        SignatureAlgorithm::RsaPssSha384 => ("RSA_SIGN_PSS_", "_SHA384"),
        SignatureAlgorithm::RsaPssSha512 => ("RSA_SIGN_PSS_", "_SHA512"),
        SignatureAlgorithm::EcdsaSha256 => ("EC_SIGN_", "_SHA256"),
        SignatureAlgorithm::EcdsaSha384 => ("EC_SIGN_", "_SHA384"),
        SignatureAlgorithm::Ed25519 => ("EC_SIGN_ED25519", ""),
        _ => return Err(refused("Google's KMS does not sign with this algorithm")),
    };
    if theirs.starts_with(beginning) && theirs.ends_with(end) {
        return Ok(());
    }
    Err(Error::invalid(format!("this version of the key does not sign with {ours}")))
}
