//! Whole values: encrypted, decrypted, to bytes or into the caller's buffer.

use keyfold::{Demands, Header, SealOptions};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::Client;
use crate::aio::WORTH_THREAD;
use crate::buffer::{Input, Output};
use crate::drive::{apart, compute};
use crate::errors::{OrRaise, invalid};
use crate::keys::{CheckArg, ContextArg, KeysArg};
use crate::sign::{SignerArg, SignersArg};
use crate::suite::SuiteArg;

#[pymethods]
impl Client {
    /// Encrypt a whole value.
    ///
    /// Args:
    ///     data: Anything with the buffer protocol, read where it lies: it must not be changed
    ///         meanwhile.
    ///     keys: The KMS keys; those of the client where absent. The first makes the data key, the
    ///         others wrap it too: each of them opens the envelope.
    ///     context: The encryption context; that of the client where absent.
    ///     suite: "AES-256-GCM" where absent, or "ChaCha20-Poly1305".
    ///     signer: Who signs the envelope: a SigningKey, or the key URI of a KMS key.
    ///
    /// Returns:
    ///     The envelope: some 300 bytes more than the data, and 16 for every 16 KiB.
    ///
    /// Raises:
    ///     InvalidArgument, LimitExceeded: Keys, context or data cannot be used.
    ///     KmsDenied, KmsKeyUnavailable, KmsThrottled, KmsUnavailable, KmsProtocol: The KMS makes
    ///         no data key.
    #[pyo3(signature = (data, *, keys=None, context=None, suite=None, signer=None))]
    fn encrypt(
        &self,
        py: Python<'_>,
        data: Input,
        keys: Option<KeysArg>,
        context: Option<ContextArg>,
        suite: Option<SuiteArg>,
        signer: Option<SignerArg>,
    ) -> PyResult<Py<PyAny>> {
        let (core, ring) = (self.core(py)?, self.ring(py, keys)?);
        let context = self.context(context);
        let suite = suite.map(|suite| suite.0);
        let bytes = data.bytes().len();
        let plaintext_len = Some(bytes as u64);
        if let Some(signer) = signer {
            return self.run(py, bytes, async move {
                if bytes >= WORTH_THREAD {
                    apart().await;
                }
                let options =
                    SealOptions { suite, signer: Some(signer.as_signer()), plaintext_len };
                let sealed = core.encrypt_with(data.bytes(), &ring, &context, &options).await?;
                Ok(move |py: Python<'_>| joined(py, &sealed.header, &sealed.body))
            });
        }
        self.run(py, bytes, async move {
            let options = SealOptions { suite, signer: None, plaintext_len };
            let sealer = core.sealer(&ring, &context, &options).await?;
            Ok(move |py: Python<'_>| {
                let plaintext = data.bytes();
                let len = sealer.envelope_len(plaintext.len()).or_raise(py)?;
                let envelope = PyBytes::new_with(py, len, |out| {
                    compute(py, len, || sealer.seal_envelope_into(plaintext, out)).or_raise(py)?;
                    Ok(())
                })?;
                Ok(envelope.into_any().unbind())
            })
        })
    }

