//! The requests of the seam about keys.

use std::borrow::Cow;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::{Aad, HuaweiConfig};
use crate::context::EncryptionContext;
use crate::crypto::hash::{Sha256, Sm3, constant_time_eq};
use crate::error::{Error, Result};
use crate::keys::{KeyUri, ProviderParams, SecretBytes, WrappedKey};
use crate::kms::cloud::record::{Record, small_data};
use crate::kms::cloud::{
    self, Link, bad_signature, ciphertext_text, data_key, demand_key, name_of, not_understood,
    uri_of,
};
use crate::kms::json::Object;
use crate::kms::wire::{Members, hex, unhex};
use crate::kms::{Request, Response, SignInput};
use crate::sign::SignatureAlgorithm;
use crate::transport::HttpResponse;

/// The parameter with the length of the data key, in bytes.
const LENGTH: &str = "length";
/// The parameter that says what the text is that was encrypted.
const ENCODING: &str = "encoding";
const BASE64: &[u8] = b"base64";

impl HuaweiConfig {
    pub(super) async fn call_keys(&self, link: Link<'_>, request: &Request) -> Result<Response> {
        match request {
            Request::GenerateDataKey { key, context } => {
                let mut members = Members::new(0);
                members.text("key_id", name_of(self, key)?);
                members.text("datakey_length", &(self.data_key_len * 8).to_string());
                let mut params = self.params();
                self.bind(&mut members, "", context, &mut params)?;
                let response = link.ask(self.ask("create-datakey", members)).await?;
                let answer = Object(&response.body);
                let made = Zeroizing::new(secret_hex(answer, "plain_text")?);
                if made.len() != self.data_key_len {
                    return Err(not_understood());
                }
                let data_key = data_key(made[..32].to_vec(), true)?;
                Ok(Response::DataKey { data_key, wrapped: self.wrapped(answer, params)? })
            }
            Request::Wrap { key, data_key, context } => {
                Ok(Response::Wrapped(self.wrap(link, key, data_key.expose(), context).await?))
            }
            Request::Unwrap { wrapped, context, key } => {
                let made = self.unwrap(link, wrapped, context, key.as_ref()).await?;
                Ok(Response::Unwrapped(data_key(made[..32].to_vec(), false)?))
            }
            Request::Rewrap { wrapped, context, key, to } => {
                let wrapped = match self.aad {
                    Aad::Text => self.rewrap(link, wrapped, context, key.as_ref(), to).await?,
                    Aad::Pairs => {
                        let made = self.unwrap(link, wrapped, context, key.as_ref()).await?;
                        self.wrap(link, to, &made[..32], context).await?
                    }
                };
                Ok(Response::Wrapped(wrapped))
            }
            Request::Encrypt { key, plaintext, context } => {
                let mut members = Members::new(plaintext.len() * 2);
                members.text("key_id", name_of(self, key)?);
                // The service takes text.
                members.bytes("plain_text", plaintext.expose());
                let mut params = ProviderParams::new();
                self.bind(&mut members, "", context, &mut params)?;
                params.insert(ENCODING.to_owned(), BASE64.to_vec());
                let response = link.ask(self.ask("encrypt-data", members)).await?;
                small_data(self.wrapped(Object(&response.body), params)?)
            }
            Request::Decrypt { key, ciphertext, context } => {
                self.decrypt(link, key.as_ref(), ciphertext, context).await
            }
            Request::Sign { key, algorithm, input } => {
                let mut members = Members::new(message(input).len());
                members.text("key_id", name_of(self, key)?);
                signed(&mut members, *algorithm, input)?;
                let response = link.ask(self.ask("sign", members)).await?;
                let signature = Object(&response.body).bytes("signature")?;
                Ok(Response::Signature(cloud::der_signature(*algorithm, signature)?))
            }
            Request::Verify { key, algorithm, input, signature } => {
                let mut members = Members::new(message(input).len());
                members.text("key_id", name_of(self, key)?);
                members.bytes("signature", signature);
                signed(&mut members, *algorithm, input)?;
                let response = link.ask(self.ask("verify", members)).await?;
                match Object(&response.body).maybe_flag("signature_valid")? {
                    Some(true) => Ok(Response::Verified),
                    Some(false) => Err(bad_signature()),
                    None => Err(not_understood()),
                }
            }
            Request::GetPublicKey { key } => {
                let mut members = Members::new(0);
                members.text("key_id", name_of(self, key)?);
                let response = link.ask(self.ask("get-publickey", members)).await?;
                let answer = Object(&response.body);
                let key = uri_of(self, &answer.text("key_id")?)?;
                Ok(Response::PublicKey { spki: cloud::spki(&answer.text("public_key")?)?, key })
            }
            Request::ResolveKey { key } => {
                let response = self.describe(link, name_of(self, key)?).await?;
                let key = Object(&response.body).object("key_info")?;
                Ok(Response::Key(uri_of(self, &key.text("key_id")?)?))
            }
            // Of the password safe; `secrets` has them.
            Request::PutSecret { .. }
            | Request::GetSecret { .. }
            // The capabilities have refused them already.
            | Request::GenerateSealedDataKey { .. }
            | Request::UnwrapSealed { .. } => Err(not_understood()),
        }
    }

