//! What the integration tests share: envelopes without a KMS.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::sync::Arc;

use keyfold::{
    DataKey, Demands, EncryptionContext, Header, MessageKeyDeriver, Sealer, Suite, SystemRng,
    Unlocked, WrappedKey,
};

pub(crate) fn key(byte: u8) -> Arc<MessageKeyDeriver> {
    let data_key = DataKey::take(&mut [byte; 32]).expect("32 bytes");
    Arc::new(MessageKeyDeriver::new(&data_key))
}

pub(crate) fn recipient(name: &str) -> WrappedKey {
    WrappedKey {
        key: format!("test:{name}").parse().expect("a valid URI"),
        params: keyfold::ProviderParams::new(),
        ciphertext: vec![0xAB; 113],
    }
}

pub(crate) fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme")])
}

pub(crate) fn header(suite: Suite) -> Header {
    Header::new(suite, context(), None, vec![recipient("a")]).expect("within limits")
}

/// An attached, unsigned envelope under `key(1)`.
pub(crate) fn seal(suite: Suite, plaintext: &[u8]) -> Vec<u8> {
    let header = header(suite);
    let mut sealer = Sealer::new(&header, &key(1), &SystemRng).expect("randomness");
    let mut out = sealer.header().to_vec();
    sealer.update(plaintext, &mut out).expect("sealed");
    assert!(sealer.finish(&mut out).expect("finished").is_none());
    out
}

/// Opens an attached envelope under `key(1)`, split into pieces of this size.
pub(crate) fn open(envelope: &[u8], piece: usize) -> keyfold::Result<Vec<u8>> {
    let (header, start) = Header::parse(envelope)?;
    let mut opener = unlock(&header)?.into_opener();
    let mut plaintext = Vec::new();
    for piece in envelope[start..].chunks(piece) {
        opener.update(piece, &mut plaintext)?;
    }
    opener.finish(&mut plaintext)?;
    Ok(plaintext)
}

pub(crate) fn unlock(header: &Header) -> keyfold::Result<Unlocked> {
    Unlocked::new(header, key(1), &Demands::new(context()))
}
