//! Names of keys and secrets. They become parts of paths: nothing but the forms that Vault gives
//! them is taken.

use crate::error::{Error, Result};
use crate::keys::KeyUri;
use crate::kms::cloud::{Provider, name_of};

/// The longest path of a mount, a namespace or a secret, in bytes.
const MAX_PATH: usize = 255;

/// The name of a key, and the number of its version where that is named too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyName<'a> {
    pub(super) name: &'a str,
    pub(super) version: Option<&'a str>,
}

impl<'a> KeyName<'a> {
    /// # Errors
    /// `invalid_argument` for a key of another KMS, or a name of another form.
    pub(super) fn of(provider: &dyn Provider, key: &'a KeyUri) -> Result<Self> {
        let wrong = || Error::invalid("a key at Vault is named KEY or KEY/VERSION");
        Self::parse(name_of(provider, key)?).ok_or_else(wrong)
    }

    /// The name of a key as a whole.
    ///
    /// # Errors
    /// Those of [`of`](KeyName::of), and `invalid_argument` for a version.
    pub(super) fn whole(provider: &dyn Provider, key: &'a KeyUri) -> Result<&'a str> {
        match Self::of(provider, key)? {
            KeyName { name, version: None } => Ok(name),
            _ => Err(Error::invalid("this is done with a key, and with no version of it")),
        }
    }

    fn parse(text: &'a str) -> Option<Self> {
        let (name, version) = match text.split_once('/') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let fits = is_name(name) && version.is_none_or(is_version);
        fits.then_some(KeyName { name, version })
    }
}

/// The name of a key.
pub(super) fn is_name(text: &str) -> bool {
    let of_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    (1..=MAX_PATH).contains(&bytes.len())
        && bytes.iter().all(|byte| of_word(*byte) || b"-.".contains(byte))
        && [bytes.first(), bytes.last()].into_iter().flatten().all(|byte| of_word(*byte))
}

/// The number of a version of a key or of a secret.
pub(super) fn is_version(text: &str) -> bool {
    (1..=9).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0')
}

/// A mount, a namespace, a secret: parts with `/` between them, of which none goes up.
pub(crate) fn is_path(text: &str) -> bool {
    let of_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.len() <= MAX_PATH
        && text.split('/').all(|part| !matches!(part, "" | "." | "..") && part.bytes().all(of_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_vaults_forms_are_taken() {
        let version = KeyName::parse("docs/12").expect("a version");
        assert_eq!((version.name, version.version), ("docs", Some("12")));
        for name in ["d", "_", "a.b-c_d", "docs"] {
            assert!(KeyName::parse(name).is_some(), "{name}");
        }
        for name in ["", "-a", "a-", ".a", "a.", "a b", "a/", "a/0", "a/01", "a/b", "a/1/2", "a%2f"]
        {
            assert_eq!(KeyName::parse(name), None, "{name}");
        }
        for path in ["a", "a/b", "team.x/kv-2_y"] {
            assert!(is_path(path), "{path}");
        }
        for path in ["", "/", "a/", "/a", "a//b", "a/../b", ".", "a b", "a?b", "a%2fb"] {
            assert!(!is_path(path), "{path}");
        }
    }
}
