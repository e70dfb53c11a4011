//! The AWS provider against moto's server, which speaks the protocol but is no KMS: it proves
//! that requests are signed, written and read as AWS tools expect, and nothing about security.
//! What moto does otherwise than AWS is left out, or both ways are accepted.
//!
//! It needs `moto[server,kms,secretsmanager]==5.2.5`; `KEYFOLD_MOTO_SERVER` names its program.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::block_on;
use keyfold::credentials::{
    Credentials, CredentialsProvider, StaticCredentials, TokenSource, WebIdentityCredentials,
};
use keyfold::kms::aws::{AwsConfig, AwsKms, Service};
use keyfold::kms::{Kms, Request, SignInput};
use keyfold::sign::SignatureAlgorithm;
use keyfold::{
    Client, EncryptionContext, ErrorCode, Header, KeyUri, Keyring, RouterKms, SecretBytes,
};
use keyfold_transport::{HttpOptions, HttpTransport};
use serde_json::{Value, json};

struct Moto {
    server: Child,
    address: SocketAddr,
    transport: HttpTransport,
}

impl Moto {
    /// Starts it, and waits until it listens.
    fn start(program: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let server = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto_server starts");
        let transport = HttpTransport::new(&HttpOptions::default()).expect("a transport");
        let moto = Moto { server, address, transport };
        for _ in 0..600 {
            if TcpStream::connect(address).is_ok() {
                return moto;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("moto_server does not listen");
    }

    fn kms(&self, region: &str) -> AwsKms<HttpTransport> {
        let secret = SecretBytes::from(&b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"[..]);
        let key = Credentials::access_key("AKIDEXAMPLE", &secret, None).expect("an access key");
        let url = format!("http://{}", self.address);
        let config = AwsConfig::aws(region)
            .and_then(|config| config.with_endpoint(Service::Kms, &url))
            .and_then(|config| config.with_endpoint(Service::Secrets, &url));
        let (transport, clock) = (self.transport.clone(), self.transport.clock());
        let credentials = Arc::new(StaticCredentials::new(key));
        AwsKms::new(transport, clock, credentials, config.expect("a configuration"))
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// An operation that the seam has no request for.
fn operation(kms: &AwsKms<HttpTransport>, name: &str, members: &Value) -> Value {
    let body = members.to_string().into_bytes();
    let answer = block_on(kms.operation(Service::Kms, name, body)).expect(name);
    serde_json::from_slice(&answer).unwrap_or_default()
}

fn make_key(kms: &AwsKms<HttpTransport>, members: &Value) -> KeyUri {
    let made = operation(kms, "CreateKey", members);
    let arn = made["KeyMetadata"]["Arn"].as_str().expect("an ARN");
    format!("aws:{arn}").parse().expect("a key URI")
}

fn context(value: &str) -> EncryptionContext {
    [("tenant", value), ("\u{540d}\u{524d}", "\u{e9}")].into()
}

#[test]
fn moto_is_a_peer() {
    let Ok(program) = std::env::var("KEYFOLD_MOTO_SERVER") else {
        println!("skipped: KEYFOLD_MOTO_SERVER does not name the program moto_server");
        return;
    };
    let moto = Moto::start(&program);
    keys_and_data(&moto);
    signatures(&moto);
    secrets(&moto);
    regions(&moto);
    a_role(&moto);
    println!("moto: keys and data, signatures, secrets, two regions, a role");
}

fn keys_and_data(moto: &Moto) {
    let kms = moto.kms("us-east-1");
    let docs = make_key(&kms, &json!({}));
    let other = make_key(&kms, &json!({"Description": "caf\u{e9}"}));
    operation(&kms, "CreateAlias", &json!({"AliasName": "alias/docs", "TargetKeyId": docs.rest()}));
    let alias: KeyUri = "aws:alias/docs".parse().expect("a key URI");
    let client = Client::new(&kms);
    assert_eq!(block_on(client.resolve(&alias)).expect("resolved"), docs);
    let missing: KeyUri = "aws:alias/missing".parse().expect("a key URI");
    let error = block_on(client.resolve(&missing)).expect_err("there is none");
    assert_eq!(error.code(), ErrorCode::KmsKeyUnavailable);

    let ring = Keyring::generate_with(alias.clone()).also_wrap_with(other.clone());
    let sealed = block_on(client.encrypt(b"hello", &ring, &context("acme"))).expect("sealed");
    for key in [&alias, &docs, &other] {
        let ring = Keyring::unwrap_with([key.clone()]);
        let opened = block_on(client.decrypt(&sealed, &ring, &context("acme")));
        assert_eq!(opened.expect("opened"), b"hello");
    }
    let (header, body) = Header::parse(&sealed).expect("a header");
    let (from, to) = (Keyring::unwrap_with([docs.clone()]), Keyring::generate_with(other.clone()));
    let moved = block_on(client.rewrap(&header, &from, &to)).expect("rewrapped");
    assert_eq!(moved.recipients().len(), 1);
    let opened = block_on(client.decrypt_body(&moved, &sealed[body..], &to, &context("acme")));
    assert_eq!(opened.expect("opened"), b"hello");

    let plain = SecretBytes::from(&[7; 4096][..]);
    let small = block_on(client.encrypt_small(&docs, plain, &context("acme"))).expect("sealed");
    let opened = block_on(client.decrypt_small(Some(&docs), &small, &context("acme")));
    assert_eq!(opened.expect("opened").expose(), [7; 4096]);
    for (ciphertext, context) in [(&small[..], context("globex")), (b"garbage", context("acme"))] {
        let error = block_on(client.decrypt_small(None, ciphertext, &context));
        assert_eq!(error.expect_err("refused").code(), ErrorCode::AuthenticationFailed);
    }
    // AWS says that the key is the wrong one, moto that access is denied.
    let error = block_on(client.decrypt_small(Some(&other), &small, &context("acme")));
    let code = error.expect_err("refused").code();
    assert!(matches!(code, ErrorCode::AuthenticationFailed | ErrorCode::KmsDenied), "{code}");
    // What moto does not know it answers with a page and status 500.
    let error = block_on(kms.operation(Service::Kms, "NoSuchOperation", b"{}".to_vec()));
    assert_eq!(error.expect_err("no answer").code(), ErrorCode::KmsUnavailable);
}

fn signatures(moto: &Moto) {
    let kms = moto.kms("us-east-1");
    let client = Client::new(&kms);
    for (spec, algorithm) in [
        ("RSA_2048", SignatureAlgorithm::RsaPkcs1Sha256),
        ("ECC_NIST_P256", SignatureAlgorithm::EcdsaSha256),
        ("ECC_SECG_P256K1", SignatureAlgorithm::EcdsaSha256),
    ] {
        let key = make_key(&kms, &json!({"KeySpec": spec, "KeyUsage": "SIGN_VERIFY"}));
        let signature = block_on(client.sign(&key, algorithm, b"message")).expect("signed");
        // Offline, with the public key that it answers.
        block_on(client.verify(&key, algorithm, b"message", &signature)).expect("it holds");
        let verify = |message: &[u8]| {
            let input = SignInput::Message(message.to_vec());
            let (key, signature) = (key.clone(), signature.clone());
            block_on(kms.call(&Request::Verify { key, algorithm, input, signature }))
        };
        assert!(verify(b"message").is_ok());
        assert_eq!(verify(b"forged").expect_err("refused").code(), ErrorCode::SignatureInvalid);
    }
}

fn secrets(moto: &Moto) {
    let kms = moto.kms("us-east-1");
    let client = Client::new(&kms);
    let secrets = client.secrets();
    let put = |value: &[u8]| block_on(secrets.put("db/password", value.into(), None));
    let get = |stage| block_on(secrets.get_version("db/password", None, stage));
    assert_eq!(get(None).expect_err("there is none").code(), ErrorCode::SecretNotFound);
    let first = put("caf\u{e9}\"\\".as_bytes()).expect("made");
    let second = put(b"\xff\x00").expect("a new version");
    assert_ne!(first, second);
    assert_eq!(get(None).expect("the value").expose(), b"\xff\x00");
    let before = get(Some("AWSPREVIOUS")).expect("the value before");
    assert_eq!(before.expose(), "caf\u{e9}\"\\".as_bytes());
    let by_id = block_on(secrets.get_version("db/password", Some(&first), None));
    assert_eq!(by_id.expect("the value before").expose(), "caf\u{e9}\"\\".as_bytes());
}

/// A key is where its region is, which moto takes from what is signed.
fn regions(moto: &Moto) {
    let (here, there) = (moto.kms("us-east-1"), moto.kms("eu-west-1"));
    let (near, far) = (make_key(&here, &json!({})), make_key(&there, &json!({})));
    let error = block_on(Client::new(&here).resolve(&far)).expect_err("it is elsewhere");
    assert_eq!(error.code(), ErrorCode::KmsKeyUnavailable);
    let kms = RouterKms::new().route("aws:arn:aws:kms:eu-west-1:", there).otherwise(here);
    let client = Client::new(kms);
    let ring = Keyring::generate_with(near).also_wrap_with(far.clone());
    let sealed = block_on(client.encrypt(b"hello", &ring, &context("acme"))).expect("sealed");
    let opened = block_on(client.decrypt(&sealed, &Keyring::unwrap_with([far]), &context("acme")));
    assert_eq!(opened.expect("opened"), b"hello");
}

fn a_role(moto: &Moto) {
    struct Token;

    impl TokenSource for Token {
        fn token(&self) -> keyfold::Result<SecretBytes> {
            Ok(SecretBytes::from(&b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"[..]))
        }
    }

    let (transport, role) = (moto.transport.clone(), "arn:aws:iam::123456789012:role/reader");
    let source =
        WebIdentityCredentials::new(transport, "us-east-1", role, "keyfold", Box::new(Token))
            .and_then(|source| source.with_endpoint(&format!("http://{}", moto.address)));
    let found = block_on(source.expect("a source").credentials());
    assert!(found.expect("an answer").expect("credentials").expires().is_some());
}
