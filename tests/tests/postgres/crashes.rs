//! The server crashes under load: everything acknowledged is there afterwards.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use keyfold_conformance::crash::{self, Done};
use keyfold_conformance::postgres::Server;

use crate::server;

/// After so many crashes a new database is taken, so that checking one does not take ever longer.
const CRASHES_PER_STORE: u64 = 10;

struct Worker {
    child: Child,
    reader: JoinHandle<Vec<Done>>,
}

impl Worker {
    fn start(folder: &Path, seed: u64) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_crash-worker"))
            .arg(folder)
            .arg(seed.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the worker starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let reader = std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            lines.filter_map(|line| serde_json::from_str(&line).ok()).collect()
        });
        Worker { child, reader }
    }

    /// It ends by itself where its store is lost.
    fn end(mut self) -> Vec<Done> {
        let status = self.child.wait().expect("it is gone");
        assert!(!status.success(), "the worker went on: {status}");
        self.reader.join().expect("its output is read")
    }
}

#[test]
fn nothing_acknowledged_is_lost() {
    let crashes: u64 = std::env::var("KEYFOLD_POSTGRES_CRASHES")
        .map_or(20, |count| count.parse().expect("KEYFOLD_POSTGRES_CRASHES is a number"));
    let seed = fastrand::u64(..1_000_000_000);
    println!("{crashes} crashes of the server, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut server: Server = server();
    let (mut acknowledged, mut records) = (0, 0);
    let mut first = 0;
    while first < crashes {
        let folder = tempfile::tempdir().expect("a folder");
        let url = server.database(&format!("crash{first}")).expect("a database");
        std::fs::write(folder.path().join("url"), url).expect("written");
        // The secret of the root, before two ask for it at once.
        let sealer = folder.path().join("root.key");
        keyfold_kms::root::FileSealer::create(&sealer, &keyfold::SystemRng).expect("made");
        let mut done = Vec::new();
        for crash in first..crashes.min(first + CRASHES_PER_STORE) {
            let seeds = [seed + 2 * crash, seed + 2 * crash + 1];
            let workers = seeds.map(|seed| Worker::start(folder.path(), seed));
            // Often while they start, when the store is made.
            let limit = if random.u8(..) < 64 { 60 } else { 600 };
            std::thread::sleep(Duration::from_millis(random.u64(..limit)));
            server.stop("immediate").expect("it crashes");
            done.extend(workers.map(Worker::end).into_iter().flatten());
            server.boot().expect("it recovers");
        }
        acknowledged += done.len();
        records += crash::check(folder.path(), &done);
        first += CRASHES_PER_STORE;
    }
    println!("{acknowledged} acknowledged changes are there; {records} audit records are sound");
    assert!(acknowledged > 0, "nothing was acknowledged, so nothing was tested");
}
