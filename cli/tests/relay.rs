//! `keyfold serve --upstream`: a server that signs for clouds, with our own client and with plain
//! requests.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use assert_cmd::assert::OutputAssertExt;
use keyfold::credentials::{Credentials, StaticCredentials};
use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyKind, KeyUse, KmsAdmin};
use keyfold::kms::cloud::{ConnectedCloud, Place, Places};
use keyfold::kms::sealing::Sealing;
use keyfold::sign::{KeySpec, SignatureAlgorithm, SigningKey};
use keyfold::{Client, EncryptionContext, ErrorCode, KeyUri, Keyring, RetryLimits, SecretBytes};
use keyfold_emulators::{Emulator, Fault, Options, Provider};
use keyfold_kms::types::Blob;
use keyfold_transport::{
    CloudChoice, Environment, HttpOptions, HttpTransport, RemoteKms, RemoteOptions,
    cloud_credentials, connect, connect_cloud,
};
use pollster::block_on;
use serde_json::{Value, json};

const TENCENT: &str = "tencent://ap-guangzhou";
const HUAWEI: &str = "huawei://cn-north-4";
const ALIBABA: &str = "alibaba://cn-hangzhou";
/// A value of the context, which no log and no record may show.
const TENANT: &str = "acme-of-the-context";
const SECRET: &str = "correct-horse-battery";

/// Two clouds, and what reaches them directly.
struct Clouds {
    tencent: Option<Emulator>,
    huawei: Emulator,
    alibaba: Emulator,
    environment: BTreeMap<String, String>,
    places: Places,
    /// The URIs of a key at each, and of one that signs.
    key: KeyUri,
    other: KeyUri,
    signs: KeyUri,
}

impl Clouds {
    fn start() -> Self {
        let start = |provider| Emulator::start(provider, Options::default()).expect("an emulator");
        let (tencent, huawei) = (start(Provider::Tencent), start(Provider::Huawei));
        let alibaba = start(Provider::Alibaba);
        let mut environment = tencent.environment();
        environment.extend(huawei.environment());
        environment.extend(alibaba.environment());
        let place = |cloud: &Emulator| {
            let url = Some(cloud.url().to_owned());
            Place { keys: url.clone(), secrets: url, ..Place::default() }
        };
        let mut places = Places::new();
        places.insert(TENCENT.to_owned(), place(&tencent));
        places.insert(HUAWEI.to_owned(), place(&huawei));
        places.insert(ALIBABA.to_owned(), place(&alibaba));
        let none: KeyUri = "keyfold:none".parse().expect("a key URI");
        let (key, other, signs) = (none.clone(), none.clone(), none);
        let tencent = Some(tencent);
        let mut clouds =
            Clouds { tencent, huawei, alibaba, environment, places, key, other, signs };
        let (symmetric, encrypts) = (KeyKind::Symmetric, KeyUse::EncryptDecrypt);
        clouds.key = clouds.create(TENCENT, symmetric, encrypts);
        clouds.other = clouds.create(HUAWEI, symmetric, encrypts);
        clouds.signs = clouds.create(TENCENT, KeyKind::EccNistP256, KeyUse::SignVerify);
        clouds
    }

    fn create(&self, place: &str, kind: KeyKind, usage: KeyUse) -> KeyUri {
        let alias = format!("made-{}", kind.as_str().to_ascii_lowercase().replace('_', "-"));
        self.create_as(place, kind, usage, &alias)
    }

    fn create_as(&self, place: &str, kind: KeyKind, usage: KeyUse, alias: &str) -> KeyUri {
        // Alibaba's begin in a way of their own, and need not be there.
        let alias = (place != ALIBABA).then(|| alias.to_owned());
        let create = AdminRequest::CreateKey { kind, usage, alias, description: None };
        match block_on(self.connect(place).administer(&create)).expect("a key") {
            AdminResponse::Key(key) => key.key,
            _ => unreachable!("a key was asked for"),
        }
    }

    fn connect(&self, place: &str) -> ConnectedCloud {
        let variables = self.environment.clone();
        let environment = Environment::new(move |name| variables.get(name).cloned());
        let mut places = self.places.clone();
        keyfold_transport::complete_place(&environment, place, &mut places);
        let transport = HttpTransport::new(&HttpOptions::default()).expect("a transport");
        let choice = CloudChoice::default();
        let credentials = cloud_credentials(&environment, place, &places, &choice, &transport);
        let credentials = credentials.expect("credentials");
        let options = RemoteOptions::default();
        connect_cloud(place, &places, credentials, transport, &options).expect("connected")
    }

