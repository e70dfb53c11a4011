//! The requests of the seam about keys.

use base64ct::{Base64UrlUnpadded, Encoding};

use super::name::{KeyName, is_version};
use super::{AzureConfig, answer, bare, bytes, put_bytes, refused, send};
use crate::context::EncryptionContext;
use crate::crypto::sig;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{DataKey, KeyUri, ProviderParams, SecretBytes, WrappedKey};
use crate::kms::cloud::record::{Record, small_data};
use crate::kms::cloud::{self, Link, Service, ciphertext_text, data_key, not_understood};
use crate::kms::json::Object;
use crate::kms::wire::Members;
use crate::kms::{DataKeyReply, Request, Response, SignInput};
use crate::sign::{KeySpec, MessageHasher, PublicKey, SignatureAlgorithm, ecdsa_raw_to_der};
use crate::transport::HttpResponse;

const RSA: &str = "RSA-OAEP-256";
const AES_WRAP: &str = "A256KW";
const AES_GCM: &str = "A256GCM";

/// The parameters of a record.
const VERSION: &str = "version";
const ALGORITHM: &str = "algorithm";
const IV: &str = "iv";
const TAG: &str = "tag";

/// A usable version of a key.
struct Found<'a> {
    key: KeyName<'a>,
    version: &'a str,
    jwk: Object<'a>,
}

