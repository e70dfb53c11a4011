//! `keyfold.RemoteKms`: keyfold's own server, or AWS.

use std::sync::Arc;
use std::time::Duration;

use keyfold::credentials::{Credentials, CredentialsProvider, StaticCredentials};
use keyfold::kms::Kms;
use keyfold::kms::aws::Service;
use keyfold::{Error, ErrorCode, Result, RetryLimits, SecretBytes};
use keyfold_transport::{
    Environment, HttpOptions, HttpTransport, Proxy, RemoteOptions, aws_credentials, connect,
    connect_over, keyfold_credentials,
};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::buffer::Input;
use crate::drive::{DriverClock, wait};
use crate::embedded::secret;
use crate::errors::{OrRaise, invalid};
use crate::foreign::{self, Foreign, ForeignCredentials, ForeignTransport};
use crate::fork::Live;

/// An access key, as AWS has them.
#[pyclass(frozen, module = "keyfold", name = "AccessKey")]
pub(crate) struct AccessKey {
    id: String,
    secret: SecretBytes,
    session_token: Option<SecretBytes>,
}

impl AccessKey {
    pub(crate) fn credentials(&self) -> Result<Credentials> {
        Credentials::access_key(self.id.clone(), &self.secret, self.session_token.as_ref())
    }
}

#[pymethods]
impl AccessKey {
    #[new]
    #[pyo3(signature = (id, secret, session_token=None))]
    fn new(
        py: Python<'_>,
        id: String,
        #[pyo3(from_py_with = secret)] secret: SecretBytes,
        session_token: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let session_token = session_token.as_ref().map(self::secret).transpose()?;
        let key = AccessKey { id, secret, session_token };
        key.credentials().or_raise(py)?;
        Ok(key)
    }

    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    fn __repr__(&self) -> String {
        format!("AccessKey({:?}, ..)", self.id)
    }

    fn __reduce__(&self) -> PyResult<Py<PyAny>> {
        Err(PyTypeError::new_err(
            "an access key is not pickled: give credentials a function that gets it",
        ))
    }
}

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
}

/// A KMS at the other end of a network.
#[pyclass(frozen, subclass, weakref, module = "keyfold._keyfold", name = "RemoteKms")]
pub(crate) struct RemoteKms {
    config: Config,
    /// Whether only asyncio can drive it.
    coroutine: bool,
    live: Live<keyfold_transport::RemoteKms>,
}

impl Config {
    fn connect(&self, py: Python<'_>) -> PyResult<(Arc<keyfold_transport::RemoteKms>, bool)> {
        let options = RemoteOptions {
            region: self.region.clone(),
            retry: RetryLimits { max_retries: self.retries, ..RetryLimits::default() },
            deadline: self.timeout,
            ..RemoteOptions::default()
        };
        let given = self.given(py)?;
        let mut coroutine = given.as_ref().is_some_and(|(_, coroutine)| *coroutine);
        let given = given.map(|(given, _)| given);
        if let Some(transport) = &self.transport {
            let send = Foreign::new(transport.bind(py).getattr(intern!(py, "send"))?)?;
            coroutine |= send.is_coroutine();
            let transport = Arc::new(ForeignTransport(send));
            let made = given.map_or_else(of_environment, Ok).and_then(|credentials| {
                connect_over(&self.url, credentials, transport, &DriverClock, &options)
            });
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
            let credentials = match (given, self.url.strip_prefix("aws://")) {
                (Some(given), _) => given,
                (None, Some(region)) => {
                    let environment = Environment::of_process();
                    aws_credentials(&environment, self.profile.as_deref(), region, &transport)?
                }
                (None, None) if certificate.is_some() => {
                    Arc::new(StaticCredentials::new(Credentials::of_connection()))
                }
                (None, None) => of_environment()?,
            };
            connect(&self.url, credentials, transport, &options)
        });
        Ok((Arc::new(made.or_raise(py)?), coroutine))
    }

    /// The credentials that were given, and whether only asyncio can get them.
    fn given(&self, py: Python<'_>) -> PyResult<Option<(Arc<dyn CredentialsProvider>, bool)>> {
        let Some(given) = self.token.as_ref().or(self.credentials.as_ref()) else {
            return Ok(None);
        };
        let given = given.bind(py);
        if given.is_callable() {
            let function = Foreign::new(given.clone())?;
            let coroutine = function.is_coroutine();
            return Ok(Some((Arc::new(ForeignCredentials(function)), coroutine)));
        }
        let fixed = foreign::credentials(given)?;
        Ok(fixed.map(|fixed| {
            let fixed: Arc<dyn CredentialsProvider> = Arc::new(StaticCredentials::new(fixed));
            (fixed, false)
        }))
    }
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
    pub(crate) fn live(
        &self,
        py: Python<'_>,
        asynchronous: bool,
    ) -> PyResult<Arc<keyfold_transport::RemoteKms>> {
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
    #[pyo3(signature = (url, *, token=None, credentials=None, timeout=60.0, retries=3, transport=None, region=None, profile=None, ca=None, client_certificate=None, proxy=None))]
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
        };
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
        let body = zeroize::Zeroizing::new(body.bytes().to_vec());
        let service = Service::of_operation(operation);
        let answer = wait(py, async { live.operation(service, operation, body).await })?;
        Ok(PyBytes::new(py, &answer))
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
        Ok(arguments)
    }

    fn __repr__(&self) -> String {
        format!("RemoteKms({:?})", self.config.url)
    }
}
