//! keyfold over PostgreSQL: the contract of stores, several processes over one database, lost
//! connections, crashes of the server, moves between databases. Every test has a server of its own.

mod command;
mod crashes;
mod moves;
mod processes;
mod store;
mod tls;

use keyfold_conformance::postgres::Server;
use keyfold_kms::store::{PostgresStore, PostgresUrl, StoreError};

fn server() -> Server {
    Server::start("").unwrap_or_else(|error| panic!("{error}"))
}

fn url(text: &str) -> PostgresUrl {
    PostgresUrl::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn create(text: &str) -> PostgresStore {
    PostgresStore::create(&url(text)).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(opened: Result<PostgresStore, StoreError>) -> StoreError {
    opened.err().expect("it opened")
}

/// Ends every session of keyfold, as an administrator would, and waits until they are gone.
const TERMINATE: &str = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
                         WHERE pid <> pg_backend_pid() AND application_name = 'keyfold'";