    pub(super) async fn describe(&self, link: Link<'_>, name: &str) -> Result<HttpResponse> {
        let mut members = Members::new(0);
        members.text("key_id", name);
        link.ask(self.ask("describe-key", members)).await
    }

    /// The id behind a name: an alias is asked for.
    async fn id<'n>(&self, link: Link<'_>, name: &'n str) -> Result<Cow<'n, str>> {
        if !name.starts_with("alias/") {
            return Ok(name.into());
        }
        let response = self.describe(link, name).await?;
        let id = Object(&response.body).object("key_info")?.text("key_id")?.into_owned();
        Ok(id.into())
    }

    /// The data key, with whatever stands behind it where those of the deployment are longer.
    async fn unwrap(
        &self,
        link: Link<'_>,
        wrapped: &WrappedKey,
        context: &EncryptionContext,
        demanded: Option<&KeyUri>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let (name, len) = (self.demanded(link, wrapped, demanded).await?, length(wrapped)?);
        let mut members = Members::new(0);
        members.text("key_id", name);
        members.text("cipher_text", ciphertext_text(&wrapped.ciphertext)?);
        members.text("datakey_cipher_length", &len.to_string());
        self.bound(&mut members, "", context, &wrapped.params)?;
        let response = link.ask(self.ask("decrypt-datakey", members)).await?;
        let answer = Object(&response.body);
        let made = Zeroizing::new(secret_hex(answer, "data_key")?);
        if let Some(digest) = answer.maybe_text("datakey_dgst")?.filter(|text| !text.is_empty()) {
            let digest = unhex(&digest)?;
            let fits = [Sha256::digest(&made), Sm3::digest(&made)];
            if !fits.iter().any(|known| constant_time_eq(known, &digest)) {
                return Err(not_understood());
            }
        }
        if made.len() == len { Ok(made) } else { Err(Error::authentication()) }
    }

