//! A KMS, a transport, a source of tokens, written in Python: functions, or coroutine functions
//! where asyncio drives the client.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use keyfold::credentials::{Credentials, CredentialsProvider};
use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use keyfold::{ErrorCode, Result};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMapping, PyTuple};

use crate::buffer::Input;
use crate::credentials::fixed;
use crate::drive::{apart, on_loop};
use crate::errors::from_python;
use crate::wire;

/// Something of the caller's that is called.
pub(crate) struct Foreign {
    function: Py<PyAny>,
    coroutine: bool,
}

/// What went wrong: in the caller's code, or with what it answered.
enum Failed {
    Core(keyfold::Error),
    Raised(PyErr),
    Answered(PyErr),
}

impl Failed {
    fn into_error(self, otherwise: ErrorCode, raised: &'static str) -> keyfold::Error {
        Python::attach(|py| match self {
            Failed::Core(error) => error,
            Failed::Raised(error) => from_python(py, error, otherwise, raised),
            Failed::Answered(error) => {
                let what = "something written in Python answered what it may not";
                from_python(py, error, ErrorCode::KmsProtocol, what)
            }
        })
    }
}

impl Foreign {
    pub(crate) fn new(function: Bound<'_, PyAny>) -> PyResult<Self> {
        let inspect = function.py().import(intern!(function.py(), "inspect"))?;
        let check = inspect.getattr(intern!(function.py(), "iscoroutinefunction"))?;
        let coroutine = check.call1((&function,))?.extract::<bool>()?
            || function.getattr_opt(intern!(function.py(), "__call__"))?.is_some_and(|call| {
                check.call1((call,)).is_ok_and(|it| it.is_truthy().unwrap_or(false))
            });
        Ok(Foreign { function: function.unbind(), coroutine })
    }

    /// Whether only asyncio can drive it.
    pub(crate) fn is_coroutine(&self) -> bool {
        self.coroutine
    }

    async fn call<T>(
        &self,
        arguments: impl FnOnce(Python<'_>) -> PyResult<Py<PyTuple>> + Send,
        read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T> + Send,
    ) -> std::result::Result<T, Failed> {
        if !self.coroutine {
            apart().await;
            return Python::attach(|py| {
                let arguments = arguments(py).map_err(Failed::Answered)?;
                let answer = self.function.bind(py).call1(arguments).map_err(Failed::Raised)?;
                read(&answer).map_err(Failed::Answered)
            });
        }
        on_loop().await.map_err(Failed::Core)?;
        let running = Python::attach(|py| {
            let arguments = arguments(py).map_err(Failed::Answered)?;
            let begun = self.function.bind(py).call1(arguments);
            begun.and_then(|coroutine| Running::new(&coroutine)).map_err(Failed::Raised)
        })?;
        let answer = poll_fn(|context| Python::attach(|py| running.answer(py, context.waker())))
            .await
            .map_err(Failed::Raised)?;
        Python::attach(|py| read(answer.bind(py)).map_err(Failed::Answered))
    }
}

/// A coroutine as a task of the event loop. Dropped before its end, it is cancelled.
struct Running {
    task: Py<PyAny>,
    bell: Py<Bell>,
}

impl Running {
    fn new(coroutine: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = coroutine.py();
        let asyncio = py.import(intern!(py, "asyncio"))?;
        let task = asyncio.call_method1(intern!(py, "ensure_future"), (coroutine,))?;
        let bell = Py::new(py, Bell(Mutex::new(None)))?;
        task.call_method1(intern!(py, "add_done_callback"), (&bell,))?;
        Ok(Running { task: task.unbind(), bell })
    }

    fn answer(&self, py: Python<'_>, waker: &Waker) -> Poll<PyResult<Py<PyAny>>> {
        let task = self.task.bind(py);
        let done = task.call_method0(intern!(py, "done")).and_then(|done| done.is_truthy());
        match done {
            Ok(false) => {
                let bell = self.bell.get();
                *bell.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
                Poll::Pending
            }
            Ok(true) => Poll::Ready(task.call_method0(intern!(py, "result")).map(Bound::unbind)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Python::try_attach(|py| -> PyResult<()> {
            let task = self.task.bind(py);
            if !task.call_method0(intern!(py, "done"))?.is_truthy()? {
                // Not at once: this may be another thread than the loop's.
                let cancel = task.getattr(intern!(py, "cancel"))?;
                task.call_method0(intern!(py, "get_loop"))?
                    .call_method1(intern!(py, "call_soon_threadsafe"), (cancel,))?;
            }
            Ok(())
        });
    }
}

/// Rings when a task is done.
#[pyclass(frozen, module = "keyfold._keyfold")]
struct Bell(Mutex<Option<Waker>>);

#[pymethods]
impl Bell {
    fn __call__(&self, _task: &Bound<'_, PyAny>) {
        let waker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A KMS written in Python.
pub(crate) struct ForeignKms(pub(crate) Foreign);

impl Kms for ForeignKms {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async {
            let arguments =
                |py: Python<'_>| Ok(PyTuple::new(py, [wire::request(py, request)?])?.unbind());
            let answer = self.0.call(arguments, wire::to_response).await;
            answer.map_err(|failed| {
                failed.into_error(ErrorCode::KmsUnavailable, "the KMS written in Python failed")
            })
        })
    }
}

/// A transport written in Python.
pub(crate) struct ForeignTransport(pub(crate) Foreign);

impl Transport for ForeignTransport {
    fn send(
        &self,
        request: HttpRequest,
    ) -> BoxFuture<'_, std::result::Result<HttpResponse, TransportError>> {
        Box::pin(async move {
            let arguments = |py: Python<'_>| {
                let body = PyBytes::new(py, &request.body);
                let (method, url) = (request.method.as_str(), request.url.as_str());
                let parts = (method, url, request.headers.clone(), body);
                Ok(parts.into_pyobject(py)?.unbind())
            };
            self.0.call(arguments, answer).await.map_err(|failed| {
                let what = "the transport written in Python failed";
                let error = failed.into_error(ErrorCode::KmsUnavailable, what);
                let raised = std::error::Error::source(&error)
                    .and_then(|source| source.downcast_ref::<PyErr>())
                    .map(|raised| Python::attach(|py| raised.clone_ref(py)));
                let reported = TransportError::new(error.code(), error.detail().to_owned());
                match raised {
                    Some(raised) => reported.with_source(raised),
                    None => reported.with_source(error),
                }
            })
        })
    }
}

/// Status, headers, body.
fn answer(answer: &Bound<'_, PyAny>) -> PyResult<HttpResponse> {
    let (status, headers, body) = answer.extract::<(u16, Bound<'_, PyAny>, Input)>()?;
    let pairs = match headers.cast::<PyMapping>() {
        Ok(headers) => headers.items()?.into_any(),
        Err(_) => headers,
    };
    let mut headers = Vec::new();
    for pair in pairs.try_iter()? {
        headers.push(pair?.extract::<(String, String)>()?);
    }
    Ok(HttpResponse { status, headers, body: body.bytes().to_vec() })
}

/// A function that gives a token, or an access key, each time one is needed.
pub(crate) struct ForeignCredentials(pub(crate) Foreign);

impl CredentialsProvider for ForeignCredentials {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(async {
            let none = |py: Python<'_>| Ok(PyTuple::empty(py).unbind());
            let given = self.0.call(none, fixed).await;
            given.map(|given| given.map(Arc::new)).map_err(|failed| {
                failed.into_error(ErrorCode::KmsDenied, "the credentials could not be had")
            })
        })
    }
}
