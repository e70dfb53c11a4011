//! Requests and answers of `js/kms.ts`, as objects of JavaScript.

use js_sys::{Array, Object, Reflect, Uint8Array};
use keyfold::kms::{DataKeyReply, Request, Response, SignInput};
use keyfold::sign::SignatureAlgorithm;
use keyfold::{
    DataKey, EncryptionContext, Error, ErrorCode, KeyUri, ProviderParams, Result, SecretBytes,
    WrappedKey,
};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::errors::get;

/// An object of JavaScript, made member by member.
struct Making(Object);

impl Making {
    fn new() -> Self {
        Making(Object::new())
    }

    fn value(&self, name: &str, value: JsValue) {
        // Setting a member of an object that was just made does not fail.
        let _ = Reflect::set(&self.0, &JsValue::from_str(name), &value);
    }

    fn text(&self, name: &str, text: &str) {
        self.value(name, JsValue::from_str(text));
    }

    fn key(&self, name: &str, key: &KeyUri) {
        self.text(name, key.as_str());
    }

    fn maybe_key(&self, name: &str, key: Option<&KeyUri>) {
        self.value(name, key.map_or(JsValue::UNDEFINED, |key| key.as_str().into()));
    }

    fn bytes(&self, name: &str, value: &[u8]) {
        self.value(name, bytes(value));
    }

    fn context(&self, pairs: &EncryptionContext) {
        self.value("context", context(pairs));
    }

    fn wrapped(&self, wrapped: &WrappedKey) {
        let (made, parameters) = (Making::new(), Making::new());
        for (name, value) in &wrapped.params {
            parameters.bytes(name, value);
        }
        made.key("key", &wrapped.key);
        made.bytes("ciphertext", &wrapped.ciphertext);
        made.value("parameters", parameters.0.into());
        self.value("wrapped", made.0.into());
    }
}

/// A copy of bytes.
pub(crate) fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

pub(crate) fn context(context: &EncryptionContext) -> JsValue {
    let made = Making::new();
    for (name, value) in context.iter() {
        made.text(name, value);
    }
    made.0.into()
}

/// A request of the core for a KMS written in JavaScript: those that [`crate::client`] makes.
#[cfg(any(feature = "client", feature = "cloud"))]
pub(crate) fn request(request: &Request) -> Result<JsValue> {
    let made = Making::new();
    let kind = match request {
        Request::GenerateDataKey { key, context } => {
            made.key("key", key);
            made.context(context);
            "generateDataKey"
        }
        Request::Wrap { key, data_key, context } => {
            made.key("key", key);
            made.bytes("dataKey", data_key.expose());
            made.context(context);
            "wrap"
        }
        Request::Unwrap { wrapped, context, key } => {
            made.wrapped(wrapped);
            made.context(context);
            made.maybe_key("key", key.as_ref());
            "unwrap"
        }
        Request::Rewrap { wrapped, context, key, to } => {
            made.wrapped(wrapped);
            made.context(context);
            made.maybe_key("key", key.as_ref());
            made.key("to", to);
            "rewrap"
        }
        Request::Sign { key, algorithm, input } => {
            let (message, is_digest) = match input {
                SignInput::Message(message) => (message, false),
                SignInput::Digest(digest) => (digest, true),
            };
            made.key("key", key);
            made.text("algorithm", algorithm.as_str());
            made.bytes("message", message);
            made.value("isDigest", is_digest.into());
            "sign"
        }
        Request::GetPublicKey { key } => {
            made.key("key", key);
            "getPublicKey"
        }
        Request::ResolveKey { key } => {
            made.key("key", key);
            "resolveKey"
        }
        _ => return Err(Error::new(ErrorCode::Internal, "a request without a form here")),
    };
    made.text("type", kind);
    Ok(made.0.into())
}

