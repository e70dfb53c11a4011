//! The native half of `open_writer` and `open_reader`: sealing and opening over files and over
//! objects of Python's.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use keyfold::stream::io::{OpenReader, RangeReader, SealWriter};
use keyfold::{Error, ErrorCode, PendingSignature, Result};
use keyfold_files::PartFile;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffer::{Input, Output};
use crate::client::Core;
use crate::drive::wait;
use crate::errors::{OrRaise, at, from_python, invalid};
use crate::sign::SignerArg;

/// An exception of a file object, as an error of `std::io`.
fn raised(py: Python<'_>, error: PyErr) -> io::Error {
    let what = "the file object failed";
    io::Error::other(from_python(py, error, ErrorCode::Io, what))
}

/// A binary file object of Python's.
pub(crate) struct PyFile(Py<PyAny>);

impl PyFile {
    pub(crate) fn new(file: Py<PyAny>) -> Self {
        PyFile(file)
    }
}

impl Write for PyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let write = || -> PyResult<usize> {
                // bytes, not a view: the object may keep what it is given.
                let given = PyBytes::new(py, bytes);
                let written = self.0.bind(py).call_method1(intern!(py, "write"), (given,))?;
                // Raw files may write less, and say so; others answer nothing.
                if written.is_none() { Ok(bytes.len()) } else { written.extract() }
            };
            let written = write().map_err(|error| raised(py, error))?;
            Ok(written.min(bytes.len()))
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Python::attach(|py| {
            let file = self.0.bind(py);
            let flush = || -> PyResult<()> {
                if file.hasattr(intern!(py, "flush"))? {
                    file.call_method0(intern!(py, "flush"))?;
                }
                Ok(())
            };
            flush().map_err(|error| raised(py, error))
        })
    }
}

impl Read for PyFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let mut read = || -> PyResult<usize> {
                let got = self.0.bind(py).call_method1(intern!(py, "read"), (out.len(),))?;
                if got.is_none() {
                    return Err(invalid("the file object does not block")).or_raise(py);
                }
                copy(&got, out)
            };
            read().map_err(|error| raised(py, error))
        })
    }
}

/// Copies what an object of the caller's answered.
fn copy(got: &Bound<'_, PyAny>, out: &mut [u8]) -> PyResult<usize> {
    let got: Input = got.extract()?;
    let bytes = got.bytes();
    let there = out
        .get_mut(..bytes.len())
        .ok_or_else(|| PyTypeError::new_err("more bytes were read than were asked for"))?;
    there.copy_from_slice(bytes);
    Ok(bytes.len())
}

impl Seek for PyFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        Python::attach(|py| {
            let (offset, whence) = match to {
                SeekFrom::Start(offset) => (i128::from(offset), 0),
                SeekFrom::Current(offset) => (i128::from(offset), 1),
                SeekFrom::End(offset) => (i128::from(offset), 2),
            };
            let seek = self.0.bind(py).call_method1(intern!(py, "seek"), (offset, whence));
            seek.and_then(|position| position.extract()).map_err(|error| raised(py, error))
        })
    }
}

/// An object with `size` and `read_at(offset, length)`: what object stores have.
pub(crate) struct RangedSource {
    object: Py<PyAny>,
    size: u64,
    position: u64,
}

impl RangedSource {
    /// `size` is a number, or a method that answers one.
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let size = object.getattr(intern!(object.py(), "size"))?;
        let size = if size.is_callable() { size.call0()? } else { size };
        let size = size.extract()?;
        Ok(RangedSource { object: object.clone().unbind(), size, position: 0 })
    }
}

impl Read for RangedSource {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let len = out.len().min(left);
        if len == 0 {
            return Ok(0);
        }
        let read = Python::attach(|py| {
            let got = self
                .object
                .bind(py)
                .call_method1(intern!(py, "read_at"), (self.position, len))
                .and_then(|got| copy(&got, &mut out[..len]));
            got.map_err(|error| raised(py, error))
        })?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for RangedSource {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Where sealed bytes go.
pub(crate) enum Sink {
    Part(PartFile),
    Python(PyFile),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Part(part) => part.write(bytes),
            Sink::Python(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Part(part) => part.flush(),
            Sink::Python(file) => file.flush(),
        }
    }
}

/// Seals what is written to it.
#[pyclass(frozen, module = "keyfold._keyfold", name = "Sealing")]
pub(crate) struct Sealing {
    core: Arc<Core>,
    signer: Option<SignerArg>,
    path: Option<PathBuf>,
    /// Nothing once it is finished, given up, or failed.
    writer: Mutex<Option<SealWriter<Sink>>>,
}

impl Sealing {
    pub(crate) fn new(
        core: Arc<Core>,
        signer: Option<SignerArg>,
        path: Option<PathBuf>,
        writer: SealWriter<Sink>,
    ) -> Self {
        Sealing { core, signer, path, writer: Mutex::new(Some(writer)) }
    }

    fn take(&self, py: Python<'_>) -> PyResult<SealWriter<Sink>> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.take().ok_or_else(|| invalid("the stream has ended")).or_raise(py)
    }

    fn explain(&self, error: io::Error) -> Error {
        match &self.path {
            Some(path) => at("write", path, error),
            None => error.into(),
        }
    }
}

#[pymethods]
impl Sealing {
    /// Seals all of `data`. After an error the stream is at its end.
    fn write(&self, py: Python<'_>, data: Input) -> PyResult<usize> {
        // Taken out: another thread that writes meanwhile gets a clear error, not a deadlock.
        let mut writer = self.take(py)?;
        let written = py.detach(|| writer.write_all(data.bytes()).map(|()| writer));
        let writer = written.map_err(|error| self.explain(error)).or_raise(py)?;
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
        Ok(data.bytes().len())
    }