    /// Encrypt a whole value into a buffer of the caller's, which must not overlap the data.
    ///
    /// Args:
    ///     data, keys, context, suite: As for encrypt().
    ///     out: A writable buffer; max_encrypted_len(len(data)) bytes are always enough.
    ///
    /// Returns:
    ///     How many bytes were written, from the start of `out` on.
    ///
    /// Raises:
    ///     InvalidArgument: `out` is too short, or overlaps the data.
    ///     Others: As for encrypt().
    #[pyo3(signature = (data, out, *, keys=None, context=None, suite=None))]
    fn encrypt_into(
        &self,
        py: Python<'_>,
        data: Input,
        mut out: Output,
        keys: Option<KeysArg>,
        context: Option<ContextArg>,
        suite: Option<SuiteArg>,
    ) -> PyResult<Py<PyAny>> {
        apart_from(py, &data, &out)?;
        let (core, ring) = (self.core(py)?, self.ring(py, keys)?);
        let context = self.context(context);
        let suite = suite.map(|suite| suite.0);
        let bytes = data.bytes().len();
        self.run(py, bytes, async move {
            let options = SealOptions { suite, signer: None, plaintext_len: Some(bytes as u64) };
            let sealer = core.sealer(&ring, &context, &options).await?;
            Ok(move |py: Python<'_>| {
                let work = || sealer.seal_envelope_into(data.bytes(), out.bytes());
                let (len, _) = compute(py, bytes, work).or_raise(py)?;
                Ok(len.into_pyobject(py)?.into_any().unbind())
            })
        })
    }

    /// Encrypt a whole value, header and body apart: the header may live beside the body, say in
    /// a column of a database, where rewrap() changes it alone. The arguments are those of
    /// encrypt().
    ///
    /// Returns:
    ///     The header, and the body.
    #[pyo3(signature = (data, *, keys=None, context=None, suite=None, signer=None))]
    fn encrypt_detached(
        &self,
        py: Python<'_>,
        data: Input,
        keys: Option<KeysArg>,
        context: Option<ContextArg>,
        suite: Option<SuiteArg>,
        signer: Option<SignerArg>,
    ) -> PyResult<Py<PyAny>> {
        let (core, ring) = (self.core(py)?, self.ring(py, keys)?);
        let context = self.context(context);
        let suite = suite.map(|suite| suite.0);
        let bytes = data.bytes().len();
        self.run(py, bytes, async move {
            if bytes >= WORTH_THREAD {
                apart().await;
            }
            let signer = signer.as_ref().map(SignerArg::as_signer);
            let options = SealOptions { suite, signer, plaintext_len: Some(bytes as u64) };
            let sealed = core.encrypt_with(data.bytes(), &ring, &context, &options).await?;
            Ok(move |py: Python<'_>| {
                let parts = (PyBytes::new(py, &sealed.header), PyBytes::new(py, &sealed.body));
                Ok(parts.into_pyobject(py)?.into_any().unbind())
            })
        })
    }

    /// Decrypt a whole value. Nothing is released before all of it is proven.
    ///
    /// Args:
    ///     data: The envelope, or its body where the header is given apart.
    ///     keys: The KMS keys that may open it, in their order; those of the client where absent.
    ///     context: The exact encryption context, or a part of it as ContextContains.
    ///     signers: Whose signature is accepted: a PublicKey, several, or "any" for the key that
    ///         the envelope itself names. Needed for every signed envelope; an unsigned one is
    ///         then refused.
    ///     header: The header, where it is kept apart.
    ///
    /// Returns:
    ///     The plaintext.
    ///
    /// Raises:
    ///     MalformedEnvelope, UnsupportedVersion, UnsupportedSuite, Truncated, LimitExceeded: The
    ///         data is no envelope, or not all of one.
    ///     ContextMismatch: It was made under another context.
    ///     NoUsableKey: None of the keys opens it; the first failure is the __cause__.
    ///     AuthenticationFailed: The key is another, or the data was altered.
    ///     SignatureInvalid: It is not signed by any of the signers.
    #[pyo3(signature = (data, *, keys=None, context=None, signers=None, header=None))]
    fn decrypt(
        &self,
        py: Python<'_>,
        data: Input,
        keys: Option<KeysArg>,
        context: Option<CheckArg>,
        signers: Option<SignersArg>,
        header: Option<Input>,
    ) -> PyResult<Py<PyAny>> {
        let (core, ring) = (self.core(py)?, self.ring(py, keys)?);
        let demands = self.demands(context, signers);
        let bytes = data.bytes().len();
        self.run(py, bytes, async move {
            let (header, header_len) = header_of(&data, header.as_ref())?;
            let body_len = (bytes - header_len) as u64;
            let opener = core.opener(&header, body_len, &ring, demands).await?;
            let len = opener.plaintext_len(bytes - header_len)?;
            Ok(move |py: Python<'_>| {
                let body = &data.bytes()[header_len..];
                let plaintext = PyBytes::new_with(py, len, |out| {
                    compute(py, len, || opener.open_whole_into(body, out)).or_raise(py)?;
                    Ok(())
                })?;
                Ok(plaintext.into_any().unbind())
            })
        })
    }

    /// Decrypt a whole value into a buffer of the caller's, which must not overlap the data. After
    /// an error nothing of the plaintext is in it.
    ///
    /// Args:
    ///     data, keys, context, signers, header: As for decrypt().
    ///     out: A writable buffer, at least as long as the plaintext, which is shorter than the
    ///         envelope.
    ///
    /// Returns:
    ///     The length of the plaintext.
    ///
    /// Raises:
    ///     InvalidArgument: `out` is too short, or overlaps the data.
    ///     Others: As for decrypt().
    #[pyo3(signature = (data, out, *, keys=None, context=None, signers=None, header=None))]
    #[expect(clippy::too_many_arguments, reason = "Python's own keyword arguments")]
    fn decrypt_into(
        &self,
        py: Python<'_>,
        data: Input,
        mut out: Output,
        keys: Option<KeysArg>,
        context: Option<CheckArg>,
        signers: Option<SignersArg>,
        header: Option<Input>,
    ) -> PyResult<Py<PyAny>> {
        apart_from(py, &data, &out)?;
        let (core, ring) = (self.core(py)?, self.ring(py, keys)?);
        let demands = self.demands(context, signers);
        let bytes = data.bytes().len();
        self.run(py, bytes, async move {
            let (header, header_len) = header_of(&data, header.as_ref())?;
            let body_len = (bytes - header_len) as u64;
            let opener = core.opener(&header, body_len, &ring, demands).await?;
            Ok(move |py: Python<'_>| {
                let work = || opener.open_whole_into(&data.bytes()[header_len..], out.bytes());
                let len = compute(py, bytes, work).or_raise(py)?;
                Ok(len.into_pyobject(py)?.into_any().unbind())
            })
        })
    }
}

