//! Who calls Azure.

use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use keyfold::credentials::{
    AzureAuthority, AzureClientCredentials, AzureManagedIdentityCredentials, CachedCredentials,
    Credentials, CredentialsProvider, TokenSource,
};
use keyfold::kms::azure::AzureConfig;
use keyfold::kms::cloud::CloudKms;
use keyfold::kms::{Kms as _, Request};
use keyfold::sign::{KeySpec, SignatureAlgorithm, SigningKey};
use keyfold::transport::{HttpResponse, TransportError};
use keyfold::{Error, ErrorCode, SecretBytes, SystemRng};
use pollster::block_on;

use crate::support::*;

const RESOURCE: &str = "https://vault.azure.net";
const VAULT: &str = "https://my-vault.vault.azure.net";
const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
const TOKEN_URL: &str = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token";
const ANSWER: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"eyJ.a"}"#;
const SCOPE: &str = "scope=https%3A%2F%2Fvault.azure.net%2F.default";

fn authority() -> AzureAuthority {
    AzureAuthority::new("contoso.com", RESOURCE).expect("an authority")
}

fn challenge(login: &str, resource: &str) -> String {
    format!("Bearer authorization=\"{login}\", resource=\"{resource}\"")
}

fn found(credentials: Result<Option<Arc<Credentials>>, Error>) -> Duration {
    credentials.expect("an answer").expect("credentials").expires().expect("an end")
}

