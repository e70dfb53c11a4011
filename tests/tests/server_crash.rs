//! `kill -9` of the server while eight clients change its store: afterwards everything that was
//! answered is there, everything decrypts, and the audit chain is whole.
#![cfg(unix)]

use std::time::Duration;

use keyfold_conformance::load::{self, Acknowledged};
use keyfold_conformance::server::{self, Home, Server};

const CLIENTS: usize = 8;
/// After so many crashes a new store is taken, so that checking one does not take ever longer.
const CRASHES_PER_STORE: u64 = 20;

/// What all rounds came to.
#[derive(Default)]
struct Totals {
    answers: u64,
    changes: usize,
    blobs: usize,
    longest: u64,
}

#[test]
fn nothing_answered_is_lost() {
    let Some(keyfold) = server::command("crashes of the server") else { return };
    let crashes = number("KEYFOLD_SERVER_CRASHES", 10);
    let seed = fastrand::u64(..1_000_000_000);
    println!("{crashes} crashes of the server under {CLIENTS} clients, seed {seed}");
    let mut totals = Totals::default();
    let mut first = 0;
    while first < crashes {
        let last = crashes.min(first + CRASHES_PER_STORE);
        let home = Home::create(&keyfold, None);
        crash(&home, (first..last).map(|crash| seed + crash), &mut totals);
        first = last;
    }
    let Totals { answers, changes, blobs, longest } = totals;
    println!(
        "{answers} answered requests; {changes} changes and {blobs} ciphertexts of them are there; \
         the longest audit chain has {longest} records"
    );
    assert!(changes > 0 && blobs > 0, "nothing was answered, so nothing was tested");
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |count| count.parse().expect("it is a number"))
}

/// Crashes one store again and again; at the end looks once more for everything of every round.
fn crash(home: &Home, seeds: impl Iterator<Item = u64>, totals: &mut Totals) {
    // The records that there must be: one for every answer.
    let (mut answers, before) = (0, home.audit());
    let mut everything = Vec::new();
    for seed in seeds {
        let mut random = fastrand::Rng::with_seed(seed);
        let server = home.serve();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (mut client, seed) = (home.client(&server), random.u64(..));
                std::thread::spawn(move || {
                    load::work(&mut client, &format!("{seed}-{number}"), seed)
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(random.u64(20..500)));
        server.kill();
        let mut done: Vec<Acknowledged> =
            clients.into_iter().map(|client| client.join().expect("no refusal")).collect();
        answers += done.iter().map(|done| done.answers).sum::<u64>();
        let records = home.audit() - before;
        assert!(records >= answers, "{records} audit records of {answers} answered requests");

        let server = home.serve();
        answers += check(home, &server, &mut done);
        server.stop();
        everything.append(&mut done);
    }
    let server = home.serve();
    for done in &everything {
        totals.changes += done.changes();
        totals.blobs += done.blobs();
    }
    answers += check(home, &server, &mut everything);
    server.stop();
    let records = home.audit() - before;
    assert!(records >= answers, "{records} audit records of {answers} answered requests");
    totals.answers += answers;
    totals.longest = totals.longest.max(records);
}

fn check(home: &Home, server: &Server, done: &mut [Acknowledged]) -> u64 {
    let mut client = home.client(server);
    done.iter_mut().map(|done| load::check(&mut client, done)).sum()
}
