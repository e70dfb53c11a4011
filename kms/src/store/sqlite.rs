//! The store in one SQLite file, through diesel.
//!
//! Durability before speed: WAL with `synchronous=FULL`, so that what was answered survives a
//! loss of power; deleted records are overwritten. One connection behind a lock serialises the
//! writers of this process, `BEGIN IMMEDIATE` those of all processes. Another connection reads:
//! in WAL mode it waits for no writer.

mod faults;
mod file;
mod schema;

use std::fs::{self, OpenOptions};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use parking_lot::Mutex;

use self::faults::{connect_fault, fault};
use self::schema::{audit, records};
use super::{End, Record, Store, StoreError, Table, Txn, check_lengths};

/// How long another process may hold the database before it is `Locked`, in milliseconds.
const BUSY_TIMEOUT: u32 = 5000;

/// A store in one file (WAL, synchronous=FULL), with its two companions `-wal` and `-shm` beside
/// it while it is open. The file is readable by its owner only.
///
/// ```
/// use keyfold_kms::store::{SqliteStore, StoreError};
///
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("keys.db");
/// drop(SqliteStore::create(&path)?);
/// assert!(matches!(SqliteStore::create(&path), Err(StoreError::Exists(_))));
/// let store = SqliteStore::open(&path)?;
/// # Ok::<(), StoreError>(())
/// ```
pub struct SqliteStore {
    // A transaction that panicked was rolled back, see [`run`]; its connection stays usable.
    writer: Mutex<SqliteConnection>,
    reader: Mutex<SqliteConnection>,
}

