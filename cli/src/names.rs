//! What stands on the command line for keys, contexts, ranges and the like.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use keyfold::kms::aws::{AWS_SCHEME, KEYFOLD_SCHEME};
use keyfold::kms::cloud::{self, CloudUri};
use keyfold::sign::SignatureAlgorithm;
use keyfold::{EncryptionContext, KeyUri};
use keyfold_kms::clock::{Clock, SystemClock, Timestamp};

use crate::fault::{self, Result};

/// A KMS key by any of its names: `alias/docs`, a key id, an ARN, a whole key URI, or a name of
/// the configuration. Which KMS it is of is known later, unless the name says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyName(String);

/// The schemes that a whole key URI may have, beside the clouds'.
const SCHEMES: [&str; 2] = [KEYFOLD_SCHEME, AWS_SCHEME];

/// Checks the name of a key.
pub(crate) fn key(name: &str) -> Result<KeyName, &'static str> {
    let name = KeyName(name.to_owned());
    if name.0.contains("://") {
        return match name.cloud() {
            Some(_) => Ok(name),
            None => {
                Err("a key of a cloud has the form SCHEME://PLACE/NAME; keyfold provider list \
                         names the schemes")
            }
        };
    }
    match name.uri(&format!("{}:", name.scheme().unwrap_or(KEYFOLD_SCHEME))) {
        Ok(_) => Ok(name),
        Err(_) => Err("a key is named by its alias, id, ARN or key URI, in printable ASCII"),
    }
}

/// Whether a configuration may give a key this name: it is no URI, ARN or alias.
pub(crate) fn is_short(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !name.is_empty() && name.bytes().all(fits)
}

impl KeyName {
    /// As it stands on the command line.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The scheme, where the name is a whole key URI of no cloud's.
    pub(crate) fn scheme(&self) -> Option<&'static str> {
        let (scheme, _) = self.0.split_once(':')?;
        SCHEMES.into_iter().find(|known| *known == scheme)
    }

    /// The parts of the name, where it is one of a cloud's key.
    fn cloud(&self) -> Option<CloudUri<'_>> {
        let uri = CloudUri::parse(&self.0).ok()?;
        (uri.name().is_some() && cloud::SCHEMES.contains(&uri.scheme())).then_some(uri)
    }

    /// The URI of the key, in the KMS whose keys' URIs begin with `prefix` unless the name says
    /// which.
    ///
    /// # Errors
    /// `invalid_argument` where the name is a URI of another KMS's key.
    pub(crate) fn uri(&self, prefix: &str) -> Result<KeyUri> {
        if self.cloud().is_some() {
            return KeyUri::new(self.0.clone());
        }
        match self.scheme() {
            None => {
                let uri = KeyUri::new(format!("{prefix}{}", self.0))?;
                if prefix.contains("://") {
                    CloudUri::parse(uri.as_str())?;
                }
                Ok(uri)
            }
            // The embedded KMS is beside every cloud.
            Some(own) if prefix.strip_suffix(':') == Some(own) => KeyUri::new(self.0.clone()),
            Some(KEYFOLD_SCHEME) if prefix.contains("://") => KeyUri::new(self.0.clone()),
            Some(_) => Err(fault::invalid(format!("{} is not a key of this KMS", self.0))),
        }
    }
}

/// A signature algorithm by its name.
pub(crate) fn algorithm(name: &str) -> Result<SignatureAlgorithm, String> {
    name.parse().map_err(|_| {
        let names: Vec<&str> = SignatureAlgorithm::ALL.iter().map(|a| a.as_str()).collect();
        format!("it is one of {}", names.join(", "))
    })
}

/// `NAME=VALUE`; the value may contain further `=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for Pair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("the form is NAME=VALUE")?;
        Ok(Pair { name: name.to_owned(), value: value.to_owned() })
    }
}

/// An encryption context; a name that stands twice is a mistake.
pub(crate) fn context(pairs: &[Pair]) -> Result<EncryptionContext> {
    let unique: BTreeMap<&str, &str> =
        pairs.iter().map(|pair| (pair.name.as_str(), pair.value.as_str())).collect();
    if unique.len() < pairs.len() {
        return Err(fault::invalid("a name stands twice in the encryption context"));
    }
    Ok(unique.into_iter().collect())
}

/// `90s`, `15m`, `12h` or `90d`: a whole number of one unit, more than none.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "the form is a number and s, m, h or d, such as 12h";
    let unit = text.chars().last().and_then(|unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        _ => None,
    });
    let (unit, digits) = (unit.ok_or(FORM)?, &text[..text.len() - 1]);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FORM);
    }
    // A hundred years are more than enough, and less than any clock overflows at.
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    let seconds = seconds.filter(|seconds| (1..=36_500 * 86_400).contains(seconds));
    seconds.map(Duration::from_secs).ok_or("it is at least 1s and at most 36500d")
}

/// The time that much later than now.
pub(crate) fn from_now(after: Duration) -> Timestamp {
    SystemClock.now().plus(i64::try_from(after.as_millis()).unwrap_or(i64::MAX))
}

