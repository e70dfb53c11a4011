//! What calls say of keys and context: read once, and then known by a number.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Uint8Array};
use keyfold::sign::EncodedPublicKey;
use keyfold::stream::Demands;
use keyfold::{
    ContextCheck, EncryptionContext, Error, ErrorCode, KeyUri, Keyring, Result, SignerPolicy, Suite,
};
use wasm_bindgen::prelude::*;

/// Keys, context and suites of one call.
pub(crate) struct Spec {
    pub(crate) keyring: Keyring,
    pub(crate) context: EncryptionContext,
    contains: bool,
    pub(crate) suite: Suite,
    suites: Vec<Suite>,
}

impl Spec {
    /// Reads a list of words and their values: `wrap` KEY, `unwrap` KEY, `discover` SCHEME, `bind`
    /// NAME, `bound`, `pair` NAME VALUE, `contains`, `suite` NAME, `accept` NAME, `accepting`.
    pub(crate) fn read(words: &Array) -> Result<Self> {
        let mut words =
            words.iter().map(|word| JsValue::from(word).as_string().unwrap_or_default());
        let mut next = move || words.next();
        let (mut wrap, mut unwrap, mut discover) = (Vec::new(), Vec::new(), None);
        let (mut bind, mut context, mut contains) = (None, EncryptionContext::new(), false);
        let (mut suite, mut suites) = (Suite::Aes256Gcm, None);
        while let Some(word) = next() {
            let mut value = || next().unwrap_or_default();
            match word.as_str() {
                "wrap" => wrap.push(KeyUri::new(value())?),
                "unwrap" => unwrap.push(KeyUri::new(value())?),
                "discover" => discover = Some(value()),
                "bound" => bind = Some(Vec::new()),
                "bind" => bind.get_or_insert_default().push(value()),
                "pair" => {
                    let name = value();
                    context.insert(name, value());
                }
                "contains" => contains = true,
                "suite" => suite = named(&value())?,
                "accepting" => suites = Some(Vec::new()),
                "accept" => suites.get_or_insert_default().push(named(&value())?),
                _ => return Err(invalid("an option is of another form")),
            }
        }
        let mut wrap = wrap.into_iter();
        let mut keyring = match (wrap.next(), discover) {
            (Some(first), _) => {
                unwrap.into_iter().fold(Keyring::generate_with(first), Keyring::also_unwrap_with)
            }
            (None, Some(scheme)) => Keyring::discover(scheme),
            (None, None) => Keyring::unwrap_with(unwrap),
        };
        keyring = wrap.fold(keyring, Keyring::also_wrap_with);
        if let Some(names) = bind {
            keyring = keyring.bind_only(names);
        }
        let suites = suites.unwrap_or_else(|| Suite::ALL.to_vec());
        Ok(Spec { keyring, context, contains, suite, suites })
    }

    /// What is demanded of an envelope; `signers` is undefined, `"any"` or a list of keys in DER.
    pub(crate) fn demands(&self, signers: &JsValue) -> Result<Demands> {
        let context = self.context.clone();
        let check = if self.contains {
            ContextCheck::Contains(context)
        } else {
            ContextCheck::Exact(context)
        };
        let mut demands = Demands::new(check);
        demands.suites.clone_from(&self.suites);
        if signers.is_undefined() {
            return Ok(demands);
        }
        if signers.is_string() {
            return Ok(demands.signed_by(SignerPolicy::Anyone));
        }
        let list: Array = Array::from(signers);
        let mut keys = Vec::new();
        for der in list.iter() {
            let der = JsValue::from(der).dyn_ref().map(Uint8Array::to_vec).unwrap_or_default();
            keys.push(EncodedPublicKey::from_spki_der(&der)?);
        }
        Ok(demands.signed_by(SignerPolicy::OneOfEncoded(keys)))
    }
}

fn named(name: &str) -> Result<Suite> {
    Suite::ALL
        .iter()
        .copied()
        .find(|suite| suite.cipher() == name)
        .ok_or_else(|| invalid("a suite is AES-256-GCM or ChaCha20-Poly1305"))
}

pub(crate) fn invalid(detail: &'static str) -> Error {
    Error::new(ErrorCode::InvalidArgument, detail)
}

/// Those that are known, by their numbers.
#[derive(Default)]
pub(crate) struct Specs(RefCell<Vec<Option<Rc<Spec>>>>);

impl Specs {
    pub(crate) fn keep(&self, spec: Spec) -> usize {
        let mut specs = self.0.borrow_mut();
        let free = specs.iter().position(Option::is_none).unwrap_or(specs.len());
        if free == specs.len() {
            specs.push(None);
        }
        specs[free] = Some(Rc::new(spec));
        free
    }

    pub(crate) fn forget(&self, number: usize) {
        if let Some(spec) = self.0.borrow_mut().get_mut(number) {
            *spec = None;
        }
    }

    pub(crate) fn get(&self, number: usize) -> Result<Rc<Spec>> {
        let spec = self.0.borrow().get(number).cloned().flatten();
        spec.ok_or_else(|| Error::new(ErrorCode::Internal, "keys and context are not known"))
    }
}
