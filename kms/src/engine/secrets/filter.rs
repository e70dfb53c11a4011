//! Filters of ListSecrets.

use super::invalid;
use super::rows::SecretRow;
use crate::error::Result;
use crate::types::{SecretFilter, SecretFilterKey};

const MAX_FILTERS: usize = 10;
const MAX_VALUES: usize = 10;
const MAX_VALUE: usize = 512;

/// Checks the shape of filters.
pub(super) fn check(filters: &[SecretFilter]) -> Result<()> {
    if filters.len() > MAX_FILTERS {
        return Err(invalid("more than 10 filters"));
    }
    for filter in filters {
        if !(1..=MAX_VALUES).contains(&filter.values.len()) {
            return Err(invalid("a filter has 1 to 10 values"));
        }
        for value in &filter.values {
            let bare = value.strip_prefix('!').unwrap_or(value);
            if bare.trim().is_empty() || value.chars().nth(MAX_VALUE).is_some() {
                return Err(invalid("a value of a filter has 1 to 512 characters"));
            }
        }
    }
    Ok(())
}

/// Whether a secret passes all filters.
pub(super) fn passes(filters: &[SecretFilter], secret: &SecretRow, region: &str) -> bool {
    filters.iter().all(|filter| {
        let matches = |value: &str| matches(filter.key, value, secret, region);
        let (mut wanted, mut found) = (false, false);
        for value in &filter.values {
            match value.strip_prefix('!') {
                Some(unwanted) if matches(unwanted) => return false,
                Some(_) => {}
                None => {
                    wanted = true;
                    found = found || matches(value);
                }
            }
        }
        found || !wanted
    })
}

fn matches(key: SecretFilterKey, value: &str, secret: &SecretRow, region: &str) -> bool {
    let description = secret.description.as_deref().unwrap_or_default();
    match key {
        SecretFilterKey::Name => secret.name.starts_with(value),
        SecretFilterKey::TagKey => secret.tags.keys().any(|tag| tag.starts_with(value)),
        SecretFilterKey::TagValue => secret.tags.values().any(|tag| tag.starts_with(value)),
        SecretFilterKey::PrimaryRegion => region.starts_with(value),
        SecretFilterKey::OwningService => false,
        SecretFilterKey::Description => has_words(&[description], value),
        SecretFilterKey::All => {
            let mut texts = vec![secret.name.as_str(), description, region];
            texts.extend(secret.tags.iter().flat_map(|(key, value)| [key.as_str(), value]));
            has_words(&texts, value)
        }
    }
}

/// Whether each word of `value` begins a word of one of the texts, in any case.
fn has_words(texts: &[&str], value: &str) -> bool {
    let texts: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
    value
        .to_lowercase()
        .split_whitespace()
        .all(|wanted| texts.iter().any(|text| begins_a_word(text, wanted)))
}

/// Words begin at the start, and after everything that is neither letter nor digit.
fn begins_a_word(text: &str, wanted: &str) -> bool {
    let mut inside = false;
    text.char_indices().any(|(at, c)| {
        let starts = !inside && text[at..].starts_with(wanted);
        inside = c.is_alphanumeric();
        starts
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn secret() -> SecretRow {
        SecretRow {
            name: "prod/db-password".into(),
            description: Some("The Billing database of Acme".into()),
            tags: BTreeMap::from([("Team".into(), "Payments EU".into())]),
            ..SecretRow::for_tests()
        }
    }

    fn pass(key: SecretFilterKey, values: &[&str]) -> bool {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        passes(&[SecretFilter { key, values }], &secret(), "us-east-1")
    }

    #[test]
    fn names_and_tags_match_by_prefix_and_case() {
        assert!(pass(SecretFilterKey::Name, &["prod/"]));
        assert!(!pass(SecretFilterKey::Name, &["Prod/"]) && !pass(SecretFilterKey::Name, &["db"]));
        assert!(pass(SecretFilterKey::TagKey, &["Te"]) && !pass(SecretFilterKey::TagKey, &["te"]));
        assert!(pass(SecretFilterKey::TagValue, &["Payments"]));
        assert!(!pass(SecretFilterKey::TagValue, &["EU"]));
        assert!(pass(SecretFilterKey::PrimaryRegion, &["us-east"]));
        assert!(!pass(SecretFilterKey::OwningService, &["rds"]));
    }

    #[test]
    fn descriptions_and_everything_match_by_words_in_any_case() {
        assert!(pass(SecretFilterKey::Description, &["billing"]));
        assert!(pass(SecretFilterKey::Description, &["ACME data"]));
        assert!(!pass(SecretFilterKey::Description, &["illing"]));
        assert!(!pass(SecretFilterKey::Description, &["password"]));
        assert!(pass(SecretFilterKey::All, &["password payments acme"]));
        assert!(!pass(SecretFilterKey::All, &["password nothing"]));
    }

    #[test]
    fn values_are_alternatives_and_an_exclamation_mark_negates() {
        assert!(pass(SecretFilterKey::Name, &["x", "prod"]));
        assert!(!pass(SecretFilterKey::Name, &["x", "y"]));
        assert!(pass(SecretFilterKey::Name, &["!x"]));
        assert!(!pass(SecretFilterKey::Name, &["!prod"]));
        assert!(!pass(SecretFilterKey::Name, &["prod", "!prod/db"]));
        assert!(pass(SecretFilterKey::Name, &["prod", "!prod/cache"]));
    }

    #[test]
    fn all_filters_must_pass() {
        let filter = |key, value: &str| SecretFilter { key, values: vec![value.to_owned()] };
        let name = filter(SecretFilterKey::Name, "prod");
        let tag = filter(SecretFilterKey::TagKey, "Owner");
        assert!(passes(std::slice::from_ref(&name), &secret(), ""));
        assert!(!passes(&[name, tag], &secret(), ""));
        assert!(passes(&[], &secret(), ""));
    }

    #[test]
    fn shapes() {
        let of = |values: Vec<String>| SecretFilter { key: SecretFilterKey::All, values };
        let one = |value: &str| check(&[of(vec![value.to_owned()])]);
        assert!(one("x").is_ok() && one(&"x".repeat(512)).is_ok());
        assert!(one("").is_err() && one("!").is_err() && one(" ").is_err());
        assert!(one(&"x".repeat(513)).is_err());
        assert!(check(&[of(Vec::new())]).is_err());
        assert!(check(&[of(vec!["x".into(); 11])]).is_err());
        assert!(check(&vec![of(vec!["x".into()]); 11]).is_err());
    }
}
