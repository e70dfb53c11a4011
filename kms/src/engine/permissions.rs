//! The names of what may be done, as roles, tokens and configurations write them: `kms:Decrypt`,
//! a prefix such as `secretsmanager:Get*`, or `*`.

use crate::error::{KmsError, KmsErrorCode, Result};
use crate::policy::KMS_ACTIONS;

/// How many names one role, token or rule has at most.
pub(crate) const MAX: usize = 64;

/// The operations of the password safe.
const SECRETS_ACTIONS: &[&str] = &[
    "CreateSecret",
    "DeleteSecret",
    "DescribeSecret",
    "GetRandomPassword",
    "GetSecretValue",
    "ListSecretVersionIds",
    "ListSecrets",
    "PutSecretValue",
    "RestoreSecret",
    "TagResource",
    "UntagResource",
    "UpdateSecret",
    "UpdateSecretVersionStage",
];

/// The operations of this engine's own.
const OWN_ACTIONS: &[&str] = &[
    "CreateAccessKey",
    "DeleteAccessKey",
    "IssueToken",
    "ListAccessKeys",
    "ListAuditRecords",
    "RotateAccessKey",
    "UpdateAccessKey",
];

/// An operation that is not the name of an action: its two halves are.
const RE_ENCRYPT: &str = "ReEncrypt";

/// Whether a name or prefix reaches an action such as `kms:Decrypt`.
pub(crate) fn reaches(pattern: &str, action: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => action.starts_with(prefix),
        None => action == pattern,
    }
}

/// Whether a name or prefix reaches an operation. A bare name is the operation of any service.
pub(crate) fn reaches_operation(pattern: &str, service: &str, name: &str) -> bool {
    let Some((of, pattern)) = pattern.split_once(':') else { return reaches(pattern, name) };
    of == service && reaches(pattern, name)
}

/// Refuses permissions that reach nothing: a misspelled name would only be found when it is
/// missed.
pub(crate) fn check(permissions: &[String]) -> Result<()> {
    check_each(permissions, |permission| {
        permission == "*" || known().any(|(service, name)| is(permission, service, name))
    })
}

/// The same for the names of operations.
pub(crate) fn check_operations(operations: &[String]) -> Result<()> {
    check_each(operations, |operation| {
        known()
            .chain([("kms", RE_ENCRYPT)])
            .any(|(service, name)| reaches_operation(operation, service, name))
    })
}

fn is(permission: &str, service: &str, name: &str) -> bool {
    permission.contains(':') && reaches_operation(permission, service, name)
}

fn known() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of =
        |service, names: &'static [&'static str]| names.iter().map(move |name| (service, *name));
    of("kms", KMS_ACTIONS)
        .chain(of("secretsmanager", SECRETS_ACTIONS))
        .chain(of("keyfold", OWN_ACTIONS))
}

fn check_each(names: &[String], fits: impl Fn(&str) -> bool) -> Result<()> {
    if names.len() > MAX {
        let why = "a role or token names at most 64 actions or operations";
        return Err(KmsError::new(KmsErrorCode::Validation, why));
    }
    match names.iter().find(|name| name.len() > 128 || !fits(name)) {
        None => Ok(()),
        Some(wrong) => {
            let wrong: String = wrong.chars().take(128).collect();
            let why = format!("'{}' names no action, such as kms:Decrypt", wrong.escape_debug());
            Err(KmsError::new(KmsErrorCode::Validation, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_reach_by_name_and_by_prefix() {
        for (pattern, action, expected) in [
            ("*", "kms:Decrypt", true),
            ("kms:*", "kms:Decrypt", true),
            ("kms:*", "secretsmanager:GetSecretValue", false),
            ("kms:De*", "kms:Describe", true),
            ("kms:Decrypt", "kms:Decrypt", true),
            ("kms:Decrypt", "kms:DecryptMore", false),
            ("", "kms:Decrypt", false),
        ] {
            assert_eq!(reaches(pattern, action), expected, "{pattern} {action}");
        }
        for (pattern, service, name, expected) in [
            ("Decrypt", "kms", "Decrypt", true),
            ("TagResource", "secretsmanager", "TagResource", true),
            ("kms:TagResource", "secretsmanager", "TagResource", false),
            ("*", "keyfold", "IssueToken", true),
            ("k*", "kms", "Decrypt", false),
            ("kms:ReEncrypt", "kms", "ReEncrypt", true),
        ] {
            assert_eq!(reaches_operation(pattern, service, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_reaches_nothing_is_refused() {
        let all = |check: fn(&[String]) -> Result<()>, names: &[&str]| {
            check(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        };
        for good in ["*", "kms:*", "kms:Decrypt", "kms:GenerateData*", "secretsmanager:Get*"] {
            assert!(all(check, &[good]).is_ok(), "{good}");
            assert!(all(check_operations, &[good]).is_ok(), "{good}");
        }
        for bad in ["", "kms:", "Kms:*", "kms:Decrpt", "s3:GetObject", "kms:decrypt"] {
            assert!(all(check, &[bad]).is_err(), "{bad}");
            assert!(all(check_operations, &[bad]).is_err(), "{bad}");
        }
        // Permissions are of a service; ReEncrypt is allowed by its halves.
        for operation in ["Decrypt", "ReEncrypt", "kms:ReEncrypt"] {
            assert!(all(check, &[operation]).is_err(), "{operation}");
            assert!(all(check_operations, &[operation]).is_ok(), "{operation}");
        }
        assert!(all(check, &["*"; MAX]).is_ok() && all(check, &["*"; MAX + 1]).is_err());
    }
}
