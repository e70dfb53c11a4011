//! Every hostile vector, as a file that somebody is asked to open.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::stage::{Stage, error_code};

#[derive(Deserialize)]
struct Vector {
    name: String,
    context: BTreeMap<String, String>,
    header: String,
    body: String,
    #[serde(default)]
    trailer: String,
    expect: String,
    expected_context: Option<BTreeMap<String, String>>,
    signers: Option<Vec<String>>,
    #[serde(default)]
    any_signer: bool,
    accepted_suites: Option<Vec<u16>>,
    #[serde(default)]
    detached: bool,
}

#[test]
fn hostile_vectors_are_refused_by_name_and_leave_nothing() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/hostile.json");
    let vectors: Vec<Vector> =
        serde_json::from_slice(&std::fs::read(path).expect("the vectors")).expect("vectors");
    let stage = Stage::new();
    let (mut exact, mut before_the_key) = (0, 0);
    for vector in &vectors {
        if vector.accepted_suites.is_some() {
            println!("{}: skipped, the command accepts every suite", vector.name);
            continue;
        }
        let pairs = vector.expected_context.as_ref().unwrap_or(&vector.context);
        if pairs.iter().any(|(name, value)| name.contains(['=', '\0']) || value.contains('\0')) {
            println!("{}: skipped, no command line holds its context", vector.name);
            continue;
        }
        let code = open(&stage, vector);
        if code == vector.expect {
            exact += 1;
        } else if vector.name == "signers_spki_with_trailing_byte" {
            // The file of the accepted signer is refused as such.
            assert_eq!(code, "invalid_argument");
        } else {
            // No KMS here has the vectors' data keys: what shows only with one stops before.
            let needs_key =
                ["authentication_failed", "truncated", "signature_invalid", "limit_exceeded"];
            assert_eq!(code, "no_usable_key", "{}", vector.name);
            assert!(needs_key.contains(&vector.expect.as_str()), "{}", vector.name);
            before_the_key += 1;
        }
        assert!(!stage.path("out").exists(), "{}", vector.name);
    }
    println!("{exact} refused by their own code, {before_the_key} for want of a key");
    assert!(exact > 150, "only {exact} were refused by their own code");
}

/// Tries to open a vector; answers the error code.
fn open(stage: &Stage, vector: &Vector) -> String {
    let (header, body) = (unhex(&vector.header), unhex(&vector.body));
    let body = [body, unhex(&vector.trailer)].concat();
    let mut command = stage.keyfold("--json decrypt -o out");
    if vector.detached {
        stage.write("header", &header);
        stage.write("envelope", &body);
        command.args(["--detached-header", "header"]);
    } else {
        stage.write("envelope", &[header, body].concat());
    }
    for (name, value) in vector.expected_context.as_ref().unwrap_or(&vector.context) {
        command.arg("--context").arg(format!("{name}={value}"));
    }
    for (number, signer) in vector.signers.iter().flatten().enumerate() {
        let name = format!("signer-{number}");
        stage.write(&name, &unhex(signer));
        command.arg("--signer").arg(name);
    }
    if vector.any_signer {
        command.arg("--any-signer");
    }
    let output = command.arg("envelope").output().expect("the program runs");
    assert!(!output.status.success(), "{} was opened", vector.name);
    assert!(output.stdout.is_empty(), "{}", vector.name);
    error_code(&String::from_utf8(output.stderr).expect("text"))
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).expect("hex").to_le_bytes()[0]).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
