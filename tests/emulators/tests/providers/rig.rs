//! An emulator with our provider before it, and what both have done.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyfold::credentials::CredentialsProvider;
use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyInfo, KeyKind, KeyUse, KmsAdmin};
use keyfold::kms::cloud::{Capabilities, Capability, ConnectedCloud, Place, Places, Unsupported};
use keyfold::kms::{Kms, Request, Response};
use keyfold::sign::SignatureAlgorithm;
use keyfold::{Error, ErrorCode, KeyUri, RetryLimits, SecretBytes};
use keyfold_emulators::{Emulator, Options, Provider};
use keyfold_transport::{
    CloudChoice, Environment, HttpOptions, HttpTransport, Proxy, RemoteOptions, cloud_credentials,
    complete_place, connect_cloud,
};
use pollster::block_on;
use tempfile::TempDir;

/// A cloud as the list of operations needs to know it.
#[derive(Clone, Copy)]
pub(crate) struct About {
    pub(crate) provider: Provider,
    pub(crate) options: Options,
    /// `SCHEME://PLACE`.
    pub(crate) place: &'static str,
    /// How the KMS is reached; the place, or more where a URI can say more.
    pub(crate) uri: &'static str,
    pub(crate) region: Option<&'static str>,
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// The kind of key that wraps.
    pub(crate) wrapping: KeyKind,
    /// The longest small plaintext of such a key, in bytes.
    pub(crate) small: usize,
    /// Whether small data can have a context.
    pub(crate) small_context: bool,
    /// The keys that sign, each with all that it signs with.
    pub(crate) signing: &'static [(KeyKind, &'static [SignatureAlgorithm])],
    /// What stands behind the name of a key that signs.
    pub(crate) signing_version: &'static str,
    /// Before a name that is given to a key later.
    pub(crate) alias_prefix: &'static str,
    /// Whether a key may have a description.
    pub(crate) described: bool,
    /// How often a key can rotate.
    pub(crate) rotation_days: u32,
    pub(crate) key_deletion_days: u32,
    pub(crate) secret_deletion_days: u32,
    /// So many keys, and so many secrets, have more pages than one.
    pub(crate) pages: (usize, usize),
    /// Whether a secret stored again under the same token stays one version.
    pub(crate) tokens: bool,
}

/// What a provider of the usual kind has.
pub(crate) const USUAL: About = About {
    provider: Provider::Tencent,
    options: Options { tls: false, clock_offset: 0, older_dialect: false, managed_hsm: false },
    place: "",
    uri: "",
    region: None,
    settings: &[],
    wrapping: KeyKind::Symmetric,
    small: 4096,
    small_context: true,
    signing: &[],
    signing_version: "",
    alias_prefix: "",
    described: true,
    rotation_days: 90,
    key_deletion_days: 30,
    secret_deletion_days: 7,
    pages: (105, 105),
    tokens: true,
};

/// An emulator, and our provider before it.
pub(crate) struct Rig {
    pub(crate) about: About,
    pub(crate) emulator: Emulator,
    pub(crate) kms: ConnectedCloud,
    pub(crate) done: Mutex<HashSet<Capability>>,
    pub(crate) files: TempDir,
}

/// Repetitions without the pauses that a person would not notice, and a test would.
pub(crate) fn options() -> RemoteOptions {
    let first_pause = Duration::from_millis(1);
    let retry = RetryLimits { first_pause, ..RetryLimits::default() };
    RemoteOptions { retry, ..RemoteOptions::default() }
}

pub(crate) fn http() -> HttpTransport {
    let options = HttpOptions { proxy: Proxy::None, ..HttpOptions::default() };
    HttpTransport::new(&options).expect("a transport")
}

impl Rig {
    pub(crate) fn new(about: About) -> Self {
        Self::with(about, &[])
    }

    /// With other variables than those that the emulator names; an empty one is none.
    pub(crate) fn with(about: About, others: &[(&str, &str)]) -> Self {
        let emulator = Emulator::start(about.provider, about.options).expect("it starts");
        let files = tempfile::tempdir().expect("a folder");
        let kms = connect(&emulator, &about, &files, others);
        Rig { about, emulator, kms, done: Mutex::default(), files }
    }

    /// The same KMS once more, with other variables.
    pub(crate) fn again(&self, others: &[(&str, &str)]) -> ConnectedCloud {
        connect(&self.emulator, &self.about, &self.files, others)
    }

    /// The same KMS once more, with credentials from elsewhere.
    pub(crate) fn by(&self, credentials: Arc<dyn CredentialsProvider>) -> ConnectedCloud {
        let places = self.places();
        connect_cloud(self.about.uri, &places, credentials, http(), &options()).expect("it fits")
    }

    pub(crate) fn places(&self) -> Places {
        places(&self.emulator, &self.about)
    }

