//! The npm package in real browsers, as a page gets it: packed, bundled, under a strict policy,
//! against a real server.

use std::process::Command;

use anyhow::Result;

use crate::install::{self, browsers};
use crate::npm;
use crate::run::{Workspace, run};

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let chromium = browsers::chromium()?;
    let firefox = browsers::firefox()?;
    let keyfold = workspace.build(&[], "keyfold-cli", "keyfold")?;
    let package = npm::npm(workspace)?.packed;
    // Elsewhere, so that nothing of the source tree can be imported in place of the package.
    let tests = install::web(workspace, "browser-tests", "bindings-wasm/tests/browser")?;
    install::add(&tests, &package)?;
    run(Command::new("node")
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(["bundlers.test.js", "chromium.test.js", "firefox.test.js"])
        .current_dir(tests)
        .env("KEYFOLD_COMMAND", keyfold)
        .env("KEYFOLD_CHROMIUM", chromium)
        .env("KEYFOLD_FIREFOX", firefox)
        .env("KEYFOLD_VECTORS", workspace.root.join("tests").join("vectors")))
}
