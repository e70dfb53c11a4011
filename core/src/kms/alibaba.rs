//! Alibaba Cloud: the KMS and its secrets manager, at the shared gateway.
//!
//! Keys are named `alibaba://REGION/KEY-ID`, `alibaba://REGION/alias/NAME` or by their ARN, and
//! asymmetric ones where it matters `alibaba://REGION/KEY-ID/VERSION-ID`.
//! [`CloudKms`](super::cloud::CloudKms) drives it; what it needs and offers is in
//! `docs/providers/alibaba.md`.

mod admin;
mod errors;
mod keys;
mod secrets;
mod sign;

use std::time::Duration;

use zeroize::Zeroizing;

use super::admin::{AdminRequest, AdminResponse};
use super::cloud::fault::Fault;
use super::cloud::{
    Ask, Capabilities, Capability, CloudConfig, ContextForm, Link, Place, Provider, Service, Site,
    Stamp,
};
use super::endpoint::{Endpoint, check_region};
use super::percent;
use super::wire::hex;
use super::{Request, Response};
use crate::credentials::Credentials;
use crate::error::Result;
use crate::maybe_send::BoxFuture;
use crate::transport::{HttpRequest, HttpResponse};

pub use sign::{Signing, rpc_signature, sign, sign_rpc};

/// The scheme of its keys.
pub const SCHEME: &str = "alibaba";

/// The longest context, as JSON text, in bytes. The service names no limit; a request has to stay
/// one that every proxy lets through.
const MAX_CONTEXT: usize = 2048;

/// What Alibaba's KMS can.
///
/// ```
/// use keyfold::kms::alibaba::CAPABILITIES;
/// use keyfold::kms::cloud::{Capability, Support};
///
/// assert_eq!(CAPABILITIES.support(Capability::SignMessage), Support::Composed);
/// assert_eq!(CAPABILITIES.support(Capability::Random), Support::Absent);
/// ```
pub const CAPABILITIES: Capabilities = Capabilities {
    scheme: SCHEME,
    title: "Alibaba Cloud KMS",
    composed: &[Capability::SignMessage, Capability::PutSecret],
    absent: &[Capability::Random],
    context: ContextForm::Text { max: MAX_CONTEXT },
    max_plaintext: 6 * 1024,
    max_secret: 30_720,
    key_deletion_days: (7, 366),
    alias_is_a_name: true,
    calls: (1, 1),
};

/// Where the parameters of a request go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parameters {
    /// Into the URL, but for the values of secrets: as the vendor's SDK does.
    #[default]
    Query,
    /// All of them into the body, which no proxy logs. Whether the service takes them there is
    /// not confirmed.
    Body,
}

/// Where Alibaba's KMS is, and how requests are signed.
///
/// ```
/// use keyfold::kms::alibaba::{AlibabaConfig, Signing};
///
/// let public = AlibabaConfig::new("cn-hangzhou")?;
/// let from_within = AlibabaConfig::vpc("cn-hangzhou")?;
/// let classic = AlibabaConfig::new("cn-hangzhou")?.with_signing(Signing::Rpc);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AlibabaConfig {
    site: Site,
    region: String,
    signing: Signing,
    parameters: Parameters,
    /// The instance that new keys and secrets are made in.
    instance: Option<String>,
}

impl AlibabaConfig {
    /// A region of Alibaba's.
    ///
    /// # Errors
    /// `invalid_argument` for a region of another form.
    pub fn new(region: &str) -> Result<Self> {
        Self::under(region, "kms")
    }

    /// The same, from within the cloud's own network.
    ///
    /// # Errors
    /// `invalid_argument` for a region of another form.
    pub fn vpc(region: &str) -> Result<Self> {
        Self::under(region, "kms-vpc")
    }

    fn under(region: &str, host: &str) -> Result<Self> {
        check_region(region)?;
        let endpoint = Endpoint::parse(&format!("https://{host}.{region}.aliyuncs.com"))?;
        Ok(AlibabaConfig {
            site: Site::new(region, endpoint.clone(), endpoint),
            region: region.to_owned(),
            signing: Signing::default(),
            parameters: Parameters::default(),
            instance: None,
        })
    }

