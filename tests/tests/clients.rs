//! Clients that are not ours, over our server: boto3, the AWS SDK for JavaScript, the AWS CLI, the
//! AWS Encryption SDK; signatures under Python's `cryptography` and `openssl`. The scripts are in
//! `tests/clients/`.
#![cfg(unix)]

use std::process::Command;

use keyfold_conformance::clients::{run, script, suite, tools};
use keyfold_conformance::server::{self, Home};

#[test]
fn boto3() {
    suite("boto3", "boto3_suite.py");
}

#[test]
fn aws_cli() {
    suite("the AWS CLI", "cli_suite.py");
}

#[test]
fn aws_encryption_sdk() {
    suite("the AWS Encryption SDK", "esdk_suite.py");
}

#[test]
fn signatures() {
    suite("signatures under other libraries", "signatures_suite.py");
}

#[test]
fn javascript() {
    const SKIPPED: &str = "the AWS SDK for JavaScript";
    let Some((keyfold, python)) = tools(SKIPPED) else { return };
    let Some(folder) = server::given("KEYFOLD_CLIENTS_NODE", SKIPPED) else { return };
    let home = Home::create(&keyfold, None);
    let server = home.serve();
    let refusals = tempfile::NamedTempFile::new().expect("a file");
    let mut command = Command::new(python);
    run(command.arg(script("refusals_as_json.py")).arg(refusals.path()), &home, &server);
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"])
        .args(["operations.test.mjs", "errors.test.mjs"])
        .current_dir(folder)
        .env("KEYFOLD_REFUSALS", refusals.path())
        // It says that later versions will need a newer Node.js.
        .env("NODE_NO_WARNINGS", "1");
    run(&mut node, &home, &server);
    server.stop();
}
