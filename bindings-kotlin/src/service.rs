//! Which KMS a client talks to.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use keyfold::kms::Kms;
use keyfold::kms::aws::Service;
use keyfold::kms::cloud;
pub(crate) use keyfold::kms::cloud::Places;
use keyfold::kms::remote::{RemoteKms, RemoteOptions, connect};
#[cfg(feature = "sqlite")]
use keyfold::{Error, ErrorCode, SystemRng};
use keyfold::{Result, RetryLimits, RouterKms};
use keyfold_kms::EmbeddedKms;
#[cfg(feature = "sqlite")]
use keyfold_kms::{
    EngineOptions, OpenError,
    folder::Folder,
    root::{FileSealer, PassphraseSealer, RootSealer},
    store::StoreError,
};
use zeroize::Zeroizing;

use crate::caller::Caller;
use crate::cloud::{Cloud, CloudCapabilities, is_cloud};
use crate::error::{Answer, invalid};
use crate::foreign::{ForeignKms, ForeignTransport, HostKms, HostTransport};
use crate::manage::strange;
use crate::sealer::{ForeignSealer, HostSealer};
use crate::secret::Secret;
use crate::time::{HostClock, Timer};
use crate::wire::{KmsRequest, KmsResponse};

/// A KMS: in this process, at the other end of a network, or the language's own.
#[derive(uniffi::Object)]
pub struct KeyService(RwLock<Option<Kind>>);

#[derive(Clone)]
enum Kind {
    Embedded(Arc<EmbeddedKms>),
    Remote(Arc<RemoteKms>),
    Cloud(Arc<Cloud>),
    Router(Arc<RouterKms>),
    Foreign(Arc<HostKms>),
}

/// How the root key of an embedded KMS is kept.
#[derive(uniffi::Record)]
pub struct EmbeddedOptions {
    /// Whether a KMS is made where there is none.
    pub create: bool,
    /// What opens the root key.
    pub passphrase: Option<Arc<Secret>>,
    /// The file of the root key; `root.key` in the folder where absent.
    pub root_key: Option<String>,
    /// A key store of the platform's.
    pub sealer: Option<Arc<dyn ForeignSealer>>,
}

/// How a KMS is reached.
#[derive(uniffi::Record)]
pub struct RemoteSettings {
    /// For one call with all its repetitions, in milliseconds.
    pub timeout_millis: u64,
    /// How often a call that failed for a while is repeated.
    pub retries: u32,
    /// The region that requests are signed for, where it is not that of the URL.
    pub region: Option<String>,
    /// What is configured of a cloud's places, by their KMS's URI.
    pub places: HashMap<String, Place>,
}

/// What is configured of a cloud's place; everything has a default.
#[derive(uniffi::Record)]
pub struct Place {
    /// The region that requests name, where it is not the place's own name.
    pub region: Option<String>,
    /// The address of the KMS.
    pub keys: Option<String>,
    /// The address of the password safe.
    pub secrets: Option<String>,
    /// What else the provider's configuration has, by name.
    pub settings: HashMap<String, String>,
}

impl From<Place> for cloud::Place {
    fn from(place: Place) -> Self {
        let Place { region, keys, secrets, settings } = place;
        cloud::Place { region, keys, secrets, settings: settings.into_iter().collect() }
    }
}

/// A KMS behind a router.
#[derive(uniffi::Record)]
pub struct Route {
    /// How the URIs of its keys begin.
    pub prefix: String,
    /// The KMS.
    pub kms: Arc<KeyService>,
}

impl KeyService {
    fn of(kind: Kind) -> Arc<Self> {
        Arc::new(KeyService(RwLock::new(Some(kind))))
    }

    fn kind(&self) -> Result<Kind> {
        let kind = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kind.clone().ok_or_else(|| invalid("the KMS is closed"))
    }

    pub(crate) fn kms(&self) -> Result<Arc<dyn Kms>> {
        Ok(match self.kind()? {
            Kind::Embedded(kms) => kms,
            Kind::Remote(kms) => kms,
            Kind::Cloud(kms) => kms,
            Kind::Router(kms) => kms,
            Kind::Foreign(kms) => kms,
        })
    }

