//! `keyfold root`.

use std::path::PathBuf;

use keyfold::ErrorCode;
use keyfold_kms::root::SlotInfo;
use serde_json::{Value, json};

use crate::fault::Result;
use crate::home::{environment_slot, file_slot};
use crate::session::Session;

/// The ways to the root key: each slot opens the database by itself
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the slots
    List,
    /// Add a slot
    Add(Add),
    /// Remove a slot; its secret opens the database no more
    Remove(Remove),
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Secret {
    /// A passphrase, asked for or from KEYFOLD_PASSPHRASE or --passphrase-file
    #[arg(long)]
    passphrase: bool,
    /// 32 bytes (hex or base64) in this environment variable
    #[arg(long, value_name = "VAR")]
    root_env: Option<String>,
    /// 32 bytes (hex or base64) in this file, which is made where there is none
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Add {
    #[command(flatten)]
    secret: Secret,
    /// What to call the slot
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct Remove {
    /// The slot, by its id or its label
    slot: String,
}

pub(crate) fn run(session: &Session, command: &Command) -> Result<()> {
    let engine = session.kms()?.engine();
    match command {
        Command::List => {
            let slots = engine.root_slots()?;
            let lines: Vec<String> = slots
                .iter()
                .map(|slot| {
                    format!("{}  {:<12}  {}  {}", slot.id, slot.kind, slot.created, slot.label)
                })
                .collect();
            let slots: Vec<Value> = slots.iter().map(slot_json).collect();
            session.console.answer(&json!({ "slots": slots }), lines.join("\n"))
        }
        Command::Add(args) => {
            let (label, sealer) = match (&args.secret.root_env, &args.secret.file) {
                (Some(variable), _) => environment_slot(variable),
                (None, Some(file)) => file_slot(file)?,
                (None, None) => session.home.passphrase_slot()?,
            };
            let label = args.label.as_deref().unwrap_or(&label);
            let slot = engine.add_root_slot(label, &*sealer)?;
            session.console.answer(&slot_json(&slot), format!("added slot {} ({label})", slot.id))
        }
        Command::Remove(args) => {
            let slots = engine.root_slots()?;
            let mut named = slots
                .iter()
                .filter(|slot| slot.id.to_string() == args.slot || slot.label == args.slot);
            let (Some(slot), None) = (named.next(), named.next()) else {
                let detail = format!("{} is not the name of one root slot", args.slot);
                return Err(keyfold::Error::new(ErrorCode::InvalidArgument, detail));
            };
            engine.remove_root_slot(slot.id)?;
            session.console.answer(&slot_json(slot), format!("removed slot {}", slot.id))
        }
    }
}

fn slot_json(slot: &SlotInfo) -> Value {
    json!({
        "id": slot.id.to_string(),
        "kind": slot.kind,
        "label": slot.label,
        "created": slot.created.to_string(),
    })
}
