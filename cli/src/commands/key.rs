//! `keyfold key`: the life of KMS keys. Names, tags, policies and rotation are in `settings`.

mod cloud;
mod settings;

use keyfold::kms::admin::KeyKind;
use keyfold::{Error, ErrorCode};
use keyfold_kms::types::{
    AliasListEntry, CancelKeyDeletionRequest, CreateAliasRequest, CreateKeyRequest,
    DescribeKeyRequest, DisableKeyRequest, EnableKeyRequest, KeyMetadata, KeySpec, KeyUsage,
    ListAliasesRequest, ListKeysRequest, RotateKeyOnDemandRequest, ScheduleKeyDeletionRequest, Tag,
};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::fault::{self, Result};
use crate::names::{self, KeyName, Pair};
use crate::session::Session;
use crate::terminal;

/// KMS keys: they never leave the KMS
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make a key
    Create(Create),
    /// List the keys
    List(List),
    /// Show the properties of a key
    Describe(One),
    /// Make a disabled key usable again
    Enable(One),
    /// Make a key unusable until it is enabled again
    Disable(One),
    /// Give a symmetric key a new version; what older versions encrypted still opens
    Rotate(One),
    /// Show or set how a key rotates by itself
    Rotation(settings::Rotation),
    /// Give, move, take and list names of keys
    #[command(subcommand)]
    Alias(settings::Alias),
    /// Show, set and remove the tags of a key
    Tag(settings::Tags),
    /// Show or replace the policy of a key
    Policy(settings::Policy),
    /// Replace the description of a key
    SetDescription(settings::Description),
    /// End a key, and with it everything encrypted under it, after a waiting period
    ScheduleDeletion(Schedule),
    /// Keep a key whose deletion is scheduled; it is disabled afterwards
    CancelDeletion(One),
}

