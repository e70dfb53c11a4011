//! The tables, and how they came to be.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::connection::Manager;
use super::faults::fault;
use crate::store::StoreError;

/// Tells our schema from others, as `application_id` does in a file.
const APPLICATION: &str = "keyfold-kms";

/// What brings the tables from one schema version to the next; the first makes them. A version,
/// once released, never changes. They run with the schema as the only one on the search path.
///
/// Values are encrypted or short: compressing them would only cost time. Rows that are written
/// again and again, such as counters, find room for their next version in the same page.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE schema_version (
        application text NOT NULL,
        version integer NOT NULL
    );
    CREATE TABLE records (
        tab integer NOT NULL,
        key bytea NOT NULL,
        value bytea NOT NULL,
        PRIMARY KEY (tab, key)
    ) WITH (fillfactor = 80);
    ALTER TABLE records ALTER COLUMN value SET STORAGE EXTERNAL;
    CREATE TABLE audit (
        seq bigint PRIMARY KEY,
        record bytea NOT NULL
    );
    ALTER TABLE audit ALTER COLUMN record SET STORAGE EXTERNAL;
"];

fn newest() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// What is in the place of the schema.
enum Found {
    Nothing,
    /// A schema without a table, made by an administrator for us.
    Empty,
    Ours(i32),
}

/// Makes schema and tables, where there are none.
pub(super) fn create(manager: &Manager) -> Result<(), StoreError> {
    let client = manager.connect_bare()?;
    manager.wait(in_transaction(manager, &client, async || {
        let schema = &manager.url.schema;
        match look(&client, schema).await? {
            Found::Ours(_) => return Err(StoreError::Exists(manager.url.to_string())),
            Found::Nothing => {
                let make = format!("CREATE SCHEMA {schema}");
                client.batch_execute(&make).await.map_err(fault)?;
            }
            Found::Empty => {}
        }
        steps(&client, schema, 0).await
    }))?
}

/// Refuses what is not ours or of a newer keyfold, and brings the rest to the newest version.
pub(super) fn open(manager: &Manager) -> Result<(), StoreError> {
    let client = manager.connect_bare()?;
    let schema = &manager.url.schema;
    let current = async || match look(&client, schema).await? {
        Found::Nothing | Found::Empty => Err(StoreError::Missing(manager.url.to_string())),
        Found::Ours(found) if found > newest() => Err(StoreError::Newer { found, known: newest() }),
        Found::Ours(found) => Ok(found),
    };
    if manager.wait(current())?? == newest() {
        return Ok(());
    }
    // Read again under the lock: another process may have been faster.
    manager.wait(in_transaction(manager, &client, async || {
        let from = current().await?;
        steps(&client, schema, from).await
    }))?
}

/// Runs `work` under the lock that also serialises changes, wholly or not at all.
async fn in_transaction(
    manager: &Manager,
    client: &Client,
    work: impl AsyncFnOnce() -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    client.batch_execute(&manager.sql.begin_write).await.map_err(fault)?;
    let done = work().await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = client.batch_execute(end).await.map_err(fault);
    done.and(ended)
}

async fn look(client: &Client, schema: &str) -> Result<Found, StoreError> {
    const LOOK: &str = "SELECT to_regnamespace($1) IS NOT NULL, to_regclass($2) IS NOT NULL, \
         EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace($1))";
    let version = format!("{schema}.schema_version");
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&schema, Type::TEXT), (&version, Type::TEXT)];
    let rows = client.query_typed(LOOK, &parameters).await.map_err(fault)?;
    let row = rows.first().ok_or(StoreError::Foreign)?;
    let said = |column| row.try_get::<_, bool>(column).map_err(fault);
    if !said(0)? {
        return Ok(Found::Nothing);
    }
    if !said(1)? {
        return if said(2)? { Err(StoreError::Foreign) } else { Ok(Found::Empty) };
    }
    // A table of that name with other columns is somebody else's.
    let ask = format!("SELECT application, version FROM {version}");
    let rows = client.query_typed(&ask, &[]).await.map_err(prepare_fault)?;
    let [row] = rows.as_slice() else { return Err(StoreError::Foreign) };
    match (row.try_get(0), row.try_get(1)) {
        (Ok(APPLICATION), Ok(version)) => Ok(Found::Ours(version)),
        _ => Err(StoreError::Foreign),
    }
}

async fn steps(client: &Client, schema: &str, from: i32) -> Result<(), StoreError> {
    let batch = |text: String| async move { client.batch_execute(&text).await.map_err(fault) };
    batch(format!("SET LOCAL search_path = {schema}")).await?;
    for step in MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or(0)) {
        batch((*step).to_owned()).await?;
    }
    let newest = newest();
    batch(format!(
        "DELETE FROM schema_version; INSERT INTO schema_version VALUES ('{APPLICATION}', {newest})"
    ))
    .await
}

/// An error of a statement that only names tables and columns.
pub(super) fn prepare_fault(error: Error) -> StoreError {
    use tokio_postgres::error::SqlState;
    match error.code() {
        Some(code)
            if *code == SqlState::UNDEFINED_COLUMN
                || *code == SqlState::UNDEFINED_TABLE
                || *code == SqlState::INVALID_SCHEMA_NAME =>
        {
            StoreError::Foreign
        }
        _ => fault(error),
    }
}
