//! The provider of Vault and OpenBao: over HTTP against the emulator, and against the program
//! itself where there is one.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keyfold::kms::admin::{
    AdminRequest, AdminResponse, KeyInfo, KeyKind, KeyState, KeyUse, KmsAdmin,
};
use keyfold::kms::cloud::{Capability, ConnectedCloud, Place, Places, Support};
use keyfold::kms::{Kms, Request, Response, SignInput};
use keyfold::sign::{MessageHasher, PublicKey, SignatureAlgorithm};
use keyfold::transport::{HttpRequest, Transport};
use keyfold::{
    Client, DataKey, EncryptionContext, ErrorCode, KeyUri, Keyring, Result, SecretBytes, SystemRng,
    WrappedKey,
};
use keyfold_emulators::{Emulator, Options, Provider};
use keyfold_transport::{
    CloudChoice, Environment, HttpOptions, HttpTransport, Proxy, RemoteOptions, cloud_credentials,
    complete_place, connect_cloud,
};
use pollster::block_on;
use serde_json::{Value, json};

const KMS: &str = "vault://transit";

/// A server, and who may do everything there.
struct Peer {
    http: HttpTransport,
    url: String,
    token: String,
    kv: &'static str,
    edition: &'static str,
}

impl Peer {
    /// The provider, with credentials and an address from these variables, and with settings.
    fn connect(
        &self,
        variables: &[(&'static str, &str)],
        settings: &[(&str, &str)],
    ) -> ConnectedCloud {
        let mut variables: Vec<(&str, String)> =
            variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        variables.push(("VAULT_ADDR", self.url.clone()));
        let environment = Environment::new(move |wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
        });
        let settings = settings.iter().chain(&[("edition", self.edition), ("kv", self.kv)]);
        let place = Place {
            settings: settings
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Place::default()
        };
        let mut places = Places::from([(KMS.to_owned(), place)]);
        complete_place(&environment, KMS, &mut places);
        let choice = CloudChoice::default();
        let credentials = cloud_credentials(&environment, KMS, &places, &choice, &self.http);
        let (credentials, options) = (credentials.expect("credentials"), RemoteOptions::default());
        connect_cloud(KMS, &places, credentials, self.http.clone(), &options).expect("a KMS")
    }

    fn by_token(&self) -> ConnectedCloud {
        self.connect(&[("VAULT_TOKEN", &self.token)], &[])
    }

    /// What operators do: status and body of a call of the API.
    fn api(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let request = HttpRequest {
            method: method.to_owned(),
            url: format!("{}/v1/{path}", self.url),
            headers: vec![("x-vault-token".to_owned(), self.token.clone())],
            body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
        };
        match block_on(self.http.send(request)) {
            Ok(answer) => (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default()),
            // Nobody is there yet.
            Err(_) => (0, Value::Null),
        }
    }

    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.api(method, path, Some(body));
        assert_eq!(status / 100, 2, "{method} {path}: {answer}");
        answer
    }
}

fn http() -> HttpTransport {
    let options = HttpOptions { proxy: Proxy::None, ..HttpOptions::default() };
    HttpTransport::new(&options).expect("a transport")
}

fn emulated(edition: &'static str) -> (Emulator, Peer) {
    let emulator = Emulator::start(Provider::Vault, Options::default()).expect("it starts");
    let variables = emulator.environment();
    let peer = Peer {
        http: http(),
        url: variables["VAULT_ADDR"].clone(),
        token: variables["VAULT_TOKEN"].clone(),
        kv: "secret",
        edition,
    };
    (emulator, peer)
}

fn uri(name: &str) -> KeyUri {
    format!("{KMS}/{name}").parse().expect("a key URI")
}

fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "acme"), ("text", "\u{fc}\u{4e2d}\"\\")])
}

fn other() -> EncryptionContext {
    EncryptionContext::from([("tenant", "other")])
}

fn administer(kms: &ConnectedCloud, request: &AdminRequest) -> Result<AdminResponse> {
    block_on(kms.administer(request))
}

fn done(kms: &ConnectedCloud, request: &AdminRequest) {
    assert_eq!(administer(kms, request), Ok(AdminResponse::Done), "{request:?}");
}

