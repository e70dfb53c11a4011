//! Where PostgreSQL is on this machine. `xtask` has this file too: nothing but the standard library.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the programs of the newest PostgreSQL on this machine are: `KEYFOLD_POSTGRES_BIN` says so,
/// or they are where Debian or the search path has them.
#[allow(unreachable_pub, reason = "a program that has this file has no public items")]
pub fn programs() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("KEYFOLD_POSTGRES_BIN") {
        return Some(PathBuf::from(folder));
    }
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = debian
        .map(|entry| entry.path())
        .filter(|folder| folder.join("bin/initdb").is_file())
        .max_by_key(|folder| version(folder))
        .map(|folder| folder.join("bin"));
    newest.or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
    })
}
