//! Who calls a KMS elsewhere, as Python says it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use keyfold::credentials::{Credentials, CredentialsProvider, StaticCredentials};
use keyfold::{Result, SecretBytes};
use keyfold_transport::Environment;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyMapping;

use crate::embedded::secret;
use crate::errors::{OrRaise, invalid};
use crate::foreign::{Foreign, ForeignCredentials};

/// An access key, as AWS and other clouds have them.
#[pyclass(frozen, module = "keyfold", name = "AccessKey")]
pub(crate) struct AccessKey {
    id: String,
    secret: SecretBytes,
    session_token: Option<SecretBytes>,
    /// The id and the key of an application.
    app: Option<(String, SecretBytes)>,
}

impl AccessKey {
    pub(crate) fn credentials(&self) -> Result<Credentials> {
        let key =
            Credentials::access_key(self.id.clone(), &self.secret, self.session_token.as_ref())?;
        match &self.app {
            Some((id, secret)) => key.with_app(id.clone(), SecretBytes::from(secret.expose())),
            None => Ok(key),
        }
    }
}

#[pymethods]
impl AccessKey {
    #[new]
    #[pyo3(signature = (id, secret, session_token=None, *, app=None))]
    fn new(
        py: Python<'_>,
        id: String,
        #[pyo3(from_py_with = secret)] secret: SecretBytes,
        session_token: Option<Bound<'_, PyAny>>,
        app: Option<(String, Bound<'_, PyAny>)>,
    ) -> PyResult<Self> {
        let session_token = session_token.as_ref().map(self::secret).transpose()?;
        let app = match app {
            Some((id, key)) => Some((id, self::secret(&key)?)),
            None => None,
        };
        let key = AccessKey { id, secret, session_token, app };
        key.credentials().or_raise(py)?;
        Ok(key)
    }

    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    fn __repr__(&self) -> String {
        format!("AccessKey({:?}, ..)", self.id)
    }

    fn __reduce__(&self) -> PyResult<Py<PyAny>> {
        Err(PyTypeError::new_err(
            "an access key is not pickled: give credentials a function that gets it",
        ))
    }
}

/// The arguments `token` and `credentials`.
pub(crate) enum Given {
    /// Neither: the environment counts.
    Nothing,
    /// What gives them, and whether only asyncio can get them.
    Provider(Arc<dyn CredentialsProvider>, bool),
    /// The vendor's own variables, by name.
    Variables(BTreeMap<String, SecretBytes>),
}

impl Given {
    pub(crate) fn of(given: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(given) = given else { return Ok(Given::Nothing) };
        if given.is_callable() {
            let function = Foreign::new(given.clone())?;
            let coroutine = function.is_coroutine();
            return Ok(Given::Provider(Arc::new(ForeignCredentials(function)), coroutine));
        }
        if let Ok(mapping) = given.cast::<PyMapping>() {
            let mut variables = BTreeMap::new();
            for pair in mapping.items()? {
                let (name, value) = pair.extract::<(String, Bound<'_, PyAny>)>()?;
                variables.insert(name, secret(&value)?);
            }
            return Ok(Given::Variables(variables));
        }
        Ok(match fixed(given)? {
            Some(fixed) => Given::Provider(Arc::new(StaticCredentials::new(fixed)), false),
            None => Given::Nothing,
        })
    }
}

/// A token or an access key.
pub(crate) fn fixed(given: &Bound<'_, PyAny>) -> PyResult<Option<Credentials>> {
    if given.is_none() {
        return Ok(None);
    }
    if let Ok(key) = given.cast::<AccessKey>() {
        return key.get().credentials().or_raise(given.py()).map(Some);
    }
    Credentials::bearer(&secret(given)?).or_raise(given.py()).map(Some)
}

/// Variables that were given in place of those of the process.
pub(crate) struct Variables {
    names: BTreeSet<String>,
    asked: Rc<RefCell<BTreeSet<String>>>,
}

impl Variables {
    /// An environment that has these variables alone.
    pub(crate) fn environment(variables: BTreeMap<String, SecretBytes>) -> (Self, Environment) {
        let names = variables.keys().cloned().collect();
        let asked = Rc::new(RefCell::new(BTreeSet::new()));
        let environment = Environment::new({
            let asked = asked.clone();
            move |name| {
                asked.borrow_mut().insert(name.to_owned());
                let value = variables.get(name)?.expose();
                String::from_utf8(value.to_vec()).ok()
            }
        });
        (Variables { names, asked }, environment)
    }

    /// # Errors
    /// `invalid_argument` for one that nobody has asked for: something else would have counted in
    /// its place.
    pub(crate) fn check(&self) -> Result<()> {
        if self.names.is_empty() {
            return Err(invalid("the credentials have no variables"));
        }
        match self.names.iter().find(|name| !self.asked.borrow().contains(*name)) {
            None => Ok(()),
            Some(name) => {
                Err(invalid(format!("the credentials have {name}, which does not count here")))
            }
        }
    }
}