fn create(kms: &ConnectedCloud, name: &str, kind: KeyKind, usage: KeyUse) -> Result<KeyInfo> {
    let (alias, description) = (Some(name.to_owned()), None);
    match administer(kms, &AdminRequest::CreateKey { kind, usage, alias, description })? {
        AdminResponse::Key(info) => Ok(*info),
        other => panic!("{other:?}"),
    }
}

fn describe(kms: &ConnectedCloud, name: &str) -> Result<KeyInfo> {
    match administer(kms, &AdminRequest::DescribeKey { key: uri(name) })? {
        AdminResponse::Key(info) => Ok(*info),
        other => panic!("{other:?}"),
    }
}

fn generate(
    kms: &ConnectedCloud,
    name: &str,
    context: EncryptionContext,
) -> Result<(DataKey, WrappedKey)> {
    match block_on(kms.call(&Request::GenerateDataKey { key: uri(name), context }))? {
        Response::DataKey { data_key, wrapped } => Ok((data_key.0, wrapped)),
        other => panic!("{other:?}"),
    }
}

fn unwrap(
    kms: &ConnectedCloud,
    wrapped: &WrappedKey,
    context: EncryptionContext,
) -> Result<DataKey> {
    let request = Request::Unwrap { wrapped: wrapped.clone(), context, key: None };
    match block_on(kms.call(&request))? {
        Response::Unwrapped(data_key) => Ok(data_key.0),
        other => panic!("{other:?}"),
    }
}

fn rewrap(
    kms: &ConnectedCloud,
    wrapped: &WrappedKey,
    context: EncryptionContext,
    to: &str,
) -> WrappedKey {
    let request = Request::Rewrap { wrapped: wrapped.clone(), context, key: None, to: uri(to) };
    match block_on(kms.call(&request)) {
        Ok(Response::Wrapped(wrapped)) => wrapped,
        other => panic!("{other:?}"),
    }
}

fn code<T>(result: Result<T>) -> Option<ErrorCode> {
    result.err().map(|error| error.code())
}

/// The version that made a ciphertext.
fn version(wrapped: &WrappedKey) -> &str {
    let text = std::str::from_utf8(&wrapped.ciphertext).expect("text");
    text.split(':').nth(1).expect("a version")
}

/// Everything that the provider offers.
fn everything(peer: &Peer) {
    let kms = &peer.by_token();
    keys(kms);
    data_keys(kms);
    signatures(kms);
    if kms.kms().config().capabilities().support(Capability::DisableKey) == Support::Native {
        switches(kms);
    }
    secrets(kms, peer);
    let ring = Keyring::generate_with(uri("docs"));
    let client = Client::new(peer.by_token());
    let sealed = block_on(client.encrypt(b"hello", &ring, &context())).expect("an envelope");
    assert_eq!(block_on(client.decrypt(&sealed, &ring, &context())).expect("opened"), b"hello");
    assert_eq!(
        code(block_on(client.decrypt(&sealed, &ring, &other()))),
        Some(ErrorCode::ContextMismatch)
    );
}

