//! Files: from path to path without Python, and the streams behind `open_writer` and
//! `open_reader`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use keyfold::stream::io::{OpenReader, RangeReader, SealWriter, read_header};
use keyfold::{Error, ErrorCode, Result, SealOptions};
use keyfold_files::whole::{begin, named, open};
use keyfold_files::{Pace, pump};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::Client;
use crate::drive::{apart, cancelled, signals};
use crate::errors::{Raw, at, invalid};
use crate::keys::{CheckArg, ContextArg, KeysArg};
use crate::sign::{SignerArg, SignersArg};
use crate::stream::{Opening, PyFile, RangedSource, ReadSeek, Sealing, Sink, Source};
use crate::suite::SuiteArg;

/// How often work on a file looks for signals and tells how far it is: Ctrl-C shows within a
/// tenth of a second.
const LOOK: Duration = Duration::from_millis(50);

/// Looks up from work on a file.
struct Watch {
    progress: Option<Py<PyAny>>,
    total: u64,
    done: u64,
    looked: Instant,
}

impl Watch {
    fn new(progress: Option<Py<PyAny>>, total: u64) -> Self {
        Watch { progress, total, done: 0, looked: Instant::now() }
    }

    /// So many bytes more are read.
    fn add(&mut self, bytes: usize) -> Result<()> {
        self.done += bytes as u64;
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.look()?;
        self.looked = Instant::now();
        Ok(())
    }

    /// Looks now.
    fn look(&self) -> Result<()> {
        if cancelled() {
            return Err(Error::new(ErrorCode::Cancelled, "the operation was cancelled"));
        }
        let looked = Python::attach(|py| {
            py.check_signals()?;
            match &self.progress {
                Some(progress) => progress.bind(py).call1((self.done, self.total)).map(drop),
                None => Ok(()),
            }
        });
        looked.map_err(Raw::error)
    }
}

/// A file whose reads end at a signal: a pipe may have nothing for long.
struct Interruptible(File);

impl Read for Interruptible {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(out);
        if read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
            signals().map_err(|raised| io::Error::other(Raw::error(raised)))?;
        }
        read
    }
}

