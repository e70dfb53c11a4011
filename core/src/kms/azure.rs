//! Azure: Key Vault with its secrets, and Managed HSM.
//!
//! Keys are named `azure://VAULT/KEY`, or `azure://VAULT/KEY/VERSION`.
//! [`CloudKms`](super::cloud::CloudKms) drives it; what it needs and offers is in
//! `docs/providers/azure.md`.

mod admin;
mod errors;
mod info;
mod keys;
mod name;
mod secrets;

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::admin::{AdminRequest, AdminResponse};
use super::cloud::fault::Fault;
use super::cloud::{
    Ask, Capabilities, Capability, CloudConfig, ContextForm, Link, Place, Provider, Service, Site,
    Stamp, bearer, not_understood,
};
use super::endpoint::{Endpoint, split_scheme};
use super::json::Object;
use super::wire::Members;
use super::{Request, Response};
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::maybe_send::BoxFuture;
use crate::transport::{HttpRequest, HttpResponse};

/// The scheme of its keys.
pub const SCHEME: &str = "azure";

/// The version of the protocol that is spoken.
const API_VERSION: &str = "7.4";

/// What Key Vault can.
///
/// ```
/// use keyfold::kms::azure::CAPABILITIES;
/// use keyfold::kms::cloud::{Capability, ContextForm, Support};
///
/// assert_eq!(CAPABILITIES.support(Capability::GenerateDataKey), Support::Composed);
/// // The envelope binds the context, and nobody else.
/// assert_eq!(CAPABILITIES.context, ContextForm::Never);
/// ```
pub const CAPABILITIES: Capabilities = Capabilities {
    scheme: SCHEME,
    title: "Azure Key Vault",
    composed: COMPOSED,
    absent: &[
        Capability::SealReply,
        Capability::SetAlias,
        Capability::DeleteAlias,
        Capability::Random,
    ],
    context: ContextForm::Never,
    // What an RSA key of 4096 bits encrypts with OAEP and SHA-256.
    max_plaintext: 446,
    max_secret: 25_600,
    key_deletion_days: (7, 90),
    alias_is_a_name: false,
    calls: (2, 1),
};

/// What Managed HSM can: it has no secrets, and AES keys.
///
/// ```
/// use keyfold::kms::azure::MANAGED_HSM_CAPABILITIES;
/// use keyfold::kms::cloud::{Capability, Support};
///
/// assert_eq!(MANAGED_HSM_CAPABILITIES.support(Capability::PutSecret), Support::Absent);
/// assert_eq!(MANAGED_HSM_CAPABILITIES.support(Capability::Random), Support::Native);
/// ```
pub const MANAGED_HSM_CAPABILITIES: Capabilities = Capabilities {
    title: "Azure Managed HSM",
    absent: &[
        Capability::SealReply,
        Capability::SetAlias,
        Capability::DeleteAlias,
        Capability::PutSecret,
        Capability::GetSecret,
        Capability::DescribeSecret,
        Capability::ListSecrets,
        Capability::ListSecretVersions,
        Capability::DeleteSecret,
        Capability::RestoreSecret,
    ],
    max_plaintext: 4096,
    max_secret: 0,
    ..CAPABILITIES
};

const COMPOSED: &[Capability] = &[
    Capability::GenerateDataKey,
    Capability::Wrap,
    Capability::Rewrap,
    Capability::Encrypt,
    Capability::SignMessage,
    Capability::SignDigest,
    Capability::Verify,
    Capability::PutSecret,
    Capability::CreateKey,
    Capability::EnableKey,
    Capability::DisableKey,
    Capability::ScheduleKeyDeletion,
    Capability::DescribeSecret,
    Capability::DeleteSecret,
];

/// Which Azure there is: its names of vaults, of HSMs, and who gives out tokens.
const CLOUDS: [(&str, [&str; 2]); 3] = [
    ("public", ["vault.azure.net", "managedhsm.azure.net"]),
    ("china", ["vault.azure.cn", "managedhsm.azure.cn"]),
    ("government", ["vault.usgovcloudapi.net", "managedhsm.usgovcloudapi.net"]),
];

/// Where a vault or an HSM is.
///
/// ```
/// use keyfold::kms::azure::AzureConfig;
///
/// let vault = AzureConfig::vault("my-vault")?;
/// assert_eq!(vault.resource(), "https://vault.azure.net");
/// let hsm = AzureConfig::managed_hsm("my-hsm")?;
/// assert_eq!(hsm.resource(), "https://managedhsm.azure.net");
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AzureConfig {
    site: Site,
    hsm: bool,
    resource: String,
}

impl AzureConfig {
    /// A vault by its name.
    ///
    /// # Errors
    /// `invalid_argument` for a name of another form.
    pub fn vault(name: &str) -> Result<Self> {
        Self::of_place(name, &Place::default())
    }

    /// A Managed HSM by its name.
    ///
    /// # Errors
    /// `invalid_argument` for a name of another form.
    pub fn managed_hsm(name: &str) -> Result<Self> {
        let settings = [("kind".to_owned(), "hsm".to_owned())].into();
        Self::of_place(name, &Place { settings, ..Place::default() })
    }

