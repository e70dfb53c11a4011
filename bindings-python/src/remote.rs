//! `keyfold.RemoteKms`: keyfold's own server, AWS, or any other cloud.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keyfold::credentials::{Credentials, CredentialsProvider, StaticCredentials};
use keyfold::kms::aws::Service;
use keyfold::kms::cloud::{self, CloudUri, ConnectedCloud, Places};
use keyfold::kms::sealing::Sealing;
use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::transport::Transport;
use keyfold::{Error, ErrorCode, Result, RetryLimits};
use keyfold_transport::{
    CloudChoice, Environment, HttpOptions, HttpTransport, Network, Proxy, RemoteOptions,
    aws_credentials, cloud_credentials, complete_place, connect, connect_cloud, connect_over,
    keyfold_credentials,
};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use zeroize::Zeroizing;

use crate::buffer::Input;
use crate::credentials::{Given, Variables};
use crate::drive::{DriverClock, wait};
use crate::embedded::secret;
use crate::errors::{OrRaise, invalid};
use crate::foreign::{Foreign, ForeignTransport};
use crate::fork::Live;

/// How it is reached; all of it is Python's, so that a child of a fork can connect anew.
struct Config {
    url: String,
    token: Option<Py<PyAny>>,
    credentials: Option<Py<PyAny>>,
    transport: Option<Py<PyAny>>,
    timeout: Duration,
    retries: usize,
    region: Option<String>,
    profile: Option<String>,
    ca: Option<Vec<u8>>,
    client_certificate: Option<Py<PyAny>>,
    proxy: Proxy,
    places: Places,
    choice: CloudChoice,
    /// Whether clouds behind keyfold's server seal data keys to this process.
    seal: bool,
}

/// The argument `places`: tables of words, by `SCHEME://PLACE`.
type PlacesArg = BTreeMap<String, BTreeMap<String, String>>;

/// What is reached.
pub(crate) enum Connected {
    /// keyfold's own server, or AWS.
    Server(keyfold_transport::RemoteKms),
    Cloud(ConnectedCloud),
}

impl Connected {
    async fn operation(
        &self,
        operation: &str,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        match self {
            Connected::Server(kms) => {
                kms.operation(Service::of_operation(operation), operation, body).await
            }
            Connected::Cloud(kms) => kms.operation(operation, &body).await,
        }
    }
}

impl Kms for Connected {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        match self {
            Connected::Server(kms) => kms.call(request),
            Connected::Cloud(kms) => kms.call(request),
        }
    }
}

/// A KMS at the other end of a network.
#[pyclass(frozen, subclass, weakref, module = "keyfold._keyfold", name = "RemoteKms")]
pub(crate) struct RemoteKms {
    config: Config,
    /// Whether only asyncio can drive it.
    coroutine: bool,
    live: Live<Connected>,
}

