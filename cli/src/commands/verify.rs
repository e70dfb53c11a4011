//! `keyfold verify`.

use std::path::PathBuf;

use keyfold::sign::{PublicKey, SignatureAlgorithm, ecdsa_raw_to_der};
use pollster::block_on;
use serde_json::json;

use crate::envelope::shown;
use crate::fault::{self, Result};
use crate::input::{DASH, Input};
use crate::messages::{Form, Message, one_stdin, signature};
use crate::names::{self, KeyName};
use crate::public_keys;
use crate::session::Session;

/// Verify the signature of a file
///
/// With --public-key nothing else is needed, neither a KMS nor a store. Exit code 6 says that the
/// signature does not hold.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The signer's public key (PEM, DER or JWK)
    #[arg(long, value_name = "FILE", required_unless_present = "key")]
    public_key: Option<PathBuf>,
    /// The KMS key that signed
    #[arg(long, short, value_name = "KEY", value_parser = names::key, conflicts_with = "public_key")]
    key: Option<KeyName>,
    /// The algorithm; by default the one of the key, for RSA keys RSASSA_PSS_SHA_256
    #[arg(long, value_name = "NAME", value_parser = names::algorithm)]
    algorithm: Option<SignatureAlgorithm>,
    /// How the ECDSA signature is written
    #[arg(long, value_enum, default_value_t = Form::Der)]
    form: Form,
    /// The signature
    #[arg(long, short, value_name = "FILE")]
    signature: PathBuf,
    /// What was signed; `-` is standard input
    #[arg(value_name = "FILE", default_value = DASH)]
    file: PathBuf,
}

/// The longest message that is held in memory, in bytes: pure Ed25519 reads it twice.
const MAX_HELD_MESSAGE: usize = 64 << 20;

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    one_stdin(&args.signature, &args.file)?;
    let key = public_key(session, args)?;
    let algorithm = args.algorithm.unwrap_or_else(|| key.spec().default_algorithm());
    let mut signature = signature(&args.signature)?;
    if args.form == Form::Raw {
        signature = ecdsa_raw_to_der(key.spec(), &signature)?;
    }
    let input = Input::open(&args.file)?;
    let name = shown(input.path());
    let message = Message::read(input, algorithm, MAX_HELD_MESSAGE, session.console)?;
    let verified = match &message {
        Message::Digest(digest) => key.verify_digest(algorithm, digest, &signature),
        Message::Whole(message) => key.verify(algorithm, message, &signature),
    };
    verified.map_err(|error| fault::at(&name, &error))?;
    let answer = json!({
        "input": name,
        "verified": true,
        "algorithm": algorithm.as_str(),
        "key_spec": key.spec().as_str(),
    });
    session.console.answer(&answer, format!("{name}: the signature is valid ({algorithm})"))
}

fn public_key(session: &Session, args: &Args) -> Result<PublicKey> {
    match (&args.public_key, &args.key) {
        (Some(path), _) => public_keys::read(path),
        (None, Some(key)) => {
            let key = session.uri(key)?;
            block_on(session.client([&key])?.public_key(&key))
        }
        (None, None) => Err(fault::invalid("name the signer with --public-key or --key")),
    }
}
