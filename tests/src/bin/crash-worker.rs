//! `crash-worker FOLDER SEED`: changes a store until it is killed (`tests/tests/crash.rs`).

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().expect("a folder");
    let seed = arguments.next().and_then(|seed| seed.to_str()?.parse().ok()).expect("a seed");
    keyfold_conformance::crash::work(folder.as_ref(), seed, &mut std::io::stdout().lock());
}
