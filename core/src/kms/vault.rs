//! HashiCorp Vault and OpenBao: Transit, and secrets in KV version 2.
//!
//! Keys are named `vault://MOUNT/KEY`, those that sign also `vault://MOUNT/KEY/VERSION`.
//! [`CloudKms`](super::cloud::CloudKms) drives it; what it needs and offers is in
//! `docs/providers/vault.md`.

mod admin;
mod errors;
mod info;
mod keys;
mod name;
mod secrets;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use zeroize::Zeroizing;

use super::admin::{AdminRequest, AdminResponse};
use super::cloud::fault::Fault;
use super::cloud::{
    Ask, Capabilities, Capability, CloudConfig, ContextForm, Link, Place, Provider, Service, Site,
    Stamp, bearer, not_understood,
};
use super::endpoint::Endpoint;
use super::json::Object;
use super::wire::Members;
use super::{Request, Response};
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::maybe_send::BoxFuture;
use crate::transport::{HttpRequest, HttpResponse};

pub(crate) use name::is_path;

/// The scheme of its keys.
pub const SCHEME: &str = "vault";

/// Where KV version 2 is mounted, and which member of a secret is its value, unless the
/// configuration says otherwise.
const KV: &str = "secret";
const FIELD: &str = "value";

/// What Vault can.
///
/// ```
/// use keyfold::kms::cloud::{Capability, Support};
/// use keyfold::kms::vault::CAPABILITIES;
///
/// // What Vault makes itself is bound to no context: the data key is made here.
/// assert_eq!(CAPABILITIES.support(Capability::GenerateDataKey), Support::Composed);
/// assert_eq!(CAPABILITIES.support(Capability::DisableKey), Support::Absent);
/// ```
pub const CAPABILITIES: Capabilities = Capabilities {
    scheme: SCHEME,
    title: "HashiCorp Vault",
    composed: &[
        Capability::GenerateDataKey,
        Capability::Rewrap,
        Capability::Verify,
        Capability::PutSecret,
        Capability::CreateKey,
        Capability::ScheduleKeyDeletion,
        Capability::RestoreSecret,
    ],
    absent: &[
        Capability::SealReply,
        Capability::EnableKey,
        Capability::DisableKey,
        Capability::CancelKeyDeletion,
        Capability::SetAlias,
        Capability::DeleteAlias,
    ],
    context: ContextForm::Bytes,
    max_plaintext: 4096,
    max_secret: 64 * 1024,
    // At once.
    key_deletion_days: (0, 0),
    alias_is_a_name: false,
    calls: (1, 1),
};

/// What OpenBao can: it makes data keys that are bound to a context, and a key can be disabled.
///
/// ```
/// use keyfold::kms::cloud::{Capability, Support};
/// use keyfold::kms::vault::OPENBAO_CAPABILITIES;
///
/// assert_eq!(OPENBAO_CAPABILITIES.support(Capability::GenerateDataKey), Support::Native);
/// assert_eq!(OPENBAO_CAPABILITIES.support(Capability::DisableKey), Support::Native);
/// ```
pub const OPENBAO_CAPABILITIES: Capabilities = Capabilities {
    title: "OpenBao",
    composed: &[
        Capability::Rewrap,
        Capability::Verify,
        Capability::PutSecret,
        Capability::CreateKey,
        Capability::ScheduleKeyDeletion,
        Capability::RestoreSecret,
    ],
    absent: &[
        Capability::SealReply,
        Capability::CancelKeyDeletion,
        Capability::SetAlias,
        Capability::DeleteAlias,
    ],
    ..CAPABILITIES
};

/// What a place may say beside its addresses and its region.
const SETTINGS: [&str; 10] = [
    "kv",
    "field",
    "namespace",
    "edition",
    "before_encrypt",
    // Of logins, which hosts read.
    "role_id",
    "secret_id_file",
    "kubernetes_role",
    "jwt_file",
    "login_mount",
];