/// The answer to a request, for whoever calls a KMS of the core from JavaScript.
pub(crate) fn response(response: &Response) -> Result<JsValue> {
    let made = Making::new();
    match response {
        Response::DataKey { data_key, wrapped } => {
            made.bytes("dataKey", data_key.0.expose());
            made.wrapped(wrapped);
        }
        Response::Wrapped(wrapped) => made.wrapped(wrapped),
        Response::Unwrapped(data_key) => made.bytes("dataKey", data_key.0.expose()),
        Response::Ciphertext { ciphertext, key } => {
            made.bytes("ciphertext", ciphertext);
            made.key("key", key);
        }
        Response::Plaintext { plaintext, key } => {
            made.bytes("plaintext", plaintext.expose());
            made.key("key", key);
        }
        Response::Signature(signature) => made.bytes("signature", signature),
        Response::Verified => {}
        Response::PublicKey { spki, key } => {
            made.bytes("spki", spki);
            made.key("key", key);
        }
        Response::Key(key) => made.key("key", key),
        Response::SecretVersion { version } => made.text("version", version),
        Response::Secret { value, version } => {
            made.bytes("value", value.expose());
            made.text("version", version);
        }
        _ => return Err(Error::new(ErrorCode::Internal, "an answer without a form here")),
    }
    Ok(made.0.into())
}

/// Members of an object that JavaScript gave. What has another form is told as `code`.
struct Members<'a> {
    object: &'a JsValue,
    code: ErrorCode,
}

impl Members<'_> {
    fn wrong(&self, name: &str) -> Error {
        Error::new(self.code, format!("`{name}` is missing or of another form"))
    }

    fn string(&self, name: &str) -> Result<String> {
        get(self.object, name).as_string().ok_or_else(|| self.wrong(name))
    }

    fn maybe_string(&self, name: &str) -> Result<Option<String>> {
        let value = get(self.object, name);
        if value.is_undefined() || value.is_null() {
            return Ok(None);
        }
        value.as_string().map(Some).ok_or_else(|| self.wrong(name))
    }

    fn key(&self, name: &str) -> Result<KeyUri> {
        KeyUri::new(self.string(name)?).map_err(|_| self.wrong(name))
    }

    fn maybe_key(&self, name: &str) -> Result<Option<KeyUri>> {
        let key = self.maybe_string(name)?;
        key.map(|key| KeyUri::new(key).map_err(|_| self.wrong(name))).transpose()
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let value = get(self.object, name);
        value.dyn_ref().map(Uint8Array::to_vec).ok_or_else(|| self.wrong(name))
    }

    fn secret(&self, name: &str) -> Result<SecretBytes> {
        self.bytes(name).map(SecretBytes::new)
    }

    fn data_key(&self, name: &str) -> Result<DataKeyReply> {
        let mut bytes = Zeroizing::new(self.bytes(name)?);
        DataKey::take(&mut bytes).map(DataKeyReply).map_err(|_| self.wrong(name))
    }

    /// Hands over the pairs of an object; `take` says whether the value is of its form.
    fn pairs(
        &self,
        name: &str,
        take: &mut dyn FnMut(String, &JsValue) -> Option<()>,
    ) -> Result<()> {
        let value = get(self.object, name);
        if value.is_undefined() || value.is_null() {
            return Ok(());
        }
        let object = value.dyn_ref::<Object>().ok_or_else(|| self.wrong(name))?;
        for entry in Object::entries(object).iter() {
            let entry = Array::from(&entry);
            let pair = entry.get(0).as_string().and_then(|name| take(name, &entry.get(1)));
            pair.ok_or_else(|| self.wrong(name))?;
        }
        Ok(())
    }

    fn context(&self) -> Result<EncryptionContext> {
        let mut context = EncryptionContext::new();
        self.pairs("context", &mut |name, value| {
            context.insert(name, value.as_string()?);
            Some(())
        })?;
        Ok(context)
    }

    fn wrapped(&self) -> Result<WrappedKey> {
        let object = get(self.object, "wrapped");
        let members = Members { object: &object, code: self.code };
        let mut params = ProviderParams::new();
        members.pairs("parameters", &mut |name, value| {
            params.insert(name, value.dyn_ref().map(Uint8Array::to_vec)?);
            Some(())
        })?;
        Ok(WrappedKey {
            key: members.key("key")?,
            params,
            ciphertext: members.bytes("ciphertext")?,
        })
    }

    fn algorithm(&self) -> Result<SignatureAlgorithm> {
        self.string("algorithm")?.parse().map_err(|_| self.wrong("algorithm"))
    }

    fn input(&self) -> Result<SignInput> {
        let message = self.bytes("message")?;
        let is_digest = get(self.object, "isDigest").is_truthy();
        Ok(if is_digest { SignInput::Digest(message) } else { SignInput::Message(message) })
    }
}

