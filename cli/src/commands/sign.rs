//! `keyfold sign`.

use std::io::Write;
use std::path::PathBuf;

use keyfold::KeyUri;
use keyfold::sign::{SignatureAlgorithm, ecdsa_der_to_raw};
use pollster::block_on;
use serde::Serialize;

use crate::envelope::shown;
use crate::fault::Result;

use crate::input::{DASH, Input, is_dash};
use crate::messages::{Form, Message};
use crate::names::{self, KeyName};
use crate::output::{Content, Options, Output};
use crate::session::{Session, SessionClient};

/// Sign a file with a key of the KMS
///
/// The file is hashed here and only its hash goes to the KMS. The signature, FILE.sig unless -o
/// says otherwise, is verified by anyone who has the public key.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The KMS key that signs
    #[arg(long, short, value_name = "KEY", value_parser = names::key)]
    key: KeyName,
    /// The algorithm; by default the one of the key, for RSA keys RSASSA_PSS_SHA_256
    #[arg(long, value_name = "NAME", value_parser = names::algorithm)]
    algorithm: Option<SignatureAlgorithm>,
    /// How to write an ECDSA signature
    #[arg(long, value_enum, default_value_t = Form::Der)]
    form: Form,
    /// The signature; `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace an output that is there, and write binary to a terminal
    #[arg(long, short)]
    force: bool,
    /// What to sign; `-` is standard input
    #[arg(value_name = "FILE", default_value = DASH)]
    file: PathBuf,
}

/// The longest message that a KMS takes whole, in bytes.
const MAX_KMS_MESSAGE: usize = 4096;

#[derive(Serialize)]
struct Report {
    input: String,
    output: String,
    algorithm: &'static str,
    form: &'static str,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let input = Input::open(&args.file)?;
    let target = match &args.output {
        Some(output) => output.clone(),
        None if is_dash(&args.file) => PathBuf::from(DASH),
        None => args.file.with_added_extension("sig"),
    };
    let options = Options {
        force: args.force,
        content: Content::Binary,
        like: input.regular(),
        private: false,
    };
    let mut output = Output::create(&target, options)?;
    let key = session.uri(&args.key)?;
    let client = session.client([&key])?;
    let spec = block_on(client.public_key(&key))?.spec();
    let algorithm = args.algorithm.unwrap_or_else(|| spec.default_algorithm());
    let name = shown(input.path());
    let message = Message::read(input, algorithm, MAX_KMS_MESSAGE, session.console)?;
    let mut signature = sign(&client, &key, algorithm, &message)?;
    if args.form == Form::Raw {
        signature = ecdsa_der_to_raw(spec, &signature)?;
    }
    output.write_all(&signature)?;
    let report = Report {
        input: name,
        output: shown(output.path()),
        algorithm: algorithm.as_str(),
        form: if args.form == Form::Raw { "raw" } else { "der" },
    };
    let silent = output.is_stdout();
    output.commit()?;
    if silent {
        return Ok(());
    }
    let text = format!("signed {} with {algorithm}: {}", report.input, report.output);
    session.console.answer(&report, text)
}

fn sign(
    client: &SessionClient,
    key: &KeyUri,
    algorithm: SignatureAlgorithm,
    message: &Message,
) -> Result<Vec<u8>> {
    match message {
        Message::Digest(digest) => block_on(client.sign_digest(key, algorithm, digest)),
        Message::Whole(message) => block_on(client.sign(key, algorithm, message)),
    }
}
