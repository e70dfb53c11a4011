//! The buffer protocol: what a caller has in memory, read and written where it lies.
//!
//! The protocol joined the stable ABI with Python 3.11, and the text of a str with 3.10, so
//! bindings for older ones lack them; the functions and the structure are the same in every
//! CPython since 3.3. They are declared here.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// PEP 3118.
#[repr(C)]
struct RawView {
    buf: *mut c_void,
    obj: *mut pyo3::ffi::PyObject,
    len: isize,
    itemsize: isize,
    readonly: c_int,
    ndim: c_int,
    format: *mut c_char,
    shape: *mut isize,
    strides: *mut isize,
    suboffsets: *mut isize,
    internal: *mut c_void,
}

/// C-contiguous bytes, whatever their items are.
const SIMPLE: c_int = 0;
const WRITABLE: c_int = 1;

unsafe extern "C" {
    fn PyObject_GetBuffer(
        object: *mut pyo3::ffi::PyObject,
        view: *mut RawView,
        flags: c_int,
    ) -> c_int;
    fn PyBuffer_Release(view: *mut RawView);
    fn PyUnicode_AsUTF8AndSize(text: *mut pyo3::ffi::PyObject, len: *mut isize) -> *const c_char;
}

/// The text of a str, where it lies.
///
/// # Errors
/// `UnicodeEncodeError` for surrogates, which UTF-8 does not have.
pub(crate) fn text<'a>(text: &'a Bound<'_, PyString>) -> PyResult<&'a str> {
    let mut len = 0;
    // SAFETY: the object is a str, alive and attached; what is returned lives as long as it does.
    let start = unsafe { PyUnicode_AsUTF8AndSize(text.as_ptr(), &raw mut len) };
    if start.is_null() {
        return Err(PyErr::fetch(text.py()));
    }
    // SAFETY: CPython keeps so many bytes of UTF-8 there, and never changes them.
    Ok(unsafe {
        let bytes = std::slice::from_raw_parts(start.cast(), usize::try_from(len).unwrap_or(0));
        std::str::from_utf8_unchecked(bytes)
    })
}

/// A view of the memory of a Python object. While it lives the object can neither be resized nor
/// freed; whoever changes its bytes meanwhile changes what is encrypted.
struct View(RawView);

// SAFETY: the memory belongs to an object that the view keeps alive; nothing in a view is bound
// to a thread but its release, which attaches to the interpreter.
unsafe impl Send for View {}
// SAFETY: as above; a shared view is only read.
unsafe impl Sync for View {}

impl View {
    fn of(object: &Bound<'_, PyAny>, flags: c_int) -> PyResult<Self> {
        let mut view = RawView {
            buf: ptr::null_mut(),
            obj: ptr::null_mut(),
            len: 0,
            itemsize: 0,
            readonly: 0,
            ndim: 0,
            format: ptr::null_mut(),
            shape: ptr::null_mut(),
            strides: ptr::null_mut(),
            suboffsets: ptr::null_mut(),
            internal: ptr::null_mut(),
        };
        // SAFETY: the object is alive and the interpreter attached; the view is of the layout
        // that the function fills, and moving it afterwards is what `PyMemoryView_FromBuffer`
        // does: without PyBUF_ND nothing in it points into itself.
        match unsafe { PyObject_GetBuffer(object.as_ptr(), &raw mut view, flags) } {
            0 => Ok(View(view)),
            _ => Err(PyErr::fetch(object.py())),
        }
    }

    fn len(&self) -> usize {
        usize::try_from(self.0.len).unwrap_or(0)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // While the interpreter ends there is nobody to give the memory back to.
        let _ = Python::try_attach(|_| {
            // SAFETY: the view was filled by `PyObject_GetBuffer` and is released once.
            unsafe { PyBuffer_Release(&raw mut self.0) }
        });
    }
}

/// Bytes to read: of any object with the buffer protocol.
pub(crate) struct Input(View);

impl Input {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self.0.len() {
            0 => &[],
            // SAFETY: the object keeps so many bytes there until the view is released.
            len => unsafe { std::slice::from_raw_parts(self.0.0.buf.cast(), len) },
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Input {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        View::of(&object, SIMPLE).map(Input)
    }
}

/// Bytes to write to: of any object with the buffer protocol that is not read-only.
pub(crate) struct Output(View);

impl Output {
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        match self.0.len() {
            0 => &mut [],
            // SAFETY: the object keeps so many writable bytes there until the view is released.
            len => unsafe { std::slice::from_raw_parts_mut(self.0.0.buf.cast(), len) },
        }
    }

    /// Whether the two share memory.
    pub(crate) fn overlaps(&self, input: &Input) -> bool {
        let range = |view: &View| (view.0.buf as usize, view.0.buf as usize + view.len());
        let ((a, a_end), (b, b_end)) = (range(&self.0), range(&input.0));
        a < b_end && b < a_end
    }
}

impl<'py> FromPyObject<'_, 'py> for Output {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        View::of(&object, WRITABLE).map(Output).map_err(|error| {
            if error.is_instance_of::<PyTypeError>(object.py()) {
                error
            } else {
                PyTypeError::new_err("a writable, contiguous bytes-like object is required")
            }
        })
    }
}
