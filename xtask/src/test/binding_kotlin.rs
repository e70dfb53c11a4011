//! The Kotlin library: built and tested by Maven, from Kotlin and from Java; and its native library
//! compiled for the phones.

use std::net::{TcpStream, ToSocketAddrs};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::install::{self, toolchain::Toolchain};
use crate::run::{Workspace, run};

const FOLDER: &str = "bindings-kotlin/kotlin";

/// Android's three processors beside the emulator's oldest, and iOS.
const PHONES: [&str; 5] = [
    "aarch64-linux-android",
    "armv7-linux-androideabi",
    "x86_64-linux-android",
    "aarch64-apple-ios",
    "aarch64-apple-ios-sim",
];

/// Who has what Robolectric needs of AndroidX; all else is on Maven Central.
const ANDROIDX: &str = "maven.google.com";

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    install::maven()?;
    let keyfold = workspace.build(&[], "keyfold-cli", "keyfold")?;
    let emulator = workspace.build(&[], "keyfold-emulators", "keyfold-emulator")?;
    let mut maven = Command::new("mvn");
    maven
        .args(["--batch-mode", "--no-transfer-progress", "verify"])
        .args(["-Dkeyfold.profile=dev", "-Dkotlin.compiler.daemon=false"]);
    if !is_reachable(ANDROIDX) {
        println!("{ANDROIDX} is not reachable: the Android sources are not checked");
        maven.args(["--projects", "!android-check"]);
    }
    run(maven
        .current_dir(workspace.root.join(FOLDER))
        .env("KEYFOLD_COMMAND", keyfold)
        .env("KEYFOLD_EMULATOR", emulator)
        .env("CARGO_TARGET_DIR", &workspace.target))?;
    PHONES.iter().try_for_each(|target| phone(workspace, target))
}

fn is_reachable(host: &str) -> bool {
    let addresses = (host, 443).to_socket_addrs().into_iter().flatten();
    let connect = |address| TcpStream::connect_timeout(&address, Duration::from_secs(5));
    addresses.take(4).any(|address| connect(address).is_ok())
}

/// Nothing is linked, and SQLite, which wants a C compiler for the target, is left out. Swift's calls
/// are plain C: there is no JNI for them.
fn phone(workspace: &Workspace, target: &str) -> Result<()> {
    println!("{target}: checked without the feature `sqlite`, which compiles C");
    let toolchain = Toolchain::for_target(workspace, target)?;
    run(toolchain
        .cargo(workspace)
        .arg("check")
        .args(toolchain.flags("unwind"))
        .args(["--target", target, "--package", "keyfold-uniffi", "--no-default-features"])
        .args(["--features", if target.contains("apple") { "" } else { "jni" }]))
}
