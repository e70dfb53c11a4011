//! Bodies of suite 0x0001 against pyca/cryptography, an implementation that is not ours.
#![allow(clippy::cast_possible_truncation, clippy::similar_names)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use keyfold::{
    DataKey, Demands, EncryptionContext, Header, MessageKeyDeriver, Sealer, Suite, SystemRng,
    Unlocked, WrappedKey,
};
use keyfold_conformance::{hex, python};
use serde_json::{Value, json};

const LENGTHS: [usize; 8] = [0, 1, 1000, 16_383, 16_384, 16_385, 32_768, 100_000];

#[test]
fn bodies_open_and_are_opened_by_pyca_cryptography() {
    let Some(python) = python::interpreter("bodies against pyca/cryptography") else { return };
    let mut driver = Command::new(python)
        .arg(keyfold_conformance::root().join("tests/interop/cobblestone.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the driver starts");
    let mut requests = driver.stdin.take().expect("piped");
    let mut replies = BufReader::new(driver.stdout.take().expect("piped")).lines();
    let mut ask = |request: Value| -> Value {
        writeln!(requests, "{request}").expect("the driver reads");
        let reply = replies.next().expect("the driver answers").expect("the driver answers");
        serde_json::from_str(&reply).expect("JSON")
    };

    let key_bytes = [7u8; 32];
    let data_key = DataKey::take(&mut key_bytes.clone()).unwrap();
    let key = Arc::new(MessageKeyDeriver::new(&data_key));
    let context = EncryptionContext::from([("tenant", "Zoë"), ("doc", "42")]);
    let recipient = WrappedKey {
        key: "test:k".parse().unwrap(),
        params: keyfold::ProviderParams::new(),
        ciphertext: vec![1],
    };
    let header = Header::new(Suite::Aes256Gcm, context.clone(), None, vec![recipient]).unwrap();
    let stable = hex::encode(header.stable_part());
    for len in LENGTHS {
        let plaintext: Vec<u8> = (0..253).cycle().take(len).collect();
        let mut sealer = Sealer::new(&header, &key, &SystemRng).unwrap();
        let mut body = Vec::new();
        sealer.update(&plaintext, &mut body).unwrap();
        sealer.finish(&mut body).unwrap();
        let opened = ask(json!({
            "op": "open", "data_key": hex::encode(&key_bytes), "stable": stable,
            "body": hex::encode(&body),
        }));
        assert_eq!(opened["plaintext"], hex::encode(&plaintext), "theirs of ours, {len} bytes");

        let flipped = body.last_mut().map(|last| *last ^= 1);
        assert!(flipped.is_some());
        let refused = ask(json!({
            "op": "open", "data_key": hex::encode(&key_bytes), "stable": stable,
            "body": hex::encode(&body),
        }));
        assert_eq!(refused["error"], "InvalidTag");

        let sealed = ask(json!({
            "op": "seal", "data_key": hex::encode(&key_bytes), "stable": stable,
            "plaintext": hex::encode(&plaintext),
        }));
        let body = hex::decode(sealed["body"].as_str().expect("a body"));
        let unlocked = Unlocked::new(&header, key.clone(), &Demands::new(context.clone())).unwrap();
        let mut opener = unlocked.into_opener();
        let mut opened = Vec::new();
        opener.update(&body, &mut opened).unwrap();
        opener.finish(&mut opened).unwrap();
        assert_eq!(opened, plaintext, "ours of theirs, {len} bytes");
    }
    println!("{} bodies each way", LENGTHS.len());
    drop(requests);
    assert!(driver.wait().expect("the driver ends").success());
}
