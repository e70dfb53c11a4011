//! `kill -9` at random moments of a process that changes a SQLite store: afterwards everything
//! that was acknowledged is there, and the audit chain is whole.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use keyfold_conformance::crash::{self, Done};

/// After so many crashes a new store is taken, so that checking one does not take ever longer.
const CRASHES_PER_STORE: u64 = 20;

#[test]
fn nothing_acknowledged_is_lost() {
    let crashes: u64 = std::env::var("KEYFOLD_CRASHES")
        .map_or(20, |count| count.parse().expect("KEYFOLD_CRASHES is a number"));
    let seed = fastrand::u64(..1_000_000_000);
    println!("{crashes} crashes, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut acknowledged, mut records, mut silent) = (0, 0, 0);
    let mut first = 0;
    while first < crashes {
        let folder = tempfile::tempdir().expect("a folder");
        for crash in first..crashes.min(first + CRASHES_PER_STORE) {
            let mut worker = Command::new(env!("CARGO_BIN_EXE_crash-worker"))
                .arg(folder.path())
                .arg((seed + crash).to_string())
                .stdout(Stdio::piped())
                .spawn()
                .expect("the worker starts");
            let output = BufReader::new(worker.stdout.take().expect("piped"));
            let reader = std::thread::spawn(move || -> Vec<Done> {
                let lines = output.lines().map_while(Result::ok);
                lines.filter_map(|line| serde_json::from_str(&line).ok()).collect()
            });
            // Often while it starts, when the store is made or recovered.
            let limit = if random.u8(..) < 64 { 30 } else { 400 };
            std::thread::sleep(Duration::from_millis(random.u64(..limit)));
            worker.kill().expect("it runs until it is killed");
            let status = worker.wait().expect("it is gone");
            assert_eq!(status.code(), None, "the worker ended by itself: {status}");
            let done = reader.join().expect("its output is read");
            silent += usize::from(done.is_empty());
            acknowledged += done.len();
            records = records.max(crash::check(folder.path(), &done));
        }
        first += CRASHES_PER_STORE;
    }
    println!(
        "{acknowledged} acknowledged changes are there, {silent} crashes before the first; \
         the longest audit chain has {records} records"
    );
    assert!(acknowledged > 0, "nothing was acknowledged, so nothing was tested");
}
