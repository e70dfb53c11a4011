//! The password safe.

use keyfold::kms::{Kms, Request, Response};
use keyfold::{Error, ErrorCode};
use pyo3::prelude::*;

use super::Client;
use crate::errors::OrRaise;
use crate::keys::KeyArg;
use crate::secret::Secret;

#[pymethods]
impl Client {
    #[pyo3(signature = (name, value, key=None))]
    fn _put_secret(
        &self,
        py: Python<'_>,
        name: String,
        value: &Bound<'_, PyAny>,
        key: Option<KeyArg>,
    ) -> PyResult<Py<PyAny>> {
        let (core, value) = (self.core(py)?, crate::embedded::secret(value)?);
        self.run(py, 0, async move {
            let version = core.secrets().put(&name, value, key.as_ref().map(|key| &key.0)).await?;
            Ok(move |py: Python<'_>| Ok(version.into_pyobject(py)?.into_any().unbind()))
        })
    }

    #[pyo3(signature = (name, version=None, stage=None))]
    fn _get_secret(
        &self,
        py: Python<'_>,
        name: String,
        version: Option<String>,
        stage: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        let core = self.core(py)?;
        self.run(py, 0, async move {
            // By the request itself, whose answer names the version too.
            let request = Request::GetSecret { name, version, stage };
            let Response::Secret { value, version } = core.kms().call(&request).await? else {
                let detail = "the KMS answered something else";
                return Err(Error::new(ErrorCode::KmsProtocol, detail));
            };
            Ok(move |py: Python<'_>| Ok(Py::new(py, Secret::of(value, Some(version)))?.into_any()))
        })
    }

    /// A new token for a change, as a KMS wants it.
    #[staticmethod]
    fn _make_token(py: Python<'_>) -> PyResult<String> {
        keyfold::kms::make_token(&keyfold::SystemRng).or_raise(py)
    }
}
