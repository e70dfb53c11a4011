//! Huawei: KMS in both dialects, by access key and by token; CSMS.

use std::sync::Arc;

use keyfold::credentials::{Credentials, StaticCredentials};
use keyfold::kms::admin::KeyKind;
use keyfold::sign::SignatureAlgorithm as A;
use keyfold::transport::{HttpRequest, Transport};
use keyfold_emulators::{Options, Provider};
use pollster::block_on;

use crate::list;
use crate::rig::{About, Rig, USUAL, context, generate, http, secret, unwrap};

pub(crate) const ABOUT: About = About {
    provider: Provider::Huawei,
    place: "huawei://cn-north-4",
    uri: "huawei://cn-north-4",
    small: 3072,
    signing: &[
        (
            KeyKind::Rsa2048,
            &[
                A::RsaPssSha256,
                A::RsaPssSha384,
                A::RsaPssSha512,
                A::RsaPkcs1Sha256,
                A::RsaPkcs1Sha384,
                A::RsaPkcs1Sha512,
            ],
        ),
        (KeyKind::EccNistP256, &[A::EcdsaSha256]),
        (KeyKind::EccNistP384, &[A::EcdsaSha384]),
        (KeyKind::EccSecgP256k1, &[A::EcdsaSha256]),
        (KeyKind::Ed25519, &[A::Ed25519]),
    ],
    alias_prefix: "alias/",
    pages: (105, 55),
    tokens: false,
    ..USUAL
};

const OLDER: About = About {
    options: Options { older_dialect: true, ..USUAL.options },
    settings: &[("aad", "pairs"), ("data_key_bits", "512")],
    ..ABOUT
};

#[test]
fn every_operation() {
    list::run(ABOUT);
}

#[test]
fn every_operation_in_the_older_dialect() {
    list::run(OLDER);
}

#[test]
fn the_newer_signature() {
    let rig = Rig::new(About { settings: &[("signing", "v11-hmac-sha256")], ..ABOUT });
    let key = rig.wrapping_key("docs");
    let (made, wrapped) = generate(&rig, &key, &context()).expect("a data key");
    assert_eq!(unwrap(&rig, &wrapped, &context(), None).expect("unwrapped"), made);
}

#[test]
fn temporary_credentials() {
    let rig = Rig::new(ABOUT);
    let key = rig.wrapping_key("docs");
    let temporary = [
        ("HUAWEICLOUD_SDK_AK", rig.variable("EMULATOR_TEMPORARY_AK")),
        ("HUAWEICLOUD_SDK_SK", rig.variable("EMULATOR_TEMPORARY_SK")),
        ("HUAWEICLOUD_SDK_SECURITY_TOKEN", rig.variable("EMULATOR_SECURITY_TOKEN")),
    ];
    let temporary = temporary.each_ref().map(|(name, value)| (*name, value.as_str()));
    let rig = Rig { kms: rig.again(&temporary), ..rig };
    generate(&rig, &key, &context()).expect("a data key");
}

/// A token of IAM for the emulator's user: what a program asks for once a day.
pub(crate) fn iam_token(rig: &Rig) -> Credentials {
    let body = format!(
        r#"{{"auth":{{"identity":{{"methods":["password"],"password":{{"user":{{"name":"{}",
        "password":"{}","domain":{{"name":"example"}}}}}}}},
        "scope":{{"project":{{"name":"cn-north-4"}}}}}}}}"#,
        rig.variable("EMULATOR_IAM_USER"),
        rig.variable("EMULATOR_IAM_PASSWORD"),
    );
    let request = HttpRequest {
        method: "POST".into(),
        url: format!("{}/v3/auth/tokens", rig.emulator.url()),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.into_bytes(),
    };
    let response = block_on(http().send(request)).expect("an answer");
    assert_eq!(response.status, 201);
    let token = response.header("x-subject-token").expect("a token");
    Credentials::bearer(&secret(token.as_bytes())).expect("a token")
}

#[test]
fn every_operation_by_a_token_of_iam() {
    let rig = Rig::new(ABOUT);
    let kms = rig.by(Arc::new(StaticCredentials::new(iam_token(&rig))));
    list::run_on(&Rig { kms, ..rig });
}
