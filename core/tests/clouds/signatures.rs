//! Known signatures: `core/tests/data/README.md` says who made them.

use std::collections::BTreeMap;
use std::time::Duration;

use keyfold::SecretBytes;
use keyfold::credentials::Credentials;
use keyfold::kms::alibaba;
use keyfold::kms::huawei::{self, Signing};
use keyfold::kms::{pingan, tencent};
use keyfold::transport::HttpRequest;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    algorithm: String,
    #[serde(default)]
    derived: BTreeMap<String, String>,
    provider: String,
    credentials: BTreeMap<String, Option<String>>,
    #[serde(default)]
    service: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    request_time: String,
    #[serde(default)]
    params: BTreeMap<String, String>,
    #[serde(default)]
    expected_signature: String,
    unix_ms: u64,
    #[serde(default)]
    method: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    expected_headers: BTreeMap<String, String>,
}

impl Case {
    fn of(provider: &str) -> Vec<Case> {
        let vectors: Vectors =
            serde_json::from_str(include_str!("../data/cloud_signatures.json")).expect("vectors");
        vectors.cases.into_iter().filter(|case| case.provider == provider).collect()
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.unix_ms)
    }

    fn access_key(&self, id: &str, secret: &str, token: &str) -> Credentials {
        let part = |name: &str| self.credentials.get(name).cloned().flatten();
        let bytes = |text: String| SecretBytes::from(text.into_bytes());
        let secret = bytes(part(secret).expect("a secret"));
        let token = part(token).map(bytes);
        Credentials::access_key(part(id).expect("an id"), &secret, token.as_ref())
            .expect("an access key")
    }

    /// The request without the headers that a signer adds.
    fn request(&self, added: &[&str]) -> HttpRequest {
        let headers = self.headers.iter().filter(|(name, _)| !added.contains(&name.as_str()));
        HttpRequest {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
            body: self.body.clone().into_bytes(),
        }
    }

    /// Whether the request has every header that it had in the vector and that were expected.
    fn check(&self, request: &HttpRequest) {
        for (name, value) in self.headers.iter().chain(&self.expected_headers) {
            let found = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            let is_host = name == "host";
            assert!(is_host || found.is_some(), "{}: no {name}", self.name);
            if let Some((_, found)) = found {
                assert_eq!(found, value, "{}: {name}", self.name);
            }
        }
    }
}

#[test]
fn tencent_signs_as_known() {
    let cases = Case::of("tencent");
    assert_eq!(cases.len(), 6);
    for case in cases {
        let credentials = case.access_key("secret_id", "secret_key", "token");
        // The second time with the signing key that was kept.
        for _ in 0..2 {
            let mut request = case.request(&["x-tc-timestamp", "x-tc-token", "host"]);
            tencent::sign(&mut request, &credentials, &case.service, case.now()).expect("signed");
            case.check(&request);
        }
    }
}

#[test]
fn huawei_signs_as_known() {
    let cases = Case::of("huawei");
    assert_eq!(cases.len(), 6);
    for case in cases {
        let credentials = case.access_key("ak", "sk", "security_token");
        let signing = match case.algorithm.as_str() {
            "SDK-HMAC-SHA256" => Signing::HmacSha256,
            "SDK-HMAC-SM3" => Signing::HmacSm3,
            "V11-HMAC-SHA256" => Signing::V11 {
                region: case.derived["region"].clone(),
                service: case.derived["service"].clone(),
            },
            other => panic!("{other}"),
        };
        for _ in 0..2 {
            let mut request = case.request(&["x-sdk-date", "x-security-token", "host"]);
            huawei::sign(&mut request, &credentials, &signing, case.now()).expect("signed");
            case.check(&request);
        }
    }
}

#[test]
fn alibaba_signs_as_known() {
    use alibaba::Signing;
    let cases = Case::of("alibaba");
    assert_eq!(cases.len(), 11);
    for case in cases {
        let credentials = case.access_key("access_key_id", "access_key_secret", "security_token");
        let signing = match case.algorithm.as_str() {
            "ACS3-HMAC-SHA256" => Signing::Acs3Sha256,
            "ACS3-HMAC-SM3" => Signing::Acs3Sm3,
            "ACS4-HMAC-SHA256" => Signing::Acs4Sha256,
            _ => {
                alibaba_rpc(&case, &credentials);
                continue;
            }
        };
        let added = [
            "host",
            "x-acs-date",
            "x-acs-signature-nonce",
            "x-acs-content-sha256",
            "x-acs-accesskey-id",
            "x-acs-security-token",
        ];
        for _ in 0..2 {
            let mut request = case.request(&added);
            let (region, nonce) = (&case.region, &case.nonce);
            alibaba::sign(&mut request, &credentials, signing, region, case.now(), nonce)
                .expect("signed");
            case.check(&request);
        }
    }
}

fn alibaba_rpc(case: &Case, credentials: &Credentials) {
    let params: Vec<(&str, &str)> =
        case.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let signature = alibaba::rpc_signature(&case.method, &params, credentials);
    assert_eq!(signature.as_deref(), Ok(case.expected_signature.as_str()), "{}", case.name);
    // The whole request, but for the one whose documentation spells a parameter in its own way.
    if params.iter().any(|(name, _)| *name == "TimeStamp") {
        return;
    }
    let made = [
        "AccessKeyId",
        "SignatureMethod",
        "SignatureNonce",
        "SignatureVersion",
        "Timestamp",
        "SecurityToken",
    ];
    let fixed: Vec<(&str, &str)> =
        params.iter().copied().filter(|(name, _)| !made.contains(name)).collect();
    let mut request = case.request(&["host"]);
    let (base, _) = case.url.split_once('?').expect("a query");
    base.clone_into(&mut request.url);
    alibaba::sign_rpc(&mut request, &fixed, credentials, case.now(), &case.nonce).expect("signed");
    assert_eq!(request.url, case.url, "{}", case.name);
}

#[test]
fn pingan_signs_as_known() {
    let cases = Case::of("pingan");
    assert_eq!(cases.len(), 3);
    for case in cases {
        if case.credentials.contains_key("appId") {
            let part = |name: &str| case.credentials[name].clone().expect("a part");
            let key = SecretBytes::from(part("appKey").into_bytes());
            let signature = pingan::app_signature(&part("appId"), &key, &case.request_time);
            assert_eq!(signature, case.expected_signature);
            continue;
        }
        let credentials = case.access_key("access_key_id", "access_key_secret", "token");
        let mut request = case.request(&["host"]);
        // The parameters that a signer adds are left out.
        let (base, query) = case.url.split_once('?').expect("a query");
        let added = ["accessKeyId", "signature", "timestamp"];
        let own = query.split('&').filter(|pair| !added.iter().any(|name| pair.starts_with(name)));
        request.url = format!("{base}?{}", own.collect::<Vec<_>>().join("&"));
        pingan::sign(&mut request, &credentials, case.now(), &case.nonce).expect("signed");
        assert_eq!(request.url, case.url, "{}", case.name);
    }
}
