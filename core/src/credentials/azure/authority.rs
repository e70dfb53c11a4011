//! Who gives out tokens for a vault, and what a vault itself says about that.

use crate::credentials::parse;
use crate::error::{Error, ErrorCode, Result};
use crate::kms::endpoint::{Endpoint, split_scheme};
use crate::transport::Transport;

/// Who gives out tokens in the clouds there are. A vault that names anybody else gets no secret.
const LOGINS: [(&str, &str); 3] = [
    (".azure.cn", "https://login.chinacloudapi.cn"),
    (".usgovcloudapi.net", "https://login.microsoftonline.us"),
    ("", "https://login.microsoftonline.com"),
];
/// Another name of one of them.
const OTHER_LOGINS: [&str; 1] = ["https://login.partner.microsoftonline.cn"];

/// A tenant that gives out tokens, and what they are for.
///
/// ```
/// use keyfold::credentials::AzureAuthority;
///
/// let authority = AzureAuthority::new("contoso.onmicrosoft.com", "https://vault.azure.net")?;
/// // What a vault answers to whoever brings no token says the same.
/// let challenge = "Bearer authorization=\"https://login.microsoftonline.com/contoso.onmicrosoft.com\", \
///                  resource=\"https://vault.azure.net\"";
/// let vault = "https://my-vault.vault.azure.net";
/// assert_eq!(AzureAuthority::of_challenge(challenge, vault)?, authority);
/// // Tokens for other services are not asked for.
/// assert!(AzureAuthority::of_challenge(challenge, "https://vault.example.com").is_err());
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureAuthority {
    /// The tenant's address, without `/` at the end.
    url: String,
    resource: String,
}

impl AzureAuthority {
    /// A tenant by its id or domain. `resource` is
    /// [`AzureConfig::resource`](crate::kms::azure::AzureConfig::resource), which tells the cloud
    /// too.
    ///
    /// # Errors
    /// `invalid_argument` for values of another form.
    pub fn new(tenant: &str, resource: &str) -> Result<Self> {
        let of = |login: &&(&str, &str)| resource.ends_with(login.0);
        // The last one fits always.
        let login = LOGINS.iter().find(of).map_or(LOGINS[2].1, |login| login.1);
        Self::at(login, tenant, resource)
    }

    /// A tenant at another address than those of the clouds there are: a private cloud, a test
    /// server.
    ///
    /// # Errors
    /// `invalid_argument` for values of another form.
    pub fn at(login: &str, tenant: &str, resource: &str) -> Result<Self> {
        let of_tenant = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        let fits = (1..=255).contains(&tenant.len())
            && tenant.bytes().all(of_tenant)
            && !matches!(tenant, "." | "..");
        if !fits {
            return Err(Error::invalid("a tenant is named by its id or its domain"));
        }
        Ok(AzureAuthority {
            url: Endpoint::parse(login)?.url(&format!("/{tenant}")),
            resource: Endpoint::parse(resource)?.url(""),
        })
    }

    /// What a vault demands, in the header `WWW-Authenticate` of its answer to whoever brings no
    /// token. `vault` is [`AzureConfig::url`](crate::kms::azure::AzureConfig::url).
    ///
    /// # Errors
    /// `kms_denied` where it demands a token for something else than its own domain, or from
    /// somebody who gives out none for Azure; `kms_protocol` for a header of another form.
    pub fn of_challenge(challenge: &str, vault: &str) -> Result<Self> {
        let wrong = || Error::new(ErrorCode::KmsProtocol, "the challenge is not understood");
        let url = parameter(challenge, &["authorization", "authorization_uri"]);
        let resource = demanded(challenge).ok_or_else(wrong)?;
        let (scheme, rest) = url.and_then(split_scheme).ok_or_else(wrong)?;
        let (host, tenant) = rest.trim_end_matches('/').split_once('/').ok_or_else(wrong)?;
        let login = format!("{scheme}://{host}");
        let found = Self::at(&login, tenant, resource).map_err(|_| wrong())?;
        let local = |url: &str| Endpoint::parse(url).is_ok_and(|endpoint| endpoint.is_loopback());
        let known = LOGINS.iter().any(|known| known.1 == login)
            || OTHER_LOGINS.contains(&login.as_str())
            || (local(&login) && local(vault));
        let (theirs, ours) = (host_of(&found.resource), host_of(vault));
        let within = ours == theirs
            || (theirs.contains('.')
                && ours.strip_suffix(theirs).is_some_and(|rest| rest.ends_with('.')));
        if known && within {
            return Ok(found);
        }
        let detail = "the vault demands a token that is not for it, and gets none";
        Err(Error::new(ErrorCode::KmsDenied, detail))
    }

    /// Asks a vault which tenant it trusts, without a token.
    ///
    /// # Errors
    /// Those of [`of_challenge`](AzureAuthority::of_challenge), and `kms_unavailable` where nobody
    /// answers.
    pub async fn ask<T: Transport>(transport: &T, vault: &str) -> Result<Self> {
        let url = Endpoint::parse(vault)?.url("/keys?api-version=7.4");
        let response = transport.send(parse::bare("GET", url, Vec::new())).await?;
        match response.header("www-authenticate") {
            Some(challenge) if response.status == 401 => Self::of_challenge(challenge, vault),
            _ => Err(parse::not_understood()),
        }
    }

    /// What its tokens are for.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Where tokens are asked for.
    pub(super) fn token_url(&self) -> String {
        format!("{}/oauth2/v2.0/token", self.url)
    }

    /// The scope of tokens.
    pub(super) fn scope(&self) -> String {
        format!("{}/.default", self.resource)
    }

    /// Whether a challenge demands a token for this resource, as far as it says.
    pub(crate) fn fits(challenge: &str, resource: &str) -> bool {
        demanded(challenge).is_none_or(|demanded| demanded.eq_ignore_ascii_case(resource))
    }
}

/// The resource that a challenge demands a token for.
fn demanded(challenge: &str) -> Option<&str> {
    let named = parameter(challenge, &["resource", "scope"])?;
    Some(named.strip_suffix("/.default").unwrap_or(named).trim_end_matches('/'))
}

/// A parameter of a challenge of the scheme `Bearer` (RFC 9110, section 11.6.1). None that matters
/// has a comma in it.
fn parameter<'a>(challenge: &'a str, names: &[&str]) -> Option<&'a str> {
    let (scheme, rest) = challenge.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let pairs = rest.split(',').filter_map(|pair| pair.split_once('='));
    let mut found = pairs.filter(|(name, _)| names.contains(&name.trim()));
    found.next().map(|(_, value)| value.trim().trim_matches('"'))
}

/// The host in an address, with its port where it has one.
fn host_of(url: &str) -> &str {
    let rest = split_scheme(url).map_or("", |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}
