//! Two servers over one PostgreSQL: what both change at a time is lost by neither, and what one
//! has forbidden the other does not do any more.
#![cfg(unix)]

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use keyfold_conformance::http::{CallError, Client};
use keyfold_conformance::postgres;
use keyfold_conformance::server::{self, Home, Server};
use serde_json::{Value, json};

/// How often both do the same at a time.
const ROUNDS: usize = 20;
/// Rotations that a key may have.
const MAX_ROTATIONS: usize = 25;

/// A database, and two servers over it.
struct Pair {
    home: Home,
    servers: [Server; 2],
    /// Ended last.
    _database: postgres::Server,
}

impl Pair {
    fn start() -> Option<Self> {
        const SKIPPED: &str = "two servers over one PostgreSQL";
        let keyfold = server::command(SKIPPED)?;
        if postgres::programs().is_none() {
            println!("skipped: {SKIPPED}: there is none on this machine");
            return None;
        }
        let database = postgres::Server::start("").expect("PostgreSQL starts");
        let url = database.database("pair").expect("a database");
        let home = Home::create(&keyfold, Some(&url));
        let servers = [home.serve(), home.serve()];
        Some(Pair { home, servers, _database: database })
    }

    /// A client of each server.
    fn clients(&self) -> [Client; 2] {
        [0, 1].map(|number| self.home.client(&self.servers[number]))
    }

    /// Lets both servers do something at one time, each its own; answers what both say.
    fn both<R: Send>(&self, work: impl Fn(usize, &mut Client) -> R + Sync) -> [R; 2] {
        let start = Barrier::new(2);
        let (start, work) = (&start, &work);
        thread::scope(|scope| {
            let [mut first, mut second] = self.clients();
            let other = scope.spawn(move || {
                start.wait();
                work(1, &mut second)
            });
            start.wait();
            let mine = work(0, &mut first);
            [mine, other.join().expect("the other one too")]
        })
    }

    fn key(&self) -> String {
        let made = self.clients()[0].kms("CreateKey", &json!({})).expect("a key");
        made["KeyMetadata"]["Arn"].as_str().expect("an ARN").to_owned()
    }

    /// Ends both servers well, and looks at the audit chain that both have written.
    fn end(self) {
        let Pair { home, servers, _database } = self;
        servers.into_iter().for_each(Server::stop);
        println!("audit chain of both: {} records", home.audit());
    }
}

/// The names of errors of both sides, and empty for what was done; in order.
fn outcomes(answers: [Result<Value, CallError>; 2]) -> Vec<String> {
    let mut names: Vec<String> = answers
        .into_iter()
        .map(|answer| match answer {
            Ok(_) => String::new(),
            Err(CallError::Refused { name, .. }) => name,
            Err(broken) => panic!("{broken}"),
        })
        .collect();
    names.sort_unstable();
    names
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

#[test]
fn what_both_change_is_lost_by_neither() {
    let Some(pair) = Pair::start() else { return };
    rotations(&pair);
    for round in 0..ROUNDS {
        one_of_two_wins(&pair, round);
    }
    secrets(&pair);
    println!("{ROUNDS} rounds of the same change on both, {MAX_ROTATIONS} rotations by both");
    pair.end();
}

/// Both rotate one key until it may not be rotated any more, and encrypt in between.
fn rotations(pair: &Pair) {
    let key = pair.key();
    let [mine, theirs] = pair.both(|_, client| {
        let mut blobs = Vec::new();
        loop {
            let sealed = client.kms("Encrypt", &json!({ "KeyId": key, "Plaintext": "cA==" }));
            blobs.push(text(&sealed.expect("it is enabled"), "CiphertextBlob"));
            match client.kms("RotateKeyOnDemand", &json!({ "KeyId": key })) {
                Ok(_) => {}
                Err(CallError::Refused { name, .. }) if name == "LimitExceededException" => {
                    return blobs;
                }
                Err(error) => panic!("{error}"),
            }
        }
    });
    // Each has encrypted once more than it has rotated.
    assert_eq!(mine.len() + theirs.len() - 2, MAX_ROTATIONS, "rotations that were answered");
    let mut client = pair.clients();
    for client in &mut client {
        let listed = client.kms("ListKeyRotations", &json!({ "KeyId": key })).expect("a list");
        let mut ids: Vec<String> = listed["Rotations"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|rotation| text(rotation, "KeyMaterialId"))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), MAX_ROTATIONS, "versions of the key");
        for blob in mine.iter().chain(&theirs) {
            let opened = client.kms("Decrypt", &json!({ "CiphertextBlob": blob }));
            assert_eq!(text(&opened.expect("every version stays"), "Plaintext"), "cA==");
        }
    }
}

/// Of two that end, name or forbid the same thing at a time, one does, and the other is told.
fn one_of_two_wins(pair: &Pair, round: usize) {
    let won = |error: &str| vec![String::new(), error.to_owned()];
    let key = pair.key();
    let named = json!({ "KeyId": key });
    let both = |operation: &str, request: &Value| {
        outcomes(pair.both(|_, client| client.kms(operation, request)))
    };

    let alias = json!({ "AliasName": format!("alias/pair/{round}"), "TargetKeyId": key });
    assert_eq!(both("CreateAlias", &alias), won("AlreadyExistsException"));
    let alias = json!({ "AliasName": format!("alias/pair/{round}") });
    assert_eq!(both("DeleteAlias", &alias), won("NotFoundException"));

    let grant = json!({
        "KeyId": key, "Operations": ["Decrypt"], "Name": "once",
        "GranteePrincipal": pair.home.stranger.principal,
    });
    let made = pair.both(|_, client| client.kms("CreateGrant", &grant).expect("a grant"));
    let [mine, theirs] = made.map(|made| text(&made, "GrantId"));
    assert_eq!(mine, theirs, "one name, one grant");
    let grant = json!({ "KeyId": key, "GrantId": mine });
    assert_eq!(both("RevokeGrant", &grant), won("NotFoundException"));

    assert_eq!(both("ScheduleKeyDeletion", &named), won("KMSInvalidStateException"));
    assert_eq!(both("CancelKeyDeletion", &named), won("KMSInvalidStateException"));

    let name = format!("pair/{round}");
    let secret = pair.both(|number, client| {
        let value = json!({ "Name": name, "SecretString": number.to_string() });
        client.secrets("CreateSecret", &value)
    });
    assert_eq!(outcomes(secret), won("ResourceExistsException"));
}

