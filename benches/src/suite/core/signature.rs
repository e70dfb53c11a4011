//! Signatures of a short message, against aws-lc-rs with the same keys.

use std::hint::black_box;

use anyhow::{Result, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, VerificationAlgorithm,
};
use keyfold::SystemRng;
use keyfold::sign::{KeySpec, SignatureAlgorithm, SigningKey};

use super::Comparison;
use crate::harness::{Effort, Subject};
use crate::report::Row;

const REFERENCE: &str = "aws-lc-rs";
const MESSAGE: [u8; 256] = [0x5A; 256];

pub(super) fn signatures(effort: Effort) -> Result<Vec<Row>> {
    let refused = |_| anyhow!("aws-lc-rs refuses the key");
    let random = SystemRandom::new();

    let key = SigningKey::generate(KeySpec::EccNistP256, &SystemRng)?;
    let pkcs8 = key.to_pkcs8_der()?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.expose())
        .map_err(refused)?;
    let sign = || {
        black_box(pair.sign(&random, &MESSAGE).expect("a key pair signs"));
    };
    let algorithm = SignatureAlgorithm::EcdsaSha256;
    let mut rows = compare("P-256", &key, algorithm, sign, &ECDSA_P256_SHA256_ASN1, effort)?;

    let key = SigningKey::generate(KeySpec::Rsa2048, &SystemRng)?;
    let pair = RsaKeyPair::from_pkcs8(key.to_pkcs8_der()?.expose()).map_err(refused)?;
    let sign = || {
        let mut signature = [0; 256];
        pair.sign(&RSA_PKCS1_SHA256, &random, &MESSAGE, &mut signature).expect("a key pair signs");
        black_box(signature);
    };
    let algorithm = SignatureAlgorithm::RsaPkcs1Sha256;
    rows.extend(compare("RSA-2048", &key, algorithm, sign, &RSA_PKCS1_2048_8192_SHA256, effort)?);
    Ok(rows)
}

fn compare(
    case: &str,
    key: &SigningKey,
    algorithm: SignatureAlgorithm,
    reference: impl FnMut(),
    verification: &'static dyn VerificationAlgorithm,
    effort: Effort,
) -> Result<Vec<Row>> {
    let size = MESSAGE.len();
    let mut sign = [
        Subject::new(REFERENCE, reference),
        Subject::new("SigningKey", || {
            black_box(key.sign(algorithm, &MESSAGE).expect("the algorithm fits the key"));
        })
        .compared_with(&[REFERENCE]),
    ];
    let mut rows = Comparison { case, direction: "sign", size }.latency(&mut sign, effort);

    let signature = key.sign(algorithm, &MESSAGE)?;
    let public = key.public_key();
    let parsed = ParsedPublicKey::new(verification, public.to_spki_der())
        .map_err(|_| anyhow!("aws-lc-rs refuses the public key"))?;
    let mut verify = [
        Subject::new(REFERENCE, || {
            parsed.verify_sig(&MESSAGE, &signature).expect("the signature holds");
        }),
        Subject::new("PublicKey", || {
            public.verify(algorithm, &MESSAGE, &signature).expect("the signature holds");
        })
        .compared_with(&[REFERENCE]),
    ];
    rows.extend(Comparison { case, direction: "verify", size }.latency(&mut verify, effort));
    Ok(rows)
}