fn keys(kms: &ConnectedCloud) {
    let list = || match administer(kms, &AdminRequest::ListKeys { page: None }) {
        Ok(AdminResponse::Keys { keys, next: None }) => {
            keys.into_iter().map(|info| info.key).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    // An empty list is not found.
    assert_eq!(list(), []);
    let made = create(kms, "docs", KeyKind::Symmetric, KeyUse::EncryptDecrypt).expect("a key");
    assert_eq!((made.state, made.kind), (Some(KeyState::Enabled), Some(KeyKind::Symmetric)));
    assert!(made.created.is_some() && made.version.as_deref() == Some("1"));
    assert_eq!(made.rotates, Some(false));
    assert_eq!(describe(kms, "docs"), Ok(made));
    assert_eq!(list(), [uri("docs")]);
    let again = create(kms, "docs", KeyKind::Symmetric, KeyUse::EncryptDecrypt);
    assert_eq!(code(again), Some(ErrorCode::VersionConflict));

    // Under a name that is misspelt no key comes to be, though this token may make some.
    let missing = Some(ErrorCode::KmsKeyUnavailable);
    assert_eq!(code(generate(kms, "dosc", context())), missing);
    assert_eq!(code(describe(kms, "dosc")), missing);

    let rotation = || administer(kms, &AdminRequest::GetRotation { key: uri("docs") });
    for (every_days, on) in [(Some(90), true), (None, false)] {
        done(kms, &AdminRequest::SetRotation { key: uri("docs"), every_days });
        assert_eq!(rotation(), Ok(AdminResponse::Rotation { on, every_days, next: None }));
    }
    match administer(kms, &AdminRequest::Random { len: 48 }) {
        Ok(AdminResponse::Random(bytes)) => assert_eq!(bytes.len(), 48),
        other => panic!("{other:?}"),
    }

    // Gone at once, and with it what it encrypted.
    create(kms, "gone", KeyKind::Symmetric, KeyUse::EncryptDecrypt).expect("a key");
    let (_, wrapped) = generate(kms, "gone", context()).expect("a data key");
    let end = AdminRequest::ScheduleKeyDeletion { key: uri("gone"), days: 0 };
    assert_eq!(administer(kms, &end), Ok(AdminResponse::Deletion { at: None }));
    assert_eq!(code(unwrap(kms, &wrapped, context())), missing);
    assert_eq!(code(generate(kms, "gone", context())), missing);
    assert_eq!(code(administer(kms, &end)), missing);
}

fn data_keys(kms: &ConnectedCloud) {
    let refused = Some(ErrorCode::AuthenticationFailed);
    let none = EncryptionContext::new;
    let (data_key, wrapped) = generate(kms, "docs", context()).expect("a data key");
    assert_eq!(version(&wrapped), "v1");
    let opened = unwrap(kms, &wrapped, context()).expect("unwrapped");
    assert_eq!(opened.expose(), data_key.expose());
    assert_eq!(code(unwrap(kms, &wrapped, other())), refused);
    assert_eq!(code(unwrap(kms, &wrapped, none())), refused);
    let mut altered = wrapped.clone();
    let middle = altered.ciphertext.len() / 2;
    altered.ciphertext[middle] = if altered.ciphertext[middle] == b'A' { b'B' } else { b'A' };
    assert_eq!(code(unwrap(kms, &altered, context())), refused);
    altered.ciphertext = wrapped.ciphertext.clone();
    altered.ciphertext["vault:v".len()] = b'9';
    assert_eq!(code(unwrap(kms, &altered, context())), refused);

    let (free, unbound) = generate(kms, "docs", none()).expect("a data key");
    assert_eq!(code(unwrap(kms, &unbound, context())), refused);
    done(kms, &AdminRequest::RotateKey { key: uri("docs") });
    assert_eq!(describe(kms, "docs").expect("a key").version.as_deref(), Some("2"));
    // What an older version wrapped opens, and moves to the new one: at the service where nothing
    // is bound, through the client otherwise.
    for (data_key, wrapped, context) in
        [(&free, &unbound, none as fn() -> _), (&data_key, &wrapped, context)]
    {
        let moved = rewrap(kms, wrapped, context(), "docs");
        assert_eq!((version(wrapped), version(&moved)), ("v1", "v2"));
        for wrapped in [wrapped, &moved] {
            let opened = unwrap(kms, wrapped, context()).expect("unwrapped");
            assert_eq!(opened.expose(), data_key.expose());
        }
    }
    create(kms, "other", KeyKind::Symmetric, KeyUse::EncryptDecrypt).expect("a key");
    let moved = rewrap(kms, &wrapped, context(), "other");
    assert_eq!(moved.key, uri("other"));
    let opened = unwrap(kms, &moved, context()).expect("unwrapped");
    assert_eq!(opened.expose(), data_key.expose());
    // Under another key than the one that wrapped it.
    let elsewhere = WrappedKey { key: uri("docs"), ..moved };
    assert_eq!(code(unwrap(kms, &elsewhere, context())), refused);

    let plaintext = vec![0x5a; kms.kms().config().capabilities().max_plaintext];
    let (key, bytes) = (uri("docs"), SecretBytes::from(&plaintext[..]));
    let request = Request::Encrypt { key, plaintext: bytes, context: context() };
    let Ok(Response::Ciphertext { ciphertext, .. }) = block_on(kms.call(&request)) else {
        panic!("a ciphertext")
    };
    let decrypt = |context| {
        let ciphertext = ciphertext.clone();
        block_on(kms.call(&Request::Decrypt { key: None, ciphertext, context }))
    };
    match decrypt(context()) {
        Ok(Response::Plaintext { plaintext: opened, .. }) => assert_eq!(opened.expose(), plaintext),
        other => panic!("{other:?}"),
    }
    assert_eq!(code(decrypt(other())), refused);
}

fn signatures(kms: &ConnectedCloud) {
    for (name, kind) in [
        ("rsa", KeyKind::Rsa2048),
        ("p256", KeyKind::EccNistP256),
        ("p384", KeyKind::EccNistP384),
        ("p521", KeyKind::EccNistP521),
        ("ed", KeyKind::Ed25519),
    ] {
        let made = create(kms, name, kind, KeyUse::SignVerify).expect("a key");
        assert_eq!((made.kind, made.usage), (Some(kind), Some(KeyUse::SignVerify)));
        assert!(made.created.is_some());
        let public =
            |name: &str| match block_on(kms.call(&Request::GetPublicKey { key: uri(name) })) {
                Ok(Response::PublicKey { spki, .. }) => {
                    PublicKey::from_spki_der(&spki).expect("a key")
                }
                other => panic!("{other:?}"),
            };
        let first = public(name);
        let signed: Vec<_> = first
            .spec()
            .algorithms()
            .iter()
            .filter(|algorithm| **algorithm != SignatureAlgorithm::Ed25519ph)
            .flat_map(|algorithm| inputs(*algorithm).map(|input| (*algorithm, input)))
            .map(|(algorithm, input)| {
                let signature = signed(kms, name, algorithm, &input).expect("a signature");
                check(&first, algorithm, &input, &signature).expect("it holds");
                (algorithm, input, signature)
            })
            .collect();
        done(kms, &AdminRequest::RotateKey { key: uri(name) });
        let second = public(name);
        assert_ne!(first.to_spki_der(), second.to_spki_der());
        assert_eq!(first.to_spki_der(), public(&format!("{name}/1")).to_spki_der());
        for (algorithm, input, signature) in signed {
            let verify = |name: &str, input: &SignInput| {
                let (input, signature) = (input.clone(), signature.clone());
                let key = uri(name);
                block_on(kms.call(&Request::Verify { key, algorithm, input, signature }))
            };
            // Of whichever version it is, unless one is named.
            assert!(matches!(verify(name, &input), Ok(Response::Verified)), "{algorithm}");
            let wrong = Some(ErrorCode::SignatureInvalid);
            assert_eq!(code(verify(&format!("{name}/2"), &input)), wrong, "{algorithm}");
            let other = match &input {
                SignInput::Message(_) => SignInput::Message(b"another".to_vec()),
                SignInput::Digest(digest) => SignInput::Digest(vec![0x5a; digest.len()]),
            };
            assert_eq!(code(verify(name, &other)), wrong, "{algorithm}");
        }
        let algorithm = first.spec().default_algorithm();
        let message = SignInput::Message(b"hi".to_vec());
        let older = signed(kms, &format!("{name}/1"), algorithm, &message);
        // Vault signs with no version that is older than the present one, unless it may.
        match older {
            Ok(signature) => check(&first, algorithm, &message, &signature).expect("it holds"),
            Err(error) => assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}"),
        }
    }
    let none = SignatureAlgorithm::EcdsaSha256;
    let message = SignInput::Message(b"hi".to_vec());
    for name in ["rsa", "docs"] {
        assert_eq!(code(signed(kms, name, none, &message)), Some(ErrorCode::InvalidArgument));
    }
}

fn inputs(algorithm: SignatureAlgorithm) -> impl Iterator<Item = SignInput> {
    let message = b"a message".to_vec();
    let digest = MessageHasher::new(algorithm).ok().map(|mut hasher| {
        hasher.update(&message);
        SignInput::Digest(hasher.finish())
    });
    [SignInput::Message(message)].into_iter().chain(digest)
}

fn signed(
    kms: &ConnectedCloud,
    name: &str,
    algorithm: SignatureAlgorithm,
    input: &SignInput,
) -> Result<Vec<u8>> {
    let request = Request::Sign { key: uri(name), algorithm, input: input.clone() };
    match block_on(kms.call(&request))? {
        Response::Signature(signature) => Ok(signature),
        other => panic!("{other:?}"),
    }
}

fn check(
    public: &PublicKey,
    algorithm: SignatureAlgorithm,
    input: &SignInput,
    signature: &[u8],
) -> Result<()> {
    match input {
        SignInput::Message(message) => public.verify(algorithm, message, signature).map(|_| ()),
        SignInput::Digest(digest) => public.verify_digest(algorithm, digest, signature).map(|_| ()),
    }
}

fn switches(kms: &ConnectedCloud) {
    let (_, wrapped) = generate(kms, "docs", context()).expect("a data key");
    done(kms, &AdminRequest::DisableKey { key: uri("docs") });
    assert_eq!(describe(kms, "docs").expect("a key").state, Some(KeyState::Disabled));
    let disabled = Some(ErrorCode::KmsKeyUnavailable);
    assert_eq!(code(unwrap(kms, &wrapped, context())), disabled);
    assert_eq!(code(generate(kms, "docs", context())), disabled);
    done(kms, &AdminRequest::EnableKey { key: uri("docs") });
    assert!(unwrap(kms, &wrapped, context()).is_ok());
}

fn secrets(kms: &ConnectedCloud, peer: &Peer) {
    let name = || "db/password".to_owned();
    let put = |name: String, value: &[u8], token: u8| {
        let token = format!("01234567-89ab-4def-8123-456789abcd{token:02x}");
        let request = Request::PutSecret { name, value: value.into(), key: None, token };
        match block_on(kms.call(&request))? {
            Response::SecretVersion { version } => Ok(version),
            other => panic!("{other:?}"),
        }
    };
    let get = |version: Option<&str>, stage: Option<&str>| {
        let (version, stage) = (version.map(str::to_owned), stage.map(str::to_owned));
        match block_on(kms.call(&Request::GetSecret { name: name(), version, stage }))? {
            Response::Secret { value, version } => Ok((value.expose().to_vec(), version)),
            other => panic!("{other:?}"),
        }
    };
    let none = Some(ErrorCode::SecretNotFound);
    let list = |page| match administer(kms, &AdminRequest::ListSecrets { page }) {
        Ok(AdminResponse::Secrets { secrets, next }) => {
            (secrets.into_iter().map(|info| info.name).collect::<Vec<_>>(), next)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(code(get(None, None)), none);
    assert_eq!(list(None), (vec![], None));
    assert_eq!(put(name(), b"hunter2", 1), Ok("1".to_owned()));
    // The same change once more is the same version.
    assert_eq!(put(name(), b"hunter2", 1), Ok("1".to_owned()));
    assert_eq!(put(name(), &[0xff, 0x00], 2), Ok("2".to_owned()));
    assert_eq!(put("top".to_owned(), "\u{fc}\n\"".as_bytes(), 3), Ok("1".to_owned()));
    let (first, second) =
        ((b"hunter2".to_vec(), "1".to_owned()), (vec![0xff, 0x00], "2".to_owned()));
    assert_eq!(get(None, None), Ok(second.clone()));
    assert_eq!(get(Some("1"), None), Ok(first.clone()));
    assert_eq!(get(None, Some("AWSPREVIOUS")), Ok(first));
    assert_eq!(code(get(Some("7"), None)), none);
    let (found, next) = list(None);
    assert_eq!((found, next.as_deref()), (vec!["top".to_owned()], Some("db/")));
    assert_eq!(list(next), (vec![name()], None));

    let versions =
        |name| match administer(kms, &AdminRequest::ListSecretVersions { name, page: None }) {
            Ok(AdminResponse::SecretVersions { versions, next: None }) => versions
                .into_iter()
                .map(|version| (version.id, version.stages.join(" "), version.created.is_some()))
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
    let row = |id: &str, stages: &str| (id.to_owned(), stages.to_owned(), true);
    assert_eq!(versions(name()), [row("2", "AWSCURRENT"), row("1", "AWSPREVIOUS")]);
    // Somebody deletes the present version: it can be had again.
    let (status, _) = peer.api("DELETE", &format!("{}/data/db/password", peer.kv), None);
    assert_eq!(status, 204);
    assert_eq!(code(get(None, None)), none);
    assert_eq!(versions(name())[0], row("2", "AWSCURRENT deleted"));
    let described = || match administer(kms, &AdminRequest::DescribeSecret { name: name() })? {
        AdminResponse::Secret(info) => Ok(info.deleted),
        other => panic!("{other:?}"),
    };
    assert_eq!(described(), Ok(true));
    done(kms, &AdminRequest::RestoreSecret { name: name() });
    assert_eq!((get(None, None), described()), (Ok(second), Ok(false)));
    // Over one that is deleted comes the next version all the same.
    let (status, _) = peer.api("DELETE", &format!("{}/data/db/password", peer.kv), None);
    assert_eq!(status, 204);
    assert_eq!(put(name(), b"third", 4), Ok("3".to_owned()));
    let end = AdminRequest::DeleteSecret { name: name(), days: 0 };
    assert_eq!(administer(kms, &end), Ok(AdminResponse::Deletion { at: None }));
    assert_eq!((code(get(None, None)), code(described())), (none, none));
}

#[test]
fn against_the_emulator() {
    for edition in ["vault", "openbao"] {
        let (emulator, peer) = emulated(edition);
        everything(&peer);
        let calls = emulator.calls();
        // What only OpenBao has is not asked of a Vault.
        for operation in ["transit/datakey/plaintext:update", "transit/keys/soft-delete:delete"] {
            assert_eq!(calls.contains_key(operation), edition == "openbao", "{operation}");
        }
        println!("{edition}: {} calls", calls.values().sum::<u64>());
    }
}

#[test]
fn logins_and_faults_at_the_emulator() {
    let (emulator, peer) = emulated("vault");
    let variables = emulator.environment();
    let folder = tempfile::tempdir().expect("a folder");
    let jwt = folder.path().join("token");
    std::fs::write(&jwt, format!("{}\n", variables["EMULATOR_KUBERNETES_JWT"])).expect("written");
    let role = [
        ("VAULT_ROLE_ID", variables["EMULATOR_ROLE_ID"].as_str()),
        ("VAULT_SECRET_ID", &variables["EMULATOR_SECRET_ID"]),
    ];
    let pod = [("VAULT_KUBERNETES_ROLE", variables["EMULATOR_KUBERNETES_ROLE"].as_str())];
    let jwt = [("jwt_file", jwt.to_str().expect("a path"))];
    create(&peer.by_token(), "docs", KeyKind::Symmetric, KeyUse::EncryptDecrypt).expect("a key");
    for (login, kms) in [
        ("auth/approle/login:update", peer.connect(&role, &[])),
        ("auth/kubernetes/login:update", peer.connect(&pod, &jwt)),
    ] {
        emulator.take_calls();
        let (_, wrapped) = generate(&kms, "docs", context()).expect("a data key");
        assert!(unwrap(&kms, &wrapped, context()).is_ok());
        assert_eq!(emulator.calls()[login], 1);
        // Another login as soon as the token is refused.
        emulator.expire_tokens();
        assert!(unwrap(&kms, &wrapped, context()).is_ok());
        assert_eq!(emulator.calls()[login], 2);
        emulator.throttle(2);
        assert!(unwrap(&kms, &wrapped, context()).is_ok());
    }
    for wrong in [
        peer.connect(&[role[0], ("VAULT_SECRET_ID", "wrong")], &[]),
        peer.connect(&[("VAULT_TOKEN", "hvs.wrong")], &[]),
    ] {
        assert_eq!(code(describe(&wrong, "docs")), Some(ErrorCode::KmsDenied));
    }
}

/// A server of the program's own, which ends with this.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// OpenBao's program, else Vault's, and what it is.
fn program() -> Option<(PathBuf, &'static str)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let find = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|at| at.is_file());
    let bao = find("bao").map(|at| (at, "openbao"));
    bao.or_else(|| find("vault").map(|at| (at, "vault")))
}

fn start(folder: &std::path::Path) -> Option<(Server, Peer)> {
    let Some((program, edition)) = program() else {
        println!("skipped: neither bao nor vault is on the PATH");
        return None;
    };
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let token = "keyfold-test-root";
    let child = Command::new(&program)
        .args(["server", "-dev", "-dev-no-store-token"])
        .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
        .arg(format!("-dev-root-token-id={token}"))
        .env("HOME", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let server = Server(child);
    let url = format!("http://127.0.0.1:{port}");
    let peer = Peer { http: http(), url, token: token.to_owned(), kv: "kv", edition };
    let started = Instant::now();
    while peer.api("GET", "sys/health", None).0 != 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "{program:?} does not answer");
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("{}", peer.api("GET", "sys/health", None).1["version"]);
    peer.done("POST", "sys/mounts/transit", &json!({ "type": "transit" }));
    peer.done("POST", "sys/mounts/kv", &json!({ "type": "kv", "options": { "version": "2" } }));
    while peer.api("GET", "kv/config", None).0 != 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "KV does not answer");
        std::thread::sleep(Duration::from_millis(100));
    }
    Some((server, peer))
}

#[test]
fn against_the_program_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((server, peer)) = start(folder.path()) else { return };
    everything(&peer);

    // A role that may use one key, and whose secret id is good for one login.
    let policy = "path \"transit/keys/docs\" { capabilities = [\"read\"] }\n\
                  path \"transit/encrypt/docs\" { capabilities = [\"update\"] }\n\
                  path \"transit/decrypt/docs\" { capabilities = [\"update\"] }\n";
    peer.done("POST", "sys/policies/acl/keyfold", &json!({ "policy": policy }));
    peer.done("POST", "sys/auth/approle", &json!({ "type": "approle" }));
    let role =
        json!({ "token_policies": ["keyfold"], "token_ttl": "20m", "secret_id_num_uses": 1 });
    peer.done("POST", "auth/approle/role/keyfold", &role);
    let (_, id) = peer.api("GET", "auth/approle/role/keyfold/role-id", None);
    let secret = peer.done("POST", "auth/approle/role/keyfold/secret-id", &json!({}));
    let (id, secret) = (&id["data"]["role_id"], &secret["data"]["secret_id"]);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let (id, secret) = (text(id), text(secret));
    let kms = peer.connect(&[("VAULT_ROLE_ID", &id), ("VAULT_SECRET_ID", &secret)], &[]);
    let request = Request::Wrap {
        key: uri("docs"),
        data_key: SecretBytes::from(
            DataKey::make(&SystemRng).expect("a data key").expose().as_slice(),
        ),
        context: context(),
    };
    let Ok(Response::Wrapped(wrapped)) = block_on(kms.call(&request)) else {
        panic!("a wrapped key")
    };
    assert!(unwrap(&kms, &wrapped, context()).is_ok());
    assert_eq!(code(describe(&kms, "other")), Some(ErrorCode::KmsDenied));
    // The secret id is used up.
    let again = peer.connect(&[("VAULT_ROLE_ID", &id), ("VAULT_SECRET_ID", &secret)], &[]);
    assert_eq!(code(unwrap(&again, &wrapped, context())), Some(ErrorCode::KmsDenied));
    let wrong = peer.connect(&[("VAULT_TOKEN", "hvs.wrong")], &[]);
    assert_eq!(code(describe(&wrong, "docs")), Some(ErrorCode::KmsDenied));
    // Sealed, it is not there.
    peer.done("POST", "sys/seal", &json!({}));
    assert_eq!(code(describe(&peer.by_token(), "docs")), Some(ErrorCode::KmsUnavailable));
    drop(server);
}
