//! `keyfold access-key`.

use std::collections::BTreeMap;
use std::time::Duration;

use keyfold_kms::types::{
    AccessKeyMetadata, AccessKeyStatus, CreateAccessKeyRequest, CreateAccessKeyResponse,
    DeleteAccessKeyRequest, ListAccessKeysRequest, RotateAccessKeyRequest, UpdateAccessKeyRequest,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::fault::Result;
use crate::names;
use crate::session::Session;

/// Access keys: with what AWS SDKs sign their requests to the server
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make an access key and show its secret, once
    Create(Create),
    /// List access keys, without their secrets
    List {
        /// Only those of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Let a disabled access key work again
    Enable(One),
    /// Refuse an access key from now on, on every server of the store
    Disable(One),
    /// Remove an access key for good
    Delete(One),
    /// Make a second access key for the same user and show its secret, once; the first works on
    /// until it is disabled
    Rotate(One),
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// The user; two of its keys can work at a time [default: admin, or admin-2 and so on where
    /// that one has two already]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// What the user may do on keys whose policy leaves it to the account, and beyond keys: an
    /// action such as kms:Decrypt, or a prefix such as secretsmanager:*; may be repeated
    /// [default: *, everything]
    #[arg(long, value_name = "ACTION")]
    allow: Vec<String>,
    /// Allow nothing but what key policies and grants allow this user by name
    #[arg(long, conflicts_with = "allow")]
    allow_nothing: bool,
    /// How long it works, such as 12h or 90d [default: until it is disabled]
    #[arg(long, value_name = "TIME", value_parser = names::duration)]
    expires: Option<Duration>,
}

#[derive(clap::Args)]
pub(crate) struct One {
    /// The access key
    #[arg(value_name = "ACCESS_KEY_ID")]
    id: String,
}

pub(crate) fn run(session: &Session, command: &Command) -> Result<()> {
    match command {
        Command::Create(args) => create(session, args),
        Command::List { user } => list(session, user.as_deref()),
        Command::Enable(One { id }) => set(session, id, AccessKeyStatus::Active),
        Command::Disable(One { id }) => set(session, id, AccessKeyStatus::Inactive),
        Command::Delete(One { id }) => {
            session.call_local(&DeleteAccessKeyRequest { access_key_id: id.clone() })?;
            session.console.answer(&json!({ "access_key_id": id }), format!("deleted {id}"))
        }
        Command::Rotate(One { id }) => show(
            session,
            &session.call_local(&RotateAccessKeyRequest { access_key_id: id.clone() })?,
        ),
    }
}

fn create(session: &Session, args: &Create) -> Result<()> {
    let user_name = match &args.user {
        Some(user) => user.clone(),
        None => free_admin(&all(session, None)?),
    };
    let permissions = match &args.allow[..] {
        [] if args.allow_nothing => Vec::new(),
        [] => vec!["*".to_owned()],
        allow => allow.to_vec(),
    };
    let expires = args.expires.map(names::from_now);
    show(session, &session.call_local(&CreateAccessKeyRequest { user_name, permissions, expires })?)
}

/// The first of `admin`, `admin-2`, … that has room for one more key.
fn free_admin(keys: &[AccessKeyMetadata]) -> String {
    let mut active: BTreeMap<&str, usize> = BTreeMap::new();
    for key in keys.iter().filter(|key| key.status == AccessKeyStatus::Active) {
        *active.entry(&key.user_name).or_default() += 1;
    }
    let mut name = "admin".to_owned();
    for number in 2.. {
        if active.get(name.as_str()).is_none_or(|count| *count < 2) {
            break;
        }
        name = format!("admin-{number}");
    }
    name
}

fn all(session: &Session, user: Option<&str>) -> Result<Vec<AccessKeyMetadata>> {
    let (mut keys, mut marker) = (Vec::new(), None);
    loop {
        let user_name = user.map(str::to_owned);
        let page = session.call_local(&ListAccessKeysRequest { user_name, limit: None, marker })?;
        keys.extend(page.access_keys);
        marker = page.next_marker;
        if marker.is_none() {
            return Ok(keys);
        }
    }
}

fn list(session: &Session, user: Option<&str>) -> Result<()> {
    let keys = all(session, user)?;
    let lines: Vec<String> = keys
        .iter()
        .map(|key| {
            let status = key.status.as_str().to_lowercase();
            let allow = key.permissions.join(",");
            let end = key.expires.map(|end| format!("  until {end}")).unwrap_or_default();
            format!("{}  {status:<8}  {}  {allow}{end}", key.access_key_id, key.user_name)
        })
        .collect();
    let values: Vec<Value> = keys.iter().map(value).collect();
    session.console.answer(&json!({ "access_keys": values }), lines.join("\n"))
}

fn set(session: &Session, id: &str, status: AccessKeyStatus) -> Result<()> {
    session.call_local(&UpdateAccessKeyRequest { access_key_id: id.to_owned(), status })?;
    let word = match status {
        AccessKeyStatus::Active => "enabled",
        _ => "disabled",
    };
    let value = json!({ "access_key_id": id, "status": status.as_str().to_lowercase() });
    session.console.answer(&value, format!("{word} {id}"))
}

fn show(session: &Session, made: &CreateAccessKeyResponse) -> Result<()> {
    let (key, secret) = (&made.access_key, made.secret_access_key.expose());
    session.console.note("the secret is shown this once: the store never tells it again");
    let mut value = value(key);
    // Whoever asked for the secret gets it; it is wiped here with the answer's text.
    value["secret_access_key"] = secret.into();
    let text = Zeroizing::new(format!(
        "access key id      {}\nsecret access key  {secret}\nprincipal          {}",
        key.access_key_id, key.principal
    ));
    session.console.answer(&value, text.as_str())
}

fn value(key: &AccessKeyMetadata) -> Value {
    json!({
        "access_key_id": key.access_key_id,
        "user": key.user_name,
        "principal": key.principal,
        "allow": key.permissions,
        "status": key.status.as_str().to_lowercase(),
        "created": key.create_date,
        "expires": key.expires,
    })
}