impl Config {
    /// The cloud that is meant; nothing for keyfold's own server and AWS.
    fn cloud(&self) -> Option<Result<CloudUri<'_>>> {
        let (scheme, _) = self.url.split_once("://")?;
        cloud::SCHEMES.contains(&scheme).then(|| CloudUri::parse(&self.url))
    }

    /// What only one of the two kinds of KMS has is refused at the other: it would change nothing.
    fn check(&self) -> Result<()> {
        if self.seal && !self.url.starts_with("keyfold") {
            return Err(invalid("seal is for keyfold's own server, with clouds behind it"));
        }
        let of_cloud = [
            ("places", !self.places.is_empty()),
            ("credentials_file", self.choice.file.is_some()),
            ("credentials_profile", self.choice.profile.is_some()),
        ];
        let of_others = [("region", self.region.is_some()), ("profile", self.profile.is_some())];
        let (wrong, whose): (&[_], _) = if self.cloud().is_some() {
            (&of_others, "AWS and keyfold's own server")
        } else {
            (&of_cloud, "clouds other than AWS")
        };
        match wrong.iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(invalid(format!("{name} is for {whose}"))),
            None => cloud::check_places(&self.places),
        }
    }

    fn options(&self) -> RemoteOptions {
        RemoteOptions {
            region: self.region.clone(),
            retry: RetryLimits { max_retries: self.retries, ..RetryLimits::default() },
            deadline: self.timeout,
            sealing: self.seal.then(Sealing::ephemeral),
            ..RemoteOptions::default()
        }
    }

    fn connect(&self, py: Python<'_>) -> PyResult<(Arc<Connected>, bool)> {
        let options = self.options();
        let given = self.token.as_ref().or(self.credentials.as_ref());
        let given = Given::of(given.map(|given| given.bind(py)))?;
        let mut coroutine = matches!(given, Given::Provider(_, true));
        if let Some(transport) = &self.transport {
            let send = Foreign::new(transport.bind(py).getattr(intern!(py, "send"))?)?;
            coroutine |= send.is_coroutine();
            let transport = Arc::new(ForeignTransport(send));
            let made = match self.cloud() {
                Some(uri) => uri.and_then(|uri| {
                    let (places, credentials) =
                        self.for_cloud(uri, given, transport.clone(), DriverClock)?;
                    let (url, clock) = (&self.url, &DriverClock);
                    let made =
                        cloud::connect(url, &places, credentials, transport, clock, &options);
                    made.map(Connected::Cloud)
                }),
                None => self.own(given, of_environment).and_then(|credentials| {
                    connect_over(&self.url, credentials, transport, &DriverClock, &options)
                        .map(Connected::Server)
                }),
            };
            return Ok((Arc::new(made.or_raise(py)?), coroutine));
        }
        let certificate = match &self.client_certificate {
            Some(pem) => Some(Arc::new(secret(pem.bind(py))?)),
            None => None,
        };
        let http = HttpOptions {
            timeout: self.timeout.min(HttpOptions::default().timeout),
            extra_ca_pem: self.ca.clone(),
            client_certificate_pem: certificate.clone(),
            proxy: self.proxy.clone(),
            ..HttpOptions::default()
        };
        // Reads the platform's certificates.
        let made = py.detach(|| {
            let transport = HttpTransport::new(&http)?;
            if let Some(uri) = self.cloud() {
                let (shared, clock) = (Arc::new(transport.clone()), transport.clock());
                let (places, credentials) = self.for_cloud(uri?, given, shared, clock)?;
                return connect_cloud(&self.url, &places, credentials, transport, &options)
                    .map(Connected::Cloud);
            }
            let credentials = self.own(given, || match self.url.strip_prefix("aws://") {
                Some(region) => {
                    let environment = Environment::of_process();
                    aws_credentials(&environment, self.profile.as_deref(), region, &transport)
                }
                None if certificate.is_some() => {
                    Ok(Arc::new(StaticCredentials::new(Credentials::of_connection())))
                }
                None => of_environment(),
            })?;
            connect(&self.url, credentials, transport, &options).map(Connected::Server)
        });
        Ok((Arc::new(made.or_raise(py)?), coroutine))
    }

    /// Who calls keyfold's own server, or AWS.
    fn own(
        &self,
        given: Given,
        otherwise: impl FnOnce() -> Result<Arc<dyn CredentialsProvider>>,
    ) -> Result<Arc<dyn CredentialsProvider>> {
        match given {
            Given::Provider(given, _) => Ok(given),
            Given::Nothing => otherwise(),
            Given::Variables(_) => {
                Err(invalid("credentials by their variables are for clouds other than AWS"))
            }
        }
    }

    /// Where a cloud is, and who calls it: as the arguments say, or else the vendor's own variables
    /// and files.
    fn for_cloud(
        &self,
        uri: CloudUri<'_>,
        given: Given,
        transport: Arc<dyn Transport>,
        clock: impl keyfold::WallClock + 'static,
    ) -> Result<(Places, Arc<dyn CredentialsProvider>)> {
        let kms = format!("{}://{}", uri.scheme(), uri.place());
        let mut places = self.places.clone();
        let (own, environment) = match given {
            Given::Variables(variables) => {
                let (own, environment) = Variables::environment(variables);
                (Some(own), environment)
            }
            Given::Provider(given, _) if self.choice == CloudChoice::default() => {
                complete_place(&Environment::of_process(), &kms, &mut places);
                return Ok((places, given));
            }
            Given::Provider(..) => {
                return Err(invalid("give credentials or the file that has them, not both"));
            }
            Given::Nothing => (None, Environment::of_process()),
        };
        complete_place(&environment, &kms, &mut places);
        let network = Network::new(transport, clock);
        let found = cloud_credentials(&environment, &self.url, &places, &self.choice, network);
        // What is misspelt is told first: where it does not count, something else may be missing.
        own.map_or(Ok(()), |own| own.check())?;
        Ok((places, found?))
    }
}

/// Places as they were given.
fn tables(places: &Places) -> Option<PlacesArg> {
    let tables = places.iter().map(|(name, place)| {
        let mut table = place.settings.clone();
        let own = [("region", &place.region), ("keys", &place.keys), ("secrets", &place.secrets)];
        for (name, value) in own {
            table.extend(value.clone().map(|value| (name.to_owned(), value)));
        }
        (name.clone(), table)
    });
    (!places.is_empty()).then(|| tables.collect())
}

fn of_environment() -> Result<Arc<dyn CredentialsProvider>> {
    keyfold_credentials(&Environment::of_process())?.ok_or_else(|| {
        let detail = "there are no credentials for this KMS: give a token or credentials, or set \
                      KEYFOLD_TOKEN, KEYFOLD_TOKEN_FILE, or KEYFOLD_ACCESS_KEY_ID and \
                      KEYFOLD_SECRET_ACCESS_KEY";
        Error::new(ErrorCode::KmsDenied, detail)
    })
}

impl RemoteKms {
    /// The connection: a new one in a process that was forked, for its thread does not cross.
    pub(crate) fn live(&self, py: Python<'_>, asynchronous: bool) -> PyResult<Arc<Connected>> {
        if self.coroutine && !asynchronous {
            return Err(PyTypeError::new_err(
                "coroutine functions are driven by keyfold.aio.Client only",
            ));
        }
        self.live.get(|| Ok(self.config.connect(py)?.0))
    }
}

