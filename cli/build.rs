//! Finds the console that the binary is to hold.

use std::path::PathBuf;
use std::{env, fs};

/// The folder with the built console, which `cargo xtask console` names.
const CONSOLE: &str = "KEYFOLD_CONSOLE";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={CONSOLE}");
    if env::var_os("CARGO_FEATURE_CONSOLE").is_none() {
        return;
    }
    let folder = env::var_os(CONSOLE).map_or_else(
        || {
            // Checks of all features need no console.
            println!(
                "cargo::warning=this keyfold has no console: `cargo xtask console` builds one"
            );
            PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("console")
        },
        PathBuf::from,
    );
    fs::create_dir_all(&folder).expect("a folder");
    println!("cargo::rerun-if-changed={}", folder.display());
    println!("cargo::rustc-env=KEYFOLD_CONSOLE_FOLDER={}", folder.display());
}
