//! Ping An: KMS, and reading its password safe.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyfold::ErrorCode;
use keyfold::credentials::Credentials;
use keyfold::kms::{Request, Response};
use keyfold::transport::{HttpRequest, Transport};
use keyfold_emulators::Provider;
use pollster::block_on;
use serde_json::Value;

use crate::list;
use crate::rig::{About, Rig, USUAL, http, refused, secret};

pub(crate) const ABOUT: About = About {
    provider: Provider::PingAn,
    place: "pingan://cn-shanghai",
    uri: "pingan://cn-shanghai",
    small: 3072,
    ..USUAL
};

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}

/// Puts a password into the safe, as the console does; the application that may read it.
fn import(rig: &Rig, account: &str, password: &str) -> (String, String) {
    let key = secret(rig.variable("PINGAN_ACCESS_KEY_SECRET").as_bytes());
    let key = Credentials::access_key(rig.variable("PINGAN_ACCESS_KEY_ID"), &key, None);
    let parameters = format!(
        "action=ImportKeychain&version=2017-01-01&productName=db&productCode=db&algorithm=AES\
         &keychainAccount={account}&keychainPassword={password}"
    );
    let mut request = HttpRequest {
        method: "GET".into(),
        url: format!("{}/?{parameters}", rig.emulator.url()),
        headers: Vec::new(),
        body: Vec::new(),
    };
    let nonce = now().as_nanos().to_string();
    keyfold::kms::pingan::sign(&mut request, &key.expect("a key"), now(), &nonce).expect("signed");
    let response = block_on(http().send(request)).expect("an answer");
    let answer: Value = serde_json::from_slice(&response.body).expect("JSON");
    let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    (text("appId"), text("appKey"))
}

/// A rig whose application may read the password.
fn with_password(about: About) -> Rig {
    let rig = Rig::new(about);
    let (id, key) = import(&rig, "db-password", "hunter2");
    let kms = rig.again(&[("PINGAN_APP_ID", &id), ("PINGAN_APP_KEY", &key)]);
    Rig { kms, ..rig }
}

fn read(rig: &Rig, name: &str) -> Result<Vec<u8>, keyfold::Error> {
    let request = Request::GetSecret { name: name.to_owned(), version: None, stage: None };
    match rig.call(&request)? {
        Response::Secret { value, .. } => Ok(value.expose().to_vec()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_operation() {
    let rig = with_password(ABOUT);
    assert_eq!(read(&rig, "db-password").expect("read"), b"hunter2");
    assert_eq!(refused(read(&rig, "other")), ErrorCode::SecretNotFound);
    list::run_on(&rig);
}

#[test]
fn every_setting_that_the_emulator_knows() {
    for settings in
        [&[("method", "post")][..], &[("request_time", "utc"), ("reply_signature", "ignore")]]
    {
        let rig = with_password(About { settings, ..ABOUT });
        assert_eq!(read(&rig, "db-password").expect("read"), b"hunter2");
        list::run_on(&rig);
    }
}

#[test]
fn the_safe_wants_an_application() {
    let rig = Rig::new(ABOUT);
    rig.requests();
    assert_eq!(refused(read(&rig, "db-password")), ErrorCode::KmsDenied);
    assert_eq!(rig.requests(), 0, "without one nothing is sent");
    let (id, _) = import(&rig, "db-password", "hunter2");
    let kms = rig.again(&[("PINGAN_APP_ID", &id), ("PINGAN_APP_KEY", "0123456789abcdef")]);
    let rig = Rig { kms, ..rig };
    assert_eq!(refused(read(&rig, "db-password")), ErrorCode::KmsDenied);
}
