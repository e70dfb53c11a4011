//! Google Cloud: Cloud KMS, and Secret Manager.
//!
//! Keys are named as Google names them, `google://projects/P/locations/L/keyRings/R/cryptoKeys/K`;
//! those that sign are named with their version, `…/cryptoKeyVersions/V`.
//! [`CloudKms`](super::cloud::CloudKms) drives it; what it needs and offers is in
//! `docs/providers/google.md`.

mod admin;
mod checksum;
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

/// The scheme of its keys.
pub const SCHEME: &str = "google";

/// The scope of tokens for both services.
pub const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The place where nothing is configured: with it a key's URI reads as Google's own name.
const PLACE: &str = "projects";

/// What Cloud KMS and Secret Manager can.
///
/// ```
/// use keyfold::kms::cloud::{Capability, Support};
/// use keyfold::kms::google::CAPABILITIES;
///
/// // The data key is made here, and wrapped there.
/// assert_eq!(CAPABILITIES.support(Capability::GenerateDataKey), Support::Composed);
/// ```
pub const CAPABILITIES: Capabilities = Capabilities {
    scheme: SCHEME,
    title: "Google Cloud KMS and Secret Manager",
    composed: &[
        Capability::GenerateDataKey,
        Capability::Rewrap,
        Capability::SignMessage,
        Capability::Verify,
        Capability::PutSecret,
        Capability::CreateKey,
        Capability::EnableKey,
        Capability::DisableKey,
        Capability::ScheduleKeyDeletion,
        Capability::CancelKeyDeletion,
        Capability::RotateKey,
    ],
    absent: &[
        Capability::SealReply,
        Capability::SetAlias,
        Capability::DeleteAlias,
        Capability::RestoreSecret,
    ],
    context: ContextForm::Bytes,
    max_plaintext: 4096,
    max_secret: 64 * 1024,
    key_deletion_days: (1, 120),
    alias_is_a_name: false,
    calls: (1, 1),
};

