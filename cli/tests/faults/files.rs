//! Files that are not as one expects them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::stage::{Stage, refused};

#[test]
fn names_need_be_neither_words_nor_text() {
    let stage = Stage::new();
    let name = OsString::from_vec(b"caf\xE9 \xFF -o".to_vec());
    stage.write(&name, b"odd");
    stage.keyfold("encrypt --key alias/docs --").arg(&name).assert().success();
    let mut sealed = name.clone();
    sealed.push(".kf");
    fs::remove_file(stage.path(&name)).expect("removed");
    let mut decrypt = stage.keyfold("decrypt --");
    decrypt.arg(&sealed).assert().success();
    assert_eq!(stage.read(&name), b"odd");
    stage.keyfold("inspect --json --").arg(&sealed).assert().success();
}

#[test]
fn a_link_leads_to_the_file_that_is_read_or_replaced() {
    let stage = Stage::new();
    fs::create_dir(stage.path("other")).expect("a folder");
    stage.write("other/real", b"content");
    symlink("other/real", stage.path("link")).expect("a link");
    stage.keyfold("encrypt --key alias/docs link").assert().success();
    let mut decrypt = stage.keyfold("decrypt link.kf -o link");
    refused(&mut decrypt, 3, "io");
    stage.write("other/real", b"old");
    stage.keyfold("decrypt --force link.kf -o link").assert().success();
    assert!(fs::symlink_metadata(stage.path("link")).expect("a link").is_symlink());
    assert_eq!(stage.read("other/real"), b"content");
    assert_eq!(fs::read_dir(stage.path("other")).expect("a folder").count(), 1);
}

