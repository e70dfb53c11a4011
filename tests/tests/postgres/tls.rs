//! TLS to the server, with certificates made by `openssl` for the occasion.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use keyfold_conformance::postgres::Server;
use keyfold_kms::store::{PostgresStore, StoreError};

use crate::{refused, url};

/// Makes a root and a certificate for `localhost` under it, and answers the root's file.
fn certificates(folder: &Path) -> std::path::PathBuf {
    let run = |arguments: &str| {
        let status = Command::new("openssl")
            .args(arguments.split_ascii_whitespace())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("openssl, which PostgreSQL itself needs for certificates");
        assert!(status.success(), "openssl {arguments}");
    };
    run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=root \
         -keyout root.key -out root.pem");
    run("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
         -keyout server.key -out server.csr");
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").expect("written");
    run("x509 -req -in server.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 \
         -extfile names -out server.pem");
    folder.join("root.pem")
}

#[test]
fn the_certificate_is_proven_as_the_url_demands() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = certificates(folder.path());
    let mut server = Server::start("").unwrap_or_else(|error| panic!("{error}"));
    let address = server.database("kms").expect("a database");
    server.encrypt(&folder.path().join("server.pem"), &folder.path().join("server.key"));

    let encrypted = |options: &str| {
        let address = format!("{}{options}", address.replace("127.0.0.1", "localhost"));
        PostgresStore::create(&url(&address))
    };
    let proven = format!("?sslmode=verify-full&sslrootcert={}", root.display());
    drop(encrypted(&proven).expect("the root vouches for it"));
    let count = "SELECT count(*) FROM pg_stat_ssl WHERE ssl";
    // Who it says it is, but not whom the URL names.
    let by_number = format!("{address}{proven}");
    let error = refused(PostgresStore::open(&url(&by_number)));
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    // Nobody that the platform knows.
    let error = refused(encrypted("?sslmode=verify-full"));
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    // Somebody.
    for mode in
        ["?sslmode=require", "?sslmode=prefer", "", "?sslmode=require&channel_binding=require"]
    {
        let store = PostgresStore::open(&url(&format!("{address}{mode}"))).expect("opens");
        store_reads(&store);
        assert_ne!(server.sql("kms", count).expect("a count"), "0", "{mode}");
    }
    server.sql("postgres", crate::TERMINATE).expect("ended");
    let store = PostgresStore::open(&url(&format!("{address}?sslmode=disable"))).expect("opens");
    store_reads(&store);
    let of_keyfold = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                      WHERE ssl AND application_name = 'keyfold'";
    assert_eq!(server.sql("kms", of_keyfold).expect("a count"), "0");
    // TLS that the server does not offer is not done without.
    drop(store);
    let plain = crate::server();
    let address = plain.database("kms").expect("a database");
    let error = refused(PostgresStore::create(&url(&format!("{address}?sslmode=require"))));
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}

fn store_reads(store: &PostgresStore) {
    use keyfold_kms::store::{Store, Table};
    store
        .read(&mut |txn| assert_eq!(txn.get(Table::Keys, b"k"), Ok(None)))
        .expect("a transaction over TLS");
}
