//! Connections: made, checked and prepared; driven by one thread of the store's own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future;
use r2d2::ManageConnection;
use tokio::runtime::Handle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::faults::fault;
use super::sql::{Query, Sql};
use super::url::PostgresUrl;
use super::{schema, tls};
use crate::store::StoreError;

/// The oldest server, as `server_version_num` has it: the oldest that is still maintained.
const MIN_SERVER: i32 = 140_000;
/// Beyond the waiting for locks, how long a server may take for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(25);

/// What makes connections.
#[derive(Clone)]
pub(super) struct Manager {
    pub(super) url: PostgresUrl,
    pub(super) sql: Arc<Sql>,
    tls: MakeRustlsConnect,
    runtime: Handle,
}

impl Manager {
    pub(super) fn new(url: &PostgresUrl, runtime: Handle) -> Result<Self, StoreError> {
        let sql = Arc::new(Sql::new(&url.schema, url.wait.as_millis()));
        Ok(Manager { url: url.clone(), sql, tls: tls::connector(url)?, runtime })
    }

    /// Waits for an answer of the server. The thread may belong to another runtime: the work is
    /// done by ours.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        let _ours = self.runtime.enter();
        let limit = self.url.wait + ANSWER_LIMIT;
        pollster::block_on(tokio::time::timeout(limit, work))
            .map_err(|_| StoreError::Unavailable("the server does not answer".to_owned()))
    }

    /// A connection to a server that keeps what it acknowledges; the tables need not be there.
    pub(super) fn connect_bare(&self) -> Result<Client, StoreError> {
        self.wait(async {
            let connected = self.url.config.connect(self.tls.clone()).await;
            let (client, connection) = connected.map_err(fault)?;
            // Its end is seen by the client.
            self.runtime.spawn(connection);
            self.check_server(&client).await?;
            Ok(client)
        })?
    }

    async fn check_server(&self, client: &Client) -> Result<(), StoreError> {
        const SETTINGS: &str = "SELECT current_setting('server_version_num')::int, \
                                current_setting('fsync'), current_setting('synchronous_commit')";
        let row = client.query_typed(SETTINGS, &[]).await.map_err(fault)?;
        let row = row.first().ok_or_else(|| StoreError::Other("it has no settings".to_owned()))?;
        let version: i32 = row.try_get(0).map_err(fault)?;
        if version < MIN_SERVER {
            return Err(StoreError::Other("PostgreSQL 14 or later is needed".to_owned()));
        }
        for (column, name, safe) in
            [(1, "fsync", &["on"][..]), (2, "synchronous_commit", &["on", "remote_apply"])]
        {
            let value: &str = row.try_get(column).map_err(fault)?;
            if !safe.contains(&value) && !self.url.unsafe_durability {
                return Err(StoreError::NotDurable(format!("{name} is {value}")));
            }
        }
        Ok(())
    }
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = StoreError;

    fn connect(&self) -> Result<Connection, StoreError> {
        let client = self.connect_bare()?;
        let statements = if self.url.prepared {
            let prepared =
                Query::ALL.map(|query| client.prepare_typed(self.sql.text(query), query.types()));
            let prepared = self.wait(future::join_all(prepared))?;
            Some(prepared.into_iter().collect::<Result<_, _>>().map_err(schema::prepare_fault)?)
        } else {
            None
        };
        Ok(Connection { client, statements, sql: Arc::clone(&self.sql), abandoned: false })
    }

    fn is_valid(&self, connection: &mut Connection) -> Result<(), StoreError> {
        // Asking the server would cost a round trip each time; what is lost after this is
        // replaced by the transaction.
        if self.has_broken(connection) {
            return Err(StoreError::Unavailable("the connection is closed".to_owned()));
        }
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.abandoned || connection.client.is_closed()
    }
}

/// The last reason why no connection could be made; the pool itself only says that it waited.
#[derive(Clone, Debug, Default)]
pub(super) struct LastFault(Arc<Mutex<Option<StoreError>>>);

impl LastFault {
    pub(super) fn take(&self) -> Option<StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl r2d2::HandleError<StoreError> for LastFault {
    fn handle_error(&self, error: StoreError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// A connection with its statements.
pub(super) struct Connection {
    pub(super) client: Client,
    /// None where each transaction may meet another session.
    statements: Option<Vec<Statement>>,
    sql: Arc<Sql>,
    /// Given up while an answer was outstanding.
    pub(super) abandoned: bool,
}

impl Connection {
    /// Runs a statement. Several of these, polled together, are sent at once and run in order.
    pub(super) async fn rows(
        &self,
        query: Query,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        if let Some(prepared) = &self.statements {
            return self.client.query(&prepared[query as usize], parameters).await;
        }
        let typed: Vec<_> = parameters.iter().copied().zip(query.types().iter().cloned()).collect();
        self.client.query_typed(self.sql.text(query), &typed).await
    }

    /// Ends a transaction without waiting for it: what comes next waits behind it.
    pub(super) fn roll_back(&self) {
        // The first poll sends it; whether it fails or the connection is lost, all is undone.
        let _ = future::FutureExt::now_or_never(self.client.batch_execute("ROLLBACK"));
    }
}
