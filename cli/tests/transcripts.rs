//! The transcripts in `tests/cmd`: every `$ line` in a console block is run by a shell, as a
//! user would type it, and what it prints is compared. A line `? N` stands for exit code N.
//!
//! `SNAPSHOTS=overwrite cargo test -p keyfold-cli --test transcripts` writes them anew.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keyfold_emulators::{Emulator, Options, Provider};
use snapbox::{Assert, Data, Redactions};

#[test]
fn first_steps() {
    check("first-steps");
}

#[test]
fn keys() {
    check("keys");
}

#[test]
fn envelopes() {
    check("envelopes");
}

#[test]
fn signatures() {
    check("signatures");
}

#[test]
fn secrets() {
    check("secrets");
}

#[test]
fn access_keys() {
    check("access-keys");
}

#[test]
fn tokens() {
    check("tokens");
}

#[test]
fn roots() {
    check("roots");
}

#[test]
fn backups() {
    check("backups");
}

#[test]
fn errors() {
    check("errors");
}

#[test]
fn profiles() {
    check("profiles");
}

#[test]
fn remote() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    check_in("remote", folder.path(), &server.environment);
}

#[test]
fn clouds() {
    let folder = tempfile::tempdir().expect("a folder");
    let cloud = Emulator::start(Provider::Tencent, Options::default()).expect("an emulator");
    let environment: Vec<(String, String)> = cloud.environment().into_iter().collect();
    check_in("clouds", folder.path(), &environment);
}

/// Runs a transcript in a folder of its own, with a home of its own.
fn check(name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    check_in(name, folder.path(), &[]);
}

/// Runs a transcript in a folder, with more variables.
fn check_in(name: &str, folder: &Path, environment: &[(String, String)]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cmd/{name}.md"));
    let text = fs::read_to_string(&file).expect("the transcript");
    let actual = replay(&text, folder, environment);
    Assert::new()
        .action_env("SNAPSHOTS")
        .normalize_paths(false)
        .redact_with(redactions())
        .eq(actual, Data::read_from(&file, None));
}

/// The transcript with what its commands print now.
fn replay(text: &str, folder: &Path, environment: &[(String, String)]) -> String {
    let mut actual = String::new();
    let mut in_console = false;
    for line in text.lines() {
        let fence = line.starts_with("```");
        if fence {
            in_console = !in_console && line == "```console";
        }
        let command = line.strip_prefix("$ ").filter(|_| in_console);
        if in_console && !fence && command.is_none() {
            // What was printed then.
            continue;
        }
        actual.push_str(line);
        actual.push('\n');
        if let Some(command) = command {
            actual.push_str(&run(command, folder, environment));
        }
    }
    actual
}

fn run(line: &str, folder: &Path, environment: &[(String, String)]) -> String {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_keyfold"));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let beside = program.parent().map(Path::to_owned);
    let paths = std::env::join_paths(beside.into_iter().chain(std::env::split_paths(&paths)));
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{line}")])
        .current_dir(folder)
        .env("PATH", paths.expect("a search path"))
        .env("HOME", folder)
        .env("LC_ALL", "C")
        .env_remove("KEYFOLD_HOME")
        .env_remove("KEYFOLD_DATABASE")
        .env_remove("KEYFOLD_PASSPHRASE")
        .env_remove("KEYFOLD_PASSPHRASE_FILE")
        .env_remove("KEYFOLD_ROOT_FILE")
        .env_remove("KEYFOLD_KMS")
        .env_remove("KEYFOLD_PROFILE")
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let mut text = String::from_utf8(output.stdout).expect("text");
    text = text.replace(folder.to_str().expect("a name"), "[HOME]");
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if !output.status.success() {
        let code = output.status.code().expect("an exit code");
        text = format!("{text}? {code}\n");
    }
    text
}

/// The command as a server, with a home of its own in the folder, and how to reach it.
struct Server {
    child: std::process::Child,
    environment: [(String, String); 3],
}

impl Server {
    fn start(folder: &Path) -> Self {
        let home = folder.join("server");
        let keyfold = |words: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_keyfold"));
            command.args(words).env("KEYFOLD_HOME", &home).stdin(Stdio::null());
            command.stderr(Stdio::null());
            command
        };
        assert!(keyfold(&["init"]).output().expect("it starts").status.success());
        let key = keyfold(&["access-key", "create", "--json"]).output().expect("it starts").stdout;
        let key: serde_json::Value = serde_json::from_slice(&key).expect("JSON");
        let text = |name: &str| key[name].as_str().expect("a part of the key").to_owned();
        let serve = &["serve", "--listen", "127.0.0.1:0"];
        let mut child = keyfold(serve).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on http://").expect("it listens");
        let environment = [
            ("KEYFOLD_KMS", format!("keyfold+http://{address}")),
            ("KEYFOLD_ACCESS_KEY_ID", text("access_key_id")),
            ("KEYFOLD_SECRET_ACCESS_KEY", text("secret_access_key")),
        ];
        Server { child, environment: environment.map(|(name, value)| (name.to_owned(), value)) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What differs from run to run.
fn redactions() -> Redactions {
    let mut redactions = Redactions::new();
    for (name, pattern) in [
        ("[UUID]", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("[TIME]", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
        ("[SECONDS]", r"\b\d{10}\.\d{1,3}\b"),
        ("[HASH]", r"\b[0-9a-f]{64}\b"),
        ("[TOKEN]", r"token \S{40,}"),
        ("[REQUEST]", r"\(request (?<redacted>[0-9a-f-]+)\)"),
        ("[JWT]", r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"),
        ("[ACCESSKEY]", r"\bKFAK[A-Z2-7]{16}\b"),
        (
            "[SECRETKEY]",
            r#"(secret access key  |"secret_access_key":")(?<redacted>[A-Za-z0-9+/]{40})"#,
        ),
        ("[RANDOM]", r":secret:[a-z/]+(?<redacted>-[A-Za-z0-9]{6})\b"),
    ] {
        let pattern = regex::Regex::new(pattern).expect("a pattern");
        redactions.insert(name, pattern).expect("a redaction");
    }
    redactions
}
