//! Time and peak memory of a whole process.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use wait4::Wait4;

/// A command, after `--`.
#[derive(clap::Args)]
pub(crate) struct Measure {
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// What a process cost.
#[derive(Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    /// Bytes.
    pub(crate) peak_memory: u64,
}

/// Runs a command in a process of its own that measures it.
///
/// The detour is needed: Linux counts to a process's peak what its parent had in memory when it
/// was started, and the parent here may be large. The one between is small.
pub(crate) fn cost(command: &Command) -> Result<Cost> {
    let mut between = Command::new(std::env::current_exe()?);
    between.arg("measure").arg("--").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            between.env(name, value);
        }
    }
    let output = between.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{} from: {command:?}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs the command and prints its cost as JSON.
pub(crate) fn measure(args: &Measure) -> Result<()> {
    let (program, words) = args.command.split_first().context("no command")?;
    let mut command = Command::new(program);
    // Standard output carries the figures.
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
    println!("{}", serde_json::to_string(&wait(&mut command)?)?);
    Ok(())
}

fn wait(command: &mut Command) -> Result<Cost> {
    let begun = Instant::now();
    let ended = command.spawn()?.wait4()?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(ended.status.success(), "{} from: {command:?}", ended.status);
    Ok(Cost { seconds, peak_memory: ended.rusage.maxrss })
}