/// Where Google's services are, and in which project and key ring things are made and listed.
///
/// ```
/// use keyfold::kms::google::GoogleConfig;
///
/// // Enough for keys, which are asked for by their whole names.
/// let keys = GoogleConfig::new();
/// // For secrets too, and for administration.
/// let all = GoogleConfig::new().with_project("p")?.with_key_ring("europe-west3", "r")?;
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GoogleConfig {
    site: Site,
    project: Option<String>,
    location: Option<String>,
    key_ring: Option<String>,
    /// Who is charged for requests, where not the project that they are for.
    quota_project: Option<String>,
    hsm: bool,
    /// The algorithms of versions that have signed: they never change.
    algorithms: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Default for GoogleConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl GoogleConfig {
    /// Google's own addresses; no project yet.
    pub fn new() -> Self {
        let endpoint =
            |host| Endpoint::parse(host).expect("a constant of the form that endpoints have");
        GoogleConfig {
            site: Site::new(
                PLACE,
                endpoint("https://cloudkms.googleapis.com"),
                endpoint("https://secretmanager.googleapis.com"),
            ),
            project: None,
            location: None,
            key_ring: None,
            quota_project: None,
            hsm: false,
            algorithms: Arc::default(),
        }
    }

    /// A place of the configuration. Its region is the location in which keys are made; its
    /// settings are `project`, `key_ring`, `protection` (`software`, the default, or `hsm`) and
    /// `quota_project`.
    ///
    /// ```
    /// use keyfold::kms::cloud::{CloudConfig, Place};
    /// use keyfold::kms::google::GoogleConfig;
    ///
    /// let place = Place {
    ///     region: Some("europe-west3".into()),
    ///     settings: [("project".into(), "p".into()), ("key_ring".into(), "r".into())].into(),
    ///     ..Place::default()
    /// };
    /// let config = CloudConfig::from(GoogleConfig::of_place("office", &place)?);
    /// assert_eq!(config.uri(), "google://office");
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` for values of another form.
    pub fn of_place(name: &str, place: &Place) -> Result<Self> {
        place.check_settings(&["project", "key_ring", "protection", "quota_project"])?;
        let mut config = Self::new();
        config.hsm = place.choice("protection", &[("software", false), ("hsm", true)])?;
        let setting = |name: &str| place.settings.get(name).cloned();
        config.project = setting("project");
        config.quota_project = setting("quota_project");
        config.key_ring = setting("key_ring");
        config.location.clone_from(&place.region);
        config.site = config.site.configured(name, place)?;
        config.checked()
    }

    /// The project of secrets, and of the keys that are made and listed.
    ///
    /// # Errors
    /// `invalid_argument` for a name of another form.
    pub fn with_project(mut self, project: &str) -> Result<Self> {
        self.project = Some(project.to_owned());
        self.checked()
    }

    /// The key ring in which keys are made and listed, and its location, such as `global` or
    /// `europe-west3`.
    ///
    /// # Errors
    /// `invalid_argument` for a name of another form.
    pub fn with_key_ring(mut self, location: &str, key_ring: &str) -> Result<Self> {
        self.location = Some(location.to_owned());
        self.key_ring = Some(key_ring.to_owned());
        self.checked()
    }

    /// Another address for a service: a region's own, a test server.
    ///
    /// # Errors
    /// `invalid_argument` unless the URL is `https://HOST[:PORT]`, or `http` for this machine.
    pub fn with_endpoint(mut self, service: Service, url: &str) -> Result<Self> {
        self.site = self.site.with_endpoint(service, url)?;
        Ok(self)
    }

    /// Takes the project, location and key ring that were not configured from the URI by which
    /// the caller reaches the KMS, as far as it names them.
    pub(crate) fn near(mut self, name: Option<&str>) -> Result<Self> {
        let mut parts = name.unwrap_or_default().split('/');
        let project = parts.next().filter(|project| !project.is_empty());
        let mut after = |word: &str| if parts.next() == Some(word) { parts.next() } else { None };
        let (location, key_ring) = (after("locations"), after("keyRings"));
        for (place, part) in [
            (&mut self.project, project),
            (&mut self.location, location),
            (&mut self.key_ring, key_ring),
        ] {
            if place.is_none() {
                *place = part.map(str::to_owned);
            }
        }
        self.checked()
    }

    /// Everything here becomes part of a path or a header.
    fn checked(self) -> Result<Self> {
        let of_project = |part: &str| name::is_project(part);
        let projects = [&self.project, &self.quota_project];
        let fits = projects.into_iter().flatten().all(|part| of_project(part))
            && self.location.as_deref().is_none_or(name::is_location)
            && self.key_ring.as_deref().is_none_or(name::is_id);
        if fits { Ok(self) } else { Err(refused("a project, location or key ring is misnamed")) }
    }

    fn project(&self) -> Result<&str> {
        self.project.as_deref().ok_or_else(|| refused("no project is configured at Google"))
    }

    /// `/v1/projects/P/locations/L`.
    fn location_path(&self) -> Result<String> {
        let location = self.location.as_deref();
        let location = location.ok_or_else(|| refused("no location is configured at Google"))?;
        Ok(format!("/v1/projects/{}/locations/{location}", self.project()?))
    }
}

impl From<GoogleConfig> for CloudConfig {
    fn from(config: GoogleConfig) -> Self {
        CloudConfig::of(config)
    }
}

impl Provider for GoogleConfig {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn sign(&self, ask: &Ask, credentials: &Credentials, _: &Stamp) -> Result<HttpRequest> {
        let endpoint = self.site.endpoint(ask.service);
        let mut request = bearer::request(endpoint, ask, credentials)?;
        if let Some(project) = &self.quota_project {
            request.headers.push(("x-goog-user-project".to_owned(), project.clone()));
        }
        Ok(request)
    }

    fn fault(&self, ask: &Ask, response: &HttpResponse, now: Duration) -> Option<Fault> {
        errors::fault(ask, response, now)
    }

    fn call<'a>(&'a self, link: Link<'a>, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        match request {
            Request::PutSecret { name, value, key, .. } => {
                Box::pin(self.put_secret(link, name, value, key.as_ref()))
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
fn post(service: Service, operation: &'static str, path: String, members: Members) -> Ask {
    Ask::post(service, operation, path, members.finish())
}

/// A request without a body.
fn bare(service: Service, method: &'static str, path: String) -> Ask {
    let (query, body) = (Vec::new(), Zeroizing::default());
    Ask { service, operation: "", method, path, query, body }
}

/// The same with a query.
fn with(mut ask: Ask, query: &[(&str, &str)]) -> Ask {
    let pair =
        |(name, value): &(&str, &str)| ((*name).to_owned(), Zeroizing::new((*value).to_owned()));
    ask.query.extend(query.iter().map(pair));
    ask
}

/// The object that every answer is.
fn answer(response: &HttpResponse) -> Result<Object<'_>> {
    let object = Object(&response.body);
    // Looking anything up checks the whole.
    if response.status != 200 || object.maybe_object("error")?.is_some() {
        return Err(not_understood());
    }
    Ok(object)
}

/// The elements of a list, which is left out where it is empty.
fn list<'a>(answer: Object<'a>, name: &str) -> Result<Vec<Object<'a>>> {
    match answer.maybe_object(name)? {
        Some(_) => answer.array(name),
        None => Ok(Vec::new()),
    }
}

/// The name of the page after this one.
fn next_page(answer: Object<'_>) -> Result<Option<String>> {
    let token = answer.maybe_text("nextPageToken")?.filter(|token| !token.is_empty());
    Ok(token.map(Into::into))
}

/// A request that keyfold refuses for this provider.
fn refused(detail: &'static str) -> Error {
    Error::invalid(detail)
}
