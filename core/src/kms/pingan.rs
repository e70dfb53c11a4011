//! Ping An Cloud: the KMS, and reading its password safe.
//!
//! Keys are named `pingan://REGION/KEY-ID`. [`CloudKms`](super::cloud::CloudKms) drives it; what
//! it needs and offers, and how much of it is unconfirmed, is in `docs/providers/pingan.md`.

mod admin;
mod errors;
mod keys;
mod secrets;
mod sign;

use std::time::Duration;

use super::admin::{AdminRequest, AdminResponse};
use super::cloud::fault::Fault;
use super::cloud::{
    Ask, Capabilities, Capability, CloudConfig, ContextForm, Link, Place, Provider, Service, Site,
    Stamp, not_understood,
};
use super::endpoint::{Endpoint, check_region};
use super::json::Object;
use super::percent;
use super::{Request, Response};
use crate::credentials::Credentials;
use crate::error::Result;
use crate::maybe_send::BoxFuture;
use crate::transport::{HttpRequest, HttpResponse};

pub use sign::{app_signature, sign};

/// The scheme of its keys.
pub const SCHEME: &str = "pingan";

/// The longest context, as JSON text, in bytes: it stands in the URL.
const MAX_CONTEXT: usize = 1024;

/// What Ping An's KMS and password safe can, as far as it is documented.
///
/// ```
/// use keyfold::kms::cloud::{Capability, Support};
/// use keyfold::kms::pingan::CAPABILITIES;
///
/// assert_eq!(CAPABILITIES.support(Capability::Rewrap), Support::Composed);
/// assert_eq!(CAPABILITIES.support(Capability::SignDigest), Support::Absent);
/// ```
pub const CAPABILITIES: Capabilities = Capabilities {
    scheme: SCHEME,
    title: "Ping An Cloud KMS",
    composed: &[Capability::Rewrap],
    absent: &[
        Capability::SealReply,
        Capability::SignMessage,
        Capability::SignDigest,
        Capability::Verify,
        Capability::GetPublicKey,
        // It gives each password a credential of its own, which the seam cannot hand on.
        Capability::PutSecret,
        Capability::ListKeys,
        Capability::GetRotation,
        Capability::SetRotation,
        Capability::RotateKey,
        Capability::SetAlias,
        Capability::DeleteAlias,
        Capability::Random,
        Capability::DescribeSecret,
        Capability::ListSecrets,
        Capability::ListSecretVersions,
        Capability::DeleteSecret,
        Capability::RestoreSecret,
    ],
    context: ContextForm::Text { max: MAX_CONTEXT },
    max_plaintext: 3072,
    max_secret: 0,
    key_deletion_days: (7, 30),
    alias_is_a_name: false,
    calls: (1, 1),
};

/// How the service writes plaintexts, which its documentation does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// Base64, as its relatives do.
    #[default]
    Base64,
    /// Hexadecimal digits.
    Hex,
}

/// Where Ping An's services are, and in which dialect.
///
/// ```
/// use keyfold::kms::pingan::{Codec, PingAnConfig};
///
/// let shanghai = PingAnConfig::new("cn-shanghai")?;
/// let financial = PingAnConfig::financial("cn-shanghai")?.with_codec(Codec::Hex);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PingAnConfig {
    site: Site,
    method: &'static str,
    codec: Codec,
    /// How far the service's local time is ahead of UTC.
    utc_offset: Duration,
    /// Whether the signature of the safe's answers is checked where it is there.
    check_replies: bool,
}

impl PingAnConfig {
    /// A region of Ping An's: `cn-shanghai` or `cn-hongkong`.
    ///
    /// # Errors
    /// `invalid_argument` for a region of another form.
    pub fn new(region: &str) -> Result<Self> {
        Self::under(region, "yun.pingan.com")
    }

    /// A region of the financial edition.
    ///
    /// # Errors
    /// `invalid_argument` for a region of another form.
    pub fn financial(region: &str) -> Result<Self> {
        Self::under(region, "ocftcloud.com")
    }

    fn under(region: &str, domain: &str) -> Result<Self> {
        check_region(region)?;
        let endpoint = Endpoint::parse(&format!("https://kms-{region}.{domain}"))?;
        Ok(PingAnConfig {
            site: Site::new(region, endpoint.clone(), endpoint),
            method: "GET",
            codec: Codec::default(),
            utc_offset: Duration::from_hours(8),
            check_replies: true,
        })
    }

