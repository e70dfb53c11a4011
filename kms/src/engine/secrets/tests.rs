mod keys;
mod lifecycle;
mod lists;
mod names;
mod versions;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

#[cfg(feature = "sqlite")]
use keyfold::crypto::rng::SystemRng;

use crate::clock::{Clock, Timestamp};
use crate::engine::{Caller, Engine, Operation};
use crate::error::{KmsErrorCode, Result};
use crate::root::EngineOptions;
use crate::types::*;

/// A clock that stands still until a test moves it.
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// An engine, its clock, and its owner.
struct Safe {
    engine: Engine,
    clock: Arc<HandClock>,
    owner: Caller,
    folder: Option<tempfile::TempDir>,
}

/// 2026-11-22, 12:00 UTC.
const START: i64 = 1_795_348_800_000;

/// Runs a test over every store.
fn with_safes(test: impl Fn(&Safe)) {
    test(&Safe::in_memory());
    #[cfg(feature = "sqlite")]
    test(&Safe::on_disk());
}

fn options() -> (Arc<HandClock>, EngineOptions) {
    let clock = Arc::new(HandClock(START.into()));
    (clock.clone(), EngineOptions { clock: Box::new(clock), ..EngineOptions::default() })
}

impl Safe {
    fn in_memory() -> Safe {
        let (clock, options) = options();
        let engine = Engine::in_memory_with(options).expect("an engine");
        Safe { owner: engine.owner(), engine, clock, folder: None }
    }

    #[cfg(feature = "sqlite")]
    fn on_disk() -> Safe {
        use crate::root::FileSealer;
        use crate::store::SqliteStore;

        let (clock, options) = options();
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::create(&folder.path().join("kms.db")).expect("a store");
        let sealer =
            FileSealer::create(folder.path().join("root.key"), &SystemRng).expect("a root key");
        let engine =
            Engine::create(Box::new(store), &[("test", &sealer)], options).expect("an engine");
        Safe { owner: engine.owner(), engine, clock, folder: Some(folder) }
    }

    fn call<O: Operation>(&self, request: &O) -> Result<O::Response> {
        self.engine.call(&self.owner, request)
    }

    fn wait(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }

    fn create(&self, name: &str, value: &str) -> CreateSecretResponse {
        self.call(&CreateSecretRequest { secret_string: text(value), ..create(name) })
            .expect("a new secret")
    }

    fn put(&self, secret_id: &str, value: &str) -> String {
        let request = PutSecretValueRequest { secret_string: text(value), ..put(secret_id) };
        self.call(&request).expect("a new version").version_id
    }

    fn get(&self, secret_id: &str) -> Result<String> {
        self.read(secret_id, None, None)
    }

    fn read(&self, secret_id: &str, version: Option<&str>, stage: Option<&str>) -> Result<String> {
        let request = GetSecretValueRequest {
            secret_id: secret_id.into(),
            version_id: version.map(str::to_owned),
            version_stage: stage.map(str::to_owned),
        };
        let response = self.call(&request)?;
        Ok(response.secret_string.expect("a text").expose().to_owned())
    }

    fn describe(&self, secret_id: &str) -> Result<DescribeSecretResponse> {
        self.call(&DescribeSecretRequest { secret_id: secret_id.into() })
    }

    fn delete(&self, secret_id: &str) -> Result<DeleteSecretResponse> {
        self.call(&DeleteSecretRequest { secret_id: secret_id.into(), ..Default::default() })
    }

    fn move_stage(
        &self,
        stage: &str,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<UpdateSecretVersionStageResponse> {
        self.call(&UpdateSecretVersionStageRequest {
            secret_id: "s".into(),
            version_stage: stage.into(),
            remove_from_version_id: from.map(str::to_owned),
            move_to_version_id: to.map(str::to_owned),
        })
    }

    fn new_key(&self) -> String {
        self.call(&CreateKeyRequest::default()).expect("a key").key_metadata.key_id
    }
}

fn create(name: &str) -> CreateSecretRequest {
    CreateSecretRequest { name: name.into(), ..Default::default() }
}

fn put(secret_id: &str) -> PutSecretValueRequest {
    PutSecretValueRequest { secret_id: secret_id.into(), ..Default::default() }
}

#[expect(clippy::unnecessary_wraps, reason = "the members are optional")]
fn text(value: &str) -> Option<SecretText> {
    Some(SecretText::from(value))
}

fn token(n: u32) -> String {
    format!("token-{n:026}")
}

/// The error of a call that must fail.
#[track_caller]
fn code<T>(result: Result<T>) -> KmsErrorCode {
    match result {
        Ok(_) => panic!("the call is allowed"),
        Err(error) => error.code(),
    }
}