#[pymethods]
impl Client {
    /// Encrypt a file, wholly in native code; Ctrl-C ends it within a tenth of a second.
    ///
    /// Args:
    ///     source: A path.
    ///     target: A path, which gets the file only when it is complete and on disk, with the
    ///         permissions of the source.
    ///     keys, context, suite, signer: As for encrypt().
    ///     overwrite: Whether a file that is there is replaced.
    ///     progress: Called now and then, and at the end, with how many bytes are done and how
    ///         many there are. An exception in it ends the work and is raised.
    ///
    /// Returns:
    ///     The length of the plaintext in bytes.
    ///
    /// Raises:
    ///     IoError: The system does not let a file be read or written; it has `errno`, and the
    ///         system's own exception is the __cause__.
    ///     Others: As for encrypt().
    #[pyo3(signature = (source, target, *, keys=None, context=None, suite=None, signer=None, overwrite=true, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "Python's own keyword arguments")]
    fn encrypt_file(
        &self,
        py: Python<'_>,
        source: PathBuf,
        target: PathBuf,
        keys: Option<KeysArg>,
        context: Option<ContextArg>,
        suite: Option<SuiteArg>,
        signer: Option<SignerArg>,
        overwrite: bool,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let (core, ring) = (self.core(py)?, self.ring(py, keys)?);
        let context = self.context(context);
        let suite = suite.map(|suite| suite.0);
        let threads = self.threads;
        self.run(py, 0, async move {
            apart().await;
            let (file, about) = open(&source)?;
            let len = about.is_file().then_some(about.len());
            let mut part = begin(&target, overwrite, Some(&about))?;
            let signer = signer.as_ref().map(SignerArg::as_signer);
            let options = SealOptions { suite, signer, plaintext_len: len };
            let sealer = core.sealer(&ring, &context, &options).await?;
            apart().await;
            let wrong = |error: Error| named("write", &target, error);
            let pace = Pace::new(threads.0, len)?;
            let sealer = sealer.with_threads(&pace.threads);
            part.write_all(sealer.header()).map_err(|error| at("write", &target, error))?;
            let mut watch = Watch::new(progress, len.unwrap_or(0));
            let mut input = Interruptible(file);
            let mut done = |bytes| watch.add(bytes);
            let (total, pending) =
                pump::seal(sealer, pace.batch, &mut input, &mut part, &mut done).map_err(wrong)?;
            watch.look()?;
            if let (Some(pending), Some(signer)) = (pending, &options.signer) {
                let trailer = core.sign_pending(pending, signer).await?;
                apart().await;
                part.write_all(&trailer).map_err(|error| at("write", &target, error))?;
            }
            part.commit().map_err(|error| at("write", &target, error))?;
            Ok(move |py: Python<'_>| Ok(total.into_pyobject(py)?.into_any().unbind()))
        })
    }

    /// Decrypt a file, wholly in native code; Ctrl-C ends it within a tenth of a second.
    ///
    /// Args:
    ///     source: The path of an envelope.
    ///     target: A path, which gets the file only when all of it is proven and on disk.
    ///     keys, context, signers: As for decrypt().
    ///     overwrite, progress: As for encrypt_file(); the bytes are those of the envelope.
    ///
    /// Returns:
    ///     The length of the plaintext in bytes.
    ///
    /// Raises:
    ///     IoError: As for encrypt_file().
    ///     Others: As for decrypt().
    #[pyo3(signature = (source, target, *, keys=None, context=None, signers=None, overwrite=true, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "Python's own keyword arguments")]
    fn decrypt_file(
        &self,
        py: Python<'_>,
        source: PathBuf,
        target: PathBuf,
        keys: Option<KeysArg>,
        context: Option<CheckArg>,
        signers: Option<SignersArg>,
        overwrite: bool,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let (core, ring) = (self.core(py)?, self.ring(py, keys)?);
        let demands = self.demands(context, signers);
        let threads = self.threads;
        self.run(py, 0, async move {
            apart().await;
            let (mut file, about) = open(&source)?;
            let (header, start) = read_header(&mut file).map_err(|e| named("read", &source, e))?;
            let mut part = begin(&target, overwrite, Some(&about))?;
            let unlocked = core.unlock(&header, &ring, demands).await?;
            apart().await;
            let len = about.is_file().then_some(about.len());
            let pace = Pace::new(threads.0, len)?;
            let opener = unlocked.into_opener().with_threads(&pace.threads);
            let header_len = header.as_bytes().len() as u64;
            let mut watch = Watch::new(progress, len.unwrap_or(0).saturating_sub(header_len));
            let mut input = Interruptible(file);
            let mut done = |bytes| watch.add(bytes);
            let total = pump::open(opener, pace.batch, &start, &mut input, &mut part, &mut done)
                .map_err(|error| named("decrypt", &source, error))?;
            watch.look()?;
            part.commit().map_err(|error| at("write", &target, error))?;
            Ok(move |py: Python<'_>| Ok(total.into_pyobject(py)?.into_any().unbind()))
        })
    }

    /// The native half of `open_writer`.
    #[pyo3(signature = (target, keys=None, context=None, suite=None, signer=None, overwrite=true, length=None))]
    #[expect(clippy::too_many_arguments, reason = "Python's own keyword arguments")]
    fn _open_writer(
        &self,
        py: Python<'_>,
        target: &Bound<'_, PyAny>,
        keys: Option<KeysArg>,
        context: Option<ContextArg>,
        suite: Option<SuiteArg>,
        signer: Option<SignerArg>,
        overwrite: bool,
        length: Option<u64>,
    ) -> PyResult<Py<PyAny>> {
        let (core, ring) = (self.core(py)?, self.ring(py, keys)?);
        let context = self.context(context);
        let suite = suite.map(|suite| suite.0);
        let path = path_of(target)?;
        let file = path.is_none().then(|| PyFile::new(target.clone().unbind()));
        self.run(py, 0, async move {
            apart().await;
            let sink = match (&path, file) {
                (Some(path), _) => Sink::Part(begin(path, overwrite, None)?),
                (None, Some(file)) => Sink::Python(file),
                (None, None) => return Err(invalid("there is nothing to write to")),
            };
            let options = SealOptions {
                suite,
                signer: signer.as_ref().map(SignerArg::as_signer),
                plaintext_len: length,
            };
            let sealer = core.sealer(&ring, &context, &options).await?;
            apart().await;
            let writer = SealWriter::attached(sealer, sink)?;
            Ok(move |py: Python<'_>| {
                let sealing = Sealing::new(core, signer, path, writer);
                Ok(Py::new(py, sealing)?.into_any())
            })
        })
    }

    /// The native half of `open_reader`.
    #[pyo3(signature = (source, keys=None, context=None, signers=None, unproven_signature=false))]
    fn _open_reader(
        &self,
        py: Python<'_>,
        source: &Bound<'_, PyAny>,
        keys: Option<KeysArg>,
        context: Option<CheckArg>,
        signers: Option<SignersArg>,
        unproven_signature: bool,
    ) -> PyResult<Py<PyAny>> {
        let (core, ring) = (self.core(py)?, self.ring(py, keys)?);
        // Whoever accepts that a signature stays unproven accepts any.
        let any = || SignersArg(keyfold::SignerPolicy::Anyone);
        let signed = signers.is_some();
        let demanded = signers.or_else(|| unproven_signature.then(any));
        let with_signers = self.demands(None, demanded);
        let policy = with_signers.signers;
        let mut demands = self.demands(context, None);
        let origin = Origin::of(source)?;
        self.run(py, 0, async move {
            apart().await;
            let (mut place, base) = origin.open()?;
            let (header, start) = match &mut place {
                Place::Ranges(source) => read_header(source)?,
                Place::Stream(source) => read_header(source)?,
            };
            if let Some(policy) = policy
                && (signed || header.signature().is_some())
            {
                demands = demands.signed_by(policy);
            }
            let unlocked = core.unlock(&header, &ring, demands).await?;
            apart().await;
            let source = match place {
                Place::Ranges(source) if !signed => {
                    let body_start = base + header.as_bytes().len() as u64;
                    Source::Ranges(RangeReader::new(source, body_start, |prefix, body_len| {
                        if unproven_signature {
                            unlocked.into_unproven_ranges(prefix, body_len)
                        } else {
                            unlocked.into_ranges(prefix, body_len)
                        }
                    })?)
                }
                // A signature is over the whole: it is proven at the end.
                place => {
                    let (opener, source) = (unlocked.into_opener(), place.into_stream());
                    Source::Stream(Box::new(OpenReader::new(opener, start, source)))
                }
            };
            Ok(move |py: Python<'_>| Ok(Py::new(py, Opening::new(source))?.into_any()))
        })
    }
}

/// The path that a str or a path object names; nothing for a file object.
pub(super) fn path_of(object: &Bound<'_, PyAny>) -> PyResult<Option<PathBuf>> {
    if object.is_instance_of::<PyString>() || object.hasattr(intern!(object.py(), "__fspath__"))? {
        return object.extract().map(Some);
    }
    Ok(None)
}

/// Where an envelope is read from.
enum Origin {
    Path(PathBuf),
    Ranged(RangedSource),
    /// A file object, and the place where it stands, if it can be read at any.
    File(PyFile, Option<u64>),
}

enum Place {
    Ranges(Box<dyn ReadSeek>),
    Stream(Box<dyn Read + Send>),
}

impl Place {
    fn into_stream(self) -> Box<dyn Read + Send> {
        match self {
            Place::Ranges(source) => source,
            Place::Stream(source) => source,
        }
    }
}

impl Origin {
    fn of(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = source.py();
        if let Some(path) = path_of(source)? {
            return Ok(Origin::Path(path));
        }
        if source.hasattr(intern!(py, "read_at"))? {
            return RangedSource::new(source).map(Origin::Ranged);
        }
        let seekable = match source.getattr_opt(intern!(py, "seekable"))? {
            Some(seekable) => seekable.call0()?.is_truthy()?,
            None => source.hasattr(intern!(py, "seek"))? && source.hasattr(intern!(py, "tell"))?,
        };
        let position = if seekable {
            Some(source.call_method0(intern!(py, "tell"))?.extract()?)
        } else {
            None
        };
        Ok(Origin::File(PyFile::new(source.clone().unbind()), position))
    }

    /// The source, and where the envelope begins in it.
    fn open(self) -> Result<(Place, u64)> {
        Ok(match self {
            Origin::Path(path) => {
                let (file, about) = open(&path)?;
                if about.is_file() {
                    (Place::Ranges(Box::new(file)), 0)
                } else {
                    (Place::Stream(Box::new(Interruptible(file))), 0)
                }
            }
            Origin::Ranged(source) => (Place::Ranges(Box::new(source)), 0),
            Origin::File(file, Some(position)) => (Place::Ranges(Box::new(file)), position),
            Origin::File(file, None) => (Place::Stream(Box::new(file)), 0),
        })
    }
}