    fn direct(&self, place: &str) -> Client<ConnectedCloud> {
        Client::new(self.connect(place))
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        let mut calls = self.tencent.as_ref().map(Emulator::take_calls).unwrap_or_default();
        calls.extend(self.huawei.take_calls());
        calls
    }
}

/// A relay to both, as a process.
struct Relay {
    folder: tempfile::TempDir,
    clouds: Clouds,
    server: Child,
    address: String,
}

impl Relay {
    fn start(options: &[&str]) -> Self {
        let clouds = Clouds::start();
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("kms")).expect("a folder");
        let mut relay = Relay {
            folder,
            server: Command::new("true").stdin(Stdio::null()).spawn().expect("a child"),
            clouds,
            address: String::new(),
        };
        relay.keyfold(&["init"]).assert().success();
        let place = |(uri, place): (&String, &Place)| {
            let url = place.keys.as_ref().expect("an address");
            format!("[places.\"{uri}\"]\nkeys = \"{url}\"\nsecrets = \"{url}\"\n")
        };
        let places: Vec<String> = relay.clouds.places.iter().map(place).collect();
        let places = places.concat();
        fs::write(relay.path("kms/config.toml"), places).expect("written");
        fs::write(relay.path("serve.toml"), relay.configuration()).expect("written");
        let fixed = ["serve", "--listen", "127.0.0.1:0", "--config", "serve.toml"];
        let upstream = ["--upstream", HUAWEI, "--log-level", "info"];
        let mut command = relay.keyfold(&[&fixed[..], &upstream, options].concat());
        let log = fs::File::create(relay.path("log")).expect("a file");
        let mut server = command.stdout(Stdio::piped()).stderr(log).spawn().expect("a child");
        let mut line = String::new();
        let stdout = server.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let _ = relay.server.wait();
        relay.server = server;
        let address = line.strip_prefix("listening on http://").expect(&line).trim_end();
        address.clone_into(&mut relay.address);
        relay
    }

    /// `web` may use the one key for data keys; `all` may do everything.
    fn configuration(&self) -> String {
        let (key, principal) = (&self.clouds.key, "arn:aws:iam::000000000000:oidc/local");
        format!(
            r#"
[relay]
upstreams = ["{TENCENT}", "{ALIBABA}", "azure://vault"]
timeout_seconds = 5

[[relay.rules]]
key = "{key}"
principals = ["{principal}/web"]
allow = ["kms:GenerateDataKey*", "kms:Decrypt"]

[[relay.rules]]
key = "{TENCENT}/*"
principals = ["{principal}/all*"]
allow = ["*"]

[[relay.rules]]
key = "{ALIBABA}/*"
principals = ["{principal}/all"]
allow = ["kms:*"]

[[relay.rules]]
key = "azure://vault/*"
principals = ["{principal}/all"]
allow = ["kms:*"]

[[relay.rules]]
key = "{HUAWEI}/*"
principals = ["{principal}/all*"]
allow = ["kms:*"]
"#
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn keyfold(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyfold"));
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.clouds.environment)
            .env("KEYFOLD_HOME", self.path("kms"))
            .stdin(Stdio::null());
        command
    }

    fn printed(&self, words: &[&str]) -> String {
        let done = self.keyfold(words).assert().success();
        String::from_utf8(done.get_output().stdout.clone()).expect("text").trim_end().to_owned()
    }

    fn token(&self, subject: &str, limits: &[&str]) -> String {
        self.printed(&[&["token", "--subject", subject], limits].concat())
    }

    fn connect(&self, token: &str) -> RemoteKms {
        self.connect_with(token, None)
    }

    fn connect_with(&self, token: &str, sealing: Option<Sealing>) -> RemoteKms {
        let token = SecretBytes::new(token.as_bytes().to_vec());
        let credentials = Credentials::bearer(&token).expect("a token");
        let transport = HttpTransport::new(&HttpOptions::default()).expect("a transport");
        let retry = RetryLimits { max_retries: 0, ..RetryLimits::default() };
        let options = RemoteOptions { retry, sealing, ..RemoteOptions::default() };
        let uri = format!("keyfold+http://{}", self.address);
        connect(&uri, Arc::new(StaticCredentials::new(credentials)), transport, &options)
            .expect("connected")
    }

    fn client(&self, subject: &str) -> Client<RemoteKms> {
        Client::new(self.connect(&self.token(subject, &[])))
    }

    /// A request as it stands: the status, and the body of the answer.
    fn raw(&self, token: &str, target: &str, body: &Value) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let (address, body) = (&self.address, body.to_string());
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {target}\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("a reply");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).expect("JSON"))
    }

    /// The name of the error that a request is refused with.
    #[track_caller]
    fn refused(&self, token: &str, target: &str, body: &Value) -> String {
        let (status, answer) = self.raw(token, target, body);
        assert_ne!(status, 200, "{answer}");
        answer["__type"].as_str().expect("an error").to_owned()
    }

    /// The audit records that are about a resource, oldest first.
    fn audit(&self, about: &str) -> Vec<Value> {
        let shown = self.printed(&["--json", "audit", "show", "--limit", "1000"]);
        let records = shown.lines().map(|line| serde_json::from_str(line).expect(line));
        records.filter(|record: &Value| record["resources"].to_string().contains(about)).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn base64(bytes: &[u8]) -> String {
    serde_json::to_value(Blob::from(bytes))
        .ok()
        .and_then(|text| text.as_str().map(str::to_owned))
        .expect("base64")
}

fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", TENANT)])
}

