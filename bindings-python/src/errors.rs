//! Errors on their way between the core and Python: `keyfold.exceptions` has the classes.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use keyfold::kms::ServiceError;
use keyfold::kms::cloud::Unsupported;
use keyfold::{Error, ErrorCode, Retry};
use pyo3::exceptions::{PyException, PyOSError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

/// `keyfold.exceptions._BY_CODE`.
fn classes(py: Python<'_>) -> PyResult<&Bound<'_, PyDict>> {
    static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let classes = CLASSES.get_or_try_init(py, || {
        let module = py.import(intern!(py, "keyfold.exceptions"))?;
        let classes = module.getattr(intern!(py, "_BY_CODE"))?.cast_into::<PyDict>()?;
        PyResult::Ok(classes.unbind())
    })?;
    Ok(classes.bind(py))
}

/// The exception that says what an error says, with its causes.
pub(crate) fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    build(py, error).unwrap_or_else(|failed| failed)
}

/// An exception of the caller's that passes as it is: the end of the program, a progress callback
/// that has enough.
#[derive(Debug)]
pub(crate) struct Raw(PyErr);

impl Raw {
    pub(crate) fn error(raised: PyErr) -> Error {
        Error::new(ErrorCode::Cancelled, "the caller's code ended the operation")
            .with_source(Raw(raised))
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an exception of the caller's")
    }
}

impl StdError for Raw {}

/// The exception that passes as it is, wherever it stands among the causes.
fn raw<'a>(mut source: &'a (dyn StdError + 'static)) -> Option<&'a PyErr> {
    loop {
        if let Some(Raw(raised)) = source.downcast_ref::<Raw>() {
            return Some(raised);
        }
        source = source.source()?;
    }
}

fn build(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    if let Some(raised) = raw(error) {
        return Ok(raised.clone_ref(py));
    }
    let class = classes(py)?;
    let class = match class.get_item(error.code().as_str())? {
        Some(class) => of_source(py, error)?.unwrap_or(class),
        // A code newer than these classes is treated like `internal` (docs/spec/errors.md).
        None => class.as_any().get_item(ErrorCode::Internal.as_str())?,
    };
    let exception = class.call1((error.detail(),))?;
    let (retry, after) = match error.retry() {
        Retry::Never => ("never", None),
        Retry::Later(after) => ("later", after.map(|after| after.as_secs_f64())),
        Retry::AfterChange => ("after_change", None),
    };
    exception.setattr(intern!(py, "retry"), retry)?;
    exception.setattr(intern!(py, "retry_after"), after)?;
    let raised = PyErr::from_value(exception.clone());
    if let Some(source) = error.source() {
        let cause = cause(py, source, &exception)?;
        raised.set_cause(py, cause);
    }
    Ok(raised)
}

/// The class for what the system said, where Python has one for it too, and for what a service
/// does not have.
fn of_source<'py>(py: Python<'py>, error: &Error) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(source) = error.source() else { return Ok(None) };
    if source.is::<Unsupported>() {
        let module = py.import(intern!(py, "keyfold.exceptions"))?;
        return module.getattr(intern!(py, "UnsupportedOperation")).map(Some);
    }
    let number = source.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    let Some(number) = number.filter(|_| error.code() == ErrorCode::Io) else { return Ok(None) };
    let module = py.import(intern!(py, "keyfold.exceptions"))?;
    module.getattr(intern!(py, "_BY_ERRNO"))?.cast_into::<PyDict>()?.get_item(number)
}

/// The cause of an exception, where it is one that Python people know: an exception of their own,
/// an error of ours, or one of the system. What a service said stays readable as an attribute.
fn cause(
    py: Python<'_>,
    source: &(dyn StdError + 'static),
    exception: &Bound<'_, PyAny>,
) -> PyResult<Option<PyErr>> {
    if let Some(raised) = source.downcast_ref::<PyErr>() {
        return Ok(Some(raised.clone_ref(py)));
    }
    if let Some(error) = source.downcast_ref::<Error>() {
        return Ok(Some(to_python(py, error)));
    }
    if let Some(error) = source.downcast_ref::<io::Error>() {
        if let Some(inner) = error.get_ref() {
            return cause(py, inner, exception);
        }
        let Some(number) = error.raw_os_error() else { return Ok(None) };
        if exception.is_instance_of::<PyOSError>() {
            exception.setattr(intern!(py, "errno"), number)?;
        }
        let strerror = py.import("os")?.call_method1("strerror", (number,))?;
        return Ok(Some(PyOSError::new_err((number, strerror.unbind()))));
    }
    if let Some(said) = source.downcast_ref::<ServiceError>() {
        exception.setattr(intern!(py, "service_message"), said.message())?;
    }
    Ok(None)
}

/// What an exception of the caller's own means to the core: a `KeyfoldError` keeps its code,
/// anything else gets `otherwise`.
pub(crate) fn from_python(
    py: Python<'_>,
    raised: PyErr,
    otherwise: ErrorCode,
    what: &'static str,
) -> Error {
    if !raised.is_instance_of::<PyException>(py) {
        return Raw::error(raised);
    }
    let own = known(py, &raised);
    let error = match own {
        Some((code, detail, retry)) => Error::new(code, detail).with_retry(retry),
        None => Error::new(otherwise, what),
    };
    error.with_source(raised)
}

fn known(py: Python<'_>, raised: &PyErr) -> Option<(ErrorCode, String, Retry)> {
    let base = base(py).ok()?;
    let value = raised.value(py);
    if !value.is_instance(base).ok()? {
        return None;
    }
    let code: String = value.getattr(intern!(py, "code")).ok()?.extract().ok()?;
    let code = ErrorCode::ALL.iter().copied().find(|known| known.as_str() == code)?;
    let detail = value.str().ok()?.to_string();
    let retry: String = value.getattr(intern!(py, "retry")).ok()?.extract().ok()?;
    let after: Option<f64> = value.getattr(intern!(py, "retry_after")).ok()?.extract().ok()?;
    let retry = match retry.as_str() {
        "later" => Retry::Later(after.and_then(|after| Duration::try_from_secs_f64(after).ok())),
        "after_change" => Retry::AfterChange,
        _ => Retry::Never,
    };
    Some((code, detail, retry))
}

fn base(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static BASE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    BASE.import(py, "keyfold.exceptions", "KeyfoldError")
}

/// For `?` in functions that answer Python.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception for the error.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| to_python(py, &error))
    }
}

/// A wrong call.
pub(crate) fn invalid(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArgument, detail.into())
}

/// As [`keyfold_files::whole::at`]; an exception of Python's, too, comes back as it was.
pub(crate) fn at(verb: &str, path: &Path, error: io::Error) -> Error {
    if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<PyErr>) {
        return error.into();
    }
    keyfold_files::whole::at(verb, path, error)
}
