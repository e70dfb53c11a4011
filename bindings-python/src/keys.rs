//! Keys and contexts, as Python writes them.

use std::sync::Arc;

use keyfold::{ContextCheck, EncryptionContext, KeyUri};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyMapping, PyString, PyType};

use crate::buffer;
use crate::errors::{OrRaise, invalid};

/// A key URI, checked.
pub(crate) struct KeyArg(pub(crate) KeyUri);

impl<'py> FromPyObject<'_, 'py> for KeyArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = object
            .cast::<PyString>()
            .map_err(|_| PyTypeError::new_err("a key is named by a str, its key URI"))?;
        Ok(KeyArg(KeyUri::new(buffer::text(&text)?).or_raise(object.py())?))
    }
}

/// Which KMS keys wrap data keys, and which may unwrap them.
#[pyclass(frozen, eq, hash, module = "keyfold", name = "Keyring")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Keyring {
    pub(crate) ring: Arc<keyfold::Keyring>,
    parts: Parts,
}

/// What a keyring was made of.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Parts {
    generate: Option<KeyUri>,
    also_wrap: Vec<KeyUri>,
    also_unwrap: Vec<KeyUri>,
    bind_only: Option<Vec<String>>,
    discover: Option<String>,
}

impl Parts {
    fn ring(&self) -> keyfold::Keyring {
        let wrap = self.also_wrap.iter().cloned();
        let ring = match (&self.generate, &self.discover) {
            (Some(key), _) => keyfold::Keyring::generate_with(key.clone()),
            (None, Some(scheme)) => keyfold::Keyring::discover(scheme.clone()),
            (None, None) => keyfold::Keyring::unwrap_with([]),
        };
        let ring = wrap.fold(ring, keyfold::Keyring::also_wrap_with);
        let unwrap = self.also_unwrap.iter().cloned();
        let ring = unwrap.fold(ring, keyfold::Keyring::also_unwrap_with);
        match &self.bind_only {
            Some(names) => ring.bind_only(names.iter().cloned()),
            None => ring,
        }
    }
}

fn uris(keys: Vec<KeyArg>) -> Vec<KeyUri> {
    keys.into_iter().map(|key| key.0).collect()
}

#[pymethods]
impl Keyring {
    #[new]
    #[pyo3(signature = (generate, also_wrap=Vec::new(), *, also_unwrap=Vec::new(), bind_only=None))]
    #[pyo3(text_signature = "(generate, also_wrap=(), *, also_unwrap=(), bind_only=None)")]
    fn new(
        generate: KeyArg,
        also_wrap: Vec<KeyArg>,
        also_unwrap: Vec<KeyArg>,
        bind_only: Option<Vec<String>>,
    ) -> Self {
        Keyring::of(Parts {
            generate: Some(generate.0),
            also_wrap: uris(also_wrap),
            also_unwrap: uris(also_unwrap),
            bind_only,
            discover: None,
        })
    }

    /// A keyring that opens and never seals: any of these keys may unwrap, in their order.
    #[staticmethod]
    fn unwrap_with(keys: Vec<KeyArg>) -> Self {
        Keyring::of(Parts { also_unwrap: uris(keys), ..Parts::default() })
    }

    /// A keyring that opens whatever is wrapped by any key of the KMS with this scheme, such as
    /// "keyfold": the KMS alone decides who may.
    #[staticmethod]
    #[pyo3(signature = (scheme="keyfold"))]
    fn discover(scheme: &str) -> Self {
        Keyring::of(Parts { discover: Some(scheme.to_owned()), ..Parts::default() })
    }

    fn __repr__(&self) -> String {
        let parts = &self.parts;
        let list = |keys: &[KeyUri]| {
            let keys: Vec<String> = keys.iter().map(|key| format!("'{key}'")).collect();
            format!("[{}]", keys.join(", "))
        };
        if let Some(scheme) = &parts.discover {
            return format!("Keyring.discover('{scheme}')");
        }
        let Some(generate) = &parts.generate else {
            return format!("Keyring.unwrap_with({})", list(&parts.also_unwrap));
        };
        let mut text = format!("Keyring('{generate}'");
        if !parts.also_wrap.is_empty() {
            text += ", ";
            text += &list(&parts.also_wrap);
        }
        if !parts.also_unwrap.is_empty() {
            text += ", also_unwrap=";
            text += &list(&parts.also_unwrap);
        }
        if let Some(names) = &parts.bind_only {
            let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
            text += ", bind_only=[";
            text += &names.join(", ");
            text.push(']');
        }
        text + ")"
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Pickled)> {
        let parts = slf.get().parts.clone();
        let strings = |keys: Vec<KeyUri>| keys.iter().map(ToString::to_string).collect();
        let pickled = (
            parts.generate.map(|key| key.to_string()),
            strings(parts.also_wrap),
            strings(parts.also_unwrap),
            parts.bind_only,
            parts.discover,
        );
        Ok((slf.get_type().getattr(intern!(slf.py(), "_restore"))?, pickled))
    }

