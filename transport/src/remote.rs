//! A remote KMS over the native network.

use std::sync::Arc;

use keyfold::Result;
use keyfold::credentials::CredentialsProvider;
use keyfold::kms::cloud::{self, ConnectedCloud, Places};
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

/// Reaches a KMS of a cloud by its URI, such as `tencent://ap-guangzhou`, or by the URI of a key
/// there. `places` says where it is, unless it is a region of the vendor's own. Nothing is sent
/// yet.
///
/// ```
/// use keyfold::kms::cloud::Places;
/// use keyfold::{Client, RouterKms};
/// use keyfold_transport::{
///     CloudChoice, Environment, HttpOptions, HttpTransport, RemoteOptions, cloud_credentials,
///     connect_cloud,
/// };
///
/// let transport = HttpTransport::new(&HttpOptions::default())?;
/// let environment = Environment::new(|name| match name {
///     "TENCENTCLOUD_SECRET_ID" => Some("AKIDEXAMPLE".into()),
///     "TENCENTCLOUD_SECRET_KEY" => Some("EXAMPLEsecretKEY".into()),
///     _ => None,
/// });
/// let (uri, places) = ("tencent://ap-guangzhou", Places::new());
/// let choice = CloudChoice::default();
/// let credentials = cloud_credentials(&environment, uri, &places, &choice, &transport)?;
/// let kms = connect_cloud(uri, &places, credentials, transport, &RemoteOptions::default())?;
/// let kf = Client::new(RouterKms::new().route("tencent://ap-guangzhou/", kms));
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `invalid_argument` for a URI of another form or provider, and for a configuration that cannot
/// be right.
pub fn connect_cloud(
    uri: &str,
    places: &Places,
    credentials: Arc<dyn CredentialsProvider>,
    transport: HttpTransport,
    options: &RemoteOptions,
) -> Result<ConnectedCloud> {
    let clock = transport.clock();
    cloud::connect(uri, places, credentials, Arc::new(transport), &clock, options)
}
