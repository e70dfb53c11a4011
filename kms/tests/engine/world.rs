//! What every test stands on: an engine with a clock that the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use keyfold_kms::engine::Operation;
use keyfold_kms::store::{End, MemoryStore, Store, StoreError, Txn};
use keyfold_kms::types::*;
use keyfold_kms::{Caller, Clock, Engine, EngineOptions, KmsError, KmsErrorCode, Timestamp};

pub const START: i64 = 1_790_000_000_000;
pub const ACCOUNT: &str = "000000000000";
pub const ALICE: &str = "arn:aws:iam::000000000000:user/alice";
pub const BOB: &str = "arn:aws:iam::000000000000:user/bob";

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn new() -> Self {
        TestClock(Arc::new(AtomicI64::new(START)))
    }

    pub fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub fn advance_days(&self, days: i64) {
        self.advance(days * Timestamp::DAY);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A memory store that the test can look into, and reopen.
#[derive(Clone, Default)]
pub struct SharedStore(pub Arc<MemoryStore>);

impl Store for SharedStore {
    fn read(&self, work: &mut dyn FnMut(&mut dyn Txn)) -> Result<(), StoreError> {
        self.0.read(work)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Txn) -> End) -> Result<(), StoreError> {
        self.0.write(work)
    }
}

impl SharedStore {
    pub fn change(&self, mut work: impl FnMut(&mut dyn Txn)) {
        self.0
            .write(&mut |txn| {
                work(txn);
                End::Commit
            })
            .expect("a write");
    }
}

pub struct World {
    pub engine: Engine,
    pub clock: TestClock,
    pub owner: Caller,
}

pub fn options(clock: &TestClock) -> EngineOptions {
    EngineOptions { clock: Box::new(clock.clone()), ..EngineOptions::default() }
}

pub fn world() -> World {
    let clock = TestClock::new();
    let engine = Engine::in_memory_with(options(&clock)).expect("an engine");
    let owner = engine.owner();
    World { engine, clock, owner }
}

impl World {
    /// Performs an operation as the owner, which must succeed.
    #[track_caller]
    pub fn ok<O: Operation>(&self, request: &O) -> O::Response {
        self.ok_as(&self.owner, request)
    }

    #[track_caller]
    pub fn ok_as<O: Operation>(&self, caller: &Caller, request: &O) -> O::Response {
        match self.engine.call(caller, request) {
            Ok(response) => response,
            Err(error) => panic!("{} failed: {error}", O::NAME),
        }
    }

    /// Performs an operation as the owner, which must fail.
    #[track_caller]
    pub fn refused<O: Operation>(&self, request: &O) -> KmsErrorCode {
        self.refused_as(&self.owner, request)
    }

    #[track_caller]
    pub fn refused_as<O: Operation>(&self, caller: &Caller, request: &O) -> KmsErrorCode {
        failure(self.engine.call(caller, request)).code()
    }

    pub fn key(&self) -> String {
        self.ok(&CreateKeyRequest::default()).key_metadata.key_id
    }

    pub fn pair(&self, spec: KeySpec, usage: KeyUsage) -> String {
        let request = CreateKeyRequest {
            key_spec: Some(spec),
            key_usage: Some(usage),
            ..CreateKeyRequest::default()
        };
        self.ok(&request).key_metadata.key_id
    }

    pub fn arn(&self, key_id: &str) -> String {
        self.engine.realm().key(key_id)
    }

    pub fn state(&self, key_id: &str) -> KeyState {
        self.ok(&describe(key_id)).key_metadata.key_state
    }
}

#[track_caller]
pub fn failure<T>(result: Result<T, KmsError>) -> KmsError {
    match result {
        Ok(_) => panic!("it succeeded"),
        Err(error) => error,
    }
}

pub fn alice() -> Caller {
    Caller::new(ALICE, ACCOUNT)
}

pub fn bob() -> Caller {
    Caller::new(BOB, ACCOUNT)
}

pub fn describe(key_id: &str) -> DescribeKeyRequest {
    DescribeKeyRequest { key_id: key_id.into(), grant_tokens: vec![] }
}

pub fn encrypt(key_id: &str, plaintext: &[u8]) -> EncryptRequest {
    EncryptRequest {
        key_id: key_id.into(),
        plaintext: plaintext.into(),
        ..EncryptRequest::default()
    }
}

pub fn decrypt(blob: &Blob) -> DecryptRequest {
    DecryptRequest { ciphertext_blob: Some(blob.clone()), ..DecryptRequest::default() }
}

pub fn disable(key_id: &str) -> DisableKeyRequest {
    DisableKeyRequest { key_id: key_id.into() }
}

pub fn enable(key_id: &str) -> EnableKeyRequest {
    EnableKeyRequest { key_id: key_id.into() }
}

pub fn schedule(key_id: &str, days: u32) -> ScheduleKeyDeletionRequest {
    ScheduleKeyDeletionRequest { key_id: key_id.into(), pending_window_in_days: Some(days) }
}

pub fn cancel(key_id: &str) -> CancelKeyDeletionRequest {
    CancelKeyDeletionRequest { key_id: key_id.into() }
}

pub fn rotate(key_id: &str) -> RotateKeyOnDemandRequest {
    RotateKeyOnDemandRequest { key_id: key_id.into() }
}

pub fn alias(name: &str, key_id: &str) -> CreateAliasRequest {
    CreateAliasRequest { alias_name: name.into(), target_key_id: key_id.into() }
}

pub fn grant(key_id: &str, grantee: &str, operations: &[GrantOperation]) -> CreateGrantRequest {
    CreateGrantRequest {
        key_id: key_id.into(),
        grantee_principal: Some(grantee.into()),
        operations: operations.to_vec(),
        ..CreateGrantRequest::default()
    }
}

pub fn sign(key_id: &str, algorithm: SigningAlgorithm, message: &[u8]) -> SignRequest {
    SignRequest {
        key_id: key_id.into(),
        message: message.into(),
        signing_algorithm: Some(algorithm),
        ..SignRequest::default()
    }
}

pub fn verify(
    key_id: &str,
    algorithm: SigningAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> VerifyRequest {
    VerifyRequest {
        key_id: key_id.into(),
        message: message.into(),
        signature: signature.into(),
        signing_algorithm: Some(algorithm),
        ..VerifyRequest::default()
    }
}

pub fn tag(key: &str, value: &str) -> Tag {
    Tag { tag_key: key.into(), tag_value: value.into() }
}