fn code<T>(result: keyfold::Result<T>) -> ErrorCode {
    result.err().expect("refused").code()
}

#[test]
fn envelopes_open_either_way() {
    let relay = Relay::start(&[]);
    let through = relay.client("all");
    for (place, key) in [(TENCENT, &relay.clouds.key), (HUAWEI, &relay.clouds.other)] {
        let direct = relay.clouds.direct(place);
        let ring = Keyring::generate_with(key.clone());
        block_on(async {
            let sealed = through.encrypt(b"through", &ring, &context()).await.expect("sealed");
            assert_eq!(direct.decrypt(&sealed, &ring, &context()).await.expect("open"), b"through");
            let made = direct.encrypt(b"direct", &ring, &context()).await.expect("sealed");
            assert_eq!(through.decrypt(&made, &ring, &context()).await.expect("open"), b"direct");
            let recipient = |envelope: &[u8]| {
                let (header, _) = keyfold::Header::parse(envelope).expect("a header");
                let recipient = &header.recipients()[0];
                (recipient.key.clone(), recipient.params.clone(), recipient.ciphertext.len())
            };
            assert_eq!(recipient(&sealed), recipient(&made), "the record is the same");
            let wrong = EncryptionContext::from([("tenant", "other")]);
            assert!(through.decrypt(&sealed, &ring, &wrong).await.is_err());

            let small = SecretBytes::from(&b"4111"[..]);
            let small = through.encrypt_small(key, small, &context()).await.expect("encrypted");
            for named in [Some(key), None] {
                let plain = direct.decrypt_small(named, &small, &context()).await;
                assert_eq!(plain.expect("decrypted").expose(), b"4111");
                let plain = through.decrypt_small(named, &small, &context()).await;
                assert_eq!(plain.expect("decrypted").expose(), b"4111");
            }
            let refused = through.decrypt_small(Some(key), &small, &wrong).await;
            assert_eq!(code(refused), ErrorCode::AuthenticationFailed);
        });
    }
}

#[test]
fn a_keyring_across_clouds_goes_through_one_relay() {
    let relay = Relay::start(&[]);
    let (key, other) = (relay.clouds.key.clone(), relay.clouds.other.clone());
    let through = relay.client("all");
    let both = Keyring::generate_with(key.clone()).also_wrap_with(other.clone());
    block_on(async {
        let sealed = through.encrypt(b"both", &both, &context()).await.expect("sealed");
        for (place, key) in [(TENCENT, &key), (HUAWEI, &other)] {
            let ring = Keyring::unwrap_with([key.clone()]);
            let plain = relay.clouds.direct(place).decrypt(&sealed, &ring, &context()).await;
            assert_eq!(plain.expect("open"), b"both");
        }
        let (header, len) = keyfold::Header::parse(&sealed).expect("a header");
        let (one, two) = (Keyring::generate_with(key), Keyring::generate_with(other));
        let moved = through.rewrap(&header, &one, &two).await.expect("moved to another cloud");
        let moved = [moved.as_bytes(), &sealed[len..]].concat();
        let direct = relay.clouds.direct(HUAWEI);
        assert_eq!(direct.decrypt(&moved, &two, &context()).await.expect("open"), b"both");

        relay.clouds.calls();
        let again = through.rewrap(&header, &one, &one).await.expect("moved at the cloud");
        let calls = relay.clouds.calls();
        assert_eq!(calls.get("ReEncrypt"), Some(&1), "{calls:?}");
        let again = [again.as_bytes(), &sealed[len..]].concat();
        assert_eq!(through.decrypt(&again, &one, &context()).await.expect("open"), b"both");
    });
}