    /// The scheme of its keys.
    pub(crate) fn scheme(&self) -> Result<&'static str> {
        Ok(match self.kind()? {
            Kind::Remote(kms) => kms.config().scheme(),
            Kind::Cloud(kms) => kms.capabilities().scheme,
            _ => keyfold_kms::embedded::SCHEME,
        })
    }

    /// Whether keys are named, and made, as a cloud does that.
    pub(crate) fn is_cloud(&self) -> Result<bool> {
        Ok(matches!(self.kind()?, Kind::Cloud(_)))
    }

    /// Performs an operation that manages keys or secrets, JSON in and JSON out.
    pub(crate) async fn operation(
        &self,
        name: &str,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        match self.kind()? {
            Kind::Embedded(kms) => kms.operation(name, &body).map(Zeroizing::new),
            Kind::Remote(kms) => kms.operation(Service::of_operation(name), name, body).await,
            Kind::Cloud(kms) => {
                let request = serde_json::from_slice(&body).map_err(|_| strange())?;
                let answer = kms.operation(name, &request).await?;
                Ok(Zeroizing::new(answer.to_string().into_bytes()))
            }
            Kind::Router(_) => Err(invalid("keys are managed at the KMS that has them")),
            Kind::Foreign(_) => Err(invalid("a KMS of the caller's own is managed by the caller")),
        }
    }
}

#[uniffi::export]
impl KeyService {
    /// A KMS that ends with the process, for tests and trials.
    ///
    /// # Errors
    /// `internal` where the system has no randomness.
    #[uniffi::constructor]
    pub fn in_memory() -> Answer<Arc<Self>> {
        Ok(KeyService::of(Kind::Embedded(Arc::new(EmbeddedKms::in_memory()?))))
    }

    /// The KMS in a folder.
    ///
    /// # Errors
    /// `kms_unavailable` where there is none; `kms_denied` where nothing that was given opens the
    /// root key.
    #[uniffi::constructor]
    pub fn embedded(folder: String, options: EmbeddedOptions) -> Answer<Arc<Self>> {
        let kms = open(PathBuf::from(folder).as_path(), options)?;
        Ok(KeyService::of(Kind::Embedded(Arc::new(kms))))
    }

    /// The KMS at a URL, over the language's own network and timers.
    ///
    /// # Errors
    /// `invalid_argument` for another form of URL or credentials.
    #[uniffi::constructor]
    pub fn remote(
        url: String,
        transport: Arc<dyn ForeignTransport>,
        caller: Caller,
        timer: Arc<dyn Timer>,
        settings: RemoteSettings,
    ) -> Answer<Arc<Self>> {
        let options = RemoteOptions {
            region: settings.region,
            retry: RetryLimits { max_retries: settings.retries as usize, ..RetryLimits::default() },
            deadline: Duration::from_millis(settings.timeout_millis),
            ..RemoteOptions::default()
        };
        if options.deadline.is_zero() {
            return Err(invalid("a timeout is more than 0").into());
        }
        let (transport, clock) = (Arc::new(HostTransport(transport)), HostClock(timer));
        let places = settings.places.into_iter();
        let mut places: Places = places.map(|(uri, place)| (uri, place.into())).collect();
        let credentials = caller.credentials(&url, &mut places, &transport, &clock)?;
        Ok(KeyService::of(if is_cloud(&url) {
            let kms =
                crate::cloud::connect(&url, &places, credentials, transport, &clock, &options)?;
            Kind::Cloud(Arc::new(kms))
        } else if places.is_empty() {
            Kind::Remote(Arc::new(connect(&url, credentials, transport, &clock, &options)?))
        } else {
            return Err(invalid("places are a cloud's: here the URL says where the KMS is").into());
        }))
    }

