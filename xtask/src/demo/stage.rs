//! Commands shown as they would be typed, and claims counted as they are checked.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::run::{find_program, line, quote};

/// A heading of the story.
pub(super) fn chapter(title: &str) {
    println!("\n# {title}");
}

/// A folder with a store in it, and the program that works on both.
pub(super) struct Stage {
    program: PathBuf,
    folder: PathBuf,
    commands: u32,
    checks: u32,
}

impl Stage {
    pub(super) fn new(program: PathBuf, folder: &Path) -> Self {
        println!("\n$ cd {}", quote(folder.as_os_str()));
        println!("$ export KEYFOLD_HOME=$PWD/store");
        Stage { program, folder: folder.to_owned(), commands: 0, checks: 0 }
    }

    /// Where a name of the story is on disk.
    pub(super) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    /// A `keyfold` command line, split at spaces; what may contain spaces is added by `arg`.
    pub(super) fn keyfold(&self, words: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words.split_ascii_whitespace())
            .current_dir(&self.folder)
            .env("KEYFOLD_HOME", self.path("store"))
            // The caller's own store is none of the demo's business.
            .env_remove("KEYFOLD_ROOT_FILE")
            .env_remove("KEYFOLD_PASSPHRASE_FILE")
            .env_remove("KEYFOLD_PASSPHRASE")
            .stdin(Stdio::null());
        command
    }

    /// Shows and runs a command that must succeed.
    pub(super) fn run(&mut self, mut command: Command) -> Result<()> {
        self.announce(&command, "");
        let status = command.status().with_context(|| line(&command))?;
        ensure!(status.success(), "{status} from: {}", line(&command));
        Ok(())
    }

    /// The same with a file as standard input.
    pub(super) fn run_with_input(&mut self, mut command: Command, input: &Path) -> Result<()> {
        self.announce(&command, &format!(" < {}", quote(input.as_os_str())));
        command.stdin(File::open(self.path(input))?);
        let status = command.status().with_context(|| line(&command))?;
        ensure!(status.success(), "{status} from: {}", line(&command));
        Ok(())
    }

    /// The same, returning what the command wrote; the beginning of it is shown.
    pub(super) fn output(&mut self, mut command: Command) -> Result<Vec<u8>> {
        self.announce(&command, "");
        let output = command
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", line(&command)))?;
        ensure!(output.status.success(), "{} from: {}", output.status, line(&command));
        let shown = &output.stdout[..output.stdout.len().min(60)];
        let more = if shown.len() < output.stdout.len() { " …" } else { "" };
        println!("{}{more}", String::from_utf8_lossy(shown).escape_debug());
        println!("  {} bytes", output.stdout.len());
        Ok(output.stdout)
    }

    /// Shows and runs a command that must fail with this exit code (docs/cli.md).
    pub(super) fn refused(&mut self, mut command: Command, code: i32) -> Result<()> {
        self.announce(&command, "");
        let status = command.status().with_context(|| line(&command))?;
        if status.code() != Some(code) {
            bail!("{status}, not {code}, from: {}", line(&command));
        }
        self.check(&format!("refused, exit code {code}"), true)
    }

    /// Counts a claim, or ends the demo with it.
    pub(super) fn check(&mut self, claim: &str, holds: bool) -> Result<()> {
        ensure!(holds, "this does not hold: {claim}");
        self.checks += 1;
        println!("  ✓ {claim}");
        Ok(())
    }

    /// SHA-256 of the last bytes of a file, by a program that knows nothing of keyfold.
    pub(super) fn hash_of_end(&mut self, file: &Path, len: u64) -> Result<String> {
        let hasher = if find_program(|name| name == "sha256sum").is_some() {
            "sha256sum"
        } else {
            "shasum -a 256"
        };
        println!("$ tail -c {len} {} | {hasher}", quote(file.as_os_str()));
        self.commands += 1;
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("tail -c \"$1\" \"$2\" | {hasher}"))
            .arg("sh")
            .arg(len.to_string())
            .arg(file)
            .current_dir(&self.folder)
            .stderr(Stdio::inherit())
            .output()
            .context("the proof needs `sh`, `tail` and `sha256sum` or `shasum`")?;
        let hash = String::from_utf8(output.stdout)?;
        print!("{hash}");
        // An empty answer would equal another empty answer.
        let digits = hash.split_ascii_whitespace().next().unwrap_or_default();
        ensure!(digits.len() == 64, "{hasher} gave no hash");
        Ok(digits.to_owned())
    }

    pub(super) fn tally(&self) -> String {
        format!("{} commands, {} checks", self.commands, self.checks)
    }

    fn announce(&mut self, command: &Command, redirection: &str) {
        println!("$ {}{redirection}", line(command));
        self.commands += 1;
    }
}
