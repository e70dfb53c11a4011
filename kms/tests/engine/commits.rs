//! Group commit: what waits, what commits together, what is evaluated again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyfold_kms::engine::{Begun, Call, Operation, Pending, Stale};
use keyfold_kms::store::{End, MemoryStore, Store, StoreError, Txn};
use keyfold_kms::types::*;
use keyfold_kms::{Caller, Engine, EngineOptions, KmsError, KmsErrorCode};

use crate::world::*;

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Inner {
    store: MemoryStore,
    writes: AtomicUsize,
    reads: AtomicUsize,
    fails: AtomicBool,
    /// Runs inside the next transaction that writes, after it has taken what waited.
    hook: Mutex<Option<Hook>>,
}

/// A store that counts its transactions, and fails on demand.
#[derive(Clone, Default)]
struct CountingStore(Arc<Inner>);

impl Store for CountingStore {
    fn read(&self, work: &mut dyn FnMut(&mut dyn Txn)) -> Result<(), StoreError> {
        self.0.reads.fetch_add(1, Ordering::SeqCst);
        self.0.store.read(work)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Txn) -> End) -> Result<(), StoreError> {
        self.0.writes.fetch_add(1, Ordering::SeqCst);
        let hook = self.0.hook.lock().expect("no panic").take();
        if let Some(hook) = hook {
            hook();
        }
        let mut end = End::Rollback;
        self.0.store.write(&mut |txn| {
            end = work(txn);
            if self.0.fails.load(Ordering::SeqCst) { End::Rollback } else { end }
        })?;
        if end == End::Commit && self.0.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Full);
        }
        Ok(())
    }
}

impl CountingStore {
    fn writes(&self) -> usize {
        self.0.writes.load(Ordering::SeqCst)
    }

    fn reads(&self) -> usize {
        self.0.reads.load(Ordering::SeqCst)
    }

    fn next_write(&self, hook: impl FnOnce() + Send + 'static) {
        *self.0.hook.lock().expect("no panic") = Some(Box::new(hook));
    }
}

struct Host {
    store: CountingStore,
    clock: TestClock,
    engine: Arc<Engine>,
    owner: Caller,
}

fn sealer() -> keyfold_kms::root::PassphraseSealer {
    keyfold_kms::root::PassphraseSealer::new(b"a passphrase".to_vec().into())
}

fn host() -> Host {
    let (store, clock) = (CountingStore::default(), TestClock::new());
    let engine = Engine::create(Box::new(store.clone()), &[("p", &sealer())], options(&clock))
        .expect("an engine");
    let owner = engine.owner();
    Host { store, clock, engine: Arc::new(engine), owner }
}

impl Host {
    /// Another process over the same store.
    fn another(&self) -> Engine {
        Engine::open(Box::new(self.store.clone()), &[&sealer()], options(&self.clock))
            .expect("opens")
    }

    fn key(&self) -> String {
        let made = self.engine.call(&self.owner, &CreateKeyRequest::default());
        made.expect("a key").key_metadata.key_id
    }

    fn call<O: Operation>(&self, request: &O) -> Result<O::Response, KmsError> {
        self.engine.call(&self.owner, request)
    }

    #[track_caller]
    fn begin<O: Operation>(&self, request: &O) -> Pending<O::Response> {
        queued(self.engine.begin(&self.owner, request))
    }

    fn commit(&self) -> usize {
        self.engine.commit_queued(Duration::ZERO)
    }

    fn results(&self, after: u64) -> Vec<(String, String)> {
        let records = self.engine.audit_records(after, 2000).expect("records");
        for (seq, record) in (after + 1..).zip(&records) {
            assert_eq!(record.seq, seq);
        }
        records.into_iter().map(|record| (record.operation, record.result)).collect()
    }

    fn assert_sound(&self) {
        let report = self.engine.verify_audit().expect("a walk");
        assert!(report.is_sound(), "{:?}", report.problems);
    }
}

