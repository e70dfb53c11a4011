//! Requests that are malformed: those that `tests/clients/python/malformed.py` makes from botocore's
//! models of the services, and HTTP as nobody should speak it.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use keyfold_conformance::clients::{run, script, suite, tools};
use keyfold_conformance::server::Home;

#[test]
fn malformed_requests() {
    let Some((keyfold, python)) = tools("malformed requests") else { return };
    let home = Home::create(&keyfold, None);
    let wholes = tempfile::NamedTempFile::new().expect("a file");
    let protocol = |task: &str, file: &Path| {
        let server = home.serve();
        let mut command = Command::new(&python);
        command.arg(script("protocol_suite.py")).arg(task).arg(file);
        run(&mut command, &home, &server);
        server.stop();
        home.changes()
    };
    let before = protocol("prepare", wholes.path());
    let after = protocol("attack", wholes.path());
    assert!(before > 10, "the world was made by changes");
    assert_eq!(after, before, "audit records of changes, after and before");
    println!("audit chain: {} records, {after} of changes, as before", home.audit());
}

#[test]
fn http_as_nobody_should_speak_it() {
    suite("HTTP as nobody should speak it", "http_suite.py");
}
