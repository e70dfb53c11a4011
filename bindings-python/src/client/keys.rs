//! Signatures and small data: what a KMS key does itself.

use keyfold::KeyUri;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::Client;
use crate::buffer::Input;
use crate::errors::{OrRaise, invalid};
use crate::keys::{ContextArg, KeyArg};
use crate::sign::{AlgorithmArg, PublicKey, to_secret};

#[pymethods]
impl Client {
    #[pyo3(signature = (data, *, key, algorithm=None))]
    fn sign(
        &self,
        py: Python<'_>,
        data: Input,
        key: KeyArg,
        algorithm: Option<AlgorithmArg>,
    ) -> PyResult<Py<PyAny>> {
        let core = self.core(py)?;
        self.run(py, data.bytes().len(), async move {
            let algorithm = match algorithm {
                Some(algorithm) => algorithm.0,
                None => core.public_key(&key.0).await?.spec().default_algorithm(),
            };
            let signature = core.sign(&key.0, algorithm, data.bytes()).await?;
            Ok(bytes(signature))
        })
    }

    #[pyo3(signature = (digest, *, key, algorithm))]
    fn sign_digest(
        &self,
        py: Python<'_>,
        digest: Input,
        key: KeyArg,
        algorithm: AlgorithmArg,
    ) -> PyResult<Py<PyAny>> {
        let core = self.core(py)?;
        self.run(py, 0, async move {
            Ok(bytes(core.sign_digest(&key.0, algorithm.0, digest.bytes()).await?))
        })
    }

    #[pyo3(signature = (data, signature, *, key, algorithm=None))]
    fn verify(
        &self,
        py: Python<'_>,
        data: Input,
        signature: Input,
        key: KeyArg,
        algorithm: Option<AlgorithmArg>,
    ) -> PyResult<Py<PyAny>> {
        let core = self.core(py)?;
        self.run(py, data.bytes().len(), async move {
            let public = core.public_key(&key.0).await?;
            Ok(move |py: Python<'_>| {
                let algorithm =
                    algorithm.map_or_else(|| public.spec().default_algorithm(), |a| a.0);
                py.detach(|| public.verify(algorithm, data.bytes(), signature.bytes()))
                    .or_raise(py)?;
                Ok(py.None())
            })
        })
    }

    fn public_key(&self, py: Python<'_>, key: KeyArg) -> PyResult<Py<PyAny>> {
        let core = self.core(py)?;
        self.run(py, 0, async move {
            let key = core.public_key(&key.0).await?;
            Ok(move |py: Python<'_>| Ok(Py::new(py, PublicKey(key))?.into_any()))
        })
    }

    /// The full name behind an alias or a short name.
    fn resolve(&self, py: Python<'_>, key: KeyArg) -> PyResult<Py<PyAny>> {
        let core = self.core(py)?;
        self.run(py, 0, async move {
            let key = core.resolve(&key.0).await?;
            Ok(move |py: Python<'_>| crate::keys::to_python(py, &key))
        })
    }

    #[pyo3(signature = (data, *, key=None, context=None))]
    fn encrypt_small(
        &self,
        py: Python<'_>,
        data: Input,
        key: Option<KeyArg>,
        context: Option<ContextArg>,
    ) -> PyResult<Py<PyAny>> {
        let (core, context) = (self.core(py)?, self.context(context));
        let key = self.one_key(py, key)?;
        self.run(py, 0, async move {
            Ok(bytes(core.encrypt_small(&key, to_secret(&data), &context).await?))
        })
    }

    #[pyo3(signature = (data, *, key=None, context=None))]
    fn decrypt_small(
        &self,
        py: Python<'_>,
        data: Input,
        key: Option<KeyArg>,
        context: Option<ContextArg>,
    ) -> PyResult<Py<PyAny>> {
        let (core, context) = (self.core(py)?, self.context(context));
        let key = key.map(|key| key.0);
        self.run(py, 0, async move {
            let value = core.decrypt_small(key.as_ref(), data.bytes(), &context).await?;
            Ok(move |py: Python<'_>| Ok(PyBytes::new(py, value.expose()).into_any().unbind()))
        })
    }
}

impl Client {
    /// The key that is named, or the first of the client's own.
    fn one_key(&self, py: Python<'_>, key: Option<KeyArg>) -> PyResult<KeyUri> {
        key.map(|key| key.0)
            .or_else(|| self.first.clone())
            .ok_or_else(|| invalid("name a key: this client has no key of its own"))
            .or_raise(py)
    }
}

fn bytes(value: Vec<u8>) -> impl super::Finish {
    move |py: Python<'_>| Ok(PyBytes::new(py, &value).into_any().unbind())
}
