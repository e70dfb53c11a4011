//! A Rust that builds for another target.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt;
use crate::run::{Workspace, capture, find_program, succeeds};

/// What Debian calls a Rust with the sources of its standard library.
const DEBIAN: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Where Debian's Rust is, and the library's sources in it.
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library";

/// The compiler to use for a target.
pub(crate) enum Toolchain {
    /// The one in use, which has the target's standard library.
    Own,
    /// Debian's, which builds the standard library first.
    Debian,
}

impl Toolchain {
    /// The toolchain in use where it has the target; else Debian's, which is installed.
    pub(crate) fn for_target(workspace: &Workspace, target: &str) -> Result<Self> {
        if has_target(workspace, target)? {
            return Ok(Toolchain::Own);
        }
        if !(Path::new(DEBIAN_CARGO).exists() && Path::new(DEBIAN_SOURCES).exists()) {
            let otherwise = format!("run `rustup target add {target}`");
            apt(&format!("the Rust target {target}"), &DEBIAN, &otherwise)?;
        }
        Ok(Toolchain::Debian)
    }

    /// A toolchain that builds the standard library for a target from its sources, with flags of
    /// the caller's: the one in use where it has them; else Debian's, which is installed.
    pub(crate) fn with_sources(workspace: &Workspace, target: &str) -> Result<Self> {
        if has_sources(workspace)?
            || succeeds(Command::new("rustup").args(["component", "add", "rust-src"]))
                && has_sources(workspace)?
        {
            return Ok(Toolchain::Own);
        }
        if !(Path::new(DEBIAN_CARGO).exists() && Path::new(DEBIAN_SOURCES).exists()) {
            let otherwise = "run `rustup component add rust-src`";
            apt(&format!("the sources of Rust's library for {target}"), &DEBIAN, otherwise)?;
        }
        Ok(Toolchain::Debian)
    }

    /// `cargo` of this toolchain, in the workspace's folder.
    pub(crate) fn cargo(&self, workspace: &Workspace) -> Command {
        let mut command = match self {
            Toolchain::Own => workspace.cargo(),
            Toolchain::Debian => Command::new(DEBIAN_CARGO),
        };
        command.current_dir(&workspace.root);
        self.choose(workspace, &mut command);
        command
    }

    /// Lets a command that runs cargo use this toolchain.
    pub(crate) fn choose(&self, workspace: &Workspace, command: &mut Command) {
        if matches!(self, Toolchain::Debian) {
            // A folder of its own: two compilers in one would each throw out what the other has
            // built.
            command
                .env("CARGO", DEBIAN_CARGO)
                .env("RUSTC", DEBIAN_RUSTC)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_DIR", workspace.target.join("debian"));
        }
    }

    /// The standard library's flag for a build with `panic` as its way to panic.
    pub(crate) fn flags(&self, panic: &str) -> Vec<String> {
        match self {
            Toolchain::Own => Vec::new(),
            Toolchain::Debian => vec![format!("-Zbuild-std=std,panic_{panic}")],
        }
    }
}

/// Whether the toolchain in use has the target's standard library.
fn has_target(workspace: &Workspace, target: &str) -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let folder = capture(
        Command::new(rustc)
            .args(["--print", "target-libdir", "--target", target])
            .current_dir(&workspace.root),
    )?;
    Ok(Path::new(String::from_utf8(folder)?.trim()).is_dir())
}

/// Whether the toolchain in use has the sources of its standard library.
fn has_sources(workspace: &Workspace) -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let root =
        capture(Command::new(rustc).args(["--print", "sysroot"]).current_dir(&workspace.root))?;
    let root = String::from_utf8(root)?;
    Ok(Path::new(root.trim()).join("lib/rustlib/src/rust/library/Cargo.lock").is_file())
}

/// The linker for WebAssembly that this toolchain does not bring along.
pub(crate) fn wasm_linker(toolchain: &Toolchain) -> Result<Option<PathBuf>> {
    if matches!(toolchain, Toolchain::Own) {
        return Ok(None);
    }
    if find_program(is_wasm_linker).is_none() {
        let otherwise = "run `rustup target add wasm32-unknown-unknown`";
        apt("a linker for wasm32-unknown-unknown", &["lld-22"], otherwise)?;
    }
    find_program(is_wasm_linker).map(Some).context("the linker is not on the search path")
}

/// `wasm-ld`, or `wasm-ld-` and the version of LLVM.
fn is_wasm_linker(name: &str) -> bool {
    name == "wasm-ld"
        || name.strip_prefix("wasm-ld-").is_some_and(|rest| rest.parse::<u32>().is_ok())
}
