//! The suites, a file each.

pub(crate) mod cli;
pub(crate) mod core;
pub(crate) mod plain_loop;
pub(crate) mod providers;
pub(crate) mod server;

use std::sync::Arc;

use anyhow::Result;
use keyfold::{DataKey, EncryptionContext, Header, MessageKeyDeriver, Suite, WrappedKey};

/// The context of all messages.
fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme")])
}

/// A wrapped key of the length that the embedded KMS makes.
fn recipient() -> Result<WrappedKey> {
    let key = "bench:key".parse()?;
    Ok(WrappedKey { key, params: keyfold::ProviderParams::new(), ciphertext: vec![0xAB; 113] })
}

/// A header with one recipient, and the data key that belongs to it.
fn envelope(suite: Suite) -> Result<(Header, Arc<MessageKeyDeriver>)> {
    let header = Header::new(suite, context(), None, vec![recipient()?])?;
    let data_key = DataKey::take(&mut [7; 32])?;
    Ok((header, Arc::new(MessageKeyDeriver::new(&data_key))))
}
