//! Names, tags, policies, descriptions and rotation of keys.

use std::path::{Path, PathBuf};

use keyfold_kms::types::{
    CreateAliasRequest, DeleteAliasRequest, DisableKeyRotationRequest, EnableKeyRotationRequest,
    GetKeyPolicyRequest, GetKeyRotationStatusRequest, IncludeKeyMaterial, ListKeyRotationsRequest,
    ListResourceTagsRequest, PutKeyPolicyRequest, Tag, TagResourceRequest, UntagResourceRequest,
    UpdateAliasRequest, UpdateKeyDescriptionRequest,
};
use serde_json::json;

use super::{One, all_aliases, to_json};
use crate::fault::{self, Result};
use crate::input::Input;
use crate::names::{self, KeyName, Pair};
use crate::session::Session;

#[derive(clap::Subcommand)]
pub(crate) enum Alias {
    /// Give a key a name
    Create(Named),
    /// Move a name to another key of the same kind
    Move(Named),
    /// Take a name away; the key stays
    Delete {
        /// The alias
        #[arg(value_name = "NAME")]
        alias: String,
        /// The key, at a cloud whose aliases are not names
        #[arg(value_name = "KEY", value_parser = names::key)]
        key: Option<KeyName>,
    },
    /// List the names of a key, or of all keys
    List {
        /// The key
        #[arg(value_name = "KEY", value_parser = names::key)]
        key: Option<KeyName>,
    },
}

#[derive(clap::Args)]
pub(crate) struct Named {
    /// The alias: alias/ and letters, digits, /, _, -
    #[arg(value_name = "NAME")]
    pub(super) alias: String,
    #[command(flatten)]
    pub(super) one: One,
}

impl Alias {
    /// The key that it is about, where it is about one.
    pub(super) fn key(&self) -> Option<&KeyName> {
        match self {
            Alias::Create(named) | Alias::Move(named) => Some(&named.one.key),
            Alias::Delete { key, .. } | Alias::List { key } => key.as_ref(),
        }
    }
}

pub(super) fn alias(session: &Session, command: &Alias) -> Result<()> {
    match command {
        Alias::Create(Named { alias, one }) => {
            let (alias_name, target_key_id) = (alias.clone(), session.key_id(&one.key)?);
            session.call(&CreateAliasRequest { alias_name, target_key_id })?;
            named(session, alias, Some(&one.key))
        }
        Alias::Move(Named { alias, one }) => {
            let (alias_name, target_key_id) = (alias.clone(), session.key_id(&one.key)?);
            session.call(&UpdateAliasRequest { alias_name, target_key_id })?;
            named(session, alias, Some(&one.key))
        }
        Alias::Delete { alias, .. } => {
            session.call(&DeleteAliasRequest { alias_name: alias.clone() })?;
            named(session, alias, None)
        }
        Alias::List { key } => {
            let key_id = key.as_ref().map(|key| session.key_id(key)).transpose()?;
            let aliases = all_aliases(session, key_id)?;
            let lines: Vec<String> = aliases
                .iter()
                .map(|alias| format!("{}  {}", alias.target_key_id, alias.alias_name))
                .collect();
            session.console.answer(&json!({ "Aliases": to_json(&aliases)? }), lines.join("\n"))
        }
    }
}

fn named(session: &Session, alias: &str, key: Option<&KeyName>) -> Result<()> {
    let Some(key) = key else {
        return session.console.answer(&json!({ "AliasName": alias }), format!("removed {alias}"));
    };
    let arn = session.describe(key)?.arn;
    let text = format!("{alias} names {arn}");
    session.console.answer(&json!({ "AliasName": alias, "KeyArn": arn }), text)
}

#[derive(clap::Args)]
pub(crate) struct Tags {
    #[command(flatten)]
    one: One,
    /// Tags to set; without any, and without --remove, the tags are shown
    #[arg(value_name = "NAME=VALUE")]
    set: Vec<Pair>,
    /// Tag to remove; may be repeated
    #[arg(long, value_name = "NAME")]
    remove: Vec<String>,
}

impl Tags {
    pub(super) fn key(&self) -> &KeyName {
        &self.one.key
    }
}

pub(super) fn tags(session: &Session, args: &Tags) -> Result<()> {
    let key_id = session.key_id(&args.one.key)?;
    if !args.set.is_empty() {
        let tag = |pair: &Pair| Tag { tag_key: pair.name.clone(), tag_value: pair.value.clone() };
        let tags = args.set.iter().map(tag).collect();
        session.call(&TagResourceRequest { key_id: key_id.clone(), tags })?;
    }
    if !args.remove.is_empty() {
        let tag_keys = args.remove.clone();
        session.call(&UntagResourceRequest { key_id: key_id.clone(), tag_keys })?;
    }
    let mut request = ListResourceTagsRequest { key_id, limit: None, marker: None };
    let mut tags = Vec::new();
    loop {
        let page = session.call(&request)?;
        tags.extend(page.tags);
        match page.next_marker {
            Some(marker) => request.marker = Some(marker),
            None => break,
        }
    }
    let lines: Vec<String> =
        tags.iter().map(|tag| format!("{}={}", tag.tag_key, tag.tag_value)).collect();
    session.console.answer(&json!({ "Tags": to_json(&tags)? }), lines.join("\n"))
}

