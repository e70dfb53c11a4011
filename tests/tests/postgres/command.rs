//! The command over PostgreSQL: `keyfold --database postgres://…`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::server;

/// The command that `cargo xtask test` has built.
fn program() -> PathBuf {
    let path = std::env::var_os("KEYFOLD_COMMAND");
    path.map(PathBuf::from).expect("KEYFOLD_COMMAND is not set: `cargo xtask test` sets it")
}

/// Runs the command in a home of its own; what it says on both outputs, and its exit code.
fn keyfold(folder: &Path, database: &str, words: &str, input: &str) -> (String, i32) {
    let line = format!("printf %s \"$INPUT\" | \"$PROGRAM\" {words} 2>&1");
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(folder)
        .env("PROGRAM", program())
        .env("INPUT", input)
        .env("KEYFOLD_HOME", folder.join("home"))
        .env("KEYFOLD_DATABASE", database)
        .env_remove("KEYFOLD_ROOT_FILE")
        .env_remove("KEYFOLD_PASSPHRASE")
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let text = String::from_utf8(output.stdout).expect("text");
    (text, output.status.code().expect("an exit code"))
}

#[test]
fn every_command_works_on_it() {
    let server = server();
    let address = server.database("kms").expect("a database");
    let folder = tempfile::tempdir().expect("a folder");
    let run = |words: &str, input: &str| keyfold(folder.path(), &address, words, input);
    let does = |words: &str, input: &str| {
        let (text, code) = run(words, input);
        assert_eq!(code, 0, "keyfold {words}: {text}");
        assert!(!text.contains("keyfold-test"), "the password is shown: {text}");
        text
    };
    let name = server.url_without_password("kms");

    let (text, code) = run("key list", "");
    assert_eq!(
        (text, code),
        (
            format!(
                "keyfold: there is no KMS at {name}: keyfold init makes one (kms_unavailable)\n"
            ),
            8
        )
    );
    let made = does("init", "");
    assert!(made.starts_with(&format!("made a KMS in {name}\n")), "{made}");
    assert!(!folder.path().join("home/store.db").exists());
    let (text, code) = run("init", "");
    assert_eq!(
        (text, code),
        (format!("keyfold: there is a KMS at {name} already (version_conflict)\n"), 10)
    );
    does("key create --alias alias/docs", "");
    does("data encrypt --key alias/docs -o small.bin", "hello");
    assert_eq!(does("data decrypt small.bin", ""), "hello");
    does("encrypt --key alias/docs -o big.kf", "a whole file");
    assert_eq!(does("decrypt big.kf -o -", ""), "a whole file");
    does("secret put db/password", "hunter2");
    assert_eq!(does("secret get db/password", ""), "hunter2");
    does("key rotate alias/docs", "");
    does("root add --file second.key", "");
    assert_eq!(does("root list", "").lines().count(), 2);
    assert!(does("audit verify", "").contains("none missing, altered or out of place"));

    // Out of it, and into another one of it.
    does("backup kms.backup", "");
    does("store copy --to copy.db", "");
    let (text, _) = keyfold(folder.path(), "copy.db", "data decrypt small.bin", "");
    assert_eq!(text, "hello");
    let other = server.database("other").expect("a database");
    does(&format!("restore kms.backup --to '{other}'"), "");
    let (text, code) = keyfold(folder.path(), &other, "secret get db/password", "");
    assert_eq!((text.as_str(), code), ("hunter2", 0));
    let (text, _) = keyfold(folder.path(), &other, "audit show", "");
    assert_eq!(text.lines().filter(|line| line.contains("  Restore ")).count(), 1, "{text}");
    let (text, code) = run(&format!("restore kms.backup --to '{other}'"), "");
    assert!(text.contains("the target is not empty") && code == 10, "{text}");
    let third = server.database("third").expect("a database");
    let (text, code) = keyfold(
        folder.path(),
        "copy.db",
        &format!("store copy --to '{third}?schema=x' --json"),
        "",
    );
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("/third?schema=x\"") && !text.contains("keyfold-test"), "{text}");

    // A password that is wrong is not repeated, nor is the server's word for it a riddle.
    let wrong = address.replace("keyfold-test", "hunter3");
    let (text, code) = keyfold(folder.path(), &wrong, "key list", "");
    assert!(!text.contains("hunter3") && text.contains("password authentication failed"), "{text}");
    assert_eq!(code, 8);
    drop(server);
    let (text, code) = run("key list", "");
    assert!(text.contains("the database server does not answer"), "{text}");
    assert_eq!(code, 8);
}
