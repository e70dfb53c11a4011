//! Huawei Cloud: DEW, its KMS, and CSMS, its password safe.
//!
//! Keys are named `huawei://REGION/KEY-ID` or `huawei://REGION/alias/NAME`.
//! [`CloudKms`](super::cloud::CloudKms) drives it; what it needs and offers is in
//! `docs/providers/huawei.md`.

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
    Stamp,
};
use super::endpoint::{Endpoint, check_region};
use super::percent;
use super::wire::Members;
use super::{Request, Response};
use crate::context::EncryptionContext;
use crate::credentials::{Credentials, Kind};
use crate::error::{Error, Result};
use crate::keys::ProviderParams;
use crate::maybe_send::BoxFuture;
use crate::transport::{HttpRequest, HttpResponse};

pub use sign::{Signing, sign};

/// The scheme of its keys.
pub const SCHEME: &str = "huawei";

/// What Huawei's KMS and CSMS can.
///
/// ```
/// use keyfold::kms::cloud::{Capability, Support};
/// use keyfold::kms::huawei::CAPABILITIES;
///
/// assert_eq!(CAPABILITIES.support(Capability::DeleteAlias), Support::Native);
/// ```
pub const CAPABILITIES: Capabilities = Capabilities {
    scheme: SCHEME,
    title: "Huawei Cloud DEW (KMS and CSMS)",
    composed: &[Capability::PutSecret],
    absent: &[Capability::SealReply],
    context: ContextForm::Text { max: Aad::MAX_TEXT },
    // As text in Base64, of which the service takes 4096 bytes.
    max_plaintext: 3072,
    max_secret: 32 * 1024,
    key_deletion_days: (7, 1096),
    alias_is_a_name: true,
    calls: (1, 1),
};

/// In which member of a request a deployment takes the encryption context.
///
/// ```
/// use keyfold::kms::huawei::{Aad, HuaweiConfig};
///
/// let older = HuaweiConfig::new("ap-southeast-3", "0123456789abcdef0123456789abcdef")?
///     .with_aad(Aad::Pairs);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aad {
    /// As text of at most 128 bytes, in `additional_authenticated_data`: the newer deployments.
    #[default]
    Text,
    /// As pairs, in `encryption_context`: the older and the international ones, and the clouds of
    /// partners. They cannot rewrap: a key is unwrapped and wrapped instead.
    Pairs,
}

impl Aad {
    const MAX_TEXT: usize = 128;
}

/// Where Huawei's services are, and which dialect they speak.
///
/// ```
/// use keyfold::kms::huawei::HuaweiConfig;
///
/// let config = HuaweiConfig::new("cn-north-4", "0123456789abcdef0123456789abcdef")?;
/// assert!(HuaweiConfig::new("cn-north-4", "a project's name").is_err());
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct HuaweiConfig {
    site: Site,
    project: String,
    aad: Aad,
    /// How long the data keys are that the deployment makes and wraps, in bytes.
    data_key_len: usize,
    /// SM3 instead of SHA-256, beside the data key that is wrapped.
    sm3_digest: bool,
    signing: Signing,
}

