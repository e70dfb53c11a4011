//! `keyfold token`.

use std::time::Duration;

use keyfold_kms::types::IssueTokenRequest;
use serde_json::json;

use crate::fault::{self, Result};
use crate::kms::place_of;
use crate::names::{self, KeyName, Pair};
use crate::session::Session;

/// Issue a bearer token for the server, signed by the store itself
///
/// Whoever holds it is the principal `oidc/local/SUBJECT` of the account until it ends; it cannot
/// be taken back, so let it live no longer than needed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Whom it stands for
    #[arg(long, value_name = "NAME", default_value = "owner-token")]
    subject: String,
    /// What the bearer may do on keys whose policy leaves it to the account, and beyond keys: an
    /// action such as kms:Decrypt, or a prefix such as secretsmanager:*; may be repeated
    /// [default: *, everything]
    #[arg(long, value_name = "ACTION")]
    allow: Vec<String>,
    /// Allow nothing but what key policies and grants allow this principal by name
    #[arg(long, conflicts_with = "allow")]
    allow_nothing: bool,
    /// Only this key; may be repeated
    #[arg(long, short, value_name = "KEY", value_parser = names::key)]
    key: Vec<KeyName>,
    /// Only this operation, such as Decrypt or secretsmanager:*; may be repeated
    #[arg(long, value_name = "OPERATION")]
    operation: Vec<String>,
    /// Only encryption contexts with this pair; without --operation only operations that take a
    /// context, and DescribeKey; may be repeated
    #[arg(long, short, value_name = "NAME=VALUE")]
    context: Vec<Pair>,
    /// How long it lives, at most 24h
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = names::duration)]
    expires: Duration,
    /// Whom it is for, as the server's configuration has it
    #[arg(long, value_name = "NAME", default_value = "keyfold")]
    audience: String,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let permissions = match &args.allow[..] {
        [] if args.allow_nothing => Vec::new(),
        [] => vec!["*".to_owned()],
        allow => allow.to_vec(),
    };
    let key = |key: &KeyName| {
        let uri = session.uri(key)?;
        // A key of a cloud is named in whole, for the server that passes requests on.
        let name = if place_of(&uri).is_some() { uri.as_str() } else { uri.rest() };
        Ok(name.to_owned())
    };
    let expires_in_seconds = u32::try_from(args.expires.as_secs())
        .ok()
        .filter(|seconds| *seconds <= 86_400)
        .ok_or_else(|| fault::invalid("a token lives 24h at most"))?;
    let issued = session.call_local(&IssueTokenRequest {
        subject: args.subject.clone(),
        audience: args.audience.clone(),
        permissions,
        keys: args.key.iter().map(key).collect::<Result<_>>()?,
        operations: args.operation.clone(),
        encryption_context: names::context(&args.context)?,
        expires_in_seconds,
    })?;
    let value = json!({
        "token": issued.token.expose(),
        "expires": issued.expires,
        "principal": issued.principal,
    });
    session.console.note(format!("for {} until {}", issued.principal, issued.expires));
    session.console.answer(&value, issued.token.expose())
}