#[derive(clap::Args)]
pub(crate) struct One {
    /// The key, by alias, id, ARN or key URI
    #[arg(value_name = "KEY", value_parser = names::key)]
    key: KeyName,
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// A name for it: alias/ and letters, digits, /, _, -; at a cloud what that takes
    #[arg(long, value_name = "NAME")]
    alias: Option<String>,
    /// What kind of key: SYMMETRIC_DEFAULT, RSA_2048 to RSA_4096, ECC_NIST_P256 to P521,
    /// ECC_SECG_P256K1, ECC_NIST_EDWARDS25519; at some clouds SM2, SM4
    #[arg(long, value_name = "SPEC", default_value = "SYMMETRIC_DEFAULT")]
    spec: KeyKind,
    /// What it is for: ENCRYPT_DECRYPT or SIGN_VERIFY; needed for RSA only
    #[arg(long, value_name = "USAGE")]
    usage: Option<KeyUsage>,
    /// What people should know about it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A tag; may be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE")]
    tags: Vec<Pair>,
    /// Key policy in JSON
    #[arg(long, value_name = "FILE")]
    policy: Option<std::path::PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct List {
    /// Show spec, usage and state too
    #[arg(long, short)]
    long: bool,
}

#[derive(clap::Args)]
pub(crate) struct Schedule {
    #[command(flatten)]
    one: One,
    /// The waiting period: 7 to 30 days; clouds have bounds of their own
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    days: u32,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Command {
    /// The key that it is about, where it is about one.
    fn key(&self) -> Option<&KeyName> {
        match self {
            Command::Create(_) | Command::List(_) => None,
            Command::Describe(one)
            | Command::Enable(one)
            | Command::Disable(one)
            | Command::Rotate(one)
            | Command::CancelDeletion(one) => Some(&one.key),
            Command::Rotation(args) => Some(args.key()),
            Command::Alias(command) => command.key(),
            Command::Tag(args) => Some(args.key()),
            Command::Policy(args) => Some(args.key()),
            Command::SetDescription(args) => Some(args.key()),
            Command::ScheduleDeletion(args) => Some(&args.one.key),
        }
    }
}

pub(crate) fn run(session: &Session, command: &Command) -> Result<()> {
    if let Some(cloud) = Cloud::of(session, command.key())? {
        return cloud::run(session, &cloud, command);
    }
    match command {
        Command::Create(args) => create(session, args),
        Command::List(args) => list(session, args),
        Command::Describe(args) => describe(session, args),
        Command::Enable(args) => {
            let key_id = session.key_id(&args.key)?;
            session.call(&EnableKeyRequest { key_id })?;
            state(session, &args.key, "enabled")
        }
        Command::Disable(args) => {
            let key_id = session.key_id(&args.key)?;
            session.call(&DisableKeyRequest { key_id })?;
            state(session, &args.key, "disabled")
        }
        Command::Rotate(args) => {
            let key_id = session.key_id(&args.key)?;
            session.call(&RotateKeyOnDemandRequest { key_id })?;
            state(session, &args.key, "rotated")
        }
        Command::Rotation(args) => settings::rotation(session, args),
        Command::Alias(command) => settings::alias(session, command),
        Command::Tag(args) => settings::tags(session, args),
        Command::Policy(args) => settings::policy(session, args),
        Command::SetDescription(args) => settings::description(session, args),
        Command::ScheduleDeletion(args) => schedule_deletion(session, args),
        Command::CancelDeletion(args) => {
            let key_id = session.key_id(&args.key)?;
            session.call(&CancelKeyDeletionRequest { key_id })?;
            state(session, &args.key, "deletion called off; disabled:")
        }
    }
}

fn create(session: &Session, args: &Create) -> Result<()> {
    let spec: KeySpec = args.spec.as_str().parse()?;
    if let Some(alias) = &args.alias {
        check_free(session, alias)?;
    }
    let policy = args.policy.as_deref().map(settings::read_policy).transpose()?;
    let tag = |pair: &Pair| Tag { tag_key: pair.name.clone(), tag_value: pair.value.clone() };
    let request = CreateKeyRequest {
        policy,
        description: args.description.clone(),
        key_usage: args.usage.or_else(|| only_usage(args.spec)),
        key_spec: Some(spec),
        tags: args.tags.iter().map(tag).collect(),
        ..CreateKeyRequest::default()
    };
    let key = session.call(&request)?.key_metadata;
    if let Some(alias) = &args.alias {
        let request =
            CreateAliasRequest { alias_name: alias.clone(), target_key_id: key.key_id.clone() };
        session.call(&request).map_err(|error| {
            fault::at(format!("the key {} is made, but has no alias", key.key_id), &error)
        })?;
    }
    let aliases: Vec<&str> = args.alias.iter().map(String::as_str).collect();
    let text = format!("made key {}", [&[key.arn.as_str()][..], &aliases].concat().join(" "));
    session.console.answer(&with_aliases(&key, &aliases)?, text)
}

/// Keys on curves sign and nothing else.
fn only_usage(spec: KeyKind) -> Option<KeyUsage> {
    spec.as_str().starts_with("ECC_").then_some(KeyUsage::SignVerify)
}

/// Before the key is made: one without the alias that was asked for helps nobody.
fn check_free(session: &Session, alias: &str) -> Result<()> {
    if !alias.starts_with("alias/") {
        return Err(fault::invalid("an alias has the form alias/NAME"));
    }
    let request = DescribeKeyRequest { key_id: alias.to_owned(), ..DescribeKeyRequest::default() };
    match session.call(&request) {
        Ok(_) => {
            let detail = format!("{alias} names another key already");
            Err(Error::new(ErrorCode::VersionConflict, detail))
        }
        Err(error) if error.code() == ErrorCode::KmsKeyUnavailable => Ok(()),
        Err(error) => Err(error),
    }
}

fn list(session: &Session, args: &List) -> Result<()> {
    let aliases = all_aliases(session, None)?;
    let mut request = ListKeysRequest { limit: Some(1000), marker: None };
    let (mut keys, mut lines) = (Vec::new(), Vec::new());
    loop {
        let page = session.call(&request)?;
        for entry in page.keys {
            let names: Vec<&str> = aliases
                .iter()
                .filter(|alias| alias.target_key_id == entry.key_id)
                .map(|alias| alias.alias_name.as_str())
                .collect();
            if args.long {
                let key = session.describe(&names::key(&entry.key_id).map_err(fault::invalid)?)?;
                lines.push(format!(
                    "{}  {:<22}  {:<15}  {:<15}  {}",
                    key.key_id,
                    key.key_spec.as_str(),
                    key.key_usage.as_str(),
                    key.key_state.as_str(),
                    names.join(" ")
                ));
                keys.push(with_aliases(&key, &names)?);
            } else {
                lines.push(format!("{}  {}", entry.key_id, names.join(" ")));
                keys.push(
                    json!({ "KeyId": entry.key_id, "KeyArn": entry.key_arn, "Aliases": names }),
                );
            }
        }
        match page.next_marker {
            Some(marker) => request.marker = Some(marker),
            None => break,
        }
    }
    session.console.answer(&json!({ "Keys": keys }), lines.join("\n"))
}

fn describe(session: &Session, args: &One) -> Result<()> {
    let key = session.describe(&args.key)?;
    let aliases = all_aliases(session, Some(key.arn.clone()))?;
    let names: Vec<&str> = aliases.iter().map(|alias| alias.alias_name.as_str()).collect();
    let mut lines = vec![
        format!("key          {}", key.arn),
        format!("aliases      {}", names.join(" ")),
        format!("spec         {}", key.key_spec),
        format!("usage        {}", key.key_usage),
        format!("state        {}", key.key_state),
        format!("made         {}", key.creation_date),
        format!("description  {}", key.description.escape_debug()),
    ];
    if let Some(date) = key.deletion_date {
        lines.push(format!("ends         {date}"));
    }
    session.console.answer(&with_aliases(&key, &names)?, lines.join("\n"))
}

/// The aliases of one key, by its id or ARN, or all of them.
fn all_aliases(session: &Session, key_id: Option<String>) -> Result<Vec<AliasListEntry>> {
    let mut request = ListAliasesRequest { key_id, limit: Some(100), marker: None };
    let mut aliases = Vec::new();
    loop {
        let page = session.call(&request)?;
        aliases.extend(page.aliases);
        match page.next_marker {
            Some(marker) => request.marker = Some(marker),
            None => return Ok(aliases),
        }
    }
}

fn with_aliases(key: &KeyMetadata, aliases: &[&str]) -> Result<Value> {
    let mut value = to_json(key)?;
    value["Aliases"] = aliases.into();
    Ok(value)
}

/// An object of the KMS API in JSON.
fn to_json(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| {
        Error::new(ErrorCode::Internal, "an answer has no JSON form").with_source(error)
    })
}

/// Tells the state of a key after a change.
fn state(session: &Session, key: &KeyName, done: &str) -> Result<()> {
    let metadata = session.describe(key)?;
    session.console.answer(&to_json(&metadata)?, format!("{done} {}", metadata.arn))
}

fn schedule_deletion(session: &Session, args: &Schedule) -> Result<()> {
    let key = session.describe(&args.one.key)?;
    lost_for_good(session, &key.arn);
    terminal::confirm(&format!("End this key after {} days?", args.days), args.yes)?;
    let request =
        ScheduleKeyDeletionRequest { key_id: key.arn, pending_window_in_days: Some(args.days) };
    let answer = session.call(&request)?;
    let text = format!("{} ends on {}", answer.key_id, answer.deletion_date);
    session.console.answer(&answer, text)
}

fn lost_for_good(session: &Session, key: &str) {
    session.console.note(format!(
        "WARNING: when {key} is gone, everything encrypted under it is lost for good: no backup of \
         the files helps, and nobody can recover it. Until then it cannot be used, and keyfold \
         key cancel-deletion keeps it.",
    ));
}
