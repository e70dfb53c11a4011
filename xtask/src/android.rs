//! `cargo xtask android`: what Gradle packs into the library for Android.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::kotlin::{self, CRATE, LIMIT};
use crate::run::{Workspace, run, succeeds};
use crate::wheel::SQLITE;

const ABIS: [&str; 4] = ["arm64-v8a", "armeabi-v7a", "x86_64", "x86"];

/// The oldest API level: Android 7.
const PLATFORM: &str = "24";

/// Newer devices have pages of 16 KiB, and load no library that is laid out for smaller ones.
const PAGE: u64 = 16 << 10;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to put it: `kotlin/` is the glue, `jniLibs/` has the libraries, by ABI.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

pub(crate) fn android(workspace: &Workspace, args: &Args) -> Result<()> {
    if !succeeds(workspace.cargo().args(["ndk", "--version"])) {
        bail!(
            "cargo-ndk is missing: cargo install cargo-ndk, add the Rust targets \
             aarch64-linux-android, armv7-linux-androideabi, x86_64-linux-android and \
             i686-linux-android, and name Android's NDK in ANDROID_NDK_HOME"
        );
    }
    kotlin::glue(workspace, "kotlin", &args.out.join("kotlin"))?;
    let libraries = args.out.join("jniLibs");
    let mut command = workspace.cargo();
    command.arg("ndk");
    for abi in ABIS {
        command.args(["--target", abi]);
    }
    command.args(["--platform", PLATFORM, "--output-dir"]).arg(&libraries);
    command.args(["build", "--package", CRATE, "--lib", "--profile", "mobile"]);
    command
        .env("LIBSQLITE3_FLAGS", SQLITE)
        .env("RUSTFLAGS", format!("-C link-arg=-Wl,-z,max-page-size={PAGE}"));
    run(&mut command)?;
    for abi in ABIS {
        check(&libraries.join(abi).join("libkeyfold_uniffi.so"))?;
    }
    Ok(())
}

/// Fails where a library is too large, or a device with large pages would not load it.
fn check(library: &Path) -> Result<()> {
    let bytes = fs::read(library).with_context(|| library.display().to_string())?;
    println!("{} ({} bytes; the limit is {LIMIT})", library.display(), bytes.len());
    ensure!(bytes.len() as u64 <= LIMIT, "{} is too large", library.display());
    let alignment = alignment(&bytes).context("no library in the format ELF")?;
    ensure!(
        alignment >= PAGE,
        "{}: its parts are aligned to {alignment} bytes, not to {PAGE}",
        library.display()
    );
    Ok(())
}

/// The smallest alignment of what is loaded of an ELF file; little-endian, as all of Android's.
fn alignment(elf: &[u8]) -> Option<u64> {
    let number = |at: usize, len: usize| {
        let bytes = elf.get(at..at.checked_add(len)?)?;
        Some(bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    };
    if elf.get(..4)? != b"\x7FELF" {
        return None;
    }
    // Where the table is, the size of an entry, how many there are; in an entry, the alignment.
    let (table, entry, count, field, width) = match number(4, 1)? {
        1 => (number(0x1C, 4)?, number(0x2A, 2)?, number(0x2C, 2)?, 0x1C, 4),
        2 => (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?, 0x30, 8),
        _ => return None,
    };
    let mut least = None;
    for index in 0..count {
        let at = usize::try_from(table.checked_add(index * entry)?).ok()?;
        // Those that are loaded.
        if number(at, 4)? == 1 {
            let alignment = number(at.checked_add(field)?, width)?;
            least = Some(least.map_or(alignment, |least: u64| least.min(alignment)));
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::alignment;

    /// A library with one part that is loaded, and one that is not.
    fn elf(wide: bool, align: u16) -> Vec<u8> {
        let (entry, field) = if wide { (0x38, 0x30) } else { (0x20, 0x1C) };
        let mut bytes = vec![0; 0x40 + 2 * entry];
        bytes[..5].copy_from_slice(&[0x7F, b'E', b'L', b'F', if wide { 2 } else { 1 }]);
        bytes[if wide { 0x20 } else { 0x1C }] = 0x40;
        bytes[if wide { 0x36 } else { 0x2A }] = u8::try_from(entry).expect("a byte");
        bytes[if wide { 0x38 } else { 0x2C }] = 2;
        bytes[0x40] = 6;
        bytes[0x40 + field] = 8;
        bytes[0x40 + entry] = 1;
        bytes[0x40 + entry + field..][..2].copy_from_slice(&align.to_le_bytes());
        bytes
    }

    #[test]
    fn reads_how_a_library_is_aligned() {
        for wide in [false, true] {
            for align in [0x1000, 0x4000] {
                assert_eq!(alignment(&elf(wide, align)), Some(u64::from(align)));
            }
        }
    }

    #[test]
    fn refuses_what_is_no_library() {
        assert_eq!(alignment(b""), None);
        assert_eq!(alignment(b"\x7FELG\x02"), None);
        let whole = elf(true, 0x4000);
        for end in 0..whole.len() {
            assert_eq!(alignment(&whole[..end]), None, "{end} bytes");
        }
    }
}
