//! The command `keyfold`: a thin hand around the core and the embedded KMS. Rules of
//! cryptography are theirs; here are files, names and words. `docs/cli.md` is its manual.
#![forbid(unsafe_code)]

mod args;
mod cloud;
mod commands;
mod console;
mod database;
mod envelope;
mod exit;
mod fault;
mod files;
mod home;
mod input;
mod interrupt;
mod kms;
mod messages;
mod names;
mod output;
mod profile;
mod progress;
mod public_keys;
mod session;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::Cli;
use console::Console;

/// What a request leaves is freed by the thread that commits it; the system's allocator would have
/// that one wait for a lock of the thread that made it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&line) {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error, line.iter().any(|word| word == "--json")),
    };
    let console = cli.console();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read us has seen enough.
        Err(error) if fault::is_broken_pipe(&error) => ExitCode::from(exit::BROKEN_PIPE),
        Err(error) => {
            console.error(&error);
            ExitCode::from(exit::code(error.code()))
        }
    }
}

/// Help and version, or a wrong command line.
fn unparsed(error: &clap::Error, json: bool) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A reader that has gone wants no help.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if json {
        let text = error.render().to_string();
        // The first paragraph: what is wrong. Usage and hints are for people.
        let lines: Vec<&str> = text.lines().map(str::trim).take_while(|l| !l.is_empty()).collect();
        let detail = lines.join(" ");
        let detail = detail.strip_prefix("error: ").unwrap_or(&detail);
        Console { json }.error(&fault::invalid(detail));
    } else {
        let _ = error.print();
    }
    ExitCode::from(exit::USAGE)
}
