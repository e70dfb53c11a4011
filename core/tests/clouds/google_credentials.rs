//! Who calls Google.

use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use keyfold::credentials::{
    CachedCredentials, Credentials, CredentialsProvider, GoogleExternalAccount,
    GoogleFederatedCredentials, GoogleMetadataCredentials, GoogleSelfSignedCredentials,
    GoogleServiceAccount, GoogleServiceAccountCredentials, TokenSource,
};
use keyfold::kms::Request;
use keyfold::kms::cloud::CloudKms;
use keyfold::kms::google::GoogleConfig;
use keyfold::sign::{SignatureAlgorithm, SigningKey};
use keyfold::transport::{HttpRequest, HttpResponse, TransportError};
use keyfold::{Error, ErrorCode, SecretBytes};
use pollster::block_on;
use serde_json::Value;

use crate::support::*;

const RS256: SignatureAlgorithm = SignatureAlgorithm::RsaPkcs1Sha256;

/// A case of the known answers.
fn case(name: &str) -> Value {
    let vectors: Value =
        serde_json::from_str(include_str!("../data/cloud_signatures.json")).expect("vectors");
    let cases = vectors["cases"].as_array().expect("cases");
    cases.iter().find(|case| case["name"] == name).expect("a case").clone()
}

fn word<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().expect("text")
}

fn key(case: &Value) -> SigningKey {
    let der = Base64::decode_vec(word(&case["credentials"], "test_private_key_pkcs8_der_b64"));
    SigningKey::from_pkcs8_der(&der.expect("base64")).expect("a key")
}

