//! `keyfold init`.

use keyfold_kms::arn::Realm;
use keyfold_kms::root::EngineOptions;
use serde_json::json;

use crate::envelope::shown;
use crate::fault::Result;
use crate::home::{NewSlot, environment_slot, file_slot};
use crate::session::Session;

/// Make an embedded KMS in the home folder, or in another database
///
/// Its keys are sealed by a root key, which is sealed in turn: by default under a secret in the
/// file root.key in the home folder.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seal the root key under a passphrase instead of a file
    #[arg(long)]
    passphrase: bool,
    /// Seal the root key under 32 bytes (hex or base64) in this environment variable instead
    #[arg(long, value_name = "VAR")]
    root_env: Option<String>,
    /// Region in the names of keys
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Account in the names of keys: twelve digits
    #[arg(long, value_name = "DIGITS")]
    account: Option<String>,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    session.local()?;
    let folder = session.home.make_folder()?;
    let default = Realm::default();
    let realm = Realm {
        region: args.region.clone().unwrap_or(default.region),
        account: args.account.clone().unwrap_or(default.account),
        partition: default.partition,
    };
    let root_file = session.home.root_file()?;
    let made_file = !args.passphrase && args.root_env.is_none() && !root_file.exists();
    let slots = slots(session, args)?;
    let created = session.home.create(&slots, EngineOptions { realm, ..EngineOptions::default() });
    let kms = created.inspect_err(|_| {
        if made_file {
            // It opens nothing.
            let _ = std::fs::remove_file(&root_file);
        }
    })?;
    let engine = kms.engine();
    let labels: Vec<&str> = slots.iter().map(|(label, _)| label.as_str()).collect();
    let database = session.home.database()?;
    let answer = json!({
        "home": shown(folder.path()),
        "database": database.to_string(),
        "store_id": engine.store_id().to_string(),
        "account": engine.realm().account,
        "region": engine.realm().region,
        "root_slots": labels,
    });
    let place = match &session.home.database {
        Some(_) => database.to_string(),
        None => folder.path().display().to_string(),
    };
    session.console.answer(&answer, format!("made a KMS in {place}"))?;
    if labels == ["file"] {
        session.console.note(format!(
            "Keep {} safe, and a copy of it elsewhere: without it the keys are lost, and with it \
             and the database anyone has them.",
            root_file.display()
        ));
    }
    Ok(())
}

fn slots(session: &Session, args: &Args) -> Result<Vec<NewSlot>> {
    let mut slots = Vec::new();
    if args.passphrase {
        slots.push(session.home.passphrase_slot()?);
    }
    if let Some(variable) = &args.root_env {
        slots.push(environment_slot(variable));
    }
    if slots.is_empty() {
        slots.push(file_slot(&session.home.root_file()?)?);
    }
    Ok(slots)
}
