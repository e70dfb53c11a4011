//! The store in a PostgreSQL database, which any number of processes share.
//!
//! Transactions that change are serialised by a lock of the database, taken together with BEGIN
//! and released by COMMIT: an advisory one, since a lock of a table would keep out the cleaning of
//! that table too. Those that read see one snapshot. Nothing is acknowledged before the server has
//! it on disk: a server that is set otherwise is refused.

mod connection;
mod faults;
mod password;
mod schema;
mod sql;
mod tls;
mod transaction;
mod url;

use r2d2::Pool;
use tokio::runtime::{Builder, Runtime};

use self::connection::{LastFault, Manager};
use self::transaction::{Connections, PostgresTxn};
use super::{End, Store, StoreError, Txn};

pub use self::url::PostgresUrl;

/// A store in a schema of a PostgreSQL database (14 or later).
///
/// Connections are made when they are needed, at most `pool_size` of them, and driven by a thread
/// of the store's own, so that any thread may call, also one of an asynchronous runtime; it is
/// blocked meanwhile. A process that has opened a store must not fork.
///
/// ```no_run
/// use keyfold_kms::store::{PostgresStore, PostgresUrl, StoreError};
///
/// let url = PostgresUrl::parse("postgres://kms@localhost/kms")?;
/// let store = match PostgresStore::create(&url) {
///     Err(StoreError::Exists(_)) => PostgresStore::open(&url)?,
///     made => made?,
/// };
/// # Ok::<(), StoreError>(())
/// ```
pub struct PostgresStore {
    /// Always there, until the store is dropped.
    connections: Option<Connections>,
    runtime: Option<Runtime>,
}

impl PostgresStore {
    /// Makes the tables, and their schema where there is none yet, all at once.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where they are there; [`StoreError::Foreign`] where the schema holds
    /// something else; [`StoreError::Denied`]; [`StoreError::NotDurable`];
    /// [`StoreError::Unavailable`].
    pub fn create(url: &PostgresUrl) -> Result<Self, StoreError> {
        Self::start(url, schema::create)
    }

    /// Opens tables that are there, and brings them up to date where an older keyfold made them.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Foreign`], [`StoreError::Newer`],
    /// [`StoreError::Denied`], [`StoreError::NotDurable`], [`StoreError::Unavailable`].
    pub fn open(url: &PostgresUrl) -> Result<Self, StoreError> {
        Self::start(url, schema::open)
    }

    fn start(
        url: &PostgresUrl,
        look: impl FnOnce(&Manager) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("keyfold-postgres")
            .enable_all()
            .build()
            .map_err(|error| StoreError::Other(error.to_string()))?;
        // From here on the runtime is ended by `drop`, whatever fails.
        let mut store = PostgresStore { connections: None, runtime: Some(runtime) };
        let Some(runtime) = &store.runtime else { return Err(StoreError::Foreign) };
        let manager = Manager::new(url, runtime.handle().clone())?;
        look(&manager)?;
        let last_fault = LastFault::default();
        let pool = Pool::builder()
            .max_size(url.pool_size)
            .min_idle(Some(0))
            .connection_timeout(url.wait)
            .test_on_check_out(false)
            .error_handler(Box::new(last_fault.clone()))
            .build_unchecked(manager.clone());
        store.connections = Some(Connections { manager, pool, last_fault });
        Ok(store)
    }

    fn connections(&self) -> Result<&Connections, StoreError> {
        self.connections.as_ref().ok_or_else(|| StoreError::Other("it is closed".to_owned()))
    }
}

impl Store for PostgresStore {
    fn read(&self, work: &mut dyn FnMut(&mut dyn Txn)) -> Result<(), StoreError> {
        let mut txn = PostgresTxn::new(self.connections()?, false);
        work(&mut txn);
        txn.end(End::Rollback)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Txn) -> End) -> Result<(), StoreError> {
        let mut txn = PostgresTxn::new(self.connections()?, true);
        let end = work(&mut txn);
        txn.end(end)
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // Its connections first, so that they say goodbye.
        drop(self.connections.take());
        if let Some(runtime) = self.runtime.take() {
            // Waiting is not allowed in an asynchronous context, where this may happen.
            runtime.shutdown_background();
        }
    }
}
