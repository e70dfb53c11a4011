//! What a test asks of an emulator beside the vendor's protocol: counts, faults, its clock.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use keyfold_emulators::{Emulator, Fault, Options, Provider};

/// Status, headers and body of an answer; none where the connection just ended.
fn ask(address: &str, method: &str, path: &str) -> Option<(u16, String, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&answer[..head]).to_lowercase();
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let chunked = text.contains("transfer-encoding: chunked");
    // A body without its end is no body.
    if ended.is_err() || (chunked && !answer.ends_with(b"0\r\n\r\n")) {
        return None;
    }
    Some((status, text, answer.split_off(head + 4)))
}

#[test]
fn every_provider_fails_on_demand_and_then_works_again() {
    for provider in Provider::ALL {
        let name = provider.name();
        let emulator = Emulator::start(provider, Options::default()).expect("it starts");
        let address = emulator.address().to_string();
        // What every provider refuses, in its own words: nobody has signed it.
        let path = "/v1/projects/example-project/locations/global/keyRings";
        let get = || ask(&address, "GET", path);
        let (status, _, body) = get().expect("an answer");
        assert!(!body.is_empty(), "{name}");
        for fault in Fault::ALL {
            emulator.fault(fault, 1);
            let answer = get();
            match fault {
                Fault::Throttled | Fault::Unavailable => {
                    let (_, _, found) = answer.expect("an answer");
                    assert_ne!(found, body, "{name}: {}", fault.name());
                }
                Fault::Html => {
                    let (status, head, body) = answer.expect("an answer");
                    assert!(status == 200 && head.contains("text/html"), "{name}: {head}");
                    assert!(body.starts_with(b"<!doctype html>"));
                }
                Fault::Redirect => {
                    let (status, head, _) = answer.expect("an answer");
                    assert!(status == 302 && head.contains("location: http://127.0.0.1:"));
                }
                Fault::Truncated => {
                    let (_, _, found) = answer.expect("an answer");
                    assert!(serde_json::from_slice::<serde_json::Value>(&found).is_err());
                }
                Fault::Huge => {
                    let (_, _, found) = answer.expect("an answer");
                    assert_eq!(found.len(), 64 * 1024 * 1024, "{name}");
                }
                Fault::Closed => assert!(answer.is_none(), "{name}"),
            }
            // Once, and no more.
            assert_eq!(get().expect("an answer").0, status, "{name}");
        }
        let calls = emulator.take_calls();
        assert_eq!(calls.values().sum::<u64>(), 1 + 2 * 7, "{name}: {calls:?}");
        assert!(emulator.calls().is_empty());
    }
}

#[test]
fn the_program_serves_until_its_input_ends() {
    for provider in ["tencent", "azure"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_keyfold-emulator"))
            .arg(provider)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let input = child.stdin.take().expect("piped");
        let mut output = child.stdout.take().expect("piped");
        let mut said = Vec::new();
        let mut byte = [0];
        while !said.ends_with(b"\n") {
            assert_eq!(output.read(&mut byte).expect("a line"), 1);
            said.push(byte[0]);
        }
        let said = String::from_utf8(said).expect("text");
        let address = said.trim().strip_prefix("listening on http://").expect("an address");
        let calls = |path| ask(address, "GET", path).expect("an answer");
        assert_eq!(calls("/_emulator/calls").2, b"{}");
        assert_eq!(ask(address, "POST", "/_emulator/fault?kind=odd").expect("an answer").0, 400);
        assert_eq!(ask(address, "POST", "/_emulator/throttle?times=2").expect("an answer").0, 204);
        calls("/x");
        let (_, _, counted) = calls("/_emulator/calls");
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&counted)
                .expect("JSON")
                .as_object()
                .map(serde_json::Map::len),
            Some(1)
        );
        assert_eq!(ask(address, "POST", "/_emulator/calls/reset").expect("an answer").0, 204);
        assert_eq!(calls("/_emulator/calls").2, b"{}");
        drop(input);
        assert!(child.wait().expect("it ends").success());
    }
}

#[test]
fn an_odd_provider_is_named() {
    let odd = Command::new(env!("CARGO_BIN_EXE_keyfold-emulator"))
        .arg("odd")
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    assert_eq!(odd.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&odd.stderr).contains("no provider \"odd\""));
}
