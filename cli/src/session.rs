//! One run of the command: where it speaks to, and the KMS once it is needed.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use keyfold::kms::admin::{AdminRequest, KmsAdmin as _};
use keyfold::kms::aws::{KEYFOLD_SCHEME, Service};
use keyfold::kms::cloud::{self, Capabilities, CloudUri, ConnectedCloud, Places};
use keyfold::kms::{Request, Response, make_token};
use keyfold::{
    Client, Error, ErrorCode, KeyUri, Kms, RetryLimits, RouterKms, SecretBytes, SystemRng,
};
use keyfold_kms::EmbeddedKms;
use keyfold_kms::engine::Operation;
use keyfold_kms::types::{
    DescribeKeyRequest, DescribeSecretRequest, GetRandomPasswordRequest, KeyMetadata,
    PutSecretValueRequest, PutSecretValueResponse, SecretText, Sensitive,
};
use keyfold_transport::{RemoteKms, RemoteOptions};
use pollster::block_on;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::console::Console;
use crate::fault::{self, Result};
use crate::home::Home;
use crate::kms::{Network, Target, not_remote, place_of};
use crate::names::KeyName;
use crate::profile::Configuration;

/// What every command gets.
pub(crate) struct Session {
    pub(crate) console: Console,
    pub(crate) home: Home,
    target: Target,
    configuration: Configuration,
    embedded: OnceCell<Arc<EmbeddedKms>>,
    network: OnceCell<Network>,
    remote: OnceCell<Arc<RemoteKms>>,
    clouds: RefCell<BTreeMap<String, Arc<ConnectedCloud>>>,
}

/// A client of the KMSs that a command works with.
pub(crate) type SessionClient = Client<RouterKms>;

/// The KMS of a run.
enum Backend {
    Embedded(Arc<EmbeddedKms>),
    Remote(Arc<RemoteKms>),
    Cloud(Arc<ConnectedCloud>),
}

impl Session {
    pub(crate) fn new(
        console: Console,
        home: Home,
        (target, configuration): (Target, Configuration),
    ) -> Self {
        let (embedded, network, remote) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        let clouds = RefCell::default();
        Session { console, home, target, configuration, embedded, network, remote, clouds }
    }

    /// Refuses what only the machine of the KMS can do, where a KMS elsewhere is asked for. One
    /// that is only the default gives way to the folder.
    pub(crate) fn local(&self) -> Result<()> {
        match self.target {
            Target::Remote { named: true, .. } | Target::Cloud { named: true, .. } => {
                Err(not_remote())
            }
            Target::Home | Target::Remote { .. } | Target::Cloud { .. } => Ok(()),
        }
    }

    /// The embedded KMS, opened when it is first asked for: commands that need none work without
    /// a store.
    ///
    /// # Errors
    /// `invalid_argument` where this run works with a remote one.
    pub(crate) fn kms(&self) -> Result<&EmbeddedKms> {
        self.local()?;
        self.embedded().map(|kms| &**kms)
    }

    fn embedded(&self) -> Result<&Arc<EmbeddedKms>> {
        if let Some(kms) = self.embedded.get() {
            return Ok(kms);
        }
        let kms = self.home.open()?;
        Ok(self.embedded.get_or_init(|| Arc::new(kms)))
    }

    fn network(&self) -> Result<&Network> {
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        let network = Network::new(&self.configuration.profile)?;
        Ok(self.network.get_or_init(|| network))
    }

    fn backend(&self) -> Result<Backend> {
        match &self.target {
            Target::Home => self.embedded().cloned().map(Backend::Embedded),
            Target::Cloud { uri, .. } => self.cloud(uri).map(Backend::Cloud),
            Target::Remote { uri, .. } => {
                if let Some(kms) = self.remote.get() {
                    return Ok(Backend::Remote(kms.clone()));
                }
                let kms = self.network()?.remote(uri, &self.configuration.profile)?;
                Ok(Backend::Remote(self.remote.get_or_init(|| Arc::new(kms)).clone()))
            }
        }
    }

    /// A cloud's KMS by its URI, connected when it is first asked for; nothing is sent yet.
    ///
    /// # Errors
    /// `invalid_argument` for a URI or configuration of another form; `kms_denied` without
    /// credentials.
    pub(crate) fn cloud(&self, uri: &str) -> Result<Arc<ConnectedCloud>> {
        if let Some(kms) = self.clouds.borrow().get(uri) {
            return Ok(kms.clone());
        }
        let options = RemoteOptions::default();
        let kms = Arc::new(self.network()?.cloud(uri, &self.configuration, &options)?);
        self.clouds.borrow_mut().insert(uri.to_owned(), kms.clone());
        Ok(kms)
    }

    /// A cloud's KMS for a server that passes requests on: nothing is repeated, for its clients
    /// repeat. Nothing is sent yet.
    ///
    /// # Errors
    /// Those of [`cloud`](Session::cloud).
    pub(crate) fn upstream(&self, uri: &str, deadline: Duration) -> Result<Arc<ConnectedCloud>> {
        let retry = RetryLimits { max_retries: 0, ..RetryLimits::default() };
        let options = RemoteOptions { retry, deadline, ..RemoteOptions::default() };
        Ok(Arc::new(self.network()?.cloud(uri, &self.configuration, &options)?))
    }

