//! One run of the command: where it speaks to, and the embedded KMS once it is needed.

use std::cell::OnceCell;

use keyfold::{Client, KeyUri};
use keyfold_kms::EmbeddedKms;
use keyfold_kms::engine::Operation;
use keyfold_kms::types::{DescribeKeyRequest, KeyMetadata};

use crate::console::Console;
use crate::fault::{self, Result};
use crate::home::Home;
use crate::names::SCHEME;

/// What every command gets.
pub(crate) struct Session {
    pub(crate) console: Console,
    pub(crate) home: Home,
    kms: OnceCell<EmbeddedKms>,
}

/// A client of the embedded KMS.
pub(crate) type EmbeddedClient<'a> = Client<&'a EmbeddedKms>;

impl Session {
    pub(crate) fn new(console: Console, home: Home) -> Self {
        Session { console, home, kms: OnceCell::new() }
    }

    /// The KMS, opened when it is first asked for: commands that need none work without a store.
    pub(crate) fn kms(&self) -> Result<&EmbeddedKms> {
        if let Some(kms) = self.kms.get() {
            return Ok(kms);
        }
        let kms = self.home.open()?;
        Ok(self.kms.get_or_init(|| kms))
    }

    /// The core's client over the KMS.
    pub(crate) fn client(&self) -> Result<EmbeddedClient<'_>> {
        Ok(Client::new(self.kms()?))
    }

    /// Performs an operation of the engine, as the owner of the store.
    pub(crate) fn call<O: Operation>(&self, request: &O) -> Result<O::Response> {
        let engine = self.kms()?.engine();
        Ok(engine.call(&engine.owner(), request)?)
    }

    /// The properties of a key, by any of its names.
    pub(crate) fn describe(&self, key: &KeyUri) -> Result<KeyMetadata> {
        let key_id = engine_name(key)?.to_owned();
        let request = DescribeKeyRequest { key_id, ..DescribeKeyRequest::default() };
        Ok(self.call(&request)?.key_metadata)
    }

    /// A key as management operations take it, which is not by its alias.
    pub(crate) fn key_id(&self, key: &KeyUri) -> Result<String> {
        if key.is_alias() {
            return Ok(self.describe(key)?.arn);
        }
        Ok(engine_name(key)?.to_owned())
    }
}

/// The engine's name of a key.
pub(crate) fn engine_name(key: &KeyUri) -> Result<&str> {
    if key.scheme() == SCHEME {
        return Ok(key.rest());
    }
    Err(fault::invalid(format!("{key} is not a key of the embedded KMS")))
}
