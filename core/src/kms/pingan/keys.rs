//! The requests of the seam about keys.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::{Codec, MAX_CONTEXT, PingAnConfig, needed, text};
use crate::context::EncryptionContext;
use crate::error::{Error, Result};
use crate::keys::{KeyUri, ProviderParams, SecretBytes, WrappedKey};
use crate::kms::cloud::record::{Record, small_data};
use crate::kms::cloud::{
    self, Ask, Link, Service, ciphertext_text, context, data_key, demand_key, name_of,
    not_understood, uri_of,
};
use crate::kms::json::Object;
use crate::kms::wire::{hex, unhex};
use crate::kms::{Request, Response};
use crate::transport::HttpResponse;

impl PingAnConfig {
    pub(super) async fn call_keys(&self, link: Link<'_>, request: &Request) -> Result<Response> {
        match request {
            Request::GenerateDataKey { key, context } => {
                let name = name_of(self, key)?;
                let parameters = [("keyId", name), ("keySpec", "AES_256")];
                let ask = self.ask(Service::Keys, "GenerateDataKey", &parameters);
                let (ask, params) = bind(ask, context)?;
                let response = link.ask(ask).await?;
                let answer = Object(&response.body);
                let data_key = data_key(self.plaintext(answer, not_understood)?, true)?;
                let wrapped = self.wrapped(answer, name, params)?;
                Ok(Response::DataKey { data_key, wrapped })
            }
            Request::Wrap { key, data_key, context } => {
                Ok(Response::Wrapped(self.encrypt(link, key, data_key.expose(), context).await?))
            }
            Request::Unwrap { wrapped, context, key } => {
                let bytes = self.unwrap(link, wrapped, context, key.as_ref()).await?;
                Ok(Response::Unwrapped(data_key(bytes, false)?))
            }
            Request::Rewrap { wrapped, context, key, to } => {
                let bytes = self.unwrap(link, wrapped, context, key.as_ref()).await?;
                let data_key = data_key(bytes, false)?;
                let data_key = data_key.0.expose();
                Ok(Response::Wrapped(self.encrypt(link, to, data_key, context).await?))
            }
            Request::Encrypt { key, plaintext, context } => {
                small_data(self.encrypt(link, key, plaintext.expose(), context).await?)
            }
            Request::Decrypt { key, ciphertext, context } => {
                let record = Record::decode(ciphertext)?;
                let demanded = key.as_ref().or(record.key.as_ref());
                let demanded = demanded.map(|key| name_of(self, key)).transpose()?;
                let (ciphertext, params) = (&record.ciphertext, &record.params);
                let response = self.decrypt(link, ciphertext, context, params).await?;
                let answer = Object(&response.body);
                let name = needed(answer, "keyId")?;
                demand_key(&name, demanded)?;
                let plaintext = self.plaintext(answer, Error::authentication)?;
                let plaintext = SecretBytes::new(plaintext);
                Ok(Response::Plaintext { plaintext, key: uri_of(self, &name)? })
            }
            Request::ResolveKey { key } => {
                let response = self.describe(link, name_of(self, key)?).await?;
                let key = Object(&response.body).object("keyMetadata")?;
                Ok(Response::Key(uri_of(self, &needed(key, "keyId")?)?))
            }
            // The capabilities have refused them already, or `secrets` has them.
            Request::Sign { .. }
            | Request::Verify { .. }
            | Request::GetPublicKey { .. }
            | Request::PutSecret { .. }
            | Request::GetSecret { .. }
            | Request::GenerateSealedDataKey { .. }
            | Request::UnwrapSealed { .. } => Err(not_understood()),
        }
    }

    pub(super) async fn describe(&self, link: Link<'_>, name: &str) -> Result<HttpResponse> {
        link.ask(self.ask(Service::Keys, "DescribeKey", &[("keyId", name)])).await
    }

    async fn encrypt(
        &self,
        link: Link<'_>,
        key: &KeyUri,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<WrappedKey> {
        let name = name_of(self, key)?;
        let text = Zeroizing::new(match self.codec {
            Codec::Base64 => Base64::encode_string(plaintext),
            Codec::Hex => hex(plaintext),
        });
        let parameters = [("keyId", name), ("plainText", text.as_str())];
        let (ask, params) = bind(self.ask(Service::Keys, "Encrypt", &parameters), context)?;
        let response = link.ask(ask).await?;
        self.wrapped(Object(&response.body), name, params)
    }

    async fn unwrap(
        &self,
        link: Link<'_>,
        wrapped: &WrappedKey,
        context: &EncryptionContext,
        demanded: Option<&KeyUri>,
    ) -> Result<Vec<u8>> {
        let demanded = name_of(self, demanded.unwrap_or(&wrapped.key))?;
        let response = self.decrypt(link, &wrapped.ciphertext, context, &wrapped.params).await?;
        let answer = Object(&response.body);
        demand_key(&needed(answer, "keyId")?, Some(demanded))?;
        self.plaintext(answer, Error::authentication)
    }

    async fn decrypt(
        &self,
        link: Link<'_>,
        ciphertext: &[u8],
        context: &EncryptionContext,
        params: &ProviderParams,
    ) -> Result<HttpResponse> {
        let parameters = [("cipherTextBlob", ciphertext_text(ciphertext)?)];
        let mut ask = self.ask(Service::Keys, "Decrypt", &parameters);
        if let Some(bound) = context::bound(context, params)? {
            ask = ask.with_query("encryptionContext", &bound);
        }
        link.ask(ask).await
    }

    /// The plaintext of an answer; `wrong` where it is there and written in another way.
    fn plaintext(&self, answer: Object<'_>, wrong: fn() -> Error) -> Result<Vec<u8>> {
        let text = Zeroizing::new(needed(answer, "plainText")?);
        match self.codec {
            Codec::Base64 => Base64::decode_vec(&text).map_err(|_| wrong()),
            Codec::Hex => unhex(&text).map_err(|_| wrong()),
        }
    }

    /// What goes into the envelope. An answer that names no key is of the one that was asked.
    fn wrapped(
        &self,
        answer: Object<'_>,
        asked: &str,
        params: ProviderParams,
    ) -> Result<WrappedKey> {
        let name = text(answer, "keyId")?.filter(|name| !name.is_empty());
        let key = uri_of(self, name.as_deref().unwrap_or(asked))?;
        cloud::wrapped(key, params, &needed(answer, "cipherTextBlob")?)
    }
}

fn bind(ask: Ask, context: &EncryptionContext) -> Result<(Ask, ProviderParams)> {
    let mut params = ProviderParams::new();
    Ok(match context::bind(context, MAX_CONTEXT, &mut params)? {
        Some(bound) => (ask.with_query("encryptionContext", &bound), params),
        None => (ask, params),
    })
}
