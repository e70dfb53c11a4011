//! The same at a cloud: what it has of it, in the same words.

use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyInfo, KeyState, KeyUse};
use keyfold::kms::cloud::{Capability, Support};
use serde_json::json;

use super::settings::{Alias, Named, Rotation};
use super::{Command, Create, List, Schedule, lost_for_good, only_usage};
use crate::cloud::{Cloud, key_json, object, time, wrong_answer};
use crate::fault::{self, Result};
use crate::names::{self, KeyName};
use crate::session::Session;
use crate::terminal;

/// The waiting period of rotations, where none is given, in days.
const PERIOD: u32 = 365;

pub(super) fn run(session: &Session, cloud: &Cloud, command: &Command) -> Result<()> {
    let full = |key: &KeyName| cloud.full_name(session.uri(key)?);
    // Changes something, and tells the key's state.
    let change = |key: &KeyName, done: &str, request: &dyn Fn(_) -> AdminRequest| {
        let key = full(key)?;
        cloud.change(&request(key.clone()))?;
        let key = cloud.key(key)?;
        session.console.answer(&key_json(&key), format!("{done} {}", key.key))
    };
    match command {
        Command::Create(args) => create(session, cloud, args),
        Command::List(args) => list(session, cloud, args),
        Command::Describe(args) => {
            let key = cloud.key(session.uri(&args.key)?)?;
            session.console.answer(&key_json(&key), picture(&key))
        }
        Command::Enable(args) => {
            change(&args.key, "enabled", &|key| AdminRequest::EnableKey { key })
        }
        Command::Disable(args) => {
            change(&args.key, "disabled", &|key| AdminRequest::DisableKey { key })
        }
        Command::Rotate(args) => {
            change(&args.key, "rotated", &|key| AdminRequest::RotateKey { key })
        }
        Command::CancelDeletion(args) => {
            let done = "deletion called off; keyfold key enable makes it usable:";
            change(&args.key, done, &|key| AdminRequest::CancelKeyDeletion { key })
        }
        Command::Rotation(args) => rotation(session, cloud, args),
        Command::Alias(command) => alias(session, cloud, command),
        Command::ScheduleDeletion(args) => schedule_deletion(session, cloud, args),
        Command::Tag(_) => Err(lacks(cloud, "tags")),
        Command::Policy(_) => Err(lacks(cloud, "key policies")),
        Command::SetDescription(_) => Err(lacks(cloud, "new descriptions")),
    }
}

/// What keyfold does with keys of its own and of AWS, and at no other cloud.
fn lacks(cloud: &Cloud, what: &str) -> keyfold::Error {
    let scheme = cloud.capabilities().scheme;
    fault::invalid(format!("unsupported: keyfold sets no {what} at {scheme}"))
}

fn create(session: &Session, cloud: &Cloud, args: &Create) -> Result<()> {
    if !args.tags.is_empty() {
        return Err(lacks(cloud, "tags"));
    }
    if args.policy.is_some() {
        return Err(lacks(cloud, "key policies"));
    }
    let usage = match (args.usage.or_else(|| only_usage(args.spec)), args.spec.as_str()) {
        (Some(usage), _) => usage.as_str().parse()?,
        (None, "SYMMETRIC_DEFAULT" | "SM4") => KeyUse::EncryptDecrypt,
        (None, _) => return Err(fault::invalid("say with --usage what the key is for")),
    };
    let request = AdminRequest::CreateKey {
        kind: args.spec,
        usage,
        alias: args.alias.clone(),
        description: args.description.clone(),
    };
    let AdminResponse::Key(key) = cloud.ask(&request)? else { return Err(wrong_answer()) };
    let names: Vec<&str> = key.alias.iter().map(String::as_str).collect();
    let text = format!("made key {}", [&[key.key.as_str()][..], &names].concat().join(" "));
    session.console.answer(&key_json(&key), text)
}

fn list(session: &Session, cloud: &Cloud, args: &List) -> Result<()> {
    let mut keys = cloud.keys()?;
    if args.long {
        for key in &mut keys {
            // Some services list names only.
            if key.spec().is_none() {
                *key = cloud.key(key.key.clone())?;
            }
        }
    }
    let line = |key: &KeyInfo| {
        let alias = key.alias.as_deref().unwrap_or_default();
        if !args.long {
            return format!("{}  {}", key.key, alias.escape_debug());
        }
        format!(
            "{}  {:<22}  {:<15}  {:<15}  {}",
            key.key,
            key.spec().unwrap_or("?"),
            key.usage.map_or("?", KeyUse::as_str),
            key.state.map_or("?", KeyState::as_str),
            alias.escape_debug()
        )
    };
    let lines: Vec<String> = keys.iter().map(line).collect();
    let keys: Vec<_> = keys.iter().map(key_json).collect();
    session.console.answer(&json!({ "Keys": keys }), lines.join("\n"))
}

