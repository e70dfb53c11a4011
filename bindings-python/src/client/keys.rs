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
    /// Sign a message with a key of the KMS. One above 4096 bytes is hashed here.
    ///
    /// Args:
    ///     data: The message, at most 4096 bytes for an Ed25519 key.
    ///     key: The KMS key.
    ///     algorithm: Such as "ECDSA_SHA_256"; that of the key where absent, which asks the KMS
    ///         for its public key. For RSA that is "RSASSA_PSS_SHA_256".
    ///
    /// Returns:
    ///     The signature, in DER for ECDSA.
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

    /// Sign the digest of a message, as MessageHasher makes it.
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

    /// Verify a signature with the public key of a KMS key; the message stays here.
    ///
    /// Raises:
    ///     SignatureInvalid: It is not of this message, by this key.
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

    /// The public key of an asymmetric KMS key: hand it to whoever verifies.
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

    /// Encrypt 1 to 4096 bytes by the KMS key itself: they go to the KMS.
    ///
    /// Args:
    ///     data: The plaintext.
    ///     key: The KMS key; the first of the client's where absent.
    ///     context: The encryption context; that of the client where absent.
    ///
    /// Returns:
    ///     The ciphertext, in the KMS's own form.
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

    /// Decrypt what encrypt_small() made. With a key, it must be of that one.
    ///
    /// Raises:
    ///     AuthenticationFailed: Key, context or ciphertext do not belong together.
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
