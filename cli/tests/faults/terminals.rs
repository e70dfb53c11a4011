//! What a person at a terminal sees, and is protected from.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::stage::Stage;

/// Both ends of a terminal.
struct Terminal {
    ours: File,
    theirs: File,
}

impl Terminal {
    fn new() -> Self {
        let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).expect("granted");
        unlockpt(&ours).expect("unlocked");
        let name = ptsname(&ours, Vec::new()).expect("a name");
        let name = name.into_string().expect("text");
        let theirs = File::options().read(true).write(true).open(name).expect("the other end");
        Terminal { ours: ours.into(), theirs }
    }

    fn end(&self) -> Stdio {
        self.theirs.try_clone().expect("a copy").into()
    }

    /// What was printed, once all users of the other end have gone.
    fn printed(self) -> String {
        drop(self.theirs);
        let mut printed = Vec::new();
        let mut ours = self.ours;
        let mut buffer = [0; 4096];
        // The end of a terminal is an error.
        while let Ok(len @ 1..) = ours.read(&mut buffer) {
            printed.extend_from_slice(&buffer[..len]);
        }
        String::from_utf8_lossy(&printed).into_owned()
    }
}

/// Runs a command with standard output, or all three, on a terminal; answers its exit code and
/// what was printed.
fn on_terminal(stage: &Stage, words: &str, answer: Option<&str>) -> (i32, String) {
    let terminal = Terminal::new();
    let mut command = stage.std(words);
    command.stdout(terminal.end()).stderr(terminal.end());
    if let Some(answer) = answer {
        command.stdin(terminal.end());
        (&terminal.ours).write_all(answer.as_bytes()).expect("typed");
    }
    let mut child = command.spawn().expect("a child");
    // The command keeps copies of the other end.
    drop(command);
    let printed = thread::spawn(move || terminal.printed());
    let status = child.wait().expect("the end");
    (status.code().expect("a code"), printed.join().expect("what was printed"))
}

#[test]
fn a_terminal_gets_no_binary_unasked() {
    let stage = Stage::new();
    stage.write("binary", b"\x1B[2J\xFF");
    stage.write("text", "grüß dich\n".as_bytes());
    for name in ["binary", "text"] {
        stage.keyfold("encrypt --key alias/docs").arg(name).assert().success();
    }
    let (code, printed) = on_terminal(&stage, "decrypt binary.kf -o -", None);
    assert_eq!(code, 2, "{printed}");
    assert!(!printed.contains("\x1B[2J") && printed.contains("--force"), "{printed}");
    let (code, printed) = on_terminal(&stage, "decrypt binary.kf -o - --force", None);
    assert!(code == 0 && printed.contains("\x1B[2J"), "{printed}");
    let (code, printed) = on_terminal(&stage, "decrypt text.kf -o -", None);
    assert!(code == 0 && printed.contains("grüß dich"), "{printed}");
    let (code, printed) = on_terminal(&stage, "encrypt --key alias/docs text -o -", None);
    assert_eq!(code, 2, "{printed}");
    let (code, _) = on_terminal(&stage, "data encrypt --key alias/docs text", None);
    assert_eq!(code, 2);
}

#[test]
fn a_secret_ends_its_line_on_a_terminal_only() {
    let stage = Stage::new();
    stage.keyfold("secret put name").write_stdin("value").assert().success();
    let (code, printed) = on_terminal(&stage, "secret get name", None);
    assert_eq!((code, printed.as_str()), (0, "value\r\n"));
    let piped = stage.keyfold("secret get name").assert().success();
    assert_eq!(piped.get_output().stdout, b"value");
}

#[test]
fn progress_is_shown_on_a_terminal_only() {
    let stage = Stage::new();
    stage.sealed("a.kf", 8 << 20);
    let (code, printed) = on_terminal(&stage, "decrypt a.kf -o out", None);
    assert!(code == 0 && printed.contains("iB/s"), "{printed}");
    let (code, printed) = on_terminal(&stage, "decrypt a.kf -o out2 --json", None);
    assert!(code == 0 && !printed.contains("iB/s"), "{printed}");
    let piped = stage.keyfold("decrypt a.kf -o out3").assert().success();
    assert!(piped.get_output().stderr.is_empty());
}

#[test]
fn ending_a_key_asks_whoever_is_there() {
    let stage = Stage::new();
    let words = "key schedule-deletion alias/docs --days 7";
    let (code, printed) = on_terminal(&stage, words, Some("n\n"));
    assert!(code == 130 && printed.contains("lost for good"), "{printed}");
    stage.keyfold("data encrypt --key alias/docs").write_stdin("x").assert().success();
    let (code, printed) = on_terminal(&stage, words, Some("y\n"));
    assert_eq!(code, 0, "{printed}");
    stage.keyfold("data encrypt --key alias/docs").write_stdin("x").assert().code(7);
}