    /// A file with what a variable of the emulator says.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        file(&self.files, name, content)
    }

    /// A variable of the emulator.
    pub(crate) fn variable(&self, name: &str) -> String {
        self.emulator.environment().remove(name).expect("a variable of this emulator")
    }

    pub(crate) fn capabilities(&self) -> &'static Capabilities {
        self.kms.kms().config().capabilities()
    }

    pub(crate) fn call(&self, request: &Request) -> Result<Response, Error> {
        let answer = block_on(self.kms.call(request));
        if answer.is_ok() {
            self.done.lock().expect("no panic").insert(Capability::of(request));
        }
        answer
    }

    pub(crate) fn administer(&self, request: &AdminRequest) -> Result<AdminResponse, Error> {
        let answer = block_on(self.kms.administer(request));
        if answer.is_ok() {
            self.done.lock().expect("no panic").insert(Capability::of_admin(request));
        }
        answer
    }

    /// Whether the capabilities claim it.
    pub(crate) fn can(&self, capability: Capability) -> bool {
        use keyfold::kms::cloud::Support;
        self.capabilities().support(capability) != Support::Absent
    }

    /// What has worked here.
    pub(crate) fn has_done(&self, capability: Capability) -> bool {
        self.done.lock().expect("no panic").contains(&capability)
    }

    /// How many requests came since this was asked last, of whatever kind.
    pub(crate) fn requests(&self) -> u64 {
        self.emulator.take_calls().values().sum()
    }

    /// The same without those for tokens and to see who asks.
    pub(crate) fn calls(&self) -> u64 {
        let logins = ["token", "sts", "metadata", "challenge", "imds", "identity"];
        let calls = self.emulator.take_calls();
        calls.iter().filter(|(name, _)| !logins.contains(&name.as_str())).map(|(_, n)| n).sum()
    }

    pub(crate) fn create_key(&self, kind: KeyKind, usage: KeyUse, name: &str) -> KeyInfo {
        let request = AdminRequest::CreateKey {
            kind,
            usage,
            alias: Some(format!("{}{name}", self.created_prefix())),
            description: self.about.described.then(|| "of a test".to_owned()),
        };
        match self.administer(&request).expect("a key") {
            AdminResponse::Key(key) => *key,
            other => panic!("{other:?}"),
        }
    }

    /// Alibaba makes the key first, and then gives it its alias.
    fn created_prefix(&self) -> &'static str {
        if self.about.provider == Provider::Alibaba { "alias/" } else { "" }
    }

    /// A key that wraps.
    pub(crate) fn wrapping_key(&self, name: &str) -> KeyUri {
        self.create_key(self.about.wrapping, KeyUse::EncryptDecrypt, name).key
    }
}

fn places(emulator: &Emulator, about: &About) -> Places {
    let settings = about.settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let place = Place {
        region: about.region.map(str::to_owned),
        keys: Some(emulator.url().to_owned()),
        secrets: Some(emulator.url().to_owned()),
        settings: settings.collect(),
    };
    let mut places = Places::from([(about.place.to_owned(), place)]);
    complete_place(&environment(emulator.environment()), about.place, &mut places);
    places
}

fn environment(variables: BTreeMap<String, String>) -> Environment {
    Environment::new(move |name| variables.get(name).filter(|value| !value.is_empty()).cloned())
}

fn file(files: &TempDir, name: &str, content: &str) -> String {
    let path = files.path().join(name);
    std::fs::write(&path, content).expect("written");
    path.to_str().expect("a path in UTF-8").to_owned()
}

fn connect(
    emulator: &Emulator,
    about: &About,
    files: &TempDir,
    others: &[(&str, &str)],
) -> ConnectedCloud {
    let mut variables = emulator.environment();
    if let Some(account) = variables.get("EMULATOR_SERVICE_ACCOUNT") {
        let path = file(files, "account.json", account);
        variables.insert("GOOGLE_APPLICATION_CREDENTIALS".to_owned(), path);
    }
    for (name, value) in others {
        variables.insert((*name).to_owned(), (*value).to_owned());
    }
    let places = places(emulator, about);
    let (choice, http) = (CloudChoice::default(), http());
    let environment = environment(variables);
    let credentials = cloud_credentials(&environment, about.uri, &places, &choice, &http);
    let credentials = credentials.expect("credentials");
    connect_cloud(about.uri, &places, credentials, http, &options()).expect("it fits")
}

pub(crate) fn secret(bytes: &[u8]) -> SecretBytes {
    SecretBytes::from(bytes)
}

pub(crate) fn context() -> keyfold::EncryptionContext {
    [("tenant", "acme"), ("app", "keyfold")].into()
}

pub(crate) fn other_context() -> keyfold::EncryptionContext {
    [("tenant", "other"), ("app", "keyfold")].into()
}

/// More than any provider's text takes.
pub(crate) fn long_context() -> keyfold::EncryptionContext {
    let long = "\u{e9}".repeat(1500);
    [("long", long.as_str()), ("tenant", "acme")].into()
}

pub(crate) fn is_unsupported(error: &Error) -> bool {
    error.code() == ErrorCode::InvalidArgument
        && std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<Unsupported>)
}

/// The code of a refusal.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Error>) -> ErrorCode {
    answer.expect_err("refused").code()
}

/// A data key under a KMS key, and what wraps it.
pub(crate) fn generate(
    rig: &Rig,
    key: &KeyUri,
    context: &keyfold::EncryptionContext,
) -> Result<(Vec<u8>, keyfold::WrappedKey), Error> {
    let request = Request::GenerateDataKey { key: key.clone(), context: context.clone() };
    match rig.call(&request)? {
        Response::DataKey { data_key, wrapped } => Ok((data_key.0.expose().to_vec(), wrapped)),
        other => panic!("{other:?}"),
    }
}

/// What a wrapped key is of.
pub(crate) fn unwrap(
    rig: &Rig,
    wrapped: &keyfold::WrappedKey,
    context: &keyfold::EncryptionContext,
    key: Option<&KeyUri>,
) -> Result<Vec<u8>, Error> {
    let request =
        Request::Unwrap { wrapped: wrapped.clone(), context: context.clone(), key: key.cloned() };
    match rig.call(&request)? {
        Response::Unwrapped(data_key) => Ok(data_key.0.expose().to_vec()),
        other => panic!("{other:?}"),
    }
}
