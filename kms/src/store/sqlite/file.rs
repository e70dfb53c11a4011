//! A database as a file that is carried about: written, closed, and only read from then on.

use std::fs;
use std::path::Path;

use diesel::connection::SimpleConnection;
use parking_lot::Mutex;

use super::faults::fault;
use super::{SqliteStore, connect, fault_io, named, schema};
use crate::store::StoreError;

impl SqliteStore {
    /// Opens a database to read only, and leaves it as it is: a backup, perhaps where nothing can
    /// be written. It is checked as by [`SqliteStore::open`].
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let path = named(path);
        let metadata = fs::metadata(&path).map_err(|error| fault_io(&error, &path))?;
        if !metadata.is_file() {
            return Err(StoreError::Foreign);
        }
        let mut reader = connect(&path, "ro")?;
        schema::check(&mut reader)?;
        let writer = connect(&path, "ro")?;
        Ok(SqliteStore { writer: Mutex::new(writer), reader: Mutex::new(reader) })
    }

    /// Closes a database and leaves one file, without companions, that can be read anywhere.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another process has it open; what the file system says.
    pub fn into_file(self) -> Result<(), StoreError> {
        // The mode changes only where nobody else is there.
        drop(self.reader);
        let mut writer = self.writer.into_inner();
        writer.batch_execute("PRAGMA journal_mode = DELETE").map_err(fault)
    }
}
