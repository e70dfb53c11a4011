//! Processes that fork: a child makes anew what does not cross.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyDict;

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// How often this process was forked since the module was loaded.
fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// What does not cross a fork: the KMS of a folder, a connection, a cache with its locks.
pub(crate) struct Live<T>(Mutex<(u64, Arc<T>)>);

impl<T> Live<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Live(Mutex::new((generation(), value)))
    }

    /// The one of this process, which a child of a fork makes when it first asks.
    pub(crate) fn get(&self, make: impl FnOnce() -> PyResult<Arc<T>>) -> PyResult<Arc<T>> {
        let generation = generation();
        {
            let live = self.lock();
            if live.0 == generation {
                return Ok(live.1.clone());
            }
        }
        let made = make()?;
        let mut live = self.lock();
        if live.0 != generation {
            // It is the parent's: dropping it here would end locks that the parent holds, and wait
            // for threads and locks of threads that are not in this process.
            mem::forget(mem::replace(&mut *live, (generation, made)));
        }
        Ok(live.1.clone())
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Arc<T>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pyfunction]
fn _after_fork() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Has Python tell each child.
pub(crate) fn watch(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let os = py.import("os")?;
    // Windows has no fork.
    if os.hasattr("register_at_fork")? {
        let options = PyDict::new(py);
        options.set_item("after_in_child", wrap_pyfunction!(_after_fork, module)?)?;
        os.call_method("register_at_fork", (), Some(&options))?;
    }
    Ok(())
}
