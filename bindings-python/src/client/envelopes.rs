//! Who can open an envelope, changed without touching its body; and what is public in it.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use keyfold::stream::io::read_header;
use keyfold::{Header, KeyUri, Keyring, Result};
use keyfold_files::whole;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::files::path_of;
use super::values::joined;
use super::{Client, Core};
use crate::buffer::Input;
use crate::drive::apart;
use crate::errors::{OrRaise, at, invalid};
use crate::info::EnvelopeInfo;
use crate::keys::{KeyArg, KeysArg};

/// The argument `envelope`: its bytes, or the path of its file.
pub(crate) enum EnvelopeArg {
    Bytes(Input),
    Path(PathBuf),
}

impl<'py> FromPyObject<'_, 'py> for EnvelopeArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match path_of(&object)? {
            Some(path) => Ok(EnvelopeArg::Path(path)),
            None => object.extract().map(EnvelopeArg::Bytes),
        }
    }
}

/// What becomes of a recipient list.
enum Change {
    Rewrap { from: Arc<Keyring>, to: Arc<Keyring> },
    Add { from: Arc<Keyring>, new: Arc<Keyring> },
    Remove(Vec<KeyUri>),
}

impl Change {
    async fn of(&self, core: &Core, header: &Header) -> Result<Header> {
        match self {
            Change::Rewrap { from, to } => core.rewrap(header, from, to).await,
            Change::Add { from, new } => core.add_recipients(header, from, new).await,
            Change::Remove(keys) => core.remove_recipients(header, keys).await,
        }
    }
}

impl Client {
    fn rewrite(
        &self,
        py: Python<'_>,
        envelope: EnvelopeArg,
        change: Change,
    ) -> PyResult<Py<PyAny>> {
        let core = self.core(py)?;
        match envelope {
            EnvelopeArg::Bytes(envelope) => self.run(py, envelope.bytes().len(), async move {
                let (header, header_len) = Header::parse(envelope.bytes())?;
                let header = change.of(&core, &header).await?;
                Ok(move |py: Python<'_>| {
                    joined(py, header.as_bytes(), &envelope.bytes()[header_len..])
                })
            }),
            // The body may be of any length: it is copied on a thread.
            EnvelopeArg::Path(path) => self.run(py, usize::MAX, async move {
                apart().await;
                let (old, mut file) = whole::header(&path)?;
                let new = change.of(&core, &old).await?;
                Ok(move |py: Python<'_>| {
                    py.detach(|| whole::replace_header(&path, &mut file, &old, &new))
                        .or_raise(py)?;
                    Ok(py.None())
                })
            }),
        }
    }
}

#[pymethods]
impl Client {
    /// Move an envelope to other KMS keys, without touching its body. The KMS unwraps the data key
    /// and wraps it again; nobody else sees it, and signatures stay valid.
    ///
    /// Args:
    ///     envelope: Its bytes or its header alone; or the path of its file, which is replaced at
    ///         once and whole, with its permissions and its owner.
    ///     to_keys: The KMS keys that open it from now on, instead of those before.
    ///     from_keys: Those that may open it now; those of the client where absent.
    ///
    /// Returns:
    ///     The new envelope; nothing for a path.
    ///
    /// Raises:
    ///     NoUsableKey: None of the keys opens it.
    ///     Others: As for decrypt(), apart from what needs the body.
    #[pyo3(signature = (envelope, *, to_keys, from_keys=None))]
    fn rewrap(
        &self,
        py: Python<'_>,
        envelope: EnvelopeArg,
        to_keys: KeysArg,
        from_keys: Option<KeysArg>,
    ) -> PyResult<Py<PyAny>> {
        let from = self.ring(py, from_keys)?;
        self.rewrite(py, envelope, Change::Rewrap { from, to: to_keys.0 })
    }

    /// Let further KMS keys open an envelope, at most 16 in all; otherwise as rewrap().
    #[pyo3(signature = (envelope, *, keys, from_keys=None))]
    fn add_recipients(
        &self,
        py: Python<'_>,
        envelope: EnvelopeArg,
        keys: KeysArg,
        from_keys: Option<KeysArg>,
    ) -> PyResult<Py<PyAny>> {
        let from = self.ring(py, from_keys)?;
        self.rewrite(py, envelope, Change::Add { from, new: keys.0 })
    }

    /// Take KMS keys off an envelope; otherwise as rewrap(). Whoever has opened it before may have
    /// kept its data key.
    ///
    /// Raises:
    ///     InvalidArgument: One of the keys is no recipient, or none would be left.
    #[pyo3(signature = (envelope, *, keys))]
    fn remove_recipients(
        &self,
        py: Python<'_>,
        envelope: EnvelopeArg,
        keys: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        let keys = if keys.is_instance_of::<PyString>() {
            vec![keys.extract::<KeyArg>()?.0]
        } else {
            keys.extract::<Vec<KeyArg>>()?.into_iter().map(|key| key.0).collect()
        };
        self.rewrite(py, envelope, Change::Remove(keys))
    }
}

/// What is public in an envelope. Nothing of it is proven: only decryption does that.
///
/// Args:
///     envelope: Its bytes or its header alone, or the path of its file.
///     size: The length of the envelope in bytes, where only its beginning is given, as it can be
///         read from an object store.
///
/// Raises:
///     MalformedEnvelope, UnsupportedVersion, UnsupportedSuite, Truncated: It is none, or more of
///         its beginning is needed.
///     InvalidArgument: The size is less than what is given.
#[pyfunction]
#[pyo3(signature = (envelope, *, size=None))]
pub(crate) fn inspect(
    py: Python<'_>,
    envelope: EnvelopeArg,
    size: Option<u64>,
) -> PyResult<EnvelopeInfo> {
    let (header, header_len, len) = match envelope {
        EnvelopeArg::Bytes(envelope) => {
            let (header, header_len) = Header::parse(envelope.bytes()).or_raise(py)?;
            (header, header_len as u64, envelope.bytes().len() as u64)
        }
        EnvelopeArg::Path(path) => {
            let read = || -> Result<(Header, u64, u64)> {
                let wrong = |error| at("read", &path, error);
                let mut file = File::open(&path).map_err(wrong)?;
                let (header, _) = read_header(&mut file)?;
                let header_len = header.as_bytes().len() as u64;
                Ok((header, header_len, file.metadata().map_err(wrong)?.len()))
            };
            py.detach(read).or_raise(py)?
        }
    };
    let len = match size {
        Some(size) if size < len => {
            return Err(invalid("the envelope is longer than its size")).or_raise(py);
        }
        Some(size) => size,
        None => len,
    };
    EnvelopeInfo::of(&header, header_len, len.saturating_sub(header_len)).or_raise(py)
}
