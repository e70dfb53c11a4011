//! The native part of the Python package `keyfold`: it converts, calls the core, and converts
//! back. The package itself, with its documentation and types, is in `python/keyfold`.
#![deny(unsafe_code)]

mod buffer;
mod cache;
mod client;
mod drive;
mod embedded;
mod errors;
mod fork;
mod keys;
mod kms;
mod secret;

use pyo3::prelude::*;

#[pymodule]
#[pyo3(name = "_keyfold")]
fn keyfold_module(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<cache::CacheLimits>()?;
    module.add_class::<client::Client>()?;
    module.add_class::<embedded::EmbeddedKms>()?;
    module.add_class::<keys::ContextContains>()?;
    module.add_class::<keys::Keyring>()?;
    module.add_class::<secret::Secret>()?;
    module.add_function(wrap_pyfunction!(keys::parse_key_uri, module)?)?;
    fork::watch(module)
}
