//! The server as users have it: the command `keyfold`, in a home of its own, on a free port of
//! this machine, ended by its process id.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::Client;

/// The command that `cargo xtask test` has built; says why where there is none.
pub fn command(skipped: &str) -> Option<PathBuf> {
    given("KEYFOLD_COMMAND", skipped)
}

/// A path that `cargo xtask test` names in the environment; says why where it does not.
pub fn given(variable: &str, skipped: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        println!("skipped: {skipped}: {variable} is not set (`cargo xtask test` sets it)");
    }
    path
}

/// An access key, as `keyfold access-key create --json` answers it.
#[derive(Clone)]
pub struct AccessKey {
    pub id: String,
    pub secret: String,
    pub principal: String,
}

/// A fresh KMS: a folder, and two principals that may call its server.
pub struct Home {
    keyfold: PathBuf,
    folder: TempDir,
    database: Option<String>,
    /// May do what the owner may.
    pub owner: AccessKey,
    /// May do nothing by its own role: grants and policies decide.
    pub stranger: AccessKey,
}

impl Home {
    /// Makes one, in SQLite, or in the database that a `postgres://` address names.
    ///
    /// # Panics
    /// Where the command fails: that is what the tests are about.
    pub fn create(keyfold: &Path, database: Option<&str>) -> Self {
        let none =
            || AccessKey { id: String::new(), secret: String::new(), principal: String::new() };
        let mut home = Home {
            keyfold: keyfold.to_owned(),
            folder: tempfile::tempdir().expect("a folder"),
            database: database.map(str::to_owned),
            owner: none(),
            stranger: none(),
        };
        home.run(["init"]);
        let in_folder = home.folder.path().join("store.db").exists();
        assert_eq!(in_folder, database.is_none(), "whether the store is in the home folder");
        home.owner = home.access_key(&[]);
        home.stranger = home.access_key(&["--user", "stranger", "--allow-nothing"]);
        home
    }

    fn access_key(&self, options: &[&str]) -> AccessKey {
        let made = self.run([&["access-key", "create"][..], options].concat());
        let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        let key = AccessKey {
            id: text("access_key_id"),
            secret: text("secret_access_key"),
            principal: text("principal"),
        };
        assert!(!key.id.is_empty() && !key.secret.is_empty(), "an access key: {made}");
        key
    }

    fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.keyfold);
        command.args(words).env("KEYFOLD_HOME", self.folder.path()).stdin(Stdio::null());
        if let Some(database) = &self.database {
            command.env("KEYFOLD_DATABASE", database);
        }
        command
    }

    /// Runs `keyfold … --json`, which must succeed, and answers what it says. Where that is more
    /// than one line, an array of them.
    ///
    /// # Panics
    /// Where it fails or does not speak JSON.
    pub fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Value {
        let output = self.command(words).arg("--json").output().expect("the command starts");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", output.status);
        let mut lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect();
        if lines.len() == 1 { lines.remove(0) } else { Value::Array(lines) }
    }

    /// How many audit records there are, after looking whether the chain is whole. No server of
    /// this home may run.
    ///
    /// # Panics
    /// Where the chain is not whole.
    pub fn audit(&self) -> u64 {
        let report = self.run(["audit", "verify"]);
        assert_eq!(report["sound"], true, "{report}");
        report["records"].as_u64().expect("a number")
    }

    /// How many audit records say that something was changed. No server of this home may run.
    pub fn changes(&self) -> usize {
        let records = self.run(["audit", "show"]);
        let records = records.as_array().map(Vec::as_slice).unwrap_or_default();
        let changing = |record: &&Value| record["readOnly"] == false && record["result"] == "ok";
        records.iter().filter(changing).count()
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Panics
    /// Where it does not.
    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// [`Home::serve`], with more options.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn serve_with(&self, options: &[&str]) -> Server {
        let log = File::options().create(true).append(true).open(self.log_file());
        let mut child = self
            .command(["serve", "--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(log.expect("a file"))
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("a line");
        let Some(endpoint) = line.trim().strip_prefix("listening on ") else {
            let _ = child.kill();
            panic!("the server said {line:?}, {:?}; its log: {}", child.wait(), self.log());
        };
        let address = endpoint.strip_prefix("http://").expect("plain HTTP").to_owned();
        // Nothing more is expected; a full pipe must not stop the server.
        std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(drop));
        Server { child: Some(child), address }
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// What the servers of this home have logged.
    ///
    /// # Panics
    /// Where none has run yet.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).expect("a log")
    }

    /// The variables by which an AWS SDK finds the server and the credentials.
    pub fn environment(&self, server: &Server) -> Vec<(&'static str, String)> {
        let endpoint = format!("http://{}", server.address);
        let region = "us-east-1".to_owned();
        vec![
            ("AWS_ENDPOINT_URL_KMS", endpoint.clone()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint),
            ("AWS_REGION", region.clone()),
            ("AWS_DEFAULT_REGION", region),
            ("AWS_ACCESS_KEY_ID", self.owner.id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.owner.secret.clone()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("KEYFOLD_STRANGER_ACCESS_KEY_ID", self.stranger.id.clone()),
            ("KEYFOLD_STRANGER_SECRET_ACCESS_KEY", self.stranger.secret.clone()),
            ("KEYFOLD_STRANGER_ARN", self.stranger.principal.clone()),
        ]
    }

    /// A client of the server with the owner's rights.
    pub fn client(&self, server: &Server) -> Client {
        Client::new(&server.address, &self.owner)
    }
}

impl Drop for Home {
    /// Shows what the servers have logged, but for requests, where a test has failed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
            let told = |line: &&str| !line.contains("keyfold::request");
            log.lines().filter(told).for_each(|line| println!("server: {line}"));
        }
    }
}

/// A server that runs; it is killed where a test panics.
pub struct Server {
    child: Option<Child>,
    address: String,
}

impl Server {
    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks it to end, and waits until it has ended well.
    ///
    /// # Panics
    /// Where it answers anything but 0.
    pub fn stop(mut self) {
        let mut child = self.child.take().expect("it runs");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, Signal::TERM).expect("it takes signals");
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "the server ended with {status}");
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// Where it had ended by itself.
    pub fn kill(mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it takes signals");
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), None, "the server ended by itself: {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