    /// A place of the configuration. Its region is the vault's name, where that is not the place's
    /// own. Its settings: `kind`, `vault` (the default) or `hsm`; `cloud`, `public` (the default),
    /// `china` or `government`.
    ///
    /// ```
    /// use keyfold::kms::azure::AzureConfig;
    /// use keyfold::kms::cloud::{CloudConfig, Place};
    ///
    /// let place = Place {
    ///     region: Some("my-vault".into()),
    ///     settings: [("cloud".into(), "china".into())].into(),
    ///     ..Place::default()
    /// };
    /// let config = AzureConfig::of_place("office", &place)?;
    /// assert_eq!(config.resource(), "https://vault.azure.cn");
    /// assert_eq!(CloudConfig::from(config).uri(), "azure://office");
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` for values of another form.
    pub fn of_place(name: &str, place: &Place) -> Result<Self> {
        place.check_settings(&["kind", "cloud"])?;
        let hsm = place.choice("kind", &[("vault", false), ("hsm", true)])?;
        let domain = place.choice("cloud", &CLOUDS)?[usize::from(hsm)];
        let vault = place.region.as_deref().unwrap_or(name);
        let of_vault = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=63).contains(&vault.len()) || !vault.bytes().all(of_vault) {
            return Err(refused("a vault is named by 1 to 63 letters, digits and hyphens"));
        }
        let endpoint = Endpoint::parse(&format!("https://{vault}.{domain}"))?;
        Ok(AzureConfig {
            site: Site::new(name, endpoint.clone(), endpoint).configured(name, place)?,
            hsm,
            resource: format!("https://{domain}"),
        })
    }

    /// Another address for a service: a private link, a test server.
    ///
    /// # Errors
    /// `invalid_argument` unless the URL is `https://HOST[:PORT]`, or `http` for this machine.
    pub fn with_endpoint(mut self, service: Service, url: &str) -> Result<Self> {
        self.site = self.site.with_endpoint(service, url)?;
        Ok(self)
    }

    /// What a token must be for.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The address of the vault.
    pub fn url(&self) -> String {
        self.site.endpoint(Service::Keys).url("")
    }
}

impl From<AzureConfig> for CloudConfig {
    fn from(config: AzureConfig) -> Self {
        CloudConfig::of(config)
    }
}

impl Provider for AzureConfig {
    fn capabilities(&self) -> &'static Capabilities {
        if self.hsm { &MANAGED_HSM_CAPABILITIES } else { &CAPABILITIES }
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn sign(&self, ask: &Ask, credentials: &Credentials, _: &Stamp) -> Result<HttpRequest> {
        let endpoint = self.site.endpoint(ask.service);
        bearer::request(endpoint, ask, credentials)
    }

    fn fault(&self, ask: &Ask, response: &HttpResponse, now: Duration) -> Option<Fault> {
        errors::fault(&self.resource, ask, response, now)
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

/// A request with JSON in it.
fn send(
    service: Service,
    method: &'static str,
    operation: &'static str,
    path: String,
    members: Members,
) -> Ask {
    let mut ask = bare(service, method, path);
    ask.operation = operation;
    ask.body = members.finish();
    ask
}

/// A request without a body.
fn bare(service: Service, method: &'static str, path: String) -> Ask {
    // The link to the next page has a version already.
    let version = ("api-version".to_owned(), Zeroizing::new(API_VERSION.to_owned()));
    let query = if path.contains('?') { Vec::new() } else { vec![version] };
    Ask { service, operation: "", method, path, query, body: Zeroizing::default() }
}

/// The object that every answer is.
fn answer(response: &HttpResponse) -> Result<Object<'_>> {
    let object = Object(&response.body);
    // Looking anything up checks the whole.
    if response.status / 100 != 2 || object.maybe_object("error")?.is_some() {
        return Err(not_understood());
    }
    Ok(object)
}

/// Bytes in base64url.
fn bytes(answer: Object<'_>, name: &str) -> Result<Vec<u8>> {
    let text = Zeroizing::new(answer.text(name)?.into_owned());
    Base64UrlUnpadded::decode_vec(&text).map_err(|_| not_understood())
}

/// Adds bytes in base64url.
fn put_bytes(members: &mut Members, name: &str, value: &[u8]) {
    members.text(name, &Zeroizing::new(Base64UrlUnpadded::encode_string(value)));
}

/// The page that a list begins with, or one that the page before it named.
fn page_of(path: &str, page: Option<&str>) -> Result<String> {
    let Some(page) = page else { return Ok(path.to_owned()) };
    let of_query = |byte: u8| byte.is_ascii_graphic() && !b"#\\\"".contains(&byte);
    if page.is_empty() || !page.bytes().all(of_query) {
        return Err(refused("a page is what one before named"));
    }
    Ok(format!("{path}?{page}"))
}

/// What names the page after this one: the query of the service's link to it. Where that leads
/// otherwise does not matter, for nothing goes anywhere but to the vault.
fn next_page(answer: Object<'_>) -> Result<Option<String>> {
    let link = answer.maybe_text("nextLink")?.filter(|link| !link.is_empty());
    let Some(link) = link else { return Ok(None) };
    let (_, rest) = split_scheme(&link).ok_or_else(not_understood)?;
    let query = rest.split_once('?').map(|(_, query)| query.to_owned());
    let query = query.ok_or_else(not_understood)?;
    page_of("", Some(&query)).map_err(|_| not_understood())?;
    Ok(Some(query))
}

/// A request that keyfold refuses for this provider.
fn refused(detail: &'static str) -> Error {
    Error::invalid(detail)
}
