//! `cargo xtask console`: the web page of `keyfold serve`, and a `keyfold` that has it.

use std::path::PathBuf;

use anyhow::Result;

use crate::run::{Workspace, run};
use crate::{install, npm};

/// Where the build script of the command line looks for the page.
pub(crate) const VARIABLE: &str = "KEYFOLD_CONSOLE";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build the page only, without the command line
    #[arg(long)]
    page_only: bool,
}

pub(crate) fn console(workspace: &Workspace, args: &Args) -> Result<()> {
    let page = page(workspace)?;
    println!("\n{}", page.display());
    if !args.page_only {
        let keyfold = command(workspace, &["--release"], &page)?;
        println!("{}: `keyfold serve` has it at /console", keyfold.display());
    }
    Ok(())
}

/// Builds the page: a folder with all its files.
pub(crate) fn page(workspace: &Workspace) -> Result<PathBuf> {
    let package = npm::npm(workspace)?.packed;
    let folder = install::node(workspace, "console-build", "console")?;
    install::add(&folder, &package)?;
    let page = workspace.target.join("console");
    run(install::npm(&folder).args(["run", "build"]).env("KEYFOLD_CONSOLE_OUT", &page))?;
    Ok(page)
}

/// Builds the command line with a page in it.
pub(crate) fn command(
    workspace: &Workspace,
    options: &[&str],
    page: &std::path::Path,
) -> Result<PathBuf> {
    let options = [options, &["--features", "console"]].concat();
    workspace.build_with(&options, "keyfold-cli", "keyfold", &[(VARIABLE, page)])
}
