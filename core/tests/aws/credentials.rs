//! The endpoints that give out credentials.

use std::sync::Arc;
use std::time::Duration;

use keyfold::credentials::{
    ContainerCredentials, Credentials, CredentialsProvider, InstanceCredentials, TokenSource,
    WebIdentityCredentials,
};
use keyfold::kms::aws;
use keyfold::transport::{HttpRequest, HttpResponse, TransportError};
use keyfold::{Error, ErrorCode, SecretBytes};
use pollster::block_on;

use crate::support::*;

struct Token(&'static str);

impl TokenSource for Token {
    fn token(&self) -> keyfold::Result<SecretBytes> {
        Ok(SecretBytes::from(self.0.as_bytes()))
    }
}

const JSON: &str = r#"{"Code":"Success","AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"se/cret","Token":"to+ken==","Expiration":"2023-11-14T23:13:20Z","Type":"AWS-HMAC"}"#;
const XML: &str = "<?xml version=\"1.0\"?><AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult><Credentials>\n<AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>se/cret</SecretAccessKey>\n<SessionToken> to+ken== </SessionToken><Expiration>2023-11-14T23:13:20Z</Expiration></Credentials><Audience>a&amp;b</Audience></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

/// What a request shows of the credentials that it is signed with.
fn shown(credentials: &Credentials) -> (String, String) {
    let mut request = HttpRequest {
        method: "GET".into(),
        url: "https://example.com/".into(),
        headers: vec![],
        body: vec![],
    };
    aws::sign(&mut request, credentials, "us-east-1", "kms", NOW).expect("signed");
    let id = header(&request, "authorization").expect("signed").to_owned();
    let token = header(&request, "x-amz-security-token").expect("of a session").to_owned();
    (id, token)
}

fn check(found: Result<Option<Arc<Credentials>>, Error>) {
    let found = found.expect("an answer").expect("credentials");
    let (id, token) = shown(&found);
    assert!(id.starts_with("AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/"), "{id}");
    assert_eq!(token, "to+ken==");
    assert_eq!(found.expires(), Some(NOW + Duration::from_hours(1)));
}

fn web_identity(transport: &Canned) -> WebIdentityCredentials<Canned> {
    let (role, token) = ("arn:aws:iam::1:role/r", Box::new(Token("a.b+c/=")));
    WebIdentityCredentials::new(transport.clone(), "eu-west-1", role, "keyfold", token)
        .expect("a role")
}

#[test]
fn a_role_is_taken_with_a_web_identity() {
    let transport = Canned::new([answer(200, XML)]);
    check(block_on(web_identity(&transport).credentials()));
    let sent = &transport.sent()[0];
    assert_eq!(sent.url, "https://sts.eu-west-1.amazonaws.com/");
    assert_eq!(
        std::str::from_utf8(&sent.body),
        Ok("Action=AssumeRoleWithWebIdentity&Version=2011-06-15\
            &RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=keyfold\
            &WebIdentityToken=a.b%2Bc%2F%3D")
    );
    for (response, code) in [
        (answer(403, "<ErrorResponse/>"), ErrorCode::KmsDenied),
        (answer(200, "<a"), ErrorCode::KmsProtocol),
        (answer(200, "<a></b>"), ErrorCode::KmsProtocol),
        (answer(200, &XML.replace("se/cret", "se&amp;cret")), ErrorCode::KmsProtocol),
        (answer(200, &XML.replace("2023-", "soon-")), ErrorCode::KmsProtocol),
        (answer(200, &XML.replace("SessionToken", "Other")), ErrorCode::KmsProtocol),
        (answer(302, ""), ErrorCode::KmsProtocol),
        (answer(503, ""), ErrorCode::KmsUnavailable),
    ] {
        let transport = Canned::new([response]);
        let error = block_on(web_identity(&transport).credentials()).expect_err("refused");
        assert_eq!(error.code(), code);
    }
    let role = |role: &str, session: &str| {
        let token = Box::new(Token("t"));
        WebIdentityCredentials::new(Canned::default(), "eu-west-1", role, session, token).is_ok()
    };
    assert!(role("arn:aws:iam::1:role/r", "pod-1"));
    assert!(!role("r", "pod-1") && !role("arn:aws:iam::1:role/r", "p&x"));
}

#[test]
fn a_container_asks_its_host() {
    for (endpoint, url) in [
        ("/v2/credentials/1?x=1", "http://169.254.170.2/v2/credentials/1?x=1"),
        ("http://169.254.170.23/v1/credentials", "http://169.254.170.23/v1/credentials"),
        ("http://[fd00:ec2::23]/v1", "http://[fd00:ec2::23]/v1"),
        ("https://credentials.example.com/v1", "https://credentials.example.com/v1"),
    ] {
        let transport = Canned::new([answer(200, JSON)]);
        let source =
            ContainerCredentials::new(transport.clone(), endpoint, Some(Box::new(Token("auth"))));
        check(block_on(source.expect("a source").credentials()));
        let sent = &transport.sent()[0];
        assert_eq!((sent.method.as_str(), sent.url.as_str()), ("GET", url));
        assert_eq!(header(sent, "authorization"), Some("auth"));
    }
    // Without TLS only this machine: elsewhere the token would be read on the way.
    for endpoint in ["http://credentials.example.com/v1", "http://169.254.170.3/", "ftp://x/", ""] {
        let source = ContainerCredentials::new(Canned::default(), endpoint, None);
        assert_eq!(source.err().expect("refused").code(), ErrorCode::InvalidArgument, "{endpoint}");
    }
    let lines = ContainerCredentials::new(
        Canned::default(),
        "/v2",
        Some(Box::new(Token("auth\r\nx-evil: 1"))),
    );
    let error = block_on(lines.expect("a source").credentials()).expect_err("refused");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}

#[test]
fn a_machine_asks_its_metadata_service_with_a_token() {
    let ask = |answers: Vec<HttpResponse>| {
        let transport = Canned::new(answers);
        let found = block_on(InstanceCredentials::new(transport.clone()).credentials());
        (found, transport.sent())
    };
    let token = || answer(200, "metadata-token");
    let (found, sent) = ask(vec![token(), answer(200, "my-role\n"), answer(200, JSON)]);
    check(found);
    assert_eq!((sent[0].method.as_str(), sent.len()), ("PUT", 3));
    assert!(
        sent[1..]
            .iter()
            .all(|sent| { header(sent, "x-aws-ec2-metadata-token") == Some("metadata-token") })
    );
    assert!(sent[2].url.ends_with("/latest/meta-data/iam/security-credentials/my-role"));

    // No such service, or no role: no credentials. Anything else is a failure.
    let down = TransportError::new(ErrorCode::KmsUnavailable, "no route");
    let found = block_on(InstanceCredentials::new(Canned::failing(down)).credentials());
    assert!(matches!(found, Ok(None)));
    assert!(matches!(ask(vec![answer(403, "")]).0, Ok(None)));
    assert!(matches!(ask(vec![token(), answer(404, "")]).0, Ok(None)));
    let failed = JSON.replace("Success", "Failed");
    for (answers, code) in [
        (vec![answer(200, "two words")], ErrorCode::KmsProtocol),
        (vec![token(), answer(200, "../../user-data")], ErrorCode::KmsProtocol),
        (vec![token(), answer(200, "r"), answer(200, "{}")], ErrorCode::KmsProtocol),
        (vec![token(), answer(200, "r"), answer(200, &failed)], ErrorCode::KmsDenied),
        (vec![token(), answer(200, "r"), answer(200, &"x".repeat(70_000))], ErrorCode::KmsProtocol),
        (vec![token(), answer(500, "")], ErrorCode::KmsUnavailable),
    ] {
        assert_eq!(ask(answers).0.expect_err("refused").code(), code);
    }
}
