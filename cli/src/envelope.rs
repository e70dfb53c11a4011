//! Envelopes in files: where header and body are, and which keys may open them.

use std::path::{Path, PathBuf};

use keyfold::envelope::MAX_HEADER_LEN;
use keyfold::stream::io::read_header;
use keyfold::{EncryptionContext, ErrorCode, Header, KeyUri, Keyring};
use pollster::block_on;

use crate::fault::{self, Result};
use crate::input::Input;
use crate::kms::place_of;
use crate::names::{self, KeyName, Pair};
use crate::session::{Session, SessionClient};

/// An envelope whose header has been read.
pub(crate) struct Opened {
    pub(crate) header: Header,
    /// The body's first bytes, read together with the header.
    pub(crate) start: Vec<u8>,
    /// The rest of the body.
    pub(crate) input: Input,
}

impl Opened {
    /// Opens an envelope, or a body whose header is in a file of its own.
    pub(crate) fn new(file: &Path, detached_header: Option<&Path>) -> Result<Self> {
        let mut input = Input::open(file)?;
        if let Some(path) = detached_header {
            let header = detached(path)?;
            return Ok(Opened { header, start: Vec::new(), input });
        }
        let read = read_header(&mut input);
        let (header, start) = read.map_err(|error| about(&input, error))?;
        Ok(Opened { header, start, input })
    }

    /// How many bytes of header stand before the body in the file.
    pub(crate) fn header_len(&self, detached: bool) -> u64 {
        if detached { 0 } else { self.header.as_bytes().len() as u64 }
    }

    /// Reads what is left and tells how long the body is, its signature included.
    pub(crate) fn body_len(&mut self, detached: bool) -> Result<u64> {
        if let Some(len) = self.input.len() {
            return Ok(len - self.header_len(detached).min(len));
        }
        let mut buffer = vec![0; 64 * 1024];
        let mut len = self.start.len() as u64;
        loop {
            match keyfold_files::pump::read_full(&mut self.input, &mut buffer)? {
                0 => return Ok(len),
                more => len += more as u64,
            }
        }
    }
}

/// Reads a header that is kept apart.
pub(crate) fn detached(path: &Path) -> Result<Header> {
    let input = Input::open(path)?;
    let name = input.path().to_owned();
    // One byte more than the longest header, so that the parser can tell.
    let bytes = input.read_all(MAX_HEADER_LEN, "a detached header")?;
    Header::parse_detached(&bytes).map_err(|error| fault::at(name.display(), &error))
}

/// Says which input an error is about, unless it does so itself.
pub(crate) fn about(input: &Input, error: keyfold::Error) -> keyfold::Error {
    match error.code() {
        ErrorCode::Io => error,
        _ => fault::at(input.path().display(), &error),
    }
}

/// Options of commands that open envelopes: which keys may unwrap.
#[derive(clap::Args)]
pub(crate) struct Unwrapping {
    /// KMS key that may open it, by alias, id, ARN or key URI; by default any of this KMS
    #[arg(long = "key", value_name = "KEY", value_parser = names::key)]
    keys: Vec<KeyName>,
}

impl Unwrapping {
    /// The client and the keyring; `others` are keys that the client is to reach too. Recipients
    /// carry full names, so short ones are looked up.
    pub(crate) fn client(
        &self,
        session: &Session,
        others: &[KeyUri],
    ) -> Result<(SessionClient, Keyring)> {
        let keys = session.uris(&self.keys)?;
        if keys.is_empty() {
            let client = session.client_beside(others)?;
            return Ok((client, Keyring::discover(session.scheme())));
        }
        let client = session.client(keys.iter().chain(others))?;
        let names = block_on(full_names(&client, &keys))?;
        Ok((client, Keyring::unwrap_with(names)))
    }
}

/// Keys under the names that recipients carry; aliases are left to the KMS. A cloud's key has one
/// name beside its aliases, and no call is spent on it: another key of the keyring may open while
/// its cloud is down.
pub(crate) async fn full_names(client: &SessionClient, keys: &[KeyUri]) -> Result<Vec<KeyUri>> {
    let mut names = Vec::with_capacity(keys.len());
    for key in keys {
        let as_it_is = key.is_alias() || place_of(key).is_some();
        names.push(if as_it_is { key.clone() } else { client.resolve(key).await? });
    }
    Ok(names)
}

/// The option `--context`.
#[derive(clap::Args)]
pub(crate) struct ContextPairs {
    /// Encryption context: public, authenticated, needed again to decrypt; may be repeated
    #[arg(long = "context", short = 'c', value_name = "NAME=VALUE")]
    pairs: Vec<Pair>,
}

impl ContextPairs {
    /// The context.
    pub(crate) fn context(&self) -> Result<EncryptionContext> {
        names::context(&self.pairs)
    }
}

/// A path as JSON can hold it.
pub(crate) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The name that an encrypted file gets.
pub(crate) fn sealed_name(file: &Path) -> PathBuf {
    file.with_added_extension("kf")
}

/// The name of the file that an envelope was made of.
pub(crate) fn opened_name(file: &Path) -> Result<PathBuf> {
    if file.extension().is_some_and(|extension| extension == "kf") {
        return Ok(file.with_extension(""));
    }
    let name = file.display();
    Err(fault::invalid(format!("{name} does not end in .kf: name the output with -o")))
}