/// A key for people: what is known of it.
fn picture(key: &KeyInfo) -> String {
    let mut lines = vec![format!("key          {}", key.key)];
    let mut line = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("{name:<12} {value}")));
    };
    // Escaped: what others have written could move the cursor.
    let shown = |text: &Option<String>| text.as_ref().map(|text| text.escape_debug().to_string());
    line("aliases", shown(&key.alias));
    line("spec", key.spec().map(|spec| spec.escape_debug().to_string()));
    line("usage", key.usage.map(|usage| usage.to_string()));
    line("state", key.state.map(|state| state.to_string()));
    line("made", key.created.map(|at| time(at).to_string()));
    line("description", shown(&key.description));
    line("version", shown(&key.version));
    line("ends", key.deletion.map(|at| time(at).to_string()));
    lines.join("\n")
}

fn schedule_deletion(session: &Session, cloud: &Cloud, args: &Schedule) -> Result<()> {
    let key = cloud.full_name(session.uri(&args.one.key)?)?;
    lost_for_good(session, key.as_str());
    terminal::confirm(&format!("End this key after {} days?", args.days), args.yes)?;
    let request = AdminRequest::ScheduleKeyDeletion { key: key.clone(), days: args.days };
    let at = cloud.end(&request)?;
    let answer = object([
        ("KeyId", key.as_str().into()),
        ("DeletionDate", json!(at)),
        ("PendingWindowInDays", args.days.into()),
    ]);
    let text = match at {
        Some(at) => format!("{key} ends on {at}"),
        None => format!("{key} ends after {} days", args.days),
    };
    session.console.answer(&answer, text)
}

fn rotation(session: &Session, cloud: &Cloud, args: &Rotation) -> Result<()> {
    let key = cloud.full_name(session.uri(&args.one.key)?)?;
    if args.enable || args.disable {
        let every_days = args.enable.then(|| args.period.unwrap_or(PERIOD));
        cloud.change(&AdminRequest::SetRotation { key: key.clone(), every_days })?;
    }
    let request = AdminRequest::GetRotation { key: key.clone() };
    let AdminResponse::Rotation { on, every_days, next } = cloud.ask(&request)? else {
        return Err(wrong_answer());
    };
    let next = next.map(time);
    let text = match (on, every_days, next) {
        (false, ..) => "does not rotate by itself".to_owned(),
        (true, Some(days), Some(next)) => format!("rotates every {days} days, next on {next}"),
        (true, Some(days), None) => format!("rotates every {days} days"),
        (true, None, _) => "rotates by itself".to_owned(),
    };
    let answer = object([
        ("KeyId", key.as_str().into()),
        ("KeyRotationEnabled", on.into()),
        ("RotationPeriodInDays", every_days.into()),
        ("NextRotationDate", json!(next)),
    ]);
    session.console.answer(&answer, text)
}

fn alias(session: &Session, cloud: &Cloud, command: &Alias) -> Result<()> {
    match command {
        Alias::Create(Named { alias, one }) | Alias::Move(Named { alias, one }) => {
            let key = cloud.full_name(session.uri(&one.key)?)?;
            let request = AdminRequest::SetAlias { key: key.clone(), alias: alias.clone() };
            cloud.change(&request)?;
            let answer = json!({ "AliasName": alias, "KeyUri": key.as_str() });
            session.console.answer(&answer, format!("{alias} names {key}"))
        }
        Alias::Delete { alias, key } => {
            let key = match key {
                Some(key) => cloud.full_name(session.uri(key)?)?,
                None => whose(session, cloud, alias)?,
            };
            cloud.change(&AdminRequest::DeleteAlias { key, alias: alias.clone() })?;
            session.console.answer(&json!({ "AliasName": alias }), format!("removed {alias}"))
        }
        Alias::List { key } => {
            let keys = match key {
                Some(key) => vec![cloud.key(session.uri(key)?)?],
                None => cloud.keys()?,
            };
            let named: Vec<_> =
                keys.iter().filter_map(|key| Some((key, key.alias.as_deref()?))).collect();
            let line =
                |(key, alias): &(&KeyInfo, &str)| format!("{}  {}", key.id(), alias.escape_debug());
            let lines: Vec<String> = named.iter().map(line).collect();
            let aliases: Vec<_> = named
                .iter()
                .map(|(key, alias)| json!({ "AliasName": alias, "TargetKeyId": key.id() }))
                .collect();
            session.console.answer(&json!({ "Aliases": aliases }), lines.join("\n"))
        }
    }
}

/// The key that an alias names. Where aliases cannot be taken away the service lacks that, and is
/// not asked.
fn whose(session: &Session, cloud: &Cloud, alias: &str) -> Result<keyfold::KeyUri> {
    let uri = session.uri(&names::key(alias).map_err(fault::invalid)?)?;
    match cloud.capabilities().support(Capability::DeleteAlias) {
        // Refused under whatever name.
        Support::Absent => Ok(uri),
        _ => Ok(cloud.key(uri)?.key),
    }
}
