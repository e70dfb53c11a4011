//! `keyfold rewrap`.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use keyfold::{Header, KeyUri, Keyring};
use pollster::block_on;
use serde_json::json;

use crate::commands::inspect::recipients_json;
use crate::envelope::{self, Opened, Unwrapping, shown};
use crate::fault::{self, Result};
use crate::input::Input;
use crate::names::{self, KeyName};
use crate::output::{Content, Options, Output};
use crate::session::Session;

/// Move an envelope to other KMS keys, without touching its body
///
/// The KMS unwraps the data key and wraps it again; nobody else sees it. Signatures stay valid.
/// The file is replaced at once and whole; with --detached-header only the header is.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// KMS key that may open it from now on, instead of those before; may be repeated
    #[arg(long, value_name = "KEY", required = true, value_parser = names::key)]
    to: Vec<KeyName>,
    #[command(flatten)]
    keys: Unwrapping,
    #[command(flatten)]
    place: Place,
}

/// Which header to rewrite, and where to.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// Rewrite this header and leave the body alone
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    detached_header: Option<PathBuf>,
    /// Write the result to this file and leave the input as it is
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace an output that is there
    #[arg(long, short)]
    force: bool,
    /// The envelope
    #[arg(value_name = "FILE", required_unless_present = "detached_header")]
    file: Option<PathBuf>,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let to = session.uris(&args.to)?;
    let (client, from) = args.keys.client(session, &to)?;
    let to = wrapping(&to)?;
    args.place.rewrite(session, "rewrapped", |header| block_on(client.rewrap(header, &from, &to)))
}

/// A keyring of keys that wrap.
pub(crate) fn wrapping(keys: &[KeyUri]) -> Result<Keyring> {
    let (first, others) =
        keys.split_first().ok_or_else(|| fault::invalid("name a key to wrap with"))?;
    let ring = Keyring::generate_with(first.clone());
    Ok(others.iter().cloned().fold(ring, Keyring::also_wrap_with))
}

impl Place {
    /// Replaces the header by what `change` makes of it.
    pub(crate) fn rewrite(
        &self,
        session: &Session,
        verb: &str,
        change: impl FnOnce(&Header) -> Result<Header>,
    ) -> Result<()> {
        let (name, header) = match (&self.detached_header, &self.file) {
            (Some(path), _) => self.detached(path, change)?,
            (None, Some(path)) => self.attached(path, change)?,
            (None, None) => return Err(fault::invalid("name an envelope")),
        };
        let recipients = recipients_json(&header);
        let count = recipients.len();
        let plural = if count == 1 { "" } else { "s" };
        let text = format!("{verb} {name}: {count} recipient{plural}");
        if self.output.as_deref().is_some_and(crate::input::is_dash) {
            return Ok(());
        }
        session.console.answer(&json!({ "output": name, "recipients": recipients }), text)
    }

    fn attached(
        &self,
        path: &Path,
        change: impl FnOnce(&Header) -> Result<Header>,
    ) -> Result<(String, Header)> {
        let opened = Opened::new(path, None)?;
        let body_start = opened.header_len(false);
        let header = change(&opened.header)
            .map_err(|error| fault::at(opened.input.path().display(), &error))?;
        let mut output = self.output(&opened.input)?;
        let name = shown(output.path());
        output.write_all(header.as_bytes())?;
        let mut body = opened.input.into_file()?;
        copy_body(&mut body, body_start, &mut output, path)?;
        output.commit()?;
        Ok((name, header))
    }

    fn detached(
        &self,
        path: &Path,
        change: impl FnOnce(&Header) -> Result<Header>,
    ) -> Result<(String, Header)> {
        let header = envelope::detached(path)?;
        let header = change(&header).map_err(|error| fault::at(path.display(), &error))?;
        let mut output = self.output(&Input::open(path)?)?;
        let name = shown(output.path());
        output.write_all(header.as_bytes())?;
        output.commit()?;
        Ok((name, header))
    }

    fn output(&self, input: &Input) -> Result<Output> {
        let name = input.path();
        let about = input.regular().ok_or_else(|| {
            fault::invalid(format!("{} is no file that could be replaced", name.display()))
        })?;
        match &self.output {
            None => Output::replace(name, about),
            Some(path) => {
                let content = Content::Binary;
                let options =
                    Options { force: self.force, content, like: Some(about), private: false };
                Output::create(path, options)
            }
        }
    }
}

/// From file to file in the kernel where it can do that, sharing the blocks where the file
/// system can.
fn copy_body(from: &mut File, start: u64, output: &mut Output, path: &Path) -> Result<()> {
    from.seek(SeekFrom::Start(start)).map_err(|error| fault::io("read", path, error))?;
    let copied = match output.as_file() {
        Some(file) => io::copy(from, file),
        None => io::copy(from, output),
    };
    copied.map_err(|error| fault::io("copy", path, error))?;
    Ok(())
}
