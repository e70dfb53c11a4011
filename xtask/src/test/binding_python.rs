//! The Python package, as a user gets it: its wheel in an environment of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::install;
use crate::run::{Workspace, run};
use crate::wheel;

const FOLDER: &str = "bindings-python";

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    // pyright is a JavaScript program, in a package on PyPI.
    install::nodejs()?;
    let keyfold = workspace.build(&[], "keyfold-cli", "keyfold")?;
    let emulator = workspace.build(&[], "keyfold-emulators", "keyfold-emulator")?;
    let wheel = wheel::host(workspace)?;
    let python = install::fresh_python(workspace, "binding-python")?;
    let tests = workspace.root.join(FOLDER).join("tests");
    let mut install = install::pip(&python);
    install.arg(wheel);
    for list in lists(&tests)? {
        install.arg("-r").arg(list);
    }
    run(&mut install)?;

    // Elsewhere, so that nothing of the source tree can be imported in place of the wheel.
    let elsewhere = tempfile::tempdir()?;
    run(Command::new(&python)
        .args(["-m", "pytest", "-r", "s", "-p", "no:cacheprovider", "-c"])
        .arg(workspace.root.join(FOLDER).join("pyproject.toml"))
        .arg(tests)
        .current_dir(elsewhere.path())
        .env("KEYFOLD_COMMAND", keyfold)
        .env("KEYFOLD_EMULATOR", emulator)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYRIGHT_PYTHON_IGNORE_WARNINGS", "1")
        .env("PYRIGHT_PYTHON_CACHE_DIR", workspace.target.join("pyright")))?;
    wheel::sdist(workspace)
}

/// What the tests need: `requirements*.txt` beside them.
fn lists(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut lists = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("requirements") && name.ends_with(".txt") {
            lists.push(entry.path());
        }
    }
    lists.sort();
    Ok(lists)
}