    #[staticmethod]
    fn _restore(
        generate: Option<KeyArg>,
        also_wrap: Vec<KeyArg>,
        also_unwrap: Vec<KeyArg>,
        bind_only: Option<Vec<String>>,
        discover: Option<String>,
    ) -> Self {
        Keyring::of(Parts {
            generate: generate.map(|key| key.0),
            also_wrap: uris(also_wrap),
            also_unwrap: uris(also_unwrap),
            bind_only,
            discover,
        })
    }
}

type Pickled = (Option<String>, Vec<String>, Vec<String>, Option<Vec<String>>, Option<String>);

impl Keyring {
    fn of(parts: Parts) -> Self {
        Keyring { ring: Arc::new(parts.ring()), parts }
    }
}

/// The argument `keys`: a key, several, or a keyring; and the first key that wraps.
pub(crate) struct KeysArg(pub(crate) Arc<keyfold::Keyring>, pub(crate) Option<KeyUri>);

impl<'py> FromPyObject<'_, 'py> for KeysArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(ring) = object.cast::<Keyring>() {
            let ring = ring.get();
            return Ok(KeysArg(ring.ring.clone(), ring.parts.generate.clone()));
        }
        if object.is_instance_of::<PyString>() {
            let KeyArg(key) = object.extract()?;
            let ring = keyfold::Keyring::generate_with(key.clone());
            return Ok(KeysArg(Arc::new(ring), Some(key)));
        }
        let wrong = || {
            PyTypeError::new_err(
                "keys is a key URI (str), a sequence of them, or a keyfold.Keyring",
            )
        };
        let mut keys = Vec::new();
        for key in object.try_iter().map_err(|_| wrong())? {
            keys.push(key?.extract::<KeyArg>()?.0);
        }
        let mut keys = keys.into_iter();
        let Some(first) = keys.next() else {
            return Err(invalid("keys names no key")).or_raise(object.py());
        };
        let ring = keyfold::Keyring::generate_with(first.clone());
        Ok(KeysArg(Arc::new(keys.fold(ring, keyfold::Keyring::also_wrap_with)), Some(first)))
    }
}

/// The argument `context`: a mapping from str to str.
#[derive(Clone, Default)]
pub(crate) struct ContextArg(pub(crate) Arc<EncryptionContext>);

impl<'py> FromPyObject<'_, 'py> for ContextArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let mut context = EncryptionContext::new();
        if let Ok(pairs) = object.cast::<PyDict>() {
            for (name, value) in pairs.iter() {
                insert(&mut context, &name, &value)?;
            }
        } else {
            let pairs = object
                .cast::<PyMapping>()
                .map_err(|_| PyTypeError::new_err("an encryption context maps str to str"))?;
            for pair in pairs.items()? {
                let (name, value) = pair.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
                insert(&mut context, &name, &value)?;
            }
        }
        Ok(ContextArg(Arc::new(context)))
    }
}

fn insert(
    context: &mut EncryptionContext,
    name: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let (Ok(name), Ok(value)) = (name.cast::<PyString>(), value.cast::<PyString>()) else {
        return Err(PyTypeError::new_err("an encryption context maps str to str"));
    };
    context.insert(buffer::text(name)?, buffer::text(value)?);
    Ok(())
}

/// An encryption context of which only a part is demanded.
#[pyclass(frozen, module = "keyfold", name = "ContextContains")]
pub(crate) struct ContextContains(Arc<EncryptionContext>);

#[pymethods]
impl ContextContains {
    #[new]
    fn new(context: ContextArg) -> Self {
        ContextContains(context.0)
    }

    fn __repr__(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name).collect();
        format!("ContextContains({names:?})")
    }
}

/// The argument `context` of what opens: a mapping that must be met exactly, or in part.
pub(crate) struct CheckArg(pub(crate) ContextCheck);

impl<'py> FromPyObject<'_, 'py> for CheckArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(part) = object.cast::<ContextContains>() {
            return Ok(CheckArg(ContextCheck::Contains((*part.get().0).clone())));
        }
        let ContextArg(whole) = object.extract()?;
        let whole = Arc::try_unwrap(whole).unwrap_or_else(|shared| (*shared).clone());
        Ok(CheckArg(ContextCheck::Exact(whole)))
    }
}

/// A `keyfold.KeyUri`.
pub(crate) fn to_python(py: Python<'_>, key: &KeyUri) -> PyResult<Py<PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "keyfold._uri", "KeyUri")?;
    Ok(class.call1((key.as_str(),))?.unbind())
}

/// Checks a key URI, and answers its scheme and whether it is an alias.
#[pyfunction]
pub(crate) fn parse_key_uri(py: Python<'_>, uri: &str) -> PyResult<(String, bool)> {
    let key = KeyUri::new(uri).or_raise(py)?;
    Ok((key.scheme().to_owned(), key.is_alias()))
}
