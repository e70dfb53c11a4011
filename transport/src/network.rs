//! What credentials are fetched by: any network, and any clock.

use std::sync::Arc;

use keyfold::{Transport, WallClock};

/// A network and the time of day, for credentials that have to be exchanged for a token.
///
/// A [`HttpTransport`](crate::HttpTransport) is one as it is; a host that brings its own network
/// needs nothing else of this crate, and turns its feature `http` off.
///
/// ```
/// use keyfold_transport::{Environment, HttpOptions, HttpTransport, Network, aws_credentials};
///
/// let http = HttpTransport::new(&HttpOptions::default())?;
/// let network = Network::new(http.clone(), http.clock());
/// let environment = Environment::new(|name| match name {
///     "AWS_ACCESS_KEY_ID" => Some("AKIDEXAMPLE".into()),
///     "AWS_SECRET_ACCESS_KEY" => Some("EXAMPLEsecretKEY".into()),
///     _ => None,
/// });
/// let credentials = aws_credentials(&environment, None, "eu-west-1", network)?;
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone)]
pub struct Network {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn WallClock>,
}

impl Network {
    /// A network and a clock of the host's.
    pub fn new(transport: impl Transport + 'static, clock: impl WallClock + 'static) -> Self {
        Network { transport: Arc::new(transport), clock: Arc::new(clock) }
    }
}

#[cfg(feature = "http")]
impl From<&crate::HttpTransport> for Network {
    fn from(http: &crate::HttpTransport) -> Self {
        Network::new(http.clone(), http.clock())
    }
}
