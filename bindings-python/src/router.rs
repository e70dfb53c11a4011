//! `keyfold.RouterKms`: several KMSs behind one.

use std::sync::Arc;

use keyfold::kms::Kms;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::drive::wait;
use crate::errors::{OrRaise, invalid};

/// Sends each request to the KMS whose keys it names.
#[pyclass(frozen, subclass, weakref, module = "keyfold._keyfold", name = "RouterKms")]
pub(crate) struct RouterKms {
    /// KMSs by how their keys begin.
    routes: Vec<(String, Py<PyAny>)>,
    otherwise: Option<Py<PyAny>>,
}

impl RouterKms {
    /// The router of the core, over what stands behind the objects in this process.
    pub(crate) fn backend(&self, py: Python<'_>, asynchronous: bool) -> PyResult<Arc<dyn Kms>> {
        let mut router = keyfold::RouterKms::new();
        for (prefix, kms) in &self.routes {
            router = router.route(prefix, crate::kms::backend(kms.bind(py), asynchronous)?);
        }
        if let Some(kms) = &self.otherwise {
            router = router.otherwise(crate::kms::backend(kms.bind(py), asynchronous)?);
        }
        Ok(Arc::new(router))
    }
}

#[pymethods]
impl RouterKms {
    #[new]
    #[pyo3(signature = (routes, *, otherwise=None))]
    fn new(
        py: Python<'_>,
        routes: &Bound<'_, PyAny>,
        otherwise: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let mut found = Vec::new();
        for pair in routes.call_method0("items")?.try_iter()? {
            let (prefix, kms) = pair?.extract::<(String, Py<PyAny>)>()?;
            if !prefix.contains(':') {
                let detail = "a route is how key URIs begin, such as tencent://ap-guangzhou/";
                return Err(invalid(detail)).or_raise(py);
            }
            found.push((prefix, kms));
        }
        let router = RouterKms { routes: found, otherwise };
        // Whoever is no KMS is found now.
        router.backend(py, true)?;
        Ok(router)
    }

    /// Performs a request of `keyfold.kms`.
    fn call(&self, py: Python<'_>, request: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let (router, request) = (self.backend(py, false)?, crate::wire::to_request(request)?);
        let answer = wait(py, async { router.call(&request).await })?;
        crate::wire::response(py, &answer)
    }

    /// KMSs by how their keys begin.
    #[getter]
    fn routes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let routes = PyDict::new(py);
        for (prefix, kms) in &self.routes {
            routes.set_item(prefix, kms)?;
        }
        Ok(routes)
    }

    /// The KMS of all other keys, and of requests that name none.
    #[getter]
    fn otherwise(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.otherwise.as_ref().map(|kms| kms.clone_ref(py))
    }

    /// What it is made of again, for pickle.
    fn _config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (self.routes(py)?, self.otherwise(py)).into_pyobject(py)
    }

    fn __repr__(&self) -> String {
        let routes: Vec<&str> = self.routes.iter().map(|(prefix, _)| prefix.as_str()).collect();
        format!("RouterKms({routes:?})")
    }
}
