//! The tables of the file, and how they came to be.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};
use diesel::sqlite::SqliteConnection;

use super::faults::fault;
use crate::store::StoreError;

diesel::table! {
    records (tab, key) {
        tab -> Integer,
        key -> Binary,
        value -> Binary,
    }
}

diesel::table! {
    audit (seq) {
        seq -> BigInt,
        record -> Binary,
    }
}

/// Tells a keyfold database from others: `KfKM`, in the file's header.
const APPLICATION_ID: i32 = 0x4B66_4B4D;

/// What brings a file from one schema version to the next; the first makes it. A version, once
/// released, never changes.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE records (
        tab INTEGER NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (tab, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        record BLOB NOT NULL
    ) STRICT;
"];

fn newest() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// A pragma that answers one number.
fn number(connection: &mut SqliteConnection, pragma: &str) -> Result<i32, StoreError> {
    let column = diesel::dsl::sql::<Integer>(&format!("{pragma} FROM pragma_{pragma}"));
    diesel::select(column).get_result(connection).map_err(fault)
}

/// Refuses a file that is not ours, is of a newer keyfold, or is damaged.
pub(super) fn check(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    if number(connection, "application_id")? != APPLICATION_ID {
        return Err(StoreError::Foreign);
    }
    let found = number(connection, "user_version")?;
    if found > newest() {
        return Err(StoreError::Newer { found, known: newest() });
    }
    let result: String =
        diesel::select(diesel::dsl::sql::<Text>("quick_check FROM pragma_quick_check('records')"))
            .get_result(connection)
            .map_err(fault)?;
    if result == "ok" { Ok(()) } else { Err(StoreError::Corrupt(result)) }
}

/// Brings the file to the newest version, all steps in one transaction. The version is read
/// again inside: another process may have been faster.
pub(super) fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    if number(connection, "user_version")? == newest() {
        return Ok(());
    }
    connection.batch_execute("BEGIN IMMEDIATE").map_err(fault)?;
    let migrated = steps(connection);
    let end = if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = connection.batch_execute(end).map_err(fault);
    migrated.and(ended)
}

fn steps(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let from = usize::try_from(number(connection, "user_version")?).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(from) {
        connection.batch_execute(step).map_err(fault)?;
    }
    connection
        .batch_execute(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}",
            newest()
        ))
        .map_err(fault)
}