#[test]
fn rewrapping_keeps_links_and_permissions() {
    let stage = Stage::new();
    stage.sealed("real.kf", 100);
    fs::set_permissions(stage.path("real.kf"), fs::Permissions::from_mode(0o640)).expect("mode");
    symlink("real.kf", stage.path("link.kf")).expect("a link");
    stage.keyfold("rewrap --to alias/docs link.kf").assert().success();
    assert!(fs::symlink_metadata(stage.path("link.kf")).expect("a link").is_symlink());
    let mode = fs::metadata(stage.path("real.kf")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn an_output_is_no_more_open_than_its_input() {
    let stage = Stage::new();
    stage.write("private", b"for one");
    fs::set_permissions(stage.path("private"), fs::Permissions::from_mode(0o600)).expect("mode");
    let mode =
        |name: &str| fs::metadata(stage.path(name)).expect("a file").permissions().mode() & 0o777;
    stage.keyfold("encrypt --key alias/docs private").assert().success();
    assert_eq!(mode("private.kf"), 0o600);
    stage.keyfold("decrypt private.kf -o out").assert().success();
    assert_eq!(mode("out"), 0o600);
}

#[test]
fn what_is_there_stays_unless_forced() {
    let stage = Stage::new();
    stage.sealed("a.kf", 1000);
    let before = stage.read("a.kf");
    for words in [
        "encrypt --key alias/docs plain -o a.kf",
        "encrypt --key alias/docs --detached-header a.kf plain -o b.kf",
        "decrypt a.kf -o plain",
        "rewrap --to alias/docs a.kf -o plain",
        "data encrypt --key alias/docs plain -o a.kf",
        "public-key alias/docs -o a.kf",
        "sign --key alias/docs plain -o a.kf",
        "secret get x -o a.kf",
    ] {
        refused(&mut stage.keyfold(words), 3, "io");
    }
    assert_eq!(stage.read("a.kf"), before);
    assert_eq!(stage.names(), ["a.kf", "plain"]);
}

#[test]
fn header_and_body_appear_together_or_not_at_all() {
    let stage = Stage::new();
    stage.write("plain", b"x");
    refused(
        &mut stage.keyfold("encrypt --key alias/docs --detached-header ./out plain -o out"),
        3,
        "io",
    );
    assert_eq!(stage.names(), ["plain"]);
}

#[test]
fn a_folder_is_no_file() {
    let stage = Stage::new();
    fs::create_dir(stage.path("folder")).expect("a folder");
    for words in [
        "encrypt --key alias/docs folder -o out",
        "decrypt folder -o out",
        "inspect folder",
        "rewrap --to alias/docs folder",
        "sign --key alias/docs folder -o out",
        "data encrypt --key alias/docs folder -o out",
        "secret put name folder",
        "verify --public-key folder --signature folder folder",
        "decrypt --detached-header folder folder -o out",
    ] {
        refused(&mut stage.keyfold(words), 3, "io");
    }
    assert_eq!(stage.names(), ["folder"]);
}

#[test]
fn a_reader_that_fails_leaves_nothing() {
    let stage = Stage::new();
    // Reading a process's memory from address 0 fails.
    refused(&mut stage.keyfold("encrypt --key alias/docs /proc/self/mem -o out"), 3, "io");
    refused(&mut stage.keyfold("decrypt /proc/self/mem -o out"), 3, "io");
    refused(
        &mut stage.keyfold("sign --key alias/docs /proc/self/mem -o out"),
        7,
        "kms_key_unavailable",
    );
    assert_eq!(stage.names(), Vec::<String>::new());
}

#[test]
fn a_writer_that_fails_leaves_nothing() {
    let stage = Stage::new();
    stage.sealed("a.kf", 3 << 20);
    let names = stage.names();
    for line in ["encrypt --key alias/docs plain -o out", "decrypt a.kf -o out"] {
        // Files of at most 1 MiB; what is beyond fails instead of killing the process.
        let script = format!("trap '' XFSZ; ulimit -f 2048; exec \"$0\" --json {line}");
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", &script, env!("CARGO_BIN_EXE_keyfold")])
            .current_dir(stage.folder())
            .env("KEYFOLD_HOME", stage.path("store"));
        refused(&mut assert_cmd::Command::from_std(shell), 3, "io");
        assert_eq!(stage.names(), names, "{line}");
    }
    for words in ["decrypt a.kf -o /dev/full", "decrypt --range 0..9 a.kf -o /dev/full"] {
        refused(&mut stage.keyfold(words), 3, "io");
    }
    // The rewrapped copy fails half way: the original stays.
    let before = stage.read("a.kf");
    let script = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" --json rewrap --to alias/docs a.kf";
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", script, env!("CARGO_BIN_EXE_keyfold")])
        .current_dir(stage.folder())
        .env("KEYFOLD_HOME", stage.path("store"));
    refused(&mut assert_cmd::Command::from_std(shell), 3, "io");
    assert_eq!(stage.read("a.kf"), before);
    assert_eq!(stage.names(), names);
}

#[test]
fn a_wrong_end_is_never_shown_as_a_file() {
    const LEN: usize = (3 << 20) + 100;
    let stage = Stage::new();
    stage.sealed("a.kf", LEN);
    let whole = stage.read("a.kf");
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    for (bytes, exit, code) in [
        (whole[..whole.len() - 1].to_vec(), 5, "authentication_failed"),
        (whole[..2 << 20].to_vec(), 5, "authentication_failed"),
        (flipped(whole.len() - 1), 5, "authentication_failed"),
        (flipped(whole.len() / 2), 5, "authentication_failed"),
        ([&whole[..], b"x"].concat(), 5, "authentication_failed"),
    ] {
        stage.write("bad.kf", &bytes);
        refused(&mut stage.keyfold("decrypt bad.kf -o out"), exit, code);
        assert!(!stage.path("out").exists());
        stage.write("there", b"before");
        refused(&mut stage.keyfold("decrypt --force bad.kf -o there"), exit, code);
        assert_eq!(stage.read("there"), b"before");
    }
    // Exactly the last, short segment is gone.
    let header = whole.len() - (56 + LEN + 16 * 193);
    stage.write("bad.kf", &whole[..header + 56 + 192 * 16400]);
    refused(&mut stage.keyfold("decrypt bad.kf -o out"), 4, "truncated");
    refused(&mut stage.keyfold("decrypt --range 0..9 bad.kf"), 4, "truncated");
    assert!(!stage.path("out").exists());
}

#[test]
fn a_range_reads_only_its_segments() {
    let stage = Stage::new();
    let plain = stage.sealed("a.kf", 1 << 20);
    let mut bytes = stage.read("a.kf");
    // The first and the last segment are broken; what lies between still opens.
    let header = bytes.len() - (56 + (1 << 20) + 16 * 65);
    bytes[header + 60] ^= 1;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    stage.write("bad.kf", &bytes);
    let read = stage.keyfold("decrypt --range 100000..100100 bad.kf").assert().success();
    assert_eq!(read.get_output().stdout, plain[100_000..100_100]);
    refused(&mut stage.keyfold("decrypt --range 0..1 bad.kf"), 5, "authentication_failed");
    refused(&mut stage.keyfold("decrypt --range 100000.. bad.kf"), 5, "authentication_failed");
    refused(&mut stage.keyfold("decrypt --range 9999999.. bad.kf"), 5, "authentication_failed");
}

#[test]
fn every_range_is_the_slice() {
    let stage = Stage::new();
    let plain = stage.sealed("a.kf", 40_000);
    for (start, end) in
        [(0, 0), (0, 1), (0, 16384), (16383, 16385), (16384, 32768), (32768, 40000), (39999, 40001)]
    {
        let range = format!("{start}..{end}");
        let read = stage.keyfold("decrypt a.kf --range").arg(&range).assert().success();
        let expected = &plain[start..end.min(plain.len())];
        assert_eq!(read.get_output().stdout, expected, "{range}");
    }
}

#[test]
fn every_length_comes_back_on_every_way() {
    let stage = Stage::new();
    for len in [0, 1, 16383, 16384, 16385, 1 << 20, (1 << 20) + 1, 5 << 20] {
        let plain = stage.sealed("a.kf", len);
        for threads in ["1", "2"] {
            let mut file = stage.keyfold("decrypt --force a.kf -o out --threads");
            file.arg(threads).assert().success();
            assert_eq!(stage.read("out"), plain, "{len}");
        }
        let piped = stage.keyfold("decrypt").write_stdin(stage.read("a.kf")).assert().success();
        assert_eq!(piped.get_output().stdout, plain, "{len}");
        let sealed = stage.keyfold("encrypt --key alias/docs").write_stdin(plain.clone()).assert();
        let sealed = sealed.success().get_output().stdout.clone();
        let opened = stage.keyfold("decrypt").write_stdin(sealed).assert().success();
        assert_eq!(opened.get_output().stdout, plain, "{len}");
    }
}
