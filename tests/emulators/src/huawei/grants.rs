//! Grants: kept and listed; nobody but the owner calls.

use serde_json::{Value, json};

use super::{Answer, DOMAIN, Refusal, State};
use crate::backend::Failure;
use crate::wire::{Parameters, page};

/// Method, path after `kms/`, name.
pub(super) const PATHS: &[(&str, &str, &str)] = &[
    ("POST", "create-grant", "create-grant"),
    ("POST", "revoke-grant", "revoke-grant"),
    ("POST", "retire-grant", "retire-grant"),
    ("POST", "list-grants", "list-grants"),
    ("POST", "list-retirable-grants", "list-retirable-grants"),
];

pub(super) const NAMES: [&str; 5] =
    ["create-grant", "revoke-grant", "retire-grant", "list-grants", "list-retirable-grants"];

/// What may be granted.
const OPERATIONS: [&str; 9] = [
    "create-datakey",
    "create-datakey-without-plaintext",
    "encrypt-datakey",
    "decrypt-datakey",
    "describe-key",
    "create-grant",
    "retire-grant",
    "encrypt-data",
    "decrypt-data",
];

/// A grant, as it is listed.
pub(super) struct Grant(Value);

/// Performs an operation.
pub(super) fn perform(state: &mut State, now: i64, name: &str, given: &Parameters) -> Answer {
    let key = given.text("key_id");
    if name != "list-retirable-grants" {
        state.world.key(given.required("key_id")?)?;
    }
    match name {
        "create-grant" => {
            state.world.usable(key)?;
            let operations = given.texts("operations");
            let known = |name: &String| OPERATIONS.contains(&name.as_str());
            if operations.is_empty() || !operations.iter().all(known) {
                return Err(Refusal::new("KMS.2401", "The operations cannot be granted."));
            }
            let id = [state.world.backend.hex_id(), state.world.backend.hex_id()].concat();
            state.grants.push(Grant(json!({
                "key_id": key, "grant_id": id,
                "grantee_principal": given.required("grantee_principal")?,
                "grantee_principal_type":
                    given.optional("grantee_principal_type").unwrap_or("user"),
                "operations": operations, "issuing_principal": DOMAIN,
                "creation_date": (now * 1000).to_string(), "name": given.text("name"),
                "retiring_principal": given.text("retiring_principal"),
            })));
            Ok((200, Some(json!({ "grant_id": id }))))
        }
        "revoke-grant" | "retire-grant" => {
            let id = given.required("grant_id")?;
            let before = state.grants.len();
            state.grants.retain(|grant| grant.0["grant_id"] != id || grant.0["key_id"] != key);
            if state.grants.len() == before {
                return Err(Refusal::new("KMS.3901", "The grant does not exist."));
            }
            Ok((200, Some(json!({}))))
        }
        _ => {
            let offset = given.number("marker")?.unwrap_or(0);
            let limit = given.number_in("limit", 1..=1000)?.unwrap_or(1000);
            let retirable = name == "list-retirable-grants";
            let wanted = |grant: &&Grant| {
                if retirable {
                    grant.0["retiring_principal"] == DOMAIN
                } else {
                    grant.0["key_id"] == key
                }
            };
            let found: Vec<_> = state.grants.iter().filter(wanted).map(|grant| &grant.0).collect();
            let total = found.len();
            let found = page(found, offset, limit);
            let next =
                offset + i64::try_from(found.len()).map_err(|_| Failure::Invalid("marker"))?;
            let truncated = next < i64::try_from(total).unwrap_or(0);
            Ok((
                200,
                Some(json!({
                    "grants": found, "total": total, "truncated": truncated.to_string(),
                    "next_marker": if truncated { next.to_string() } else { String::new() },
                })),
            ))
        }
    }
}
