//! Unfinished files are removed when the user interrupts.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use crate::exit;

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Remembers an unfinished file until it is dropped.
#[derive(Debug)]
pub(crate) struct Unfinished(PathBuf);

impl Unfinished {
    pub(crate) fn new(path: &Path) -> Self {
        lock().push(path.to_owned());
        Unfinished(path.to_owned())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        lock().retain(|path| *path != self.0);
    }
}

/// Makes SIGINT, SIGTERM and SIGHUP remove what is unfinished before the process ends. Called
/// before the first unfinished file is made.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Without a handler the process ends as well; only the unfinished file stays.
        let _ = ctrlc::set_handler(|| {
            for path in lock().iter() {
                let _ = std::fs::remove_file(path);
            }
            std::process::exit(exit::INTERRUPTED.into());
        });
    });
}

fn lock() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}