/// Where a server is, and what is mounted at which paths.
///
/// ```
/// use keyfold::kms::cloud::CloudConfig;
/// use keyfold::kms::vault::VaultConfig;
///
/// let config = VaultConfig::new("https://vault.example.com:8200", "transit")?;
/// assert_eq!(CloudConfig::from(config).uri(), "vault://transit");
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct VaultConfig {
    site: Site,
    mount: String,
    kv: String,
    field: String,
    namespace: Option<String>,
    openbao: bool,
    /// Whether a key is looked up before it first encrypts.
    looks_first: bool,
    /// The types of keys that have been looked up: they never change.
    kinds: Arc<Mutex<BTreeMap<String, String>>>,
}

impl VaultConfig {
    /// A server by its address, and the mount of Transit.
    ///
    /// # Errors
    /// `invalid_argument` unless the address is `https://HOST[:PORT]`, or `http` for this machine,
    /// and for a mount of another form.
    pub fn new(url: &str, mount: &str) -> Result<Self> {
        Self::of_place(mount, &Place { keys: Some(url.to_owned()), ..Place::default() })
    }

    /// A place of the configuration. `keys` is the server's address, `secrets` that of another one
    /// that keeps the secrets; its region is the mount of Transit, where that is not the place's
    /// own name. Its settings: `kv`, the mount of KV version 2 (`secret`); `field`, the member of a
    /// secret that is its value (`value`); `namespace`; `edition`, `vault` (the default) or
    /// `openbao`; `before_encrypt`, `describe` (the default) or `nothing`. Those of logins
    /// (`role_id`, `secret_id_file`, `kubernetes_role`, `jwt_file`, `login_mount`) are for whoever
    /// makes the credentials.
    ///
    /// ```
    /// use keyfold::kms::cloud::{CloudConfig, Place};
    /// use keyfold::kms::vault::VaultConfig;
    ///
    /// let place = Place {
    ///     region: Some("team/transit".into()),
    ///     keys: Some("https://vault.example.com:8200".into()),
    ///     settings: [("namespace".into(), "team".into())].into(),
    ///     ..Place::default()
    /// };
    /// let config = VaultConfig::of_place("office", &place)?;
    /// assert_eq!(config.namespace(), Some("team"));
    /// assert_eq!(CloudConfig::from(config).uri(), "vault://office");
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` for values of another form, and where there is no address.
    pub fn of_place(name: &str, place: &Place) -> Result<Self> {
        place.check_settings(&SETTINGS)?;
        let address = place.keys.as_ref();
        let address = address.ok_or_else(|| refused("no address of Vault is configured"))?;
        let address = Endpoint::parse(address)?;
        let setting = |name: &str, default: &str| {
            place.settings.get(name).map_or_else(|| default.to_owned(), Clone::clone)
        };
        let config = VaultConfig {
            site: Site::new(name, address.clone(), address).configured(name, place)?,
            mount: place.region.clone().unwrap_or_else(|| name.to_owned()),
            kv: setting("kv", KV),
            field: setting("field", FIELD),
            namespace: place.settings.get("namespace").cloned(),
            openbao: place.choice("edition", &[("vault", false), ("openbao", true)])?,
            looks_first: place
                .choice("before_encrypt", &[("describe", true), ("nothing", false)])?,
            kinds: Arc::default(),
        };
        config.checked()
    }

    /// Another mount of KV version 2 than `secret`.
    ///
    /// # Errors
    /// `invalid_argument` for a mount of another form.
    pub fn with_kv(mut self, mount: &str) -> Result<Self> {
        mount.clone_into(&mut self.kv);
        self.checked()
    }

    /// The namespace that everything is in.
    ///
    /// # Errors
    /// `invalid_argument` for a namespace of another form.
    pub fn with_namespace(mut self, namespace: &str) -> Result<Self> {
        self.namespace = Some(namespace.to_owned());
        self.checked()
    }

    /// Everything here becomes part of a path, a header or JSON.
    fn checked(self) -> Result<Self> {
        if !is_path(&self.mount) || !is_path(&self.kv) {
            return Err(refused("a mount is a path of letters, digits and -_."));
        }
        if !self.namespace.as_deref().is_none_or(is_path) {
            return Err(refused("a namespace is a path of letters, digits and -_."));
        }
        let fits = !self.field.is_empty() && self.field.chars().all(|c| !c.is_control());
        if fits { Ok(self) } else { Err(refused("the name of a member is some text")) }
    }

    /// The server's address, without a path.
    pub fn url(&self) -> String {
        self.site.endpoint(Service::Keys).url("")
    }

    /// The namespace.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The path of something below Transit.
    fn transit(&self, path: &str) -> String {
        format!("/v1/{}/{path}", self.mount)
    }
}

impl From<VaultConfig> for CloudConfig {
    fn from(config: VaultConfig) -> Self {
        CloudConfig::of(config)
    }
}

impl Provider for VaultConfig {
    fn capabilities(&self) -> &'static Capabilities {
        if self.openbao { &OPENBAO_CAPABILITIES } else { &CAPABILITIES }
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn sign(&self, ask: &Ask, credentials: &Credentials, _: &Stamp) -> Result<HttpRequest> {
        let endpoint = self.site.endpoint(ask.service);
        let mut request = bearer::request(endpoint, ask, credentials)?;
        request.headers.extend(headers(self.namespace()));
        Ok(request)
    }

    fn fault(&self, ask: &Ask, response: &HttpResponse, now: Duration) -> Option<Fault> {
        errors::fault(ask, response, now)
    }

    fn call<'a>(&'a self, link: Link<'a>, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        match request {
            Request::PutSecret { name, value, key, token } => {
                Box::pin(self.put_secret(link, name, value, key.as_ref(), token))
            }
            Request::GetSecret { name, version, stage } => {
                Box::pin(self.get_secret(link, name, version.as_deref(), stage.as_deref()))
            }
            _ => Box::pin(self.call_keys(link, request)),
        }
    }

    fn administer<'a>(
        &'a self,
        link: Link<'a>,
        request: &'a AdminRequest,
    ) -> BoxFuture<'a, Result<AdminResponse>> {
        Box::pin(self.administer_all(link, request))
    }
}

/// What every request has beside its token: a word without which some proxies let none through,
/// and the namespace.
pub(crate) fn headers(namespace: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let pairs = [("x-vault-request", Some("true")), ("x-vault-namespace", namespace)];
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
}

/// A request with JSON in it.
fn post(service: Service, operation: &'static str, path: String, members: Members) -> Ask {
    Ask::post(service, operation, path, members.finish())
}

/// A request without a body.
fn bare(service: Service, method: &'static str, path: String) -> Ask {
    let (query, body) = (Vec::new(), Zeroizing::default());
    Ask { service, operation: "", method, path, query, body }
}

/// A request whose answer says nothing that is needed.
async fn done(link: Link<'_>, ask: Ask) -> Result<AdminResponse> {
    let response = link.ask(ask).await?;
    if response.status / 100 == 2 { Ok(AdminResponse::Done) } else { Err(not_understood()) }
}

/// What an answer is about.
fn data(response: &HttpResponse) -> Result<Object<'_>> {
    // Looking anything up checks the whole.
    let data = Object(&response.body).object("data")?;
    if response.status / 100 == 2 { Ok(data) } else { Err(not_understood()) }
}

/// The names in a list; one that is empty is not found.
async fn names(link: Link<'_>, service: Service, path: String) -> Result<Vec<String>> {
    let ask = bare(service, "GET", path).with_query("list", "true");
    let response = match link.try_ask(ask).await? {
        Ok(response) => response,
        Err(fault) if errors::is_empty(&fault) => return Ok(Vec::new()),
        Err(fault) => return Err(fault.into_error(false)),
    };
    let names = data(&response)?.array("keys")?;
    names.into_iter().map(|name| name.as_text().map(Into::into)).collect()
}

/// A request that keyfold refuses for this provider.
fn refused(detail: &'static str) -> Error {
    Error::invalid(detail)
}
