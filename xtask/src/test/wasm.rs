//! The check that the core compiles for a browser.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::install;
use crate::run::{Workspace, capture, find_program, run};

const TARGET: &str = "wasm32-unknown-unknown";

/// What Debian calls a Rust that can build the standard library for wasm.
const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];

/// The crates that a browser gets, each with its flags.
const CRATES: [&[&str]; 2] =
    [&["--package", "keyfold"], &["--package", "keyfold-kms", "--no-default-features"]];

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    if has_target(workspace)? {
        return CRATES.iter().try_for_each(|flags| {
            run(workspace.cargo().args(["check", "--target", TARGET]).args(*flags))
        });
    }
    if find_program(is_wasm_linker).is_none() || !Path::new("/usr/bin/cargo").exists() {
        let otherwise = "run `rustup target add wasm32-unknown-unknown`";
        install::apt("the Rust target wasm32-unknown-unknown", &DEBIAN, otherwise)?;
    }
    let linker = find_program(is_wasm_linker).unwrap_or_else(|| "wasm-ld".into());
    CRATES.iter().try_for_each(|flags| {
        run(debian_cargo(workspace, &linker)
            .args(["check", "-Zbuild-std=std,panic_abort", "--target", TARGET])
            .args(*flags))
    })
}

/// Whether the toolchain in use has the target's standard library.
fn has_target(workspace: &Workspace) -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let folder = capture(
        Command::new(rustc)
            .args(["--print", "target-libdir", "--target", TARGET])
            .current_dir(&workspace.root),
    )?;
    Ok(Path::new(String::from_utf8(folder)?.trim()).is_dir())
}

/// Debian's own toolchain. It has a folder of its own, because two compilers in one would each
/// throw out what the other has built.
fn debian_cargo(workspace: &Workspace, linker: &Path) -> Command {
    let mut command = Command::new("/usr/bin/cargo");
    command
        .current_dir(&workspace.root)
        .env_remove("CARGO")
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
        .env("CARGO_TARGET_DIR", workspace.target.join("debian"));
    command
}

/// `wasm-ld`, or `wasm-ld-` and the version of LLVM.
fn is_wasm_linker(name: &str) -> bool {
    name == "wasm-ld"
        || name.strip_prefix("wasm-ld-").is_some_and(|rest| rest.parse::<u32>().is_ok())
}
