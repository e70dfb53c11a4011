//! The fuzz targets without libFuzzer: their corpora, then mutations of them from a fixed seed.
//!
//! `KEYFOLD_FUZZ_SECONDS` sets how long each target goes on after the runs that it always does.

mod mutate;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keyfold_conformance::fuzz::{TARGETS, Target};

/// Mutations that every target sees, however fast it is.
const MUTATIONS: usize = 1000;

#[test]
fn corpora_and_their_mutations_hold() {
    let seconds = std::env::var("KEYFOLD_FUZZ_SECONDS")
        .map_or(0, |text| text.parse().expect("KEYFOLD_FUZZ_SECONDS is a whole number"));
    for target in TARGETS {
        let (inputs, runs) = replay(target, Duration::from_secs(seconds));
        println!("{}: {inputs} inputs of the corpus, {runs} runs", target.0);
        assert!(inputs > 0, "{} has no corpus", target.0);
        assert!(runs >= inputs + MUTATIONS, "{} ran {runs} times", target.0);
    }
}

/// A target that is in one place only would be fuzzed in one place only.
#[test]
fn every_target_is_a_target_of_cargo_fuzz() {
    let known: Vec<_> = names(&fuzz_folder().join("fuzz_targets"));
    let mut listed: Vec<_> = TARGETS.iter().map(|(name, _)| format!("{name}.rs")).collect();
    listed.sort();
    assert_eq!(known, listed);
    assert_eq!(
        names(&fuzz_folder().join("corpus")),
        listed.iter().map(|name| name.replace(".rs", "")).collect::<Vec<_>>()
    );
}

/// Runs a target; returns the size of its corpus and the number of runs.
fn replay((name, body): Target, time: Duration) -> (usize, usize) {
    let folder = fuzz_folder().join("corpus").join(name);
    let corpus: Vec<Vec<u8>> =
        names(&folder).iter().map(|file| fs::read(folder.join(file)).unwrap()).collect();
    let mut runs = 0;
    let mut run = |input: &[u8]| {
        runs += 1;
        if catch_unwind(AssertUnwindSafe(|| body(input))).is_err() {
            let kept = std::env::temp_dir().join(format!("keyfold-fuzz-{name}"));
            fs::write(&kept, input).unwrap();
            panic!("target {name} does not hold for the input in {}", kept.display());
        }
    };
    for input in &corpus {
        run(input);
    }
    let begun = Instant::now();
    let mut random = fastrand::Rng::with_seed(0x6B65_7966_6F6C_6431);
    let mut done = 0;
    while !corpus.is_empty() && (done < MUTATIONS || begun.elapsed() < time) {
        run(&mutate::mutate(&corpus, &mut random));
        done += 1;
    }
    (corpus.len(), runs)
}

fn fuzz_folder() -> PathBuf {
    keyfold_conformance::root().join("fuzz")
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