/// `START..END`, `START..` or `..END`: bytes of the plaintext from START up to, not including, END.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) start: u64,
    /// The end of the plaintext where absent.
    pub(crate) end: Option<u64>,
}

impl ByteRange {
    /// The range in a plaintext of this length. One that reaches past the end stays so: reading
    /// it proves the end.
    pub(crate) fn within(&self, len: u64) -> Range<u64> {
        // One byte past the end, so that an open range proves the end too.
        self.start..self.end.unwrap_or_else(|| len.saturating_add(1).max(self.start))
    }
}

impl FromStr for ByteRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "the form is START..END, in bytes of the plaintext";
        let number = |digits: &str| match digits {
            "" => Ok(None),
            _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map(Some).map_err(|_| wrong())
            }
            _ => Err(wrong()),
        };
        let (start, end) = text.split_once("..").ok_or_else(wrong)?;
        let (start, end) = (number(start)?.unwrap_or(0), number(end)?);
        if end.is_some_and(|end| end < start) {
            return Err("the range ends before it starts");
        }
        Ok(ByteRange { start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_many_names() {
        for (name, uri) in [
            ("alias/docs", "keyfold:alias/docs"),
            ("keyfold:alias/docs", "keyfold:alias/docs"),
            (
                "arn:aws:kms:us-east-1:000000000000:alias/x",
                "keyfold:arn:aws:kms:us-east-1:000000000000:alias/x",
            ),
            ("keyfoldish", "keyfold:keyfoldish"),
        ] {
            let name = key(name).expect("a key");
            assert_eq!(name.uri("keyfold:").expect("a key URI").as_str(), uri);
        }
        let docs = key("alias/docs").expect("a key");
        assert_eq!(docs.uri("aws:").expect("a key URI").as_str(), "aws:alias/docs");
        // A whole URI is of one KMS.
        let whole = key("aws:alias/docs").expect("a key");
        assert_eq!(whole.uri("aws:").expect("a key URI").as_str(), "aws:alias/docs");
        assert!(whole.uri("keyfold:").is_err());
        let wrong = ["ftp://place/key", "tencent://place", "tencent://place/../key"];
        let long = "a".repeat(2048);
        for name in ["", "keyfold:", "two words", "clé", &long].into_iter().chain(wrong) {
            assert!(key(name).is_err(), "{name}");
        }
    }

    #[test]
    fn keys_of_clouds_stand_beside_others() {
        let uri = |name: &str, prefix: &str| key(name).expect(name).uri(prefix);
        let cloud = "tencent://ap-guangzhou/23e8";
        for prefix in ["keyfold:", "aws:", "tencent://ap-beijing/"] {
            assert_eq!(uri(cloud, prefix).expect("a key URI").as_str(), cloud);
        }
        let prefix = "tencent://ap-guangzhou/";
        assert_eq!(uri("23e8", prefix).expect("a key URI").as_str(), cloud);
        let own = uri("keyfold:alias/docs", prefix).expect("a key URI");
        assert_eq!(own.as_str(), "keyfold:alias/docs");
        assert!(uri("aws:alias/docs", prefix).is_err());
        assert!(uri("two//parts", prefix).is_err());
        assert!(is_short("docs-2_b"));
        for name in ["", "alias/docs", "keyfold:docs", "a.b"] {
            assert!(!is_short(name), "{name}");
        }
    }

    #[test]
    fn a_context_takes_each_name_once() {
        let pairs = |texts: &[&str]| -> Vec<Pair> {
            texts.iter().map(|text| text.parse().expect("a pair")).collect()
        };
        let context = |texts: &[&str]| context(&pairs(texts));
        let two = context(&["tenant=acme", "sum=1+1=2"]).expect("a context");
        assert_eq!((two.get("tenant"), two.get("sum")), (Some("acme"), Some("1+1=2")));
        assert_eq!(context(&["=", "a="]).expect("a context").len(), 2);
        assert!(context(&["a=1", "a=1"]).is_err());
        assert!("tenant".parse::<Pair>().is_err());
    }

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in
            [("90s", 90), ("15m", 900), ("12h", 43_200), ("36500d", 3_153_600_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "1",
            "1w",
            "-1h",
            "+1h",
            "1.5h",
            "1h30m",
            "0s",
            "36501d",
            "1\u{e9}",
            "99999999999999999999d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_are_half_open() {
        let range = |text: &str| text.parse::<ByteRange>();
        assert_eq!(range("1..3").expect("a range").within(10), 1..3);
        assert_eq!(range("7..").expect("a range").within(10), 7..11);
        assert_eq!(range("70..").expect("a range").within(10), 70..70);
        assert_eq!(range("..3").expect("a range").within(10), 0..3);
        assert_eq!(range("5..5").expect("a range").within(10), 5..5);
        for text in
            ["", "1", "1-3", "3..1", "a..b", "1...3", "-1..3", "+1..3", "1..18446744073709551616"]
        {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
