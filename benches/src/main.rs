//! Measures one suite: `cargo xtask bench` builds what it needs and calls it.
//!
//! Everything that is compared is measured in turns (`harness`), because a machine's speed
//! drifts by more than the differences that matter; a library that measures one subject after
//! the other puts that drift into the ratios.
#![forbid(unsafe_code)]

mod harness;
mod process;
mod report;
mod suite;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// The library against the bare ciphers.
    Core(Common),
    /// The command line, whole process, against a loop with no format.
    Cli {
        /// The release build of `keyfold`.
        #[arg(long)]
        keyfold: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// The server under load, against moto_server and a handler that answers a constant.
    Server {
        #[command(flatten)]
        args: suite::server::Args,
        #[command(flatten)]
        common: Common,
    },
    /// The providers of the clouds, without a network.
    Providers(Common),
    /// Used by the suites: whole messages, as JSON.
    #[command(hide = true)]
    Message {
        /// Bytes of plaintext.
        size: usize,
        /// Measure for a moment only.
        #[arg(long)]
        quick: bool,
    },
    /// Used by the suites: a server that answers a constant.
    #[command(hide = true)]
    Constant,
    /// Used by the suites: run a command, print its time and peak memory as JSON.
    #[command(hide = true)]
    Measure(process::Measure),
    /// Used by the suites: the loop with no format.
    #[command(hide = true)]
    Loop(suite::plain_loop::Args),
}

#[derive(clap::Args)]
struct Common {
    /// Where SUITE.json and SUITE.svg go.
    #[arg(long)]
    out: PathBuf,
    /// Measure for a moment only.
    #[arg(long)]
    quick: bool,
}

fn main() -> Result<()> {
    match Cli::parse().task {
        Task::Core(common) => {
            report::publish("core", &suite::core::measure(common.quick)?, &common.out)
        }
        Task::Cli { keyfold, common } => {
            report::publish("cli", &suite::cli::measure(&keyfold, common.quick)?, &common.out)
        }
        Task::Server { args, common } => {
            let rows = suite::server::measure(&args, &common.out, common.quick)?;
            report::publish("server", &rows, &common.out)
        }
        Task::Providers(common) => {
            let rows = suite::providers::measure(common.quick)?;
            report::publish("providers", &rows, &common.out)
        }
        Task::Message { size, quick } => {
            println!("{}", serde_json::to_string(&suite::core::messages(size, quick)?)?);
            Ok(())
        }
        Task::Constant => suite::server::constant::run(),
        Task::Measure(args) => process::measure(&args),
        Task::Loop(args) => suite::plain_loop::run(&args),
    }
}
