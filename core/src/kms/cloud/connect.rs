//! A cloud's KMS, ready to use: with all that belongs around it, over a network and a timer of
//! the host's.

use std::sync::Arc;

use super::places::{Place, Places};
use super::uri::CloudUri;
use super::{Capabilities, CloudConfig, CloudKms};
use crate::clock::{Clock, WallClock};
use crate::credentials::CredentialsProvider;
use crate::crypto::rng::SystemRng;
use crate::error::{Error, Result};
use crate::kms::admin::{AdminRequest, AdminResponse, KmsAdmin};
use crate::kms::alibaba::{self, AlibabaConfig};
use crate::kms::azure::{self, AzureConfig};
use crate::kms::google::{self, GoogleConfig};
use crate::kms::huawei::{self, HuaweiConfig};
use crate::kms::pingan::{self, PingAnConfig};
use crate::kms::remote::{Guarded, RemoteOptions, guard};
use crate::kms::tencent::{self, TencentConfig};
use crate::kms::vault::{self, VaultConfig};
use crate::kms::{Kms, Request, Response};
use crate::maybe_send::BoxFuture;
use crate::transport::Transport;

/// The schemes that [`connect`] knows.
pub const SCHEMES: &[&str] =
    &["alibaba", "azure", "google", "huawei", "pingan", "tencent", "vault"];

/// A KMS of a cloud: its calls are repeated where that helps, it is left alone where it does not
/// answer, and given up in time. What administers it is sent once.
pub struct ConnectedCloud {
    kms: Arc<CloudKms>,
    guarded: Guarded<Arc<CloudKms>>,
}

impl ConnectedCloud {
    /// The KMS without what is around it.
    pub fn kms(&self) -> &CloudKms {
        &self.kms
    }
}

impl Kms for ConnectedCloud {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        self.guarded.call(request)
    }
}

impl KmsAdmin for ConnectedCloud {
    fn administer<'a>(&'a self, request: &'a AdminRequest) -> BoxFuture<'a, Result<AdminResponse>> {
        self.kms.administer(request)
    }
}

/// Reaches a KMS of a cloud by its URI, such as `tencent://ap-guangzhou`, or by the URI of a key
/// there; `places` says where it is unless it is a region of the vendor's own. Nothing is sent
/// yet.
///
/// Several of them stand behind one [`RouterKms`](crate::RouterKms), each under the beginning of
/// its keys.
///
/// ```
/// use std::sync::Arc;
/// use keyfold::credentials::{Credentials, StaticCredentials};
/// use keyfold::kms::cloud::{self, Places};
/// use keyfold::kms::remote::RemoteOptions;
/// use keyfold::{Client, RouterKms};
/// # use keyfold::maybe_send::BoxFuture;
/// # use keyfold::transport::{HttpRequest, HttpResponse, Transport, TransportError};
/// # struct Http;
/// # impl Transport for Http {
/// #     fn send(&self, _: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
/// #         unreachable!()
/// #     }
/// # }
/// # #[derive(Clone)]
/// # struct Timer;
/// # impl keyfold::Clock for Timer {
/// #     fn now(&self) -> std::time::Duration { std::time::Duration::ZERO }
/// #     fn sleep(&self, _: std::time::Duration) -> BoxFuture<'_, ()> { unreachable!() }
/// # }
/// # impl keyfold::WallClock for Timer {
/// #     fn unix_time(&self) -> std::time::Duration { std::time::Duration::ZERO }
/// # }
/// # let (transport, clock) = (Arc::new(Http), Timer);
///
/// let secret = b"EXAMPLEsecretKEYexampleSECRET001".to_vec().into();
/// let key = Credentials::access_key("AKIDEXAMPLEexampleEXAMPLEexample0001", &secret, None)?;
/// let credentials = Arc::new(StaticCredentials::new(key));
/// let options = RemoteOptions::default();
/// let guangzhou = cloud::connect(
///     "tencent://ap-guangzhou", &Places::new(), credentials, transport, &clock, &options,
/// )?;
/// let kf = Client::new(RouterKms::new().route("tencent://ap-guangzhou/", guangzhou));
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `invalid_argument` for a URI of another form or provider, and for a configuration that cannot
/// be right.
pub fn connect<C>(
    uri: &str,
    places: &Places,
    credentials: Arc<dyn CredentialsProvider>,
    transport: Arc<dyn Transport>,
    clock: &C,
    options: &RemoteOptions,
) -> Result<ConnectedCloud>
where
    C: Clock + WallClock + Clone + 'static,
{
    let config = config(uri, places)?;
    let kms = CloudKms::new(config, transport, clock.clone(), credentials, SystemRng);
    let kms = Arc::new(kms);
    let guarded = guard(kms.clone(), Arc::new(clock.clone()), options);
    Ok(ConnectedCloud { kms, guarded })
}

/// The configuration of the KMS that a URI names.
///
/// # Errors
/// Those of [`connect`].
pub fn config(uri: &str, places: &Places) -> Result<CloudConfig> {
    let uri = CloudUri::parse(uri)?;
    let (default, name) = (Place::default(), uri.place());
    let place = places.get(&format!("{}://{name}", uri.scheme())).unwrap_or(&default);
    match uri.scheme() {
        "alibaba" => Ok(AlibabaConfig::of_place(name, place)?.into()),
        "azure" => Ok(AzureConfig::of_place(name, place)?.into()),
        "google" => Ok(GoogleConfig::of_place(name, place)?.near(uri.name())?.into()),
        "huawei" => Ok(HuaweiConfig::of_place(name, place)?.into()),
        "pingan" => Ok(PingAnConfig::of_place(name, place)?.into()),
        "tencent" => Ok(TencentConfig::of_place(name, place)?.into()),
        "vault" => Ok(VaultConfig::of_place(name, place)?.into()),
        _ => Err(Error::invalid(format!("a cloud is one of {}", SCHEMES.join(", ")))),
    }
}

/// What the provider of a scheme can, before a place of it is configured; `None` for a scheme that
/// is not one of [`SCHEMES`]. Where a place's settings change what there is,
/// [`CloudConfig::capabilities`] tells it.
///
/// ```
/// use keyfold::kms::cloud::{SCHEMES, capabilities};
///
/// for scheme in SCHEMES {
///     println!("{scheme}: {}", capabilities(scheme).expect("each has them").title);
/// }
/// assert!(capabilities("ftp").is_none());
/// ```
pub fn capabilities(scheme: &str) -> Option<&'static Capabilities> {
    match scheme {
        "alibaba" => Some(&alibaba::CAPABILITIES),
        "azure" => Some(&azure::CAPABILITIES),
        "google" => Some(&google::CAPABILITIES),
        "huawei" => Some(&huawei::CAPABILITIES),
        "pingan" => Some(&pingan::CAPABILITIES),
        "tencent" => Some(&tencent::CAPABILITIES),
        "vault" => Some(&vault::CAPABILITIES),
        _ => None,
    }
}
