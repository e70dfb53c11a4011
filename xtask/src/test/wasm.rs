//! The check that the core compiles for a browser.

use anyhow::Result;

use crate::install::apt;
use crate::install::toolchain::Toolchain;
use crate::run::{Workspace, find_program, run};

const TARGET: &str = "wasm32-unknown-unknown";

/// The crates that a browser gets, each with its flags.
const CRATES: [&[&str]; 2] =
    [&["--package", "keyfold"], &["--package", "keyfold-kms", "--no-default-features"]];

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let toolchain = Toolchain::for_target(workspace, TARGET)?;
    let mut linker = None;
    if matches!(toolchain, Toolchain::Debian) {
        if find_program(is_wasm_linker).is_none() {
            let otherwise = "run `rustup target add wasm32-unknown-unknown`";
            apt("a linker for wasm32-unknown-unknown", &["lld-22"], otherwise)?;
        }
        linker = find_program(is_wasm_linker);
    }
    CRATES.iter().try_for_each(|flags| {
        let mut cargo = toolchain.cargo(workspace);
        cargo.arg("check").args(toolchain.flags("abort")).args(["--target", TARGET]).args(*flags);
        if let Some(linker) = &linker {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        run(&mut cargo)
    })
}

/// `wasm-ld`, or `wasm-ld-` and the version of LLVM.
fn is_wasm_linker(name: &str) -> bool {
    name == "wasm-ld"
        || name.strip_prefix("wasm-ld-").is_some_and(|rest| rest.parse::<u32>().is_ok())
}
