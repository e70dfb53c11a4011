//! Key policies: who may do what with one KMS key.
//!
//! The documents are those of AWS (version 2012-10-17), cut down to a subset in which everything
//! is understood. Whatever is not understood is refused when the policy is written, because an
//! ignored condition is how a policy opens up:
//!
//! | element | supported |
//! | --- | --- |
//! | `Version` | `2012-10-17`, required |
//! | `Sid` | optional, unique, at most 256 characters |
//! | `Effect` | `Allow`, `Deny` |
//! | `Principal` | `*`, or `AWS` with `*`, an account (its number or its root's ARN), or an `iam` ARN of a `user`, `role`, `oidc` or `mtls` subject, without wildcards |
//! | `Action` | `kms:*`, `kms:Prefix*`, names of operations; case does not matter |
//! | `Resource` | `*` or the key's own ARN |
//! | `Condition` | the operators and keys of `policy/condition.rs`, each operator only on keys of its type |
//!
//! Policy variables (`${…}`), `NotAction`, `NotPrincipal`, `NotResource`, the `IfExists` operators
//! and repeated JSON members are refused.

mod condition;
mod document;
mod element;
mod pattern;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use keyfold::EncryptionContext;

use condition::Condition;
use element::{Actions, Principal, Resource};

/// The operations of the service `kms` that policies and roles name.
pub(crate) const KMS_ACTIONS: &[&str] = element::ACTIONS;

/// The longest policy document, in bytes.
pub const MAX_LEN: usize = 32_768;

/// A parsed key policy.
///
/// ```
/// use keyfold_kms::policy::{Conditions, Decision, PolicyRequest, parse};
///
/// let policy = parse(
///     r#"{"Version": "2012-10-17", "Statement": [
///         {"Sid": "Readers", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
///          "Principal": {"AWS": "arn:aws:iam::111122223333:role/reader"}}
///     ]}"#,
/// )?;
/// let request = PolicyRequest {
///     principal: "arn:aws:iam::111122223333:role/reader",
///     account: "111122223333",
///     role_allows: false,
///     action: "kms:Decrypt",
///     resource: "arn:aws:kms:us-east-1:111122223333:key/7f1c",
///     conditions: &Conditions::new(),
/// };
/// assert_eq!(policy.decide(&request), Decision::Allow { statement: "Readers" });
/// let request = PolicyRequest { action: "kms:Encrypt", ..request };
/// assert_eq!(policy.decide(&request), Decision::Implicit);
/// assert!(!policy.keeps_control(&request)); // the caller could not change it again
/// # Ok::<(), keyfold_kms::policy::PolicyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, PartialEq, Eq)]
struct Statement {
    id: String,
    allow: bool,
    principals: Vec<Principal>,
    actions: Actions,
    resources: Vec<Resource>,
    conditions: Vec<Condition>,
}

/// Reads a policy document.
///
/// # Errors
/// [`PolicyError`] for a document longer than [`MAX_LEN`] bytes, for anything that is not JSON of
/// the expected form, and for every element, name or value that this crate does not understand.
///
/// ```
/// let text = keyfold_kms::policy::Policy::default_document("aws", "111122223333");
/// assert!(keyfold_kms::policy::parse(&text).is_ok());
/// assert!(keyfold_kms::policy::parse("{}").is_err());
/// ```
pub fn parse(text: &str) -> Result<Policy, PolicyError> {
    if text.len() > MAX_LEN {
        return Err(PolicyError::document("the policy is longer than 32768 bytes"));
    }
    document::parse(text)
}

/// One question to a policy.
#[derive(Clone, Copy)]
pub struct PolicyRequest<'a> {
    /// The caller's ARN.
    pub principal: &'a str,
    /// The caller's account, 12 digits. It also answers `kms:CallerAccount`.
    pub account: &'a str,
    /// Whether the caller's own role allows the action. A statement that allows the account
    /// (its root's ARN) reaches exactly the root and those for whom this is true.
    pub role_allows: bool,
    /// The action, such as `kms:Encrypt`.
    pub action: &'a str,
    /// The ARN of the key that the policy belongs to.
    pub resource: &'a str,
    /// What conditions are tested against.
    pub conditions: &'a Conditions,
}

/// What a policy answers; the strings are the `Sid` of the statement that decided, or `#n` (from
/// 0) where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'p> {
    /// A statement allows the request and none denies it.
    Allow {
        /// The first statement that allows it.
        statement: &'p str,
    },
    /// A statement denies the request; nothing else counts.
    Deny {
        /// The first statement that denies it.
        statement: &'p str,
    },
    /// No statement is about the request: denied, unless a role or a grant allows it.
    Implicit,
}

impl Policy {
    /// The policy of a key that was created without one: the account may do everything.
    pub fn default_for(account: &str) -> Policy {
        Policy {
            statements: vec![Statement {
                id: DEFAULT_SID.to_owned(),
                allow: true,
                principals: vec![Principal::Account(account.to_owned())],
                actions: Actions::all(),
                resources: vec![Resource::Any],
                conditions: Vec::new(),
            }],
        }
    }

