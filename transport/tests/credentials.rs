//! Credentials from the environment and from files.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use keyfold::credentials::{Credentials, CredentialsProvider, TokenSource};
use keyfold::kms::aws::{AwsConfig, Exchange, Service};
use keyfold::{ErrorCode, Result};
use keyfold_transport::{
    Environment, FileToken, HttpOptions, HttpTransport, aws_credentials, keyfold_credentials,
};
use pollster::block_on;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    let pairs: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Environment::new(move |name| {
        pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    })
}

/// What a request says of who calls.
fn shown(credentials: &Credentials) -> String {
    let config = AwsConfig::keyfold("https://kms.example.com").expect("a configuration");
    let mut exchange =
        Exchange::new(&config, Service::Kms, "ListKeys", Vec::new()).expect("an operation");
    let now = std::time::Duration::from_secs(1_700_000_000);
    let request = exchange.request(credentials, now).expect("a request");
    let value = request.headers.iter().find(|(name, _)| name == "authorization");
    let value = value.map(|(_, value)| value.clone()).unwrap_or_default();
    value.split_once("/2023").map_or(value.clone(), |(start, _)| start.to_owned())
}

fn ask(provider: &Arc<dyn CredentialsProvider>) -> String {
    shown(&block_on(provider.credentials()).expect("an answer").expect("credentials"))
}

const KEY: &str = "AWS4-HMAC-SHA256 Credential=";

#[test]
fn keyfolds_own_variables_come_first() {
    let all = [
        ("KEYFOLD_TOKEN", "token"),
        ("KEYFOLD_ACCESS_KEY_ID", "KFID"),
        ("KEYFOLD_SECRET_ACCESS_KEY", "s"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    let first = |from: usize| {
        keyfold_credentials(&environment(&all[from..])).map(|found| found.map(|found| ask(&found)))
    };
    assert_eq!(first(0).expect("a token"), Some("Bearer token".to_owned()));
    assert_eq!(first(1).expect("a key"), Some(format!("{KEY}KFID")));
    assert_eq!(first(3).expect("a key"), Some(format!("{KEY}AKID")));
    assert_eq!(first(5).expect("nothing"), None);
    // Half of one is a mistake, not none.
    assert_eq!(first(2).expect_err("a half").code(), ErrorCode::InvalidArgument);
    assert!(keyfold_credentials(&environment(&[("KEYFOLD_TOKEN", "")])).is_ok_and(|f| f.is_none()));
}

#[test]
fn a_token_file_is_read_each_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    let provider = keyfold_credentials(&environment(&[(
        "KEYFOLD_TOKEN_FILE",
        path.to_str().expect("a name"),
    )]));
    let provider = provider.expect("credentials").expect("a file");
    let error = block_on(provider.credentials()).expect_err("there is none yet");
    assert_eq!(error.code(), ErrorCode::Io);
    for token in ["one", "two"] {
        fs::write(&path, format!(" {token}\r\n")).expect("written");
        assert_eq!(ask(&provider), format!("Bearer {token}"));
    }
    fs::write(&path, vec![b'x'; (1 << 20) + 1]).expect("written");
    let error = FileToken::new(&path).token().expect_err("too long");
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
}

#[test]
fn the_sources_of_aws_come_in_their_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.to_str().expect("a name").to_owned()
    };
    let credentials = write(
        "credentials",
        "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n\
         [work]\naws_access_key_id = WORK\naws_secret_access_key = s\n",
    );
    let config = write("config", "[profile work]\nregion = eu-west-1\n");
    let nothing = Path::new("no/such/file").to_str().expect("a name");
    let transport = HttpTransport::new(&HttpOptions::default()).expect("a transport");
    let ask = |more: &[(&str, &str)], profile: Option<&str>| -> Result<Option<String>> {
        let mut pairs = vec![
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()),
            ("AWS_CONFIG_FILE", config.as_str()),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        pairs.splice(0..0, more.iter().copied());
        let provider = aws_credentials(&environment(&pairs), profile, "eu-west-1", &transport)?;
        Ok(block_on(provider.credentials())?.map(|found| shown(&found)))
    };
    let key = |id: &str| Some(format!("{KEY}{id}"));
    let variables = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    assert_eq!(ask(&variables, None).expect("a key"), key("ENV"));
    assert_eq!(ask(&[], None).expect("a key"), key("DEFAULT"));
    assert_eq!(ask(&[("AWS_PROFILE", "work")], None).expect("a key"), key("WORK"));
    // A profile that is asked for counts more than the environment.
    assert_eq!(ask(&variables, Some("work")).expect("a key"), key("WORK"));
    let error = ask(&[], Some("none")).expect_err("no such profile");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    let none = [("AWS_SHARED_CREDENTIALS_FILE", nothing), ("AWS_CONFIG_FILE", nothing)];
    assert_eq!(ask(&none, None).expect("nothing"), None);
    // A web identity that fails is not passed over: the next source is somebody else.
    let role =
        [("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"), ("AWS_WEB_IDENTITY_TOKEN_FILE", nothing)];
    assert_eq!(ask(&role, None).expect_err("no token").code(), ErrorCode::Io);
}