/// The file that Google would give out with this key.
fn file(case: &Value) -> Value {
    let pem = key(case).to_pkcs8_pem().expect("PEM");
    serde_json::json!({
        "type": "service_account",
        "project_id": "example-project",
        "private_key_id": case["credentials"]["private_key_id"],
        "private_key": text(pem.expose()),
        "client_email": case["credentials"]["client_email"],
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
}

fn account(case: &Value) -> GoogleServiceAccount {
    let file = SecretBytes::from(file(case).to_string().as_bytes());
    GoogleServiceAccount::parse(&file).expect("an account")
}

/// The token that a request of a KMS bears.
fn borne(credentials: Credentials) -> String {
    let cloud = Cloud::by(GoogleConfig::new(), credentials, [answer(503, "")]);
    let key = uri("google://projects/p/locations/l/keyRings/r/cryptoKeys/k");
    assert!(cloud.call(&Request::ResolveKey { key }).is_err());
    let sent = cloud.sent();
    let header = header(&sent[0], "authorization").expect("a token");
    header.strip_prefix("Bearer ").expect("a token").to_owned()
}

fn token_of(found: Result<Option<Arc<Credentials>>, Error>) -> (String, Option<Duration>) {
    let found = found.expect("an answer").expect("credentials");
    let end = found.expires();
    (borne(Arc::into_inner(found).expect("the only one")), end)
}

/// A token is one of this account: signed by its key, with these claims.
fn check_jwt(case: &Value, token: &str, payload: &Value) {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let signature = Base64UrlUnpadded::decode_vec(signature).expect("base64url");
    let public = key(case).public_key().to_spki_der();
    let public = keyfold::sign::PublicKey::from_spki_der(&public).expect("a key");
    public.verify(RS256, signed.as_bytes(), &signature).expect("signed by the account");
    let part = |part: &str| -> Value {
        let bytes = Base64UrlUnpadded::decode_vec(part).expect("base64url");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let (head, claims) = signed.split_once('.').expect("two parts");
    assert_eq!(part(head), case["jwt_header"]);
    assert_eq!(part(claims), *payload);
}

#[test]
fn tokens_are_signed_as_known() {
    for name in ["google-jwt-assertion", "google-self-signed-jwt"] {
        let case = case(name);
        let to_sign = word(&case, "string_to_sign");
        let signature = key(&case).sign(RS256, to_sign.as_bytes()).expect("signed");
        let jwt = format!("{to_sign}.{}", Base64UrlUnpadded::encode_string(&signature));
        assert_eq!(jwt, word(&case, "expected_jwt"));
        check_jwt(&case, &jwt, &case["jwt_payload"]);
    }
}

const TOKEN_ANSWER: &str =
    r#"{"access_token":"ya29.abc","expires_in":3599,"token_type":"Bearer","scope":"x"}"#;
const END: Duration = Duration::from_secs(1_700_003_599);

/// The pairs of a form.
fn form(request: &HttpRequest) -> Vec<(String, String)> {
    assert_eq!(request.method, "POST");
    assert_eq!(header(request, "content-type"), Some("application/x-www-form-urlencoded"));
    let decoded = |text: &str| text.replace("%3A", ":").replace("%2F", "/").replace("%20", " ");
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').expect("a pair");
        (decoded(name), decoded(value))
    };
    text(&request.body).split('&').map(pair).collect()
}

#[test]
fn a_service_account_exchanges_what_it_signed() {
    let case = case("google-jwt-assertion");
    let transport = Canned::new([answer(200, TOKEN_ANSWER)]);
    let source = GoogleServiceAccountCredentials::new(transport.clone(), Noon, account(&case))
        .with_scope("https://www.googleapis.com/auth/cloudkms");
    assert_eq!(token_of(block_on(source.credentials())), ("ya29.abc".to_owned(), Some(END)));
    let sent = &transport.sent()[0];
    assert_eq!(sent.url, "https://oauth2.googleapis.com/token");
    let form = form(sent);
    assert_eq!(form[0].0, "grant_type");
    assert_eq!(form[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!((form[1].0.as_str(), form.len()), ("assertion", 2));
    check_jwt(&case, &form[1].1, &case["jwt_payload"]);

    for (answered, code) in [
        (answer(400, r#"{"error":"invalid_grant"}"#), ErrorCode::KmsDenied),
        (answer(401, "{}"), ErrorCode::KmsDenied),
        (answer(503, ""), ErrorCode::KmsUnavailable),
        (answer(302, ""), ErrorCode::KmsProtocol),
        (answer(200, ""), ErrorCode::KmsProtocol),
        (answer(200, "<html>"), ErrorCode::KmsProtocol),
        (answer(200, r#"{"access_token":"a"}"#), ErrorCode::KmsProtocol),
        (answer(200, r#"{"access_token":1,"expires_in":1}"#), ErrorCode::KmsProtocol),
        (answer(200, r#"{"access_token":"a b","expires_in":1}"#), ErrorCode::KmsProtocol),
        (
            answer(200, r#"{"access_token":"a","access_token":"b","expires_in":1}"#),
            ErrorCode::KmsProtocol,
        ),
        (answer(200, r#"{"access_token":"a","expires_in":-1}"#), ErrorCode::KmsProtocol),
        (
            answer(200, r#"{"access_token":"a","expires_in":1,"token_type":"mac"}"#),
            ErrorCode::KmsProtocol,
        ),
        (answer(200, &"x".repeat(70_000)), ErrorCode::KmsProtocol),
    ] {
        let source =
            GoogleServiceAccountCredentials::new(Canned::new([answered]), Noon, account(&case));
        let error = block_on(source.credentials()).expect_err("refused");
        assert_eq!(error.code(), code);
    }
    // No issuer's word is taken for ever.
    let long = answer(200, r#"{"access_token":"a","expires_in":"18446744073709551615"}"#);
    let source = GoogleServiceAccountCredentials::new(Canned::new([long]), Noon, account(&case));
    let week = Duration::from_secs(1_700_000_000 + 7 * 86_400);
    assert_eq!(token_of(block_on(source.credentials())).1, Some(week));
}

/// One that is refused is dated by the time in the answer, once; how long a token is good is told
/// from our own time on.
#[test]
fn a_wrong_clock_is_corrected_at_the_login() {
    let case = case("google-jwt-assertion");
    let refused = || answer(400, r#"{"error":"invalid_grant"}"#);
    let dated = |date: &str| with(refused(), "date", date);
    let hour_later = "Tue, 14 Nov 2023 23:13:20 GMT";
    let ask = |answers: &[HttpResponse]| {
        let transport = Canned::new(answers.to_vec());
        let source = GoogleServiceAccountCredentials::new(transport.clone(), Noon, account(&case));
        let first = block_on(source.credentials());
        let second = block_on(source.credentials());
        let issued: Vec<u64> =
            transport.sent().iter().map(|sent| issued(&form(sent)[1].1)).collect();
        (first.map(|found| token_of(Ok(found)).1), second.is_ok(), issued)
    };
    let token = || answer(200, TOKEN_ANSWER);
    let now = NOW.as_secs();
    let corrected = ask(&[dated(hour_later), token(), token()]);
    assert_eq!(corrected, (Ok(Some(END)), true, vec![now, now + 3600, now + 3600]));
    // Refused for another reason, or with a clock that agrees: once.
    for other in [refused(), dated("Tue, 14 Nov 2023 22:13:50 GMT")] {
        let (first, second, issued) = ask(&[other, token()]);
        assert_eq!(first.expect_err("refused").code(), ErrorCode::KmsDenied);
        assert_eq!((second, issued), (true, vec![now, now]));
    }
    let (first, _, issued) = ask(&[dated(hour_later), dated(hour_later), token()]);
    assert_eq!(first.expect_err("refused").code(), ErrorCode::KmsDenied);
    assert_eq!(issued, [now, now + 3600, now + 3600]);
}

/// When an assertion says that it was made.
fn issued(assertion: &str) -> u64 {
    let claims = assertion.split('.').nth(1).expect("claims");
    let claims = Base64UrlUnpadded::decode_vec(claims).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    claims["iat"].as_u64().expect("a time")
}

#[test]
fn a_service_account_signs_its_own_tokens() {
    let case = case("google-self-signed-jwt");
    let audience = "https://cloudkms.googleapis.com/";
    let source = GoogleSelfSignedCredentials::new(Noon, account(&case), audience);
    let (token, end) = token_of(block_on(source.credentials()));
    check_jwt(&case, &token, &case["jwt_payload"]);
    assert_eq!(end, Some(NOW + Duration::from_hours(1)));
}

#[test]
fn files_of_other_forms_are_refused_and_not_shown() {
    let good = file(&case("google-jwt-assertion"));
    let parse = |file: &Value| {
        let file = SecretBytes::from(file.to_string().as_bytes());
        GoogleServiceAccount::parse(&file).map(|account| account.email().to_owned())
    };
    let email = "keyfold-test@example-project.iam.gserviceaccount.com";
    assert_eq!(parse(&good).as_deref(), Ok(email));
    let ed25519 = SigningKey::generate(keyfold::sign::KeySpec::Ed25519, &keyfold::SystemRng);
    let ed25519 = ed25519.and_then(|key| key.to_pkcs8_pem()).expect("PEM");
    for (name, value) in [
        ("type", "authorized_user"),
        ("private_key", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"),
        ("private_key", text(ed25519.expose())),
        ("token_uri", "http://oauth2.googleapis.com/token"),
        ("token_uri", "https://evil.example.com/?x"),
    ] {
        let mut file = good.clone();
        file[name] = value.into();
        let error = parse(&file).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{name}");
        assert!(!error.to_string().contains(value), "{error}");
        file.as_object_mut().expect("an object").remove(name);
        assert!(parse(&file).is_err(), "no {name}");
    }
    for file in ["", "[]", "{", "secret"] {
        let error = GoogleServiceAccount::parse(&SecretBytes::from(file.as_bytes()));
        let error = error.err().expect("refused");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

struct Subject(&'static str);

impl TokenSource for Subject {
    fn token(&self) -> keyfold::Result<SecretBytes> {
        Ok(SecretBytes::from(self.0.as_bytes()))
    }
}

fn external(source: &str, more: &str) -> GoogleExternalAccount {
    let file = format!(
        r#"{{"type":"external_account","audience":"//iam.googleapis.com/a","subject_token_type":"urn:ietf:params:oauth:token-type:jwt","token_url":"https://sts.googleapis.com/v1/token","credential_source":{source}{more}}}"#
    );
    GoogleExternalAccount::parse(&SecretBytes::from(file.as_bytes())).expect("an account")
}

#[test]
fn a_workload_exchanges_the_token_of_another_issuer() {
    let transport = Canned::new([answer(200, TOKEN_ANSWER)]);
    let (account, subject) = (external(r#"{"file":"/t"}"#, ""), Box::new(Subject("a.b.c")));
    let source = GoogleFederatedCredentials::new(transport.clone(), Noon, account, subject);
    assert_eq!(token_of(block_on(source.credentials())), ("ya29.abc".to_owned(), Some(END)));
    let sent = &transport.sent()[0];
    assert_eq!(sent.url, "https://sts.googleapis.com/v1/token");
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", "//iam.googleapis.com/a"),
        ("scope", "https://www.googleapis.com/auth/cloud-platform"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("subject_token", "a.b.c"),
    ];
    assert_eq!(form(sent), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

    // As a service account, with a token out of JSON.
    let impersonation = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken";
    let more = format!(r#","service_account_impersonation_url":"{impersonation}""#);
    let format = r#"{"file":"/t","format":{"type":"json","subject_token_field_name":"id_token"}}"#;
    let named = r#"{"accessToken":"ya29.sa","expireTime":"2023-11-14T23:13:20Z"}"#;
    let ask = |subject: &'static str, answers: Vec<_>| {
        let transport = Canned::new(answers);
        let subject = Box::new(Subject(subject));
        let account = external(format, &more);
        let source = GoogleFederatedCredentials::new(transport.clone(), Noon, account, subject);
        (block_on(source.credentials()), transport.sent())
    };
    let json = r#"{"id_token":"x.y.z"}"#;
    let (found, sent) = ask(json, vec![answer(200, TOKEN_ANSWER), answer(200, named)]);
    assert_eq!(token_of(found), ("ya29.sa".to_owned(), Some(NOW + Duration::from_hours(1))));
    assert!(text(&sent[0].body).ends_with("&subject_token=x.y.z"));
    assert_eq!(sent[1].url, impersonation);
    assert_eq!(header(&sent[1], "authorization"), Some("Bearer ya29.abc"));
    let body = r#"{"scope":["https://www.googleapis.com/auth/cloud-platform"],"lifetime":"3600s"}"#;
    assert_eq!(text(&sent[1].body), body);

    let good = || answer(200, TOKEN_ANSWER);
    for (subject, answers, code) in [
        (json, vec![answer(403, "")], ErrorCode::KmsDenied),
        (json, vec![good(), answer(403, "")], ErrorCode::KmsDenied),
        (json, vec![good(), answer(200, "{}")], ErrorCode::KmsProtocol),
        (json, vec![good(), answer(200, &named.replace("2023", "soon"))], ErrorCode::KmsProtocol),
        ("{}", vec![], ErrorCode::InvalidArgument),
        (r#"{"id_token":"x y"}"#, vec![], ErrorCode::InvalidArgument),
    ] {
        assert_eq!(ask(subject, answers).0.expect_err("refused").code(), code);
    }
}

#[test]
fn external_accounts_of_other_forms_are_refused() {
    let parse = |file: &str| GoogleExternalAccount::parse(&SecretBytes::from(file.as_bytes()));
    let good = r#"{"type":"external_account","audience":"a","subject_token_type":"t","token_url":"https://sts.googleapis.com/v1/token","credential_source":{"file":"/t"}}"#;
    assert!(parse(good).is_ok());
    for file in [
        good.replace("external_account", "service_account"),
        good.replace("https://", "http://"),
        good.replace(r#"{"file":"/t"}"#, r#"{"url":"http://169.254.169.254/"}"#),
        good.replace(r#"{"file":"/t"}"#, r#"{"executable":{"command":"/bin/sh"}}"#),
        good.replace(r#"{"file":"/t"}"#, r#"{"file":"/t","format":{"type":"json"}}"#),
        good.replace("audience", "other"),
        good.replace(r#""/t"}"#, r#""/t"},"service_account_impersonation_url":"ftp://x/""#),
    ] {
        let error = parse(&file).err().expect("refused");
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{file}");
    }
}

#[test]
fn a_machine_asks_its_metadata_service() {
    let ask = |answered| {
        let transport = Canned::new([answered]);
        let source = GoogleMetadataCredentials::new(transport.clone(), Noon);
        (block_on(source.credentials()), transport.sent())
    };
    let google = |response| with(response, "Metadata-Flavor", "Google");
    let (found, sent) = ask(google(answer(200, TOKEN_ANSWER)));
    assert_eq!(token_of(found), ("ya29.abc".to_owned(), Some(END)));
    assert_eq!(
        sent[0].url,
        "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token"
    );
    assert_eq!(header(&sent[0], "metadata-flavor"), Some("Google"));
    // Another cloud's machine, one without an account, none at all.
    assert!(matches!(ask(answer(200, TOKEN_ANSWER)).0, Ok(None)));
    assert!(matches!(ask(google(answer(404, ""))).0, Ok(None)));
    let down = TransportError::new(ErrorCode::KmsUnavailable, "no route");
    let source = GoogleMetadataCredentials::new(Canned::failing(down), Noon);
    assert!(matches!(block_on(source.credentials()), Ok(None)));
    for (answered, code) in [
        (answer(200, "{}"), ErrorCode::KmsProtocol),
        (answer(403, ""), ErrorCode::KmsDenied),
        (answer(500, ""), ErrorCode::KmsUnavailable),
    ] {
        assert_eq!(ask(google(answered)).0.expect_err("refused").code(), code);
    }
}

#[test]
fn a_token_that_is_refused_is_replaced_once() {
    use keyfold::kms::Kms as _;
    let name = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
    let case = case("google-jwt-assertion");
    let tokens =
        Canned::new([answer(200, TOKEN_ANSWER), answer(200, &TOKEN_ANSWER.replace("abc", "def"))]);
    let source = GoogleServiceAccountCredentials::new(tokens.clone(), Noon, account(&case));
    let credentials = Arc::new(CachedCredentials::new(source, Noon));
    let refused =
        || answer(401, r#"{"error":{"code":401,"message":"ended","status":"UNAUTHENTICATED"}}"#);
    let described = answer(200, &format!(r#"{{"name":"{name}"}}"#));
    let transport = Canned::new([refused(), described]);
    let http = Arc::new(transport.clone());
    let kms = CloudKms::new(GoogleConfig::new(), http, Noon, credentials, Steady);
    let key = uri(&format!("google://{name}"));
    assert!(block_on(kms.call(&Request::ResolveKey { key })).is_ok());
    let sent = transport.sent();
    let borne: Vec<_> = sent.iter().map(|sent| header(sent, "authorization")).collect();
    assert_eq!(borne, [Some("Bearer ya29.abc"), Some("Bearer ya29.def")]);
    assert_eq!(tokens.sent().len(), 2);
}
