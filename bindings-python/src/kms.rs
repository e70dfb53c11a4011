//! Which KMS a client talks to.

use std::sync::Arc;

use keyfold::kms::Kms;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::embedded::EmbeddedKms;

/// The KMS behind a Python object.
pub(crate) fn backend(object: &Bound<'_, PyAny>) -> PyResult<Arc<dyn Kms>> {
    if let Ok(embedded) = object.cast::<EmbeddedKms>() {
        return embedded.get().backend(object.py());
    }
    Err(PyTypeError::new_err(
        "kms is a keyfold.EmbeddedKms, a keyfold.RemoteKms, or an object with a method \
         call(request)",
    ))
}