impl SqliteStore {
    /// Makes a new database, all at once: a process that dies here leaves nothing, or an empty
    /// file that the next one takes over.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where there is something at the path, and what the file system
    /// says otherwise.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let path = named(path);
        let file = match new_file(&path) {
            Err(StoreError::Exists(_)) if is_empty_file(&path) => {
                OpenOptions::new().write(true).open(&path).map_err(|e| fault_io(&e, &path))?
            }
            file => file?,
        };
        // A new file is durable only when its folder says that it is there.
        file.sync_all().map_err(|error| fault_io(&error, &path))?;
        sync_folder(&path)?;
        drop(file);
        let mut connection = connect(&path, "rw")?;
        schema::migrate(&mut connection)?;
        Self::configure(connection, &path)
    }

    /// Opens a database that exists, after a quick check of the structure of everything but the
    /// audit table: that grows without limit, is only appended to, and has its own proof
    /// ([`crate::Engine::verify_audit`]).
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Foreign`], [`StoreError::Newer`],
    /// [`StoreError::Corrupt`], [`StoreError::Locked`], [`StoreError::Denied`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = named(path);
        let metadata = fs::metadata(&path).map_err(|error| fault_io(&error, &path))?;
        if !metadata.is_file() {
            return Err(StoreError::Foreign);
        }
        let mut connection = connect(&path, "rw")?;
        schema::check(&mut connection)?;
        schema::migrate(&mut connection)?;
        Self::configure(connection, &path)
    }

    fn configure(mut writer: SqliteConnection, path: &Path) -> Result<Self, StoreError> {
        // A file that cannot be written stays in the mode that it has.
        let wal = writer.batch_execute("PRAGMA journal_mode = WAL").map_err(fault);
        if !matches!(wal, Ok(()) | Err(StoreError::ReadOnly)) {
            wal?;
        }
        writer
            .batch_execute(
                "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; \
                 PRAGMA trusted_schema = OFF; PRAGMA cache_size = -4096",
            )
            .map_err(fault)?;
        let mut reader = connect(path, "rw")?;
        reader
            .batch_execute(
                "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -4096",
            )
            .map_err(fault)?;
        Ok(SqliteStore { writer: Mutex::new(writer), reader: Mutex::new(reader) })
    }

    /// Limits the size of the file, in pages of 4096 bytes; beyond it the store is `Full`.
    pub fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        let pragma = format!("PRAGMA max_page_count = {pages}");
        self.writer.lock().batch_execute(&pragma).map_err(fault)
    }
}

/// SQLite takes some names for something else than a file; an absolute path is none of them.
fn named(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn new_file(path: &Path) -> Result<fs::File, StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map_err(|error| fault_io(&error, path))
}

fn is_empty_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0)
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    if cfg!(unix)
        && let Some(folder) = path.parent()
    {
        let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| fault_io(&error, folder))?;
    }
    Ok(())
}

fn fault_io(error: &std::io::Error, path: &Path) -> StoreError {
    use std::io::ErrorKind;
    let name = path.display().to_string();
    match error.kind() {
        ErrorKind::NotFound => StoreError::Missing(name),
        ErrorKind::AlreadyExists => StoreError::Exists(name),
        ErrorKind::PermissionDenied => StoreError::Denied(name),
        ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
        kind => StoreError::Other(kind.to_string()),
    }
}

/// Opens a file that is there, under any name: as a URI, in which every byte can be written. The
/// mode is `rw` or `ro`.
fn connect(path: &Path, mode: &str) -> Result<SqliteConnection, StoreError> {
    use std::fmt::Write;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte));
            }
            _ => write!(uri, "%{byte:02X}").map_err(|_| StoreError::Other("a path".into()))?,
        }
    }
    uri.push_str("?mode=");
    uri.push_str(mode);
    let mut connection =
        SqliteConnection::establish(&uri).map_err(|error| connect_fault(&error, path))?;
    connection.batch_execute(&format!("PRAGMA busy_timeout = {BUSY_TIMEOUT}")).map_err(fault)?;
    Ok(connection)
}

impl Store for SqliteStore {
    fn read(&self, work: &mut dyn FnMut(&mut dyn Txn)) -> Result<(), StoreError> {
        run(&mut self.reader.lock(), "BEGIN", &mut |connection| {
            work(&mut SqliteTxn { connection, read_only: true });
            End::Rollback
        })
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Txn) -> End) -> Result<(), StoreError> {
        run(&mut self.writer.lock(), "BEGIN IMMEDIATE", &mut |connection| {
            work(&mut SqliteTxn { connection, read_only: false })
        })
    }
}

/// Runs one transaction to its end, also where `work` panics or the commit fails.
fn run(
    connection: &mut SqliteConnection,
    begin: &str,
    work: &mut dyn FnMut(&mut SqliteConnection) -> End,
) -> Result<(), StoreError> {
    struct Rollback<'a>(&'a mut SqliteConnection, bool);

    impl Drop for Rollback<'_> {
        fn drop(&mut self) {
            if self.1 {
                // Where this fails too there is no transaction left to end.
                let _ = self.0.batch_execute("ROLLBACK");
            }
        }
    }

    connection.batch_execute(begin).map_err(fault)?;
    let mut open = Rollback(connection, true);
    if work(open.0) == End::Commit {
        open.0.batch_execute("COMMIT").map_err(fault)?;
        open.1 = false;
    }
    Ok(())
}

struct SqliteTxn<'a> {
    connection: &'a mut SqliteConnection,
    read_only: bool,
}

/// The number of an audit record; the table has no other keys.
fn seq(key: &[u8]) -> Result<i64, StoreError> {
    let bytes = key.try_into().map_err(|_| StoreError::Other("an audit key".into()))?;
    i64::try_from(u64::from_be_bytes(bytes)).map_err(|_| StoreError::TooLong)
}

fn number(table: Table) -> i32 {
    table as i32
}

impl SqliteTxn<'_> {
    fn scan_audit(
        &mut self,
        (from, to): (Bound<&[u8]>, Bound<&[u8]>),
        limit: i64,
    ) -> Result<Vec<Record>, StoreError> {
        let low = match from {
            Bound::Included(key) => seq(key)?,
            Bound::Excluded(key) => seq(key)?.saturating_add(1),
            Bound::Unbounded => i64::MIN,
        };
        let high = match to {
            Bound::Included(key) => seq(key)?,
            Bound::Excluded(key) => seq(key)?.saturating_sub(1),
            Bound::Unbounded => i64::MAX,
        };
        let rows: Vec<(i64, Vec<u8>)> = audit::table
            .filter(audit::seq.between(low, high))
            .order(audit::seq)
            .limit(limit)
            .load(self.connection)
            .map_err(fault)?;
        rows.into_iter()
            .map(|(seq, record)| {
                let seq = u64::try_from(seq)
                    .map_err(|_| StoreError::Corrupt("an audit record has no number".into()))?;
                Ok((seq.to_be_bytes().to_vec(), record))
            })
            .collect()
    }
}

impl Txn for SqliteTxn<'_> {
    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if table == Table::Audit {
            return audit::table
                .find(seq(key)?)
                .select(audit::record)
                .first(self.connection)
                .optional()
                .map_err(fault);
        }
        records::table
            .find((number(table), key))
            .select(records::value)
            .first(self.connection)
            .optional()
            .map_err(fault)
    }

    fn scan(
        &mut self,
        table: Table,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        if table == Table::Audit {
            return self.scan_audit(range, limit);
        }
        let (from, to) = range;
        // Every key starts with nothing; one that is excluded is followed by itself and a zero.
        let low = match from {
            Bound::Included(key) => key.to_vec(),
            Bound::Excluded(key) => [key, &[0]].concat(),
            Bound::Unbounded => Vec::new(),
        };
        let within = records::table
            .filter(records::tab.eq(number(table)))
            .filter(records::key.ge(low))
            .select((records::key, records::value))
            .order(records::key)
            .limit(limit);
        match to {
            Bound::Included(key) => within.filter(records::key.le(key)).load(self.connection),
            Bound::Excluded(key) => within.filter(records::key.lt(key)).load(self.connection),
            Bound::Unbounded => within.load(self.connection),
        }
        .map_err(fault)
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly);
        }
        check_lengths(key, value)?;
        if table == Table::Audit {
            diesel::replace_into(audit::table)
                .values((audit::seq.eq(seq(key)?), audit::record.eq(value)))
                .execute(self.connection)
        } else {
            diesel::replace_into(records::table)
                .values((
                    records::tab.eq(number(table)),
                    records::key.eq(key),
                    records::value.eq(value),
                ))
                .execute(self.connection)
        }
        .map(drop)
        .map_err(fault)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly);
        }
        if table == Table::Audit {
            diesel::delete(audit::table.find(seq(key)?)).execute(self.connection)
        } else {
            diesel::delete(records::table.find((number(table), key))).execute(self.connection)
        }
        .map(drop)
        .map_err(fault)
    }
}
