//! Crashes while eight clients change a server's store: `kill -9` of the server over SQLite, and
//! of PostgreSQL under a server that stays. Afterwards everything that was answered is there,
//! everything decrypts, and the audit chain is whole.
#![cfg(unix)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use keyfold_conformance::http::CallError;
use keyfold_conformance::load::{self, Acknowledged};
use keyfold_conformance::postgres;
use keyfold_conformance::server::{self, Home, Server};

const CLIENTS: usize = 8;
/// After so many crashes a new store is taken, so that checking one does not take ever longer.
const CRASHES_PER_STORE: u64 = 20;
/// For how long a server may take to find its database again, in seconds.
const RECONNECT: u64 = 60;

/// What all rounds came to.
#[derive(Default)]
struct Totals {
    answers: u64,
    changes: usize,
    blobs: usize,
    longest: u64,
}

impl Totals {
    fn tell(&self) {
        let Totals { answers, changes, blobs, longest } = self;
        println!(
            "{answers} answered requests; {changes} changes and {blobs} ciphertexts of them are \
             there; the longest audit chain has {longest} records"
        );
        assert!(*changes > 0 && *blobs > 0, "nothing was answered, so nothing was tested");
    }

    fn count(&mut self, done: &[Acknowledged]) {
        self.changes += done.iter().map(Acknowledged::changes).sum::<usize>();
        self.blobs += done.iter().map(Acknowledged::blobs).sum::<usize>();
    }
}

/// How many crashes, and the seed of the first.
fn crashes(variable: &str, default: u64, of: &str) -> (u64, u64) {
    let crashes = std::env::var(variable)
        .map_or(default, |count| count.parse().expect("it is a number of crashes"));
    let seed = fastrand::u64(..1_000_000_000);
    println!("{crashes} crashes of {of} under {CLIENTS} clients, seed {seed}");
    (crashes, seed)
}

#[test]
fn nothing_answered_is_lost_when_the_server_is_killed() {
    let Some(keyfold) = server::command("crashes of the server") else { return };
    let (crashes, seed) = crashes("KEYFOLD_SERVER_CRASHES", 10, "the server");
    let mut totals = Totals::default();
    let mut first = 0;
    while first < crashes {
        let last = crashes.min(first + CRASHES_PER_STORE);
        let home = Home::create(&keyfold, None);
        kill_the_server(&home, (first..last).map(|crash| seed + crash), &mut totals);
        first = last;
    }
    totals.tell();
}

/// Crashes one store again and again; at the end looks once more for everything of every round.
fn kill_the_server(home: &Home, seeds: impl Iterator<Item = u64>, totals: &mut Totals) {
    // The records that there must be: one for every answer.
    let (mut answers, before) = (0, home.audit());
    let mut everything = Vec::new();
    for seed in seeds {
        let server = home.serve();
        let clients = Clients::start(home, &[&server], seed);
        sleep_at_random(seed);
        server.kill();
        let mut done = clients.finish(|end| matches!(end, None | Some(CallError::Broken(_))));
        answers += done.iter().map(|done| done.answers).sum::<u64>();
        check_records(home, before, answers);

        let server = home.serve();
        answers += check(home, &server, &mut done);
        server.stop();
        everything.append(&mut done);
    }
    let server = home.serve();
    answers += check(home, &server, &mut everything);
    server.stop();
    totals.count(&everything);
    totals.answers += answers;
    totals.longest = totals.longest.max(check_records(home, before, answers));
}

#[test]
fn nothing_answered_is_lost_when_postgresql_is_killed() {
    let Some(keyfold) = server::command("crashes of PostgreSQL") else { return };
    if postgres::programs().is_none() {
        println!("skipped: crashes of PostgreSQL: there is none on this machine");
        return;
    }
    let (crashes, seed) = crashes("KEYFOLD_POSTGRES_CRASHES", 3, "PostgreSQL");
    let mut database = postgres::Server::start("").expect("PostgreSQL starts");
    let url = database.database("crashes").expect("a database");
    let home = Home::create(&keyfold, Some(&url));
    // One server would do; with two, half of the clients' changes go another way.
    let servers = [home.serve(), home.serve()];
    let (mut answers, before) = (0, home.audit());
    let mut everything = Vec::new();
    for seed in seed..seed + crashes {
        let clients = Clients::start(&home, &[&servers[0], &servers[1]], seed);
        sleep_at_random(seed);
        database.stop("immediate").expect("it can be ended");
        database.boot().expect("PostgreSQL starts again");
        // Whoever has seen nothing of it goes on.
        let mut done = clients.finish(|end| match end {
            None => true,
            Some(CallError::Broken(_)) => false,
            Some(CallError::Refused { status, .. }) => *status >= 500,
        });
        answers += done.iter().map(|done| done.answers).sum::<u64>();
        for server in &servers {
            wait_for(&home, server);
        }
        answers += check(&home, &servers[0], &mut done);
        everything.append(&mut done);
    }
    answers += check(&home, &servers[1], &mut everything);
    servers.into_iter().for_each(Server::stop);
    let mut totals = Totals { answers, ..Totals::default() };
    totals.count(&everything);
    totals.longest = check_records(&home, before, answers);
    totals.tell();
}

type Client = thread::JoinHandle<(Acknowledged, Option<CallError>)>;

/// Clients at work.
struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<Client>,
}

impl Clients {
    /// Lets them begin, on each server as many as on the others.
    fn start(home: &Home, servers: &[&Server], seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number: usize| {
            let mut client = home.client(servers[number % servers.len()]);
            let (name, seed) = (format!("{seed}-{number}"), random.u64(..));
            let stop = Arc::clone(&stop);
            thread::spawn(move || load::work(&mut client, &name, seed, &stop))
        };
        let threads = (0..CLIENTS).map(client).collect();
        Clients { stop, threads }
    }

    /// Stops them; answers what they were acknowledged. Each must have ended as it may.
    fn finish(self, may_end: impl Fn(&Option<CallError>) -> bool) -> Vec<Acknowledged> {
        self.stop.store(true, Ordering::Relaxed);
        let client = |client: Client| {
            let (done, end) = client.join().expect("nothing is refused");
            assert!(may_end(&end), "{end:?}");
            done
        };
        self.threads.into_iter().map(client).collect()
    }
}

fn sleep_at_random(seed: u64) {
    thread::sleep(Duration::from_millis(fastrand::Rng::with_seed(!seed).u64(20..500)));
}

fn check(home: &Home, server: &Server, done: &mut [Acknowledged]) -> u64 {
    let mut client = home.client(server);
    done.iter_mut().map(|done| load::check(&mut client, done)).sum()
}

/// Looks at the audit chain; answers how many records it has gained since the beginning.
fn check_records(home: &Home, before: u64, answers: u64) -> u64 {
    let records = home.audit() - before;
    assert!(records >= answers, "{records} audit records of {answers} answered requests");
    records
}

/// Waits until a server has found its database again.
fn wait_for(home: &Home, server: &Server) {
    let mut client = home.client(server);
    for _ in 0..RECONNECT * 10 {
        match client.kms("ListKeys", &serde_json::json!({ "Limit": 1 })) {
            Ok(_) => return,
            Err(CallError::Refused { status: 0..500, name, .. }) => panic!("{name}"),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
    panic!("no answer for {RECONNECT} seconds after the database was back");
}
