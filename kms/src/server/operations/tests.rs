//! Comparison with the service models of AWS: `aws.txt` holds what of them concerns us.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::error::KmsErrorCode;

const MODEL: &str = include_str!("aws.txt");

/// Errors that every operation may answer, whether its model lists them or not.
const COMMON: [KmsErrorCode; 11] = [
    KmsErrorCode::Validation,
    KmsErrorCode::AccessDenied,
    KmsErrorCode::Throttling,
    KmsErrorCode::Serialization,
    KmsErrorCode::UnknownOperation,
    KmsErrorCode::UnsupportedOperation,
    KmsErrorCode::KeyUnavailable,
    KmsErrorCode::DependencyTimeout,
    KmsErrorCode::Internal,
    KmsErrorCode::InvalidParameter,
    KmsErrorCode::InvalidRequest,
];

/// Lines of one kind: what stands before the sign, and the names after it.
fn lines(sign: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let lines = MODEL.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(sign))
        .map(|(what, names)| (what.trim(), names.split_whitespace().collect()))
        .collect()
}

fn entry(target: &str) -> &'static Entry {
    let (prefix, name) = target.split_once('.').expect("a target");
    let service = if prefix == "TrentService" { Service::Kms } else { Service::Secrets };
    find(service, name).expect("an operation")
}

#[test]
fn every_operation_is_offered_once_and_no_other() {
    let targets: BTreeSet<&str> = lines(" !").into_iter().map(|(target, _)| target).collect();
    let ours: BTreeSet<String> = OPERATIONS
        .iter()
        .filter(|entry| entry.service != Service::Keyfold)
        .map(|entry| match entry.service {
            Service::Kms => format!("TrentService.{}", entry.name),
            Service::Secrets => format!("secretsmanager.{}", entry.name),
            Service::Keyfold => unreachable!("it is left out"),
        })
        .collect();
    assert_eq!(OPERATIONS.len(), 51);
    assert_eq!(OPERATIONS.iter().filter(|entry| entry.service == Service::Kms).count(), 37);
    assert_eq!(ours.iter().map(String::as_str).collect::<BTreeSet<_>>(), targets);
}

#[test]
fn every_member_of_the_model_is_known_and_no_other() {
    let mut asked = 0;
    for (path, names) in lines(" <") {
        let (target, inner) = path.split_once('/').unwrap_or((path, ""));
        let entry = entry(target);
        if entry.refused.contains(&inner.trim_end_matches("[]")) {
            continue;
        }
        // A value that no member takes: what is wrong with it shows that the name is known.
        let wrapped = |name: &str| {
            let body = format!("{{\"{name}\":[[0]]}}");
            match inner.strip_suffix("[]") {
                Some(member) => format!("{{\"{member}\":[{body}]}}"),
                None if inner.is_empty() => body,
                None => format!("{{\"{inner}\":{body}}}"),
            }
        };
        let fault = |name: &str| {
            let error = (entry.read)(wrapped(name).as_bytes()).expect_err("no member takes it");
            (error.code(), error.message().to_owned())
        };
        for name in names {
            let (code, message) = fault(name);
            let refused = inner.is_empty() && entry.refused.contains(&name);
            let expected = if refused {
                KmsErrorCode::UnsupportedOperation
            } else {
                KmsErrorCode::Serialization
            };
            assert_eq!(code, expected, "{path} {name}: {message}");
            assert!(!message.contains("has no member"), "{path} {name}: {message}");
            assert!(message.to_lowercase().contains(&name.to_lowercase()), "{path}: {message}");
            asked += 1;
        }
        let (code, message) = fault("Unheard");
        assert_eq!(code, KmsErrorCode::Serialization);
        assert!(message.contains("no member Unheard"), "{path}: {message}");
    }
    assert!(asked > 150, "only {asked} members were asked for");
}

#[test]
fn our_own_members_are_those_of_the_model() {
    let model: BTreeMap<&str, Vec<&str>> = lines(" <").into_iter().collect();
    for entry in OPERATIONS.iter().filter(|entry| entry.service != Service::Keyfold) {
        let prefix = if entry.service == Service::Kms { "TrentService" } else { "secretsmanager" };
        let known = &model[format!("{prefix}.{}", entry.name).as_str()];
        for name in entry.refused {
            assert!(known.contains(name), "{} refuses {name}, which AWS does not know", entry.name);
        }
        for name in (entry.members)() {
            assert!(known.contains(name), "{} has {name}, which AWS does not know", entry.name);
        }
    }
}

#[test]
fn every_error_has_a_name_that_clients_know() {
    let modelled: BTreeSet<&str> = lines(" !").into_iter().flat_map(|(_, names)| names).collect();
    for code in KmsErrorCode::ALL {
        // Of requests that come no further than authentication.
        let common = COMMON.contains(code) || AUTHENTICATION.contains(&code.as_str());
        assert!(common || modelled.contains(code.as_str()), "{code} is an error of no operation");
    }
}

/// Errors of every AWS service, from before an operation begins.
const AUTHENTICATION: [&str; 5] = [
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "ExpiredTokenException",
];

#[test]
fn what_takes_long_runs_apart() {
    let sign = |algorithm| {
        SignRequest { signing_algorithm: Some(algorithm), ..SignRequest::default() }.lane()
    };
    assert_eq!(sign(SigningAlgorithm::EcdsaSha256), Lane::Inline);
    assert_eq!(sign(SigningAlgorithm::RsassaPssSha256), Lane::Heavy);
    assert_eq!(DecryptRequest::default().lane(), Lane::Inline);
    assert_eq!(CreateKeyRequest::default().lane(), Lane::Write);
    let rsa = CreateKeyRequest { key_spec: Some(KeySpec::Rsa2048), ..CreateKeyRequest::default() };
    assert_eq!(rsa.lane(), Lane::HeavyWrite);
}
