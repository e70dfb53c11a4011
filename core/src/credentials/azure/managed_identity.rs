//! The identity of a machine at Azure, from its metadata service.

use std::sync::Arc;

use super::client::check_client;
use crate::clock::WallClock;
use crate::credentials::{Credentials, CredentialsProvider, oauth, parse};
use crate::error::{ErrorCode, Result};
use crate::kms::endpoint::Endpoint;
use crate::kms::percent;
use crate::maybe_send::BoxFuture;
use crate::transport::Transport;

const URL: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// Asks the metadata service of a machine at Azure for a token of its identity.
///
/// Where the service cannot be reached, or the machine has no identity, there are no credentials.
///
/// ```
/// use keyfold::credentials::{AzureManagedIdentityCredentials, CachedCredentials};
/// use keyfold::kms::azure::AzureConfig;
/// # use keyfold::{Transport, WallClock};
///
/// # fn example<T: Transport, C: WallClock + Clone>(transport: T, clock: C) -> keyfold::Result<()> {
/// let vault = AzureConfig::vault("my-vault")?;
/// let source = AzureManagedIdentityCredentials::new(
///     transport, clock.clone(), vault.resource(), None,
/// )?;
/// let credentials = CachedCredentials::new(source, clock);
/// # Ok(())
/// # }
/// ```
pub struct AzureManagedIdentityCredentials<T, C> {
    transport: T,
    clock: C,
    resource: String,
    client: Option<String>,
}

impl<T: Transport, C: WallClock> AzureManagedIdentityCredentials<T, C> {
    /// Asks over this transport, which should give up soon where nobody answers. `resource` is
    /// [`AzureConfig::resource`](crate::kms::azure::AzureConfig::resource); `client` names one of
    /// several identities by its client id.
    ///
    /// # Errors
    /// `invalid_argument` for a resource or id of another form.
    pub fn new(transport: T, clock: C, resource: &str, client: Option<&str>) -> Result<Self> {
        client.map_or(Ok(()), check_client)?;
        let resource = Endpoint::parse(resource)?.url("");
        let client = client.map(str::to_owned);
        Ok(AzureManagedIdentityCredentials { transport, clock, resource, client })
    }

    async fn fetch(&self) -> Result<Option<Arc<Credentials>>> {
        let mut pairs = vec![("api-version", "2018-02-01"), ("resource", &self.resource)];
        pairs.extend(self.client.as_deref().map(|client| ("client_id", client)));
        let url = format!("{URL}?{}", *percent::form(pairs));
        // Without it no forged request gets at the token.
        let headers = vec![("metadata".to_owned(), "true".to_owned())];
        let now = self.clock.unix_time();
        let response = match self.transport.send(parse::bare("GET", url, headers)).await {
            Ok(response) => response,
            // Not a machine of this kind.
            Err(error) if error.code == ErrorCode::KmsUnavailable => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Another cloud's machine, or one without an identity; one that is named should be there.
        if matches!(response.status, 400 | 404) && self.client.is_none() {
            return Ok(None);
        }
        let response = parse::check(response)?;
        oauth::from_json(&response.body, now).map(|found| Some(Arc::new(found)))
    }
}

impl<T: Transport, C: WallClock> CredentialsProvider for AzureManagedIdentityCredentials<T, C> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(self.fetch())
    }
}