    /// A place of the configuration. Its settings: `edition`, `public` (the default) or
    /// `financial`; `codec`, `base64` (the default) or `hex`; `method`, `get` (the default) or
    /// `post`; `request_time`, `china` (the default) or `utc`; `reply_signature`, `check` (the
    /// default) or `ignore`.
    ///
    /// ```
    /// use keyfold::kms::cloud::Place;
    /// use keyfold::kms::pingan::PingAnConfig;
    ///
    /// let mut place = Place::default();
    /// place.settings.insert("edition".into(), "financial".into());
    /// let config = PingAnConfig::of_place("cn-shanghai", &place)?;
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` for values of another form.
    pub fn of_place(name: &str, place: &Place) -> Result<Self> {
        place.check_settings(&["edition", "codec", "method", "request_time", "reply_signature"])?;
        let region = place.region.as_deref().unwrap_or(name);
        let financial = place.choice("edition", &[("public", false), ("financial", true)])?;
        let mut config = if financial { Self::financial(region) } else { Self::new(region) }?;
        config.codec = place.choice("codec", &[("base64", Codec::Base64), ("hex", Codec::Hex)])?;
        config.method = place.choice("method", &[("get", "GET"), ("post", "POST")])?;
        let hours = place.choice("request_time", &[("china", 8), ("utc", 0)])?;
        config.utc_offset = Duration::from_hours(hours);
        config.check_replies =
            place.choice("reply_signature", &[("check", true), ("ignore", false)])?;
        config.site = config.site.configured(name, place)?;
        Ok(config)
    }

    /// Another address for a service: a private cloud, a test server.
    ///
    /// # Errors
    /// `invalid_argument` unless the URL is `https://HOST[:PORT]`, or `http` for this machine.
    pub fn with_endpoint(mut self, service: Service, url: &str) -> Result<Self> {
        self.site = self.site.with_endpoint(service, url)?;
        Ok(self)
    }

    /// How plaintexts are written.
    #[must_use]
    pub fn with_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// A request by the name of its action.
    fn ask(&self, service: Service, action: &'static str, parameters: &[(&str, &str)]) -> Ask {
        let ask = Ask::bare(service, self.method, action, "/");
        parameters.iter().fold(ask, |ask, (name, value)| ask.with_query(name, value))
    }
}

impl From<PingAnConfig> for CloudConfig {
    fn from(config: PingAnConfig) -> Self {
        CloudConfig::of(config)
    }
}

impl Provider for PingAnConfig {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn sign(&self, ask: &Ask, credentials: &Credentials, stamp: &Stamp) -> Result<HttpRequest> {
        let endpoint = self.site.endpoint(ask.service);
        let mut parameters: Vec<(&str, &str)> =
            vec![("action", ask.operation), ("version", "2017-01-01")];
        let of_app = match ask.service {
            Service::Keys => Vec::new(),
            Service::Secrets => self.app_parameters(credentials, stamp.at)?,
        };
        let given = ask.query.iter().chain(&of_app);
        parameters.extend(given.map(|(name, value)| (name.as_str(), value.as_str())));
        let query = percent::form(parameters);
        let mut url = String::with_capacity(query.len() + 300);
        url.push_str(&endpoint.url("/?"));
        url.push_str(&query);
        let mut request = HttpRequest {
            method: ask.method.to_owned(),
            url,
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            body: Vec::new(),
        };
        // A positive number of 64 bits.
        let (number, _) = stamp.nonce.split_first_chunk::<8>().ok_or_else(not_understood)?;
        let nonce = (u64::from_be_bytes(*number) >> 1).to_string();
        sign(&mut request, credentials, stamp.at, &nonce)?;
        Ok(request)
    }

    fn fault(&self, ask: &Ask, response: &HttpResponse, now: Duration) -> Option<Fault> {
        errors::fault(ask, response, now)
    }

    fn call<'a>(&'a self, link: Link<'a>, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        match request {
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

/// Text of an answer, whose members are `keyId` in one place and `KeyId` in another.
fn text(answer: Object<'_>, name: &str) -> Result<Option<String>> {
    let mut capitalised = name.to_owned();
    if let Some(first) = capitalised.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    match (answer.maybe_scalar(name)?, answer.maybe_scalar(&capitalised)?) {
        (Some(_), Some(_)) => Err(not_understood()),
        (one, other) => Ok(one.or(other).map(Into::into)),
    }
}

/// The same, which must be there.
fn needed(answer: Object<'_>, name: &str) -> Result<String> {
    text(answer, name)?.filter(|text| !text.is_empty()).ok_or_else(not_understood)
}