#[test]
fn signatures_names_and_secrets_go_through() {
    let relay = Relay::start(&[]);
    let through = relay.client("all");
    let direct = relay.clouds.direct(TENCENT);
    let (key, algorithm) = (relay.clouds.signs.clone(), SignatureAlgorithm::EcdsaSha256);
    block_on(async {
        let signature = through.sign(&key, algorithm, b"report").await.expect("signed");
        direct.verify(&key, algorithm, b"report", &signature).await.expect("it holds");
        through.verify(&key, algorithm, b"report", &signature).await.expect("it holds");
        let forged = through.verify(&key, algorithm, b"forged", &signature).await;
        assert_eq!(code(forged), ErrorCode::SignatureInvalid);
        let public = through.public_key(&key).await.expect("a public key");
        public.verify(algorithm, b"report", &signature).expect("it holds here too");
        assert_eq!(through.resolve(&key).await.expect("its name"), key);
        let unknown = through.sign(&key, SignatureAlgorithm::EcdsaSha384, b"report").await;
        assert_eq!(code(unknown), ErrorCode::InvalidArgument);

        let secret = SecretBytes::from(SECRET.as_bytes());
        direct.secrets().put("db-password", secret, None).await.expect("stored");
        let name = format!("{TENCENT}/db-password");
        let value = through.secrets().get(&name).await.expect("its value");
        assert_eq!(value.expose(), SECRET.as_bytes());
        let missing = through.secrets().get(&format!("{TENCENT}/none")).await;
        assert_eq!(code(missing), ErrorCode::SecretNotFound);
        // Only reading is relayed; and at Huawei not even that is allowed.
        let put = through.secrets().put(&name, SecretBytes::from(&b"x"[..]), None).await;
        assert_eq!(code(put), ErrorCode::KmsKeyUnavailable);
        let denied = through.secrets().get(&format!("{HUAWEI}/db-password")).await;
        assert_eq!(code(denied), ErrorCode::KmsDenied);
    });
    let records = relay.audit("/db-password");
    let results: Vec<&str> =
        records.iter().filter_map(|record| record["result"].as_str()).collect();
    assert!(results.contains(&"ok") && results.contains(&"AccessDeniedException"), "{results:?}");
    relay.says_nothing();
}

impl Relay {
    /// Neither the log nor the audit chain has a plaintext, a secret or a value of a context.
    #[track_caller]
    fn says_nothing(&self) {
        let log = fs::read_to_string(self.path("log")).expect("the log");
        assert!(log.contains("operation"), "the log has its lines: {log}");
        let audit = self.printed(&["--json", "audit", "show", "--limit", "1000"]);
        let secret = self.clouds.environment.get("TENCENTCLOUD_SECRET_KEY").expect("a key");
        for text in [log, audit] {
            for word in [TENANT, SECRET, secret] {
                assert!(!text.contains(word), "{word} is told");
            }
        }
    }
}

#[test]
fn nobody_may_but_those_named() {
    let relay = Relay::start(&[]);
    let (key, signs) = (relay.clouds.key.to_string(), relay.clouds.signs.to_string());
    let data_key = |key: &str| json!({ "KeyId": key, "KeySpec": "AES_256", "EncryptionContext": { "tenant": TENANT } });
    let generate = "TrentService.GenerateDataKey";
    let (web, eve) = (relay.token("web", &[]), relay.token("eve", &[]));
    relay.clouds.calls();
    // A token whose role allows everything is still nobody here.
    let denied = relay.refused(&eve, generate, &data_key(&key));
    assert_eq!(denied, "AccessDeniedException");
    // Keys that it may not use, keys that are none, and clouds that are none look alike.
    for other in [&signs, "tencent://ap-guangzhou/none", "tencent://ap-beijing/k", "alibaba://a/b"]
    {
        assert_eq!(relay.refused(&web, generate, &data_key(other)), denied, "{other}");
    }
    let sign = json!({ "KeyId": key, "Message": "aGk=", "SigningAlgorithm": "ECDSA_SHA_256" });
    assert_eq!(relay.refused(&web, "TrentService.Sign", &sign), denied);
    assert_eq!(relay.clouds.calls(), BTreeMap::new(), "nothing was sent");

    let (status, made) = relay.raw(&web, generate, &data_key(&key));
    assert_eq!((status, made["KeyId"].as_str()), (200, Some(key.as_str())), "{made}");
    let decrypt = json!({
        "CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": { "tenant": TENANT },
    });
    let (status, opened) = relay.raw(&web, "TrentService.Decrypt", &decrypt);
    assert_eq!((status, &opened["Plaintext"]), (200, &made["Plaintext"]), "as any AWS SDK asks");
    assert_eq!(relay.refused(&eve, "TrentService.Decrypt", &decrypt), denied);
    let without = "TrentService.GenerateDataKeyWithoutPlaintext";
    let (status, made) = relay.raw(&web, without, &data_key(&key));
    assert_eq!((status, made.get("Plaintext")), (200, None), "{made}");

    // What narrows a token holds.
    let context = format!("tenant={TENANT}");
    for (limits, expected) in [
        (&["--key", &*key][..], None),
        (&["--key", &*signs], Some("key")),
        (&["--operation", "kms:GenerateDataKey"], None),
        (&["--operation", "kms:Decrypt"], Some("operation")),
        (&["--context", &*context], None),
        (&["--context", "tenant=other"], Some("context")),
    ] {
        let token = relay.token("web", limits);
        let (status, answer) = relay.raw(&token, generate, &data_key(&key));
        assert_eq!(status == 200, expected.is_none(), "{limits:?}: {answer}");
        let records = relay.audit(&key);
        let narrowing = records.iter().max_by_key(|record| record["seq"].as_u64());
        if expected != Some("operation") {
            let narrowing = narrowing.and_then(|record| record["narrowing"].as_str());
            assert_eq!(narrowing, expected, "{limits:?}");
        }
    }
    let records = relay.audit(&key);
    let of = |principal: &str, result: &str| {
        let is = |record: &&Value| {
            record["result"] == result
                && record["principal"].as_str().is_some_and(|name| name.ends_with(principal))
        };
        records.iter().filter(is).count()
    };
    assert_eq!((of("/eve", "AccessDeniedException"), of("/eve", "ok")), (2, 0), "{records:?}");
    assert_eq!(of("/web", "ok"), 6, "{records:?}");
    assert_eq!(records[0]["contextNames"], json!(["tenant"]));
    relay.keyfold(&["audit", "verify"]).assert().success();
    relay.says_nothing();
}

