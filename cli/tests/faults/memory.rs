//! Memory does not grow with the file.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::process::{Child, Stdio};

use crate::stage::{Stage, finish};

/// The most memory that a process has had, in KiB.
fn peak(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

#[test]
fn encrypting_and_decrypting_need_a_fixed_amount() {
    let stage = Stage::new();
    stage.sealed("a.kf", 96 << 20);
    let sealed = stage.read("a.kf");
    for (words, input) in [
        ("encrypt --key alias/docs -o out1 --threads 2", stage.read("plain")),
        ("decrypt - -o out2 --threads 2", sealed),
    ] {
        let mut child =
            stage.std(words).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a child");
        let mut stdin = child.stdin.take().expect("a pipe");
        let (first, rest) = input.split_at(16 << 20);
        stdin.write_all(first).expect("taken");
        let early = peak(&child);
        stdin.write_all(rest).expect("taken");
        let late = peak(&child);
        drop(stdin);
        finish(child).success();
        println!("{words}: {early} KiB after 16 MiB, {late} KiB after 96 MiB");
        assert!(late < early + 1024, "{words}: {early} KiB grew to {late} KiB");
        // A debug build has more of itself in memory than of the data; what a release build takes is
        // in docs/benchmarks.md.
        assert!(late < 48 * 1024, "{words}: {late} KiB");
    }
}
