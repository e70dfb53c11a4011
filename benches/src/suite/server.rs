//! The server under load, side by side with moto_server and with the physical limit: a handler
//! that answers a constant.
//!
//! Every server is a process of its own on this machine, reached over plain HTTP on loopback, and
//! the load comes from here, on the same processors. A request of keyfold's is signed, checked
//! and durably recorded before its answer; the other two do none of that.

pub(crate) mod constant;
mod load;
mod process;
mod request;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keyfold_conformance::postgres;
use serde_json::json;

use self::load::Sample;
use self::process::Server;
use self::request::Endpoint;
use crate::harness::median;
use crate::report::Row;

/// What is measured against what.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The release build of `keyfold`.
    #[arg(long)]
    keyfold: PathBuf,
    /// The program `moto_server`; without it there is no such column.
    #[arg(long)]
    moto: Option<PathBuf>,
}

const CONSTANT: &str = "constant axum handler";
const SQLITE: &str = "keyfold, SQLite";
const POSTGRES: &str = "keyfold, PostgreSQL";
const MOTO: &str = "moto_server";

const OPERATIONS: [&str; 2] = ["GenerateDataKey", "Decrypt"];
const CONNECTIONS: [usize; 3] = [1, 8, 64];
/// The keys of the server whose memory is told.
const KEYS: usize = 10_000;

/// How long to measure.
struct Effort {
    rounds: usize,
    sample: Duration,
    keys: usize,
}

pub(crate) fn measure(args: &Args, out: &Path, quick: bool) -> Result<Vec<Row>> {
    let effort = if quick {
        Effort { rounds: 1, sample: Duration::from_millis(300), keys: 200 }
    } else {
        Effort { rounds: 5, sample: Duration::from_secs(2), keys: KEYS }
    };
    // A disk, as servers have one: what is acknowledged is synced to it.
    fs::create_dir_all(out)?;
    let folder = tempfile::Builder::new().prefix("server-").tempdir_in(out)?;
    let mut subjects = vec![Subject::constant()?, Subject::keyfold(args, folder.path(), None)?];
    let database = postgres::Server::start("")
        .inspect_err(|error| println!("without the rows of PostgreSQL: {error}"))
        .ok();
    if let Some(database) = &database {
        let url = database.database("bench")?;
        subjects.push(Subject::keyfold(args, folder.path(), Some(&url))?);
    }
    if let Some(moto) = &args.moto {
        subjects.push(Subject::moto(moto)?);
    } else {
        println!("without the rows of moto_server: it was not named");
    }
    let mut rows = Vec::new();
    for operation in OPERATIONS {
        for connections in CONNECTIONS {
            rows.extend(in_turns(&mut subjects, operation, connections, &effort)?);
        }
    }
    drop(subjects);
    rows.extend(many_keys(args, folder.path(), &effort)?);
    Ok(rows)
}

/// A server and what it is asked.
struct Subject {
    name: &'static str,
    server: Server,
    endpoint: Endpoint,
    /// Whether a connection of it may carry more than one request.
    keep: bool,
    /// The bodies of the requests, by operation.
    bodies: Vec<(&'static str, String)>,
}

impl Subject {
    fn constant() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("constant");
        let server = Server::start(&mut command)?;
        let endpoint = Endpoint::new(&server.address, request::dummy()?);
        let bodies = OPERATIONS.map(|operation| (operation, "{}".to_owned())).to_vec();
        Ok(Subject { name: CONSTANT, server, endpoint, keep: true, bodies })
    }

    fn keyfold(args: &Args, folder: &Path, database: Option<&str>) -> Result<Self> {
        let name = if database.is_some() { POSTGRES } else { SQLITE };
        let keyfold = Keyfold::new(args, &folder.join(name.replace([',', ' '], "")), database);
        let (server, endpoint) = keyfold.serve()?;
        Self::with_a_key(name, server, endpoint)
    }

    fn moto(program: &Path) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let server = Server::start_at(&mut command, format!("127.0.0.1:{port}"))?;
        let endpoint = Endpoint::new(&server.address, request::dummy()?);
        // Its server may take a request that comes at once for the rest of the one before.
        Ok(Subject { keep: false, ..Self::with_a_key(MOTO, server, endpoint)? })
    }

    fn with_a_key(name: &'static str, server: Server, endpoint: Endpoint) -> Result<Self> {
        let made = endpoint.call("CreateKey", &json!({}))?;
        let key = made["KeyMetadata"]["KeyId"].as_str().context("no key id")?.to_owned();
        let context = json!({"tenant": "acme", "purpose": "benchmark"});
        let ask = json!({"KeyId": key, "KeySpec": "AES_256", "EncryptionContext": context});
        let made = endpoint.call("GenerateDataKey", &ask)?;
        let open = json!({
            "CiphertextBlob": made["CiphertextBlob"], "KeyId": key, "EncryptionContext": context
        });
        let opened = endpoint.call("Decrypt", &open)?;
        ensure!(opened["Plaintext"] == made["Plaintext"], "{name} does not decrypt");
        let bodies = vec![(OPERATIONS[0], ask.to_string()), (OPERATIONS[1], open.to_string())];
        Ok(Subject { name, server, endpoint, keep: true, bodies })
    }

    fn body(&self, operation: &str) -> Result<&str> {
        let found = self.bodies.iter().find(|(name, _)| *name == operation);
        found.map(|(_, body)| body.as_str()).context("no such operation")
    }
}

