use std::cell::RefCell;

use keyfold::EncryptionContext;
use keyfold_kms::types::{Blob, CreateKeyRequest, DecryptRequest, EncryptRequest};
use keyfold_kms::{Engine, KmsErrorCode};

/// After so many calls another engine: each call adds a record to its audit chain.
const CALLS: u32 = 10_000;

/// The bytes of a blob that say which key it is under.
const KEY_FIELDS: std::ops::Range<usize> = 0..33;

/// Ciphertext blobs. With an even first byte the rest is a blob. With an odd one it is a list of
/// changes to a genuine blob, three bytes each: a position, and what is XORed there. Nothing but
/// the genuine blob opens, and what is past the key's name fails for one and the same cause.
pub fn blob(bytes: &[u8]) {
    thread_local!(static FIXTURE: RefCell<Fixture> = RefCell::new(Fixture::new()));
    let Some((mode, rest)) = bytes.split_first() else { return };
    FIXTURE.with_borrow_mut(|fixture| {
        if fixture.calls >= CALLS {
            *fixture = Fixture::new();
        }
        fixture.calls += 1;
        if mode % 2 == 0 {
            assert!(fixture.decrypt(rest).is_err(), "a blob that nobody made opens");
        } else {
            fixture.changed(rest);
        }
    });
}

struct Fixture {
    engine: Engine,
    genuine: Vec<u8>,
    calls: u32,
}

impl Fixture {
    fn new() -> Self {
        let engine = Engine::in_memory().expect("a store in memory");
        let owner = engine.owner();
        let made = engine.call(&owner, &CreateKeyRequest::default()).expect("a key");
        let request = EncryptRequest {
            key_id: made.key_metadata.key_id,
            plaintext: PLAINTEXT.into(),
            encryption_context: context(),
            ..EncryptRequest::default()
        };
        let genuine = engine.call(&owner, &request).expect("a blob").ciphertext_blob.0;
        Fixture { engine, genuine, calls: 0 }
    }

    fn decrypt(&self, blob: &[u8]) -> Result<Vec<u8>, KmsErrorCode> {
        let request = DecryptRequest {
            ciphertext_blob: Some(Blob(blob.to_vec())),
            encryption_context: context(),
            ..DecryptRequest::default()
        };
        let opened = self.engine.call(&self.engine.owner(), &request);
        opened.map(|opened| opened.plaintext.expose().to_vec()).map_err(|error| error.code())
    }

    fn changed(&self, changes: &[u8]) {
        let mut blob = self.genuine.clone();
        for change in changes.chunks_exact(3) {
            let at = usize::from(u16::from_be_bytes([change[0], change[1]]));
            match blob.get_mut(at) {
                Some(byte) => *byte ^= change[2],
                None => blob.truncate(usize::from(change[2])),
            }
        }
        let opened = self.decrypt(&blob);
        if blob == self.genuine {
            assert_eq!(opened.as_deref(), Ok(PLAINTEXT));
            return;
        }
        let same_key = blob.get(KEY_FIELDS) == self.genuine.get(KEY_FIELDS);
        match opened {
            Ok(_) => panic!("a changed blob opens"),
            Err(KmsErrorCode::InvalidCiphertext) => {}
            Err(code) => assert!(
                !same_key && code != KmsErrorCode::Internal,
                "{code} tells causes apart, or a defect"
            ),
        }
    }
}

const PLAINTEXT: &[u8] = b"correct horse battery staple";

fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme")])
}
