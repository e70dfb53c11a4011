//! Google: KMS and Secret Manager, by every kind of credentials.

use std::sync::Arc;

use keyfold::credentials::{
    Credentials, CredentialsProvider, GoogleSelfSignedCredentials, GoogleServiceAccount,
    StaticCredentials,
};
use keyfold::kms::admin::KeyKind;
use keyfold::kms::{Request, Response, SignInput};
use keyfold::sign::{PublicKey, SignatureAlgorithm as A};
use keyfold::transport::{HttpRequest, Transport};
use keyfold::{ErrorCode, KeyUri};
use keyfold_emulators::Provider;
use pollster::block_on;
use serde_json::{Value, json};

use crate::list;
use crate::rig::{About, Rig, USUAL, context, generate, http, refused, secret};

pub(crate) const ABOUT: About = About {
    provider: Provider::Google,
    place: "google://projects",
    uri: "google://projects/example-project/locations/europe-west3/keyRings/ring",
    settings: &[("project", "example-project")],
    signing: &[
        (KeyKind::Rsa2048, &[A::RsaPssSha256]),
        (KeyKind::EccNistP256, &[A::EcdsaSha256]),
        (KeyKind::EccNistP384, &[A::EcdsaSha384]),
        (KeyKind::EccSecgP256k1, &[A::EcdsaSha256]),
        (KeyKind::Ed25519, &[A::Ed25519]),
    ],
    signing_version: "/cryptoKeyVersions/1",
    described: false,
    secret_deletion_days: 0,
    tokens: false,
    ..USUAL
};

#[test]
fn every_operation() {
    list::run(ABOUT);
}

/// The token that the emulator's machine gives.
fn machine_token(rig: &Rig) -> String {
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    let request = HttpRequest {
        method: "GET".into(),
        url: format!("{}{path}", rig.emulator.url()),
        headers: vec![("metadata-flavor".into(), "Google".into())],
        body: Vec::new(),
    };
    let response = block_on(http().send(request)).expect("an answer");
    let answer: Value = serde_json::from_slice(&response.body).expect("JSON");
    answer["access_token"].as_str().expect("a token").to_owned()
}

/// What keyfold makes no keys of, and signs with all the same.
#[test]
fn keys_that_others_made() {
    let rig = Rig::new(ABOUT);
    // The ring is made with the first key.
    rig.wrapping_key("first");
    let token = machine_token(&rig);
    for (name, theirs, algorithm) in [
        ("pkcs1-2048", "RSA_SIGN_PKCS1_2048_SHA256", A::RsaPkcs1Sha256),
        ("pss-3072", "RSA_SIGN_PSS_3072_SHA256", A::RsaPssSha256),
        ("pkcs1-4096", "RSA_SIGN_PKCS1_4096_SHA512", A::RsaPkcs1Sha512),
    ] {
        let ring = "projects/example-project/locations/europe-west3/keyRings/ring";
        let body = json!({
            "purpose": "ASYMMETRIC_SIGN", "versionTemplate": { "algorithm": theirs },
        });
        let request = HttpRequest {
            method: "POST".into(),
            url: format!("{}/v1/{ring}/cryptoKeys?cryptoKeyId={name}", rig.emulator.url()),
            headers: vec![("authorization".into(), format!("Bearer {token}"))],
            body: body.to_string().into_bytes(),
        };
        let response = block_on(http().send(request)).expect("an answer");
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
        let key = format!("google://{ring}/cryptoKeys/{name}/cryptoKeyVersions/1");
        let key: KeyUri = key.parse().expect("a URI");
        let get = Request::GetPublicKey { key: key.clone() };
        let Response::PublicKey { spki, .. } = rig.call(&get).expect("a key") else { panic!() };
        let input = SignInput::Message(b"message".to_vec());
        let sign = |algorithm| {
            let (key, input) = (key.clone(), input.clone());
            rig.call(&Request::Sign { key, algorithm, input })
        };
        let Response::Signature(signature) = sign(algorithm).expect("signed") else { panic!() };
        let public = PublicKey::from_spki_der(&spki).expect("a key");
        public.verify(algorithm, b"message", &signature).expect("it holds");
        // The version decides how it signs, and is asked once.
        rig.requests();
        assert_eq!(refused(sign(A::EcdsaSha256)), ErrorCode::InvalidArgument);
        assert_eq!(rig.requests(), 0);
    }
}

#[test]
fn a_token_of_the_machine() {
    let rig = Rig::new(ABOUT);
    let key = rig.wrapping_key("docs");
    let token = Credentials::bearer(&secret(machine_token(&rig).as_bytes())).expect("a token");
    let rig = Rig { kms: rig.by(Arc::new(StaticCredentials::new(token))), ..rig };
    generate(&rig, &key, &context()).expect("a data key");
}

#[test]
fn a_token_that_the_account_signs_itself() {
    let rig = Rig::new(ABOUT);
    let key = rig.wrapping_key("docs");
    let account = secret(rig.variable("EMULATOR_SERVICE_ACCOUNT").as_bytes());
    let account = GoogleServiceAccount::parse(&account).expect("a key file");
    let clock = http().clock();
    let own = GoogleSelfSignedCredentials::new(clock, account, "https://cloudkms.googleapis.com/");
    let own: Arc<dyn CredentialsProvider> = Arc::new(own);
    let rig = Rig { kms: rig.by(own), ..rig };
    rig.requests();
    generate(&rig, &key, &context()).expect("a data key");
    assert_eq!(rig.requests(), 1, "nobody is asked for a token");
}

#[test]
fn the_token_of_another_issuer() {
    let rig = Rig::new(ABOUT);
    let key = rig.wrapping_key("docs");
    let token = rig.file("subject-token", &rig.variable("EMULATOR_SUBJECT_TOKEN"));
    let account = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/v1/token", rig.emulator.url()),
        "credential_source": { "file": token },
    });
    let account = rig.file("external.json", &account.to_string());
    let rig = Rig { kms: rig.again(&[("GOOGLE_APPLICATION_CREDENTIALS", &account)]), ..rig };
    rig.requests();
    generate(&rig, &key, &context()).expect("a data key");
    assert_eq!(rig.emulator.calls().get("sts"), Some(&1));
}
