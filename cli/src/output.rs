//! What a command writes: a file that appears under its name only when it is complete, a device
//! or pipe, or standard output.

use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use keyfold_files::{PartFile, follow, is_same};

use crate::fault::{self, Result};
use crate::input::is_dash;
use crate::interrupt::{self, Unfinished};

/// What kind of bytes come, which decides whether a terminal gets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Text that we make.
    Text,
    /// Never text.
    Binary,
    /// The user's own bytes: a terminal gets them as long as they are text.
    Unknown,
}

/// How to make an output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'a> {
    /// Replace a file that is there, and write binary to a terminal.
    pub(crate) force: bool,
    /// What kind of bytes come.
    pub(crate) content: Content,
    /// The input, whose permissions a new file gets, and which is never replaced.
    pub(crate) like: Option<&'a Metadata>,
    /// Only the owner may read a new file.
    pub(crate) private: bool,
}

/// An open output. Its errors name it.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Stdout { guard: Option<Guard> },
    // Devices, pipes: there is nothing to replace.
    Device(File),
    File { part: PartFile, unfinished: Unfinished },
}

impl Output {
    /// Prepares an output; `-` is standard output. A file is written under another name in the
    /// same folder, which [`commit`](Output::commit) changes; dropped before, it is removed.
    ///
    /// # Errors
    /// `io` where there is a file already, or none can be made; `invalid_argument` for binary on
    /// a terminal and for the input itself as output.
    pub(crate) fn create(path: &Path, options: Options<'_>) -> Result<Self> {
        if is_dash(path) {
            return Self::stdout(options);
        }
        let path = target(path)?;
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() => {
                Err(fault::io("write", &path, io::ErrorKind::IsADirectory.into()))
            }
            Ok(about) if !about.is_file() => Self::device(path),
            Ok(about) => {
                if options.like.is_some_and(|input| is_same(input, &about)) {
                    let name = path.display();
                    return Err(fault::invalid(format!(
                        "{name} is the input: name another output"
                    )));
                }
                if !options.force {
                    return Err(exists(&path));
                }
                Self::file(path, options, true)
            }
            // What else is wrong with the path shows when the file is made.
            Err(_) => Self::file(path, options, false),
        }
    }

    /// Prepares the replacement of a file that is there, with its permissions and its owner.
    ///
    /// # Errors
    /// `io` where no file can be made beside it.
    pub(crate) fn replace(path: &Path, about: &Metadata) -> Result<Self> {
        let path = target(path)?;
        interrupt::watch();
        Self::part_of(PartFile::replacing(&path, about), path)
    }

    fn stdout(options: Options<'_>) -> Result<Self> {
        let path = PathBuf::from("standard output");
        if options.force || options.content == Content::Text || !io::stdout().is_terminal() {
            return Ok(Output { path, sink: Sink::Stdout { guard: None } });
        }
        if options.content == Content::Binary {
            return Err(binary_on_terminal());
        }
        Ok(Output { path, sink: Sink::Stdout { guard: Some(Guard::default()) } })
    }

    fn device(path: PathBuf) -> Result<Self> {
        let opened = File::options().write(true).open(&path);
        let device = opened.map_err(|error| fault::io("write", &path, error))?;
        Ok(Output { path, sink: Sink::Device(device) })
    }

    fn file(path: PathBuf, options: Options<'_>, replace: bool) -> Result<Self> {
        if path.file_name().is_none() {
            return Err(fault::invalid(format!("{} names no file", path.display())));
        }
        interrupt::watch();
        let Options { like, private, .. } = options;
        let options = keyfold_files::Options { replace, like, private, mark: "" };
        Self::part_of(PartFile::create(&path, options), path)
    }

    fn part_of(made: io::Result<PartFile>, path: PathBuf) -> Result<Self> {
        // The kind says it better than the system's own words.
        let part = made.map_err(|error| fault::io("create", &path, error.kind().into()))?;
        let unfinished = Unfinished::new(part.part());
        Ok(Output { path, sink: Sink::File { part, unfinished } })
    }

    /// What to call it in messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is standard output, which then has no room for an answer.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self.sink, Sink::Stdout { .. })
    }

    /// The file behind it, for copying from file to file in the kernel.
    pub(crate) fn as_file(&mut self) -> Option<&mut File> {
        match &mut self.sink {
            Sink::File { part, .. } => Some(part.file_mut()),
            _ => None,
        }
    }

    /// The unfinished file, for what writes by name.
    pub(crate) fn part(&self) -> Option<&Path> {
        match &self.sink {
            Sink::File { part, .. } => Some(part.part()),
            _ => None,
        }
    }

    /// Ends the output: on disk for good, and under its name.
    ///
    /// # Errors
    /// `io`; then there is nothing under the name, or what was there before.
    pub(crate) fn commit(self) -> Result<()> {
        Self::commit_all([self])
    }

    /// Ends several outputs: all on disk before the first gets its name. Where one fails, the
    /// new ones before it are taken back.
    pub(crate) fn commit_all(outputs: impl IntoIterator<Item = Output>) -> Result<()> {
        let synced: Vec<Output> = outputs.into_iter().map(Output::sync).collect::<Result<_>>()?;
        let mut new = Vec::new();
        for output in synced {
            let path = output.path.clone();
            let is_new = matches!(&output.sink, Sink::File { part, .. } if !part.replaces());
            if let Err(error) = output.publish() {
                for path in &new {
                    let _ = fs::remove_file(path);
                }
                return Err(error);
            }
            if is_new {
                new.push(path);
            }
        }
        Ok(())
    }

    fn sync(mut self) -> Result<Self> {
        let synced = match &mut self.sink {
            Sink::Stdout { .. } => io::stdout().flush(),
            Sink::Device(device) => device.flush(),
            Sink::File { part, .. } => part.sync(),
        };
        synced.map_err(|error| fault::io("write", &self.path, error))?;
        Ok(self)
    }

    fn publish(self) -> Result<()> {
        let Sink::File { part, unfinished } = self.sink else { return Ok(()) };
        let published = part.publish();
        drop(unfinished);
        published.map_err(|error| match error.kind() {
            // Somebody else was faster.
            io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => fault::io("create", &self.path, error),
        })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.sink {
            Sink::Stdout { guard } => {
                if let Some(guard) = guard {
                    guard.check(bytes)?;
                }
                io::stdout().lock().write(bytes)
            }
            Sink::Device(device) => device.write(bytes),
            Sink::File { part, .. } => part.write(bytes),
        };
        written.map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => fault::io("write", &self.path, error).into(),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Stdout { .. } => io::stdout().flush(),
            Sink::Device(device) => device.flush(),
            Sink::File { part, .. } => part.flush(),
        }
    }
}

