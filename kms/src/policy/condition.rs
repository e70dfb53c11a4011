//! Conditions: one operator on one key.
//!
//! | type of key | keys | operators |
//! | --- | --- | --- |
//! | text | `kms:EncryptionContext:<name>`, `kms:EncryptionAlgorithm`, `kms:SigningAlgorithm`, `kms:MacAlgorithm`, `kms:MessageType`, `kms:KeySpec`, `kms:KeyUsage`, `kms:KeyOrigin`, `kms:RequestAlias`, `kms:GranteePrincipal`, `kms:ViaService`, `kms:CallerAccount`, `kms:ValidTo`, `kms:WrappingAlgorithm` | `StringEquals`, `StringNotEquals`, `StringLike` |
//! | texts | `kms:EncryptionContextKeys`, `kms:ResourceAliases`, `kms:GrantOperations` | `ForAllValues:StringEquals`, `ForAnyValue:StringEquals` |
//! | boolean | `kms:GrantIsForAWSResource`, `kms:ReEncryptOnSameKey` | `Bool` |
//! | address | `aws:SourceIp` | `IpAddress` |
//! | each of them | | `Null` |
//!
//! Names of keys are compared exactly, the name of a context pair included. An operator on a key
//! of another type has no meaning that two readers would agree on, and is refused.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::PolicyRequest;
use super::document::Scalar;
use super::pattern::Pattern;

pub(super) const CONTEXT_PREFIX: &str = "kms:EncryptionContext:";
const CALLER_ACCOUNT: &str = "kms:CallerAccount";

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Condition {
    key: String,
    test: Test,
}

#[derive(Clone, PartialEq, Eq)]
enum Test {
    Equals(BTreeSet<String>),
    NotEquals(BTreeSet<String>),
    Like(Vec<Pattern>),
    AllIn(BTreeSet<String>),
    AnyIn(BTreeSet<String>),
    Is(bool),
    Absent(bool),
    Within(Vec<IpNet>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Texts,
    Boolean,
    Address,
}

impl Kind {
    fn of(key: &str) -> Option<Self> {
        Some(match key {
            "kms:EncryptionAlgorithm"
            | "kms:SigningAlgorithm"
            | "kms:MacAlgorithm"
            | "kms:MessageType"
            | "kms:KeySpec"
            | "kms:KeyUsage"
            | "kms:KeyOrigin"
            | "kms:RequestAlias"
            | "kms:GranteePrincipal"
            | "kms:ViaService"
            | "kms:ValidTo"
            | "kms:WrappingAlgorithm"
            | CALLER_ACCOUNT => Kind::Text,
            "kms:EncryptionContextKeys" | "kms:ResourceAliases" | "kms:GrantOperations" => {
                Kind::Texts
            }
            "kms:GrantIsForAWSResource" | "kms:ReEncryptOnSameKey" => Kind::Boolean,
            "aws:SourceIp" => Kind::Address,
            _ if key.starts_with(CONTEXT_PREFIX) => Kind::Text,
            _ => return None,
        })
    }
}

impl Condition {
    pub(super) fn parse(
        operator: &str,
        key: &str,
        values: Vec<Scalar>,
    ) -> Result<Self, &'static str> {
        let kind = Kind::of(key).ok_or("a condition key is not understood")?;
        if values.is_empty() {
            return Err("a condition has no values");
        }
        if values.iter().any(|value| value.0.contains("${")) {
            return Err("policy variables are not understood");
        }
        let test = match (operator, kind) {
            ("StringEquals", Kind::Text) => Test::Equals(set(values)),
            ("StringNotEquals", Kind::Text) => Test::NotEquals(set(values)),
            ("StringLike", Kind::Text) => Test::Like(
                values.iter().map(|value| Pattern::parse(&value.0)).collect::<Result<_, _>>()?,
            ),
            ("ForAllValues:StringEquals", Kind::Texts) => Test::AllIn(set(values)),
            ("ForAnyValue:StringEquals", Kind::Texts) => Test::AnyIn(set(values)),
            ("Bool", Kind::Boolean) => Test::Is(boolean(&values)?),
            ("Null", _) => Test::Absent(boolean(&values)?),
            ("IpAddress", Kind::Address) => Test::Within(
                values.iter().map(|value| network(&value.0)).collect::<Result<_, _>>()?,
            ),
            (
                "StringEquals"
                | "StringNotEquals"
                | "StringLike"
                | "ForAllValues:StringEquals"
                | "ForAnyValue:StringEquals"
                | "Bool"
                | "IpAddress",
                _,
            ) => return Err("a condition operator does not fit the type of its key"),
            _ => return Err("a condition operator is not understood"),
        };
        Ok(Condition { key: key.to_owned(), test })
    }

    pub(super) fn holds(&self, request: &PolicyRequest<'_>) -> bool {
        let account = [request.account.to_owned()];
        let values = match self.key.as_str() {
            CALLER_ACCOUNT => &account,
            key => request.conditions.get(key),
        };
        match &self.test {
            Test::Equals(set) | Test::AnyIn(set) => values.iter().any(|value| set.contains(value)),
            // True of an absent key too, as in AWS.
            Test::NotEquals(set) => !values.iter().any(|value| set.contains(value)),
            Test::AllIn(set) => values.iter().all(|value| set.contains(value)),
            Test::Like(patterns) => {
                values.iter().any(|value| patterns.iter().any(|pattern| pattern.matches(value)))
            }
            Test::Is(expected) => {
                values.iter().any(|value| value == if *expected { "true" } else { "false" })
            }
            Test::Absent(expected) => values.is_empty() == *expected,
            Test::Within(networks) => values.iter().any(|value| {
                value.parse().is_ok_and(|address: IpAddr| {
                    // An IPv4 caller of a dual-stack socket shows up mapped into IPv6.
                    let address = address.to_canonical();
                    networks.iter().any(|network| network.contains(&address))
                })
            }),
        }
    }
}

fn set(values: Vec<Scalar>) -> BTreeSet<String> {
    values.into_iter().map(|value| value.0).collect()
}

fn boolean(values: &[Scalar]) -> Result<bool, &'static str> {
    match values {
        [Scalar(value)] if value == "true" => Ok(true),
        [Scalar(value)] if value == "false" => Ok(false),
        _ => Err("a condition needs exactly one of true and false"),
    }
}

fn network(text: &str) -> Result<IpNet, &'static str> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "an address range is not understood")
}