#[pymethods]
impl RemoteKms {
    #[new]
    #[pyo3(signature = (url, *, token=None, credentials=None, timeout=60.0, retries=3, transport=None, region=None, profile=None, ca=None, client_certificate=None, proxy=None, places=None, credentials_file=None, credentials_profile=None, seal=false))]
    #[expect(clippy::too_many_arguments, reason = "Python's own keyword arguments")]
    fn new(
        py: Python<'_>,
        url: String,
        token: Option<Py<PyAny>>,
        credentials: Option<Py<PyAny>>,
        timeout: f64,
        retries: usize,
        transport: Option<Py<PyAny>>,
        region: Option<String>,
        profile: Option<String>,
        ca: Option<Input>,
        client_certificate: Option<Py<PyAny>>,
        proxy: Option<String>,
        places: Option<PlacesArg>,
        credentials_file: Option<PathBuf>,
        credentials_profile: Option<String>,
        seal: bool,
    ) -> PyResult<Self> {
        if token.is_some() && credentials.is_some() {
            return Err(invalid("give a token or credentials, not both")).or_raise(py);
        }
        let timeout = Duration::try_from_secs_f64(timeout)
            .ok()
            .filter(|timeout| !timeout.is_zero())
            .ok_or_else(|| invalid("a timeout is a number of seconds, more than 0"))
            .or_raise(py)?;
        let proxy = match proxy.as_deref() {
            None => Proxy::Environment,
            Some("") => Proxy::None,
            Some(url) => Proxy::Url(url.to_owned()),
        };
        let ca = ca.map(|pem| pem.bytes().to_vec());
        let places = places.unwrap_or_default().into_iter();
        let config = Config {
            url,
            token,
            credentials,
            transport,
            timeout,
            retries,
            region,
            profile,
            ca,
            client_certificate,
            proxy,
            places: places.map(|(name, table)| (name, table.into_iter().collect())).collect(),
            choice: CloudChoice { file: credentials_file, profile: credentials_profile },
            seal,
        };
        config.check().or_raise(py)?;
        let (live, coroutine) = config.connect(py)?;
        Ok(RemoteKms { config, coroutine, live: Live::new(live) })
    }

    /// Where it is: such as "keyfold://kms.example.com".
    #[getter]
    fn url(&self) -> &str {
        &self.config.url
    }

    /// Performs an operation that manages keys or secrets, JSON in and JSON out.
    fn _ask<'py>(
        &self,
        py: Python<'py>,
        operation: &str,
        body: Input,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let live = self.live(py, false)?;
        let body = Zeroizing::new(body.bytes().to_vec());
        let answer = wait(py, async { live.operation(operation, body).await })?;
        Ok(PyBytes::new(py, &answer))
    }

    /// What the cloud can, in JSON; nothing for keyfold's own server and AWS.
    fn _capabilities(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let live = self.live(py, true)?;
        let Connected::Cloud(kms) = &*live else { return Ok(None) };
        let table = serde_json::to_string(kms.kms().config().capabilities());
        table.map(Some).map_err(|_| invalid("there is no such table")).or_raise(py)
    }

    /// Performs a request of `keyfold.kms`.
    fn call(&self, py: Python<'_>, request: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let (live, request) = (self.live(py, false)?, crate::wire::to_request(request)?);
        let answer = wait(py, async { live.call(&request).await })?;
        crate::wire::response(py, &answer)
    }

    /// What it is reached with again, for pickle: the arguments by their names.
    fn _config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let config = &self.config;
        let refuse = |detail: &str| Err(PyTypeError::new_err(detail.to_owned()));
        let given = config.token.as_ref().or(config.credentials.as_ref());
        if given.is_some_and(|given| !given.bind(py).is_callable()) {
            return refuse(
                "a token or an access key is not pickled: give a function that gets it, or leave \
                 it to the environment",
            );
        }
        if config.client_certificate.is_some() {
            return refuse("a client certificate has a private key, which is not pickled");
        }
        let proxy = match &config.proxy {
            Proxy::Environment => None,
            Proxy::None => Some(""),
            Proxy::Url(url) => Some(url.as_str()),
        };
        let arguments = PyDict::new(py);
        arguments.set_item("url", &config.url)?;
        arguments.set_item("token", &config.token)?;
        arguments.set_item("credentials", &config.credentials)?;
        arguments.set_item("timeout", config.timeout.as_secs_f64())?;
        arguments.set_item("retries", config.retries)?;
        arguments.set_item("transport", &config.transport)?;
        arguments.set_item("region", &config.region)?;
        arguments.set_item("profile", &config.profile)?;
        arguments.set_item("ca", config.ca.as_ref().map(|pem| PyBytes::new(py, pem)))?;
        arguments.set_item("proxy", proxy)?;
        arguments.set_item("places", tables(&config.places))?;
        arguments.set_item("credentials_file", &config.choice.file)?;
        arguments.set_item("credentials_profile", &config.choice.profile)?;
        arguments.set_item("seal", config.seal)?;
        Ok(arguments)
    }

    fn __repr__(&self) -> String {
        format!("RemoteKms({:?})", self.config.url)
    }
}
