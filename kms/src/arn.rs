//! Amazon Resource Names, the full names of keys, aliases and secrets.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

/// Where the resources of a store live: the parts that their ARNs share.
///
/// ```
/// use keyfold_kms::arn::Realm;
///
/// let realm = Realm { region: "eu-central-1".into(), ..Realm::default() };
/// assert_eq!(realm.key("7f1c"), "arn:aws:kms:eu-central-1:000000000000:key/7f1c");
/// assert_eq!(realm.account_root(), "arn:aws:iam::000000000000:root");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Realm {
    /// The partition, `aws` unless configured.
    pub partition: String,
    /// The region, `us-east-1` unless configured.
    pub region: String,
    /// The account: twelve digits, `000000000000` unless configured.
    pub account: String,
}

impl Default for Realm {
    fn default() -> Self {
        Realm {
            partition: "aws".into(),
            region: "us-east-1".into(),
            account: "000000000000".into(),
        }
    }
}

impl Realm {
    /// Whether every part is what an ARN can hold.
    pub(crate) fn is_valid(&self) -> bool {
        let word = |part: &str| {
            (1..=64).contains(&part.len())
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        word(&self.partition)
            && word(&self.region)
            && self.account.len() == 12
            && self.account.bytes().all(|b| b.is_ascii_digit())
    }

    /// The ARN of a KMS key.
    pub fn key(&self, key_id: impl fmt::Display) -> String {
        self.resource("kms", format_args!("key/{key_id}"))
    }

    /// The ARN of an alias, whose name starts with `alias/`.
    pub fn alias(&self, name: &str) -> String {
        self.resource("kms", format_args!("{name}"))
    }

    /// The ARN of any resource of this account and region.
    pub fn resource(&self, service: &str, resource: impl fmt::Display) -> String {
        let Realm { partition, region, account } = self;
        // As long as the ARN of a key: most are.
        let len = 53 + partition.len() + service.len() + region.len();
        let mut arn = String::with_capacity(len);
        let done = write!(arn, "arn:{partition}:{service}:{region}:{account}:{resource}");
        debug_assert!(done.is_ok(), "a string takes everything");
        arn
    }

    /// The name of a service of this region, as policies know it.
    pub fn service(&self, service: &str) -> String {
        format!("{service}.{}.amazonaws.com", self.region)
    }

    /// The principal that stands for the whole account.
    pub fn account_root(&self) -> String {
        format!("arn:{}:iam::{}:root", self.partition, self.account)
    }
}

/// The parts of an ARN, borrowed from its text.
///
/// ```
/// use keyfold_kms::arn::{Arn, Realm};
///
/// let arn = Arn::parse("arn:aws:kms:us-east-1:000000000000:alias/docs").expect("an ARN");
/// assert_eq!((arn.service, arn.resource), ("kms", "alias/docs"));
/// assert!(arn.is_in(&Realm::default()));
/// assert_eq!(Arn::parse("alias/docs"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// The partition.
    pub partition: &'a str,
    /// The service: `kms`, `secretsmanager`, `iam`, …
    pub service: &'a str,
    /// The region; empty for global services.
    pub region: &'a str,
    /// The account.
    pub account: &'a str,
    /// What follows the fifth colon.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes an ARN apart; `None` where it is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next() != Some("arn") {
            return None;
        }
        let arn = Arn {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        };
        (!arn.partition.is_empty() && !arn.service.is_empty() && !arn.resource.is_empty())
            .then_some(arn)
    }

    /// Whether the ARN is one of this realm.
    pub fn is_in(&self, realm: &Realm) -> bool {
        self.partition == realm.partition
            && self.region == realm.region
            && self.account == realm.account
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_is_total_and_undoes_format() {
        let realm = Realm::default();
        let text = realm.key("1234abcd");
        let arn = Arn::parse(&text).expect("an ARN");
        assert_eq!(text, "arn:aws:kms:us-east-1:000000000000:key/1234abcd");
        assert_eq!((arn.service, arn.resource), ("kms", "key/1234abcd"));
        assert!(arn.is_in(&realm));
        for bad in
            ["", "arn", "arn:", "arn:aws:kms:r:a", "arn:aws:kms:r:a:", "arn:::::", "x:a:b:c:d:e"]
        {
            assert_eq!(Arn::parse(bad), None, "{bad}");
        }
    }
}
