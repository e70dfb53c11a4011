//! What a command reads: a file, or standard input.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use keyfold_files::pump::read_full;
use zeroize::Zeroizing;

use crate::fault::{self, Result};

/// The name of standard input and standard output on the command line.
pub(crate) const DASH: &str = "-";

/// Whether a name on the command line means standard input or output.
pub(crate) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == DASH
}

/// An open input. Its errors name it.
#[derive(Debug)]
pub(crate) struct Input {
    path: PathBuf,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Stdin(io::Stdin),
    File(File, Metadata),
}

impl Input {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// `io` where it is missing, may not be read, or is a directory.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if is_dash(path) {
            let path = PathBuf::from("standard input");
            return Ok(Input { path, source: Source::Stdin(io::stdin()) });
        }
        let opened = File::open(path).and_then(|file| {
            let about = file.metadata()?;
            if about.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok((file, about)) }
        });
        let (file, about) = opened.map_err(|error| fault::io("read", path, error))?;
        Ok(Input { path: path.to_owned(), source: Source::File(file, about) })
    }

    /// What to call it in messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the system knows of it, where it is a regular file.
    pub(crate) fn regular(&self) -> Option<&Metadata> {
        match &self.source {
            Source::File(_, about) if about.is_file() => Some(about),
            _ => None,
        }
    }

    /// Its length in bytes, where that is known before.
    pub(crate) fn len(&self) -> Option<u64> {
        self.regular().map(Metadata::len)
    }

    /// The file itself, where it can be read at any place.
    ///
    /// # Errors
    /// `invalid_argument` for pipes and devices.
    pub(crate) fn into_file(self) -> Result<File> {
        match self.source {
            Source::File(file, about) if about.is_file() => Ok(file),
            _ => {
                let name = self.path.display();
                Err(fault::invalid(format!("{name} is no file: only a file can be read in parts")))
            }
        }
    }

    /// Reads all of it, at most `limit` bytes.
    ///
    /// # Errors
    /// `limit_exceeded` where there is more; `what` says what is limited.
    pub(crate) fn read_all(mut self, limit: usize, what: &str) -> Result<Zeroizing<Vec<u8>>> {
        // The whole capacity at once: growing would leave copies behind that nobody wipes.
        let known = self.len().map_or(limit, |len| usize::try_from(len).unwrap_or(limit));
        let mut bytes = Zeroizing::new(Vec::with_capacity(known.min(limit) + 1));
        let mut piece = Zeroizing::new([0; 4096]);
        loop {
            let len = read_full(&mut self, piece.as_mut_slice())?;
            if bytes.len() + len > limit {
                let name = self.path.display();
                return Err(fault::limit(format!("{name}: {what} has at most {limit} bytes")));
            }
            bytes.extend_from_slice(&piece[..len]);
            if len < piece.len() {
                return Ok(bytes);
            }
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.source {
            Source::Stdin(stdin) => stdin.lock().read(buffer),
            Source::File(file, _) => file.read(buffer),
        };
        read.map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => fault::io("read", &self.path, error).into(),
        })
    }
}
