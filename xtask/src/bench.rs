//! `cargo xtask bench`: builds what is measured, then lets the suite measure it.

use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use crate::install::{self, browsers};
use crate::run::{Workspace, run};
use crate::{npm, wheel};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The suites to run; all of them when none is named.
    suites: Vec<Suite>,
    /// Measure for a moment only: to see that a suite works, not for figures to quote.
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// The library against the bare ciphers.
    Core,
    /// The command line, whole process, against a loop with no format.
    Cli,
    /// The server under load, against moto_server and a handler that answers a constant.
    Server,
    /// The providers of the clouds: signing and reading a call, and how many calls there are.
    Providers,
    /// The Python package against its peers from PyPI.
    Python,
    /// The npm package against its peers, in Chromium, Firefox and Node.
    Browser,
    /// The library for Kotlin and Java against its peers from Maven Central, by JMH.
    Kotlin,
}

pub(crate) fn bench(workspace: &Workspace, args: &Args) -> Result<()> {
    // The reference, aws-lc-rs, is C and assembly.
    install::c_compiler(workspace)?;
    let suites = if args.suites.is_empty() { Suite::value_variants() } else { &args.suites };
    for suite in suites {
        let mut command = suite.command(workspace)?;
        command.arg("--out").arg(workspace.target.join("bench"));
        if args.quick {
            command.arg("--quick");
        }
        run(&mut command)?;
    }
    Ok(())
}

impl Suite {
    /// The program that measures, after what it measures has been built.
    fn command(self, workspace: &Workspace) -> Result<Command> {
        let rust = |suite: &str| {
            let mut command = workspace.cargo();
            command.args(["run", "--release", "--package", "keyfold-benches", "--", suite]);
            command
        };
        let keyfold = || workspace.build_release("keyfold-cli", "keyfold");
        Ok(match self {
            Suite::Core => rust("core"),
            Suite::Cli => {
                let mut command = rust("cli");
                command.arg("--keyfold").arg(keyfold()?);
                command
            }
            Suite::Server => {
                install::postgres()?;
                let mut command = rust("server");
                command.arg("--keyfold").arg(keyfold()?);
                command.arg("--moto").arg(install::moto(workspace)?);
                command
            }
            Suite::Providers => rust("providers"),
            Suite::Python => {
                let mut command = python(workspace)?;
                command.arg("--keyfold").arg(keyfold()?);
                command
            }
            Suite::Browser => browser(workspace)?,
            Suite::Kotlin => {
                let mut command = kotlin(workspace)?;
                command.arg("--keyfold").arg(keyfold()?);
                command
            }
        })
    }
}

/// The suite in Python, in an environment with the wheel and the peers.
fn python(workspace: &Workspace) -> Result<Command> {
    const PEERS: &str = "benches/python/requirements.txt";
    let wheel = wheel::host(workspace)?;
    let python = install::python(workspace, "bench-python", PEERS)?;
    run(install::pip(&python).args(["--force-reinstall", "--no-deps"]).arg(&wheel))?;
    // The peers' own wheels, for their sizes.
    let wheels = workspace.target.join("bench-python").join("wheels");
    run(Command::new(&python)
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary", ":all:", "--dest"])
        .arg(&wheels)
        .arg("-r")
        .arg(workspace.root.join(PEERS)))?;
    let mut command = Command::new(python);
    command
        .arg(workspace.root.join("benches/python"))
        .arg("--wheel")
        .arg(wheel)
        .arg("--wheels")
        .arg(wheels)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// The suite in JavaScript, beside the package and the peers.
fn browser(workspace: &Workspace) -> Result<Command> {
    const FOLDER: &str = "bench-browser";
    let package = npm::npm(workspace)?.packed;
    let main = install::web(workspace, "bench-browser/main", "benches/browser")?;
    install::add(&main, &package)?;
    // The two of AWS, installed together, break each other.
    for peer in ["aws-browser", "aws-node"] {
        let source = format!("benches/browser/{peer}");
        install::node(workspace, &format!("{FOLDER}/{peer}"), &source)?;
    }
    let mut command = Command::new("node");
    command
        .arg("--expose-gc")
        .arg(main.join("main.js"))
        .arg("--work")
        .arg(workspace.target.join(FOLDER))
        .arg("--chromium")
        .arg(browsers::chromium()?)
        .arg("--firefox")
        .arg(browsers::firefox()?);
    Ok(command)
}

/// The suite in Java, with all that it needs on the class path.
fn kotlin(workspace: &Workspace) -> Result<Command> {
    install::maven()?;
    // One figure of the suites in Rust is what the library can reach at most.
    let rust = workspace.build_release("keyfold-benches", "keyfold-benches")?;
    let folder = workspace.root.join("benches/kotlin");
    run(Command::new("mvn")
        .args(["--batch-mode", "--quiet", "--file"])
        .arg(&folder)
        .args(["package", "--projects", ":keyfold-benches-suite", "--also-make"])
        .args(["-DskipTests", &format!("-Dcorretto.platform={}", corretto_platform())])
        // Maven calls cargo.
        .env("CARGO_TARGET_DIR", &workspace.target))?;
    let built = folder.join("suite/target");
    // The JVM itself reads the asterisk.
    let path = std::env::join_paths([built.join("classes"), built.join("libraries").join("*")])?;
    let mut command = Command::new("java");
    command.arg("-cp").arg(path).args(["bench.Main", "--rust"]).arg(rust);
    Ok(command)
}

/// What Corretto's crypto provider calls this machine.
fn corretto_platform() -> String {
    let system = if cfg!(target_os = "macos") { "osx" } else { "linux" };
    let processor = if cfg!(target_arch = "aarch64") { "aarch_64" } else { "x86_64" };
    format!("{system}-{processor}")
}
