//! Names of keys. They become parts of paths, and `:` begins a verb there: nothing but the forms
//! that Google gives them is taken.

use crate::error::{Error, Result};
use crate::keys::KeyUri;
use crate::kms::cloud::{Provider, name_of, not_understood};

/// The name of a key, and of its version where that is named too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyName<'a> {
    /// `P/locations/L/keyRings/R/cryptoKeys/K`.
    key: &'a str,
    version: Option<&'a str>,
}

impl<'a> KeyName<'a> {
    /// # Errors
    /// `invalid_argument` for a key of another KMS, or a name of another form.
    pub(super) fn of(provider: &dyn Provider, key: &'a KeyUri) -> Result<Self> {
        let name = name_of(provider, key)?;
        Self::parse(name).ok_or_else(|| {
            Error::invalid(
                "a key at Google is named P/locations/L/keyRings/R/cryptoKeys/K, perhaps with \
                 /cryptoKeyVersions/V",
            )
        })
    }

    /// Reads a name without `projects/`.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let (key, version) = match name.split_once("/cryptoKeyVersions/") {
            Some((key, version)) => (key, Some(version)),
            None => (name, None),
        };
        let mut parts = key.split('/');
        let mut next = || parts.next().unwrap_or_default();
        let fits = is_project(next())
            && next() == "locations"
            && is_location(next())
            && next() == "keyRings"
            && is_id(next())
            && next() == "cryptoKeys"
            && is_id(next())
            && parts.next().is_none()
            && version.is_none_or(is_version);
        fits.then_some(KeyName { key, version })
    }

    /// Reads a name as the service answers it, with `projects/`.
    ///
    /// # Errors
    /// `kms_protocol` for another form.
    pub(super) fn answered(name: &'a str) -> Result<Self> {
        name.strip_prefix("projects/").and_then(Self::parse).ok_or_else(not_understood)
    }

    /// The name without `projects/`, and without the version.
    pub(super) fn key(&self) -> &'a str {
        self.key
    }

    pub(super) fn version(&self) -> Option<&'a str> {
        self.version
    }

    /// # Errors
    /// `invalid_argument` where no version is named.
    pub(super) fn demand_version(&self) -> Result<()> {
        let none = "a key that signs at Google is named with its version, /cryptoKeyVersions/V";
        self.version.map(|_| ()).ok_or_else(|| Error::invalid(none))
    }

    /// The path of the key.
    pub(super) fn key_path(&self) -> String {
        format!("/v1/projects/{}", self.key)
    }

    /// The path of what is named: the key, or its version.
    pub(super) fn path(&self) -> String {
        match self.version {
            Some(version) => format!("/v1/projects/{}/cryptoKeyVersions/{version}", self.key),
            None => self.key_path(),
        }
    }

    /// Whether another name is of this key and, where this names one, of this version. A project
    /// has a name and a number, and services answer either.
    pub(super) fn covers(&self, other: &KeyName<'_>) -> bool {
        let within = |name: &'a str| name.split_once('/').map_or("", |(_project, rest)| rest);
        let theirs = other.key.split_once('/').map_or("", |(_project, rest)| rest);
        within(self.key) == theirs && (self.version.is_none() || self.version == other.version)
    }
}

/// A project: its name, perhaps with a domain, or its number.
pub(super) fn is_project(text: &str) -> bool {
    let of_project =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:".contains(&byte);
    (1..=100).contains(&text.len())
        && text.bytes().all(of_project)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

pub(super) fn is_location(text: &str) -> bool {
    let of_location = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(of_location)
}

/// A key ring, or a key.
pub(super) fn is_id(text: &str) -> bool {
    let of_id = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=63).contains(&text.len()) && text.bytes().all(of_id)
}

pub(super) fn is_version(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_googles_forms_are_taken() {
        let key = "p/locations/l/keyRings/r/cryptoKeys/k";
        let parsed = KeyName::parse(key).expect("a key");
        assert_eq!((parsed.key(), parsed.version()), (key, None));
        let version = format!("{key}/cryptoKeyVersions/7");
        let parsed_version = KeyName::parse(&version).expect("a version");
        assert_eq!((parsed_version.key(), parsed_version.version()), (key, Some("7")));
        assert!(parsed.covers(&parsed_version) && !parsed_version.covers(&parsed));
        let number = KeyName::parse("123/locations/l/keyRings/r/cryptoKeys/k").expect("a key");
        assert!(parsed.covers(&number));
        let other = KeyName::parse("p/locations/l/keyRings/r/cryptoKeys/other").expect("a key");
        assert!(!parsed.covers(&other));
        assert!(
            KeyName::parse("example.com:p/locations/global/keyRings/R_1/cryptoKeys/K").is_some()
        );
        for name in [
            "k",
            "p/locations/l/keyRings/r",
            "p/locations/l/keyRings/r/cryptoKeys/",
            "p/locations/l/keyRings/r/cryptoKeys/k:destroy",
            "p/locations/l/keyRings/r/cryptoKeys/k/x",
            "p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/",
            "p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1:destroy",
            "p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1/cryptoKeyVersions/2",
            "../locations/l/keyRings/r/cryptoKeys/k",
            "p/secrets/l/keyRings/r/cryptoKeys/k",
        ] {
            assert_eq!(KeyName::parse(name), None, "{name}");
        }
    }
}
