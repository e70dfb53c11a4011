//! The same at a cloud: what it has of it, in the same words.

use keyfold::kms::admin::{AdminRequest, SecretInfo};
use keyfold_kms::EmbeddedKms;
use keyfold_kms::types::GetRandomPasswordRequest;
use serde_json::{Value, json};

use super::{Command, Delete, Rotate, read_value};
use crate::cloud::{Cloud, object, time};
use crate::fault::Result;
use crate::input::Input;
use crate::session::Session;
use crate::terminal;

/// The recovery window where none is given, in days.
const WINDOW: u32 = 30;

/// Does what a cloud does in its own way; `None` for what is done everywhere alike.
pub(super) fn run(session: &Session, cloud: &Cloud, command: &Command) -> Option<Result<()>> {
    Some(match command {
        Command::Import(_) | Command::Put(_) | Command::Get(_) => return None,
        Command::List { all } => list(session, cloud, *all),
        Command::Versions { name, all } => versions(session, cloud, name, *all),
        Command::Rotate(args) => rotate(session, args),
        Command::Delete(args) => delete(session, cloud, args),
        Command::Restore { name } => restore(session, cloud, name),
    })
}

fn list(session: &Session, cloud: &Cloud, all: bool) -> Result<()> {
    let secrets = cloud.secrets()?;
    let secrets = secrets.iter().filter(|secret| all || !secret.deleted);
    let (mut lines, mut list) = (Vec::new(), Vec::new());
    for secret in secrets {
        let name = secret.name.escape_debug();
        lines.push(match (secret.deleted, secret.deletion.map(time)) {
            (true, Some(at)) => format!("{name}  (ends {at})"),
            (true, None) => format!("{name}  (deleted)"),
            (false, _) => name.to_string(),
        });
        list.push(secret_json(secret));
    }
    session.console.answer(&json!({ "SecretList": list }), lines.join("\n"))
}

fn secret_json(secret: &SecretInfo) -> Value {
    object([
        ("Name", secret.name.as_str().into()),
        ("Description", secret.description.as_deref().into()),
        ("KeyUri", secret.key.as_ref().map(keyfold::KeyUri::as_str).into()),
        ("CreatedDate", json!(secret.created.map(time))),
        ("Deleted", secret.deleted.into()),
        ("DeletionDate", json!(secret.deletion.map(time))),
        ("ServiceState", secret.raw_state.as_deref().into()),
    ])
}

fn versions(session: &Session, cloud: &Cloud, name: &str, all: bool) -> Result<()> {
    let versions = cloud.versions(name)?;
    let shown = versions.iter().filter(|version| all || !version.stages.is_empty());
    let (mut lines, mut list) = (Vec::new(), Vec::new());
    for version in shown {
        let created = version.created.map(time);
        let when = created.map(|at| at.to_string()).unwrap_or_default();
        let stages = version.stages.join(" ");
        lines.push(format!("{}  {when}  {stages}", version.id).escape_debug().to_string());
        list.push(object([
            ("VersionId", version.id.as_str().into()),
            ("VersionStages", json!(version.stages)),
            ("CreatedDate", json!(created)),
        ]));
    }
    session.console.answer(&json!({ "Name": name, "Versions": list }), lines.join("\n"))
}

/// A new version, of what is given or of a password that is made here.
fn rotate(session: &Session, args: &Rotate) -> Result<()> {
    let value = if args.generate {
        let request: GetRandomPasswordRequest = args.password();
        // The engine's own generator, over nothing that is kept.
        let kms = EmbeddedKms::in_memory()?;
        let made = kms.engine().call(&kms.engine().owner(), &request)?;
        made.random_password.expose().as_bytes().into()
    } else {
        read_value(Input::open(&args.file)?)?
    };
    // Only of a secret that is there: a misspelt name makes no new one.
    session.describe_secret(&args.name)?;
    let version = session.put_secret(&args.name, &value, None)?;
    let answer = json!({ "Name": args.name, "VersionId": version });
    session.console.answer(&answer, format!("rotated {}, version {version}", args.name))
}

fn delete(session: &Session, cloud: &Cloud, args: &Delete) -> Result<()> {
    if args.now {
        session.console.note(format!("WARNING: {} will be lost for good.", args.name));
        terminal::confirm("Delete it at once?", args.yes)?;
    }
    let days = if args.now { 0 } else { args.days.unwrap_or(WINDOW) };
    let at = cloud.end(&AdminRequest::DeleteSecret { name: args.name.clone(), days })?;
    let answer = object([("Name", args.name.as_str().into()), ("DeletionDate", json!(at))]);
    let name = &args.name;
    let text = match at {
        _ if args.now => format!("deleted {name}"),
        Some(at) => format!("{name} ends on {at}; keyfold secret restore keeps it"),
        None => format!("{name} ends after {days} days; keyfold secret restore keeps it"),
    };
    session.console.answer(&answer, text)
}

fn restore(session: &Session, cloud: &Cloud, name: &str) -> Result<()> {
    cloud.change(&AdminRequest::RestoreSecret { name: name.to_owned() })?;
    session.console.answer(&json!({ "Name": name }), format!("restored {name}"))
}
