//! `keyfold recipient`.

use std::path::PathBuf;

use pollster::block_on;
use serde_json::json;

use crate::commands::inspect::recipients_json;
use crate::commands::rewrap::{Place, wrapping};
use crate::envelope::{self, Opened, Unwrapping, full_names, shown};
use crate::fault::{self, Result};
use crate::names::{self, KeyName};
use crate::session::Session;

/// Change who can open an envelope, without touching its body
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Let further KMS keys open it
    Add(Add),
    /// Take KMS keys off it; whoever has opened it before may have kept its data key
    Remove(Remove),
    /// List the KMS keys that can open it
    List(List),
}

#[derive(clap::Args)]
pub(crate) struct Add {
    /// KMS key that may open it too; may be repeated
    #[arg(long, value_name = "KEY", required = true, value_parser = names::key)]
    to: Vec<KeyName>,
    #[command(flatten)]
    keys: Unwrapping,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub(crate) struct Remove {
    /// KMS key that may open it no longer; may be repeated
    #[arg(long, value_name = "KEY", required = true, value_parser = names::key)]
    key: Vec<KeyName>,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub(crate) struct List {
    /// The header, where it is not in the envelope itself
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    detached_header: Option<PathBuf>,
    /// The envelope; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "detached_header")]
    file: Option<PathBuf>,
}

pub(crate) fn run(session: &Session, command: &Command) -> Result<()> {
    match command {
        Command::Add(args) => {
            let new = session.uris(&args.to)?;
            let (client, from) = args.keys.client(session, &new)?;
            let new = wrapping(&new)?;
            args.place.rewrite(session, "added to", |header| {
                block_on(client.add_recipients(header, &from, &new))
            })
        }
        Command::Remove(args) => {
            let keys = session.uris(&args.key)?;
            let client = session.client(&keys)?;
            let keys = block_on(full_names(&client, &keys))?;
            args.place.rewrite(session, "removed from", |header| {
                block_on(client.remove_recipients(header, &keys))
            })
        }
        Command::List(args) => list(session, args),
    }
}

fn list(session: &Session, args: &List) -> Result<()> {
    let (name, header) = match (&args.detached_header, &args.file) {
        (Some(path), _) => (shown(path), envelope::detached(path)?),
        (None, Some(path)) => {
            let opened = Opened::new(path, None)?;
            (shown(opened.input.path()), opened.header)
        }
        (None, None) => return Err(fault::invalid("name an envelope")),
    };
    let lines: Vec<&str> = header.recipients().iter().map(|r| r.key.as_str()).collect();
    let answer = json!({ "file": name, "recipients": recipients_json(&header) });
    session.console.answer(&answer, lines.join("\n"))
}