#[test]
fn what_the_relay_does_not_do_is_refused() {
    let relay = Relay::start(&[]);
    let (key, all) = (relay.clouds.key.to_string(), relay.token("all", &[]));
    relay.clouds.calls();
    for (target, body, expected) in [
        ("DisableKey", json!({ "KeyId": key }), "UnsupportedOperationException"),
        ("PutKeyPolicy", json!({ "KeyId": key }), "UnsupportedOperationException"),
        ("GenerateDataKey", json!({ "KeyId": key }), "ValidationException"),
        ("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_128" }), "ValidationException"),
        (
            "GenerateDataKey",
            json!({ "KeyId": key, "KeySpec": "AES_256", "DryRun": true }),
            "UnsupportedOperationException",
        ),
        (
            "GenerateDataKey",
            json!({ "KeyId": key, "KeySpec": "AES_256", "Extra": 1 }),
            "SerializationException",
        ),
        ("Encrypt", json!({ "KeyId": key }), "ValidationException"),
        (
            "Encrypt",
            json!({ "KeyId": "tencent://ap-guangzhou/../k", "Plaintext": "aGk=" }),
            "AccessDeniedException",
        ),
        (
            "Decrypt",
            json!({ "KeyId": key, "CiphertextBlob": "S0ZQAQAA", "DataKey": true }),
            "InvalidCiphertextException",
        ),
        ("Decrypt", json!({ "CiphertextBlob": "S0ZQAQAA" }), "InvalidCiphertextException"),
        (
            "ReEncrypt",
            json!({ "CiphertextBlob": "S0ZQAQAA", "DestinationKeyId": key }),
            "UnsupportedOperationException",
        ),
        (
            "Sign",
            json!({ "KeyId": key, "Message": "aGk=", "MessageType": "DIGEST",
                    "SigningAlgorithm": "ECDSA_SHA_256" }),
            "ValidationException",
        ),
    ] {
        let refused = relay.refused(&all, &format!("TrentService.{target}"), &body);
        assert_eq!(refused, expected, "{target} {body}");
    }
    assert_eq!(relay.clouds.calls(), BTreeMap::new(), "nothing was sent");
    // A record of one key under the name of another.
    let encrypt = json!({ "KeyId": key, "Plaintext": "aGk=" });
    let (_, made) = relay.raw(&all, "TrentService.Encrypt", &encrypt);
    let other = relay.clouds.signs.to_string();
    let decrypt = json!({ "KeyId": other, "CiphertextBlob": made["CiphertextBlob"] });
    let refused = relay.refused(&all, "TrentService.Decrypt", &decrypt);
    assert_eq!(refused, "InvalidCiphertextException");
    // The store's own keys are where they were.
    let own = relay.raw(&all, "TrentService.CreateKey", &json!({})).1;
    let encrypt = json!({ "KeyId": own["KeyMetadata"]["KeyId"], "Plaintext": "aGk=" });
    assert_eq!(relay.raw(&all, "TrentService.Encrypt", &encrypt).0, 200);
}

