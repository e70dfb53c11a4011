//! The store by itself: its contract, what it refuses, and what it says when the server goes.

use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyfold_conformance::postgres::Server;
use keyfold_kms::store::{End, PostgresStore, Store, StoreError, Table, Txn, contract};

use crate::{TERMINATE, create, refused, server, url};

fn put(store: &dyn Store, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    let mut outcome = Ok(());
    store.write(&mut |txn| {
        outcome = txn.put(Table::Keys, key, value);
        End::Commit
    })?;
    outcome
}

fn get(store: &dyn Store, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let mut found = Ok(None);
    store.read(&mut |txn| found = txn.get(Table::Keys, key))?;
    found
}

#[test]
fn postgres_keeps_the_contract() {
    let server = server();
    let count = AtomicUsize::new(0);
    let make = |options: &str| -> Box<dyn Store> {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let address = server.database(&format!("contract{number}")).expect("a database");
        Box::new(create(&format!("{address}?{options}")))
    };
    contract::check(&mut || make(""));
    // As behind a pooler that gives every transaction another session.
    contract::check(&mut || make("prepared_statements=off"));
    // Fewer connections than threads.
    contract::check(&mut || make("pool_size=1&schema=another_one"));
    assert!(count.load(Ordering::Relaxed) >= 30, "each part of the contract has a new store");
}

#[test]
fn it_is_made_once_and_opened_again() {
    let server = server();
    let address = server.database("kms").expect("a database");
    let missing = refused(PostgresStore::open(&url(&address)));
    assert_eq!(missing, StoreError::Missing(server.url_without_password("kms")));
    put(&create(&address), b"k", b"kept").expect("a put");
    assert!(matches!(refused(PostgresStore::create(&url(&address))), StoreError::Exists(_)));
    let store = PostgresStore::open(&url(&address)).expect("opens");
    assert_eq!(get(&store, b"k"), Ok(Some(b"kept".to_vec())));

    // Another schema of the same database is another store, also one that was made for us.
    server.sql("kms", "CREATE SCHEMA made_before").expect("a schema");
    let other = format!("{address}?schema=made_before");
    assert!(matches!(refused(PostgresStore::open(&url(&other))), StoreError::Missing(_)));
    put(&create(&other), b"k", b"other").expect("a put");
    assert_eq!(get(&store, b"k"), Ok(Some(b"kept".to_vec())));

    // What is not ours is left alone.
    for (schema, table) in [
        ("foreign1", "users (name text)"),
        ("foreign2", "schema_version (version int)"),
        ("foreign3", "schema_version (application text, version int)"),
    ] {
        server
            .sql("kms", &format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.{table}"))
            .unwrap();
        let foreign = url(&format!("{address}?schema={schema}"));
        assert_eq!(refused(PostgresStore::open(&foreign)), StoreError::Foreign, "{schema}");
        assert_eq!(refused(PostgresStore::create(&foreign)), StoreError::Foreign, "{schema}");
    }
    server.sql("kms", "UPDATE keyfold.schema_version SET version = 99").expect("an update");
    let newer = StoreError::Newer { found: 99, known: 1 };
    assert_eq!(refused(PostgresStore::open(&url(&address))), newer);
}

#[test]
fn many_that_make_it_at_once_make_it_once() {
    let server = server();
    let address = server.database("kms").expect("a database");
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| PostgresStore::create(&url(&address)).map(drop)))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    let others = results.iter().filter(|result| matches!(result, Err(StoreError::Exists(_))));
    assert_eq!(others.count(), 7, "{results:?}");
}

#[test]
fn a_server_that_loses_what_it_acknowledged_is_refused() {
    for (setting, named) in
        [("fsync = off", "fsync is off"), ("synchronous_commit = off", "synchronous_commit is off")]
    {
        let server = Server::start(setting).unwrap_or_else(|error| panic!("{error}"));
        let address = server.database("kms").expect("a database");
        let error = refused(PostgresStore::create(&url(&address)));
        assert_eq!(error, StoreError::NotDurable(named.to_owned()));
        create(&format!("{address}?unsafe_durability=on"));
        assert!(matches!(refused(PostgresStore::open(&url(&address))), StoreError::NotDurable(_)));
    }
}

