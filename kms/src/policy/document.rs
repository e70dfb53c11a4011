//! From JSON text to statements. Members that are unknown, repeated, missing or null are refused.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::condition::Condition;
use super::element::{Actions, Principal, Resource};
use super::{Place, Policy, PolicyError, Statement};

pub(super) const VERSION: &str = "2012-10-17";

/// The longest `Sid`, in bytes.
const MAX_SID: usize = 256;

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let document: Document = serde_json::from_str(text).map_err(|error| PolicyError {
        place: Place::Text { line: error.line(), column: error.column() },
        reason: match error.classify() {
            // The parser's own words may repeat a value of the document.
            Category::Data => "an element is unknown, repeated, missing or of the wrong type",
            _ => "the policy is not valid JSON",
        },
    })?;
    if document.version != VERSION {
        return Err(PolicyError::document("the Version must be 2012-10-17"));
    }
    if document.statement.0.is_empty() {
        return Err(PolicyError::document("the policy has no statement"));
    }
    let mut ids = BTreeSet::new();
    let statements: Vec<Statement> = document
        .statement
        .0
        .into_iter()
        .enumerate()
        .map(|(index, raw)| {
            if raw.sid.as_ref().is_some_and(|sid| !ids.insert(sid.clone())) {
                return Err(PolicyError::statement(index, "the Sid is used twice"));
            }
            statement(index, raw).map_err(|reason| PolicyError::statement(index, reason))
        })
        .collect::<Result<_, _>>()?;
    Ok(Policy { statements })
}

fn statement(index: usize, raw: RawStatement) -> Result<Statement, &'static str> {
    let id = match raw.sid {
        Some(sid) if sid.is_empty() || sid.len() > MAX_SID || sid.chars().any(char::is_control) => {
            return Err("the Sid must have 1 to 256 printable characters");
        }
        Some(sid) => sid,
        None => format!("#{index}"),
    };
    let allow = match raw.effect.as_str() {
        "Allow" => true,
        "Deny" => false,
        _ => return Err("the Effect must be Allow or Deny"),
    };
    let principals = match raw.principal {
        RawPrincipal::Text(text) if text == "*" => vec![Principal::Anyone],
        RawPrincipal::Text(_) => return Err("the Principal is not understood"),
        RawPrincipal::Aws(names) => each(&names, Principal::parse, "the Principal is empty")?,
    };
    let mut conditions = Vec::new();
    for (operator, keys) in raw.condition.map_or_else(Vec::new, |operators| operators.0) {
        if keys.0.is_empty() {
            return Err("a condition operator has no keys");
        }
        for (key, values) in keys.0 {
            conditions.push(Condition::parse(&operator, &key, values.0)?);
        }
    }
    Ok(Statement {
        id,
        allow,
        principals,
        actions: Actions::parse(&raw.action.0)?,
        resources: each(&raw.resource, Resource::parse, "the Resource is empty")?,
        conditions,
    })
}

fn each<T>(
    names: &OneOrMany<String>,
    parse: impl Fn(&str) -> Result<T, &'static str>,
    empty: &'static str,
) -> Result<Vec<T>, &'static str> {
    if names.0.is_empty() {
        return Err(empty);
    }
    names.0.iter().map(|name| parse(name)).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "Version")]
    version: String,
    #[serde(rename = "Id", default, deserialize_with = "present")]
    #[expect(dead_code, reason = "a label that decides nothing")]
    id: Option<String>,
    #[serde(rename = "Statement")]
    statement: OneOrMany<RawStatement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawStatement {
    #[serde(default, deserialize_with = "present")]
    sid: Option<String>,
    effect: String,
    principal: RawPrincipal,
    action: OneOrMany<String>,
    resource: OneOrMany<String>,
    #[serde(default, deserialize_with = "present")]
    condition: Option<Members<Members<OneOrMany<Scalar>>>>,
}

/// `null` is not the same as absent.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

enum RawPrincipal {
    Text(String),
    Aws(OneOrMany<String>),
}

impl<'de> Deserialize<'de> for RawPrincipal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Map {
            #[serde(rename = "AWS")]
            aws: OneOrMany<String>,
        }

        struct PrincipalVisitor;

        impl<'de> Visitor<'de> for PrincipalVisitor {
            type Value = RawPrincipal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a principal")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(RawPrincipal::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Map::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(|map| RawPrincipal::Aws(map.aws))
            }
        }

        deserializer.deserialize_any(PrincipalVisitor)
    }
}

/// A value of a condition: a string, or `true` or `false` for its text.
pub(super) struct Scalar(pub(super) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a boolean")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Scalar(text.to_owned()))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Scalar(value.to_string()))
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// A list, of which a single item may stand without brackets.
struct OneOrMany<T>(Vec<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);

        impl<'de, T: DeserializeOwned> Visitor<'de> for ListVisitor<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item or a list")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(de::value::StrDeserializer::new(text))
                    .map(|item| OneOrMany(vec![item]))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
                T::deserialize(de::value::BoolDeserializer::new(value))
                    .map(|item| OneOrMany(vec![item]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(|item| OneOrMany(vec![item]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(OneOrMany(items))
            }
        }

        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// The members of a JSON object in their order; a repeated name is refused.
struct Members<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for MembersVisitor<T> {
            type Value = Members<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut names, mut members) = (BTreeSet::new(), Vec::new());
                while let Some((name, member)) = map.next_entry::<String, T>()? {
                    if !names.insert(name.clone()) {
                        return Err(de::Error::custom("a repeated member"));
                    }
                    members.push((name, member));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}
