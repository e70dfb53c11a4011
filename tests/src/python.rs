//! The Python of the tests, with what `tests/requirements.txt` names.

use std::path::PathBuf;

/// The interpreter that `cargo xtask test` has prepared; says why where there is none.
pub fn interpreter(skipped: &str) -> Option<PathBuf> {
    let python = std::env::var_os("KEYFOLD_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!("skipped: {skipped}: KEYFOLD_PYTHON is not set (`cargo xtask test` sets it)");
    }
    python
}