    /// Writes the end, and gives a file its name.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        let writer = self.take(py)?;
        let (mut sink, pending) = py.detach(|| writer.finish()).or_raise(py)?;
        let trailer = self.trailer(py, pending)?;
        py.detach(|| {
            sink.write_all(&trailer)?;
            sink.flush()?;
            match sink {
                Sink::Part(part) => part.commit(),
                Sink::Python(_) => Ok(()),
            }
        })
        .map_err(|error| self.explain(error))
        .or_raise(py)
    }

    /// Ends without the end: what was written to a path is removed, and what went elsewhere does
    /// not open.
    fn abort(&self) {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Sealing {
    fn trailer(&self, py: Python<'_>, pending: Option<PendingSignature>) -> PyResult<Vec<u8>> {
        match (pending, &self.signer) {
            (Some(pending), Some(signer)) => {
                wait(py, async { self.core.sign_pending(pending, &signer.as_signer()).await })
            }
            _ => Ok(Vec::new()),
        }
    }
}

/// What can be read at any place.
pub(crate) trait ReadSeek: Read + Seek + Send {}
impl<S: Read + Seek + Send> ReadSeek for S {}

/// How an envelope is read.
pub(crate) enum Source {
    /// From the start to the end.
    Stream(Box<OpenReader<Box<dyn Read + Send>>>),
    /// At any place.
    Ranges(RangeReader<Box<dyn ReadSeek>>),
}

/// Opens what is read from it.
#[pyclass(frozen, module = "keyfold._keyfold", name = "Opening")]
pub(crate) struct Opening {
    /// Nothing while it is read, and once it is closed.
    source: Mutex<Option<Source>>,
    seekable: bool,
}

impl Opening {
    pub(crate) fn new(source: Source) -> Self {
        let seekable = matches!(source, Source::Ranges(_));
        Opening { source: Mutex::new(Some(source)), seekable }
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Source) -> Result<T> + Send,
    ) -> PyResult<T> {
        // Taken out: another thread that reads meanwhile gets a clear error, not a deadlock.
        let taken = self.source.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut source = taken
            .ok_or_else(|| invalid("the stream is closed, or read by another thread"))
            .or_raise(py)?;
        let done = py.detach(|| work(&mut source));
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
        done.or_raise(py)
    }
}

#[pymethods]
impl Opening {
    #[getter]
    fn seekable(&self) -> bool {
        self.seekable
    }

    /// Length of the plaintext as that of the source tells it, proven by nothing yet; nothing for a
    /// source that is read from its start only.
    #[getter]
    fn plaintext_length(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.with(py, |source| match source {
            Source::Ranges(reader) => Ok(Some(reader.plaintext_len())),
            Source::Stream(_) => Ok(None),
        })
    }

    /// Fills the buffer as far as it goes; 0 is the end.
    fn readinto(&self, py: Python<'_>, mut out: Output) -> PyResult<usize> {
        self.with(py, |source| {
            let out = out.bytes();
            let read = match source {
                Source::Stream(reader) => reader.read(out),
                Source::Ranges(reader) => reader.read(out),
            };
            read.map_err(Error::from)
        })
    }

    /// Goes to a place in the plaintext; counted from the end, the end is proven first.
    fn seek(&self, py: Python<'_>, offset: i64, whence: u8) -> PyResult<u64> {
        let to = match whence {
            0 => SeekFrom::Start(
                u64::try_from(offset)
                    .map_err(|_| invalid("a position before the start of the plaintext"))
                    .or_raise(py)?,
            ),
            1 => SeekFrom::Current(offset),
            2 => SeekFrom::End(offset),
            _ => return Err(invalid("whence is 0, 1 or 2")).or_raise(py),
        };
        self.with(py, |source| match source {
            Source::Ranges(reader) => reader.seek(to).map_err(Error::from),
            Source::Stream(_) => Err(invalid("the stream cannot be read at any place")),
        })
    }

    /// Reads at a place, without moving: less only at the end.
    fn read_at<'py>(
        &self,
        py: Python<'py>,
        offset: u64,
        length: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let plain = self.with(py, |source| match source {
            Source::Ranges(reader) => {
                let mut out = zeroize::Zeroizing::new(Vec::new());
                reader.read_range(offset..offset.saturating_add(length), &mut out)?;
                Ok(out)
            }
            Source::Stream(_) => Err(invalid("the stream cannot be read at any place")),
        })?;
        Ok(PyBytes::new(py, &plain))
    }

    /// Which bytes of the source `read_at` fetches: the first, and the one after the last.
    fn sealed_range(&self, py: Python<'_>, offset: u64, length: u64) -> PyResult<(u64, u64)> {
        let range = self.with(py, |source| match source {
            Source::Ranges(reader) => reader.sealed_range(offset..offset.saturating_add(length)),
            Source::Stream(_) => Err(invalid("the stream cannot be read at any place")),
        })?;
        Ok((range.start, range.end))
    }

    /// Proves the end, and answers the length of the plaintext.
    fn verify_length(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, |source| match source {
            Source::Ranges(reader) => reader.verify_length(),
            Source::Stream(_) => Err(invalid("the stream cannot be read at any place")),
        })
    }

    fn close(&self) {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
