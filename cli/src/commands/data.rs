//! `keyfold data`.

use std::io::Write;
use std::path::PathBuf;

use keyfold::SecretBytes;
use pollster::block_on;
use serde_json::json;

use crate::envelope::{ContextPairs, shown};
use crate::fault::{self, Result};
use crate::input::{DASH, Input};
use crate::names::{self, KeyName};
use crate::output::{Content, Options, Output};
use crate::session::Session;

/// Encrypt small data, at most 4096 bytes, under the KMS key itself
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Encrypt up to 4096 bytes; for more, `keyfold encrypt`
    Encrypt(Encrypt),
    /// Decrypt what `data encrypt` made
    Decrypt(Decrypt),
}

#[derive(clap::Args)]
pub(crate) struct Encrypt {
    /// The KMS key
    #[arg(long, short, value_name = "KEY", value_parser = names::key)]
    key: KeyName,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
pub(crate) struct Decrypt {
    /// The KMS key it must be of; needed for RSA keys only
    #[arg(long, short, value_name = "KEY", value_parser = names::key)]
    key: Option<KeyName>,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    context: ContextPairs,
    /// The result; `-` is standard output
    #[arg(long, short, value_name = "FILE", default_value = DASH)]
    output: PathBuf,
    /// Replace an output that is there, and write binary to a terminal
    #[arg(long, short)]
    force: bool,
    /// The input; `-` is standard input
    #[arg(value_name = "FILE", default_value = DASH)]
    file: PathBuf,
}

/// The longest plaintext and the longest ciphertext of a KMS key, in bytes.
const MAX_PLAINTEXT: usize = 4096;
const MAX_CIPHERTEXT: usize = 6144;

pub(crate) fn run(session: &Session, command: &Command) -> Result<()> {
    match command {
        Command::Encrypt(args) => {
            let (input, output) = args.common.open(Content::Binary, false)?;
            let what = "small data (keyfold encrypt takes more)";
            let mut plaintext = input.read_all(MAX_PLAINTEXT, what)?;
            if plaintext.is_empty() {
                return Err(fault::invalid(
                    "there is nothing to encrypt: small data has 1 to 4096 bytes",
                ));
            }
            let plaintext = SecretBytes::new(std::mem::take(&mut plaintext));
            let context = args.common.context.context()?;
            let key = session.uri(&args.key)?;
            let client = session.client([&key])?;
            let sealed = block_on(client.encrypt_small(&key, plaintext, &context))?;
            finish(session, output, &sealed, "encrypted")
        }
        Command::Decrypt(args) => {
            let (input, output) = args.common.open(Content::Unknown, true)?;
            let ciphertext = input.read_all(MAX_CIPHERTEXT, "a ciphertext")?;
            let context = args.common.context.context()?;
            let key = args.key.as_ref().map(|key| session.uri(key)).transpose()?;
            let client = session.client(&key)?;
            let plaintext = block_on(client.decrypt_small(key.as_ref(), &ciphertext, &context))?;
            finish(session, output, plaintext.expose(), "decrypted")
        }
    }
}

impl Common {
    fn open(&self, content: Content, private: bool) -> Result<(Input, Output)> {
        let input = Input::open(&self.file)?;
        let options = Options { force: self.force, content, like: input.regular(), private };
        let output = Output::create(&self.output, options)?;
        Ok((input, output))
    }
}

fn finish(session: &Session, mut output: Output, bytes: &[u8], verb: &str) -> Result<()> {
    output.write_all(bytes)?;
    let (name, silent) = (shown(output.path()), output.is_stdout());
    output.commit()?;
    if silent {
        return Ok(());
    }
    let answer = json!({ "output": name, "length": bytes.len() });
    session.console.answer(&answer, format!("{verb} to {name}"))
}
