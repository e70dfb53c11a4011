//! `keyfold grant`.

use keyfold_kms::types::{
    CreateGrantRequest, GrantConstraints, GrantListEntry, GrantOperation, ListGrantsRequest,
    ListRetirableGrantsRequest, RetireGrantRequest, RevokeGrantRequest,
};
use serde_json::json;

use crate::fault::Result;
use crate::names::{self, KeyName, Pair};
use crate::session::Session;

/// Grants: what a principal may do with one key
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Allow a principal some operations
    Create(Box<Create>),
    /// List the grants of a key, or those that a principal may retire
    List(List),
    /// End a grant, as the owner of its key
    Revoke {
        /// The key
        #[arg(long, short, value_name = "KEY", value_parser = names::key)]
        key: KeyName,
        /// The grant
        #[arg(value_name = "GRANT_ID")]
        grant: String,
    },
    /// End a grant, as the one it was given to
    Retire(Retire),
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// The key
    #[arg(long, short, value_name = "KEY", value_parser = names::key)]
    key: KeyName,
    /// Who may: the ARN of a principal
    #[arg(long, value_name = "PRINCIPAL", required_unless_present = "to_service")]
    to: Option<String>,
    /// Which service may: a dotted name
    #[arg(long, value_name = "SERVICE", conflicts_with = "to")]
    to_service: Option<String>,
    /// Operation that is allowed, such as Decrypt or GenerateDataKey; may be repeated
    #[arg(long, value_name = "OPERATION", required = true)]
    allow: Vec<GrantOperation>,
    /// Only under exactly this encryption context; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    context: Vec<Pair>,
    /// Only under encryption contexts with this pair; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    context_contains: Vec<Pair>,
    /// Who may end the grant: the ARN of a principal
    #[arg(long, value_name = "PRINCIPAL")]
    retire_by: Option<String>,
    /// Which service may end the grant
    #[arg(long, value_name = "SERVICE", conflicts_with = "retire_by")]
    retire_by_service: Option<String>,
    /// The same name and parameters again give the same grant
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct List {
    /// The key
    #[arg(long, short, value_name = "KEY", value_parser = names::key,
          required_unless_present = "retirable_by")]
    key: Option<KeyName>,
    /// The principal that may end the grants, on any key
    #[arg(long, value_name = "PRINCIPAL", conflicts_with = "key")]
    retirable_by: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct Retire {
    /// The grant's token, as `grant create` answers it
    #[arg(value_name = "TOKEN", required_unless_present = "grant")]
    token: Option<String>,
    /// The key, instead of the token
    #[arg(long, short, value_name = "KEY", value_parser = names::key, requires = "grant",
          conflicts_with = "token")]
    key: Option<KeyName>,
    /// The grant, instead of the token
    #[arg(long = "id", value_name = "GRANT_ID", requires = "key")]
    grant: Option<String>,
}

pub(crate) fn run(session: &Session, command: &Command) -> Result<()> {
    match command {
        Command::Create(args) => create(session, args),
        Command::List(args) => list(session, args),
        Command::Revoke { key, grant } => {
            let request = RevokeGrantRequest {
                key_id: session.key_id(key)?,
                grant_id: grant.clone(),
                dry_run: None,
            };
            session.call(&request)?;
            session.console.answer(&json!({ "GrantId": grant }), format!("revoked {grant}"))
        }
        Command::Retire(args) => {
            let request = RetireGrantRequest {
                grant_token: args.token.clone(),
                key_id: args
                    .key
                    .as_ref()
                    .map(|key| session.describe(key))
                    .transpose()?
                    .map(|k| k.arn),
                grant_id: args.grant.clone(),
                dry_run: None,
            };
            session.call(&request)?;
            session.console.answer(&json!({ "GrantId": args.grant }), "retired")
        }
    }
}

fn create(session: &Session, args: &Create) -> Result<()> {
    let constraints = GrantConstraints {
        encryption_context_equals: names::context(&args.context)?,
        encryption_context_subset: names::context(&args.context_contains)?,
        source_arn: None,
    };
    let constrained = constraints != GrantConstraints::default();
    let request = CreateGrantRequest {
        key_id: session.key_id(&args.key)?,
        grantee_principal: args.to.clone(),
        grantee_service_principal: args.to_service.clone(),
        retiring_principal: args.retire_by.clone(),
        retiring_service_principal: args.retire_by_service.clone(),
        operations: args.allow.clone(),
        constraints: constrained.then_some(constraints),
        name: args.name.clone(),
        ..CreateGrantRequest::default()
    };
    let answer = session.call(&request)?;
    let text = format!("grant {}\ntoken {}", answer.grant_id, answer.grant_token);
    session.console.answer(&answer, text)
}

fn list(session: &Session, args: &List) -> Result<()> {
    let mut grants: Vec<GrantListEntry> = Vec::new();
    let key_id = args.key.as_ref().map(|key| session.key_id(key)).transpose()?;
    let mut marker = None;
    loop {
        let page = match &key_id {
            Some(key_id) => session.call(&ListGrantsRequest {
                key_id: key_id.clone(),
                marker,
                ..ListGrantsRequest::default()
            })?,
            None => session.call(&ListRetirableGrantsRequest {
                retiring_principal: args.retirable_by.clone(),
                marker,
                ..ListRetirableGrantsRequest::default()
            })?,
        };
        grants.extend(page.grants);
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    let lines: Vec<String> = grants
        .iter()
        .map(|grant| {
            let grantee =
                grant.grantee_principal.as_ref().or(grant.grantee_service_principal.as_ref());
            let operations: Vec<&str> = grant.operations.iter().map(|o| o.as_str()).collect();
            let grantee = grantee.map_or("", String::as_str);
            format!("{}  {grantee}  {}", grant.grant_id, operations.join(","))
        })
        .collect();
    session.console.answer(&json!({ "Grants": grants }), lines.join("\n"))
}