impl AzureConfig {
    pub(super) async fn call_keys(&self, link: Link<'_>, request: &Request) -> Result<Response> {
        match request {
            Request::GenerateDataKey { key, context: _ } => {
                // The service makes none.
                let data_key = DataKey::make(link.rng)?;
                let wrapped = self.wrap(link, key, data_key.expose()).await?;
                Ok(Response::DataKey { data_key: DataKeyReply(data_key), wrapped })
            }
            // The envelope binds the context; there is nothing here that could.
            Request::Wrap { key, data_key, context: _ } => {
                self.wrap(link, key, data_key.expose()).await.map(Response::Wrapped)
            }
            Request::Unwrap { wrapped, context: _, key } => {
                Ok(Response::Unwrapped(self.unwrap(link, wrapped, key.as_ref()).await?))
            }
            Request::Rewrap { wrapped, context: _, key, to } => {
                // The new key is not found wrong when the old one has answered.
                KeyName::of(self, to)?;
                let data_key = self.unwrap(link, wrapped, key.as_ref()).await?;
                self.wrap(link, to, data_key.0.expose()).await.map(Response::Wrapped)
            }
            Request::Encrypt { key, plaintext, context } => {
                self.encrypt(link, key, plaintext, context).await
            }
            Request::Decrypt { key, ciphertext, context } => {
                self.decrypt(link, key.as_ref(), ciphertext, context).await
            }
            Request::Sign { key, algorithm, input } => {
                self.sign_input(link, key, *algorithm, input).await.map(Response::Signature)
            }
            Request::Verify { key, algorithm, input, signature } => {
                let response = self.look_up(link, KeyName::of(self, key)?).await?;
                let public = PublicKey(public_key(usable(&response)?.jwk)?);
                input.verify(&public, *algorithm, signature)?;
                Ok(Response::Verified)
            }
            Request::GetPublicKey { key } => {
                let response = self.look_up(link, KeyName::of(self, key)?).await?;
                let spki = public_key(usable(&response)?.jwk)?.spki_der().to_vec();
                Ok(Response::PublicKey { spki, key: key.clone() })
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

    /// What the service knows of a key: of its present version, or of the one that is named.
    pub(super) async fn look_up(&self, link: Link<'_>, name: KeyName<'_>) -> Result<HttpResponse> {
        let response = link.ask(bare(Service::Keys, "GET", name.path())).await?;
        check_kid(answer(&response)?.object("key")?, name)?;
        Ok(response)
    }

    async fn wrap(&self, link: Link<'_>, key: &KeyUri, data_key: &[u8]) -> Result<WrappedKey> {
        // A disabled key would still wrap, and nobody could unwrap what comes of it.
        let response = self.look_up(link, KeyName::of(self, key)?).await?;
        let found = usable(&response)?;
        let algorithm = if is_symmetric(found.jwk)? { AES_WRAP } else { RSA };
        let mut members = Members::new(data_key.len());
        members.text("alg", algorithm);
        put_bytes(&mut members, "value", data_key);
        let response = found.post(link, "wrapkey", members).await?;
        let answer = answer(&response)?;
        let text = answer.text("value")?;
        Base64UrlUnpadded::decode_vec(&text).map_err(|_| not_understood())?;
        cloud::wrapped(key.clone(), found.params(algorithm), &text)
    }

    async fn unwrap(
        &self,
        link: Link<'_>,
        wrapped: &WrappedKey,
        demanded: Option<&KeyUri>,
    ) -> Result<DataKeyReply> {
        let name = self.demanded(demanded, &wrapped.key)?;
        let found = recorded(name, &wrapped.params)?;
        let algorithm = one_of(&wrapped.params, &[RSA, AES_WRAP])?;
        let mut members = Members::new(0);
        members.text("alg", algorithm);
        members.text("value", base64url(&wrapped.ciphertext)?);
        let response = found.post(link, "unwrapkey", members).await?;
        data_key(bytes(answer(&response)?, "value")?, false)
    }

    /// The name of the key that a record is of, which is the one that is demanded: the version of
    /// one key is none of another, and the service would say that it is not there.
    fn demanded<'k>(&self, demanded: Option<&'k KeyUri>, key: &'k KeyUri) -> Result<KeyName<'k>> {
        let of_record = KeyName::of(self, key)?;
        let Some(demanded) = demanded else { return Ok(of_record) };
        let demanded = KeyName::of(self, demanded)?;
        if demanded.name.eq_ignore_ascii_case(of_record.name) {
            Ok(demanded)
        } else {
            Err(Error::authentication())
        }
    }

    async fn encrypt(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        plaintext: &SecretBytes,
        context: &EncryptionContext,
    ) -> Result<Response> {
        if !self.hsm {
            no_context(context)?;
        }
        let response = self.look_up(link, KeyName::of(self, key)?).await?;
        let found = usable(&response)?;
        let symmetric = is_symmetric(found.jwk)?;
        let mut members = Members::new(plaintext.len());
        let algorithm = if symmetric { AES_GCM } else { RSA };
        members.text("alg", algorithm);
        put_bytes(&mut members, "value", plaintext.expose());
        if symmetric {
            bind(&mut members, context)?;
        } else {
            no_context(context)?;
        }
        let response = found.post(link, "encrypt", members).await?;
        let answer = answer(&response)?;
        let mut params = found.params(algorithm);
        for name in [IV, TAG].iter().filter(|_| symmetric) {
            let text = answer.text(name)?;
            Base64UrlUnpadded::decode_vec(&text).map_err(|_| not_understood())?;
            params.insert((*name).to_owned(), text.as_bytes().to_vec());
        }
        let text = answer.text("value")?;
        Base64UrlUnpadded::decode_vec(&text).map_err(|_| not_understood())?;
        small_data(cloud::wrapped(key.clone(), params, &text)?)
    }

    async fn decrypt(
        &self,
        link: Link<'_>,
        demanded: Option<&KeyUri>,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Response> {
        let mut record = Record::decode(ciphertext)?;
        let key = demanded.or(record.key.as_ref()).cloned();
        let key = key.ok_or_else(|| refused("the key of a ciphertext must be named"))?;
        let name = self.demanded(Some(&key), record.key.as_ref().unwrap_or(&key))?;
        if record.key.is_none() {
            // The vendor's own: of the version that is named, by the usual algorithm.
            let version = name.version.ok_or_else(|| refused("the version must be named"))?;
            record.params = params(version, RSA);
        }
        let found = recorded(name, &record.params)?;
        let algorithm = one_of(&record.params, &[RSA, AES_GCM])?;
        let mut members = Members::new(0);
        members.text("alg", algorithm);
        members.text("value", base64url(&record.ciphertext)?);
        if algorithm == AES_GCM {
            for name in [IV, TAG] {
                let value = record.params.get(name).ok_or_else(Error::authentication)?;
                members.text(name, base64url(value)?);
            }
            bind(&mut members, context)?;
        } else if !context.is_empty() {
            // Nothing was bound to any.
            return Err(Error::authentication());
        }
        let response = found.post(link, "decrypt", members).await?;
        let plaintext = SecretBytes::new(bytes(answer(&response)?, "value")?);
        Ok(Response::Plaintext { plaintext, key })
    }

    async fn sign_input(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        algorithm: SignatureAlgorithm,
        input: &SignInput,
    ) -> Result<Vec<u8>> {
        let name = KeyName::of(self, key)?;
        // The service takes digests only.
        let digest = match input {
            SignInput::Message(_) if algorithm.digest_len().is_none() => Err(unknown_algorithm()),
            SignInput::Message(message) => MessageHasher::digest(algorithm, message),
            SignInput::Digest(digest) => algorithm.check_digest(digest).map(|()| digest.clone()),
        }?;
        let response = self.look_up(link, name).await?;
        let found = usable(&response)?;
        let curve = curve(found.jwk)?;
        let mut members = Members::new(0);
        members.text("alg", word(algorithm, curve)?);
        put_bytes(&mut members, "value", &digest);
        let response = found.post(link, "sign", members).await?;
        let signature = bytes(answer(&response)?, "value")?;
        match curve {
            // `r || s`, as in JSON web signatures.
            Some(spec) => ecdsa_raw_to_der(spec, &signature).map_err(|_| not_understood()),
            None => Ok(signature),
        }
    }
}

impl Found<'_> {
    /// Sends to the version that was found; the answer is of it.
    async fn post(
        &self,
        link: Link<'_>,
        operation: &'static str,
        members: Members,
    ) -> Result<HttpResponse> {
        let name = KeyName { name: self.key.name, version: Some(self.version) };
        let path = format!("{}/{operation}", name.path());
        let ask = send(Service::Keys, "POST", operation, path, members);
        let response = link.ask(ask).await?;
        check_kid(answer(&response)?, name)?;
        Ok(response)
    }

    fn params(&self, algorithm: &str) -> ProviderParams {
        params(self.version, algorithm)
    }
}

fn params(version: &str, algorithm: &str) -> ProviderParams {
    let pairs = [(VERSION, version), (ALGORITHM, algorithm)];
    pairs.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into()
}

/// # Errors
/// `kms_protocol` for an answer about another key.
fn check_kid(answer: Object<'_>, name: KeyName<'_>) -> Result<()> {
    let kid = answer.text("kid")?;
    if name.covers(&KeyName::answered(&kid)?) { Ok(()) } else { Err(not_understood()) }
}

/// The version in an answer.
///
/// # Errors
/// `kms_key_unavailable` for one that is disabled.
fn usable(response: &HttpResponse) -> Result<Found<'_>> {
    let bundle = answer(response)?;
    let attributes = bundle.object("attributes")?;
    if attributes.maybe_flag("enabled")? == Some(false) {
        return Err(Error::new(ErrorCode::KmsKeyUnavailable, "the key is disabled"));
    }
    let jwk = bundle.object("key")?;
    // Names have no character that JSON would escape: as one they are refused.
    let std::borrow::Cow::Borrowed(kid) = jwk.text("kid")? else { return Err(not_understood()) };
    let key = KeyName::answered(kid)?;
    let version = key.version.ok_or_else(not_understood)?;
    Ok(Found { key, version, jwk })
}

/// The version that a record names.
fn recorded<'a>(name: KeyName<'a>, params: &'a ProviderParams) -> Result<Found<'a>> {
    let version = params.get(VERSION).and_then(|version| std::str::from_utf8(version).ok());
    let version = version.filter(|version| is_version(version));
    let version = version.ok_or_else(Error::authentication)?;
    if name.version.is_some_and(|demanded| demanded != version) {
        return Err(Error::authentication());
    }
    Ok(Found { key: name, version, jwk: Object(b"{}") })
}

/// The algorithm that a record names.
fn one_of(params: &ProviderParams, known: &[&'static str]) -> Result<&'static str> {
    let named = params.get(ALGORITHM).map(Vec::as_slice);
    let found = known.iter().find(|known| Some(known.as_bytes()) == named);
    found.copied().ok_or_else(Error::authentication)
}

/// Text of a record.
fn base64url(bytes: &[u8]) -> Result<&str> {
    let text = ciphertext_text(bytes)?;
    Base64UrlUnpadded::decode_vec(text).map_err(|_| Error::authentication())?;
    Ok(text)
}

fn bind(members: &mut Members, context: &EncryptionContext) -> Result<()> {
    let canonical = context.to_canonical()?;
    if !canonical.is_empty() {
        put_bytes(members, "aad", &canonical);
    }
    Ok(())
}

/// # Errors
/// `invalid_argument` for small data with a context, which nothing would bind.
fn no_context(context: &EncryptionContext) -> Result<()> {
    if context.is_empty() {
        return Ok(());
    }
    Err(refused("an RSA key at Azure binds no context: leave it empty, or use an envelope"))
}

/// Whether a key is one of AES.
///
/// # Errors
/// `invalid_argument` for a key that encrypts nothing.
fn is_symmetric(jwk: Object<'_>) -> Result<bool> {
    match &*jwk.text("kty")? {
        "RSA" | "RSA-HSM" => Ok(false),
        "oct" | "oct-HSM" => Ok(true),
        _ => Err(refused("this key encrypts nothing")),
    }
}

/// The curve of a key that has one.
fn curve(jwk: Object<'_>) -> Result<Option<KeySpec>> {
    match &*jwk.text("kty")? {
        "EC" | "EC-HSM" => match &*jwk.text("crv")? {
            "P-256" => Ok(Some(KeySpec::EccNistP256)),
            "P-384" => Ok(Some(KeySpec::EccNistP384)),
            "P-521" => Ok(Some(KeySpec::EccNistP521)),
            "P-256K" | "SECP256K1" => Ok(Some(KeySpec::EccSecgP256k1)),
            _ => Err(refused("keyfold does not know the curve of this key")),
        },
        _ => Ok(None),
    }
}

fn unknown_algorithm() -> Error {
    refused("this key at Azure does not sign with this algorithm")
}

/// Azure's name of an algorithm, which is that of JSON web signatures.
fn word(algorithm: SignatureAlgorithm, curve: Option<KeySpec>) -> Result<&'static str> {
    match (algorithm, curve) {
        (SignatureAlgorithm::RsaPkcs1Sha256, None) => Ok("RS256"),
        (SignatureAlgorithm::RsaPkcs1Sha384, None) => Ok("RS384"),
        (SignatureAlgorithm::RsaPkcs1Sha512, None) => Ok("RS512"),
        (SignatureAlgorithm::RsaPssSha256, None) => Ok("PS256"),
        (SignatureAlgorithm::RsaPssSha384, None) => Ok("PS384"),
        (SignatureAlgorithm::RsaPssSha512, None) => Ok("PS512"),
        (SignatureAlgorithm::EcdsaSha256, Some(KeySpec::EccNistP256)) => Ok("ES256"),
        (SignatureAlgorithm::EcdsaSha256, Some(KeySpec::EccSecgP256k1)) => Ok("ES256K"),
        (SignatureAlgorithm::EcdsaSha384, Some(KeySpec::EccNistP384)) => Ok("ES384"),
        (SignatureAlgorithm::EcdsaSha512, Some(KeySpec::EccNistP521)) => Ok("ES512"),
        _ => Err(unknown_algorithm()),
    }
}

/// The public key in an answer.
fn public_key(jwk: Object<'_>) -> Result<sig::PublicKey> {
    let wrong = |_| not_understood();
    if let Some(spec) = curve(jwk)? {
        let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
        if [&x, &y].iter().any(|half| Some(half.len()) != spec.ecdsa_field_len()) {
            return Err(not_understood());
        }
        return sig::PublicKey::from_point(spec, &[&[4], &x[..], &y[..]].concat()).map_err(wrong);
    }
    if is_symmetric(jwk)? {
        return Err(refused("this key has no public half"));
    }
    sig::PublicKey::from_rsa_numbers(&bytes(jwk, "n")?, &bytes(jwk, "e")?).map_err(wrong)
}