#[track_caller]
fn queued<R>(begun: Begun<R>) -> Pending<R> {
    match begun {
        Begun::Queued(pending) => pending,
        Begun::NeedsWrite => panic!("it only reads"),
    }
}

/// What a pending answer is once it is ready, which it must be.
#[track_caller]
fn ready<R>(mut pending: Pending<R>) -> Result<Result<R, KmsError>, Stale> {
    match poll(&mut pending) {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => panic!("nobody has committed it"),
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[test]
fn what_waits_together_commits_in_one_transaction_and_not_before() {
    let host = host();
    let key = host.key();
    host.call(&describe(&key)).expect("warm");
    let (writes, reads) = (host.store.writes(), host.store.reads());
    let mut waiting: Vec<_> = (0..64).map(|_| host.begin(&describe(&key))).collect();
    assert_eq!(host.store.writes(), writes);
    assert_eq!(host.store.reads(), reads, "everything was in memory");
    assert!(waiting.iter_mut().all(|pending| poll(pending).is_pending()));
    assert_eq!(host.results(2), []);
    assert_eq!(host.commit(), 64);
    assert_eq!(host.store.writes(), writes + 1);
    for pending in waiting {
        assert_eq!(ready(pending).expect("not stale").expect("an answer").key_metadata.key_id, key);
    }
    assert_eq!(host.results(2).len(), 64);
    assert_eq!(host.commit(), 0);
    assert_eq!(host.store.writes(), writes + 1, "there was nothing to commit");
    host.assert_sound();
}

#[test]
fn a_run_has_an_end() {
    let host = host();
    let key = host.key();
    let waiting: Vec<_> = (0..600).map(|_| host.begin(&describe(&key))).collect();
    assert_eq!((host.commit(), host.commit(), host.commit()), (512, 88, 0));
    assert!(waiting.into_iter().all(|pending| ready(pending).is_ok()));
    // Reading in pages that end within a run.
    let first = host.engine.audit_records(0, 100).expect("records");
    let second = host.engine.audit_records(100, 1000).expect("records");
    assert_eq!((first.len(), second.len()), (100, 501));
    assert_eq!((first[99].seq, second[0].seq, second[500].seq), (100, 101, 601));
    host.assert_sound();
}

#[test]
fn changes_are_for_those_who_may_block() {
    let host = host();
    let begun = host.engine.begin(&host.owner, &CreateKeyRequest::default());
    assert!(matches!(begun, Begun::NeedsWrite));
    assert_eq!(host.results(0), []);
}

#[test]
fn a_refusal_waits_for_its_record_too() {
    let host = host();
    let mut pending = host.begin(&describe("alias/none"));
    assert!(poll(&mut pending).is_pending());
    assert_eq!(host.commit(), 1);
    assert_eq!(failure(ready(pending).expect("not stale")).code(), KmsErrorCode::NotFound);
    assert_eq!(host.results(0), [("DescribeKey".into(), "NotFoundException".into())]);
}

#[test]
fn a_commit_that_fails_answers_everybody_with_the_failure() {
    let host = host();
    let key = host.key();
    let waiting: Vec<_> = (0..8).map(|_| host.begin(&describe(&key))).collect();
    host.store.0.fails.store(true, Ordering::SeqCst);
    assert_eq!(host.commit(), 8);
    for pending in waiting {
        assert_eq!(failure(ready(pending).expect("not stale")).code(), KmsErrorCode::Internal);
    }
    assert_eq!(failure(host.call(&describe(&key))).code(), KmsErrorCode::Internal);
    host.store.0.fails.store(false, Ordering::SeqCst);
    assert_eq!(host.results(1), [], "what was not durable is not there");
    host.call(&describe(&key)).expect("the store works again");
    host.assert_sound();
}

#[test]
fn whoever_does_not_wait_is_recorded_all_the_same() {
    let host = host();
    let key = host.key();
    drop(host.begin(&describe(&key)));
    let kept = host.begin(&describe(&key));
    assert_eq!(host.commit(), 2);
    ready(kept).expect("not stale").expect("an answer");
    assert_eq!(host.results(1).len(), 2);
}

#[test]
fn a_change_takes_along_what_waits() {
    let host = host();
    let key = host.key();
    let pending = host.begin(&describe(&key));
    let writes = host.store.writes();
    host.call(&disable(&key)).expect("disabled");
    assert_eq!(host.store.writes(), writes + 1);
    // It came before.
    assert!(ready(pending).expect("not stale").expect("an answer").key_metadata.enabled);
    let operations: Vec<_> = host.results(1).into_iter().map(|(name, _)| name).collect();
    assert_eq!(operations, ["DescribeKey", "DisableKey"]);
    host.assert_sound();
}

#[test]
fn a_change_that_fails_takes_nobody_down() {
    let host = host();
    let key = host.key();
    let pending = host.begin(&describe(&key));
    let writes = host.store.writes();
    assert_eq!(failure(host.call(&alias("alias/a", "nowhere"))).code(), KmsErrorCode::NotFound);
    assert_eq!(host.store.writes(), writes + 1, "nothing can come between it and its record");
    ready(pending).expect("not stale").expect("an answer");
    let expected = [
        ("DescribeKey".to_owned(), "ok".to_owned()),
        ("CreateAlias".to_owned(), "NotFoundException".to_owned()),
    ];
    assert_eq!(host.results(1), expected);
    host.assert_sound();
}

#[test]
fn what_changed_meanwhile_is_evaluated_again_and_nothing_else() {
    let host = host();
    let (key, other) = (host.key(), host.key());
    host.call(&alias("alias/other", &other)).expect("an alias");
    for name in [&key, &other, "alias/other"] {
        host.call(&describe(name)).expect("warm");
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (engine, owner, begun) = (host.engine.clone(), host.owner.clone(), seen.clone());
    let (changed, unchanged) = (key.clone(), other.clone());
    host.store.next_write(move || {
        let mut begun = begun.lock().expect("no panic");
        for name in [&changed, &unchanged, "alias/other"] {
            begun.push(queued(engine.begin(&owner, &describe(name))));
        }
    });
    let before = host.engine.generation();
    host.call(&disable(&key)).expect("disabled");
    assert!(host.engine.generation() > before);
    assert_eq!(host.commit(), 3);
    let outcomes: Vec<_> =
        seen.lock().expect("no panic").drain(..).map(|pending| ready(pending).is_ok()).collect();
    assert_eq!(outcomes, [false, true, true]);
    let again = host.begin(&describe(&key));
    host.commit();
    assert!(!ready(again).expect("not stale").expect("an answer").key_metadata.enabled);
    let told: Vec<_> = host.results(6).into_iter().map(|(name, _)| name).collect();
    assert_eq!(told, ["DisableKey", "DescribeKey", "DescribeKey", "DescribeKey"]);
}

#[test]
fn what_another_process_changed_is_never_answered_from_memory() {
    let host = host();
    let key = host.key();
    let another = host.another();
    host.call(&describe(&key)).expect("warm");
    another.call(&host.owner, &disable(&key)).expect("disabled");
    // Still in memory here; its record does not commit.
    let pending = host.begin(&describe(&key));
    assert_eq!(host.commit(), 1);
    assert_eq!(ready(pending).err(), Some(Stale));
    let pending = host.begin(&describe(&key));
    assert_eq!(host.commit(), 1);
    assert!(!ready(pending).expect("not stale").expect("an answer").key_metadata.enabled);
    // A blocking call evaluates again by itself.
    another.call(&host.owner, &enable(&key)).expect("enabled");
    assert!(host.call(&describe(&key)).expect("an answer").key_metadata.enabled);
    let told: Vec<_> = host.results(2).into_iter().map(|(name, _)| name).collect();
    assert_eq!(told, ["DisableKey", "DescribeKey", "EnableKey", "DescribeKey"]);
    host.assert_sound();
}

#[test]
fn reading_does_not_raise_the_generation() {
    let host = host();
    let key = host.key();
    let another = host.another();
    let before = host.engine.generation();
    host.call(&describe(&key)).expect("an answer");
    host.call(&describe("alias/none")).map(drop).expect_err("refused");
    host.call(&alias("alias/a", "nowhere")).expect_err("refused");
    another.call(&host.owner, &describe(&key)).expect("an answer");
    host.call(&describe(&key)).expect("an answer");
    assert_eq!(host.engine.generation(), before);
    host.key();
    assert!(host.engine.generation() > before);
}

#[test]
fn a_rotation_that_is_due_makes_a_reader_write() {
    let host = host();
    let key = host.key();
    let request = EnableKeyRotationRequest { key_id: key.clone(), rotation_period_in_days: None };
    host.call(&request).expect("enabled");
    host.call(&encrypt(&key, b"before")).expect("encrypted");
    host.clock.advance_days(366);
    let begun = host.engine.begin(&host.owner, &encrypt(&key, b"after"));
    assert!(matches!(begun, Begun::NeedsWrite));
    assert_eq!(host.results(3), [], "nothing was done yet");
    let sealed = host.call(&encrypt(&key, b"after")).expect("encrypted").ciphertext_blob;
    let parsed = keyfold_kms::blob::parse(&sealed.0).expect("a blob");
    assert_eq!(parsed.key.version, 2);
    let told: Vec<_> = host.results(3).into_iter().map(|(name, _)| name).collect();
    assert_eq!(told, ["RotateKey", "Encrypt"]);
    // From now on it only reads again.
    let pending = host.begin(&decrypt(&sealed));
    host.commit();
    assert_eq!(ready(pending).expect("not stale").expect("opened").plaintext.expose(), b"after");
}

struct Panics;

impl Operation for Panics {
    type Response = ();
    const NAME: &'static str = "Panics";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<(), KmsError> {
        Ok(())
    }

    fn run(&self, _: &mut Call<'_>) -> Result<(), KmsError> {
        panic!("a defect")
    }
}

#[test]
fn a_panic_in_one_operation_is_nobody_elses() {
    let host = host();
    let key = host.key();
    let pending = host.begin(&describe(&key));
    let panicked = catch_unwind(AssertUnwindSafe(|| host.call(&Panics)));
    assert!(panicked.is_err());
    assert_eq!(host.commit(), 1, "what waited waits no longer than for the next commit");
    ready(pending).expect("not stale").expect("an answer");
    host.call(&disable(&key)).expect("the lock is free");
    host.assert_sound();
}

#[test]
fn the_future_wakes_whoever_polled_it_last() {
    let host = host();
    let key = host.key();
    let pending = host.begin(&describe(&key));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| pollster::block_on(pending));
        while host.commit() == 0 {
            std::thread::yield_now();
        }
        let answer = waiter.join().expect("no panic");
        assert!(answer.expect("not stale").expect("an answer").key_metadata.enabled);
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn a_reader_waits_for_no_writer() {
    use keyfold_kms::store::SqliteStore;
    use std::sync::mpsc;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("k.db");
    let store = SqliteStore::create(&path).expect("a store");
    let sealer = sealer();
    let engine = Engine::create(Box::new(store), &[("p", &sealer)], EngineOptions::default())
        .expect("an engine");
    let owner = engine.owner();
    let key = engine.call(&owner, &CreateKeyRequest::default()).expect("a key").key_metadata.key_id;
    let other = SqliteStore::open(&path).expect("opens");
    let ((inside, wait_inside), (leave, wait_leave)) = (mpsc::channel(), mpsc::channel::<()>());
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            other.write(&mut |_| {
                inside.send(()).expect("somebody waits");
                wait_leave.recv().expect("somebody tells");
                End::Rollback
            })
        });
        wait_inside.recv().expect("inside");
        // Neither in memory nor kept back by the transaction that is open.
        let pending = queued(engine.begin(&owner, &describe(&key)));
        leave.send(()).expect("somebody waits");
        writer.join().expect("no panic").expect("a rollback");
        assert_eq!(engine.commit_queued(Duration::ZERO), 1);
        assert!(ready(pending).expect("not stale").is_ok());
    });
}
