//! The configuration of who may call.

use std::fmt;

use serde::Deserialize;

/// How callers are told: the part `[auth]` of the server's configuration. Everything has a
/// default; a member that is not known is an error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// AWS signatures.
    pub sigv4: SigV4Config,
}

/// AWS signatures, version 4.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigV4Config {
    /// Whether signatures are taken; yes unless told otherwise.
    pub enabled: bool,
    /// How far the clock of a client may be off, in seconds: 300, at most 900.
    pub max_skew_seconds: u32,
    /// The names under which clients know this server where a proxy in between changes the `Host`
    /// header: each is tried after the one that was sent. At most 8, with the port unless it is
    /// the scheme's own.
    pub hosts: Vec<String>,
}

impl Default for SigV4Config {
    fn default() -> Self {
        SigV4Config { enabled: true, max_skew_seconds: 300, hosts: Vec::new() }
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    member: String,
    why: String,
}

impl ConfigError {
    pub(super) fn new(member: impl Into<String>, why: impl Into<String>) -> Self {
        ConfigError { member: member.into(), why: why.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "auth.{}: {}", self.member, self.why)
    }
}

impl std::error::Error for ConfigError {}
