//! The guides of `docs/providers`: the Python that goes from a vendor's own kit to keyfold is run
//! against the emulators, as it is shown.

use std::path::Path;
use std::process::Command;

use keyfold_emulators::{Emulator, Options, Provider};

/// Runs the snippets of a page.
fn holds(provider: Provider) {
    let name = provider.name();
    let Some(python) = std::env::var_os("KEYFOLD_EMULATORS_PYTHON") else {
        println!(
            "skipped: the guide of {name}: KEYFOLD_EMULATORS_PYTHON is not set (`cargo xtask test` \
             sets it)"
        );
        return;
    };
    // Azure's kit sends tokens over TLS only.
    let options = Options { tls: provider == Provider::Azure, ..Options::default() };
    let emulator = Emulator::start(provider, options).expect("it starts");
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk/guides.py")).arg(name);
    command.envs(emulator.environment()).env("PYTHONDONTWRITEBYTECODE", "1");
    // Nothing of whoever runs this may come between.
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(proxy);
    }
    let status = command.env("NO_PROXY", "127.0.0.1").status().expect("it starts");
    assert!(status.success(), "{name}: {status}");
}

#[test]
fn tencent() {
    holds(Provider::Tencent);
}

#[test]
fn huawei() {
    holds(Provider::Huawei);
}

#[test]
fn alibaba() {
    holds(Provider::Alibaba);
}

#[test]
fn google() {
    holds(Provider::Google);
}

#[test]
fn azure() {
    holds(Provider::Azure);
}

#[test]
fn vault() {
    holds(Provider::Vault);
}
