//! `cargo xtask test`: every check there is, one after another, with a table at the end.

mod binding_kotlin;
mod binding_python;
mod binding_wasm;
mod browsers;
mod console;
mod licences;
mod swift;
mod wasm;

use std::time::Instant;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::install;
use crate::run::{Workspace, run};
use crate::wheel;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Crash 2000 times instead of 200, and fuzz each target for a minute.
    #[arg(long)]
    long: bool,
    /// Do only this step; may be given several times.
    #[arg(long, value_name = "STEP")]
    only: Vec<Step>,
}

/// The steps, in the order in which they run: what is quick to fail comes first.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The C compiler, rustfmt and clippy are there.
    Tools,
    /// Formatting, of both workspaces.
    Fmt,
    /// Licences of all dependencies.
    Licences,
    /// Lints as errors, all targets and features.
    Clippy,
    /// Documentation without a warning.
    Docs,
    /// Unit, integration and documentation tests of every crate.
    Unit,
    /// `core` without its default features.
    Minimal,
    /// `core`, and `kms` with the memory store, for wasm32-unknown-unknown.
    Wasm,
    /// Vectors, Wycheproof, properties: the tests across crates.
    Conformance,
    /// The vectors are what their generator makes; Python opens ours and we open Python's.
    Python,
    /// The Python package: its tests on the installed wheel, its types, its sdist.
    BindingPython,
    /// The Kotlin library: its tests, from Kotlin and Java, and its compilation for phones.
    BindingKotlin,
    /// The npm package: its tests on what was packed, by each of its loaders, its types, its size.
    BindingWasm,
    /// The npm package in Chromium and Firefox, bundled by Vite, webpack and esbuild.
    Browsers,
    /// The Swift package: compiled and tested where there is Swift, parsed where there is none.
    Swift,
    /// The console: in Chromium and Firefox, against a server.
    Console,
    /// The fuzz corpora, and mutations of them, for a few seconds each.
    Fuzz,
    /// `kill -9` at random moments; nothing acknowledged is lost.
    Crash,
    /// The store in PostgreSQL: its contract, several processes, crashes of the server, moves.
    Postgres,
    /// boto3, the AWS SDK for JavaScript, the AWS CLI and the AWS Encryption SDK over the server;
    /// its signatures under other libraries.
    Clients,
    /// Malformed requests from the models of the services, and HTTP as nobody should speak it.
    Protocol,
    /// `kill -9` of the server under load; nothing answered is lost.
    ServerCrash,
    /// The AWS provider against moto's server.
    Moto,
    /// The emulators of the other clouds, each proven by its vendor's own kit.
    Emulators,
}

const CONFORMANCE: &str = "keyfold-conformance";
const EMULATORS: &str = "keyfold-emulators";

/// Tests of the conformance crate that are steps of their own.
const SEPARATE: [&str; 9] = [
    "cobblestone",
    "fuzz_replay",
    "crash",
    "postgres",
    "clients",
    "protocol",
    "server_crash",
    "two_servers",
    "moto",
];

