//! `keyfold.PublicKey`, `keyfold.SigningKey`, and who signs what.

use std::sync::Arc;

use keyfold::sign::{KeySpec, SignatureAlgorithm};
use keyfold::{KeyUri, SecretBytes, Signer, SignerPolicy, SystemRng};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::buffer::{self, Input};
use crate::drive::compute;
use crate::errors::{OrRaise, invalid};
use crate::keys::KeyArg;
use crate::secret::Secret;

/// A name out of a list.
pub(crate) fn named<T: std::str::FromStr<Err = keyfold::Error>>(
    object: Borrowed<'_, '_, PyAny>,
    what: &str,
) -> PyResult<T> {
    let name = object
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("{what} is named by a str")))?;
    buffer::text(&name)?.parse().or_raise(object.py())
}

/// The argument `algorithm`.
pub(crate) struct AlgorithmArg(pub(crate) SignatureAlgorithm);

impl<'py> FromPyObject<'_, 'py> for AlgorithmArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        named(object, "a signature algorithm").map(AlgorithmArg)
    }
}

/// The argument `spec`.
pub(crate) struct SpecArg(KeySpec);

impl<'py> FromPyObject<'_, 'py> for SpecArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        named(object, "a key spec").map(SpecArg)
    }
}

/// A public key: verifies without any KMS.
#[pyclass(frozen, eq, module = "keyfold", name = "PublicKey")]
#[derive(PartialEq)]
pub(crate) struct PublicKey(pub(crate) keyfold::sign::PublicKey);

#[pymethods]
impl PublicKey {
    /// SubjectPublicKeyInfo in DER.
    #[staticmethod]
    fn from_der(py: Python<'_>, der: Input) -> PyResult<Self> {
        keyfold::sign::PublicKey::from_spki_der(der.bytes()).map(PublicKey).or_raise(py)
    }

    /// SubjectPublicKeyInfo in PEM.
    #[staticmethod]
    fn from_pem(py: Python<'_>, pem: &Bound<'_, PyString>) -> PyResult<Self> {
        keyfold::sign::PublicKey::from_spki_pem(buffer::text(pem)?).map(PublicKey).or_raise(py)
    }

    /// A JSON Web Key, as text.
    #[staticmethod]
    fn from_jwk(py: Python<'_>, jwk: &Bound<'_, PyString>) -> PyResult<Self> {
        keyfold::sign::PublicKey::from_jwk(buffer::text(jwk)?).map(PublicKey).or_raise(py)
    }

    fn to_der<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_spki_der())
    }

    fn to_pem(&self) -> String {
        self.0.to_spki_pem()
    }

    fn to_jwk(&self) -> String {
        self.0.to_jwk()
    }

    /// What kind of key, such as "ECC_NIST_P256".
    #[getter]
    fn spec(&self) -> &'static str {
        self.0.spec().as_str()
    }

    /// The algorithms that such keys sign with.
    #[getter]
    fn algorithms(&self) -> Vec<&'static str> {
        self.0.spec().algorithms().iter().map(|algorithm| algorithm.as_str()).collect()
    }

    /// Raises `SignatureInvalid` unless the signature, in DER for ECDSA, is of this message.
    #[pyo3(signature = (data, signature, *, algorithm=None))]
    fn verify(
        &self,
        py: Python<'_>,
        data: Input,
        signature: Input,
        algorithm: Option<AlgorithmArg>,
    ) -> PyResult<()> {
        let algorithm = algorithm.map_or_else(|| self.0.spec().default_algorithm(), |a| a.0);
        // Verifying takes a while, however short the message is.
        py.detach(|| self.0.verify(algorithm, data.bytes(), signature.bytes())).or_raise(py)
    }

    fn __hash__(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.0.to_spki_der().hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!("PublicKey({})", self.0.spec())
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let der = slf.get().to_der(slf.py());
        Ok((slf.get_type().getattr("from_der")?, (der,)))
    }
}

/// A private key of the caller's own, for signing without a KMS.
#[pyclass(frozen, module = "keyfold", name = "SigningKey")]
pub(crate) struct SigningKey(Arc<keyfold::sign::SigningKey>);

impl SigningKey {
    fn of(key: keyfold::Result<keyfold::sign::SigningKey>, py: Python<'_>) -> PyResult<Self> {
        key.map(|key| SigningKey(Arc::new(key))).or_raise(py)
    }
}

#[pymethods]
impl SigningKey {
    /// A new key.
    #[staticmethod]
    #[pyo3(signature = (spec=SpecArg(KeySpec::Ed25519)))]
    #[pyo3(text_signature = "(spec='ECC_NIST_EDWARDS25519')")]
    fn generate(py: Python<'_>, spec: SpecArg) -> PyResult<Self> {
        let made = py.detach(|| keyfold::sign::SigningKey::generate(spec.0, &SystemRng));
        SigningKey::of(made, py)
    }