#[test]
fn an_application_shows_its_secret() {
    let ask = |answered| {
        let transport = Canned::new([answered]);
        let secret = secret(b"se~cret/1");
        let source = AzureClientCredentials::with_secret(
            transport.clone(),
            Noon,
            authority(),
            CLIENT,
            secret,
        );
        (block_on(source.expect("a source").credentials()), transport.sent())
    };
    let (credentials, sent) = ask(answer(200, ANSWER));
    assert_eq!(found(credentials), NOW + Duration::from_secs(3599));
    assert_eq!((sent[0].method.as_str(), sent[0].url.as_str()), ("POST", TOKEN_URL));
    let body = format!(
        "grant_type=client_credentials&client_id={CLIENT}&{SCOPE}&client_secret=se~cret%2F1"
    );
    assert_eq!(text(&sent[0].body), body);
    for (answered, code) in [
        (answer(401, r#"{"error":"invalid_client"}"#), ErrorCode::KmsDenied),
        (answer(400, r#"{"error":"unauthorized_client"}"#), ErrorCode::KmsDenied),
        (answer(429, ""), ErrorCode::KmsThrottled),
        (answer(503, ""), ErrorCode::KmsUnavailable),
        (answer(200, "<html>"), ErrorCode::KmsProtocol),
        (answer(200, r#"{"access_token":"a"}"#), ErrorCode::KmsProtocol),
    ] {
        assert_eq!(ask(answered).0.expect_err("refused").code(), code);
    }
    for (client, secret) in [("a b", &b"s"[..]), ("", b"s"), (CLIENT, b""), (CLIENT, b"a\r\nb")] {
        let secret = SecretBytes::from(secret);
        let source = AzureClientCredentials::with_secret(
            Canned::default(),
            Noon,
            authority(),
            client,
            secret,
        );
        assert_eq!(source.err().expect("refused").code(), ErrorCode::InvalidArgument);
    }
}

#[test]
fn an_application_signs_with_the_key_of_its_certificate() {
    let key = SigningKey::generate(KeySpec::Rsa2048, &SystemRng).expect("a key");
    let key_pem = key.to_pkcs8_pem().expect("PEM");
    // Only its bytes count here: they are what the thumbprint is of.
    let der = b"a certificate";
    let certificate = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        Base64::encode_string(der)
    );
    let make = |transport: Canned, pem: &str| {
        let pem = SecretBytes::from(pem.as_bytes());
        AzureClientCredentials::with_certificate(transport, Noon, authority(), CLIENT, &pem, Steady)
    };
    for pem in [
        format!("{certificate}{}", text(key_pem.expose())),
        format!("{}{certificate}", text(key_pem.expose())),
    ] {
        let transport = Canned::new([answer(200, ANSWER)]);
        let source = make(transport.clone(), &pem).expect("a source");
        found(block_on(source.credentials()));
        let sent = transport.sent();
        let (before, assertion) =
            text(&sent[0].body).rsplit_once("&client_assertion=").expect("an assertion");
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        assert_eq!(
            before,
            format!(
                "grant_type=client_credentials&client_id={CLIENT}&{SCOPE}&client_assertion_type={kind}"
            )
        );
        let (signed, signature) = assertion.rsplit_once('.').expect("three parts");
        let signature = Base64UrlUnpadded::decode_vec(signature).expect("base64url");
        let algorithm = SignatureAlgorithm::RsaPssSha256;
        key.public_key().verify(algorithm, signed.as_bytes(), &signature).expect("signed");
        let part = |part: &str| -> serde_json::Value {
            let bytes = Base64UrlUnpadded::decode_vec(part).expect("base64url");
            serde_json::from_slice(&bytes).expect("JSON")
        };
        let (head, claims) = signed.split_once('.').expect("two parts");
        let thumbprint = keyfold_thumbprint(der);
        let expected = serde_json::json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint});
        assert_eq!(part(head), expected);
        let expected = serde_json::json!({
            "aud": TOKEN_URL, "iss": CLIENT, "sub": CLIENT,
            "jti": "00010203-0405-4607-8809-0a0b0c0d0e0f",
            "nbf": 1_700_000_000, "iat": 1_700_000_000, "exp": 1_700_000_600,
        });
        assert_eq!(part(claims), expected);
    }
    let ed25519 = SigningKey::generate(KeySpec::Ed25519, &SystemRng).expect("a key");
    let ed25519 = ed25519.to_pkcs8_pem().expect("PEM");
    for pem in [
        certificate.clone(),
        text(key_pem.expose()).to_owned(),
        format!("{certificate}{}", text(ed25519.expose())),
        format!("{}{}", certificate.replace("YS", "??"), text(key_pem.expose())),
        String::new(),
    ] {
        let failed = make(Canned::default(), &pem).err().expect("refused");
        assert_eq!(failed.code(), ErrorCode::InvalidArgument);
    }
}

/// SHA-256 in base64url, by way of a message's hash.
fn keyfold_thumbprint(der: &[u8]) -> String {
    let mut hasher =
        keyfold::sign::MessageHasher::new(SignatureAlgorithm::EcdsaSha256).expect("a hash");
    hasher.update(der);
    Base64UrlUnpadded::encode_string(&hasher.finish())
}

struct Token(&'static str);

impl TokenSource for Token {
    fn token(&self) -> keyfold::Result<SecretBytes> {
        Ok(SecretBytes::from(self.0.as_bytes()))
    }
}

#[test]
fn a_workload_shows_the_token_of_another_issuer() {
    let ask = |token: &'static str, answers: Vec<HttpResponse>| {
        let (transport, token) = (Canned::new(answers), Box::new(Token(token)));
        let source =
            AzureClientCredentials::with_token(transport.clone(), Noon, authority(), CLIENT, token);
        (block_on(source.expect("a source").credentials()), transport.sent())
    };
    let (credentials, sent) = ask("x.y.z", vec![answer(200, ANSWER)]);
    found(credentials);
    assert!(text(&sent[0].body).ends_with("jwt-bearer&client_assertion=x.y.z"));
    let failed = ask("x\r\ny", vec![]).0.expect_err("refused");
    assert_eq!(failed.code(), ErrorCode::InvalidArgument);
}

#[test]
fn a_machine_asks_for_a_token_of_its_identity() {
    let ask = |client: Option<&str>, answered: HttpResponse| {
        let transport = Canned::new([answered]);
        let source =
            AzureManagedIdentityCredentials::new(transport.clone(), Noon, RESOURCE, client);
        (block_on(source.expect("a source").credentials()), transport.sent())
    };
    let text_number = ANSWER.replace("3599", "\"3599\"");
    let (credentials, sent) = ask(None, answer(200, &text_number));
    assert_eq!(found(credentials), NOW + Duration::from_secs(3599));
    let url = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";
    assert_eq!((sent[0].method.as_str(), sent[0].url.as_str()), ("GET", url));
    assert_eq!(header(&sent[0], "metadata"), Some("true"));
    let (credentials, sent) = ask(Some(CLIENT), answer(200, ANSWER));
    found(credentials);
    assert_eq!(sent[0].url, format!("{url}&client_id={CLIENT}"));
    // Another cloud's machine, one without an identity, none at all.
    for status in [400, 404] {
        assert!(matches!(ask(None, answer(status, "")).0, Ok(None)));
        assert!(ask(Some(CLIENT), answer(status, "")).0.is_err());
    }
    let down = TransportError::new(ErrorCode::KmsUnavailable, "no route");
    let source = AzureManagedIdentityCredentials::new(Canned::failing(down), Noon, RESOURCE, None);
    assert!(matches!(block_on(source.expect("a source").credentials()), Ok(None)));
    assert_eq!(ask(None, answer(500, "")).0.expect_err("no").code(), ErrorCode::KmsUnavailable);
    assert_eq!(ask(None, answer(200, "{}")).0.expect_err("no").code(), ErrorCode::KmsProtocol);
}

#[test]
fn a_vault_says_whom_it_trusts_and_is_believed_about_itself_only() {
    let login = "https://login.microsoftonline.com/contoso.com";
    for text in [
        challenge(login, RESOURCE),
        challenge(&format!("{login}/"), "https://vault.azure.net/"),
        format!("Bearer authorization_uri={login}, scope={RESOURCE}/.default"),
    ] {
        assert_eq!(AzureAuthority::of_challenge(&text, VAULT), Ok(authority()), "{text}");
    }
    for (login, resource, vault) in [
        // A token for another service, which the vault could pass on.
        (login, "https://management.azure.com", VAULT),
        (login, "https://managedhsm.azure.net", VAULT),
        (login, "https://net", VAULT),
        (login, "https://t.azure.net", VAULT),
        (login, RESOURCE, "https://vault.example.com"),
        (login, RESOURCE, "https://evil-vault.azure.net.example.com"),
        // A secret for somebody who is not Azure.
        ("https://login.example.com/contoso.com", RESOURCE, VAULT),
        ("http://127.0.0.1:8080/contoso.com", RESOURCE, VAULT),
    ] {
        let failed = AzureAuthority::of_challenge(&challenge(login, resource), vault);
        let failed = failed.expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::KmsDenied, "{login} {resource} {vault}");
    }
    let local = "http://127.0.0.1:8080";
    assert!(AzureAuthority::of_challenge(&challenge(&format!("{local}/t"), local), local).is_ok());
    for text in [
        String::new(),
        "Bearer".to_owned(),
        format!("Basic authorization=\"{login}\", resource=\"{RESOURCE}\""),
        format!("Bearer authorization=\"{login}\""),
        format!("Bearer resource=\"{RESOURCE}\""),
        challenge("https://login.microsoftonline.com", RESOURCE),
        challenge("https://login.microsoftonline.com/a/b", RESOURCE),
        challenge("http://login.microsoftonline.com/t", RESOURCE),
        challenge(login, "vault.azure.net"),
    ] {
        let failed = AzureAuthority::of_challenge(&text, VAULT).expect_err("refused");
        assert_eq!(failed.code(), ErrorCode::KmsProtocol, "{text}");
    }
    let challenged = || with(answer(401, ""), "WWW-Authenticate", &challenge(login, RESOURCE));
    let transport = Canned::new([challenged(), answer(200, "{}")]);
    assert_eq!(block_on(AzureAuthority::ask(&transport, VAULT)), Ok(authority()));
    let failed = block_on(AzureAuthority::ask(&transport, VAULT)).expect_err("no challenge");
    assert_eq!(failed.code(), ErrorCode::KmsProtocol);
    let sent = transport.sent();
    assert_eq!(sent[0].url, format!("{VAULT}/keys?api-version=7.4"));
    assert!(sent[0].headers.is_empty() && sent[0].body.is_empty());
    // Each cloud has its own.
    for (resource, url) in [
        ("https://vault.azure.cn", "https://login.chinacloudapi.cn/t"),
        ("https://managedhsm.usgovcloudapi.net", "https://login.microsoftonline.us/t"),
    ] {
        let vault = resource.replacen("https://", "https://v.", 1);
        let of_challenge = AzureAuthority::of_challenge(&challenge(url, resource), &vault);
        assert_eq!(of_challenge, AzureAuthority::new("t", resource));
    }
    assert!(AzureAuthority::new("a/b", RESOURCE).is_err());
}

#[test]
fn a_token_that_is_refused_is_replaced_once_and_for_this_vault_only() {
    let login = "https://login.microsoftonline.com/contoso.com";
    let call = |resource: &str| {
        let tokens =
            Canned::new([answer(200, ANSWER), answer(200, &ANSWER.replace("eyJ.a", "eyJ.b"))]);
        let source = AzureClientCredentials::with_secret(
            tokens.clone(),
            Noon,
            authority(),
            CLIENT,
            secret(b"s"),
        );
        let credentials = CachedCredentials::new(source.expect("a source"), Noon);
        let refused = answer(401, r#"{"error":{"code":"Unauthorized","message":"x"}}"#);
        let refused = with(refused, "www-authenticate", &challenge(login, resource));
        let kid = format!("{VAULT}/keys/docs/1");
        let described = answer(200, &format!(r#"{{"key":{{"kid":"{kid}"}}}}"#));
        let transport = Canned::new([refused, described]);
        let config = AzureConfig::vault("my-vault").expect("a vault");
        let http = Arc::new(transport.clone());
        let kms = CloudKms::new(config, http, Noon, Arc::new(credentials), Steady);
        let called = block_on(kms.call(&Request::ResolveKey { key: uri("azure://my-vault/docs") }));
        (called.map(|_| ()), transport.sent(), tokens.sent().len())
    };
    let (called, sent, tokens) = call(RESOURCE);
    assert_eq!((called, tokens), (Ok(()), 2));
    let borne: Vec<_> = sent.iter().map(|sent| header(sent, "authorization")).collect();
    assert_eq!(borne, [Some("Bearer eyJ.a"), Some("Bearer eyJ.b")]);
    let (called, sent, tokens) = call("https://management.azure.com");
    assert_eq!(called.expect_err("refused").code(), ErrorCode::KmsDenied);
    assert_eq!((sent.len(), tokens), (1, 1));
}
