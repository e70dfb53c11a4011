//! `cargo xtask bench`: builds what is measured, then lets the suite measure it.

use anyhow::Result;
use clap::ValueEnum;

use crate::install;
use crate::run::{Workspace, run};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The suites to run; all of them when none is named.
    suites: Vec<Suite>,
    /// Measure for a moment only: to see that a suite works, not for figures to quote.
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// The library against the bare ciphers.
    Core,
    /// The command line, whole process, against a loop with no format.
    Cli,
    /// The server under load, against moto_server and a handler that answers a constant.
    Server,
}

pub(crate) fn bench(workspace: &Workspace, args: &Args) -> Result<()> {
    // The reference, aws-lc-rs, is C and assembly.
    install::c_compiler(workspace)?;
    let suites = if args.suites.is_empty() { Suite::value_variants() } else { &args.suites };
    for suite in suites {
        let mut command = workspace.cargo();
        command.args(["run", "--release", "--package", "keyfold-benches", "--"]);
        match suite {
            Suite::Core => command.arg("core"),
            Suite::Cli => {
                let keyfold = workspace.build_release("keyfold-cli", "keyfold")?;
                command.arg("cli").arg("--keyfold").arg(keyfold)
            }
            Suite::Server => {
                install::postgres()?;
                let keyfold = workspace.build_release("keyfold-cli", "keyfold")?;
                command.arg("server").arg("--keyfold").arg(keyfold);
                command.arg("--moto").arg(install::moto(workspace)?)
            }
        };
        command.arg("--out").arg(workspace.target.join("bench"));
        if args.quick {
            command.arg("--quick");
        }
        run(&mut command)?;
    }
    Ok(())
}