    /// The name of the key that wrapped, which is the one that is demanded: the service does not
    /// say which it was.
    async fn demanded<'w>(
        &self,
        link: Link<'_>,
        wrapped: &'w WrappedKey,
        demanded: Option<&KeyUri>,
    ) -> Result<&'w str> {
        let name = name_of(self, &wrapped.key)?;
        if let Some(demanded) = demanded {
            let demanded = self.id(link, name_of(self, demanded)?).await?;
            demand_key(name, Some(&demanded))?;
        }
        Ok(name)
    }

    async fn wrap(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        data_key: &[u8],
        context: &EncryptionContext,
    ) -> Result<WrappedKey> {
        if data_key.len() != 32 {
            return Err(Error::invalid("a data key has 32 bytes"));
        }
        // What is missing to the length that the deployment takes is random.
        let mut plain = Zeroizing::new(vec![0; self.data_key_len]);
        plain[..32].copy_from_slice(data_key);
        link.rng.fill(&mut plain[32..])?;
        let digest = if self.sm3_digest { Sm3::digest(&plain) } else { Sha256::digest(&plain) };
        let mut digits = Zeroizing::new(String::with_capacity(self.data_key_len * 2 + 64));
        digits.push_str(&Zeroizing::new(hex(&plain)));
        digits.push_str(&hex(&digest));
        let mut members = Members::new(digits.len());
        members.text("key_id", name_of(self, key)?);
        members.text("plain_text", &digits);
        members.text("datakey_plain_length", &self.data_key_len.to_string());
        let mut params = self.params();
        self.bind(&mut members, "", context, &mut params)?;
        let response = link.ask(self.ask("encrypt-datakey", members)).await?;
        self.wrapped(Object(&response.body), params)
    }

    async fn rewrap(
        &self,
        link: Link<'_>,
        wrapped: &WrappedKey,
        context: &EncryptionContext,
        demanded: Option<&KeyUri>,
        to: &KeyUri,
    ) -> Result<WrappedKey> {
        let name = self.demanded(link, wrapped, demanded).await?;
        let len = length(wrapped)?.to_string();
        let mut members = Members::new(0);
        members.text("source_key_id", name);
        members.text("cipher_text", ciphertext_text(&wrapped.ciphertext)?);
        members.text("datakey_cipher_length", &len);
        self.bound(&mut members, "source_", context, &wrapped.params)?;
        members.text("destination_key_id", name_of(self, to)?);
        let mut params = ProviderParams::from([(LENGTH.to_owned(), len.into_bytes())]);
        self.bind(&mut members, "destination_", context, &mut params)?;
        let response = link.ask(self.ask("re-encrypt", members)).await?;
        let answer = Object(&response.body);
        if let Some(source) = answer.maybe_text("source_key_id")? {
            demand_key(&source, Some(name))?;
        }
        self.wrapped(answer, params)
    }

    async fn decrypt(
        &self,
        link: Link<'_>,
        key: Option<&KeyUri>,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Response> {
        let record = Record::decode(ciphertext)?;
        let demanded = key.or(record.key.as_ref()).map(|key| name_of(self, key)).transpose()?;
        let of_record = match record.params.get(ENCODING).map(Vec::as_slice) {
            Some(BASE64) => true,
            None if record.key.is_none() => false,
            _ => return Err(Error::authentication()),
        };
        let demanded = match demanded {
            Some(name) => Some(self.id(link, name).await?),
            None => None,
        };
        let mut members = Members::new(0);
        members.text("cipher_text", ciphertext_text(&record.ciphertext)?);
        self.bound(&mut members, "", context, &record.params)?;
        let response = link.ask(self.ask("decrypt-data", members)).await?;
        let answer = Object(&response.body);
        let name = answer.text("key_id")?;
        demand_key(&name, demanded.as_deref())?;
        let plaintext = if of_record {
            let bytes = Base64::decode_vec(&secret_text(answer, "plain_text")?);
            bytes.map_err(|_| Error::authentication())?
        } else if answer.maybe_text("plain_text_base64")?.is_some_and(|text| !text.is_empty()) {
            answer.bytes("plain_text_base64")?
        } else {
            secret_text(answer, "plain_text")?.as_bytes().to_vec()
        };
        Ok(Response::Plaintext {
            plaintext: SecretBytes::new(plaintext),
            key: uri_of(self, &name)?,
        })
    }

    /// The parameters of a data key of this deployment.
    fn params(&self) -> ProviderParams {
        ProviderParams::from([(LENGTH.to_owned(), self.data_key_len.to_string().into_bytes())])
    }

    fn wrapped(&self, answer: Object<'_>, params: ProviderParams) -> Result<WrappedKey> {
        let key = uri_of(self, &answer.text("key_id")?)?;
        cloud::wrapped(key, params, &answer.text("cipher_text")?)
    }
}

/// The length that a record names: one of those that keyfold writes.
fn length(wrapped: &WrappedKey) -> Result<usize> {
    match wrapped.params.get(LENGTH).map(Vec::as_slice) {
        Some(b"32") => Ok(32),
        Some(b"64") => Ok(64),
        _ => Err(Error::authentication()),
    }
}

/// Secret text of an answer.
fn secret_text(answer: Object<'_>, name: &str) -> Result<Zeroizing<String>> {
    answer.text(name).map(|text| Zeroizing::new(text.into_owned()))
}

/// Secret bytes of an answer, which are written in hexadecimal digits.
fn secret_hex(answer: Object<'_>, name: &str) -> Result<Vec<u8>> {
    unhex(&secret_text(answer, name)?)
}

fn message(input: &SignInput) -> &[u8] {
    match input {
        SignInput::Message(bytes) | SignInput::Digest(bytes) => bytes,
    }
}

fn signed(members: &mut Members, algorithm: SignatureAlgorithm, input: &SignInput) -> Result<()> {
    if algorithm == SignatureAlgorithm::Ed25519ph {
        return Err(Error::invalid("a KMS key signs Ed25519 over whole messages"));
    }
    // Never left to a default: services differ in it.
    let message_type = match input {
        SignInput::Message(_) => "RAW",
        SignInput::Digest(digest) => {
            algorithm.check_digest(digest)?;
            "DIGEST"
        }
    };
    members.bytes("message", message(input));
    members.text("signing_algorithm", algorithm.as_str());
    members.text("message_type", message_type);
    Ok(())
}
