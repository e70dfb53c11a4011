//! Which clouds requests are passed on to, and for whom.

use keyfold::kms::cloud::CloudUri;
use serde::Deserialize;

use super::super::ServeError;
use super::super::config::range;
use crate::engine::permissions;

/// How many clouds and rules there are at most.
const MAX_UPSTREAMS: usize = 64;
const MAX_RULES: usize = 1024;

/// The clouds that this server speaks to for its callers, and who may use which key there.
///
/// ```
/// use keyfold_kms::server::{RelayConfig, RelayRule, ServerConfig};
///
/// let relay = RelayConfig {
///     upstreams: vec!["tencent://ap-guangzhou".into()],
///     rules: vec![RelayRule {
///         key: "tencent://ap-guangzhou/23e80852-1e38".into(),
///         principals: vec!["arn:aws:iam::000000000000:oidc/corp/*".into()],
///         allow: vec!["kms:GenerateDataKey".into(), "kms:Decrypt".into()],
///     }],
///     ..RelayConfig::default()
/// };
/// ServerConfig { relay, ..ServerConfig::default() }.check()?;
/// # Ok::<(), keyfold_kms::server::ServeError>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelayConfig {
    /// Their URIs, such as `tencent://ap-guangzhou`; none by default, at most 64.
    pub upstreams: Vec<String>,
    /// Who may do what; nobody anything by default. At most 1024.
    pub rules: Vec<RelayRule>,
    /// For how long a cloud may take for one request, in seconds; less than
    /// `limits.request_seconds`. 15.
    pub timeout_seconds: u64,
    /// Requests at one time to each cloud; more are told to come back. 128.
    pub concurrent_requests: usize,
}

impl Default for RelayConfig {
    fn default() -> Self {
        let (upstreams, rules) = (Vec::new(), Vec::new());
        RelayConfig { upstreams, rules, timeout_seconds: 15, concurrent_requests: 128 }
    }
}

/// What some principals may do with a key or a secret of a cloud, or with several.
///
/// ```
/// use keyfold_kms::server::RelayRule;
///
/// let rule: RelayRule = serde_json::from_str(
///     r#"{"key": "tencent://ap-guangzhou/*", "principals": ["*"], "allow": ["kms:Verify"]}"#,
/// )?;
/// assert_eq!(rule.allow, ["kms:Verify"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayRule {
    /// The full URI of a key or secret, or with `*` at its end the beginning of several.
    pub key: String,
    /// ARNs of principals, or with `*` at their ends the beginnings of several.
    pub principals: Vec<String>,
    /// Actions such as `kms:Decrypt`, or with `*` at their ends the beginnings of several.
    pub allow: Vec<String>,
}

impl RelayRule {
    pub(super) fn allows(&self, key: &str, principal: &str, action: &str) -> bool {
        permissions::reaches(&self.key, key)
            && self.principals.iter().any(|known| permissions::reaches(known, principal))
            && self.allow.iter().any(|known| permissions::reaches(known, action))
    }
}

impl RelayConfig {
    /// Finds what contradicts itself; `request_seconds` is the time that a whole request has.
    ///
    /// # Errors
    /// [`ServeError::Config`], naming the key.
    pub(in super::super) fn check(&self, request_seconds: u64) -> Result<(), ServeError> {
        if self.upstreams.len() > MAX_UPSTREAMS || self.rules.len() > MAX_RULES {
            let wrong = "relay: at most 64 upstreams and 1024 rules";
            return Err(ServeError::config(wrong.to_owned()));
        }
        for (index, uri) in self.upstreams.iter().enumerate() {
            let wrong = |why: &str| {
                Err(ServeError::config(format!("relay.upstreams[{index}] is {uri:?}: {why}")))
            };
            if CloudUri::parse(uri).is_err() {
                return wrong("a cloud has the form SCHEME://PLACE");
            }
            let within = |other: &String| prefix(other).starts_with(&prefix(uri));
            if self.upstreams.iter().enumerate().any(|(at, other)| at != index && within(other)) {
                return wrong("it stands twice, or another one is within it");
            }
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let wrong = |member: &str, why: &str| {
                Err(ServeError::config(format!("relay.rules[{index}].{member}: {why}")))
            };
            let of = |uri: &String| rule.key.strip_prefix(&prefix(uri));
            match self.upstreams.iter().find_map(of) {
                None => return wrong("key", "it is of none of relay.upstreams"),
                Some("") => return wrong("key", "it names no key; with * at its end, all"),
                Some(_) => {}
            }
            if rule.principals.is_empty() || rule.principals.iter().any(String::is_empty) {
                return wrong("principals", "at least one, none of them empty");
            }
            if rule.allow.is_empty() {
                return wrong("allow", "at least one action");
            }
            if let Err(error) = permissions::check(&rule.allow) {
                return wrong("allow", error.message());
            }
        }
        range("relay.timeout_seconds", self.timeout_seconds, 1..=3599)?;
        range("relay.concurrent_requests", self.concurrent_requests as u64, 1..=65_536)?;
        if !self.upstreams.is_empty() && self.timeout_seconds >= request_seconds {
            let wrong = "relay.timeout_seconds must be less than limits.request_seconds";
            return Err(ServeError::config(wrong.to_owned()));
        }
        Ok(())
    }
}

/// How the URIs of the keys of a cloud begin.
pub(super) fn prefix(uri: &str) -> String {
    format!("{uri}/")
}
