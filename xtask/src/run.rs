//! Where things are, and how a command is run so that a reader can repeat it.

use std::borrow::Cow;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// This repository, as cargo sees it.
pub(crate) struct Workspace {
    /// The folder of the top `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where builds go; `target/` unless the caller chose another.
    pub(crate) target: PathBuf,
    packages: Vec<Value>,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn locate() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(cargo_program());
        command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(here);
        let metadata: Value = serde_json::from_slice(&capture(&mut command)?)?;
        let folder = |name: &str| {
            metadata[name].as_str().map(PathBuf::from).with_context(|| format!("no {name}"))
        };
        Ok(Workspace {
            root: folder("workspace_root")?,
            target: folder("target_directory")?,
            packages: metadata["packages"].as_array().cloned().unwrap_or_default(),
        })
    }

    /// `cargo`, in the workspace's folder.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(cargo_program());
        command.current_dir(&self.root);
        command
    }

    /// The target that the toolchain in use builds for.
    pub(crate) fn host(&self) -> Result<String> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let words = ["--print", "host-tuple"];
        let host = capture(Command::new(rustc).args(words).current_dir(&self.root))?;
        Ok(String::from_utf8(host)?.trim().to_owned())
    }

    /// The names of a package's integration tests.
    pub(crate) fn integration_tests(&self, package: &str) -> Result<Vec<&str>> {
        let package = self
            .packages
            .iter()
            .find(|candidate| candidate["name"] == package)
            .with_context(|| format!("no package {package} in this workspace"))?;
        let targets = package["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(targets
            .iter()
            .filter(|target| target["kind"][0] == "test")
            .filter_map(|target| target["name"].as_str())
            .collect())
    }

    /// Builds a release binary and says where it is.
    pub(crate) fn build_release(&self, package: &str, bin: &str) -> Result<PathBuf> {
        self.build(&["--release"], package, bin)
    }

    /// Builds a binary with some options and says where it is.
    pub(crate) fn build(&self, options: &[&str], package: &str, bin: &str) -> Result<PathBuf> {
        self.build_with(options, package, bin, &[])
    }

    /// [`Workspace::build`], with paths in the environment.
    pub(crate) fn build_with(
        &self,
        options: &[&str],
        package: &str,
        bin: &str,
        paths: &[(&str, &Path)],
    ) -> Result<PathBuf> {
        let mut command = self.cargo();
        command.arg("build").args(options).args(["--package", package, "--bin", bin]);
        command.envs(paths.iter().copied());
        run(&mut command)?;
        // Cargo names the file itself: its place depends on the target and the platform.
        command.arg("--message-format=json").stderr(Stdio::null());
        String::from_utf8(capture(&mut command)?)?
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|message| message["target"]["name"] == bin)
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .with_context(|| format!("cargo built {bin} and did not say where"))
    }
}

/// The cargo that runs this program, so that a toolchain named on the command line stays.
fn cargo_program() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Echoes a command, runs it with this terminal, and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", show(command));
    let status = command.status().with_context(|| format!("cannot start {}", show(command)))?;
    if !status.success() {
        bail!("{status} from: {}", show(command));
    }
    Ok(())
}

/// What a command prints on standard output; fails if it fails.
pub(crate) fn capture(command: &mut Command) -> Result<Vec<u8>> {
    command.stdout(Stdio::piped()).stdin(Stdio::null());
    let output = command
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .with_context(|| format!("cannot start {}", show(command)))?;
    if !output.status.success() {
        bail!("{} from: {}", output.status, show(command));
    }
    Ok(output.stdout)
}

/// Whether a command runs and succeeds; it prints nothing.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A command as one would type it, variables in front.
fn show(command: &Command) -> String {
    let variables =
        command.get_envs().filter_map(|(name, value)| Some((name, value?))).map(|(name, value)| {
            match env::split_paths(value).next() {
                // Programs are looked for in one more folder.
                Some(first) if name == "PATH" => {
                    format!("PATH={}:$PATH ", quote(first.as_os_str()))
                }
                _ => format!("{}={} ", name.display(), quote(value)),
            }
        });
    variables.collect::<String>() + &line(command)
}

/// A command as one would type it, without its variables and without the program's folder.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_stem().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args()).map(quote);
    words.collect::<Vec<_>>().join(" ")
}

/// One word, quoted for a shell where it must be.
pub(crate) fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    // `name=value` needs no quotes behind a command, though in front of one it would.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    shlex::try_quote(&word).map_or_else(|_| word.to_string(), Cow::into_owned)
}

/// The first program of these names on the search path.
pub(crate) fn find_program(accept: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .filter_map(|folder| folder.read_dir().ok())
        .flatten()
        .flatten()
        .find(|entry| entry.file_name().to_str().is_some_and(&accept))
        .map(|entry| entry.path())
}