    /// A place of the configuration. Its settings: `network`, `public` (the default) or `vpc`;
    /// `signing`, `acs3-hmac-sha256` (the default), `acs3-hmac-sm3`, `acs4-hmac-sha256` or `rpc`;
    /// `parameters`, `query` (the default) or `body`; `instance`, the id of the KMS instance that
    /// new keys and secrets are made in.
    ///
    /// ```
    /// use keyfold::kms::alibaba::AlibabaConfig;
    /// use keyfold::kms::cloud::Place;
    ///
    /// let mut place = Place::default();
    /// place.settings.insert("network".into(), "vpc".into());
    /// let config = AlibabaConfig::of_place("cn-hangzhou", &place)?;
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` for values of another form.
    pub fn of_place(name: &str, place: &Place) -> Result<Self> {
        place.check_settings(&["network", "signing", "parameters", "instance"])?;
        let region = place.region.as_deref().unwrap_or(name);
        let within = place.choice("network", &[("public", false), ("vpc", true)])?;
        let mut config = if within { Self::vpc(region) } else { Self::new(region) }?;
        config.signing = place.choice(
            "signing",
            &[
                ("acs3-hmac-sha256", Signing::Acs3Sha256),
                ("acs3-hmac-sm3", Signing::Acs3Sm3),
                ("acs4-hmac-sha256", Signing::Acs4Sha256),
                ("rpc", Signing::Rpc),
            ],
        )?;
        config.parameters = place
            .choice("parameters", &[("query", Parameters::Query), ("body", Parameters::Body)])?;
        config.instance = place.settings.get("instance").cloned();
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

    /// Another way to sign.
    #[must_use]
    pub fn with_signing(mut self, signing: Signing) -> Self {
        self.signing = signing;
        self
    }

    /// Another place for the parameters.
    #[must_use]
    pub fn with_parameters(mut self, parameters: Parameters) -> Self {
        self.parameters = parameters;
        self
    }
}

impl From<AlibabaConfig> for CloudConfig {
    fn from(config: AlibabaConfig) -> Self {
        CloudConfig::of(config)
    }
}

impl Provider for AlibabaConfig {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn sign(&self, ask: &Ask, credentials: &Credentials, stamp: &Stamp) -> Result<HttpRequest> {
        let endpoint = self.site.endpoint(ask.service);
        let in_body = |name: &str| self.parameters == Parameters::Body || name == "SecretData";
        let part = |of_body: bool| {
            let mut pairs: Vec<(&str, &str)> = ask
                .query
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .filter(|(name, _)| in_body(name) == of_body)
                .collect();
            pairs.sort_unstable();
            percent::form(pairs)
        };
        let (query, body) = (part(false), part(true));
        let mut url = Zeroizing::new(endpoint.url("/"));
        if !query.is_empty() {
            url.reserve(query.len() + 1);
            url.push('?');
            url.push_str(&query);
        }
        let mut request = HttpRequest {
            method: ask.method.to_owned(),
            url: std::mem::take(&mut *url),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            body: body.as_bytes().to_vec(),
        };
        if !request.body.is_empty() {
            let form = "application/x-www-form-urlencoded".to_owned();
            request.headers.push(("content-type".to_owned(), form));
        }
        let nonce = hex(&stamp.nonce);
        if self.signing == Signing::Rpc {
            let fixed = [("Action", ask.operation), ("Version", VERSION), ("Format", "json")];
            sign_rpc(&mut request, &fixed, credentials, stamp.at, &nonce)?;
        } else {
            for (name, value) in [("x-acs-action", ask.operation), ("x-acs-version", VERSION)] {
                request.headers.push((name.to_owned(), value.to_owned()));
            }
            sign(&mut request, credentials, self.signing, &self.region, stamp.at, &nonce)?;
        }
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

/// The version of the API.
const VERSION: &str = "2016-01-20";

/// A request by the name of its action.
fn ask(service: Service, action: &'static str, parameters: &[(&str, &str)]) -> Ask {
    let ask = Ask::bare(service, "POST", action, "/");
    parameters.iter().fold(ask, |ask, (name, value)| ask.with_query(name, value))
}
