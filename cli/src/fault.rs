//! Errors of the command line: the core's own type, with the file or the option in its text.

use std::error::Error as _;
use std::fmt::Display;
use std::io;
use std::path::Path;

use keyfold::kms::aws::ServiceError;
use keyfold::{Error, ErrorCode};

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// A wrong call.
pub(crate) fn invalid(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArgument, detail.into())
}

/// A value above its limit.
pub(crate) fn limit(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::LimitExceeded, detail.into())
}

/// The system refuses to read, write, create or rename a file; says which, and why.
pub(crate) fn io(verb: &str, path: &Path, error: io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("cannot {verb} {}: {error}", path.display()))
        .with_source(error)
}

/// What happened, for people: with the words of a remote service, which is in no log.
pub(crate) fn words(error: &Error) -> String {
    let said = error.source().and_then(|source| source.downcast_ref::<ServiceError>());
    let said = said.and_then(|said| said.message()).filter(|message| !message.is_empty());
    match said {
        Some(message) => {
            // Nothing in it steers a terminal.
            let plain = |c: char| if c.is_control() { ' ' } else { c };
            let message: String = message.chars().take(2048).map(plain).collect();
            format!("{}: {message}", error.detail())
        }
        None => error.detail().to_owned(),
    }
}

/// Says which file an error is about.
pub(crate) fn at(what: impl Display, error: &Error) -> Error {
    let located = Error::new(error.code(), format!("{what}: {}", words(error)));
    let located = located.with_retry(error.retry());
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(source) => located.with_source(io::Error::from(source.kind())),
        None => located,
    }
}

/// Whether the other side of a pipe has gone: nobody reads on, so nothing is to be said.
pub(crate) fn is_broken_pipe(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}
