//! The command line, whole process, file to file in memory.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::harness::median;
use crate::process::{Cost, cost};
use crate::report::{Row, human};

const LOOP: &str = "plain loop, aws-lc-rs";

/// One direction: what each program reads and the command that reads it.
struct Case {
    direction: &'static str,
    /// Who, on how many threads, and the command.
    commands: [(&'static str, usize, Command); 3],
}

pub(crate) fn measure(keyfold: &Path, quick: bool) -> Result<Vec<Row>> {
    let (size, rounds) = if quick { (64 << 20, 1) } else { (1 << 30, 7) };
    let folder = tempfile::Builder::new().prefix("keyfold-bench-").tempdir_in(place())?;
    let at = |name: &str| folder.path().join(name);
    let program = std::env::current_exe()?;
    let store = at("store");

    println!("making {} in {}", human(size), folder.path().display());
    make_file(&at("plain"), size)?;
    let keyfold = |words: &str, from: &Path, to: &Path| {
        let mut command = Command::new(keyfold);
        command.args(words.split_ascii_whitespace()).env("KEYFOLD_HOME", &store);
        if !from.as_os_str().is_empty() {
            command.arg(from).arg("-o").arg(to);
        }
        command
    };
    let plain_loop = |flags: &[&str], from: &Path, to: &Path| {
        let mut command = Command::new(&program);
        command.arg("loop").args(flags).arg(from).arg(to);
        command
    };
    let nothing = PathBuf::new();
    finish(&mut keyfold("init", &nothing, &nothing))?;
    finish(&mut keyfold("key create --alias alias/bench", &nothing, &nothing))?;
    let (plain, out) = (at("plain"), at("out"));
    let (sealed, looped) = (at("plain.kf"), at("plain.loop"));
    finish(&mut keyfold("encrypt --key alias/bench", &plain, &sealed))?;
    finish(&mut plain_loop(&[], &plain, &looped))?;

    let mut rows = Vec::new();
    for mut case in [
        Case {
            direction: "encrypt",
            commands: [
                (LOOP, 1, plain_loop(&[], &plain, &out)),
                ("keyfold", 1, keyfold("encrypt --threads 1 --key alias/bench", &plain, &out)),
                ("keyfold", 2, keyfold("encrypt --threads 2 --key alias/bench", &plain, &out)),
            ],
        },
        Case {
            direction: "decrypt",
            commands: [
                (LOOP, 1, plain_loop(&["--decrypt"], &looped, &out)),
                ("keyfold", 1, keyfold("decrypt --threads 1", &sealed, &out)),
                ("keyfold", 2, keyfold("decrypt --threads 2", &sealed, &out)),
            ],
        },
    ] {
        rows.extend(in_turns(&mut case, size, rounds, &out)?);
        // What was measured last is keyfold's: decryption must have given the file back.
        ensure!(fs::metadata(&out)?.len() >= size, "keyfold wrote too little");
    }
    Ok(rows)
}

fn in_turns(case: &mut Case, size: u64, rounds: usize, out: &Path) -> Result<Vec<Row>> {
    let mut costs: [Vec<Cost>; 3] = Default::default();
    for _ in 0..rounds {
        for ((_, _, command), costs) in case.commands.iter().zip(&mut costs) {
            if out.exists() {
                fs::remove_file(out)?;
            }
            costs.push(cost(command)?);
        }
    }
    let seconds = costs
        .each_ref()
        .map(|costs| median(&mut costs.iter().map(|cost| cost.seconds).collect::<Vec<_>>()));
    // Exact below 2^53 bytes.
    #[allow(clippy::cast_precision_loss)]
    let (mega, mebi) = (size as f64 / 1e6, |bytes: u64| bytes as f64 / f64::from(1 << 20));
    let row = |who: usize, metric, value, unit, ratio: Option<f64>| Row {
        case: "file".to_owned(),
        subject: case.commands[who].0.to_owned(),
        size,
        threads: case.commands[who].1,
        direction: case.direction,
        metric,
        value,
        unit,
        ratio,
        ratio_to: ratio.map(|_| LOOP.to_owned()),
    };
    let mut rows = Vec::new();
    for (who, own) in seconds.into_iter().enumerate() {
        let ratio = (who > 0).then_some(seconds[0] / own);
        rows.push(row(who, "throughput", mega / own, "MB/s", ratio));
    }
    for (who, costs) in costs.iter().enumerate() {
        // The most of all runs: a limit holds for each.
        let peak = costs.iter().map(|cost| cost.peak_memory).max().unwrap_or_default();
        rows.push(row(who, "peak memory", mebi(peak), "MiB", None));
    }
    Ok(rows)
}

/// A file system in memory, where there is one: a disk would be what is measured.
fn place() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        return memory;
    }
    println!("no /dev/shm here: these figures contain the disk's speed");
    std::env::temp_dir()
}

fn make_file(path: &Path, size: u64) -> Result<()> {
    let piece: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let mut file = File::create(path)?;
    for _ in 0..size >> 20 {
        file.write_all(&piece)?;
    }
    Ok(())
}

fn finish(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{status} from: {command:?}");
    Ok(())
}
