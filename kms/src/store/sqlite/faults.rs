//! What SQLite says, as errors that people can act on.

use std::path::Path;

use diesel::result::{ConnectionError, Error};

use crate::store::StoreError;

/// An error of a statement.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn fault(error: Error) -> StoreError {
    match &error {
        Error::DatabaseError(_, information) => classify(information.message()),
        Error::DeserializationError(_) => {
            StoreError::Corrupt("a record is not of the expected form".into())
        }
        _ => classify(&error.to_string()),
    }
}

/// An error of opening a file.
pub(super) fn connect_fault(error: &ConnectionError, path: &Path) -> StoreError {
    let message = error.to_string();
    if message.contains("unable to open") {
        return StoreError::Denied(path.display().to_string());
    }
    classify(&message)
}

/// diesel passes on only the text; these are the fixed texts of SQLite's result codes.
fn classify(message: &str) -> StoreError {
    const TEXTS: [(&str, StoreError); 5] = [
        ("is locked", StoreError::Locked),
        ("readonly database", StoreError::ReadOnly),
        ("database or disk is full", StoreError::Full),
        ("file is not a database", StoreError::Foreign),
        ("unable to open database file", StoreError::ReadOnly),
    ];
    if let Some((_, known)) = TEXTS.iter().find(|(text, _)| message.contains(text)) {
        return known.clone();
    }
    if message.contains("malformed") || message.contains("no such table") {
        return StoreError::Corrupt(message.to_owned());
    }
    StoreError::Other(message.to_owned())
}
