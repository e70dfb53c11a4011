//! `keyfold serve`, as a process.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use assert_cmd::assert::OutputAssertExt;
use serde_json::Value;

/// A folder with a KMS in it.
struct Stage(tempfile::TempDir);

impl Stage {
    fn new() -> Self {
        let stage = Stage(tempfile::tempdir().expect("a folder"));
        stage.keyfold(&["init"]).assert().success();
        stage
    }

    fn keyfold(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyfold"));
        command
            .args(words)
            .current_dir(self.0.path())
            .env_clear()
            .env("KEYFOLD_HOME", self.0.path().join("kms"))
            .stdin(Stdio::null());
        command
    }

    /// A server on a free port, and the line that it prints.
    fn serve(&self, words: &[&str]) -> (Server, String) {
        let mut line = vec!["serve", "--listen", "127.0.0.1:0", "--log-format", "json"];
        line.extend(words);
        let mut command = self.keyfold(&line);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a child");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        (Server(child), line)
    }
}

/// Ended by its id where a test fails.
struct Server(Child);

impl Server {
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().expect("kill").success());
    }

    /// Ends it as a service manager does; answers its exit code and what it logged.
    fn end(mut self) -> (Option<i32>, Vec<Value>) {
        self.signal("TERM");
        let code = self.0.wait().expect("its end").code();
        let mut log = String::new();
        self.0.stderr.take().expect("a pipe").read_to_string(&mut log).expect("its log");
        let log = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        (code, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    reply
}

#[test]
fn it_says_where_it_listens_and_ends_in_peace() {
    let stage = Stage::new();
    for signal in ["TERM", "INT"] {
        let (mut server, line) = stage.serve(&[]);
        let address = line.strip_prefix("listening on http://").expect(&line).trim_end();
        assert!(line.ends_with('\n') && address.starts_with("127.0.0.1:"), "{line:?}");
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 200 OK\r\n"));
        server.signal(signal);
        assert_eq!(server.0.wait().expect("its end").code(), Some(0), "{signal}");
    }
}

#[test]
fn in_json_it_says_so_in_json() {
    let stage = Stage::new();
    let (server, line) = stage.serve(&["--json"]);
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert!(line["listening"].as_str().expect("an address").starts_with("http://127.0.0.1:"));
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn each_request_is_one_line_of_the_log_at_info() {
    let stage = Stage::new();
    let (server, line) = stage.serve(&["--log-level", "info"]);
    let address = line.strip_prefix("listening on http://").expect("an address").trim_end();
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                   Content-Type: application/x-amz-json-1.1\r\nContent-Length: 21\r\n\
                   X-Amz-Target: TrentService.Encrypt\r\n\r\n{\"Plaintext\":\"NDEx?\"}";
    stream.write_all(request.as_bytes()).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    let (code, log) = server.end();
    assert_eq!(code, Some(0));
    let lines: Vec<&Value> =
        log.iter().filter(|line| line["target"] == "keyfold::request").collect();
    assert_eq!(lines.len(), 1, "{log:?}");
    let line = lines[0];
    assert_eq!((line["operation"].as_str(), line["status"].as_u64()), (Some("Encrypt"), Some(400)));
    assert!(reply.contains(line["request_id"].as_str().expect("an id")));
    assert!(reply.contains(line["result"].as_str().expect("a result")));
    assert!(!log.iter().any(|line| line.to_string().contains("NDEx")));
}

#[test]
fn the_example_of_a_configuration_is_valid() {
    let stage = Stage::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/keyfold.toml");
    let example = fs::read_to_string(example).expect("the example");
    // Without its defaults, and with them written out.
    let spelled: String = example
        .lines()
        .map(|line| {
            match line.strip_prefix("# ").and_then(|rest| Some((rest, rest.split_once(" = ")?.0))) {
                Some((rest, name)) if !name.contains(' ') && !rest.contains('/') => {
                    format!("{rest}\n")
                }
                _ => format!("{line}\n"),
            }
        })
        .collect();
    assert_ne!(spelled, example);
    for (name, text) in [("example.toml", &example), ("spelled.toml", &spelled)] {
        // The part [tls] stays commented out.
        let kept: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("require_client") && !line.starts_with("reload_"))
            .collect();
        fs::write(stage.0.path().join(name), kept.join("\n")).expect("written");
        let found = stage.keyfold(&["serve", "--check", "--json", "--config", name]);
        let found = { found }.assert().success();
        let found: Value = serde_json::from_slice(&found.get_output().stdout).expect("JSON");
        assert_eq!(found["listen"], "http://127.0.0.1:8470");
        assert_eq!(found["root_slot"], "file");
    }
}

#[test]
fn a_configuration_that_cannot_hold_is_told() {
    let stage = Stage::new();
    fs::write(stage.0.path().join("bad.toml"), "[server]\nlisten_on = 1\n").expect("written");
    let cases: [(&[&str], &str); 6] = [
        (&["--config", "bad.toml"], "bad.toml, line 2: unknown field `listen_on`"),
        (&["--listen", "0.0.0.0:0"], "plain HTTP"),
        (&["--origin", "*"], "cors.origins"),
        (&["--log-level", "keyfold=loud"], "log level"),
        (&["--tls-key", "k"], "certificate and a key"),
        (&["--traces-endpoint", "http://traces.example/"], "traces go to"),
    ];
    for (words, text) in cases {
        for check in [&["--check"][..], &[]] {
            let line = [&["serve"][..], words, check].concat();
            let refused = stage.keyfold(&line).assert().code(2);
            let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
            assert!(told.contains(text), "{words:?}: {told}");
        }
    }
    stage.keyfold(&["serve", "--tls-certificate", "no", "--tls-key", "no"]).assert().code(3);
}

#[test]
fn without_its_root_key_it_waits_and_without_a_store_it_does_not() {
    let stage = Stage::new();
    let (key, away) = (stage.0.path().join("kms/root.key"), stage.0.path().join("away"));
    fs::rename(&key, &away).expect("moved");
    stage.keyfold(&["serve", "--check"]).assert().code(7);
    let (server, line) = stage.serve(&[]);
    let address = line.strip_prefix("listening on http://").expect("an address").trim_end();
    assert!(get(address, "/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(get(address, "/readyz").contains("\"root\":\"sealed\""));
    fs::rename(&away, &key).expect("moved back");
    while !get(address, "/readyz").starts_with("HTTP/1.1 200 OK\r\n") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(server.end().0, Some(0));

    let empty = stage.0.path().join("empty");
    let mut nowhere = stage.keyfold(&["serve", "--listen", "127.0.0.1:0"]);
    nowhere.env("KEYFOLD_HOME", empty);
    let told = nowhere.assert().failure();
    let told = String::from_utf8_lossy(&told.get_output().stderr).into_owned();
    assert!(told.contains("keyfold init makes one"), "{told}");
}

#[test]
fn the_environment_goes_after_the_command_line() {
    let stage = Stage::new();
    let mut check = stage.keyfold(&["serve", "--check", "--json", "--listen", "127.0.0.1:1"]);
    check.env("KEYFOLD_LISTEN", "127.0.0.1:2").env("KEYFOLD_ORIGINS", "https://a.b,https://c.d");
    let found = check.assert().success();
    let found: Value = serde_json::from_slice(&found.get_output().stdout).expect("JSON");
    assert_eq!(found["listen"], "http://127.0.0.1:1");
    assert_eq!(found["origins"], serde_json::json!(["https://a.b", "https://c.d"]));
}

#[test]
fn traces_tell_operations_and_nothing_of_what_they_were_about() {
    let stage = Stage::new();
    let collector = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = collector.local_addr().expect("an address");
    let collected = std::thread::spawn(move || {
        let (mut stream, _) = collector.accept().expect("a connection");
        let mut bytes = Vec::new();
        let mut part = [0; 4096];
        // The head says how long the body is.
        loop {
            let len = stream.read(&mut part).expect("a request");
            bytes.extend_from_slice(&part[..len]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse::<usize>()
                        .ok()
                });
                let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
                if bytes.len() >= head + 4 + length.expect("a length") {
                    break;
                }
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("answered");
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let endpoint = format!("http://{address}/v1/traces");
    let (server, line) = stage.serve(&["--traces-endpoint", &endpoint]);
    let served = line.strip_prefix("listening on http://").expect("an address").trim_end();
    let mut stream = TcpStream::connect(served).expect("a connection");
    let request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                   Content-Type: application/x-amz-json-1.1\r\nContent-Length: 20\r\n\
                   X-Amz-Target: TrentService.Encrypt\r\n\r\n{\"Plaintext\":\"NDEx\"}";
    stream.write_all(request.as_bytes()).expect("sent");
    stream.read_to_string(&mut String::new()).expect("a reply");
    assert_eq!(server.end().0, Some(0));
    let collected = collected.join().expect("collected");
    assert!(collected.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{collected}");
    assert!(collected.contains("Encrypt") && collected.contains("keyfold"), "{collected}");
    assert!(!collected.contains("NDEx"));
}