#[test]
fn who_may_not_is_told_so_without_the_password() {
    let server = server();
    let address = server.database("kms").expect("a database");
    create(&address);
    let wrong = address.replace("keyfold-test", "hunter2");
    let error = refused(PostgresStore::open(&url(&wrong)));
    assert!(matches!(error, StoreError::Denied(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");

    server.sql("kms", "CREATE ROLE guest LOGIN PASSWORD 'guest'").expect("a role");
    let guest = address.replace("keyfold:keyfold-test", "guest:guest");
    assert!(matches!(refused(PostgresStore::open(&url(&guest))), StoreError::Denied(_)));
    // Who may only read can read.
    server
        .sql(
            "kms",
            "GRANT USAGE ON SCHEMA keyfold TO guest; \
                     GRANT SELECT ON ALL TABLES IN SCHEMA keyfold TO guest",
        )
        .expect("a grant");
    let store = PostgresStore::open(&url(&guest)).expect("opens");
    assert_eq!(get(&store, b"k"), Ok(None));
    assert!(matches!(put(&store, b"k", b"v"), Err(StoreError::Denied(_))));

    let nowhere = server.url("nowhere");
    assert!(matches!(refused(PostgresStore::open(&url(&nowhere))), StoreError::Missing(_)));
    // A password file says what the URL does not.
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "*:*:kms:keyfold:keyfold-test\n").expect("written");
    let bare = format!("{}?passfile={}", server.url_without_password("kms"), file.path().display());
    PostgresStore::open(&url(&bare)).expect("opens");
}

/// How many transactions and statements a store's work costs.
fn transactions(server: &Server) -> String {
    server.sql("kms", "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'").unwrap()
}

#[test]
fn a_lost_connection_is_replaced_where_nothing_was_answered_yet() {
    let server = server();
    let address = server.database("kms").expect("a database");
    let store = create(&address);
    put(&store, b"k", b"1").expect("a put");
    for round in 0..5u8 {
        server.sql("postgres", TERMINATE).expect("ended");
        assert_eq!(get(&store, b"k").map(|found| found.is_some()), Ok(true), "round {round}");
        server.sql("postgres", TERMINATE).expect("ended");
        put(&store, b"k", &[round]).expect("a put on a new connection");
    }

    // Lost after an answer: an error, and nothing is kept.
    let mut second = Ok(None);
    let ended = store.write(&mut |txn| {
        txn.put(Table::Keys, b"new", b"1").expect("a put");
        assert_eq!(txn.get(Table::Keys, b"k"), Ok(Some(vec![4])));
        server.sql("postgres", TERMINATE).expect("ended");
        second = txn.get(Table::Keys, b"other");
        End::Commit
    });
    assert!(matches!(second, Err(StoreError::Unavailable(_))), "{second:?}");
    assert!(matches!(ended, Err(StoreError::Unavailable(_))), "{ended:?}");
    // Lost at the end: nobody knows, and that is said.
    let ended = store.write(&mut |txn| {
        assert_eq!(txn.get(Table::Keys, b"k"), Ok(Some(vec![4])));
        txn.put(Table::Keys, b"new", b"1").expect("a put");
        server.sql("postgres", TERMINATE).expect("ended");
        End::Commit
    });
    assert_eq!(ended, Err(StoreError::Uncertain));
    assert_eq!(get(&store, b"new"), Ok(None));
    assert_eq!(transactions(&server), "0");
}

#[test]
fn a_server_that_comes_back_within_the_wait_is_waited_for() {
    let mut server = server();
    let address = server.database("kms").expect("a database");
    let store = create(&format!("{address}?lock_timeout=2"));
    put(&store, b"k", b"1").expect("a put");
    server.stop("immediate").expect("stopped");
    let error = get(&store, b"k").expect_err("there is no server");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            // It was refused at first, and is let in as soon as the server is there.
            let patient = url(&format!("{address}?lock_timeout=60"));
            let again = || PostgresStore::open(&patient).map(|_| ());
            (0..600).find_map(|_| {
                std::thread::sleep(Duration::from_millis(100));
                again().ok()
            })
        });
        server.boot().expect("started");
        assert_eq!(waiting.join().expect("no panic"), Some(()));
    });
    assert_eq!(get(&store, b"k"), Ok(Some(b"1".to_vec())));
}