impl HuaweiConfig {
    /// A region of Huawei's, and the id of the project there.
    ///
    /// # Errors
    /// `invalid_argument` for a region or an id of another form.
    pub fn new(region: &str, project: &str) -> Result<Self> {
        check_region(region)?;
        let of_id = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=64).contains(&project.len()) || !project.bytes().all(of_id) {
            return Err(Error::invalid("a project is named by its id, of letters and digits"));
        }
        let domain = if region.starts_with("eu-") { "eu" } else { "com" };
        let endpoint = Endpoint::parse(&format!("https://kms.{region}.myhuaweicloud.{domain}"))?;
        Ok(HuaweiConfig {
            // The SDK's own table has one host for both.
            site: Site::new(region, endpoint.clone(), endpoint),
            project: project.to_owned(),
            aad: Aad::Text,
            data_key_len: 32,
            sm3_digest: false,
            signing: Signing::HmacSha256,
        })
    }

    /// A place of the configuration. Its settings: `project`, the id, which is needed; `aad`,
    /// `text` (the default) or `pairs`; `data_key_bits`, `256` (the default) or `512`;
    /// `data_key_digest`, `sha256` (the default) or `sm3`, which keys of SM4 want; `signing`,
    /// `sdk-hmac-sha256` (the default), `sdk-hmac-sm3` or `v11-hmac-sha256`.
    ///
    /// ```
    /// use keyfold::kms::cloud::Place;
    /// use keyfold::kms::huawei::HuaweiConfig;
    ///
    /// let mut place = Place::default();
    /// place.settings.insert("project".into(), "0123456789abcdef0123456789abcdef".into());
    /// place.settings.insert("aad".into(), "pairs".into());
    /// let config = HuaweiConfig::of_place("cn-north-4", &place)?;
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` for values of another form, or no project.
    pub fn of_place(name: &str, place: &Place) -> Result<Self> {
        place.check_settings(&["project", "aad", "data_key_bits", "data_key_digest", "signing"])?;
        let region = place.region.as_deref().unwrap_or(name);
        let project = place.settings.get("project").ok_or_else(|| {
            Error::invalid("the id of the project is needed: the setting project of this place")
        })?;
        let mut config = Self::new(region, project)?;
        config.aad = place.choice("aad", &[("text", Aad::Text), ("pairs", Aad::Pairs)])?;
        config.data_key_len = place.choice("data_key_bits", &[("256", 32), ("512", 64)])?;
        config.sm3_digest = place.choice("data_key_digest", &[("sha256", false), ("sm3", true)])?;
        config.signing = match place.choice(
            "signing",
            &[("sdk-hmac-sha256", 0), ("sdk-hmac-sm3", 1), ("v11-hmac-sha256", 2)],
        )? {
            0 => Signing::HmacSha256,
            1 => Signing::HmacSm3,
            _ => Signing::V11 { region: region.to_owned(), service: "kms".to_owned() },
        };
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

    /// The dialect of the encryption context.
    #[must_use]
    pub fn with_aad(mut self, aad: Aad) -> Self {
        self.aad = aad;
        self
    }

    /// A deployment that makes and wraps data keys of 512 bits only: keyfold uses the first half.
    #[must_use]
    pub fn with_long_data_keys(mut self) -> Self {
        self.data_key_len = 64;
        self
    }

    /// Writes the context into a request, under a name that begins so; notes in `params` how.
    fn bind(
        &self,
        members: &mut Members,
        prefix: &str,
        context: &EncryptionContext,
        params: &mut ProviderParams,
    ) -> Result<()> {
        match self.aad {
            Aad::Text => {
                let bound = super::cloud::context::bind(context, Aad::MAX_TEXT, params)?;
                let name = format!("{prefix}additional_authenticated_data");
                members.maybe_text(&name, bound.as_deref());
            }
            Aad::Pairs => members.context(&format!("{prefix}encryption_context"), context),
        }
        Ok(())
    }

    /// Writes the context into a request as a record says that it was bound.
    fn bound(
        &self,
        members: &mut Members,
        prefix: &str,
        context: &EncryptionContext,
        params: &ProviderParams,
    ) -> Result<()> {
        let bound = super::cloud::context::bound(context, params)?;
        match self.aad {
            Aad::Text => {
                let name = format!("{prefix}additional_authenticated_data");
                members.maybe_text(&name, bound.as_deref());
            }
            Aad::Pairs if params.contains_key(super::cloud::context::BINDING) => {
                // A digest is text: it was bound in the other dialect.
                return Err(Error::authentication());
            }
            Aad::Pairs => members.context(&format!("{prefix}encryption_context"), context),
        }
        Ok(())
    }

    /// A request about keys, by the last part of its path.
    fn ask(&self, operation: &'static str, members: Members) -> Ask {
        let path = format!("/v1.0/{}/kms/{operation}", self.project);
        Ask::post(Service::Keys, operation, path, members.finish())
    }
}

impl From<HuaweiConfig> for CloudConfig {
    fn from(config: HuaweiConfig) -> Self {
        CloudConfig::of(config)
    }
}

impl Provider for HuaweiConfig {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn sign(&self, ask: &Ask, credentials: &Credentials, stamp: &Stamp) -> Result<HttpRequest> {
        let endpoint = self.site.endpoint(ask.service);
        let mut url = endpoint.url(&ask.path);
        if !ask.query.is_empty() {
            url.push('?');
            let pairs = ask.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            url.push_str(&percent::form(pairs));
        }
        let headers =
            [("content-type", "application/json"), ("x-project-id", self.project.as_str())];
        let mut request = HttpRequest {
            method: ask.method.to_owned(),
            url,
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: ask.body.to_vec(),
        };
        match &credentials.kind {
            Kind::Bearer(token) => {
                request.headers.push(("x-auth-token".to_owned(), token.to_string()));
            }
            _ => sign(&mut request, credentials, &self.signing, stamp.at)?,
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
