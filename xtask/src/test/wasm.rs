//! The check that the core compiles for a browser.

use anyhow::Result;

use crate::install::toolchain::{Toolchain, wasm_linker};
use crate::run::{Workspace, run};

const TARGET: &str = "wasm32-unknown-unknown";

/// The crates that a browser gets, each with its flags.
const CRATES: [&[&str]; 2] =
    [&["--package", "keyfold"], &["--package", "keyfold-kms", "--no-default-features"]];

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let toolchain = Toolchain::for_target(workspace, TARGET)?;
    let linker = wasm_linker(&toolchain)?;
    CRATES.iter().try_for_each(|flags| {
        let mut cargo = toolchain.cargo(workspace);
        cargo.arg("check").args(toolchain.flags("abort")).args(["--target", TARGET]).args(*flags);
        if let Some(linker) = &linker {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        run(&mut cargo)
    })
}
