//! Names of keys. They become parts of paths: nothing but the forms that Azure gives them is taken.

use crate::error::{Error, Result};
use crate::keys::KeyUri;
use crate::kms::cloud::{Provider, name_of, not_understood};
use crate::kms::endpoint::split_scheme;

/// The name of a key, and of its version where that is named too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyName<'a> {
    pub(super) name: &'a str,
    pub(super) version: Option<&'a str>,
}

impl<'a> KeyName<'a> {
    /// # Errors
    /// `invalid_argument` for a key of another KMS, or a name of another form.
    pub(super) fn of(provider: &dyn Provider, key: &'a KeyUri) -> Result<Self> {
        let wrong = || Error::invalid("a key at Azure is named KEY or KEY/VERSION");
        Self::parse(name_of(provider, key)?).ok_or_else(wrong)
    }

    fn parse(text: &'a str) -> Option<Self> {
        let (name, version) = match text.split_once('/') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let fits = is_name(name) && version.is_none_or(is_version);
        fits.then_some(KeyName { name, version })
    }

    /// Reads the `kid` of an answer, `https://VAULT/keys/NAME/VERSION`. The vault in it is that
    /// of the service, whatever address it was reached by.
    ///
    /// # Errors
    /// `kms_protocol` for another form.
    pub(super) fn answered(kid: &'a str) -> Result<Self> {
        let path = split_scheme(kid).and_then(|(_, rest)| rest.split_once("/keys/"));
        path.and_then(|(_, name)| Self::parse(name)).ok_or_else(not_understood)
    }

    /// The path of what is named.
    pub(super) fn path(&self) -> String {
        match self.version {
            Some(version) => format!("/keys/{}/{version}", self.name),
            None => format!("/keys/{}", self.name),
        }
    }

    /// Whether another name is of this key and, where this names one, of this version.
    pub(super) fn covers(&self, other: &KeyName<'_>) -> bool {
        // Azure tells no case of letters apart here.
        self.name.eq_ignore_ascii_case(other.name)
            && (self.version.is_none() || self.version == other.version)
    }
}

/// The name of a key, or of a secret.
pub(super) fn is_name(text: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=127).contains(&text.len()) && text.bytes().all(of_name)
}

pub(super) fn is_version(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_azures_forms_are_taken() {
        let key = KeyName::parse("docs").expect("a key");
        let version = KeyName::answered("https://v.vault.azure.net/keys/Docs/0123abc");
        let version = version.expect("a version");
        assert_eq!((version.name, version.version), ("Docs", Some("0123abc")));
        assert!(key.covers(&version) && !version.covers(&key));
        for name in ["", "a_b", "docs/", "docs/1/2", "../docs", "docs/..", "a b"] {
            assert_eq!(KeyName::parse(name), None, "{name}");
        }
        for kid in ["docs", "https://v/secrets/docs/1", "https://v/keys/", "https://v/keys/a/b/c"] {
            assert!(KeyName::answered(kid).is_err(), "{kid}");
        }
    }
}
