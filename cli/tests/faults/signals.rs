//! Interrupted, killed, and left alone by the reader.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use crate::stage::{Stage, finish};

/// A command that has its input half, and a file half written.
fn half_way(stage: &Stage, words: &str, input: &[u8]) -> Child {
    let mut child = stage
        .std(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    let stdin = child.stdin.as_mut().expect("a pipe");
    // More than the buffers hold: once it is taken, some of it has been worked on.
    stdin.write_all(&input[..input.len() / 2]).expect("taken");
    assert!(stage.names().iter().any(|name| name.starts_with(".keyfold-")), "{words}");
    child
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &id]).status().expect("kill").success());
}

#[test]
fn an_interrupted_command_leaves_nothing() {
    let stage = Stage::new();
    stage.sealed("a.kf", 8 << 20);
    let names = stage.names();
    for (words, input) in [
        ("encrypt --key alias/docs -o out", stage.read("plain")),
        ("decrypt - -o out", stage.read("a.kf")),
    ] {
        for name in ["INT", "TERM"] {
            let child = half_way(&stage, words, &input);
            signal(&child, name);
            finish(child).code(130);
            assert_eq!(stage.names(), names, "{words}");
        }
    }
}

#[test]
fn a_killed_command_leaves_nothing_under_the_final_name() {
    let stage = Stage::new();
    stage.sealed("a.kf", 8 << 20);
    stage.write("out", b"before");
    let mut child = half_way(&stage, "decrypt - -o out --force", &stage.read("a.kf"));
    child.kill().expect("killed");
    finish(child).interrupted();
    assert_eq!(stage.read("out"), b"before");
    stage.keyfold("audit verify").assert().success();
}

#[test]
fn a_reader_that_goes_ends_the_command_quietly() {
    let stage = Stage::new();
    stage.sealed("a.kf", 8 << 20);
    let mut child = stage
        .std("decrypt a.kf -o -")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_exact(&mut [0; 100]).expect("some bytes");
    drop(stdout);
    let ended = finish(child).code(141);
    assert!(ended.get_output().stderr.is_empty());
}
