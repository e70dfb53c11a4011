//! The native part of the Python package `keyfold`: it converts, calls the core, and converts
//! back. The package itself, with its documentation and types, is in `python/keyfold`.
#![deny(unsafe_code)]
#![expect(
    clippy::needless_pass_by_value,
    clippy::unused_self,
    reason = "what Python calls has the arguments that Python gives"
)]

mod aio;
mod buffer;
mod cache;
mod client;
mod credentials;
mod drive;
mod embedded;
mod errors;
mod foreign;
mod fork;
mod info;
mod interpreter;
mod keys;
mod kms;
mod remote;
mod router;
mod secret;
mod sign;
mod stream;
mod suite;
mod wire;

use pyo3::prelude::*;

// Every class is frozen, its state behind locks that are never held while Python code runs; the
// one that is not is guarded by pyo3's own borrow checks. So it may run without the global lock.
#[pymodule(gil_used = false)]
#[pyo3(name = "_keyfold")]
fn keyfold_module(module: &Bound<'_, PyModule>) -> PyResult<()> {
    interpreter::claim(module.py())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<aio::Operation>()?;
    module.add_class::<cache::CacheLimits>()?;
    module.add_class::<cache::CacheStats>()?;
    module.add_class::<client::Client>()?;
    module.add_class::<embedded::EmbeddedKms>()?;
    module.add_class::<info::EnvelopeInfo>()?;
    module.add_class::<info::Recipient>()?;
    module.add_class::<keys::ContextContains>()?;
    module.add_class::<keys::Keyring>()?;
    module.add_class::<credentials::AccessKey>()?;
    module.add_class::<remote::RemoteKms>()?;
    module.add_class::<router::RouterKms>()?;
    module.add_class::<secret::Secret>()?;
    module.add_class::<sign::MessageHasher>()?;
    module.add_class::<sign::PublicKey>()?;
    module.add_class::<sign::SigningKey>()?;
    module.add_class::<stream::Opening>()?;
    module.add_class::<stream::Sealing>()?;
    module.add_function(wrap_pyfunction!(client::envelopes::inspect, module)?)?;
    module.add_function(wrap_pyfunction!(client::values::max_encrypted_len, module)?)?;
    module.add_function(wrap_pyfunction!(keys::parse_key_uri, module)?)?;
    fork::watch(module)
}
