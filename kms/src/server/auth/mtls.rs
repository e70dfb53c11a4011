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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::error::KmsErrorCode;
    use crate::server::auth::SanRule;

    fn certificates() -> BTreeMap<String, Vec<u8>> {
        let data: BTreeMap<String, String> =
            serde_json::from_str(include_str!("../../../tests/data/certificates.json"))
                .expect("the data");
        data.into_iter().map(|(name, der)| (name, STANDARD.decode(der).expect("base64"))).collect()
    }

    #[test]
    fn one_name_counts_or_nobody_is_told() {
        let certificates = certificates();
        let expected = BTreeMap::from([
            ("a SPIFFE ID", "spiffe://example.test/backup/night"),
            ("a URI among other names", "spiffe://example.test/backup/night"),
            ("two DNS names", "app.example.test"),
        ]);
        assert_eq!(certificates.len(), 11);
        for (what, der) in &certificates {
            assert_eq!(subject(der).as_deref(), expected.get(what.as_str()).copied(), "{what}");
        }
    }

    #[test]
    fn names_have_rights_by_rules() {
        let rule = |san: &str, allow: &str| SanRule { san: san.into(), allow: vec![allow.into()] };
        let rules = vec![
            rule("spiffe://example.test/backup/*", "kms:Decrypt"),
            rule("spiffe://example.test/backup/night", "kms:Encrypt"),
            rule("spiffe://example.test/backup", "kms:Sign"),
            rule("app.example.test", "kms:*"),
        ];
        let (certificates, realm) = (certificates(), Realm::default());
        let known = Certificates::new(MtlsConfig { rules }).expect("a configuration");
        let caller = known.authenticate(&realm, &certificates["a SPIFFE ID"]).expect("somebody");
        assert_eq!(
            caller.principal(),
            "arn:aws:iam::000000000000:mtls/spiffe://example.test/backup/night"
        );
        assert_eq!((caller.account(), caller.authentication()), ("000000000000", "mtls"));
        assert!(caller.permits("kms:Decrypt") && caller.permits("kms:Encrypt"));
        assert!(!caller.permits("kms:Sign"));
        for (what, der) in &certificates {
            if subject(der).is_none() {
                let error = known.authenticate(&realm, der).expect_err("nobody");
                assert_eq!(error.code(), KmsErrorCode::UnrecognizedClient, "{what}");
            }
        }
        // A policy can name what a certificate stands for.
        let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Action": "kms:*", "Resource": "*", "Principal": {"AWS": "PRINCIPAL"}}]}"#;
        crate::policy::parse(&policy.replace("PRINCIPAL", caller.principal())).expect("a policy");
    }

    #[test]
    fn what_is_no_certificate_names_nobody() {
        let good = certificates().remove("a SPIFFE ID").expect("one");
        for len in 0..good.len() {
            assert_eq!(subject(&good[..len]), None, "cut to {len}");
        }
        assert_eq!(subject(b"-----BEGIN CERTIFICATE-----"), None);
    }
}
