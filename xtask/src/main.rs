//! `cargo xtask`: the only place that knows how to set a machine up, show the product and
//! check it.
#![forbid(unsafe_code)]

mod android;
mod bench;
mod console;
mod demo;
mod install;
mod kotlin;
mod npm;
mod run;
mod snippets;
mod swift;
mod test;
mod wheel;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::Workspace;

/// The commands of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show the whole story on a real file, in a store made for the occasion.
    Demo(demo::Args),
    /// Check everything; install what is missing, or say how to get it.
    Test(test::Args),
    /// Measure, and write target/bench/SUITE.json and SUITE.svg.
    Bench(bench::Args),
    /// Build the console, in target/console, and a keyfold that serves it.
    Console(console::Args),
    /// Build the Python package: wheels and the sdist, in target/wheels.
    Wheel(wheel::Args),
    /// Build the native library for Kotlin and Java, and the glue around it; Maven calls it.
    Kotlin(kotlin::Args),
    /// Put the Swift package together in a folder, with the native library for this machine.
    SwiftPackage(swift::Args),
    /// Build the native libraries for Android, and the glue around them; Gradle calls it.
    Android(android::Args),
    /// Build the npm package, in target/npm.
    Npm,
}

fn main() -> ExitCode {
    let done = Workspace::locate().and_then(|workspace| match Cli::parse().task {
        Task::Demo(args) => demo::demo(&workspace, &args),
        Task::Test(args) => test::test(&workspace, &args),
        Task::Bench(args) => bench::bench(&workspace, &args),
        Task::Console(args) => console::console(&workspace, &args),
        Task::Wheel(args) => wheel::wheel(&workspace, &args),
        Task::Kotlin(args) => kotlin::kotlin(&workspace, &args),
        Task::SwiftPackage(args) => swift::swift_package(&workspace, &args),
        Task::Android(args) => android::android(&workspace, &args),
        Task::Npm => npm::npm(&workspace).map(drop),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