/// A request from JavaScript, for a KMS of the core.
pub(crate) fn to_request(value: &JsValue) -> Result<Request> {
    let from = Members { object: value, code: ErrorCode::InvalidArgument };
    Ok(match from.string("type")?.as_str() {
        "generateDataKey" => {
            Request::GenerateDataKey { key: from.key("key")?, context: from.context()? }
        }
        "wrap" => Request::Wrap {
            key: from.key("key")?,
            data_key: from.secret("dataKey")?,
            context: from.context()?,
        },
        "unwrap" => Request::Unwrap {
            wrapped: from.wrapped()?,
            context: from.context()?,
            key: from.maybe_key("key")?,
        },
        "rewrap" => Request::Rewrap {
            wrapped: from.wrapped()?,
            context: from.context()?,
            key: from.maybe_key("key")?,
            to: from.key("to")?,
        },
        "encrypt" => Request::Encrypt {
            key: from.key("key")?,
            plaintext: from.secret("plaintext")?,
            context: from.context()?,
        },
        "decrypt" => Request::Decrypt {
            key: from.maybe_key("key")?,
            ciphertext: from.bytes("ciphertext")?,
            context: from.context()?,
        },
        "sign" => Request::Sign {
            key: from.key("key")?,
            algorithm: from.algorithm()?,
            input: from.input()?,
        },
        "verify" => Request::Verify {
            key: from.key("key")?,
            algorithm: from.algorithm()?,
            input: from.input()?,
            signature: from.bytes("signature")?,
        },
        "getPublicKey" => Request::GetPublicKey { key: from.key("key")? },
        "resolveKey" => Request::ResolveKey { key: from.key("key")? },
        "putSecret" => Request::PutSecret {
            name: from.string("name")?,
            value: from.secret("value")?,
            key: from.maybe_key("key")?,
            token: from.string("token")?,
        },
        "getSecret" => Request::GetSecret {
            name: from.string("name")?,
            version: from.maybe_string("version")?,
            stage: from.maybe_string("stage")?,
        },
        _ => return Err(from.wrong("type")),
    })
}

/// What a KMS written in JavaScript answered to a request.
#[cfg(any(feature = "client", feature = "cloud"))]
pub(crate) fn to_response(request: &Request, value: &JsValue) -> Result<Response> {
    let from = Members { object: value, code: ErrorCode::KmsProtocol };
    Ok(match request {
        Request::GenerateDataKey { .. } => {
            Response::DataKey { data_key: from.data_key("dataKey")?, wrapped: from.wrapped()? }
        }
        Request::Wrap { .. } | Request::Rewrap { .. } => Response::Wrapped(from.wrapped()?),
        Request::Unwrap { .. } => Response::Unwrapped(from.data_key("dataKey")?),
        Request::Sign { .. } => Response::Signature(from.bytes("signature")?),
        Request::GetPublicKey { .. } => {
            Response::PublicKey { spki: from.bytes("spki")?, key: from.key("key")? }
        }
        Request::ResolveKey { .. } => Response::Key(from.key("key")?),
        _ => return Err(Error::new(ErrorCode::Internal, "a request without a form here")),
    })
}
