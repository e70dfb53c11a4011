//! The npm package, as a user gets it: what was packed, in a folder of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{Workspace, run};
use crate::{install, npm};

const TESTS: &str = "bindings-wasm/tests";

/// The loaders of the package, each of which passes every test in Node.js.
const HOSTS: [&str; 2] = ["node", "web"];

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let keyfold = workspace.build(&[], "keyfold-cli", "keyfold")?;
    let package = npm::npm(workspace)?;
    run(npm::program(&package.tools, "prettier")
        .args(["--check", "--log-level", "warn", "--config", ".prettierrc.json"])
        .args(["js", "tests", "build.mjs", "sizes.mjs", "../tests/web", "../benches/browser"])
        .current_dir(workspace.root.join("bindings-wasm")))?;

    // Elsewhere, so that nothing of the source tree can be imported in place of the package.
    let folder = workspace.target.join("binding-wasm");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.json"), r#"{ "private": true, "type": "module" }"#)?;
    install::add(&folder, &package.packed)?;
    for host in HOSTS {
        println!("\nthe loader `{host}`");
        run(Command::new("node")
            .arg("--test")
            .args(tests(workspace, &folder)?)
            .current_dir(&folder)
            .env("KEYFOLD_HOST", host)
            .env("KEYFOLD_PROJECT", &workspace.root)
            .env("KEYFOLD_NPM_TOOLS", &package.tools)
            .env("KEYFOLD_COMMAND", &keyfold))?;
    }
    Ok(())
}

/// Copies of the tests, beside the installed package.
fn tests(workspace: &Workspace, folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    let source = workspace.root.join(TESTS);
    let mut tests = Vec::new();
    for entry in fs::read_dir(&source).with_context(|| source.display().to_string())? {
        let entry = entry?;
        // The browsers have a folder of their own.
        if !entry.file_type()?.is_file() {
            continue;
        }
        let copy = folder.join(entry.file_name());
        fs::copy(entry.path(), &copy)?;
        if copy.to_string_lossy().ends_with(".test.mjs") {
            tests.push(copy);
        }
    }
    tests.sort();
    Ok(tests)
}