#[test]
fn the_lock_is_waited_for_only_so_long() {
    let server = server();
    let address = server.database("kms").expect("a database");
    let patient = create(&address);
    let hasty = PostgresStore::open(&url(&format!("{address}?lock_timeout=1"))).expect("opens");
    let ended = patient.write(&mut |txn| {
        assert_eq!(txn.get(Table::Keys, b"k"), Ok(None));
        txn.put(Table::Keys, b"k", b"1").expect("a put");
        // Reading waits for nobody, and sees nothing of what is not committed.
        assert_eq!(get(&hasty, b"k"), Ok(None));
        assert_eq!(put(&hasty, b"k", b"2"), Err(StoreError::Locked));
        End::Commit
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(put(&hasty, b"j", b"2"), Ok(()));
    assert_eq!(get(&hasty, b"k"), Ok(Some(b"1".to_vec())));

    // The same where all connections are taken.
    let narrow = PostgresStore::open(&url(&format!("{address}?pool_size=1&lock_timeout=1")));
    let narrow = narrow.expect("opens");
    narrow
        .read(&mut |txn| {
            assert_eq!(txn.get(Table::Keys, b"j"), Ok(Some(b"2".to_vec())));
            assert_eq!(get(&narrow, b"j"), Err(StoreError::Locked));
        })
        .expect("a read");
}

#[test]
fn a_panic_and_an_error_undo_everything() {
    let server = server();
    let store = create(&server.database("kms").expect("a database"));
    let work = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.write(&mut |txn| {
            assert_eq!(txn.get(Table::Keys, b"k"), Ok(None));
            txn.put(Table::Keys, b"k", b"1").expect("a put");
            let all = (Bound::Unbounded, Bound::Unbounded);
            assert_eq!(txn.scan(Table::Keys, all, 10).map(|found| found.len()), Ok(1));
            panic!("on purpose");
        })
    }));
    assert!(work.is_err());
    assert_eq!(get(&store, b"k"), Ok(None));
    put(&store, b"k", b"2").expect("the lock is free");

    // A change that the server refuses is refused at the end, with all others.
    server
        .sql("kms", "ALTER TABLE keyfold.records ADD CONSTRAINT odd CHECK (value <> 'bad'::bytea)")
        .expect("a constraint");
    let ended = store.write(&mut |txn| {
        txn.put(Table::Keys, b"good", b"good").expect("a put");
        txn.put(Table::Audit, &1u64.to_be_bytes(), b"good").expect("a put");
        txn.put(Table::Keys, b"k", b"bad").expect("it is refused later");
        End::Commit
    });
    assert!(matches!(ended, Err(StoreError::Other(_))), "{ended:?}");
    assert_eq!(get(&store, b"good"), Ok(None));
    let text = ended.expect_err("refused").to_string();
    assert!(!text.contains("Failing row"), "rows are not repeated: {text}");
}

/// One round trip with the first read, and one for any number of changes.
#[test]
fn a_batch_takes_few_messages() {
    let server = Server::start("log_min_messages = log\nlog_statement = all").expect("a server");
    let store = create(&server.database("kms").expect("a database"));
    let work = |txn: &mut dyn Txn| {
        txn.get(Table::Config, b"head").expect("a get");
        for number in 0..100u64 {
            txn.put(Table::Audit, &number.to_be_bytes(), b"record").expect("a put");
            txn.put(Table::Keys, &number.to_be_bytes(), b"row").expect("a put");
        }
        txn.put(Table::Config, b"head", b"100").expect("a put");
        assert_eq!(txn.get(Table::Config, b"head"), Ok(Some(b"100".to_vec())));
        End::Commit
    };
    let log = || {
        let text = std::fs::read_to_string(server.folder().join("log")).expect("the log");
        text.lines().filter(|line| line.contains("LOG:  ")).count()
    };
    store.write(&mut |txn| work(txn)).expect("commits");
    let before = log();
    store.write(&mut |txn| work(txn)).expect("commits");
    // BEGIN with its settings and the lock; the read; records; audit; COMMIT.
    assert_eq!(log() - before, 5);
}

#[test]
fn it_serves_threads_of_an_asynchronous_runtime() {
    let server = server();
    let address = server.database("kms").expect("a database");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = create(&address);
        put(&store, b"k", b"1").expect("a put");
        assert_eq!(get(&store, b"k"), Ok(Some(b"1".to_vec())));
        drop(store);
    });
}
