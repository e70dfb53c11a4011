//! Where the engine keeps its records: ordered tables of bytes under serialised transactions.
//!
//! A store knows nothing of keys. What it holds of secret material is sealed already.

#[doc(hidden)]
pub mod contract;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::ops::Bound;

use keyfold::maybe_send::MaybeSendSync;

use crate::error::{KmsError, KmsErrorCode};

pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresStore, PostgresUrl};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

/// The longest key of a record, in bytes.
pub const MAX_KEY: usize = 1024;
/// The longest value of a record, in bytes.
pub const MAX_VALUE: usize = 512 * 1024;

macro_rules! tables {
    ($($(#[$doc:meta])* $variant:ident = $number:literal;)+) => {
        /// The tables. A number, once given, keeps its meaning for ever.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Table {
            $($(#[$doc])* $variant = $number,)+
        }

        impl Table {
            /// Every table.
            pub const ALL: &[Table] = &[$(Table::$variant,)+];
        }
    };
}

tables! {
    /// The audit chain; the key is the record's number as eight big-endian bytes.
    Audit = 0;
    /// Single records: the store's identity, the head of the audit chain, counters.
    Config = 1;
    /// Sealed copies of the root key, by slot id.
    RootSlots = 2;
    /// KMS keys, by key id.
    Keys = 3;
    /// Key ids in order of creation: time, key id.
    KeysByTime = 4;
    /// Versions of key material, sealed: key id, version number.
    Versions = 5;
    /// Key policies, by key id.
    Policies = 6;
    /// Aliases, by name.
    Aliases = 7;
    /// Aliases of one key: key id, name.
    AliasesByKey = 8;
    /// Tags: key id, tag key.
    Tags = 9;
    /// Grants: key id, grant id.
    Grants = 10;
    /// Grants of a grantee: key id, hash of the principal, grant id.
    GrantsByGrantee = 11;
    /// Grants that a principal may retire: hash of the principal, key id, grant id.
    GrantsByRetiring = 12;
    /// Named grants: key id, keyed hash of the grant's name and parameters.
    GrantsByName = 13;
    /// Keys pending deletion: time, key id.
    DeletionsDue = 14;
    /// Keys that rotate by themselves: time, key id.
    RotationsDue = 15;
    /// What is left of a deleted key, by key id.
    Tombstones = 16;
    /// Secrets, by secret id.
    Secrets = 17;
    /// Versions of secrets, without their values: secret id, version id.
    SecretVersions = 18;
    /// Secret ids by name.
    SecretNames = 19;
    /// Secrets pending deletion: time, secret id.
    SecretDeletionsDue = 20;
    /// Values of secrets, sealed: secret id, version id.
    SecretValues = 21;
    /// Access keys, their secrets sealed, by access key id.
    AccessKeys = 22;
    /// Access keys in the order of their users: user name, zero byte, access key id.
    AccessKeysByUser = 23;
}

/// A record: its key within the table and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// A transaction: sees its own changes, and nobody else's until it ends.
///
/// ```
/// use keyfold_kms::store::{End, MemoryStore, Store, StoreError, Table};
///
/// MemoryStore::new().write(&mut |txn| {
///     txn.put(Table::Config, b"a", b"1").expect("a short record");
///     txn.delete(Table::Config, b"missing").expect("no error");
///     // It sees its own changes; nobody else will see these.
///     assert_eq!(txn.get(Table::Config, b"a"), Ok(Some(b"1".to_vec())));
///     End::Rollback
/// })?;
/// # Ok::<(), StoreError>(())
/// ```
pub trait Txn {
    /// The value under a key.
    ///
    /// # Errors
    /// What the database says.
    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// At most `limit` records of a range, in the order of their keys.
    ///
    /// # Errors
    /// What the database says.
    fn scan(
        &mut self,
        table: Table,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Stores a value, over one that is there.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] inside [`Store::read`], [`StoreError::TooLong`] beyond [`MAX_KEY`]
    /// or [`MAX_VALUE`].
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError>;

    /// Removes a record; one that is not there is no error.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] inside [`Store::read`].
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), StoreError>;
}

/// How a write transaction ends.
///
/// ```
/// use keyfold_kms::store::{End, MemoryStore, Store, StoreError, Table};
///
/// let store = MemoryStore::new();
/// store.write(&mut |txn| {
///     txn.put(Table::Config, b"name", b"value").expect("a short record");
///     End::Rollback
/// })?;
/// store.read(&mut |txn| assert_eq!(txn.get(Table::Config, b"name"), Ok(None)))?;
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything is kept, durably, before [`Store::write`] returns.
    Commit,
    /// Nothing is kept.
    Rollback,
}

/// A transactional store. Transactions that write are serialised: one at a time, over all
/// processes that share the store.
///
/// ```
/// use keyfold_kms::store::{End, MemoryStore, Store, StoreError, Table};
///
/// let store = MemoryStore::new();
/// store.write(&mut |txn| {
///     let done = txn.put(Table::Config, b"name", b"value");
///     if done.is_ok() { End::Commit } else { End::Rollback }
/// })?;
/// let mut found = None;
/// store.read(&mut |txn| found = txn.get(Table::Config, b"name").ok().flatten())?;
/// assert_eq!(found.as_deref(), Some(&b"value"[..]));
/// # Ok::<(), StoreError>(())
/// ```
pub trait Store: MaybeSendSync {
    /// Runs `work` over a consistent view. Changes are refused.
    ///
    /// # Errors
    /// [`StoreError::Locked`], and what else keeps the transaction from running.
    fn read(&self, work: &mut dyn FnMut(&mut dyn Txn)) -> Result<(), StoreError>;

    /// Runs `work` and keeps all that it changed, or nothing: where it answers
    /// [`End::Rollback`] and where this returns an error.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::ReadOnly`], [`StoreError::Full`], and what else keeps
    /// the transaction from running or from being durable.
    fn write(&self, work: &mut dyn FnMut(&mut dyn Txn) -> End) -> Result<(), StoreError>;
}

impl<S: Store + ?Sized> Store for std::sync::Arc<S> {
    fn read(&self, work: &mut dyn FnMut(&mut dyn Txn)) -> Result<(), StoreError> {
        (**self).read(work)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Txn) -> End) -> Result<(), StoreError> {
        (**self).write(work)
    }
}

