//! `keyfold.Client`: the tasks.

use std::sync::{Arc, Mutex, PoisonError};

use keyfold::kms::Kms;
use keyfold::{
    ContextCheck, DataKeyCache, Demands, EncryptionContext, Header, Keyring, Layout, SealOptions,
    Suite, Threads,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffer::Input;
use crate::cache::CacheArg;
use crate::drive::{DriverClock, compute, wait};
use crate::errors::{OrRaise, invalid};
use crate::fork;
use crate::keys::{CheckArg, ContextArg, KeysArg};

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
    keys: Option<Arc<Keyring>>,
    context: Arc<EncryptionContext>,
    cache: CacheArg,
    threads: ThreadsArg,
    live: Mutex<(u64, Arc<Core>)>,
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
        let generation = fork::generation();
        {
            let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            if live.0 == generation {
                return Ok(live.1.clone());
            }
        }
        let core = make(py, &self.kms, &self.cache, self.threads)?;
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.0 != generation {
            let before = std::mem::replace(&mut *live, (generation, core));
            // Its locks may be held by threads that are not in this process.
            std::mem::forget(before);
        }
        Ok(live.1.clone())
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

    fn run<F: Finish>(&self, py: Python<'_>, task: impl Task<F>) -> PyResult<Py<PyAny>> {
        wait(py, task)?(py)
    }
}

fn make(
    py: Python<'_>,
    kms: &Py<PyAny>,
    cache: &CacheArg,
    threads: ThreadsArg,
) -> PyResult<Arc<Core>> {
    let core =
        Core::new(crate::kms::backend(kms.bind(py))?).with_threads(threads.start().or_raise(py)?);
    Ok(Arc::new(match cache.limits() {
        Some(limits) => core.with_cache(DataKeyCache::new(limits, Arc::new(DriverClock))),
        None => core,
    }))
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (kms, *, keys=None, context=None, cache=CacheArg::default(), threads=ThreadsArg(1)))]
    #[pyo3(text_signature = "(kms, *, keys=None, context=None, cache=..., threads=1)")]
    fn new(
        py: Python<'_>,
        kms: Py<PyAny>,
        keys: Option<KeysArg>,
        context: Option<ContextArg>,
        cache: CacheArg,
        threads: ThreadsArg,
    ) -> PyResult<Self> {
        let generation = fork::generation();
        let core = make(py, &kms, &cache, threads)?;
        let context = context.unwrap_or_default().0;
        let keys = keys.map(|keys| keys.0);
        Ok(Client { kms, keys, context, cache, threads, live: Mutex::new((generation, core)) })
    }

    /// The KMS that this client was made with.
    #[getter]
    fn kms(&self, py: Python<'_>) -> Py<PyAny> {
        self.kms.clone_ref(py)
    }

    /// Encrypts a whole value.
    #[pyo3(signature = (data, *, keys=None, context=None))]
    fn encrypt(
        &self,
        py: Python<'_>,
        data: Input,
        keys: Option<KeysArg>,
        context: Option<ContextArg>,
    ) -> PyResult<Py<PyAny>> {
        let (core, ring) = (self.core(py)?, self.ring(py, keys)?);
        let context = self.context(context);
        self.run(py, async move {
            let options = SealOptions {
                suite: None::<Suite>,
                signer: None,
                plaintext_len: Some(data.bytes().len() as u64),
            };
            let sealer = core.sealer(&ring, &context, &options).await?;
            Ok(move |py: Python<'_>| {
                let plaintext = data.bytes();
                let len = sealer.envelope_len(plaintext.len()).or_raise(py)?;
                let envelope = PyBytes::new_with(py, len, |out| {
                    compute(py, len, || sealer.seal_envelope_into(plaintext, out)).or_raise(py)?;
                    Ok(())
                })?;
                Ok(envelope.into_any().unbind())
            })
        })
    }

    /// Decrypts a whole value.
    #[pyo3(signature = (data, *, keys=None, context=None))]
    fn decrypt(
        &self,
        py: Python<'_>,
        data: Input,
        keys: Option<KeysArg>,
        context: Option<CheckArg>,
    ) -> PyResult<Py<PyAny>> {
        let (core, ring) = (self.core(py)?, self.ring(py, keys)?);
        let demands = Demands::new(self.check(context));
        self.run(py, async move {
            let (header, header_len) = Header::parse(data.bytes())?;
            let body_len = (data.bytes().len() - header_len) as u64;
            let layout = Layout::new(body_len, header.trailer_len())?;
            let len = usize::try_from(layout.plaintext_len()).unwrap_or(usize::MAX);
            let opener = core.opener(&header, body_len, &ring, demands).await?;
            Ok(move |py: Python<'_>| {
                let body = &data.bytes()[header_len..];
                let plaintext = PyBytes::new_with(py, len, |out| {
                    compute(py, len, || opener.open_whole_into(body, out)).or_raise(py)?;
                    Ok(())
                })?;
                Ok(plaintext.into_any().unbind())
            })
        })
    }
}
