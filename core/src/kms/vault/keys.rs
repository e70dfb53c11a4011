//! The requests of the seam about keys.

use base64ct::{Base64, Encoding};

use super::name::{KeyName, is_version};
use super::{VaultConfig, bare, data, post, refused};
use crate::context::EncryptionContext;
use crate::crypto::sig;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{DataKey, KeyUri, ProviderParams, SecretBytes, WrappedKey};
use crate::kms::cloud::record::{Record, small_data};
use crate::kms::cloud::{
    self, Link, Service, bad_signature, ciphertext_text, data_key, der_signature, not_understood,
};
use crate::kms::json::Object;
use crate::kms::wire::Members;
use crate::kms::{DataKeyReply, Request, Response, SignInput};
use crate::sign::{KeySpec, PublicKey, SignatureAlgorithm};
use crate::transport::HttpResponse;

/// How many types of keys are kept.
const MAX_KINDS: usize = 256;
/// How many versions of a key are tried for a signature, the newest first.
const MAX_VERSIONS: u64 = 100;
/// How ciphertexts and signatures begin; the number of the version and `:` follow.
const PREFIX: &str = "vault:v";

impl VaultConfig {
    pub(super) async fn call_keys(&self, link: Link<'_>, request: &Request) -> Result<Response> {
        match request {
            Request::GenerateDataKey { key, context } if self.openbao => {
                self.make_data_key(link, key, context).await
            }
            Request::GenerateDataKey { key, context } => {
                // The service's own would be bound to no context.
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
                let from = key.as_ref().unwrap_or(&wrapped.key);
                // The new key is not found wrong when the old one has answered.
                KeyName::whole(self, to)?;
                // The service itself moves only what is bound to nothing, and to no other key.
                if from == to && context.is_empty() {
                    return self.rewrap(link, to, &wrapped.ciphertext).await;
                }
                let bytes = self.decrypt(link, from, &wrapped.ciphertext, context).await?;
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
                self.verify(link, key, *algorithm, input, signature).await
            }
            Request::GetPublicKey { key } => {
                let name = KeyName::of(self, key)?;
                let response = self.look_up(link, name.name).await?;
                let described = data(&response)?;
                let version = match name.version {
                    Some(version) => version.to_owned(),
                    None => latest(described)?.to_string(),
                };
                let public = public_key(described, &version)?;
                let public = public.ok_or_else(no_such_version)?;
                Ok(Response::PublicKey { spki: public.to_spki_der(), key: key.clone() })
            }
            Request::ResolveKey { key } => {
                self.look_up(link, KeyName::of(self, key)?.name).await?;
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

    /// What the service knows of a key.
    pub(super) async fn look_up(&self, link: Link<'_>, name: &str) -> Result<HttpResponse> {
        let path = self.transit(&format!("keys/{name}"));
        let response = link.ask(bare(Service::Keys, "GET", path)).await?;
        let described = data(&response)?;
        if described.text("name")? != name {
            return Err(not_understood());
        }
        let kind = described.text("type")?.into_owned();
        let mut kept = self.kinds();
        if kept.len() == MAX_KINDS {
            kept.clear();
        }
        kept.insert(name.to_owned(), kind);
        drop(kept);
        Ok(response)
    }

    fn kinds(&self) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<String, String>> {
        // What is kept is whole at any time: no panic leaves half of it.
        self.kinds.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The type of a key that is there, asked for once.
    async fn kind(&self, link: Link<'_>, name: &str) -> Result<String> {
        let known = self.kinds().get(name).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let response = self.look_up(link, name).await?;
        Ok(data(&response)?.text("type")?.into_owned())
    }

    /// No longer believes that a key is there.
    pub(super) fn forget(&self, name: &str) {
        self.kinds().remove(name);
    }

    async fn make_data_key(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        context: &EncryptionContext,
    ) -> Result<Response> {
        let name = KeyName::whole(self, key)?;
        let mut members = Members::new(0);
        members.number("bits", 256);
        let bound = bind(&mut members, context)?;
        let path = self.transit(&format!("datakey/plaintext/{name}"));
        let response = link.ask(post(Service::Keys, "datakey", path, members)).await?;
        let answer = data(&response)?;
        // A server that does not know of contexts here says so, and makes a data key all the same.
        let whole = Object(&response.body);
        let warned = match whole.maybe_object("warnings")? {
            Some(_) => !whole.array("warnings")?.is_empty(),
            None => false,
        };
        if bound && warned {
            let detail = "the service warns of a data key that may not be bound to its context: \
                          is it an OpenBao?";
            return Err(Error::new(ErrorCode::KmsProtocol, detail));
        }
        let made = data_key(answer.bytes("plaintext")?, true)?;
        let wrapped = wrapped(key, &answer.text("ciphertext")?)?;
        Ok(Response::DataKey { data_key: made, wrapped })
    }

    async fn encrypt(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<WrappedKey> {
        let name = KeyName::whole(self, key)?;
        if self.looks_first {
            // Whoever may make keys would make one by encrypting under a name that is misspelt.
            self.kind(link, name).await?;
        }
        let mut members = Members::new(plaintext.len());
        members.bytes("plaintext", plaintext);
        bind(&mut members, context)?;
        let path = self.transit(&format!("encrypt/{name}"));
        let response = link.ask(post(Service::Keys, "encrypt", path, members)).await?;
        wrapped(key, &data(&response)?.text("ciphertext")?)
    }

    async fn decrypt(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>> {
        let name = KeyName::whole(self, key)?;
        let mut members = Members::new(0);
        members.text("ciphertext", recorded(ciphertext)?);
        bind(&mut members, context)?;
        let path = self.transit(&format!("decrypt/{name}"));
        let response = link.ask(post(Service::Keys, "decrypt", path, members)).await?;
        data(&response)?.bytes("plaintext")
    }

    async fn rewrap(&self, link: Link<'_>, key: &KeyUri, ciphertext: &[u8]) -> Result<Response> {
        let name = KeyName::whole(self, key)?;
        let mut members = Members::new(0);
        members.text("ciphertext", recorded(ciphertext)?);
        let path = self.transit(&format!("rewrap/{name}"));
        let response = link.ask(post(Service::Keys, "rewrap", path, members)).await?;
        wrapped(key, &data(&response)?.text("ciphertext")?).map(Response::Wrapped)
    }

    async fn sign_input(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        algorithm: SignatureAlgorithm,
        input: &SignInput,
    ) -> Result<Vec<u8>> {
        let name = KeyName::of(self, key)?;
        let (bytes, prehashed) = match input {
            SignInput::Message(message) => (message, false),
            SignInput::Digest(digest) => {
                algorithm.check_digest(digest)?;
                (digest, true)
            }
        };
        // A key signs with whatever it can, not with what is asked.
        check_algorithm(&self.kind(link, name.name).await?, algorithm)?;
        let mut members = Members::new(0);
        members.bytes("input", bytes);
        if let Some(len) = algorithm.digest_len() {
            members.text("hash_algorithm", &format!("sha2-{}", len * 8));
            members.json("prehashed", if prehashed { b"true" } else { b"false" });
        }
        match algorithm {
            SignatureAlgorithm::RsaPkcs1Sha256
            | SignatureAlgorithm::RsaPkcs1Sha384
            | SignatureAlgorithm::RsaPkcs1Sha512 => {
                members.text("signature_algorithm", "pkcs1v15");
            }
            SignatureAlgorithm::RsaPssSha256
            | SignatureAlgorithm::RsaPssSha384
            | SignatureAlgorithm::RsaPssSha512 => {
                members.text("signature_algorithm", "pss");
                // Else it is as long as it can be.
                members.text("salt_length", "hash");
            }
            SignatureAlgorithm::EcdsaSha256
            | SignatureAlgorithm::EcdsaSha384
            | SignatureAlgorithm::EcdsaSha512 => {
                members.text("marshaling_algorithm", "asn1");
            }
            _ => {}
        }
        if let Some(version) = name.version {
            members.json("key_version", version.as_bytes());
        }
        let path = self.transit(&format!("sign/{}", name.name));
        let response = link.ask(post(Service::Keys, "sign", path, members)).await?;
        let text = data(&response)?.text("signature")?;
        let (version, signature) = parts(&text).ok_or_else(not_understood)?;
        if name.version.is_some_and(|asked| asked != version) {
            return Err(not_understood());
        }
        der_signature(algorithm, signature)
    }

    /// A signature of any version that still counts holds: it does not say of which it is.
    async fn verify(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        algorithm: SignatureAlgorithm,
        input: &SignInput,
        signature: &[u8],
    ) -> Result<Response> {
        let name = KeyName::of(self, key)?;
        let response = self.look_up(link, name.name).await?;
        let described = data(&response)?;
        check_algorithm(&described.text("type")?, algorithm)?;
        let (oldest, latest) = match name.version {
            Some(version) => {
                let version = version.parse().map_err(|_| not_understood())?;
                (version, version)
            }
            None => (
                described.maybe_number("min_decryption_version")?.unwrap_or(1).max(1),
                latest(described)?,
            ),
        };
        for version in (oldest..=latest).rev().take(MAX_VERSIONS.try_into().unwrap_or(100)) {
            let Some(public) = public_key(described, &version.to_string())? else { continue };
            match input.verify(&public, algorithm, signature) {
                Ok(()) => return Ok(Response::Verified),
                Err(error) if error.code() == ErrorCode::SignatureInvalid => {}
                Err(error) => return Err(error),
            }
        }
        Err(bad_signature())
    }
}

/// Adds the canonical context, where there is one.
fn bind(members: &mut Members, context: &EncryptionContext) -> Result<bool> {
    let canonical = context.to_canonical()?;
    if canonical.is_empty() {
        return Ok(false);
    }
    members.bytes("associated_data", &canonical);
    Ok(true)
}

/// The version and the bytes in `vault:vN:BASE64`.
fn parts(text: &str) -> Option<(&str, Vec<u8>)> {
    let (version, bytes) = text.strip_prefix(PREFIX)?.split_once(':')?;
    let bytes = Base64::decode_vec(bytes).ok().filter(|bytes| !bytes.is_empty())?;
    is_version(version).then_some((version, bytes))
}

/// What goes into the envelope.
fn wrapped(key: &KeyUri, text: &str) -> Result<WrappedKey> {
    parts(text).ok_or_else(not_understood)?;
    cloud::wrapped(key.clone(), ProviderParams::new(), text)
}

/// The ciphertext of a record.
///
/// # Errors
/// `authentication_failed` for one that Vault cannot have made.
fn recorded(ciphertext: &[u8]) -> Result<&str> {
    let text = ciphertext_text(ciphertext)?;
    parts(text).map(|_| text).ok_or_else(Error::authentication)
}

/// The number of the present version.
pub(super) fn latest(described: Object<'_>) -> Result<u64> {
    described.maybe_number("latest_version")?.ok_or_else(not_understood)
}

/// The public key of a version; `None` where there is no such version.
fn public_key(described: Object<'_>, version: &str) -> Result<Option<PublicKey>> {
    let kind = described.text("type")?;
    if spec(&kind).is_none() {
        return Err(refused("this key has no public half that keyfold knows"));
    }
    let Some(entry) = described.object("keys")?.maybe_object(version)? else { return Ok(None) };
    let text = entry.text("public_key")?;
    let wrong = |_| not_understood();
    let public = if kind == "ed25519" {
        // Its bare bytes.
        let bytes = Base64::decode_vec(&text).map_err(|_| not_understood())?;
        PublicKey(sig::PublicKey::from_ed25519(&bytes).map_err(wrong)?)
    } else {
        PublicKey::from_spki_der(&cloud::spki(&text)?).map_err(wrong)?
    };
    Ok(Some(public))
}

/// What a key of a type signs with.
pub(super) fn spec(kind: &str) -> Option<KeySpec> {
    Some(match kind {
        "rsa-2048" => KeySpec::Rsa2048,
        "rsa-3072" => KeySpec::Rsa3072,
        "rsa-4096" => KeySpec::Rsa4096,
        "ecdsa-p256" => KeySpec::EccNistP256,
        "ecdsa-p384" => KeySpec::EccNistP384,
        "ecdsa-p521" => KeySpec::EccNistP521,
        "ed25519" => KeySpec::Ed25519,
        _ => return None,
    })
}

/// # Errors
/// `invalid_argument` where a key of a type does not sign so.
fn check_algorithm(kind: &str, algorithm: SignatureAlgorithm) -> Result<()> {
    match spec(kind) {
        // Hashed before it is signed, Ed25519 is for Vault's paid edition.
        Some(spec)
            if spec.algorithms().contains(&algorithm)
                && algorithm != SignatureAlgorithm::Ed25519ph =>
        {
            Ok(())
        }
        Some(_) => Err(Error::invalid(format!("this key does not sign with {algorithm}"))),
        None => Err(refused("this key does not sign")),
    }
}

fn no_such_version() -> Error {
    Error::new(ErrorCode::KmsKeyUnavailable, "the key has no such version")
}