    /// PKCS#8 in DER.
    #[staticmethod]
    fn from_der(py: Python<'_>, der: Input) -> PyResult<Self> {
        SigningKey::of(keyfold::sign::SigningKey::from_pkcs8_der(der.bytes()), py)
    }

    /// PKCS#8 in PEM.
    #[staticmethod]
    fn from_pem(py: Python<'_>, pem: &Bound<'_, PyAny>) -> PyResult<Self> {
        let pem = crate::embedded::secret(pem)?;
        let text = std::str::from_utf8(pem.expose())
            .map_err(|_| invalid("a private key in PEM is text"))
            .or_raise(py)?;
        SigningKey::of(keyfold::sign::SigningKey::from_pkcs8_pem(text), py)
    }

    /// PKCS#8 in PEM.
    fn to_pem(&self, py: Python<'_>) -> PyResult<Secret> {
        Ok(Secret::of(self.0.to_pkcs8_pem().or_raise(py)?, None))
    }

    /// PKCS#8 in DER.
    fn to_der(&self, py: Python<'_>) -> PyResult<Secret> {
        Ok(Secret::of(self.0.to_pkcs8_der().or_raise(py)?, None))
    }

    #[getter]
    fn spec(&self) -> &'static str {
        self.0.spec().as_str()
    }

    #[getter]
    fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public_key().clone())
    }

    /// The signature of a message, in DER for ECDSA.
    #[pyo3(signature = (data, *, algorithm=None))]
    fn sign<'py>(
        &self,
        py: Python<'py>,
        data: Input,
        algorithm: Option<AlgorithmArg>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let algorithm = algorithm.map_or_else(|| self.0.spec().default_algorithm(), |a| a.0);
        let signature = py.detach(|| self.0.sign(algorithm, data.bytes())).or_raise(py)?;
        Ok(PyBytes::new(py, &signature))
    }

    fn __repr__(&self) -> String {
        format!("SigningKey({}, ..)", self.0.spec())
    }

    fn __reduce__(&self) -> PyResult<Py<PyAny>> {
        Err(PyTypeError::new_err("a private key is not pickled: write it with to_pem()"))
    }
}

/// The argument `signer`: a key of the caller's own, or one of the KMS.
pub(crate) enum SignerArg {
    Local(Arc<keyfold::sign::SigningKey>),
    Kms(KeyUri),
}

impl SignerArg {
    pub(crate) fn as_signer(&self) -> Signer<'_> {
        match self {
            SignerArg::Local(key) => Signer::Local(key),
            SignerArg::Kms(key) => Signer::Kms(key.clone()),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for SignerArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(key) = object.cast::<SigningKey>() {
            return Ok(SignerArg::Local(key.get().0.clone()));
        }
        Ok(SignerArg::Kms(object.extract::<KeyArg>()?.0))
    }
}

/// The argument `signers`: whose signature is accepted.
pub(crate) struct SignersArg(pub(crate) SignerPolicy);

impl<'py> FromPyObject<'_, 'py> for SignersArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.eq("any")? {
            return Ok(SignersArg(SignerPolicy::Anyone));
        }
        if let Ok(key) = object.cast::<PublicKey>() {
            return Ok(SignersArg(SignerPolicy::OneOf(vec![key.get().0.clone()])));
        }
        let wrong =
            || PyTypeError::new_err("signers is a keyfold.PublicKey, a sequence of them, or 'any'");
        let mut keys = Vec::new();
        for key in object.try_iter().map_err(|_| wrong())? {
            keys.push(key?.cast::<PublicKey>().map_err(|_| wrong())?.get().0.clone());
        }
        Ok(SignersArg(SignerPolicy::OneOf(keys)))
    }
}

/// Hashes nothing twice: for messages that come in parts.
#[pyclass(module = "keyfold", name = "MessageHasher")]
pub(crate) struct MessageHasher(Option<keyfold::sign::MessageHasher>);

#[pymethods]
impl MessageHasher {
    #[new]
    fn new(py: Python<'_>, algorithm: AlgorithmArg) -> PyResult<Self> {
        keyfold::sign::MessageHasher::new(algorithm.0)
            .map(|made| MessageHasher(Some(made)))
            .or_raise(py)
    }

    /// Adds a part of the message.
    fn update(&mut self, py: Python<'_>, data: Input) -> PyResult<()> {
        let ended = || invalid("the hash is finished already");
        let hasher = self.0.as_mut().ok_or_else(ended).or_raise(py)?;
        let bytes = data.bytes();
        compute(py, bytes.len(), || hasher.update(bytes));
        Ok(())
    }

    /// The digest, once.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let ended = || invalid("the hash is finished already");
        let hasher = self.0.take().ok_or_else(ended).or_raise(py)?;
        Ok(PyBytes::new(py, &hasher.finish()))
    }
}

/// Bytes of the caller's as a secret of ours.
pub(crate) fn to_secret(data: &Input) -> SecretBytes {
    SecretBytes::from(data.bytes())
}
