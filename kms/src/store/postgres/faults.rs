//! What PostgreSQL says, as errors that people can act on.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::store::StoreError;

/// An error of a statement or of connecting. Only the server's primary message is passed on: its
/// detail may repeat what is in a row.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn fault(error: Error) -> StoreError {
    match error.as_db_error() {
        Some(said) => classify(said),
        None => match error.source() {
            Some(cause) => StoreError::Unavailable(format!("{error}: {cause}")),
            None => StoreError::Unavailable(error.to_string()),
        },
    }
}

fn classify(said: &DbError) -> StoreError {
    let code = said.code();
    let text = || format!("{} ({})", said.message(), code.code());
    if *code == SqlState::LOCK_NOT_AVAILABLE || is_conflict(code) {
        return StoreError::Locked;
    }
    if *code == SqlState::DISK_FULL {
        return StoreError::Full;
    }
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return StoreError::ReadOnly;
    }
    if *code == SqlState::UNDEFINED_DATABASE {
        return StoreError::Missing(said.message().to_owned());
    }
    match code.code().get(..2) {
        // Damage that the server found in its own files.
        Some("XX") => StoreError::Corrupt(text()),
        // Who connects, and what they may do.
        Some("28") => StoreError::Denied(text()),
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => StoreError::Denied(text()),
        // Connections, resources, an operator's intervention.
        Some("08" | "53" | "57") => StoreError::Unavailable(text()),
        _ => StoreError::Other(text()),
    }
}

fn is_conflict(code: &SqlState) -> bool {
    *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED
}

/// Whether the same is worth trying once more on another connection: the connection was lost, the
/// server is shutting down or no longer the one that can be written to, or two transactions met.
pub(super) fn is_passing(error: &Error) -> bool {
    let Some(said) = error.as_db_error() else {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
        return error.is_closed() || cause.is_some();
    };
    let code = said.code();
    is_conflict(code)
        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
        || *code == SqlState::ADMIN_SHUTDOWN
        || *code == SqlState::CRASH_SHUTDOWN
        || *code == SqlState::CANNOT_CONNECT_NOW
        || code.code().starts_with("08")
}

/// Whether an error says that the transaction was undone. What ends the connection says nothing.
pub(super) fn is_undone(error: &Error) -> bool {
    error.as_db_error().is_some_and(|said| said.parsed_severity() == Some(Severity::Error))
}