    /// The document of [`Policy::default_for`], as AWS words it.
    pub fn default_document(partition: &str, account: &str) -> String {
        serde_json::json!({
            "Version": document::VERSION,
            "Id": "key-default-1",
            "Statement": [{
                "Sid": DEFAULT_SID,
                "Effect": "Allow",
                "Principal": {"AWS": format!("arn:{partition}:iam::{account}:root")},
                "Action": "kms:*",
                "Resource": "*",
            }],
        })
        .to_string()
    }

    /// Whether any statement has a condition.
    pub(crate) fn is_conditional(&self) -> bool {
        self.statements.iter().any(|statement| !statement.conditions.is_empty())
    }

    /// Decides a request: an explicit deny wins, then an explicit allow, else [`Decision::Implicit`].
    pub fn decide(&self, request: &PolicyRequest<'_>) -> Decision<'_> {
        let first = |allow: bool| {
            self.statements
                .iter()
                .find(|statement| statement.allow == allow && statement.is_about(request))
                .map(|statement| statement.id.as_str())
        };
        match (first(false), first(true)) {
            (Some(statement), _) => Decision::Deny { statement },
            (None, Some(statement)) => Decision::Allow { statement },
            (None, None) => Decision::Implicit,
        }
    }

    /// Whether every `Resource` is `*` or the given key. A statement about another key would
    /// silently do nothing, so a policy for which this is false must not be stored.
    pub fn is_only_about(&self, key_arn: &str) -> bool {
        self.statements
            .iter()
            .flat_map(|statement| &statement.resources)
            .all(|resource| resource.is(key_arn))
    }

    /// The lockout check: whether under this policy the caller may still `kms:PutKeyPolicy`.
    /// The action of `caller` is ignored.
    pub fn keeps_control(&self, caller: &PolicyRequest<'_>) -> bool {
        let request = PolicyRequest { action: "kms:PutKeyPolicy", ..*caller };
        matches!(self.decide(&request), Decision::Allow { .. })
    }
}

const DEFAULT_SID: &str = "Enable IAM User Permissions";

impl Statement {
    fn is_about(&self, request: &PolicyRequest<'_>) -> bool {
        self.actions.contain(request.action)
            && self.resources.iter().any(|resource| resource.is(request.resource))
            && self.principals.iter().any(|principal| principal.is(request, self.allow))
            && self.conditions.iter().all(|condition| condition.holds(request))
    }
}

/// The values that a request has for condition keys, such as `kms:EncryptionAlgorithm`.
///
/// A key without values is absent. Debug prints the keys only: the values of an encryption
/// context may tell who a customer is.
///
/// ```
/// use keyfold_kms::policy::Conditions;
///
/// let mut conditions = Conditions::new();
/// conditions.set("kms:ViaService", "secretsmanager.us-east-1.amazonaws.com");
/// conditions.set_context(&[("customer", "Alice")].into());
/// assert!(!format!("{conditions:?}").contains("Alice")); // names only
/// ```
#[derive(Clone, Default)]
pub struct Conditions(BTreeMap<String, Vec<String>>);

impl Conditions {
    /// No values at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a key its one value.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), vec![value.into()]);
    }

    /// Gives a multi-valued key its values.
    pub fn set_all<V: Into<String>>(
        &mut self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) {
        self.0.insert(key.into(), values.into_iter().map(Into::into).collect());
    }

    /// Sets `kms:EncryptionContext:<name>` for every pair, and `kms:EncryptionContextKeys`.
    pub fn set_context(&mut self, context: &EncryptionContext) {
        for (name, value) in context.iter() {
            self.set(format!("{}{name}", condition::CONTEXT_PREFIX), value);
        }
        self.set_all("kms:EncryptionContextKeys", context.iter().map(|(name, _)| name));
    }

    fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

impl fmt::Debug for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why a policy document was refused (`MalformedPolicyDocumentException`). It never repeats a
/// value of the document.
///
/// ```
/// let text = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps"}]}"#;
/// let refused = keyfold_kms::policy::parse(text).err().expect("no such effect");
/// assert!(!refused.to_string().contains("Perhaps")); // it tells the place, not the value
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    place: Place,
    reason: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Document,
    Text { line: usize, column: usize },
    Statement(usize),
}

impl PolicyError {
    fn document(reason: &'static str) -> Self {
        PolicyError { place: Place::Document, reason }
    }

    fn statement(index: usize, reason: &'static str) -> Self {
        PolicyError { place: Place::Statement(index), reason }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Document => f.write_str(self.reason),
            Place::Text { line, column } => {
                write!(f, "{} (line {line}, column {column})", self.reason)
            }
            Place::Statement(index) => write!(f, "statement {index}: {}", self.reason),
        }
    }
}

impl std::error::Error for PolicyError {}
