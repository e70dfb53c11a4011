//! The data-key cache: its limits, and what it did.

use std::time::Duration;

use pyo3::prelude::*;

/// The limits as they are pickled.
type Parts = (f64, u64, u64, usize);

/// When a cached data key ends: at the first of these.
#[expect(clippy::struct_field_names, reason = "the names that the core gives them")]
#[pyclass(frozen, eq, hash, get_all, module = "keyfold", name = "CacheLimits")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CacheLimits {
    /// Age in seconds.
    max_age: f64,
    /// Messages.
    max_messages: u64,
    /// Bytes of plaintext.
    max_bytes: u64,
    /// Data keys that are kept at all.
    max_entries: usize,
}

impl std::hash::Hash for CacheLimits {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let age = self.max_age.to_bits();
        (age, self.max_messages, self.max_bytes, self.max_entries).hash(state);
    }
}

impl From<keyfold::CacheLimits> for CacheLimits {
    fn from(limits: keyfold::CacheLimits) -> Self {
        CacheLimits {
            max_age: limits.max_age.as_secs_f64(),
            max_messages: limits.max_messages,
            max_bytes: limits.max_bytes,
            max_entries: limits.max_entries,
        }
    }
}

#[pymethods]
impl CacheLimits {
    #[new]
    #[pyo3(signature = (*, max_age=None, max_messages=None, max_bytes=None, max_entries=None))]
    #[pyo3(
        text_signature = "(*, max_age=300.0, max_messages=1048576, max_bytes=68719476736, max_entries=1000)"
    )]
    fn new(
        py: Python<'_>,
        max_age: Option<f64>,
        max_messages: Option<u64>,
        max_bytes: Option<u64>,
        max_entries: Option<usize>,
    ) -> PyResult<Self> {
        use crate::errors::{OrRaise, invalid};
        let default = CacheLimits::from(keyfold::CacheLimits::default());
        let max_age = max_age.unwrap_or(default.max_age);
        Duration::try_from_secs_f64(max_age)
            .map_err(|_| invalid("max_age is a number of seconds, 0 or more"))
            .or_raise(py)?;
        Ok(CacheLimits {
            max_age,
            max_messages: max_messages.unwrap_or(default.max_messages),
            max_bytes: max_bytes.unwrap_or(default.max_bytes),
            max_entries: max_entries.unwrap_or(default.max_entries),
        })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Parts)> {
        let limits = slf.get();
        let parts = (limits.max_age, limits.max_messages, limits.max_bytes, limits.max_entries);
        Ok((slf.get_type().getattr("_restore")?, parts))
    }

    #[staticmethod]
    fn _restore(max_age: f64, max_messages: u64, max_bytes: u64, max_entries: usize) -> Self {
        CacheLimits { max_age, max_messages, max_bytes, max_entries }
    }

    fn __repr__(&self) -> String {
        format!(
            "CacheLimits(max_age={:?}, max_messages={}, max_bytes={}, max_entries={})",
            self.max_age, self.max_messages, self.max_bytes, self.max_entries
        )
    }
}

/// The argument `cache`.
#[derive(Clone, Copy)]
pub(crate) struct CacheArg(Option<CacheLimits>);

impl Default for CacheArg {
    fn default() -> Self {
        CacheArg(Some(keyfold::CacheLimits::default().into()))
    }
}

impl CacheArg {
    pub(crate) fn object(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.0 {
            Some(limits) => Ok(Py::new(py, limits)?.into_any()),
            None => Ok(py.None()),
        }
    }

    pub(crate) fn limits(self) -> Option<keyfold::CacheLimits> {
        let limits = self.0?;
        Some(keyfold::CacheLimits {
            max_age: Duration::try_from_secs_f64(limits.max_age).unwrap_or_default(),
            max_messages: limits.max_messages,
            max_bytes: limits.max_bytes,
            max_entries: limits.max_entries,
        })
    }
}

impl<'py> FromPyObject<'_, 'py> for CacheArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.is_none() {
            return Ok(CacheArg(None));
        }
        Ok(CacheArg(Some(*object.cast::<CacheLimits>()?.get())))
    }
}

/// What a cache of data keys did.
#[pyclass(frozen, eq, get_all, module = "keyfold", name = "CacheStats")]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct CacheStats {
    /// How often a data key was there.
    hits: u64,
    /// How often the KMS was asked.
    misses: u64,
}

impl From<keyfold::CacheStats> for CacheStats {
    fn from(stats: keyfold::CacheStats) -> Self {
        CacheStats { hits: stats.hits, misses: stats.misses }
    }
}

#[pymethods]
impl CacheStats {
    fn __repr__(&self) -> String {
        format!("CacheStats(hits={}, misses={})", self.hits, self.misses)
    }
}