    /// Several KMS behind one: each request goes to the one whose keys it names, by how the key's
    /// URI begins; the longest beginning that fits counts.
    ///
    /// # Errors
    /// `invalid_argument` for one that is closed.
    #[uniffi::constructor]
    pub fn router(routes: Vec<Route>, otherwise: Option<Arc<KeyService>>) -> Answer<Arc<Self>> {
        let mut router = RouterKms::new();
        for route in routes {
            router = router.route(route.prefix, route.kms.kms()?);
        }
        if let Some(kms) = otherwise {
            router = router.otherwise(kms.kms()?);
        }
        Ok(KeyService::of(Kind::Router(Arc::new(router))))
    }

    /// What it can, where it is a cloud's.
    ///
    /// # Errors
    /// `invalid_argument` where it is closed.
    pub fn capabilities(&self) -> Answer<Option<CloudCapabilities>> {
        Ok(match self.kind()? {
            Kind::Cloud(kms) => Some(kms.capabilities().into()),
            _ => None,
        })
    }

    /// A KMS of the language's own.
    #[uniffi::constructor]
    pub fn foreign(kms: Arc<dyn ForeignKms>) -> Arc<Self> {
        KeyService::of(Kind::Foreign(Arc::new(HostKms(kms))))
    }

    /// Performs a request.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn call(&self, request: KmsRequest) -> Answer<KmsResponse> {
        let request = request.into_request()?;
        Ok(KmsResponse::of(&self.kms()?.call(&request).await?)?)
    }

    /// Lets go of it; clients over it go on. A second time does nothing.
    pub fn release(&self) {
        let kind = self.0.write().unwrap_or_else(PoisonError::into_inner).take();
        // What it ends with needs no lock.
        drop(kind);
    }
}

#[cfg(feature = "sqlite")]
fn open(folder: &Path, options: EmbeddedOptions) -> Result<EmbeddedKms> {
    let folder = Folder::new(folder);
    let root_key = options.root_key.map_or_else(|| folder.root_key(), PathBuf::from);
    let passphrase = options.passphrase.as_ref().map(|secret| secret.copy()).transpose()?;
    let passphrase = passphrase.map(PassphraseSealer::new);
    let host = options.sealer.map(HostSealer::new);
    if options.create {
        folder.make().map_err(Error::from)?;
        let file;
        let slot: (&str, &dyn RootSealer) = match (&host, &passphrase) {
            (Some(host), None) => (host.kind(), host),
            (None, Some(passphrase)) => ("passphrase", passphrase),
            (None, None) => {
                file = FileSealer::open_or_create(&root_key, &SystemRng)
                    .map_err(|error| Error::new(ErrorCode::Io, error.to_string()))?;
                ("file", &file)
            }
            (Some(_), Some(_)) => {
                return Err(invalid("a new KMS has one way to its root key"));
            }
        };
        match EmbeddedKms::create(&folder.database(), &[slot], EngineOptions::default()) {
            Err(OpenError::Exists) => {}
            made => return made.map_err(|error| explain(&folder, error)),
        }
    }
    let file = FileSealer::new(&root_key);
    let mut sealers: Vec<&dyn RootSealer> = vec![&file];
    sealers.extend(passphrase.as_ref().map(|sealer| sealer as &dyn RootSealer));
    sealers.extend(host.as_ref().map(|sealer| sealer as &dyn RootSealer));
    EmbeddedKms::open(&folder.database(), &sealers).map_err(|error| explain(&folder, error))
}

/// Says which folder an error is about.
#[cfg(feature = "sqlite")]
fn explain(folder: &Folder, error: OpenError) -> Error {
    let place = folder.path().display();
    let missing = matches!(error, OpenError::NoRoot | OpenError::Store(StoreError::Missing(_)));
    let error = Error::from(error);
    if missing {
        return Error::new(error.code(), format!("there is no KMS in {place}"))
            .with_retry(keyfold::Retry::AfterChange);
    }
    Error::new(error.code(), format!("{place}: {}", error.detail()))
        .with_retry(error.retry())
        .with_source(error)
}

#[cfg(not(feature = "sqlite"))]
fn open(_: &Path, options: EmbeddedOptions) -> Result<EmbeddedKms> {
    // What would seal the root key.
    drop(options.sealer.map(HostSealer::new));
    Err(invalid("this build has no embedded KMS in a folder"))
}
