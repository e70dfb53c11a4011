//! The npm package, as a user gets it: what was packed, in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::{Workspace, run};
use crate::{install, npm};

const TESTS: &str = "bindings-wasm/tests";

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let keyfold = workspace.build(&[], "keyfold-cli", "keyfold")?;
    let emulator = workspace.build(&[], "keyfold-emulators", "keyfold-emulator")?;
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
    let tests = tests(workspace, &folder)?;
    for (name, mut host, loader) in hosts(workspace)? {
        println!("\n{name}, the loader `{loader}`");
        run(host
            .args(&tests)
            .current_dir(&folder)
            .env("KEYFOLD_HOST", loader)
            .env("KEYFOLD_PROJECT", &workspace.root)
            .env("KEYFOLD_NPM_TOOLS", &package.tools)
            .env("KEYFOLD_COMMAND", &keyfold)
            .env("KEYFOLD_EMULATOR", &emulator))?;
    }
    Ok(())
}

/// Who runs every test, and by which loader of the package: Deno and Bun take that of Node.js, and
/// that of pages runs in Node.js as well.
fn hosts(workspace: &Workspace) -> Result<Vec<(&'static str, Command, &'static str)>> {
    let node = || {
        let mut node = Command::new("node");
        node.arg("--test");
        node
    };
    let mut hosts = vec![("Node.js", node(), "node"), ("Node.js", node(), "web")];
    let folder = install::node(workspace, "wasm-hosts", "bindings-wasm/tests/hosts")?;
    let modules = folder.join("node_modules");
    if let Some(program) = of_platform(&modules.join("@deno"), "deno") {
        let mut deno = Command::new(program);
        deno.args(["test", "--quiet", "--allow-all", "--no-check"])
            .env("DENO_DIR", folder.join("deno"))
            .env("DENO_NO_UPDATE_CHECK", "1");
        hosts.push(("Deno", deno, "node"));
    } else {
        println!("Deno is tested on Linux, x86_64, alone: not here");
    }
    if let Some(program) = of_platform(&modules.join("@oven"), "bin/bun") {
        let mut bun = Command::new(program);
        // It ends tests after five seconds otherwise.
        bun.args(["test", "--timeout", "600000"]);
        hosts.push(("Bun", bun, "node"));
    } else {
        println!("npm has no Bun for this system: not tested with it");
    }
    Ok(hosts)
}

/// A program of whichever package npm has chosen for this system.
fn of_platform(scope: &Path, program: &str) -> Option<PathBuf> {
    let program = Path::new(program).with_extension(std::env::consts::EXE_EXTENSION);
    let packages = scope.read_dir().ok()?.filter_map(Result::ok);
    packages.map(|package| package.path().join(&program)).find(|path| path.is_file())
}

/// Copies of the tests, beside the installed package.
fn tests(workspace: &Workspace, folder: &Path) -> Result<Vec<PathBuf>> {
    let source = workspace.root.join(TESTS);
    let mut tests = Vec::new();
    for entry in fs::read_dir(&source).with_context(|| source.display().to_string())? {
        let entry = entry?;
        // Browsers, and what else runs the tests, have folders of their own.
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
