//! A remote KMS over the native network.

use std::sync::Arc;

use keyfold::Result;
use keyfold::credentials::CredentialsProvider;
use keyfold::kms::remote;
pub use keyfold::kms::remote::{RemoteKms, RemoteOptions, connect as connect_over};

use crate::http::HttpTransport;

/// Reaches a KMS by its URI:
///
/// - `keyfold://HOST[:PORT]`: keyfold's own server, over TLS;
/// - `keyfold+http://127.0.0.1:PORT`: the same without TLS, on this machine only;
/// - `aws://REGION`: AWS KMS and Secrets Manager in that region.
///
/// Nothing is sent yet.
///
/// ```
/// use std::sync::Arc;
/// use keyfold::credentials::{Credentials, StaticCredentials};
/// use keyfold_transport::{HttpOptions, HttpTransport, RemoteOptions, connect};
///
/// let transport = HttpTransport::new(&HttpOptions::default())?;
/// let token = Credentials::bearer(&b"eyJhbGciOiJFUzI1NiJ9.e30.c2ln".to_vec().into())?;
/// let credentials = Arc::new(StaticCredentials::new(token));
/// let kms = connect("aws://eu-west-1", credentials, transport, &RemoteOptions::default())?;
/// assert_eq!(kms.config().scheme(), "aws");
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `invalid_argument` for a URI or region of another form.
pub fn connect(
    uri: &str,
    credentials: Arc<dyn CredentialsProvider>,
    transport: HttpTransport,
    options: &RemoteOptions,
) -> Result<RemoteKms> {
    let clock = transport.clock();
    remote::connect(uri, credentials, Arc::new(transport), &clock, options)
}