/// [`Store::read`] with a result.
pub(crate) fn read<T, E: From<StoreError>>(
    store: &dyn Store,
    work: impl FnOnce(&mut dyn Txn) -> Result<T, E>,
) -> Result<T, E> {
    let (mut work, mut result) = (Some(work), None);
    store.read(&mut |txn| {
        if let Some(work) = work.take() {
            result = Some(work(txn));
        }
    })?;
    result.unwrap_or_else(|| Err(StoreError::Other("the transaction did not run".into()).into()))
}

/// [`Store::write`] with a result: committed exactly where it is `Ok`.
pub(crate) fn write<T, E: From<StoreError>>(
    store: &dyn Store,
    work: impl FnOnce(&mut dyn Txn) -> Result<T, E>,
) -> Result<T, E> {
    let (mut work, mut result) = (Some(work), None);
    store.write(&mut |txn| {
        let Some(work) = work.take() else { return End::Rollback };
        let done = work(txn);
        let end = if done.is_ok() { End::Commit } else { End::Rollback };
        result = Some(done);
        end
    })?;
    result.unwrap_or_else(|| Err(StoreError::Other("the transaction did not run".into()).into()))
}

/// Reads all keys with a prefix, in order, at most `limit`.
pub(crate) fn scan_prefix(
    txn: &mut dyn Txn,
    table: Table,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let end = prefix_end(prefix);
    let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
    let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    txn.scan(table, (from, to), limit)
}

/// The least key above every key with this prefix, unless there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xFF)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Why a store does not do what it is asked.
///
/// ```
/// use keyfold_kms::store::{End, MAX_KEY, MemoryStore, Store, StoreError, Table};
///
/// MemoryStore::new().write(&mut |txn| {
///     let refused = txn.put(Table::Config, &[0; MAX_KEY + 1], b"value");
///     assert_eq!(refused, Err(StoreError::TooLong));
///     End::Rollback
/// })?;
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no database at the path.
    Missing(String),
    /// There is something at the path already.
    Exists(String),
    /// Another process holds the database for longer than the busy timeout.
    Locked,
    /// The file, its folder or the transaction cannot be written.
    ReadOnly,
    /// No space is left on the device.
    Full,
    /// The file is damaged, or a record in it is.
    Corrupt(String),
    /// The file is not a keyfold database.
    Foreign,
    /// The file was made by a newer keyfold.
    Newer {
        /// The schema version of the file.
        found: i32,
        /// The newest schema version that this keyfold knows.
        known: i32,
    },
    /// The file may not be opened.
    Denied(String),
    /// A key or value is longer than its limit.
    TooLong,
    /// The URL of a database is not one that can be used.
    Url(String),
    /// The database server does not answer, or no longer.
    Unavailable(String),
    /// The database server is set to lose what it acknowledged when it crashes.
    NotDurable(String),
    /// The connection was lost while the transaction was committed: it may be done, or not.
    Uncertain,
    /// Anything else that the database says.
    Other(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Missing(path) => write!(f, "there is no keyfold database at {path}"),
            StoreError::Exists(path) => write!(f, "{path} exists already"),
            StoreError::Locked => f.write_str("the database is locked by another process"),
            StoreError::ReadOnly => f.write_str("the database cannot be written"),
            StoreError::Full => f.write_str("no space is left for the database"),
            StoreError::Corrupt(what) => write!(f, "the database is damaged: {what}"),
            StoreError::Foreign => f.write_str("this is not a keyfold database"),
            StoreError::Newer { found, known } => write!(
                f,
                "the database was made by a newer keyfold (schema {found}, this one knows {known})"
            ),
            StoreError::Denied(path) => write!(f, "{path} may not be opened"),
            StoreError::TooLong => f.write_str("a record is longer than its limit"),
            StoreError::Url(what) => write!(f, "the database URL is not valid: {what}"),
            StoreError::Unavailable(what) => {
                write!(f, "the database server does not answer: {what}")
            }
            StoreError::NotDurable(what) => {
                write!(f, "the database server does not keep what it acknowledges: {what}")
            }
            StoreError::Uncertain => f.write_str(
                "the connection to the database was lost: the change may have been made, or not",
            ),
            StoreError::Other(what) => write!(f, "the database failed: {what}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<StoreError> for KmsError {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Locked | StoreError::Unavailable(_) | StoreError::Uncertain => {
                KmsErrorCode::DependencyTimeout
            }
            _ => KmsErrorCode::Internal,
        };
        KmsError::new(code, error.to_string()).with_source(error)
    }
}

/// Refuses what no store takes.
fn check_lengths(key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    if key.len() > MAX_KEY || value.len() > MAX_VALUE {
        return Err(StoreError::TooLong);
    }
    Ok(())
}