/// A store of keyfold's and its command.
struct Keyfold<'a> {
    program: &'a Path,
    home: PathBuf,
    database: Option<&'a str>,
}

impl<'a> Keyfold<'a> {
    fn new(args: &'a Args, home: &Path, database: Option<&'a str>) -> Self {
        Keyfold { program: &args.keyfold, home: home.to_owned(), database }
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(self.program);
        command.args(words.split_ascii_whitespace()).env("KEYFOLD_HOME", &self.home);
        if let Some(database) = self.database {
            command.env("KEYFOLD_DATABASE", database);
        }
        command
    }

    /// Makes the store and starts its server.
    fn serve(&self) -> Result<(Server, Endpoint)> {
        process::output(&mut self.command("init"))?;
        let made = process::output(&mut self.command("access-key create --json"))?;
        let credentials = request::parse(&made)?;
        let server =
            Server::start(&mut self.command("serve --listen 127.0.0.1:0 --log-level error"))?;
        let endpoint = Endpoint::new(&server.address, credentials);
        Ok((server, endpoint))
    }
}

/// Each subject once in every round, so that what slows the machine for a while slows all.
fn in_turns(
    subjects: &mut [Subject],
    operation: &'static str,
    connections: usize,
    effort: &Effort,
) -> Result<Vec<Row>> {
    let mut samples: Vec<Vec<Sample>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..=effort.rounds {
        for (subject, samples) in subjects.iter_mut().zip(&mut samples) {
            let body = subject.body(operation)?;
            let request = subject.endpoint.request(operation, body.as_bytes())?;
            let before = subject.server.cpu()?;
            let address = &subject.server.address;
            let mut sample =
                load::run(address, subject.keep, &[request], connections, effort.sample)?;
            sample.server_cpu = subject.server.cpu()?.saturating_sub(before);
            // The first round warms up.
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    let limit = Figure::Rate.of(&samples[0]);
    let mut rows = Vec::new();
    for figure in [Figure::Rate, Figure::Latency(0.5), Figure::Latency(0.99), Figure::Cpu] {
        for (subject, samples) in subjects.iter().zip(&samples) {
            let (metric, unit) = figure.name();
            let value = figure.of(samples);
            let ratio = (figure == Figure::Rate && subject.name != CONSTANT).then(|| value / limit);
            rows.push(Row {
                case: format!("{connections} conn"),
                subject: subject.name.to_owned(),
                size: 0,
                threads: connections,
                direction: operation,
                metric,
                value,
                unit,
                ratio,
                ratio_to: ratio.map(|_| CONSTANT.to_owned()),
            });
        }
    }
    Ok(rows)
}

/// What is told of a subject.
#[derive(Clone, Copy, PartialEq)]
enum Figure {
    Rate,
    /// The latency that this share of the requests does not exceed.
    Latency(f64),
    Cpu,
}

impl Figure {
    fn name(self) -> (&'static str, &'static str) {
        match self {
            Figure::Rate => ("throughput", "/s"),
            Figure::Latency(share) if share < 0.9 => ("p50", "ms"),
            Figure::Latency(_) => ("p99", "ms"),
            Figure::Cpu => ("server CPU", "µs"),
        }
    }

    /// The median of the samples.
    fn of(self, samples: &[Sample]) -> f64 {
        let figures = samples.iter().map(|sample| match self {
            Figure::Rate => sample.per_second(),
            Figure::Latency(share) => sample.latency(share).as_secs_f64() * 1e3,
            Figure::Cpu => sample.server_micros(),
        });
        median(&mut figures.collect::<Vec<_>>())
    }
}

/// The memory of a server with many keys, all of them in use.
fn many_keys(args: &Args, folder: &Path, effort: &Effort) -> Result<Vec<Row>> {
    let keyfold = Keyfold::new(args, &folder.join("many"), None);
    let (mut server, endpoint) = keyfold.serve()?;
    let mut requests = Vec::with_capacity(effort.keys);
    for _ in 0..effort.keys {
        let made = endpoint.call("CreateKey", &json!({}))?;
        let ask = json!({"KeyId": made["KeyMetadata"]["KeyId"], "KeySpec": "AES_256"});
        requests.push(endpoint.request(OPERATIONS[0], ask.to_string().as_bytes())?);
    }
    let sample = load::run(&server.address, true, &requests, 64, effort.sample)?;
    let row = |metric, value, unit| Row {
        case: format!("{} keys", effort.keys),
        subject: SQLITE.to_owned(),
        size: 0,
        threads: 64,
        direction: OPERATIONS[0],
        metric,
        value,
        unit,
        ratio: None,
        ratio_to: None,
    };
    let resident = server.resident()?;
    // Exact below 2^53 bytes.
    #[allow(clippy::cast_precision_loss)]
    let mebibytes = resident as f64 / f64::from(1 << 20);
    Ok(vec![row("throughput", sample.per_second(), "/s"), row("resident memory", mebibytes, "MiB")])
}
