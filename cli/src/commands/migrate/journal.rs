//! The journal of a migration: which files are done, so that a run goes on where another ended.
//!
//! Nothing depends on it: a file's own header says whose it is. What the journal saves is opening
//! files that are known to be done, by their length and time of change. It is lines of JSON, only
//! ever appended to, and each is on disk before the next file is called done.

use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use keyfold::{KeyUri, Rng as _, SystemRng};
use serde::{Deserialize, Serialize};

use crate::fault::{self, Result};

/// The longest journal, in bytes: some millions of files.
const MAX_LEN: u64 = 1 << 30;
/// The version of the form.
const VERSION: u32 = 1;
/// The length of a mark, in hexadecimal digits.
const MARK_LEN: usize = 16;

/// What a migration is: the first line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Head {
    keyfold_migration: u32,
    /// What this journal's unfinished files are marked by.
    mark: String,
    from: Vec<String>,
    to: Vec<String>,
}

/// A file that is done: every other line.
#[derive(Deserialize, Serialize)]
struct Done {
    file: String,
    length: u64,
    /// Nanoseconds since 1970.
    modified: u64,
}

/// A file as it was when it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    length: u64,
    modified: u64,
}

impl State {
    /// `None` where the system does not tell when a file was changed.
    pub(super) fn of(about: &Metadata) -> Option<Self> {
        let since = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(State { length: about.len(), modified: u64::try_from(since.as_nanos()).ok()? })
    }
}

/// An open journal, which no other process writes to.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: Mutex<File>,
    done: HashMap<String, State>,
    mark: String,
}

impl Journal {
    /// Opens the journal of a migration, or begins one. The last line is passed over where it was
    /// not finished.
    ///
    /// # Errors
    /// `invalid_argument` where the file is the journal of another migration, or none; `io`, also
    /// where another process has it.
    pub(super) fn open(path: &Path, from: &[KeyUri], to: &[KeyUri]) -> Result<Self> {
        let names = |keys: &[KeyUri]| {
            let mut names: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
            names.sort();
            names
        };
        let mark = new_mark()?;
        let head = Head { keyfold_migration: VERSION, mark, from: names(from), to: names(to) };
        let begin = line(&head)?;
        let failed = |verb: &'static str| move |error| fault::io(verb, path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let busy = io::Error::new(io::ErrorKind::WouldBlock, "another process has it");
                return Err(fault::io("open", path, busy));
            }
            Err(TryLockError::Error(error)) => return Err(fault::io("lock", path, error)),
        }
        let mut text = Vec::new();
        (&mut file).take(MAX_LEN).read_to_end(&mut text).map_err(failed("read"))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // A first line that was not finished: nothing has been done under its mark.
        let starts_alike = text.len() <= BEGINNING.len() && BEGINNING.starts_with(&text)
            || text.starts_with(BEGINNING);
        if whole == 0 && !starts_alike {
            return Err(none(path));
        }
        let (mark, done) = match whole {
            0 => (head.mark, HashMap::new()),
            len => read(&text[..len], &head, path)?,
        };
        if whole < text.len() {
            file.set_len(whole as u64).map_err(failed("write"))?;
        }
        file.seek(SeekFrom::End(0)).map_err(failed("write"))?;
        let journal = Journal { path: path.to_owned(), file: Mutex::new(file), done, mark };
        if whole == 0 {
            journal.append(&begin)?;
            // The name is on disk only when its folder is. Not every system can do that.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|file| file.sync_all());
        }
        Ok(journal)
    }

    /// What the unfinished files of this journal are marked by, and of no other.
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// Whether a file is done, and as it was then.
    pub(super) fn has(&self, file: &str, state: State) -> bool {
        self.done.get(file) == Some(&state)
    }

    /// Notes that a file is done. Called after its header is on disk.
    pub(super) fn note(&self, file: &str, state: State) -> Result<()> {
        let State { length, modified } = state;
        self.append(&line(&Done { file: file.to_owned(), length, modified })?)
    }

    fn append(&self, line: &[u8]) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.write_all(line).and_then(|()| file.sync_data());
        written.map_err(|error| fault::io("write", &self.path, error))
    }
}

fn line(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value).map_err(|error| {
        keyfold::Error::new(keyfold::ErrorCode::Internal, "a journal's line has no JSON form")
            .with_source(error)
    })?;
    line.push(b'\n');
    Ok(line)
}

