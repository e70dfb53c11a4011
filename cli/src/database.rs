//! Where the embedded KMS keeps its records: a file, or a PostgreSQL database.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use keyfold::Error;
use keyfold_kms::OpenError;
use keyfold_kms::store::{PostgresStore, PostgresUrl, SqliteStore, Store, StoreError};

use crate::fault::{self, Result};

/// A database, as the command line names it. It is shown without its password.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    File(PathBuf),
    Postgres(Box<PostgresUrl>),
}

impl Database {
    /// Reads a name: a URL, or the path of a file.
    ///
    /// # Errors
    /// `invalid_argument` for a URL of another kind or one that is not valid.
    pub(crate) fn parse(name: &OsStr) -> Result<Self> {
        let text = name.to_string_lossy();
        if PostgresUrl::is_one(&text) {
            let url = PostgresUrl::parse(&text).map_err(|error| store_error(error, None))?;
            return Ok(Database::Postgres(Box::new(url)));
        }
        if text.contains("://") {
            let detail = "a database is a file, or a URL that starts with postgres://";
            return Err(fault::invalid(detail));
        }
        if text.is_empty() {
            return Err(fault::invalid("the name of a database is empty"));
        }
        Ok(Database::File(PathBuf::from(name)))
    }

    /// Opens a store that is there.
    pub(crate) fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(match self {
            Database::File(path) => Box::new(SqliteStore::open(path)?),
            Database::Postgres(url) => Box::new(PostgresStore::open(url)?),
        })
    }

    /// Makes a store, or opens the one that is there: perhaps one that was made and never used.
    pub(crate) fn make(&self) -> Result<Box<dyn Store>, StoreError> {
        let made: Box<dyn Store> = match self {
            Database::File(path) => match SqliteStore::create(path) {
                Err(StoreError::Exists(_)) => return self.open(),
                made => Box::new(made?),
            },
            Database::Postgres(url) => match PostgresStore::create(url) {
                Err(StoreError::Exists(_)) => return self.open(),
                made => Box::new(made?),
            },
        };
        Ok(made)
    }

    /// What a store says, with the name of the database in front.
    pub(crate) fn fault(&self, error: StoreError) -> Error {
        store_error(error, Some(self))
    }
}

fn store_error(error: StoreError, database: Option<&Database>) -> Error {
    // These name it themselves.
    let named = matches!(
        error,
        StoreError::Missing(_) | StoreError::Exists(_) | StoreError::Denied(_) | StoreError::Url(_)
    );
    let error = Error::from(OpenError::Store(error));
    match database {
        Some(database) if !named => fault::at(database, &error),
        _ => error,
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::File(path) => path.display().fmt(f),
            Database::Postgres(url) => url.fmt(f),
        }
    }
}
