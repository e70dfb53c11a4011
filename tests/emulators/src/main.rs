//! `keyfold-emulator PROVIDER [--tls] [--clock-offset SECONDS] [--older-dialect]
//! [--managed-hsm]`: one service on a
//! free port of 127.0.0.1, until its standard input ends or it is killed.
#![forbid(unsafe_code)]

use std::io::{Read, Write, stdin, stdout};
use std::process::ExitCode;

use keyfold_emulators::{Emulator, Options, Provider};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let names: Vec<_> = Provider::ALL.iter().map(|provider| provider.name()).collect();
            eprintln!("{message}");
            eprintln!("usage: keyfold-emulator PROVIDER [--tls] [--clock-offset SECONDS]");
            eprintln!(
                "       [--older-dialect] [--managed-hsm]; PROVIDER is one of: {}",
                names.join(", ")
            );
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let mut words = std::env::args().skip(1);
    let provider: Provider = words.next().ok_or("no provider is named")?.parse()?;
    let mut options = Options::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--tls" => options.tls = true,
            "--older-dialect" => options.older_dialect = true,
            "--managed-hsm" => options.managed_hsm = true,
            "--clock-offset" => {
                let seconds = words.next().and_then(|text| text.parse().ok());
                options.clock_offset = seconds.ok_or("--clock-offset needs a number")?;
            }
            other => return Err(format!("no option {other:?}")),
        }
    }
    let emulator = Emulator::start(provider, options).map_err(|error| error.to_string())?;
    let mut said = vec![format!("listening on {}\n", emulator.url())];
    said.extend(emulator.environment().iter().map(|(name, value)| format!("{name}={value}\n")));
    said.push("ready\n".to_owned());
    let mut output = stdout().lock();
    output
        .write_all(said.concat().as_bytes())
        .and_then(|()| output.flush())
        .map_err(|error| error.to_string())?;
    // Whoever started it closes it, or is gone.
    let mut nothing = [0; 256];
    while matches!(stdin().lock().read(&mut nothing), Ok(1..)) {}
    Ok(())
}
