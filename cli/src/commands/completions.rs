//! `keyfold completions`.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::fault::Result;
use crate::session::Session;

/// Print the completion script of a shell
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut crate::args::Cli::command(), "keyfold", &mut script);
    let script = String::from_utf8_lossy(&script);
    session.console.answer(&serde_json::json!({ "script": script }), &script)
}
