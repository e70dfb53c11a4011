//! Known signatures. Those whose names start with `aws-` were made with the signer of botocore
//! 1.44.5, and one is the example of AWS's documentation; the others were made with botocore and
//! with an independent implementation.

use std::collections::BTreeMap;
use std::time::Duration;

use keyfold::SecretBytes;
use keyfold::credentials::Credentials;
use keyfold::kms::aws;
use keyfold::transport::HttpRequest;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    region: String,
    service: String,
    unix_time: u64,
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    body: String,
    expected_headers: BTreeMap<String, String>,
}

#[test]
fn every_known_signature_is_made() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../data/sigv4.json")).expect("the vectors");
    assert_eq!(cases.len(), 9);
    for case in cases {
        let secret = SecretBytes::from(case.secret_access_key.as_bytes());
        let token = case.session_token.as_deref().map(|text| SecretBytes::from(text.as_bytes()));
        let credentials = Credentials::access_key(case.access_key_id, &secret, token.as_ref());
        let credentials = credentials.expect("an access key");
        let plain = HttpRequest {
            method: case.method,
            url: case.url,
            headers: case.headers.into_iter().collect(),
            body: case.body.into_bytes(),
        };
        let now = Duration::from_secs(case.unix_time);
        // The second time with the signing key that was kept.
        for _ in 0..2 {
            let mut request = plain.clone();
            let (region, service) = (&case.region, &case.service);
            aws::sign(&mut request, &credentials, region, service, now).expect("signed");
            let added: BTreeMap<String, String> =
                request.headers[plain.headers.len()..].iter().cloned().collect();
            assert_eq!(added, case.expected_headers, "{}", case.name);
        }
    }
}
