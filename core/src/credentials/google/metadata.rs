//! The metadata service of a machine at Google.

use std::sync::Arc;

use crate::clock::WallClock;
use crate::credentials::{Credentials, CredentialsProvider, oauth, parse};
use crate::error::{ErrorCode, Result};
use crate::maybe_send::BoxFuture;
use crate::transport::Transport;

const URL: &str =
    "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token";
/// In the request, so that no forged one gets at the token; in the answer, so that it is theirs.
const FLAVOR: (&str, &str) = ("metadata-flavor", "Google");

/// Asks the metadata service of a machine, a container or a function at Google for a token of its
/// service account.
///
/// Where the service cannot be reached, or the machine has no account, there are no credentials.
///
/// ```
/// use keyfold::credentials::{CachedCredentials, GoogleMetadataCredentials};
/// # use keyfold::Transport;
///
/// # fn example<T: Transport, C: keyfold::WallClock + Clone>(transport: T, clock: C) {
/// let source = GoogleMetadataCredentials::new(transport, clock.clone());
/// let credentials = CachedCredentials::new(source, clock);
/// # }
/// ```
pub struct GoogleMetadataCredentials<T, C> {
    transport: T,
    clock: C,
}

impl<T: Transport, C: WallClock> GoogleMetadataCredentials<T, C> {
    /// Asks over this transport, which should give up soon where nobody answers.
    pub fn new(transport: T, clock: C) -> Self {
        GoogleMetadataCredentials { transport, clock }
    }

    async fn fetch(&self) -> Result<Option<Arc<Credentials>>> {
        let headers = vec![(FLAVOR.0.to_owned(), FLAVOR.1.to_owned())];
        let request = parse::bare("GET", URL.to_owned(), headers);
        let now = self.clock.unix_time();
        let response = match self.transport.send(request).await {
            Ok(response) => response,
            // Not a machine of this kind.
            Err(error) if error.code == ErrorCode::KmsUnavailable => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if response.header(FLAVOR.0) != Some(FLAVOR.1) {
            // Something else is at this address: another cloud's service, a proxy.
            return Ok(None);
        }
        match parse::check(response) {
            Ok(response) => {
                oauth::from_json(&response.body, now).map(|found| Some(Arc::new(found)))
            }
            // A machine without an account.
            Err(error) if error.code() == ErrorCode::KmsProtocol => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl<T: Transport, C: WallClock> CredentialsProvider for GoogleMetadataCredentials<T, C> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(self.fetch())
    }
}
