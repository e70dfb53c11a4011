//! Clouds at the command line: one envelope for several of them, and moving from one to another.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use assert_cmd::assert::{Assert, OutputAssertExt};
use keyfold_emulators::{Emulator, Options, Provider};
use serde_json::Value;

const PLACE: &str = "tencent://ap-guangzhou";
const SECOND: &str = "huawei://cn-north-4";

/// A folder with a KMS in it, and two clouds at the other end of the network.
struct Stage {
    folder: tempfile::TempDir,
    cloud: Option<Emulator>,
    second: Option<Emulator>,
    environment: BTreeMap<String, String>,
    /// The URIs of a key at each.
    key: String,
    other: String,
}

impl Stage {
    fn new() -> Self {
        let start = |provider| Emulator::start(provider, Options::default()).expect("an emulator");
        let (cloud, second) = (start(Provider::Tencent), start(Provider::Huawei));
        let mut environment = cloud.environment();
        environment.extend(second.environment());
        let place = |uri: &str, cloud: &Emulator| {
            let url = cloud.url();
            format!("[places.\"{uri}\"]\nkeys = \"{url}\"\nsecrets = \"{url}\"\n")
        };
        let places = place(PLACE, &cloud) + &place(SECOND, &second);
        let (key, other) = (String::new(), String::new());
        let (cloud, second) = (Some(cloud), Some(second));
        let folder = tempfile::tempdir().expect("a folder");
        let mut stage = Stage { folder, cloud, second, environment, key, other };
        stage.keyfold("init").assert().success();
        fs::write(stage.path("kms/config.toml"), places).expect("written");
        stage.keyfold("key create --alias alias/docs").assert().success();
        let create = |place: &str| {
            let made = stage.json(&format!("--json --kms {place} key create --alias docs"));
            made["KeyUri"].as_str().expect("a key URI").to_owned()
        };
        (stage.key, stage.other) = (create(PLACE), create(SECOND));
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command line, split at spaces.
    fn keyfold(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyfold"));
        command
            .args(words.split_ascii_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.environment)
            .env("KEYFOLD_HOME", self.path("kms"))
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn json(&self, words: &str) -> Value {
        let done = self.keyfold(words).assert().success();
        serde_json::from_slice(&done.get_output().stdout).expect("JSON")
    }

    fn cloud(&self) -> &Emulator {
        self.cloud.as_ref().expect("it is up")
    }

    fn calls(&self) -> u64 {
        self.cloud().take_calls().values().sum()
    }

    /// So many envelopes under the embedded KMS's key, in `envelopes`.
    fn envelopes(&self, count: usize) -> Vec<PathBuf> {
        fs::create_dir_all(self.path("plain")).expect("a folder");
        fs::create_dir_all(self.path("envelopes/deeper")).expect("a folder");
        let names: Vec<String> = (0..count).map(|i| format!("plain/{i:04}")).collect();
        for name in &names {
            fs::write(self.path(name), format!("the text of {name}")).expect("written");
        }
        let (here, deeper) = names.split_at(count / 2);
        for (names, folder) in [(here, "envelopes"), (deeper, "envelopes/deeper")] {
            let mut command = self.keyfold("encrypt --key alias/docs -o");
            command.arg(folder).args(names).assert().success();
        }
        let mut envelopes = Vec::new();
        for folder in ["envelopes", "envelopes/deeper"] {
            let entries = fs::read_dir(self.path(folder)).expect("a folder");
            envelopes.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
        envelopes.retain(|path| path.is_file());
        envelopes.sort();
        envelopes
    }
}

/// The keys that an envelope is under, and its body.
fn parts(envelope: &PathBuf) -> (Vec<String>, Vec<u8>) {
    let bytes = fs::read(envelope).expect("an envelope");
    let (header, len) = keyfold::Header::parse(&bytes).expect("a header");
    let keys = header.recipients().iter().map(|recipient| recipient.key.to_string());
    (keys.collect(), bytes[len..].to_vec())
}

/// How many files of the folder are not finished.
fn unfinished(stage: &Stage) -> usize {
    let folders = ["envelopes", "envelopes/deeper"].map(|folder| stage.path(folder));
    let names = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    names
        .filter(|entry| {
            let name = entry.as_ref().expect("an entry").file_name();
            name.to_string_lossy().ends_with(".part")
        })
        .count()
}

fn code(refused: &Assert) -> String {
    let stderr = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    let last = stderr.lines().last().unwrap_or_default();
    let error: Value = serde_json::from_str(last).expect("an error in JSON");
    error["error"]["code"].as_str().expect("a code").to_owned()
}

#[test]
fn an_envelope_opens_with_any_of_its_clouds() {
    let mut stage = Stage::new();
    let (key, other, beside) = (stage.key.clone(), stage.other.clone(), "keyfold:alias/docs");
    fs::write(stage.path("report"), "figures").expect("written");
    let encrypt = format!("encrypt --key {key} --key {other} --key {beside} report");
    stage.keyfold(&encrypt).assert().success();
    assert_eq!(stage.calls(), 2, "one made the key of the cloud, one a data key");
    let open = |stage: &Stage, keys: &[&str]| {
        let keys: Vec<String> = keys.iter().map(|key| format!("--key {key}")).collect();
        stage.keyfold(&format!("--json decrypt {} report.kf -o -", keys.join(" "))).assert()
    };
    for keys in [&[&*key][..], &[&other], &[beside], &["alias/docs"], &[&key, &other, beside]] {
        open(&stage, keys).success().stdout("figures");
    }
    // The profile's cloud is the one whose keys need no naming.
    stage.keyfold(&format!("--kms {PLACE} decrypt report.kf -o -")).assert().success();
    stage.cloud = None;
    open(&stage, &[&key, &other]).success().stdout("figures");
    stage.second = None;
    open(&stage, &[&key, &other, beside]).success().stdout("figures");
    assert_eq!(code(&open(&stage, &[&key]).code(7)), "no_usable_key");
}

#[test]
fn a_migration_that_is_killed_goes_on() {
    const COUNT: usize = 150;
    let stage = Stage::new();
    let envelopes = stage.envelopes(COUNT);
    assert_eq!(envelopes.len(), COUNT);
    fs::write(stage.path("envelopes/notes"), "no envelope").expect("written");
    let before: Vec<_> = envelopes.iter().map(parts).collect();
    let migrate = format!("--json migrate --from alias/docs --to {} --jobs 3 envelopes", stage.key);
    let would = stage.json(&format!("{migrate} --dry-run"));
    assert_eq!(would["would_move"].as_array().map(Vec::len), Some(COUNT));
    assert!(envelopes.iter().map(parts).eq(before.iter().cloned()));

    stage.calls();
    let journal = stage.path("envelopes/.keyfold-migration");
    let lines = || fs::read(&journal).unwrap_or_default().split(|byte| *byte == b'\n').count();
    for enough in [5, 40] {
        let mut child = stage.keyfold(&migrate).stdout(Stdio::null()).spawn().expect("it starts");
        while lines() < enough && child.try_wait().expect("its state").is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        // On Unix this is SIGKILL.
        child.kill().expect("killed");
        child.wait().expect("its end");
        assert!(lines() < COUNT, "it was killed in the middle");
        // Nothing is lost: each is under one of the keys, with the body that it had.
        for (envelope, (_, body)) in envelopes.iter().zip(&before) {
            let (keys, now) = parts(envelope);
            assert_eq!((keys.len(), &now), (1, body));
        }
        // A loss of power may leave half a line.
        let mut torn = fs::read(&journal).expect("a journal");
        torn.extend_from_slice(b"{\"file\":\"0000.kf\",\"len");
        fs::write(&journal, torn).expect("written");
    }
    // What a killed run was about to finish, and what somebody else is.
    let mark = fs::read_to_string(&journal).expect("a journal");
    let mark = mark.split('"').nth(5).expect("a mark").to_owned();
    let ours = stage.path(&format!("envelopes/deeper/.keyfold-migration-{mark}-a1B2c3.part"));
    let others = stage.path("envelopes/.keyfold-a1B2c3.part");
    for path in [&ours, &others] {
        fs::write(path, "half").expect("written");
    }
    let done = stage.json(&migrate);
    assert!(others.exists() && !ours.exists());
    assert_eq!(unfinished(&stage), 1);
    assert_eq!(done["unfinished_files"].as_u64(), Some(1));
    assert!(done["cleared_files"].as_u64().is_some_and(|cleared| cleared >= 1), "{done}");
    let count = |name: &str| done[name].as_u64().expect("a number");
    assert_eq!(count("moved") + count("before"), COUNT as u64);
    assert!(count("before") >= 38 && count("moved") > 0, "{done}");
    assert_eq!((count("no_envelope"), &done["failed"]), (1, &Value::Array(Vec::new())));
    let calls = stage.calls();
    // Killed between the call and the new header, a thread has made one in vain.
    assert!((COUNT as u64..=COUNT as u64 + 2 * 3 + 3).contains(&calls), "{calls} calls");
    for (envelope, (_, body)) in envelopes.iter().zip(&before) {
        assert_eq!(parts(envelope), (vec![stage.key.clone()], body.clone()));
    }
    let opened = stage.keyfold(&format!("decrypt --key {} -o -", stage.key));
    let mut opened = opened;
    opened.arg(&envelopes[0]).assert().success();

    // Once more: nothing is called, nothing is written.
    let times = || -> Vec<_> {
        let about =
            |path: &PathBuf| fs::metadata(path).expect("a file").modified().expect("a time");
        envelopes.iter().chain([&journal]).map(about).collect()
    };
    let (then, text) = (times(), fs::read(&journal).expect("a journal"));
    stage.calls();
    let again = stage.json(&migrate);
    assert_eq!((again["moved"].as_u64(), again["before"].as_u64()), (Some(0), Some(COUNT as u64)));
    assert!(times() == then && fs::read(&journal).expect("a journal") == text);
    assert_eq!(stage.calls(), 1, "which key it is, and no more");

    // Without its journal the headers say the same.
    fs::remove_file(&journal).expect("removed");
    assert_eq!(stage.json(&migrate)["before"].as_u64(), Some(COUNT as u64));
}

#[test]
fn a_migration_goes_from_cloud_to_cloud() {
    let stage = Stage::new();
    let envelopes = stage.envelopes(6);
    let (first, second) = (&stage.key, &stage.other);
    let before: Vec<_> = envelopes.iter().map(parts).collect();
    for (from, to) in [("alias/docs", first), (first, second)] {
        let migrate = format!("--json migrate --from {from} --to {to} --jobs 1 envelopes");
        let migrate = format!("{migrate} --journal {}", to.replace(['/', ':'], "-"));
        assert_eq!(stage.json(&migrate)["moved"].as_u64(), Some(6));
    }
    for (envelope, (_, body)) in envelopes.iter().zip(before) {
        assert_eq!(parts(envelope), (vec![second.clone()], body));
        let mut open = stage.keyfold(&format!("decrypt --key {second} -o -"));
        open.arg(envelope).assert().success();
    }
    assert_eq!(stage.cloud().calls()["Decrypt"], 6);
}

#[test]
fn a_migration_stops_where_more_calls_do_no_good() {
    let mut stage = Stage::new();
    let envelopes = stage.envelopes(24);
    let before: Vec<_> = envelopes.iter().map(parts).collect();
    let migrate = format!("--json migrate --from alias/docs --to {} --jobs 2 envelopes", stage.key);
    stage.keyfold(&format!("key disable {}", stage.key)).assert().success();
    let stopped = stage.keyfold(&migrate).assert().code(7);
    let answer: Value = serde_json::from_slice(&stopped.get_output().stdout).expect("JSON");
    assert_eq!((&answer["stopped"], &answer["moved"]), (&true.into(), &0.into()), "{answer}");
    let failed = answer["failed"].as_array().map_or(0, Vec::len);
    assert!((16..=17).contains(&failed), "{failed} were tried");
    assert_eq!(code(&stopped), "no_usable_key");
    assert!(envelopes.iter().map(parts).eq(before.iter().cloned()));

    stage.keyfold(&format!("key enable {}", stage.key)).assert().success();
    assert_eq!(stage.json(&migrate)["moved"].as_u64(), Some(24));
    let moved: Vec<_> = envelopes.iter().map(parts).collect();
    stage.cloud = None;
    let down = stage.keyfold(&migrate).assert().code(8);
    assert_eq!(code(&down), "kms_unavailable");
    assert!(envelopes.iter().map(parts).eq(moved));
}