#[test]
fn a_cloud_that_fails_holds_up_nobody_else() {
    let mut relay = Relay::start(&[]);
    let (key, all) = (relay.clouds.key.to_string(), relay.token("all", &[]));
    let generate = |key: &str| json!({ "KeyId": key, "KeySpec": "AES_256" });
    let target = "TrentService.GenerateDataKey";
    let through = relay.client("all");
    let ring = Keyring::generate_with(relay.clouds.key.clone());
    let cloud = relay.clouds.tencent.as_ref().expect("it is up");
    for (fault, named, expected) in [
        (Fault::Throttled, "ThrottlingException", ErrorCode::KmsThrottled),
        (Fault::Unavailable, "KeyUnavailableException", ErrorCode::KmsUnavailable),
        (Fault::Html, "KMSInternalException", ErrorCode::KmsUnavailable),
    ] {
        cloud.fault(fault, 1);
        assert_eq!(relay.refused(&all, target, &generate(&key)), named);
        cloud.fault(fault, 1);
        let refused = block_on(through.encrypt(b"x", &ring, &context()));
        assert_eq!(code(refused), expected, "{fault:?}");
    }
    // Down, and refused at once after a while.
    relay.clouds.tencent = None;
    for _ in 0..8 {
        assert_eq!(relay.refused(&all, target, &generate(&key)), "KeyUnavailableException");
    }
    let other = relay.clouds.other.to_string();
    assert_eq!(relay.raw(&all, target, &generate(&other)).0, 200, "the other cloud works");
    let own = relay.raw(&all, "TrentService.CreateKey", &json!({})).1;
    let own = own["KeyMetadata"]["KeyId"].as_str().expect("a key").to_owned();
    assert_eq!(relay.raw(&all, target, &generate(&own)).0, 200, "the store's own keys do");
    let records = relay.audit(&key);
    let down = records.iter().filter(|record| record["result"] == "KeyUnavailableException");
    assert_eq!(down.count(), 10, "all of them are recorded");
}