pub(crate) fn test(workspace: &Workspace, args: &Args) -> Result<()> {
    let chosen = |step: &&Step| args.only.is_empty() || args.only.contains(step);
    let mut table = Vec::new();
    for step in Step::value_variants().iter().filter(chosen) {
        println!("\n== {} ==", step.name());
        let begun = Instant::now();
        let result = step.check(workspace, args.long);
        if let Err(error) = &result {
            println!("FAILED: {error:#}");
        }
        table.push((step.name(), result, begun.elapsed().as_secs_f64()));
    }

    println!("\n{:<14} {:<8} {:>8}", "step", "result", "seconds");
    let mut failed = 0;
    for (name, result, seconds) in &table {
        let word = if result.is_ok() { "passed" } else { "FAILED" };
        println!("{name:<14} {word:<8} {seconds:>8.1}");
        if let Err(error) = result {
            failed += 1;
            println!("    {error:#}");
        }
    }
    println!("\n{} passed, {failed} failed", table.len() - failed);
    if failed > 0 {
        bail!("{failed} of {} steps failed", table.len());
    }
    Ok(())
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn check(self, workspace: &Workspace, long: bool) -> Result<()> {
        let cargo = |words: &str| {
            let mut command = workspace.cargo();
            command.args(words.split_ascii_whitespace());
            command
        };
        match self {
            Step::Tools => {
                install::c_compiler(workspace)?;
                install::rust_component(workspace, "rustfmt", "fmt")?;
                install::rust_component(workspace, "clippy", "clippy")
            }
            Step::Fmt => {
                run(&mut cargo("fmt --all --check"))?;
                run(&mut cargo("fmt --manifest-path fuzz/Cargo.toml --check"))
            }
            Step::Licences => licences::check(workspace),
            Step::Clippy => {
                run(&mut cargo("clippy --workspace --all-targets --all-features -- -D warnings"))?;
                // As it is built for iOS.
                let words = "clippy --package keyfold-uniffi --no-default-features";
                run(cargo(words).args(["--features", "sqlite", "--", "-D", "warnings"]))
            }
            Step::Docs => run(cargo("doc --workspace --all-features --no-deps --lib")
                .env("RUSTDOCFLAGS", "-D warnings")),
            // The benchmarks are programs to run, not to test: clippy has compiled them.
            Step::Unit => run(cargo("test --workspace --all-features --no-fail-fast").args([
                "--exclude",
                CONFORMANCE,
                "--exclude",
                EMULATORS,
                "--exclude",
                "keyfold-benches",
            ])),
            Step::Minimal => {
                // The examples of the primitives need `hazmat`; it turns nothing else on.
                run(&mut cargo("clippy --package keyfold --no-default-features -- -D warnings"))?;
                run(&mut cargo("test --package keyfold --no-default-features --features hazmat"))
            }
            Step::Wasm => wasm::check(workspace),
            Step::Conformance => {
                let mut command = cargo("test --package");
                command.args([CONFORMANCE, "--lib"]);
                for name in workspace.integration_tests(CONFORMANCE)? {
                    if !SEPARATE.contains(&name) {
                        command.args(["--test", name]);
                    }
                }
                run(&mut command)
            }
            Step::Python => {
                let python = install::python(workspace, "python", "tests/requirements.txt")?;
                run(std::process::Command::new(&python)
                    .args(["tests/vectors/generate.py", "--check"])
                    .current_dir(&workspace.root))?;
                run(separate(&mut cargo("test --package"), "cobblestone")
                    .env("KEYFOLD_PYTHON", python))
            }
            Step::BindingPython => binding_python::check(workspace),
            Step::BindingKotlin => binding_kotlin::check(workspace),
            Step::BindingWasm => binding_wasm::check(workspace),
            Step::Browsers => browsers::check(workspace),
            Step::Swift => swift::check(workspace),
            Step::Console => console::check(workspace),
            Step::Fuzz => run(separate(&mut cargo("test --package"), "fuzz_replay")
                .env("KEYFOLD_FUZZ_SECONDS", if long { "60" } else { "4" })),
            Step::Crash => run(separate(&mut cargo("test --package"), "crash")
                .env("KEYFOLD_CRASHES", if long { "2000" } else { "200" })),
            Step::Postgres => {
                install::postgres()?;
                let keyfold = workspace.build(&[], "keyfold-cli", "keyfold")?;
                // Both at once: with other features everything would be compiled again.
                let words = "test --features postgres --test two_servers --package";
                run(separate(&mut cargo(words), "postgres")
                    .env("KEYFOLD_COMMAND", keyfold)
                    .env("KEYFOLD_POSTGRES_CRASHES", if long { "200" } else { "20" }))
            }
            Step::Clients => {
                install::openssl()?;
                let node = install::node(workspace, "clients/node", "tests/clients/node")?;
                run(clients(workspace, separate(&mut cargo("test --package"), "clients"))?
                    .env("KEYFOLD_CLIENTS_NODE", node))
            }
            Step::Protocol => {
                run(clients(workspace, separate(&mut cargo("test --package"), "protocol"))?)
            }
            Step::ServerCrash => {
                install::postgres()?;
                run(separate(&mut cargo("test --package"), "server_crash")
                    .env("KEYFOLD_COMMAND", workspace.build(&[], "keyfold-cli", "keyfold")?)
                    .env("KEYFOLD_SERVER_CRASHES", if long { "1000" } else { "100" })
                    .env("KEYFOLD_POSTGRES_CRASHES", if long { "200" } else { "20" }))
            }
            Step::Moto => {
                let moto = install::moto(workspace)?;
                run(separate(&mut cargo("test --package"), "moto").env("KEYFOLD_MOTO_SERVER", moto))
            }
            Step::Emulators => emulators(workspace),
        }
    }
}

/// The emulators and our providers over them; the guides of docs/providers go over to the wheel.
fn emulators(workspace: &Workspace) -> Result<()> {
    let list = "tests/emulators/sdk/requirements.txt";
    let python = install::new_python(workspace, "emulators/python", list)?;
    let wheel = wheel::host(workspace)?;
    run(install::pip(&python).args(["--force-reinstall", "--no-deps"]).arg(wheel))?;
    let mut command = workspace.cargo();
    run(command
        .args(["test", "--package", EMULATORS, "--no-fail-fast", "--", "--nocapture"])
        .env("KEYFOLD_EMULATORS_PYTHON", python))
}

/// Names the command to test and the Python of its clients, one test after another.
fn clients<'a>(
    workspace: &Workspace,
    command: &'a mut std::process::Command,
) -> Result<&'a mut std::process::Command> {
    let list = "tests/clients/requirements.txt";
    let python = install::new_python(workspace, "clients/python", list)?;
    let keyfold = workspace.build(&[], "keyfold-cli", "keyfold")?;
    Ok(command
        .arg("--test-threads=1")
        .env("KEYFOLD_COMMAND", keyfold)
        .env("KEYFOLD_CLIENTS_PYTHON", python))
}

/// One test of the conformance crate, with what it prints.
fn separate<'a>(
    command: &'a mut std::process::Command,
    name: &str,
) -> &'a mut std::process::Command {
    command.args([CONFORMANCE, "--test", name, "--", "--nocapture"])
}
