//! What every call says of keys and context, as one text of JSON that `js/keyfold.ts` makes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use keyfold::sign::EncodedPublicKey;
use keyfold::stream::Demands;
use keyfold::{
    ContextCheck, EncryptionContext, Error, ErrorCode, KeyUri, Keyring, Result, SignerPolicy, Suite,
};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Text {
    wrap: Vec<String>,
    unwrap: Vec<String>,
    bind: Option<Vec<String>>,
    discover: Option<String>,
    context: BTreeMap<String, String>,
    contains: bool,
    suite: Option<String>,
    suites: Option<Vec<String>>,
}

/// Keys, context and suites of one call.
pub(crate) struct Spec {
    pub(crate) keyring: Keyring,
    pub(crate) context: EncryptionContext,
    contains: bool,
    pub(crate) suite: Suite,
    suites: Vec<Suite>,
}

impl Spec {
    fn read(text: &str) -> Result<Self> {
        let text: Text = serde_json::from_str(text)
            .map_err(|_| invalid("keys and context are texts of Unicode characters"))?;
        let keys = |names: Vec<String>| names.into_iter().map(KeyUri::new).collect::<Result<Vec<_>>>();
        let (wrap, unwrap) = (keys(text.wrap)?, keys(text.unwrap)?);
        let mut wrap = wrap.into_iter();
        let mut keyring = match (wrap.next(), text.discover) {
            (Some(first), _) => unwrap
                .into_iter()
                .fold(Keyring::generate_with(first), Keyring::also_unwrap_with),
            (None, Some(scheme)) => Keyring::discover(scheme),
            (None, None) => Keyring::unwrap_with(unwrap),
        };
        keyring = wrap.fold(keyring, Keyring::also_wrap_with);
        if let Some(names) = text.bind {
            keyring = keyring.bind_only(names);
        }
        let suite = text.suite.as_deref().map_or(Ok(Suite::Aes256Gcm), suite)?;
        let suites = match &text.suites {
            None => Suite::ALL.to_vec(),
            Some(names) => names.iter().map(|name| self::suite(name)).collect::<Result<_>>()?,
        };
        let context = text.context.into_iter().collect();
        Ok(Spec { keyring, context, contains: text.contains, suite, suites })
    }

    /// What is demanded of an envelope; `signers` is undefined, `"any"` or a list of keys in DER.
    pub(crate) fn demands(&self, signers: &JsValue) -> Result<Demands> {
        let context = self.context.clone();
        let check =
            if self.contains { ContextCheck::Contains(context) } else { ContextCheck::Exact(context) };
        let mut demands = Demands::new(check);
        demands.suites.clone_from(&self.suites);
        if signers.is_undefined() {
            return Ok(demands);
        }
        if signers.is_string() {
            return Ok(demands.signed_by(SignerPolicy::Anyone));
        }
        let list = Array::from(signers);
        let keys = list.iter().map(|der| {
            let der = JsValue::from(der).dyn_ref().map(Uint8Array::to_vec).unwrap_or_default();
            EncodedPublicKey::from_spki_der(&der)
        });
        Ok(demands.signed_by(SignerPolicy::OneOfEncoded(keys.collect::<Result<_>>()?)))
    }
}

fn suite(name: &str) -> Result<Suite> {
    Suite::ALL
        .iter()
        .copied()
        .find(|suite| suite.cipher() == name)
        .ok_or_else(|| invalid("a suite is AES-256-GCM or ChaCha20-Poly1305"))
}

pub(crate) fn invalid(detail: &'static str) -> Error {
    Error::new(ErrorCode::InvalidArgument, detail)
}

/// The last one that was read: most calls say the same as the one before.
#[derive(Default)]
pub(crate) struct LastSpec(RefCell<Option<(String, Rc<Spec>)>>);

impl LastSpec {
    pub(crate) fn read(&self, text: &str) -> Result<Rc<Spec>> {
        if let Some((last, spec)) = &*self.0.borrow()
            && last == text
        {
            return Ok(spec.clone());
        }
        let spec = Rc::new(Spec::read(text)?);
        *self.0.borrow_mut() = Some((text.to_owned(), spec.clone()));
        Ok(spec)
    }
}