/// Both put values and tags into one secret: each version and each tag is there afterwards.
fn secrets(pair: &Pair) {
    let created = pair.clients()[0].secrets("CreateSecret", &json!({ "Name": "pair" }));
    created.expect("a secret");
    let versions = pair.both(|number, client| -> Vec<String> {
        (0..ROUNDS)
            .map(|turn| {
                let value =
                    json!({ "SecretId": "pair", "SecretString": format!("{number}/{turn}") });
                let put = client.secrets("PutSecretValue", &value).expect("a version");
                let tag = json!([{ "Key": format!("{number}/{turn}"), "Value": "" }]);
                let request = json!({ "SecretId": "pair", "Tags": tag });
                client.secrets("TagResource", &request).expect("a tag");
                text(&put, "VersionId")
            })
            .collect()
    });
    for mut client in pair.clients() {
        let request = json!({ "SecretId": "pair", "IncludeDeprecated": true });
        let listed = client.secrets("ListSecretVersionIds", &request).expect("a list");
        let listed = listed["Versions"].as_array().expect("a list").clone();
        assert_eq!(listed.len(), 2 * ROUNDS, "versions");
        let stages = |version: &Value| version["VersionStages"].as_array().map_or(0, Vec::len);
        assert_eq!(listed.iter().map(stages).sum::<usize>(), 2, "AWSCURRENT and AWSPREVIOUS");
        for (number, versions) in versions.iter().enumerate() {
            for (turn, version) in versions.iter().enumerate() {
                let request = json!({ "SecretId": "pair", "VersionId": version });
                let got = client.secrets("GetSecretValue", &request).expect("a version");
                assert_eq!(text(&got, "SecretString"), format!("{number}/{turn}"));
            }
        }
        let described = client.secrets("DescribeSecret", &json!({ "SecretId": "pair" }));
        let tags = described.expect("a secret")["Tags"].as_array().map_or(0, Vec::len);
        assert_eq!(tags, 2 * ROUNDS, "tags");
    }
}

#[test]
fn what_one_forbids_the_other_does_not_do() {
    let Some(pair) = Pair::start() else { return };
    let key = pair.key();
    let [mut mine, mut theirs] = pair.clients();
    let strangers = || [0, 1].map(|n| Client::new(pair.servers[n].address(), &pair.home.stranger));
    let sealed = mine.kms("Encrypt", &json!({ "KeyId": key, "Plaintext": "cA==" }));
    let blob = json!({ "CiphertextBlob": text(&sealed.expect("sealed"), "CiphertextBlob") });
    let named = json!({ "KeyId": key });
    let denied = |client: &mut Client, expected: &str| match client.kms("Decrypt", &blob) {
        Err(CallError::Refused { name, .. }) => assert_eq!(name, expected),
        Ok(_) => panic!("decrypted, after it was forbidden: {expected}"),
        Err(broken) => panic!("{broken}"),
    };
    let mut served = 0;
    for _ in 0..ROUNDS {
        let grant = json!({
            "KeyId": key, "Operations": ["Decrypt"],
            "GranteePrincipal": pair.home.stranger.principal,
        });
        let grant = mine.kms("CreateGrant", &grant).expect("a grant");
        let grant = json!({ "KeyId": key, "GrantId": grant["GrantId"] });
        // The other server knows the grant and has it at hand, and is being asked all the time.
        let (revoked, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        served += thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let [_, mut stranger] = strangers();
                let mut served = 0;
                loop {
                    let forbidden = revoked.load(Ordering::SeqCst);
                    match stranger.kms("Decrypt", &blob) {
                        Ok(_) => assert!(!forbidden, "decrypted under a grant that was revoked"),
                        Err(CallError::Refused { name, .. }) => {
                            assert_eq!(name, "AccessDeniedException");
                        }
                        Err(broken) => panic!("{broken}"),
                    }
                    served += 1;
                    answered.store(served, Ordering::SeqCst);
                    if forbidden && served > 10 {
                        return served;
                    }
                }
            });
            for mut stranger in strangers() {
                stranger.kms("Decrypt", &blob).expect("granted");
            }
            while answered.load(Ordering::SeqCst) < 10 {
                thread::yield_now();
            }
            mine.kms("RevokeGrant", &grant).expect("revoked");
            revoked.store(true, Ordering::SeqCst);
            for client in &mut strangers() {
                denied(client, "AccessDeniedException");
            }
            asking.join().expect("nothing forbidden was done")
        });

        theirs.kms("Decrypt", &blob).expect("enabled");
        mine.kms("DisableKey", &named).expect("disabled");
        denied(&mut theirs, "DisabledException");
        theirs.kms("EnableKey", &named).expect("enabled");
        mine.kms("Decrypt", &blob).expect("enabled");
    }
    // The access key itself.
    pair.home.run(["access-key", "disable", &pair.home.owner.id]);
    for client in [&mut mine, &mut theirs] {
        denied(client, "UnrecognizedClientException");
    }
    println!("{ROUNDS} grants revoked on one server while the other served {served} requests");
    pair.end();
}
