//! What an operation costs the engine itself, without HTTP: processor time for its evaluation and
//! for its share of a group commit.
//!
//! `cargo run --release -p keyfold-kms --example engine_cost`

use std::time::Duration;

use keyfold::crypto::rng::SystemRng;
use keyfold_kms::engine::{Begun, Operation};
use keyfold_kms::root::FileSealer;
use keyfold_kms::store::{SqliteStore, Store};
use keyfold_kms::types::{CreateKeyRequest, DecryptRequest, GenerateDataKeyRequest};
use keyfold_kms::{Caller, Engine, EngineOptions};

const BATCH: u32 = 64;
const ROUNDS: u32 = 300;

/// Processor time of this thread: other processes may run meanwhile.
fn spent() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Evaluates in batches and commits each; prints microseconds for one operation.
fn measure<O: Operation>(label: &str, engine: &Engine, caller: &Caller, request: &O) {
    let (mut begun, mut committed) = (Duration::ZERO, Duration::ZERO);
    let mut waiting = Vec::new();
    for round in 0..=ROUNDS {
        let start = spent();
        for _ in 0..BATCH {
            let Begun::Queued(pending) = engine.begin(caller, request) else { continue };
            waiting.push(pending);
        }
        let middle = spent();
        assert_eq!(engine.commit_queued(Duration::ZERO), waiting.len());
        if round > 0 {
            begun += middle.saturating_sub(start);
            committed += spent().saturating_sub(middle);
        }
        waiting.clear();
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(BATCH * ROUNDS);
    println!("{label:<32} begin {:6.2} us, commit {:6.2} us", each(begun), each(committed));
}

fn run(name: &str, engine: &Engine) -> Result<(), Box<dyn std::error::Error>> {
    let owner = engine.owner();
    let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata.key_id;
    let context = [("tenant", "acme"), ("purpose", "invoices")];
    let generate = GenerateDataKeyRequest {
        key_id: key,
        encryption_context: context.into(),
        number_of_bytes: Some(32),
        ..GenerateDataKeyRequest::default()
    };
    let sealed = engine.call(&owner, &generate)?.ciphertext_blob;
    let decrypt = DecryptRequest {
        ciphertext_blob: Some(sealed),
        encryption_context: context.into(),
        ..DecryptRequest::default()
    };
    measure(&format!("{name}: GenerateDataKey"), engine, &owner, &generate);
    measure(&format!("{name}: Decrypt"), engine, &owner, &decrypt);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run("memory", &Engine::in_memory()?)?;
    let folder = tempfile::tempdir()?;
    let sealer = FileSealer::create(folder.path().join("root"), &SystemRng)?;
    let store: Box<dyn Store> = Box::new(SqliteStore::create(&folder.path().join("k.db"))?);
    run("sqlite", &Engine::create(store, &[("root", &sealer)], EngineOptions::default())?)
}
