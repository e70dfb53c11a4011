//! The Swift package, as `cargo xtask swift-package` makes it: its tests where there is Swift, its
//! syntax and its calls of the glue everywhere.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::install;
use crate::run::{Workspace, find_program, run};
use crate::swift;

const CHECK: &str = "bindings-kotlin/swift/check";

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let package = workspace.target.join("swift-package");
    swift::assemble(workspace, &package, "dev")?;
    let list = format!("{CHECK}/requirements.txt");
    let python = install::new_python(workspace, "swift-check", &list)?;
    run(Command::new(python)
        .arg(workspace.root.join(CHECK).join("check.py"))
        .args([&package, &workspace.root.join("README.md")]))?;
    header(workspace, &package)?;
    if find_program(|name| matches!(name, "swift" | "swift.exe")).is_none() {
        println!(
            "\nNo `swift` on the search path: the Swift sources were PARSED, NOT COMPILED, and \
             their tests did not run. Where there is Swift 6, this step compiles and runs them."
        );
        return Ok(());
    }
    run(Command::new("swift").arg("test").current_dir(package))
}

/// The C header compiles. Swift reads it by clang, whose words for what may be null other compilers
/// do not know.
fn header(workspace: &Workspace, package: &Path) -> Result<()> {
    if cfg!(windows) {
        println!("no C compiler is looked for on Windows: the header was not compiled");
        return Ok(());
    }
    install::c_compiler(workspace)?;
    let probe = workspace.target.join("xtask/swift.c");
    fs::write(&probe, "#include \"KeyfoldFFI.h\"\n")?;
    run(Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-std=c11", "-fsyntax-only", "-Werror", "-D_Nonnull=", "-D_Nullable=", "-I"])
        .arg(package.join("Sources/KeyfoldFFI"))
        .arg(probe))
}
