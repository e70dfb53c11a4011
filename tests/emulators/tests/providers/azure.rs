//! Azure: a vault and a Managed HSM, by every kind of credentials.

use keyfold::ErrorCode;
use keyfold::kms::admin::KeyKind;
use keyfold::sign::SignatureAlgorithm as A;
use keyfold_emulators::{Options, Provider};

use crate::list;
use crate::rig::{About, Rig, USUAL, context, generate, refused};

const RSA: &[A] = &[
    A::RsaPssSha256,
    A::RsaPssSha384,
    A::RsaPssSha512,
    A::RsaPkcs1Sha256,
    A::RsaPkcs1Sha384,
    A::RsaPkcs1Sha512,
];

pub(crate) const VAULT: About = About {
    provider: Provider::Azure,
    place: "azure://my-vault",
    uri: "azure://my-vault",
    wrapping: KeyKind::Rsa2048,
    small: 190,
    small_context: false,
    signing: &[
        (KeyKind::Rsa2048, RSA),
        (KeyKind::EccNistP256, &[A::EcdsaSha256]),
        (KeyKind::EccNistP384, &[A::EcdsaSha384]),
        (KeyKind::EccNistP521, &[A::EcdsaSha512]),
        (KeyKind::EccSecgP256k1, &[A::EcdsaSha256]),
    ],
    key_deletion_days: 90,
    secret_deletion_days: 90,
    pages: (30, 30),
    ..USUAL
};

pub(crate) const HSM: About = About {
    options: Options { managed_hsm: true, ..USUAL.options },
    place: "azure://my-hsm",
    uri: "azure://my-hsm",
    settings: &[("kind", "hsm")],
    wrapping: KeyKind::Symmetric,
    small: 4096,
    small_context: true,
    signing: &[(KeyKind::Rsa2048, RSA), (KeyKind::EccNistP256, &[A::EcdsaSha256])],
    ..VAULT
};

#[test]
fn every_operation_of_a_vault() {
    list::run(VAULT);
}

#[test]
fn every_operation_of_a_managed_hsm() {
    list::run(HSM);
}

#[test]
fn the_certificate_of_an_application() {
    let rig = Rig::new(VAULT);
    let key = rig.wrapping_key("docs");
    let mut answers = Vec::new();
    for name in ["EMULATOR_CLIENT_CERTIFICATE", "EMULATOR_OTHER_CERTIFICATE"] {
        let path = rig.file(name, &rig.variable(name));
        let by = [("AZURE_CLIENT_SECRET", ""), ("AZURE_CLIENT_CERTIFICATE_PATH", path.as_str())];
        let kms = rig.again(&by);
        let request = keyfold::kms::Request::ResolveKey { key: key.clone() };
        let answer = pollster::block_on(keyfold::Kms::call(&kms, &request));
        answers.push(answer.map(|_| ()).map_err(|error| error.code()));
    }
    assert_eq!(answers, [Ok(()), Err(ErrorCode::KmsDenied)]);
}

/// A token for a vault is none for an HSM, and the other way round.
#[test]
fn each_wants_tokens_of_its_own() {
    let rig = Rig::new(About { settings: &[], ..HSM });
    let key = "azure://my-hsm/docs".parse().expect("a URI");
    assert_eq!(refused(generate(&rig, &key, &context())), ErrorCode::KmsDenied);
}
