//! `cargo xtask kotlin`: what Maven packs beside the Kotlin sources.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::run::{Workspace, run};
use crate::snippets;
use crate::wheel::SQLITE;

pub(crate) const CRATE: &str = "keyfold-uniffi";

/// A larger library needs a reason. Bytes, of a library that is published; 2.5 MB is the goal.
pub(crate) const LIMIT: u64 = 3_900_000;

/// The same for the JVM's, which has the clouds that phones reach through a server.
const LIMIT_WITH_CLOUDS: u64 = 4_800_000;

/// What the library for this machine has, and a phone's has not.
const FEATURES: &str = "clouds";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The profile of the library: `mobile`, which is published, or `dev`, which is quick to build.
    #[arg(long, default_value = "mobile")]
    profile: String,
    /// Where to put it: `kotlin/` is the glue, `native/` has the library where JNA looks for it,
    /// `snippets/` what the README shows.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

pub(crate) fn kotlin(workspace: &Workspace, args: &Args) -> Result<()> {
    // First: a library of the profile `dev` is in the same place.
    glue(workspace, "kotlin", &args.out.join("kotlin"))?;
    snippets::write(workspace, &args.out.join("snippets"))?;
    let library = library(workspace, &args.profile)?;
    if args.profile == "mobile" {
        let size = fs::metadata(&library)?.len();
        println!("{} ({size} bytes; the limit is {LIMIT_WITH_CLOUDS})", library.display());
        ensure!(size <= LIMIT_WITH_CLOUDS, "{} is too large: {size} bytes", library.display());
    }
    let folder = args.out.join("native").join(jna_platform()?);
    fs::create_dir_all(&folder)?;
    let name = library.file_name().context("a library has a name")?;
    fs::copy(&library, folder.join(name))?;
    Ok(())
}

/// The library for this machine.
pub(crate) fn library(workspace: &Workspace, profile: &str) -> Result<PathBuf> {
    // Nothing of the generator's: with its feature all of the library would be built twice.
    run(workspace
        .cargo()
        .args(["build", "--package", CRATE, "--lib", "--profile", profile, "--features", FEATURES])
        .env("LIBSQLITE3_FLAGS", SQLITE))?;
    Ok(built(workspace, profile))
}

fn built(workspace: &Workspace, profile: &str) -> PathBuf {
    let folder = if profile == "dev" { "debug" } else { profile };
    let (before, after) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    workspace.target.join(folder).join(format!("{before}keyfold_uniffi{after}"))
}

/// Writes the glue for a language. It is read out of a library with its symbols, which a published
/// one has not: out of one that is built as quickly as can be.
pub(crate) fn glue(workspace: &Workspace, language: &str, out: &Path) -> Result<()> {
    run(workspace
        .cargo()
        // With all that the library has, so that little is built twice.
        .args(["build", "--package", CRATE, "--features", "bindgen", "--features", FEATURES])
        .env("LIBSQLITE3_FLAGS", SQLITE))?;
    let program = workspace.target.join("debug/keyfold-bindgen");
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    run(std::process::Command::new(program.with_extension(std::env::consts::EXE_EXTENSION))
        .arg("generate")
        .arg(built(workspace, "dev"))
        .args(["--language", language, "--no-format", "--out-dir"])
        .arg(out)
        .current_dir(&workspace.root))
}

/// What JNA calls this machine.
fn jna_platform() -> Result<String> {
    let system = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        "windows" => "win32",
        other => anyhow::bail!("JNA has no name for {other} here"),
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "x86-64",
        other => other,
    };
    Ok(format!("{system}-{processor}"))
}
