//! `cargo xtask swift-package`: the Swift package, whole, in a folder where `swift test` needs
//! nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::kotlin;
use crate::run::{Workspace, run};

/// What is written by hand.
const FOLDER: &str = "bindings-kotlin/swift";

/// What the tests of all languages share, as the package's tests look for it.
const SHARED: [&str; 3] =
    ["tests/vectors/valid.json", "tests/vectors/hostile.json", "docs/spec/errors.md"];

/// Says that a folder was made here, and may be made anew.
const MARK: &str = ".keyfold-swift-package";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to put it: a folder that is empty, or absent, or was made by this command.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The profile of the native library: `mobile`, which is published, or `dev`, which is quick to
    /// build.
    #[arg(long, default_value = "mobile")]
    profile: String,
}

pub(crate) fn swift_package(workspace: &Workspace, args: &Args) -> Result<()> {
    assemble(workspace, &args.folder, &args.profile)?;
    println!("\n{}: run `swift test` there", args.folder.display());
    Ok(())
}

/// Puts the package together.
pub(crate) fn assemble(workspace: &Workspace, folder: &Path, profile: &str) -> Result<()> {
    let source = workspace.root.join(FOLDER);
    empty(folder)?;
    for part in ["Package.swift", "README.md", "Sources", "Tests"] {
        copy(&source.join(part), &folder.join(part))?;
    }
    for file in SHARED {
        let file = workspace.root.join(file);
        copy(&file, &folder.join("vectors").join(file.file_name().context("a file has a name")?))?;
    }

    // Before the library: one of the profile `dev` is in the same place as what the glue is read of.
    let generated = workspace.target.join("swift-glue");
    kotlin::glue(workspace, "swift", &generated)?;
    for (file, module) in [("KeyfoldGlue.swift", "KeyfoldGlue"), ("KeyfoldFFI.h", "KeyfoldFFI")] {
        copy(&generated.join(file), &folder.join("Sources").join(module).join(file))?;
    }
    let library = kotlin::library(workspace, profile)?;
    let name = library.file_name().context("a library has a name")?;
    let native = folder.join("native").join(name);
    copy(&library, &native)?;
    if cfg!(target_os = "macos") {
        // It bears the path where cargo put it; programs are to look for it where they are told.
        let id = format!("@rpath/{}", name.to_string_lossy());
        run(std::process::Command::new("install_name_tool").args(["-id", &id]).arg(&native))?;
    }
    Ok(())
}

/// Makes an empty folder with the mark, out of none, an empty one, or one with the mark.
fn empty(folder: &Path) -> Result<()> {
    let mark = folder.join(MARK);
    if folder.exists() && folder.read_dir()?.next().is_some() {
        ensure!(mark.exists(), "{} has something else in it", folder.display());
        for entry in folder.read_dir()? {
            let entry = entry?;
            // What Swift built before is of use again.
            match entry.file_name().to_str() {
                Some(".build") => {}
                _ if entry.file_type()?.is_dir() => fs::remove_dir_all(entry.path())?,
                _ => fs::remove_file(entry.path())?,
            }
        }
    }
    fs::create_dir_all(folder)?;
    Ok(fs::write(mark, "")?)
}

/// Copies a file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = || -> Result<()> {
        if from.is_dir() {
            for entry in from.read_dir()? {
                let entry = entry?;
                copy(&entry.path(), &to.join(entry.file_name()))?;
            }
        } else if from.is_file() {
            fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
            fs::copy(from, to)?;
        } else {
            bail!("there is no such file");
        }
        Ok(())
    };
    copied().with_context(|| from.display().to_string())
}
