//! `keyfold.EmbeddedKms`: the KMS in this process.

use std::path::PathBuf;
use std::sync::Arc;

use keyfold::kms::Kms;
use keyfold::{Error, ErrorCode, SecretBytes, SystemRng};
use keyfold_kms::folder::{self, Folder};
use keyfold_kms::root::{EnvironmentSealer, FileSealer, PassphraseSealer, RootSealer};
use keyfold_kms::store::StoreError;
use keyfold_kms::{EngineOptions, OpenError};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::buffer::{self, Input};
use crate::drive::{Blocking, wait};
use crate::errors::{OrRaise, from_python, invalid};
use crate::fork::Live;

type Engine = Arc<keyfold_kms::EmbeddedKms>;

/// A KMS in this process: no server, no network.
#[pyclass(frozen, subclass, weakref, module = "keyfold._keyfold", name = "EmbeddedKms")]
pub(crate) struct EmbeddedKms {
    /// Nothing for one in memory.
    place: Option<Place>,
    live: Live<keyfold_kms::EmbeddedKms>,
}

/// Where it is, and how its root key is opened.
struct Place {
    folder: Folder,
    root_key: PathBuf,
    /// A str, bytes, or what is called for either.
    passphrase: Option<Py<PyAny>>,
}

impl Place {
    fn passphrase(&self, py: Python<'_>) -> PyResult<Option<SecretBytes>> {
        let Some(given) = &self.passphrase else { return Ok(None) };
        let given = given.bind(py);
        let value = if given.is_callable() {
            given.call0().map_err(|raised| {
                let what = "the passphrase could not be had";
                crate::errors::to_python(py, &from_python(py, raised, ErrorCode::KmsDenied, what))
            })?
        } else {
            given.clone()
        };
        secret(&value).map(Some)
    }

    fn open(&self, py: Python<'_>) -> PyResult<Engine> {
        let file = FileSealer::new(&self.root_key);
        let environment = EnvironmentSealer::of_slot();
        let passphrase = self.passphrase(py)?.map(PassphraseSealer::new);
        let database = self.folder.database();
        py.detach(|| {
            let mut sealers: Vec<&dyn RootSealer> = vec![&file, &environment];
            sealers.extend(passphrase.as_ref().map(|sealer| sealer as &dyn RootSealer));
            keyfold_kms::EmbeddedKms::open(&database, &sealers)
        })
        .map_err(|error| self.explain(error))
        .map(Arc::new)
        .or_raise(py)
    }

    /// Makes the folder, the root key, sealed by the passphrase where there is one and otherwise
    /// by a new file, and the database. What is there already is opened.
    fn make(&self, py: Python<'_>) -> PyResult<Engine> {
        let passphrase = self.passphrase(py)?.map(PassphraseSealer::new);
        let made = py.detach(|| {
            self.folder.make().map_err(Error::from)?;
            let file;
            let slot: (&str, &dyn RootSealer) = if let Some(passphrase) = &passphrase {
                ("passphrase", passphrase)
            } else {
                file = FileSealer::open_or_create(&self.root_key, &SystemRng)
                    .map_err(|e| Error::new(ErrorCode::Io, e.to_string()).with_source(e))?;
                ("file", &file)
            };
            let options = EngineOptions::default();
            match keyfold_kms::EmbeddedKms::create(&self.folder.database(), &[slot], options) {
                Ok(made) => Ok(Some(made)),
                Err(OpenError::Exists) => Ok(None),
                Err(error) => Err(self.explain(error)),
            }
        });
        match made.or_raise(py)? {
            Some(made) => Ok(Arc::new(made)),
            None => self.open(py),
        }
    }

    fn explain(&self, error: OpenError) -> Error {
        let folder = self.folder.path().display();
        match &error {
            OpenError::NoRoot | OpenError::Store(StoreError::Missing(_)) => {
                let code = Error::from(error).code();
                Error::new(code, format!("there is no KMS in {folder}: create=True makes one"))
                    .with_retry(keyfold::Retry::AfterChange)
            }
            _ => {
                let error = Error::from(error);
                Error::new(error.code(), format!("{folder}: {}", error.detail()))
                    .with_retry(error.retry())
                    .with_source(error)
            }
        }
    }
}

/// A secret as a caller gives it: text or bytes.
pub(crate) fn secret(value: &Bound<'_, PyAny>) -> PyResult<SecretBytes> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(SecretBytes::from(buffer::text(text)?.as_bytes()));
    }
    if let Ok(secret) = value.cast::<crate::secret::Secret>() {
        return secret.get().copy(value.py());
    }
    let bytes = value.extract::<Input>().map_err(|_| {
        PyTypeError::new_err("a secret is str, bytes or keyfold.Secret, or a callable for one")
    })?;
    Ok(SecretBytes::from(bytes.bytes()))
}

