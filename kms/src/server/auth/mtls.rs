//! Client certificates, which TLS has verified: whom one stands for is in its names.
//!
//! A certificate with one URI among its subject alternative names stands for that (a SPIFFE ID has
//! exactly one); with several it stands for nobody. Without any it stands for its first DNS name.
//! The common name never counts.

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::config::{ConfigError, MtlsConfig};
use super::unrecognized;
use crate::arn::Realm;
use crate::engine::{Caller, permissions};
use crate::error::Result;

/// The longest name, in bytes.
const MAX_NAME: usize = 1000;

/// Tells who has a certificate.
pub(super) struct Certificates(MtlsConfig);

impl Certificates {
    pub(super) fn new(config: MtlsConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Certificates(config))
    }

    /// The caller that a verified certificate stands for.
    pub(super) fn authenticate(&self, realm: &Realm, der: &[u8]) -> Result<Caller> {
        let name = subject(der).ok_or_else(unrecognized)?;
        let fitting = self.0.rules.iter().filter(|rule| permissions::reaches(&rule.san, &name));
        let allowed = fitting.flat_map(|rule| rule.allow.iter().cloned());
        let principal = format!("arn:{}:iam::{}:mtls/{name}", realm.partition, realm.account);
        Ok(Caller::new(principal, realm.account.clone())
            .with_permissions(allowed)
            .authenticated_by("mtls"))
    }
}

/// The one name of a certificate that counts.
fn subject(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let names = &certificate.subject_alternative_name().ok()??.value.general_names;
    let mut uris = names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let mut dns = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    let name = match (uris.next(), uris.next()) {
        (Some(uri), None) => uri.to_owned(),
        (Some(_), Some(_)) => return None,
        (None, _) => dns.next()?.to_ascii_lowercase(),
    };
    // What a policy could take for a wildcard names nobody.
    let legal = |b: u8| b.is_ascii_graphic() && !b"*?${}\"\\".contains(&b);
    ((1..=MAX_NAME).contains(&name.len()) && name.bytes().all(legal)).then_some(name)
}
