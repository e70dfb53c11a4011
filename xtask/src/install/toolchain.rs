//! A Rust that builds for another target.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::apt;
use crate::run::{Workspace, capture};

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
