//! `keyfold public-key`.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use pollster::block_on;
use serde_json::json;

use crate::envelope::shown;
use crate::fault::Result;
use crate::input::DASH;
use crate::names::{self, KeyName};
use crate::output::{Content, Options, Output};
use crate::session::Session;

/// Write the public key of a KMS key, for whoever verifies its signatures
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The KMS key
    #[arg(value_name = "KEY", value_parser = names::key)]
    key: KeyName,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Pem)]
    format: Format,
    /// The public key; `-` is standard output
    #[arg(long, short, value_name = "FILE", default_value = DASH)]
    output: PathBuf,
    /// Replace an output that is there, and write binary to a terminal
    #[arg(long, short)]
    force: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// SubjectPublicKeyInfo as text
    Pem,
    /// SubjectPublicKeyInfo as bytes
    Der,
    /// JSON Web Key
    Jwk,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let content = if args.format == Format::Der { Content::Binary } else { Content::Text };
    let options = Options { force: args.force, content, like: None, private: false };
    let mut output = Output::create(&args.output, options)?;
    let uri = session.uri(&args.key)?;
    let key = block_on(session.client([&uri])?.public_key(&uri))?;
    let bytes = match args.format {
        Format::Pem => key.to_spki_pem().into_bytes(),
        Format::Der => key.to_spki_der(),
        Format::Jwk => (key.to_jwk() + "\n").into_bytes(),
    };
    output.write_all(&bytes)?;
    let (path, silent) = (shown(output.path()), output.is_stdout());
    output.commit()?;
    if silent {
        return Ok(());
    }
    let answer = json!({
        "key": uri.as_str(),
        "key_spec": key.spec().as_str(),
        "output": path,
    });
    session.console.answer(&answer, format!("wrote the public key ({}) to {path}", key.spec()))
}