#[derive(clap::Args)]
pub(crate) struct Policy {
    #[command(flatten)]
    one: One,
    /// Replace it by this document, in JSON; `-` is standard input
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
    /// Accept a policy that keeps you from changing it again
    #[arg(long, requires = "set")]
    bypass_lockout_check: bool,
}

/// The longest policy, in bytes.
const MAX_POLICY: usize = 32 * 1024;

/// Reads a policy document.
pub(super) fn read_policy(path: &Path) -> Result<String> {
    let bytes = Input::open(path)?.read_all(MAX_POLICY, "a key policy")?;
    String::from_utf8(bytes.to_vec())
        .map_err(|_| fault::invalid(format!("{}: a key policy is text", path.display())))
}

impl Policy {
    pub(super) fn key(&self) -> &KeyName {
        &self.one.key
    }
}

pub(super) fn policy(session: &Session, args: &Policy) -> Result<()> {
    let key_id = session.key_id(&args.one.key)?;
    if let Some(path) = &args.set {
        session.call(&PutKeyPolicyRequest {
            key_id: key_id.clone(),
            policy_name: None,
            policy: read_policy(path)?,
            bypass_policy_lockout_safety_check: args.bypass_lockout_check.then_some(true),
        })?;
    }
    let answer = session.call(&GetKeyPolicyRequest { key_id, policy_name: None })?;
    session.console.answer(&answer, &answer.policy)
}

#[derive(clap::Args)]
pub(crate) struct Description {
    #[command(flatten)]
    one: One,
    /// The new description
    #[arg(value_name = "TEXT")]
    description: String,
}

impl Description {
    pub(super) fn key(&self) -> &KeyName {
        &self.one.key
    }
}

pub(super) fn description(session: &Session, args: &Description) -> Result<()> {
    let key_id = session.key_id(&args.one.key)?;
    let description = args.description.clone();
    session.call(&UpdateKeyDescriptionRequest { key_id, description })?;
    super::state(session, &args.one.key, "described")
}

#[derive(clap::Args)]
pub(crate) struct Rotation {
    #[command(flatten)]
    pub(super) one: One,
    /// Let it rotate by itself
    #[arg(long)]
    pub(super) enable: bool,
    /// Stop that
    #[arg(long, conflicts_with = "enable")]
    pub(super) disable: bool,
    /// How often: 90 to 2560 days; clouds have bounds of their own [default: 365]
    #[arg(long, value_name = "DAYS", requires = "enable")]
    pub(super) period: Option<u32>,
}

impl Rotation {
    pub(super) fn key(&self) -> &KeyName {
        &self.one.key
    }
}

pub(super) fn rotation(session: &Session, args: &Rotation) -> Result<()> {
    let key_id = session.key_id(&args.one.key)?;
    if args.enable {
        let rotation_period_in_days = args.period;
        session
            .call(&EnableKeyRotationRequest { key_id: key_id.clone(), rotation_period_in_days })?;
    }
    if args.disable {
        session.call(&DisableKeyRotationRequest { key_id: key_id.clone() })?;
    }
    let status = session.call(&GetKeyRotationStatusRequest { key_id: key_id.clone() })?;
    let mut request = ListKeyRotationsRequest {
        key_id,
        include_key_material: Some(IncludeKeyMaterial::AllKeyMaterial),
        limit: Some(1000),
        marker: None,
    };
    let mut versions = Vec::new();
    loop {
        let page = session.call(&request)?;
        versions.extend(page.rotations);
        match page.next_marker {
            Some(marker) => request.marker = Some(marker),
            None => break,
        }
    }
    let mut lines = vec![match (status.rotation_period_in_days, status.next_rotation_date) {
        (Some(days), Some(next)) => format!("rotates every {days} days, next on {next}"),
        _ => "does not rotate by itself".to_owned(),
    }];
    for version in &versions {
        let when = match (version.rotation_date, version.rotation_type) {
            (Some(date), Some(kind)) => format!("{date}  {kind}"),
            _ => "the first version".to_owned(),
        };
        let (id, state) = (&version.key_material_id, version.key_material_state.as_str());
        lines.push(format!("{id}  {state:<11}  {when}"));
    }
    let mut answer = to_json(&status)?;
    answer["Rotations"] = to_json(&versions)?;
    session.console.answer(&answer, lines.join("\n"))
}
