//! The one form of names at clouds: `SCHEME://PLACE` for a KMS, `SCHEME://PLACE/NAME` for a key.

use crate::error::{Error, Result};
use crate::keys::KeyUri;

/// The longest name of a place, in bytes.
const MAX_PLACE: usize = 128;

/// A KMS at a cloud, or one of its keys, as its URI names it.
///
/// The place is a region of the vendor's, or a name that configuration gives a meaning to
/// ([`Places`](super::Places)); at Azure it is a vault, at Vault a mount. It is looked up among
/// what is configured, and no address is made of it otherwise.
///
/// ```
/// use keyfold::kms::cloud::CloudUri;
///
/// let key = CloudUri::parse("tencent://ap-guangzhou/23e80852-1e38")?;
/// assert_eq!((key.scheme(), key.place(), key.name()), ("tencent", "ap-guangzhou", Some("23e80852-1e38")));
/// let kms = CloudUri::parse("tencent://ap-guangzhou")?;
/// assert_eq!((kms.to_string().as_str(), kms.name()), ("tencent://ap-guangzhou", None));
/// assert!(CloudUri::parse("tencent://ap-guangzhou/../other").is_err());
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloudUri<'a> {
    scheme: &'a str,
    place: &'a str,
    name: Option<&'a str>,
}

impl<'a> CloudUri<'a> {
    /// Reads a URI.
    ///
    /// # Errors
    /// `invalid_argument` for another form (docs/spec/providers.md, clause 1.1).
    pub fn parse(uri: &'a str) -> Result<Self> {
        let wrong = || Error::invalid("a key of a cloud has the form SCHEME://PLACE/NAME");
        if uri.len() > KeyUri::MAX_LEN {
            return Err(Error::limit("a key URI is longer than 2048 bytes"));
        }
        let (scheme, rest) = super::super::endpoint::split_scheme(uri).ok_or_else(wrong)?;
        let (place, name) = match rest.split_once('/') {
            Some((place, name)) => (place, Some(name)),
            None => (rest, None),
        };
        let of_scheme = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let of_place = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@+=~/".contains(&byte);
        let fits = !scheme.is_empty()
            && scheme.bytes().all(of_scheme)
            && scheme.starts_with(|first: char| first.is_ascii_lowercase())
            && (1..=MAX_PLACE).contains(&place.len())
            && place.bytes().all(of_place)
            && place.starts_with(|first: char| first.is_ascii_alphanumeric())
            // Nothing in a name goes up or disappears where it becomes part of a path.
            && name.is_none_or(|name| {
                name.bytes().all(of_name)
                    && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
            });
        if fits { Ok(CloudUri { scheme, place, name }) } else { Err(wrong()) }
    }

    /// The scheme, which names the provider.
    pub fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// The place.
    pub fn place(&self) -> &'a str {
        self.place
    }

    /// The provider's name of the key; `None` where the URI names a KMS.
    pub fn name(&self) -> Option<&'a str> {
        self.name
    }

    /// The URI of a key that a service has named.
    ///
    /// # Errors
    /// `kms_protocol` for a name that no key URI can hold.
    pub(crate) fn of_key(scheme: &str, place: &str, name: &str) -> Result<KeyUri> {
        let uri = format!("{scheme}://{place}/{name}");
        let wrong = |_| super::not_understood();
        CloudUri::parse(&uri).map_err(wrong)?;
        KeyUri::new(uri).map_err(wrong)
    }
}

impl std::fmt::Display for CloudUri<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.place)?;
        self.name.map_or(Ok(()), |name| write!(f, "/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_form_is_taken() {
        for uri in [
            "google://projects/p/locations/l/keyRings/r/cryptoKeys/k",
            "azure://my-vault/docs/0123456789abcdef",
            "vault://transit/docs",
            "alibaba://cn-hangzhou/alias/docs",
            "alibaba://cn-hangzhou/acs:kms:cn-hangzhou:1:key/2",
        ] {
            assert_eq!(CloudUri::parse(uri).expect(uri).to_string(), uri);
        }
        for uri in [
            "tencent:ap-guangzhou/k",
            "tencent://",
            "tencent:///k",
            "tencent://a/",
            "tencent://a//k",
            "tencent://a/./k",
            "tencent://a/k/..",
            "tencent://a/k?x",
            "tencent://a/k%2f",
            "tencent://a/k#x",
            "tencent://a b/k",
            "tencent://u@a/k",
            "tencent://a:443/k",
            "tencent://-a/k",
            "Tencent://a/k",
            "1://a/k",
            "://a/k",
        ] {
            assert!(CloudUri::parse(uri).is_err(), "{uri}");
        }
        let long = format!("tencent://a/{}", "k".repeat(KeyUri::MAX_LEN));
        assert_eq!(CloudUri::parse(&long).expect_err("too long"), Error::limit(""));
    }
}
