//! Principals, actions and resources of a statement.

use std::collections::BTreeSet;

use super::PolicyRequest;
use crate::arn::Arn;

/// Every action of the service `kms` that a policy may name: the operations of AWS KMS, with
/// ReEncrypt under its two halves, and the one permission that is not an operation.
pub(super) const ACTIONS: &[&str] = &[
    "CancelKeyDeletion",
    "ConnectCustomKeyStore",
    "CreateAlias",
    "CreateCustomKeyStore",
    "CreateGrant",
    "CreateKey",
    "Decapsulate",
    "Decrypt",
    "DeleteAlias",
    "DeleteCustomKeyStore",
    "DeleteImportedKeyMaterial",
    "DeriveSharedSecret",
    "DescribeCustomKeyStores",
    "DescribeKey",
    "DisableKey",
    "DisableKeyRotation",
    "DisconnectCustomKeyStore",
    "EnableKey",
    "EnableKeyRotation",
    "Encapsulate",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GenerateRandom",
    "GetKeyLastUsage",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "GetParametersForImport",
    "GetPublicKey",
    "ImportKeyMaterial",
    "ListAliases",
    "ListGrants",
    "ListKeyPolicies",
    "ListKeyRotations",
    "ListKeys",
    "ListResourceTags",
    "ListRetirableGrants",
    "PutKeyPolicy",
    "ReEncryptFrom",
    "ReEncryptTo",
    "ReplicateKey",
    "RetireGrant",
    "RevokeGrant",
    "RotateKeyOnDemand",
    "ScheduleKeyDeletion",
    "Sign",
    "SynchronizeMultiRegionKey",
    "TagResource",
    "UntagResource",
    "UpdateAlias",
    "UpdateCustomKeyStore",
    "UpdateKeyDescription",
    "UpdatePrimaryRegion",
    "Verify",
    "VerifyMac",
];

const SERVICE: &str = "kms:";

/// The actions of a statement, wildcards resolved.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Actions {
    all: bool,
    names: BTreeSet<&'static str>,
}

impl Actions {
    pub(super) fn all() -> Self {
        Actions { all: true, names: BTreeSet::new() }
    }

    pub(super) fn parse(items: &[String]) -> Result<Self, &'static str> {
        if items.is_empty() {
            return Err("the Action is empty");
        }
        let mut actions = Actions { all: false, names: BTreeSet::new() };
        for item in items {
            let name = strip_prefix_ignoring_case(item, SERVICE)
                .ok_or("an Action is not of the service kms")?;
            if name == "*" {
                actions.all = true;
                continue;
            }
            let mut known = ACTIONS
                .iter()
                .filter(|action| match name.strip_suffix('*') {
                    Some(prefix) => strip_prefix_ignoring_case(action, prefix).is_some(),
                    None => action.eq_ignore_ascii_case(name),
                })
                .peekable();
            if known.peek().is_none() {
                // A misspelled name in a Deny would protect nothing.
                return Err("an Action names no operation");
            }
            actions.names.extend(known);
        }
        Ok(actions)
    }

    pub(super) fn contain(&self, action: &str) -> bool {
        action.strip_prefix(SERVICE).is_some_and(|name| self.all || self.names.contains(name))
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Principal {
    /// Everybody who is authenticated.
    Anyone,
    /// The account itself: its root, and those whose own role allows the action.
    Account(String),
    /// Exactly this one.
    Arn(String),
}

impl Principal {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const REFUSED: &str = "a Principal is not understood";
        if text == "*" {
            return Ok(Principal::Anyone);
        }
        if is_account(text) {
            return Ok(Principal::Account(text.to_owned()));
        }
        let Some(Arn { partition, service: "iam", region: "", account, resource: subject }) =
            Arn::parse(text)
        else {
            return Err(REFUSED);
        };
        if !is_partition(partition) || !is_account(account) {
            return Err(REFUSED);
        }
        match subject.split_once('/') {
            None if subject == "root" => Ok(Principal::Account(account.to_owned())),
            Some(("user" | "role" | "oidc" | "mtls", name)) if is_name(name) => {
                Ok(Principal::Arn(text.to_owned()))
            }
            _ => Err(REFUSED),
        }
    }

    /// Whether the request is by this principal. To deny an account is to deny everybody in it;
    /// to allow an account is to let its roles decide.
    pub(super) fn is(&self, request: &PolicyRequest<'_>, allow: bool) -> bool {
        match self {
            Principal::Anyone => true,
            Principal::Account(account) => {
                request.account == account
                    && (!allow || request.role_allows || is_root(request.principal, account))
            }
            Principal::Arn(arn) => request.principal == arn,
        }
    }
}

fn is_root(principal: &str, account: &str) -> bool {
    Arn::parse(principal).is_some_and(|arn| {
        arn.service == "iam"
            && arn.region.is_empty()
            && arn.account == account
            && arn.resource == "root"
    })
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Resource {
    Any,
    Key(String),
}

impl Resource {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "*" {
            return Ok(Resource::Any);
        }
        match Arn::parse(text) {
            Some(Arn { partition, service: "kms", region, account, resource })
                if is_partition(partition)
                    && is_name(region)
                    && is_account(account)
                    && resource.strip_prefix("key/").is_some_and(is_name) =>
            {
                Ok(Resource::Key(text.to_owned()))
            }
            _ => Err("a Resource is neither * nor the ARN of a key"),
        }
    }

    pub(super) fn is(&self, key_arn: &str) -> bool {
        match self {
            Resource::Any => true,
            Resource::Key(arn) => arn == key_arn,
        }
    }
}

fn is_partition(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// A name inside an ARN: printable, and without anything that a reader may take for a wildcard or
/// a policy variable.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 1024
        && !text.chars().any(|c| c.is_control() || matches!(c, '*' | '?' | '$' | '{' | '}'))
}
