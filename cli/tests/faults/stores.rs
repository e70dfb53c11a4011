//! Databases that are locked, damaged, foreign or newer.

use std::fs;
use std::io::{Seek, SeekFrom, Write};

use keyfold_kms::store::{End, SqliteStore, Store};

use crate::stage::{Stage, refused};

fn patch(stage: &Stage, at: u64, bytes: &[u8]) {
    let mut file = fs::File::options().write(true).open(stage.store()).expect("a database");
    file.seek(SeekFrom::Start(at)).expect("a place");
    file.write_all(bytes).expect("written");
}

/// Every command that needs the store says the same; the file stays as it is.
#[track_caller]
fn unusable(stage: &Stage, exit: i32, code: &str) {
    let before = fs::read(stage.store()).expect("a database");
    stage.write("plain", b"x");
    for words in
        ["key list", "encrypt --key alias/docs plain -o out", "secret list", "audit verify"]
    {
        refused(&mut stage.keyfold(words), exit, code);
    }
    assert_eq!(fs::read(stage.store()).expect("a database"), before);
    assert_eq!(stage.names(), ["plain"]);
}

#[test]
fn a_locked_database_is_waited_for_and_then_named() {
    let stage = Stage::new();
    stage.write("plain", b"x");
    let store = SqliteStore::open(&stage.store()).expect("a store");
    store
        .write(&mut |_| {
            let mut encrypt = stage.keyfold("encrypt --key alias/docs plain -o out");
            refused(&mut encrypt, 8, "kms_unavailable");
            End::Rollback
        })
        .expect("a transaction");
    assert_eq!(stage.names(), ["plain"]);
    stage.keyfold("encrypt --key alias/docs plain -o out").assert().success();
}

#[test]
fn a_newer_database_is_refused() {
    let stage = Stage::new();
    // `user_version` in the header of an SQLite file.
    patch(&stage, 60, &99_u32.to_be_bytes());
    unusable(&stage, 8, "kms_unavailable");
}

#[test]
fn a_foreign_database_is_refused() {
    let stage = Stage::new();
    patch(&stage, 68, &1_u32.to_be_bytes());
    unusable(&stage, 8, "kms_unavailable");
    fs::write(stage.store(), "this is a text, and not a short one either\n".repeat(100))
        .expect("w");
    unusable(&stage, 8, "kms_unavailable");
}

#[test]
fn a_damaged_database_is_refused() {
    let stage = Stage::new();
    let len = fs::metadata(stage.store()).expect("a database").len();
    for page in 1..len / 4096 {
        patch(&stage, page * 4096, &[0xAA; 512]);
    }
    unusable(&stage, 8, "kms_unavailable");
}

#[test]
fn a_database_that_was_cut_is_refused() {
    let stage = Stage::new();
    let file = fs::File::options().write(true).open(stage.store()).expect("a database");
    let len = file.metadata().expect("a database").len();
    file.set_len(len / 2 / 4096 * 4096).expect("cut");
    unusable(&stage, 8, "kms_unavailable");
}
