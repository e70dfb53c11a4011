//! A folder with a KMS in it, and the program at work there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use assert_cmd::Command;
use assert_cmd::assert::OutputAssertExt;
use tempfile::TempDir;

pub(crate) struct Stage {
    folder: TempDir,
}

impl Stage {
    /// A KMS with the key `alias/docs`.
    pub(crate) fn new() -> Self {
        let stage = Stage { folder: tempfile::tempdir().expect("a folder") };
        stage.keyfold("init").assert().success();
        stage.keyfold("key create --alias alias/docs").assert().success();
        stage
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store/store.db")
    }

    /// A command line, split at spaces.
    pub(crate) fn keyfold(&self, words: &str) -> Command {
        Command::from_std(self.std(words))
    }

    /// The same, to be spawned.
    pub(crate) fn std(&self, words: &str) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_keyfold"));
        command
            .args(words.split_ascii_whitespace())
            .current_dir(self.folder())
            .env("KEYFOLD_HOME", self.path("store"))
            .env_remove("KEYFOLD_PASSPHRASE")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("written");
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file")
    }

    /// An envelope of so many bytes, and those bytes.
    pub(crate) fn sealed(&self, name: &str, len: usize) -> Vec<u8> {
        let bytes: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251).to_le_bytes()[0]).collect();
        self.write("plain", &bytes);
        let mut command = self.keyfold("encrypt --key alias/docs --force plain -o");
        command.arg(name).assert().success();
        bytes
    }

    /// What is in the folder, sorted, without the store.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name != "store")
            .collect();
        names.sort();
        names
    }
}

/// Runs a command that must fail with this exit code and this error code.
#[track_caller]
pub(crate) fn refused(command: &mut Command, exit: i32, code: &str) {
    let refused = command.arg("--json").assert().code(exit);
    let stderr = String::from_utf8(refused.get_output().stderr.clone()).expect("text");
    assert_eq!(error_code(&stderr), code, "{stderr}");
}

/// The code in a JSON error.
pub(crate) fn error_code(stderr: &str) -> String {
    let last = stderr.lines().last().unwrap_or_default();
    let error: serde_json::Value = serde_json::from_str(last).expect("an error in JSON");
    error["error"]["code"].as_str().expect("a code").to_owned()
}

/// For commands that are spawned.
pub(crate) fn finish(child: std::process::Child) -> assert_cmd::assert::Assert {
    child.wait_with_output().expect("the end").assert()
}