/// The folder of the command line: `KEYFOLD_HOME`, or `.keyfold` in the user's home.
fn home() -> Result<Folder, Error> {
    Folder::of_user(std::env::var_os(folder::HOME).map(PathBuf::from))
        .ok_or_else(|| invalid("name the folder of the KMS, or set KEYFOLD_HOME"))
}

impl EmbeddedKms {
    /// The KMS: opened anew in a process that was forked, for a database does not cross.
    pub(crate) fn engine(&self, py: Python<'_>) -> PyResult<Engine> {
        self.live.get(|| match &self.place {
            Some(place) => place.open(py),
            None => Err(invalid(
                "a KMS in memory does not cross a fork: make it in the child, or use one in a \
                 folder",
            ))
            .or_raise(py),
        })
    }

    pub(crate) fn backend(&self, py: Python<'_>) -> PyResult<Arc<dyn Kms>> {
        Ok(Arc::new(Blocking(self.engine(py)?)))
    }

    fn of(place: Option<Place>, engine: Engine) -> Self {
        EmbeddedKms { place, live: Live::new(engine) }
    }
}

#[pymethods]
impl EmbeddedKms {
    #[new]
    #[pyo3(signature = (path=None, passphrase=None, root_key=None, create=false, in_memory=false))]
    fn new(
        py: Python<'_>,
        path: Option<PathBuf>,
        passphrase: Option<Py<PyAny>>,
        root_key: Option<PathBuf>,
        create: bool,
        in_memory: bool,
    ) -> PyResult<Self> {
        if in_memory {
            let engine = keyfold_kms::EmbeddedKms::in_memory().or_raise(py)?;
            return Ok(EmbeddedKms::of(None, Arc::new(engine)));
        }
        let folder = path.map_or_else(home, |path| Ok(Folder::new(path))).or_raise(py)?;
        if create && passphrase.is_some() && root_key.is_some() {
            let detail = "a new KMS has one way to its root key: a passphrase or a file";
            return Err(invalid(detail)).or_raise(py);
        }
        let variable = std::env::var_os(folder::ROOT_FILE).filter(|path| !path.is_empty());
        let root_key =
            root_key.or_else(|| variable.map(PathBuf::from)).unwrap_or_else(|| folder.root_key());
        let place = Place { folder, root_key, passphrase };
        let engine = if create { place.make(py)? } else { place.open(py)? };
        Ok(EmbeddedKms::of(Some(place), engine))
    }

    /// Performs a request of `keyfold.kms`.
    fn call(&self, py: Python<'_>, request: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let (engine, request) = (self.engine(py)?, crate::wire::to_request(request)?);
        let answer = wait(py, async { Blocking(engine).call(&request).await })?;
        crate::wire::response(py, &answer)
    }

    /// Performs an operation that manages keys or secrets, JSON in and JSON out.
    fn _ask<'py>(
        &self,
        py: Python<'py>,
        operation: &str,
        body: Input,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let engine = self.engine(py)?;
        let answer = py.detach(|| engine.operation(operation, body.bytes()));
        Ok(PyBytes::new(py, &answer.or_raise(py)?))
    }

    /// Where it is; nothing for one in memory.
    #[getter]
    fn path(&self) -> Option<PathBuf> {
        self.place.as_ref().map(|place| place.folder.path().to_owned())
    }

    fn __repr__(&self) -> String {
        match &self.place {
            Some(place) => format!("EmbeddedKms('{}')", place.folder.path().display()),
            None => "EmbeddedKms.in_memory()".to_owned(),
        }
    }

    /// What it is opened with again, for pickle: `(path, passphrase, root_key)`.
    fn _config(&self, py: Python<'_>) -> PyResult<Pickled> {
        let refuse = |detail: &str| Err(PyTypeError::new_err(detail.to_owned()));
        let Some(place) = &self.place else {
            return refuse("a KMS in memory cannot be pickled: its keys never leave it");
        };
        let passphrase = place.passphrase.as_ref().map(|passphrase| passphrase.clone_ref(py));
        if passphrase.as_ref().is_some_and(|passphrase| !passphrase.bind(py).is_callable()) {
            return refuse(
                "a passphrase is not pickled: give a function that gets it, or a root_key file",
            );
        }
        Ok((place.folder.path().to_owned(), passphrase, place.root_key.clone()))
    }
}

type Pickled = (PathBuf, Option<Py<PyAny>>, PathBuf);
