//! How scripts of `tests/clients/` are run against a server.

use std::path::PathBuf;
use std::process::Command;

use crate::server::{self, Home, Server};

/// What the scripts encrypt, sign, keep or bind, and no log may hold: plain, and as base64 has it.
const SECRET: [&str; 7] =
    ["correct horse", "pässwörd", "Y29ycmVjdCBob3JzZ", "attack at", "YXR0YWNr", "GmbH", "Zoë"];

/// The command to test and the Python of the clients, where `cargo xtask test` has made them.
pub fn tools(skipped: &str) -> Option<(PathBuf, PathBuf)> {
    Some((server::command(skipped)?, server::given("KEYFOLD_CLIENTS_PYTHON", skipped)?))
}

/// A script of `tests/clients/python/`.
pub fn script(name: &str) -> PathBuf {
    crate::root().join("tests/clients/python").join(name)
}

/// Runs one program against the server; it must end well.
///
/// # Panics
/// Where it does not.
pub fn run(command: &mut Command, home: &Home, server: &Server) {
    // Nothing of whoever runs this may reach a client.
    let nowhere =
        ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"].map(|name| (name, "/dev/null"));
    let status = command
        .envs(home.environment(server))
        .envs(nowhere)
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .status()
        .expect("it starts");
    assert!(status.success(), "{command:?}: {status}");
}

/// Runs one script of Python against a server of its own, which must end well too.
///
/// # Panics
/// Where either does not.
pub fn suite(skipped: &str, name: &str) {
    let Some((keyfold, python)) = tools(skipped) else { return };
    let home = Home::create(&keyfold, None);
    // All that it could tell.
    let server = home.serve_with(&["--log-level", "trace"]);
    run(Command::new(python).arg(script(name)), &home, &server);
    server.stop();
    let log = home.log();
    let told = SECRET.iter().find(|secret| log.contains(**secret));
    assert_eq!(told, None, "the server's log tells it");
    assert!(log.contains("keyfold::request"), "the log has a line for each request");
    println!(
        "audit chain: {} records; {} lines in the log, no secret in them",
        home.audit(),
        log.lines().count()
    );
}
