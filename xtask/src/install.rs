//! What a fresh machine lacks: installed where that is possible, else named.

pub(crate) mod browsers;
pub(crate) mod toolchain;

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

/// A JDK of 17 or later, and Maven.
pub(crate) fn maven() -> Result<()> {
    let otherwise = "install a JDK, 17 or later, and Maven, 3.8 or later";
    let works = || {
        succeeds(Command::new("javac").arg("-version"))
            && succeeds(Command::new("mvn").arg("--version"))
    };
    if !works() {
        apt("a JDK, or Maven,", &["openjdk-17-jdk-headless", "maven"], otherwise)?;
    }
    if works() { Ok(()) } else { bail!("a JDK or Maven is missing: {otherwise}") }
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

/// A Python of keyfold's own, in a folder under the target folder, with the packages of a list.
pub(crate) fn python(workspace: &Workspace, name: &str, requirements: &str) -> Result<PathBuf> {
    let folder = workspace.target.join(name);
    let python = in_environment(&folder, "python");
    if !succeeds(Command::new(&python).args(["-m", "pip", "--version"])) {
        make_environment(&folder)?;
    }
    run(pip(&python).arg("-r").arg(workspace.root.join(requirements)))?;
    Ok(python)
}

/// A Python with nothing installed, whatever was in its folder before.
pub(crate) fn fresh_python(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let folder = workspace.target.join(name);
    make_environment(&folder)?;
    Ok(in_environment(&folder, "python"))
}

/// `pip install` of a Python.
pub(crate) fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command
}

fn make_environment(folder: &Path) -> Result<()> {
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        let otherwise = "install Python 3.9 or later with its `venv` module";
        apt("python3 with venv", &["python3", "python3-venv"], otherwise)?;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
}

/// A program of a virtual environment.
fn in_environment(folder: &Path, name: &str) -> PathBuf {
    if cfg!(windows) {
        folder.join("Scripts").join(name).with_extension("exe")
    } else {
        folder.join("bin").join(name)
    }
}

/// [`python`] for packages that need Python 3.11.
pub(crate) fn new_python(workspace: &Workspace, name: &str, requirements: &str) -> Result<PathBuf> {
    const NEW: &str = "import sys; sys.exit(sys.version_info < (3, 11))";
    if find_program(|name| name == "python3").is_some()
        && !succeeds(Command::new("python3").args(["-c", NEW]))
    {
        bail!("python3 is too old: install Python 3.11 or later, which boto3 and moto need");
    }
    python(workspace, name, requirements)
}

/// moto's server, which imitates AWS.
pub(crate) fn moto(workspace: &Workspace) -> Result<PathBuf> {
    let python = new_python(workspace, "moto", "tests/clients/requirements-moto.txt")?;
    Ok(python.with_file_name("moto_server"))
}

/// `openssl`, the command.
pub(crate) fn openssl() -> Result<()> {
    if find_program(|name| name == "openssl").is_some() {
        return Ok(());
    }
    apt("openssl", &["openssl"], "install OpenSSL's command")
}

/// Node.js with npm.
pub(crate) fn nodejs() -> Result<()> {
    const NEW: &str = "process.exit(Number(process.versions.node.split('.')[0]) < 20 ? 1 : 0)";
    let ready = || find_program(|name| matches!(name, "npm" | "npm.cmd")).is_some();
    if !ready() {
        let otherwise = "install Node.js 20 or later with npm";
        apt("Node.js with npm", &["nodejs", "npm"], otherwise)?;
    }
    if !succeeds(Command::new("node").args(["-e", NEW])) {
        bail!("Node.js is too old: install version 20 or later");
    }
    Ok(())
}

/// The programs of a folder of the project beside the packages that its lock file names, in a
/// folder under the target folder.
pub(crate) fn node(workspace: &Workspace, name: &str, source: &str) -> Result<PathBuf> {
    nodejs()?;
    let folder = workspace.target.join(name);
    std::fs::create_dir_all(&folder)?;
    let lock = |folder: &Path| std::fs::read(folder.join("package-lock.json")).ok();
    let source = workspace.root.join(source);
    let installed = folder.join("node_modules").is_dir() && lock(&folder) == lock(&source);
    mirror(&source, &folder)?;
    if !installed {
        run(npm(&folder).args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]))?;
    }
    Ok(folder)
}

/// As [`node`], for a suite that starts browsers: what all of these share is its folder `web`.
pub(crate) fn web(workspace: &Workspace, name: &str, source: &str) -> Result<PathBuf> {
    let folder = node(workspace, name, source)?;
    let web = folder.join("web");
    std::fs::create_dir_all(&web)?;
    mirror(&workspace.root.join("tests/web"), &web)?;
    Ok(folder)
}

/// `npm` in a folder.
pub(crate) fn npm(folder: &Path) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(folder);
    command
}

/// Adds a package that was built here to such a folder. No lock file names it, and a new one may
/// have the version of the old one.
pub(crate) fn add(folder: &Path, package: &Path) -> Result<()> {
    let installed = folder.join("node_modules/keyfold");
    if installed.exists() {
        std::fs::remove_dir_all(installed)?;
    }
    run(npm(folder)
        .args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"])
        .arg(package))
}

/// Copies what is in a folder over what is in another. Folders become the same: a file that is
/// gone from one must not stay in a build.
fn mirror(from: &Path, to: &Path) -> Result<()> {
    for entry in from.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        if !entry.file_type()?.is_dir() {
            std::fs::copy(entry.path(), to.join(name))?;
        } else if name != "node_modules" {
            let to = to.join(name);
            if to.is_dir() {
                std::fs::remove_dir_all(&to)?;
            }
            std::fs::create_dir_all(&to)?;
            mirror(&entry.path(), &to)?;
        }
    }
    Ok(())
}

/// wasm-bindgen's command, of the very version of the crate, in a folder under the target folder.
pub(crate) fn wasm_bindgen(workspace: &Workspace) -> Result<PathBuf> {
    let lock: toml::Table = std::fs::read_to_string(workspace.root.join("Cargo.lock"))?.parse()?;
    let packages = lock["package"].as_array().context("Cargo.lock has no packages")?;
    let version = packages
        .iter()
        .find(|package| package["name"].as_str() == Some("wasm-bindgen"))
        .and_then(|package| package["version"].as_str())
        .context("Cargo.lock names no wasm-bindgen")?;
    let folder = workspace.target.join("npm-tools/cargo");
    let program =
        folder.join("bin").join("wasm-bindgen").with_extension(std::env::consts::EXE_EXTENSION);
    let is_it = capture(Command::new(&program).arg("--version"))
        .is_ok_and(|said| said.trim_ascii().ends_with(version.as_bytes()));
    if !is_it {
        run(workspace
            .cargo()
            .args(["install", "wasm-bindgen-cli", "--force", "--version", version, "--root"])
            .arg(&folder)
            .env("CARGO_TARGET_DIR", workspace.target.join("npm-tools/build")))?;
    }
    Ok(program)
}
