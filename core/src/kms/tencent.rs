//! Tencent Cloud: the KMS, and SSM, its password safe.
//!
//! Keys are named `tencent://REGION/KEY-ID`, such as
//! `tencent://ap-guangzhou/23e80852-1e38-11e9-b129-5cb9019b4b01`. [`CloudKms`](super::cloud::CloudKms)
//! drives it; what it needs and offers is in `docs/providers/tencent.md`.

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
use super::wire::Members;
use super::{Request, Response};
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::maybe_send::BoxFuture;
use crate::transport::{HttpRequest, HttpResponse};

pub use sign::sign;

/// The scheme of its keys.
pub const SCHEME: &str = "tencent";

/// The longest context, as JSON text, in bytes.
const MAX_CONTEXT: usize = 1024;

/// What Tencent's KMS and SSM can.
///
/// ```
/// use keyfold::kms::tencent::CAPABILITIES;
///
/// assert_eq!(CAPABILITIES.max_plaintext, 4096);
/// ```
pub const CAPABILITIES: Capabilities = Capabilities {
    scheme: SCHEME,
    title: "Tencent Cloud KMS and SSM",
    composed: &[Capability::PutSecret, Capability::GetSecret],
    absent: &[Capability::DeleteAlias],
    context: ContextForm::Text { max: MAX_CONTEXT },
    max_plaintext: 4096,
    max_secret: 32 * 1024,
    key_deletion_days: (7, 30),
    alias_is_a_name: false,
    calls: (1, 1),
};

/// Where Tencent's services are.
///
/// ```
/// use keyfold::kms::cloud::Service;
/// use keyfold::kms::tencent::TencentConfig;
///
/// let mainland = TencentConfig::new("ap-guangzhou")?;
/// let abroad = TencentConfig::international("na-ashburn")?;
/// let private = TencentConfig::new("ap-guangzhou")?
///     .with_endpoint(Service::Keys, "https://kms.cloud.example.com")?;
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TencentConfig {
    site: Site,
    region: String,
}

impl TencentConfig {
    /// A region of Tencent's, at the addresses without a region in their names.
    ///
    /// # Errors
    /// `invalid_argument` for a region of another form.
    pub fn new(region: &str) -> Result<Self> {
        Self::under(region, "tencentcloudapi.com")
    }

    /// A region at the addresses of the international site.
    ///
    /// # Errors
    /// `invalid_argument` for a region of another form.
    pub fn international(region: &str) -> Result<Self> {
        Self::under(region, "intl.tencentcloudapi.com")
    }

    fn under(region: &str, domain: &str) -> Result<Self> {
        check_region(region)?;
        let keys = Endpoint::parse(&format!("https://kms.{domain}"))?;
        let secrets = Endpoint::parse(&format!("https://ssm.{domain}"))?;
        Ok(TencentConfig { site: Site::new(region, keys, secrets), region: region.to_owned() })
    }

    /// A place of the configuration. Its settings: `site`, `mainland` (the default) or
    /// `international`.
    ///
    /// ```
    /// use keyfold::kms::cloud::{CloudConfig, Place};
    /// use keyfold::kms::tencent::TencentConfig;
    ///
    /// let place = Place { region: Some("ap-beijing".into()), ..Place::default() };
    /// let config = CloudConfig::from(TencentConfig::of_place("office", &place)?);
    /// assert_eq!(config.uri(), "tencent://office");
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` for values of another form.
    pub fn of_place(name: &str, place: &Place) -> Result<Self> {
        place.check_settings(&["site"])?;
        let region = place.region.as_deref().unwrap_or(name);
        let abroad = place.choice("site", &[("mainland", false), ("international", true)])?;
        let mut config = if abroad { Self::international(region) } else { Self::new(region) }?;
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
}

impl From<TencentConfig> for CloudConfig {
    fn from(config: TencentConfig) -> Self {
        CloudConfig::of(config)
    }
}

impl Provider for TencentConfig {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn sign(&self, ask: &Ask, credentials: &Credentials, stamp: &Stamp) -> Result<HttpRequest> {
        let (service, version) = match ask.service {
            Service::Keys => ("kms", "2019-01-18"),
            Service::Secrets => ("ssm", "2019-09-23"),
        };
        let headers = [
            ("content-type", "application/json"),
            ("x-tc-action", ask.operation),
            ("x-tc-version", version),
            ("x-tc-region", &self.region),
        ];
        let mut request = HttpRequest {
            method: ask.method.to_owned(),
            url: self.site.endpoint(ask.service).url(&ask.path),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: ask.body.to_vec(),
        };
        sign(&mut request, credentials, service, stamp.at)?;
        Ok(request)
    }

    fn fault(&self, _: &Ask, response: &HttpResponse, now: Duration) -> Option<Fault> {
        errors::fault(response, now)
    }

    fn call<'a>(&'a self, link: Link<'a>, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        match request {
            Request::PutSecret { name, value, key, token } => {
                Box::pin(self.put_secret(link, name, value, key.as_ref(), token))
            }
            Request::GetSecret { name, version, stage } => {
                Box::pin(self.get_secret(link, name, version.as_deref(), stage.as_deref()))
            }
            Request::GenerateSealedDataKey { .. } | Request::UnwrapSealed { .. } => {
                Box::pin(self.call_sealed(link, request))
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

/// A request by the name of its action.
fn ask(service: Service, action: &'static str, members: Members) -> Ask {
    Ask::post(service, action, "/", members.finish())
}

/// What every answer is wrapped in.
fn answer(response: &HttpResponse) -> Result<Object<'_>> {
    if response.status != 200 {
        return Err(not_understood());
    }
    Object(&response.body).object("Response")
}

/// A request that keyfold refuses for this provider.
fn refused(detail: &'static str) -> Error {
    Error::invalid(detail)
}
