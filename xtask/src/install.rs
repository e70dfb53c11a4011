//! What a fresh machine lacks: installed where that is possible, else named.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{Workspace, capture, find_program, run, succeeds};

#[path = "../../tests/src/postgres/programs.rs"]
mod programs;

/// Installs Debian packages as root, or says how to get the thing.
///
/// `missing` completes the sentence "… is missing"; `otherwise` tells others what to do.
pub(crate) fn apt(missing: &str, packages: &[&str], otherwise: &str) -> Result<()> {
    let list = packages.join(" ");
    if find_program(|name| name == "apt-get").is_none() {
        bail!("{missing} is missing: {otherwise}");
    }
    if capture(Command::new("id").arg("-u"))?.trim_ascii() != b"0" {
        bail!("{missing} is missing: {otherwise} (here, as root: apt-get install {list})");
    }
    println!("{missing} is missing: installing {list}");
    // Another process may hold the package database for a while.
    let lock = ["-o", "DPkg::Lock::Timeout=400"];
    run(Command::new("apt-get").arg("update").arg("--quiet").args(lock))?;
    run(Command::new("apt-get")
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(lock)
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
    .with_context(|| format!("{missing} is missing: {otherwise}"))
}

/// A PostgreSQL server, which the tests start for themselves.
pub(crate) fn postgres() -> Result<()> {
    let otherwise = "install the PostgreSQL server, 14 or later, with openssl, or name the folder \
                     of its programs in KEYFOLD_POSTGRES_BIN";
    if programs::programs().is_none() {
        apt("PostgreSQL", &["postgresql", "openssl"], otherwise)?;
    }
    if programs::programs().is_none() {
        bail!("PostgreSQL is missing: {otherwise}");
    }
    Ok(())
}

/// A C compiler with its headers: SQLite is compiled from source.
pub(crate) fn c_compiler(workspace: &Workspace) -> Result<()> {
    let scratch = workspace.target.join("xtask");
    std::fs::create_dir_all(&scratch)?;
    let source = scratch.join("probe.c");
    std::fs::write(&source, "#include <stdlib.h>\nint main(void) { return 0; }\n")?;
    let works = || {
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        succeeds(
            Command::new(compiler).arg("-c").arg(&source).arg("-o").arg(scratch.join("probe.o")),
        )
    };
    // On Windows the `cc` crate finds Visual Studio by itself; no name on the path says so.
    if cfg!(windows) || works() {
        return Ok(());
    }
    let otherwise = "install gcc or clang with the C library's headers, or set CC";
    apt("a working C compiler (SQLite is built from source)", &["gcc", "libc6-dev"], otherwise)?;
    if works() {
        Ok(())
    } else {
        bail!("the C compiler cannot compile a small program: {otherwise}")
    }
}

/// A component of the Rust toolchain, `rustfmt` or `clippy`, that cargo runs as `command`.
pub(crate) fn rust_component(workspace: &Workspace, component: &str, command: &str) -> Result<()> {
    if succeeds(workspace.cargo().args([command, "--version"])) {
        return Ok(());
    }
    println!("{component} is missing");
    run(Command::new("rustup").args(["component", "add", component]))
        .with_context(|| format!("install {component} for the Rust toolchain in use"))
}

/// A Python of keyfold's own, under the target folder, with the packages of a list.
pub(crate) fn python(workspace: &Workspace, requirements: &Path) -> Result<PathBuf> {
    let ready = || succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]));
    if !ready() {
        let otherwise = "install Python 3.9 or later with its `venv` module";
        apt("python3 with venv", &["python3", "python3-venv"], otherwise)?;
    }
    let folder = workspace.target.join("python");
    let python = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
    let python = folder.join(python);
    if !succeeds(Command::new(&python).args(["-m", "pip", "--version"])) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    }
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(requirements))?;
    Ok(python)
}
