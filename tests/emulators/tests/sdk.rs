//! Each vendor's own kit against its emulator: every operation that the emulator offers, and what it
//! must refuse.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyfold_emulators::{Emulator, Options, Provider};

/// The Python with the kits, which `cargo xtask test` has made; says why where there is none.
fn python(skipped: &str) -> Option<PathBuf> {
    let python = std::env::var_os("KEYFOLD_EMULATORS_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!(
            "skipped: {skipped}: KEYFOLD_EMULATORS_PYTHON is not set (`cargo xtask test` sets it)"
        );
    }
    python
}

/// Runs a script of `sdk/`, which must end well after it has called every operation.
fn proven(provider: Provider) {
    // Azure's kit sends tokens over TLS only.
    let options = Options { tls: provider == Provider::Azure, ..Options::default() };
    let calls = run(provider, options, true);
    println!("{}: {calls} calls", provider.name());
}

/// Runs a script; answers how many calls there were.
fn run(provider: Provider, options: Options, everything: bool) -> u64 {
    let name = provider.name();
    let Some(python) = python(name) else { return 0 };
    let script = format!("{name}_sdk.py");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk").join(script);
    let emulator = Emulator::start(provider, options).expect("it starts");
    let mut command = Command::new(python);
    command.arg(script).envs(emulator.environment()).env("PYTHONDONTWRITEBYTECODE", "1");
    // Nothing of whoever runs this may come between.
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(proxy);
    }
    let status = command.env("NO_PROXY", "127.0.0.1").status().expect("it starts");
    assert!(status.success(), "{name}: {status}");
    let calls = emulator.calls();
    let count = calls.values().sum();
    if !everything {
        return count;
    }
    let called: BTreeSet<_> = calls.keys().cloned().collect();
    let missed: Vec<_> =
        emulator.operations().into_iter().filter(|operation| !called.contains(operation)).collect();
    assert_eq!(missed, [""; 0], "operations that the kit did not call");
    count
}

#[test]
fn tencent() {
    proven(Provider::Tencent);
}

#[test]
fn huawei() {
    proven(Provider::Huawei);
}

#[test]
fn huawei_in_the_older_dialect() {
    let calls = run(Provider::Huawei, Options { older_dialect: true, ..Options::default() }, false);
    println!("huawei, the older dialect: {calls} calls");
}

#[test]
fn alibaba() {
    proven(Provider::Alibaba);
}

#[test]
fn vault() {
    proven(Provider::Vault);
}

#[test]
fn google() {
    proven(Provider::Google);
}

#[test]
fn azure() {
    proven(Provider::Azure);
}

#[test]
fn pingan() {
    proven(Provider::PingAn);
}
