//! `keyfold.EnvelopeInfo`: what anybody can read in an envelope.

use std::collections::BTreeMap;

use keyfold::{Header, Result, SignerHint};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// One of the KMS keys that can open an envelope.
#[pyclass(frozen, eq, module = "keyfold", name = "Recipient")]
#[derive(Clone, PartialEq)]
pub(crate) struct Recipient {
    key: keyfold::KeyUri,
    wrapped_key_length: usize,
    parameters: Vec<String>,
}

#[pymethods]
impl Recipient {
    /// The KMS key.
    #[getter]
    fn key(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        crate::keys::to_python(py, &self.key)
    }

    /// Length of the wrapped data key in bytes.
    #[getter]
    fn wrapped_key_length(&self) -> usize {
        self.wrapped_key_length
    }

    /// Names of what its KMS noted to unwrap it again.
    #[getter]
    fn parameters(&self) -> Vec<String> {
        self.parameters.clone()
    }

    fn __repr__(&self) -> String {
        format!("Recipient('{}')", self.key)
    }
}

/// What is public in an envelope. Nothing of it is proven: only decryption does that.
#[pyclass(frozen, eq, module = "keyfold", name = "EnvelopeInfo")]
#[derive(PartialEq)]
pub(crate) struct EnvelopeInfo {
    #[pyo3(get)]
    version: u8,
    #[pyo3(get)]
    suite: u16,
    #[pyo3(get)]
    cipher: &'static str,
    context: BTreeMap<String, String>,
    recipients: Vec<Recipient>,
    signature: Option<(&'static str, &'static str, SignerHint)>,
    #[pyo3(get)]
    header_length: u64,
    #[pyo3(get)]
    body_length: u64,
    #[pyo3(get)]
    plaintext_length: Option<u64>,
}

impl EnvelopeInfo {
    pub(crate) fn of(header: &Header, header_len: u64, body_len: u64) -> Result<Self> {
        let recipients = header.recipients().iter().map(|recipient| Recipient {
            key: recipient.key.clone(),
            wrapped_key_length: recipient.ciphertext.len(),
            parameters: recipient.params.keys().cloned().collect(),
        });
        let signature = header.signature().map(|signature| {
            let (algorithm, spec) = (signature.algorithm().as_str(), signature.key_spec().as_str());
            (algorithm, spec, signature.hint().clone())
        });
        let layout = header.body_layout(body_len)?;
        let context = header.context().iter().map(|(n, v)| (n.to_owned(), v.to_owned()));
        Ok(EnvelopeInfo {
            version: keyfold::envelope::VERSION,
            suite: header.suite().id(),
            cipher: header.suite().cipher(),
            context: context.collect(),
            recipients: recipients.collect(),
            signature,
            header_length: header_len,
            body_length: body_len,
            plaintext_length: layout.map(|layout| layout.plaintext_len()),
        })
    }
}

#[pymethods]
impl EnvelopeInfo {
    /// The encryption context.
    #[getter]
    fn context(&self) -> BTreeMap<String, String> {
        self.context.clone()
    }

    #[getter]
    fn recipients(&self) -> Vec<Recipient> {
        self.recipients.clone()
    }

    /// Whether the envelope says that it is signed.
    #[getter]
    fn signed(&self) -> bool {
        self.signature.is_some()
    }

    #[getter]
    fn signature_algorithm(&self) -> Option<&'static str> {
        self.signature.as_ref().map(|(algorithm, _, _)| *algorithm)
    }

    #[getter]
    fn signer_spec(&self) -> Option<&'static str> {
        self.signature.as_ref().map(|(_, spec, _)| *spec)
    }

    /// The key that the envelope says to be signed with: its URI, or itself in DER. A hint, never
    /// a reason to trust it.
    #[getter]
    fn signer(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match &self.signature {
            None => Ok(None),
            Some((_, _, SignerHint::Key(key))) => crate::keys::to_python(py, key).map(Some),
            Some((_, _, SignerHint::Spki(spki))) => {
                Ok(Some(PyBytes::new(py, spki).into_any().unbind()))
            }
        }
    }

    fn __repr__(&self) -> String {
        let keys: Vec<&str> = self.recipients.iter().map(|r| r.key.as_str()).collect();
        let names: Vec<&String> = self.context.keys().collect();
        format!(
            "EnvelopeInfo(cipher={:?}, context={names:?}, recipients={keys:?}, signed={})",
            self.cipher,
            self.signature.is_some()
        )
    }
}
