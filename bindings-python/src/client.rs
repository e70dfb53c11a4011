//! `keyfold.Client`: what all tasks share. Each is written once, as a future that waits for the
//! KMS and then hands over what is left to compute; who waits, and where, is decided here.

pub(crate) mod envelopes;
mod files;
mod keys;
mod safe;
pub(crate) mod values;

use std::sync::Arc;

use keyfold::kms::Kms;
use keyfold::{ContextCheck, DataKeyCache, EncryptionContext, KeyUri, Keyring, Suite, Threads};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::aio;
use crate::cache::{CacheArg, CacheStats};
use crate::drive::{DriverClock, wait};
use crate::errors::{OrRaise, invalid};
use crate::fork::Live;
use crate::keys::{CheckArg, ContextArg, KeysArg};
use crate::suite::SuiteArg;

/// The core's client, over whatever KMS there is.
pub(crate) type Core = keyfold::Client<Arc<dyn Kms>>;

/// What a task answers when all waiting is done: the rest is computing, for which the thread may
/// be chosen, and making Python objects.
pub(crate) trait Finish: FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send + 'static {}
impl<F: FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send + 'static> Finish for F {}

/// A task: what waits for the KMS, and then the rest.
pub(crate) trait Task<F>: Future<Output = keyfold::Result<F>> + Send + 'static {}
impl<F: Finish, T: Future<Output = keyfold::Result<F>> + Send + 'static> Task<F> for T {}

/// Encrypts, decrypts, signs and keeps secrets under the keys of one KMS.
#[pyclass(frozen, subclass, weakref, module = "keyfold._keyfold", name = "Client")]
pub(crate) struct Client {
    kms: Py<PyAny>,
    /// The arguments `keys` and `context`, as they were.
    given: Py<PyTuple>,
    keys: Option<Arc<Keyring>>,
    /// The first of them, for what takes one key.
    first: Option<KeyUri>,
    context: Arc<EncryptionContext>,
    cache: CacheArg,
    threads: ThreadsArg,
    /// Those that are accepted, where not all are.
    suites: Option<Vec<Suite>>,
    asynchronous: bool,
    live: Live<Core>,
}

/// The argument `threads`.
#[derive(Clone, Copy)]
pub(crate) struct ThreadsArg(usize);

impl ThreadsArg {
    fn start(self) -> keyfold::Result<Threads> {
        if self.0 == 1 { Ok(Threads::default()) } else { Threads::new(self.0) }
    }
}

impl<'py> FromPyObject<'_, 'py> for ThreadsArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(count) = object.extract::<usize>() {
            if count == 0 {
                return Err(invalid("there is at least one thread")).or_raise(object.py());
            }
            return Ok(ThreadsArg(count));
        }
        if object.eq("auto")? {
            // More than three wait for memory.
            let there = std::thread::available_parallelism().map_or(1, usize::from);
            return Ok(ThreadsArg(there.min(3)));
        }
        Err(PyTypeError::new_err("threads is a number, or 'auto'"))
    }
}

impl Client {
    /// The core's client: a new one, with an empty cache, in a process that was forked.
    pub(crate) fn core(&self, py: Python<'_>) -> PyResult<Arc<Core>> {
        self.live.get(|| make(py, &self.kms, self.cache, self.threads, self.asynchronous))
    }

    fn ring(&self, py: Python<'_>, keys: Option<KeysArg>) -> PyResult<Arc<Keyring>> {
        keys.map(|keys| keys.0)
            .or_else(|| self.keys.clone())
            .ok_or_else(|| {
                invalid("name a key: this client has no keys of its own to fall back on")
            })
            .or_raise(py)
    }

    fn context(&self, context: Option<ContextArg>) -> Arc<EncryptionContext> {
        context.map_or_else(|| self.context.clone(), |context| context.0)
    }

    fn check(&self, context: Option<CheckArg>) -> ContextCheck {
        context.map_or_else(|| ContextCheck::from(&*self.context), |context| context.0)
    }

    /// Performs a task, or hands it to asyncio. `bytes` is how much there will be to compute.
    fn run<F: Finish>(
        &self,
        py: Python<'_>,
        bytes: usize,
        task: impl Task<F>,
    ) -> PyResult<Py<PyAny>> {
        if self.asynchronous { aio::begin(py, bytes, task) } else { wait(py, task)?(py) }
    }
}

fn make(
    py: Python<'_>,
    kms: &Py<PyAny>,
    cache: CacheArg,
    threads: ThreadsArg,
    asynchronous: bool,
) -> PyResult<Arc<Core>> {
    let core = Core::new(crate::kms::backend(kms.bind(py), asynchronous)?)
        .with_threads(threads.start().or_raise(py)?);
    Ok(Arc::new(match cache.limits() {
        Some(limits) => core.with_cache(DataKeyCache::new(limits, Arc::new(DriverClock))),
        None => core,
    }))
}

#[pymethods]
impl Client {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "Python's own keyword arguments")]
    #[pyo3(signature = (kms, *, keys=None, context=None, cache=CacheArg::default(), threads=ThreadsArg(1), suites=None, asynchronous=false))]
    #[pyo3(
        text_signature = "(kms, *, keys=None, context=None, cache=..., threads=1, suites=None, asynchronous=False)"
    )]
    fn new(
        py: Python<'_>,
        kms: Py<PyAny>,
        keys: Option<Bound<'_, PyAny>>,
        context: Option<Bound<'_, PyAny>>,
        cache: CacheArg,
        threads: ThreadsArg,
        suites: Option<Vec<SuiteArg>>,
        asynchronous: bool,
    ) -> PyResult<Self> {
        let suites = suites.map(|suites| suites.into_iter().map(|suite| suite.0).collect());
        let live = Live::new(make(py, &kms, cache, threads, asynchronous)?);
        let given = (&keys, &context).into_pyobject(py)?.unbind();
        let context = context.map(|context| context.extract::<ContextArg>()).transpose()?;
        let context = context.unwrap_or_default().0;
        let keys = keys.map(|keys| keys.extract::<KeysArg>()).transpose()?;
        let (keys, first) = keys.map(|keys| (keys.0, keys.1)).unzip();
        Ok(Client {
            kms,
            given,
            keys,
            first: first.flatten(),
            context,
            cache,
            threads,
            suites,
            asynchronous,
            live,
        })
    }

    /// What another client is made of, for pickle: the arguments by their names.
    fn _config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let arguments = PyDict::new(py);
        let given = self.given.bind(py);
        arguments.set_item("kms", &self.kms)?;
        arguments.set_item("keys", given.get_item(0)?)?;
        arguments.set_item("context", given.get_item(1)?)?;
        arguments.set_item("cache", self.cache.object(py)?)?;
        arguments.set_item("threads", self.threads.0)?;
        let suites = self.suites.as_ref();
        let suites = suites.map(|suites| suites.iter().map(|suite| suite.id()).collect::<Vec<_>>());
        arguments.set_item("suites", suites)?;
        Ok(arguments)
    }

    /// What the cache of data keys did since the client was made.
    #[getter]
    fn cache_stats(&self, py: Python<'_>) -> PyResult<CacheStats> {
        Ok(CacheStats::from(self.core(py)?.cache_stats()))
    }

    /// Forgets every data key.
    fn clear_cache(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(cache) = self.core(py)?.cache() {
            cache.clear();
        }
        Ok(())
    }

    /// The KMS that this client was made with.
    #[getter]
    fn kms(&self, py: Python<'_>) -> Py<PyAny> {
        self.kms.clone_ref(py)
    }
}
