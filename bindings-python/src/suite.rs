//! Suites, by number or name.

use keyfold::Suite;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::buffer;
use crate::errors::{OrRaise, invalid};

/// The argument `suite`.
pub(crate) struct SuiteArg(pub(crate) Suite);

impl<'py> FromPyObject<'_, 'py> for SuiteArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        if let Ok(name) = object.cast::<PyString>() {
            let name = buffer::text(&name)?;
            let found = Suite::ALL.iter().find(|suite| suite.cipher() == name);
            let names: Vec<&str> = Suite::ALL.iter().map(|suite| suite.cipher()).collect();
            let wrong = || invalid(format!("a suite is one of {}", names.join(", ")));
            return found.map(|suite| SuiteArg(*suite)).ok_or_else(wrong).or_raise(py);
        }
        Suite::from_id(object.extract()?).map(SuiteArg).or_raise(py)
    }
}
