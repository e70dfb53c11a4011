//! The console in real browsers, against a real server.

use std::process::Command;

use anyhow::Result;

use crate::install::{self, browsers};
use crate::run::{Workspace, run};

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let chromium = browsers::chromium()?;
    let firefox = browsers::firefox()?;
    let page = crate::console::page(workspace)?;
    run(install::npm(&workspace.target.join("console-build")).args(["run", "format"]))?;
    let keyfold = crate::console::command(workspace, &[], &page)?;
    let tests = install::web(workspace, "console-tests", "console/tests")?;
    let screenshots = workspace.target.join("console-screenshots");
    std::fs::create_dir_all(&screenshots)?;
    run(Command::new("node")
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(["console.test.mjs", "data.test.mjs", "looks.test.mjs", "firefox.test.mjs"])
        .current_dir(tests)
        .env("KEYFOLD_COMMAND", keyfold)
        .env("KEYFOLD_CHROMIUM", chromium)
        .env("KEYFOLD_FIREFOX", firefox)
        .env("KEYFOLD_SCREENSHOTS", screenshots))
}