/// Lets text through to a terminal and nothing else: other bytes could speak to the terminal.
#[derive(Debug, Default)]
struct Guard {
    // The start of a character whose rest is still to come.
    cut: Vec<u8>,
}

impl Guard {
    fn check(&mut self, bytes: &[u8]) -> Result<()> {
        self.cut.extend_from_slice(bytes);
        let (text, cut) = match std::str::from_utf8(&self.cut) {
            Ok(text) => (text, self.cut.len()),
            Err(error) if error.error_len().is_none() => {
                let valid = error.valid_up_to();
                (std::str::from_utf8(&self.cut[..valid]).unwrap_or_default(), valid)
            }
            Err(_) => return Err(binary_on_terminal()),
        };
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(binary_on_terminal());
        }
        self.cut.drain(..cut);
        Ok(())
    }
}

fn binary_on_terminal() -> keyfold::Error {
    fault::invalid("this is binary: name a file with -o, or write it to the terminal with --force")
}

fn exists(path: &Path) -> keyfold::Error {
    let name = path.display();
    keyfold::Error::new(
        keyfold::ErrorCode::Io,
        format!("{name} is there already: --force replaces it"),
    )
}

/// Where a link leads to: the file there is replaced, the link stays.
fn target(path: &Path) -> Result<PathBuf> {
    follow(path).map_err(|error| fault::io("follow", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_text_even_where_a_character_is_cut() {
        let mut guard = Guard::default();
        for part in [&b"caf\xC3"[..], b"\xA9\n", "日本".as_bytes()] {
            guard.check(part).expect("text");
        }
        assert!(guard.cut.is_empty());
    }

    #[test]
    fn a_terminal_gets_neither_binary_nor_escape_sequences() {
        for bytes in [&b"\xFF"[..], b"\x1B[2J", b"nul \0", b"\xC2\x9B31m"] {
            assert!(Guard::default().check(bytes).is_err(), "{bytes:?}");
        }
    }
}