fn none(path: &Path) -> keyfold::Error {
    let path = path.display();
    fault::invalid(format!("{path} is no journal of a migration: name another with --journal"))
}

/// A mark that no other journal has.
fn new_mark() -> Result<String> {
    let mut bytes = [0; MARK_LEN / 2];
    SystemRng.fill(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

/// How every journal begins.
const BEGINNING: &[u8] = b"{\"keyfold_migration\":1,\"mark\":\"";

/// The mark, and the files that whole lines call done; where one stands twice, the last counts.
fn read(text: &[u8], head: &Head, path: &Path) -> Result<(String, HashMap<String, State>)> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let found: Head = serde_json::from_slice(first).map_err(|_| none(path))?;
    // It becomes part of names.
    let of_mark = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if found.mark.len() != MARK_LEN || !found.mark.bytes().all(of_mark) {
        return Err(none(path));
    }
    let same = |found: &Head| {
        (found.keyfold_migration, &found.from, &found.to)
            == (head.keyfold_migration, &head.from, &head.to)
    };
    if !same(&found) {
        let path = path.display();
        return Err(fault::invalid(format!(
            "{path} is the journal of another migration: name another with --journal"
        )));
    }
    let mut done = HashMap::new();
    for line in lines {
        let Done { file, length, modified } =
            serde_json::from_slice(line).map_err(|_| none(path))?;
        done.insert(file, State { length, modified });
    }
    Ok((found.mark, done))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<KeyUri> {
        names.iter().map(|name| name.parse().expect("a key URI")).collect()
    }

    /// The mark in the first line.
    fn journal_mark(path: &Path) -> String {
        let text = std::fs::read_to_string(path).expect("a journal");
        text.split('"').nth(5).expect("a mark").to_owned()
    }

    const STATE: State = State { length: 7, modified: 1_700_000_000_000_000_001 };

    #[test]
    fn a_torn_last_line_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let (from, to) = (keys(&["tencent://a/k"]), keys(&["keyfold:x", "keyfold:b"]));
        let journal = Journal::open(&path, &from, &to).expect("begins");
        journal.note("one", STATE).expect("noted");
        journal.note("two", STATE).expect("noted");
        let busy = Journal::open(&path, &from, &to).expect_err("another has it");
        assert_eq!(busy.code(), keyfold::ErrorCode::Io);
        drop(journal);
        let whole = std::fs::read(&path).expect("read");
        let last = whole[..whole.len() - 1].iter().rposition(|b| *b == b'\n').expect("lines") + 1;
        // Cut anywhere, as a death or a loss of power may leave it.
        for len in 0..=whole.len() {
            std::fs::write(&path, &whole[..len]).expect("written");
            let journal = Journal::open(&path, &from, &to).expect("opens");
            assert_eq!(journal.has("two", STATE), len == whole.len(), "cut to {len}");
            assert_eq!(journal.has("one", STATE), len >= last, "cut to {len}");
            journal.note("three", STATE).expect("noted");
            drop(journal);
            let mark = journal_mark(&path);
            let journal = Journal::open(&path, &from, &to).expect("opens");
            assert_eq!(journal.mark(), mark, "it stays");
            assert!(journal.has("three", STATE), "cut to {len}");
            assert!(!journal.has("three", State { length: 8, ..STATE }));
        }
    }

    #[test]
    fn other_files_are_left_as_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let (from, to) = (keys(&["tencent://a/k"]), keys(&["keyfold:b"]));
        drop(Journal::open(&path, &from, &to).expect("begins"));
        let whole = std::fs::read(&path).expect("read");
        let damaged = [&whole[..], b"{\"file\":7}\n{\"file\":8}\n"].concat();
        let text = String::from_utf8(whole.clone()).expect("text");
        let mark = text.split('"').nth(5).expect("a mark");
        let outside = text.replace(mark, "../0123456789abc").into_bytes();
        for (text, from, to) in [
            (&b"no journal"[..], &from, &to),
            (b"no journal\n", &from, &to),
            (&damaged, &from, &to),
            (&outside, &from, &to),
            (&whole, &to, &from),
        ] {
            std::fs::write(&path, text).expect("written");
            let refused = Journal::open(&path, from, to).expect_err("not this one");
            assert_eq!(refused.code(), keyfold::ErrorCode::InvalidArgument);
            assert_eq!(std::fs::read(&path).expect("read"), text);
        }
    }
}