#[test]
fn the_relay_does_not_see_a_data_key_that_is_sealed() {
    let relay = Relay::start(&[]);
    let token = relay.token("all", &[]);
    let sealed = Client::new(relay.connect_with(&token, Some(Sealing::ephemeral())));
    let direct = relay.clouds.direct(TENCENT);
    let cloud = relay.clouds.tencent.as_ref().expect("it is up");
    let (key, other) = (relay.clouds.key.clone(), relay.clouds.other.clone());
    let ring = Keyring::generate_with(key.clone());
    block_on(async {
        let envelope = sealed.encrypt(b"sealed", &ring, &context()).await.expect("encrypted");
        assert!(cloud.last_request().contains("EncryptionPublicKey"));
        assert_eq!(direct.decrypt(&envelope, &ring, &context()).await.expect("open"), b"sealed");
        assert!(!cloud.last_request().contains("EncryptionPublicKey"));
        assert_eq!(sealed.decrypt(&envelope, &ring, &context()).await.expect("open"), b"sealed");
        assert!(cloud.last_request().contains("EncryptionPublicKey"));
        let wrong = EncryptionContext::from([("tenant", "other")]);
        assert!(sealed.decrypt(&envelope, &ring, &wrong).await.is_err());

        // What would show a data key to the relay is refused, here or there.
        relay.clouds.calls();
        let unsealed = Keyring::generate_with(other.clone());
        let refused = sealed.encrypt(b"x", &unsealed, &context()).await;
        assert_eq!(code(refused), ErrorCode::KmsKeyUnavailable, "this cloud seals nothing");
        assert_eq!(relay.clouds.calls(), BTreeMap::new());
        let both = Keyring::generate_with(key.clone()).also_wrap_with(other);
        assert_eq!(code(sealed.encrypt(b"x", &both, &context()).await), ErrorCode::InvalidArgument);
        // The store's own keys are as without.
        let own = relay.raw(&token, "TrentService.CreateKey", &json!({})).1;
        let own = own["KeyMetadata"]["Arn"].as_str().expect("an ARN");
        let own = Keyring::generate_with(format!("keyfold:{own}").parse().expect("a key URI"));
        let envelope = sealed.encrypt(b"own", &own, &context()).await.expect("encrypted");
        assert_eq!(sealed.decrypt(&envelope, &own, &context()).await.expect("open"), b"own");
    });

    // On the wire: a ciphertext for the recipient, and no plaintext.
    let pair = SigningKey::generate(KeySpec::Rsa2048, &keyfold::SystemRng).expect("a key pair");
    let public = pair.public_key().to_spki_der();
    let public = base64(&public);
    let recipient = json!({ "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "PublicKey": public });
    let generate = |recipient: &Value| json!({ "KeyId": key.as_str(), "KeySpec": "AES_256", "Recipient": recipient });
    let target = "TrentService.GenerateDataKey";
    let (status, made) = relay.raw(&token, target, &generate(&recipient));
    assert_eq!((status, made.get("Plaintext")), (200, None), "{made}");
    assert!(made["CiphertextForRecipient"].as_str().is_some_and(|text| text.len() == 344));
    let decrypt = |data_key: bool| {
        json!({
            "CiphertextBlob": made["CiphertextBlob"], "DataKey": data_key, "Recipient": recipient,
        })
    };
    let (status, opened) = relay.raw(&token, "TrentService.Decrypt", &decrypt(true));
    assert_eq!((status, opened.get("Plaintext")), (200, None), "{opened}");
    assert!(opened["CiphertextForRecipient"].is_string());
    let unsupported = "UnsupportedOperationException";
    assert_eq!(relay.refused(&token, "TrentService.Decrypt", &decrypt(false)), unsupported);
    for (recipient, expected) in [
        (
            json!({ "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "PublicKey": "AAAA" }),
            "ValidationException",
        ),
        (json!({ "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_1", "PublicKey": public }), unsupported),
        (json!({ "PublicKey": public }), "ValidationException"),
        (json!({ "AttestationDocument": "AAAA" }), "SerializationException"),
    ] {
        let refused = relay.refused(&token, target, &generate(&recipient));
        assert_eq!(refused, expected, "{recipient}");
    }
    relay.says_nothing();
}

#[test]
fn alibaba_seals_too() {
    let relay = Relay::start(&[]);
    let (kind, usage) = (KeyKind::Symmetric, KeyUse::EncryptDecrypt);
    let ring = Keyring::generate_with(relay.clouds.create(ALIBABA, kind, usage));
    let token = relay.token("all", &[]);
    let sealed = Client::new(relay.connect_with(&token, Some(Sealing::ephemeral())));
    let direct = relay.clouds.direct(ALIBABA);
    block_on(async {
        let envelope = sealed.encrypt(b"sealed", &ring, &context()).await.expect("encrypted");
        assert_eq!(direct.decrypt(&envelope, &ring, &context()).await.expect("open"), b"sealed");
        assert_eq!(sealed.decrypt(&envelope, &ring, &context()).await.expect("open"), b"sealed");
        let calls = relay.clouds.alibaba.take_calls();
        let of = |name: &str| calls.get(name).copied().unwrap_or_default();
        assert_eq!((of("GenerateAndExportDataKey"), of("ExportDataKey")), (1, 1), "{calls:?}");
        assert_eq!((of("GenerateDataKey"), of("Decrypt")), (0, 1), "{calls:?}");
    });
}

/// The relay's own credentials reach keys that its rules do not name: what a record says of its key
/// is the caller's word.
#[test]
fn a_record_that_lies_about_its_key_opens_nothing() {
    let relay = Relay::start(&[]);
    let token = relay.token("all", &["--operation", "ReEncrypt", "--operation", "Decrypt"]);
    for (place, direct) in
        [TENCENT, HUAWEI, ALIBABA].map(|place| (place, relay.clouds.direct(place)))
    {
        let (kind, usage) = (KeyKind::Symmetric, KeyUse::EncryptDecrypt);
        let mine = match place {
            TENCENT => relay.clouds.key.clone(),
            HUAWEI => relay.clouds.other.clone(),
            _ => relay.clouds.create(place, kind, usage),
        };
        let foreign = relay.clouds.create_as(place, kind, usage, "foreign");
        let ring = Keyring::generate_with(foreign.clone());
        let envelope = block_on(direct.encrypt(b"x", &ring, &context())).expect("sealed");
        let (header, _) = keyfold::Header::parse(&envelope).expect("a header");
        let mut lie = header.recipients()[0].clone();
        lie.key = mine.clone();
        let record = base64(&lie.to_record().expect("a record"));
        let pairs = json!({ "tenant": TENANT });
        let decrypt = json!({
            "CiphertextBlob": record, "KeyId": mine.as_str(), "DataKey": true,
            "EncryptionContext": pairs,
        });
        let refused = relay.refused(&token, "TrentService.Decrypt", &decrypt);
        assert_eq!(refused, "InvalidCiphertextException", "{place}");
        let moved = json!({
            "CiphertextBlob": record, "DestinationKeyId": mine.as_str(), "DataKey": true,
            "SourceEncryptionContext": pairs, "DestinationEncryptionContext": pairs,
        });
        let refused = relay.refused(&token, "TrentService.ReEncrypt", &moved);
        assert_eq!(refused, "InvalidCiphertextException", "{place}");
    }
}

#[test]
fn a_cloud_that_binds_no_context_limits_nobody_to_one() {
    let relay = Relay::start(&[]);
    let limited = relay.token("all", &["--context", &format!("tenant={TENANT}")]);
    let generate = json!({
        "KeyId": "azure://vault/docs", "KeySpec": "AES_256",
        "EncryptionContext": { "tenant": TENANT },
    });
    let target = "TrentService.GenerateDataKey";
    assert_eq!(relay.refused(&limited, target, &generate), "AccessDeniedException");
    let records = relay.audit("azure://vault/docs");
    assert_eq!((records.len(), records[0]["narrowing"].as_str()), (1, Some("context")));
}

#[test]
fn the_command_line_goes_through_a_relay() {
    let relay = Relay::start(&[]);
    let (address, key) = (&relay.address, relay.clouds.key.to_string());
    let configuration = format!(
        "[profiles.phone]\nkms = \"keyfold+http://{address}\"\n\
         relay = [\"{TENCENT}\"]\nseal = true\n"
    );
    fs::create_dir(relay.path("phone")).expect("a folder");
    fs::write(relay.path("phone/config.toml"), configuration).expect("written");
    fs::write(relay.path("report"), "figures").expect("written");
    let token = relay.token("web", &[]);
    // It has a token, and no credentials of the cloud.
    let phone = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyfold"));
        command
            .args(["--profile", "phone"])
            .args(words)
            .current_dir(relay.folder.path())
            .env_clear()
            .env("KEYFOLD_HOME", relay.path("phone"))
            .env("KEYFOLD_TOKEN", &token)
            .stdin(Stdio::null());
        command
    };
    phone(&["encrypt", "--key", &key, "report"]).assert().success();
    let cloud = relay.clouds.tencent.as_ref().expect("it is up");
    assert!(cloud.last_request().contains("EncryptionPublicKey"));
    phone(&["decrypt", "--key", &key, "report.kf", "-o", "-"]).assert().success().stdout("figures");
    relay
        .keyfold(&["decrypt", "--key", &key, "report.kf", "-o", "-"])
        .assert()
        .success()
        .stdout("figures");
}

#[test]
fn a_configuration_is_checked_before() {
    let relay = Relay::start(&[]);
    let check = ["serve", "--check", "--config", "serve.toml", "--upstream", HUAWEI];
    let told = relay.printed(&check);
    assert!(told.contains("would relay to tencent://ap-guangzhou, by 2 of relay.rules"), "{told}");
    let told = relay.printed(&[&check[..], &["--json"]].concat());
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["upstreams"], json!([TENCENT, ALIBABA, "azure://vault", HUAWEI]));
    let told = relay.printed(&["serve", "--check", "--upstream", TENCENT]);
    assert!(told.contains("for nobody"), "{told}");

    let rule = |key: &str, principals: &str, allow: &str| {
        format!(
            "[[relay.rules]]\nkey = \"{key}\"\nprincipals = [{principals}]\nallow = [{allow}]\n"
        )
    };
    let all = format!("{TENCENT}/*");
    for (text, expected) in [
        (rule("huawei://cn-north-4/*", "'*'", "'*'"), "relay.rules[0].key"),
        (rule(&format!("{TENCENT}/"), "'*'", "'*'"), "relay.rules[0].key"),
        (rule(&all, "", "'*'"), "relay.rules[0].principals"),
        (rule(&all, "'*'", ""), "relay.rules[0].allow"),
        (rule(&all, "'*'", "'kms:Decypt'"), "relay.rules[0].allow"),
        ("[relay]\ntimeout_seconds = 30\n".to_owned(), "relay.timeout_seconds"),
        ("[relay]\nupstreams = ['tencent']\n".to_owned(), "relay.upstreams[0]"),
    ] {
        fs::write(relay.path("bad.toml"), &text).expect("written");
        let line = ["serve", "--check", "--config", "bad.toml", "--upstream", TENCENT];
        let refused = relay.keyfold(&line).assert().code(2);
        let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(told.contains(expected), "{text}: {told}");
    }
    // A cloud that there is not, and one without credentials.
    let refused = relay.keyfold(&["serve", "--check", "--upstream", "nimbus://a"]).assert().code(2);
    let told = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(told.contains("a cloud is one of"), "{told}");
    let bare = ["serve", "--check", "--upstream", "pingan://cn-shanghai"];
    relay.keyfold(&bare).env("HOME", relay.path("empty")).assert().failure();
}
