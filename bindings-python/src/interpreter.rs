//! One interpreter in each process: what is kept between calls belongs to it.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicI64, Ordering};

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Which one has loaded the module; -1 before.
static LOADED_BY: AtomicI64 = AtomicI64::new(-1);

/// Refuses every interpreter but the first. Python 3.12 and later do so themselves.
pub(crate) fn claim(_: Python<'_>) -> PyResult<()> {
    // SAFETY: the interpreter is attached, so there is a current one, and it has an id.
    let this = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    let first = LOADED_BY.compare_exchange(-1, this, Ordering::AcqRel, Ordering::Acquire);
    if first.is_err_and(|first| first != this) {
        return Err(PyImportError::new_err(
            "keyfold works in one interpreter of a process: use threads or processes instead of \
             subinterpreters",
        ));
    }
    Ok(())
}
