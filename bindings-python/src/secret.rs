//! `keyfold.Secret`: bytes that do not show themselves.

use std::sync::{Mutex, PoisonError};

use keyfold::SecretBytes;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyBytes;

use crate::errors::{OrRaise, invalid};

/// The value of a secret.
#[pyclass(frozen, weakref, module = "keyfold", name = "Secret")]
pub(crate) struct Secret {
    /// Nothing once it is wiped.
    value: Mutex<Option<SecretBytes>>,
    version: Option<String>,
}

impl Secret {
    pub(crate) fn of(value: SecretBytes, version: Option<String>) -> Self {
        Secret { value: Mutex::new(Some(value)), version }
    }

    /// The value, for the core.
    pub(crate) fn copy(&self, py: Python<'_>) -> PyResult<SecretBytes> {
        self.with(py, |value| SecretBytes::from(value))
    }

    fn with<T>(&self, py: Python<'_>, read: impl FnOnce(&[u8]) -> T) -> PyResult<T> {
        // Python may stop the world while `read` makes objects.
        let value = self.value.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let value = value.as_ref().ok_or_else(|| invalid("the secret is wiped already"));
        value.map(|value| read(value.expose())).or_raise(py)
    }
}

#[pymethods]
impl Secret {
    #[new]
    fn new(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Secret::of(crate::embedded::secret(value)?, None))
    }

    /// The value itself. The copy is Python's: it is not wiped.
    fn expose<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.with(py, |value| PyBytes::new(py, value))
    }

    /// The value itself, as text in UTF-8.
    fn expose_text(&self, py: Python<'_>) -> PyResult<String> {
        let text = self.with(py, |value| std::str::from_utf8(value).map(str::to_owned))?;
        text.map_err(|_| invalid("the secret is not text in UTF-8")).or_raise(py)
    }

    /// The id of the version, where it came from a safe.
    #[getter]
    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Overwrites the value in memory. A second time does nothing.
    fn wipe(&self) {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, pyo3::types::PyTuple>) {
        self.wipe();
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, <[u8]>::len)
    }

    fn __bool__(&self) -> bool {
        true
    }

    /// In constant time.
    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<Secret>() else { return Ok(false) };
        Ok(self.copy(py)? == other.get().copy(py)?)
    }

    #[classattr]
    const __hash__: Option<usize> = None;

    fn __repr__(&self) -> &'static str {
        "Secret(..)"
    }

    fn __reduce__(&self) -> PyResult<Py<PyAny>> {
        Err(pyo3::exceptions::PyTypeError::new_err("a secret is not pickled"))
    }
}
