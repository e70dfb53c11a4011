//! Which KMS a client talks to.

use std::sync::Arc;

use keyfold::kms::Kms;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::embedded::EmbeddedKms;
use crate::foreign::{Foreign, ForeignKms};
use crate::remote::RemoteKms;
use crate::router::RouterKms;

/// The KMS behind a Python object.
pub(crate) fn backend(object: &Bound<'_, PyAny>, asynchronous: bool) -> PyResult<Arc<dyn Kms>> {
    let py = object.py();
    if let Ok(embedded) = object.cast::<EmbeddedKms>() {
        return embedded.get().backend(py);
    }
    if let Ok(remote) = object.cast::<RemoteKms>() {
        return Ok(remote.get().live(py, asynchronous)?);
    }
    if let Ok(router) = object.cast::<RouterKms>() {
        return router.get().backend(py, asynchronous);
    }
    let Some(call) = object.getattr_opt(intern!(py, "call"))? else {
        return Err(PyTypeError::new_err(
            "kms is a keyfold.EmbeddedKms, a keyfold.RemoteKms, a keyfold.RouterKms, or an object \
             with a method call(request)",
        ));
    };
    let call = Foreign::new(call)?;
    if call.is_coroutine() && !asynchronous {
        return Err(PyTypeError::new_err(
            "a KMS of coroutine functions is driven by keyfold.aio.Client only",
        ));
    }
    Ok(Arc::new(ForeignKms(call)))
}