impl Client {
    pub(super) fn demands(
        &self,
        context: Option<CheckArg>,
        signers: Option<SignersArg>,
    ) -> Demands {
        let mut demands = Demands::new(self.check(context));
        if let Some(suites) = &self.suites {
            demands.suites.clone_from(suites);
        }
        match signers {
            Some(signers) => demands.signed_by(signers.0),
            None => demands,
        }
    }
}

/// The header before a body, or the one that is kept apart; answers how many bytes of `data` it
/// has.
fn header_of(data: &Input, detached: Option<&Input>) -> keyfold::Result<(Header, usize)> {
    match detached {
        Some(header) => Ok((Header::parse_detached(header.bytes())?, 0)),
        None => Header::parse(data.bytes()),
    }
}

/// An envelope of its parts.
pub(super) fn joined(py: Python<'_>, header: &[u8], body: &[u8]) -> PyResult<Py<PyAny>> {
    let len = header.len() + body.len();
    let envelope = PyBytes::new_with(py, len, |out| {
        compute(py, len, || {
            out[..header.len()].copy_from_slice(header);
            out[header.len()..].copy_from_slice(body);
        });
        Ok(())
    })?;
    Ok(envelope.into_any().unbind())
}

fn apart_from(py: Python<'_>, data: &Input, out: &Output) -> PyResult<()> {
    if out.overlaps(data) {
        return Err(invalid("input and output share memory")).or_raise(py);
    }
    Ok(())
}

/// At most how long the envelope of so many bytes is.
#[pyfunction]
pub(crate) fn max_encrypted_len(py: Python<'_>, plaintext_len: u64) -> PyResult<u64> {
    super::Core::max_encrypted_len(plaintext_len).or_raise(py)
}