    /// The cloud that has this key or, where none is named, the one that this run works with;
    /// `None` where that is no cloud.
    ///
    /// # Errors
    /// Those of [`cloud`](Session::cloud).
    pub(crate) fn cloud_of(&self, key: Option<&KeyName>) -> Result<Option<Arc<ConnectedCloud>>> {
        let uri = match (key, &self.target) {
            (Some(key), _) => place_of(&self.uri(key)?),
            (None, Target::Cloud { uri, .. }) => Some(uri.clone()),
            (None, _) => None,
        };
        uri.map(|uri| self.cloud(&uri)).transpose()
    }

    /// What a cloud can at this place, by the URI of the KMS or of one of its keys.
    ///
    /// # Errors
    /// `invalid_argument` for a URI or configuration of another form.
    pub(crate) fn capabilities(&self, uri: &str) -> Result<&'static Capabilities> {
        let parsed = CloudUri::parse(uri)?;
        let kms = format!("{}://{}", parsed.scheme(), parsed.place());
        Ok(cloud::config(uri, &self.configuration.places_with(&kms))?.capabilities())
    }

    /// What the configuration says about places of clouds.
    pub(crate) fn places(&self) -> &Places {
        &self.configuration.places
    }

    /// The core's client over the KMSs of these keys, and no others; over the KMS that this run
    /// works with where none is named.
    pub(crate) fn client<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k KeyUri>,
    ) -> Result<SessionClient> {
        let mut keys = keys.into_iter().peekable();
        let none = keys.peek().is_none();
        self.client_over(keys, none)
    }

    /// The same over the KMS that this run works with, and over those of these keys.
    pub(crate) fn client_beside(&self, keys: &[KeyUri]) -> Result<SessionClient> {
        self.client_over(keys, true)
    }

    fn client_over<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k KeyUri>,
        mut own: bool,
    ) -> Result<SessionClient> {
        let (mut places, mut beside) = (BTreeSet::new(), false);
        for key in keys {
            match (place_of(key), &self.target) {
                (Some(place), Target::Cloud { uri, .. }) if place == *uri => own = true,
                // The server asks it.
                (Some(place), Target::Remote { .. })
                    if self.configuration.profile.relay.contains(&place) =>
                {
                    own = true;
                }
                (Some(place), _) => _ = places.insert(place),
                // The embedded KMS is beside every cloud.
                (None, Target::Cloud { .. }) => beside = true,
                (None, _) => own = true,
            }
        }
        let mut router = RouterKms::new();
        if own {
            router = match self.backend()? {
                Backend::Embedded(kms) => router.otherwise(kms),
                Backend::Remote(kms) => router.otherwise(kms),
                Backend::Cloud(kms) => router.otherwise(kms),
            };
        }
        if beside {
            router = router.route(format!("{KEYFOLD_SCHEME}:"), self.embedded()?.clone());
        }
        for place in places {
            router = router.route(format!("{place}/"), self.cloud(&place)?);
        }
        Ok(Client::new(router))
    }

    /// The scheme of the keys of this KMS.
    pub(crate) fn scheme(&self) -> &str {
        self.target.scheme()
    }

    /// The URI of a key that was named on the command line.
    ///
    /// # Errors
    /// `invalid_argument` where the name is of another KMS's key, or stands for several.
    pub(crate) fn uri(&self, key: &KeyName) -> Result<KeyUri> {
        let mut uris = self.uris(std::slice::from_ref(key))?;
        match uris.pop() {
            Some(uri) if uris.is_empty() => Ok(uri),
            _ => Err(fault::invalid(format!("{} stands for several keys", key.as_str()))),
        }
    }

    /// The URIs of several keys, in their order; a name of the configuration may stand for more
    /// than one.
    pub(crate) fn uris(&self, keys: &[KeyName]) -> Result<Vec<KeyUri>> {
        let prefix = self.target.prefix();
        let meant = keys.iter().flat_map(|key| match self.configuration.keys.get(key.as_str()) {
            Some(keys) => keys.as_slice(),
            None => std::slice::from_ref(key),
        });
        meant.map(|key| key.uri(&prefix)).collect()
    }

    /// Performs an operation of the API: as the owner of the embedded KMS, or as whoever the
    /// credentials stand for at a remote one.
    pub(crate) fn call<O>(&self, request: &O) -> Result<O::Response>
    where
        O: Operation<Response: DeserializeOwned> + Serialize,
    {
        match self.backend()? {
            Backend::Embedded(kms) => Ok(kms.engine().call(&kms.engine().owner(), request)?),
            Backend::Remote(kms) => block_on(kms.ask(service(O::NAME), O::NAME, request)),
            Backend::Cloud(kms) => Err(nothing_like(&kms, O::NAME)),
        }
    }

    /// Performs an operation that only the embedded KMS has, as its owner.
    pub(crate) fn call_local<O: Operation>(&self, request: &O) -> Result<O::Response> {
        let engine = self.kms()?.engine();
        Ok(engine.call(&engine.owner(), request)?)
    }

    /// The properties of a key, by any of its names.
    pub(crate) fn describe(&self, key: &KeyName) -> Result<KeyMetadata> {
        let key_id = self.key_of_api(key, DescribeKeyRequest::NAME)?.rest().to_owned();
        let request = DescribeKeyRequest { key_id, ..DescribeKeyRequest::default() };
        Ok(self.call(&request)?.key_metadata)
    }

    /// A key as management operations take it, which is not by its alias.
    pub(crate) fn key_id(&self, key: &KeyName) -> Result<String> {
        let uri = self.key_of_api(key, "this")?;
        if uri.is_alias() {
            return Ok(self.describe(key)?.arn);
        }
        Ok(uri.rest().to_owned())
    }

    /// A key that the operations of the API know.
    fn key_of_api(&self, key: &KeyName, operation: &str) -> Result<KeyUri> {
        match self.cloud_of(Some(key))? {
            Some(kms) => Err(nothing_like(&kms, operation)),
            None => self.uri(key),
        }
    }

    /// Stores a secret's value, and answers the version's id.
    pub(crate) fn put_secret(
        &self,
        name: &str,
        value: &SecretBytes,
        key: Option<&KeyName>,
    ) -> Result<String> {
        let key = key.map(|key| self.uri(key)).transpose()?;
        match self.backend()? {
            Backend::Embedded(kms) => {
                let (engine, key) = (kms.engine(), key.as_ref().map(KeyUri::rest));
                Ok(engine.put_secret(&engine.owner(), name, value, key)?)
            }
            Backend::Remote(kms) => put_secret(kms, name, value, key.as_ref()),
            Backend::Cloud(kms) => put_secret(kms, name, value, key.as_ref()),
        }
    }

    /// Whether a secret is there.
    ///
    /// # Errors
    /// `secret_not_found` where it is not.
    pub(crate) fn describe_secret(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        match self.backend()? {
            Backend::Cloud(kms) => {
                block_on(kms.administer(&AdminRequest::DescribeSecret { name })).map(|_| ())
            }
            _ => self.call(&DescribeSecretRequest { secret_id: name }).map(|_| ()),
        }
    }

    /// Reads a secret's value and its version's id.
    pub(crate) fn get_secret(
        &self,
        name: &str,
        version: Option<&str>,
        stage: Option<&str>,
    ) -> Result<(SecretBytes, String)> {
        let kms: Arc<dyn Kms> = match self.backend()? {
            Backend::Embedded(kms) => {
                let engine = kms.engine();
                return Ok(engine.get_secret(&engine.owner(), name, version, stage)?);
            }
            Backend::Remote(kms) => kms,
            Backend::Cloud(kms) => kms,
        };
        let request = Request::GetSecret {
            name: name.to_owned(),
            version: version.map(str::to_owned),
            stage: stage.map(str::to_owned),
        };
        match block_on(kms.call(&request))? {
            Response::Secret { value, version } => Ok((value, version)),
            _ => Err(Error::new(ErrorCode::KmsProtocol, "the KMS answered something else")),
        }
    }

    /// Gives a secret a new current value: this one, or a random password.
    pub(crate) fn rotate_secret(
        &self,
        name: &str,
        value: Option<&SecretBytes>,
        password: &GetRandomPasswordRequest,
    ) -> Result<PutSecretValueResponse> {
        if let Backend::Embedded(kms) = self.backend()? {
            let engine = kms.engine();
            return Ok(engine.rotate_secret(&engine.owner(), name, value, password)?);
        }
        let (secret_string, secret_binary) = match value {
            None => (Some(self.call(password)?.random_password), None),
            Some(value) => match std::str::from_utf8(value.expose()) {
                Ok(text) => (Some(SecretText::from(text)), None),
                Err(_) => (None, Some(Sensitive::from(value.expose()))),
            },
        };
        self.call(&PutSecretValueRequest {
            secret_id: name.to_owned(),
            client_request_token: Some(make_token(&SystemRng)?),
            secret_string,
            secret_binary,
            ..PutSecretValueRequest::default()
        })
    }
}

fn put_secret<K: Kms>(
    kms: K,
    name: &str,
    value: &SecretBytes,
    key: Option<&KeyUri>,
) -> Result<String> {
    let value = SecretBytes::from(value.expose());
    block_on(Client::new(kms).secrets().put(name, value, key))
}

/// What keyfold does at no cloud.
fn nothing_like(kms: &ConnectedCloud, operation: &str) -> Error {
    let scheme = kms.kms().config().capabilities().scheme;
    fault::invalid(format!("unsupported: keyfold cannot do {operation} at {scheme}"))
}

/// The service that has an operation.
fn service(operation: &str) -> Service {
    // The names of the secrets' operations are disjoint from those of the keys'.
    if operation.contains("Secret") || operation == "GetRandomPassword" {
        Service::Secrets
    } else {
        Service::Kms
    }
}
