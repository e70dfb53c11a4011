//! `keyfold encrypt`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use keyfold::sign::{MAX_ENCODED_KEY_LEN, SigningKey};
use keyfold::{EncryptionContext, Keyring, SealOptions, Signer, Suite};
use keyfold_files::pump;
use pollster::block_on;
use serde::Serialize;

use crate::commands::rewrap::wrapping;
use crate::envelope::{ContextPairs, sealed_name, shown};
use crate::fault::{self, Result};
use crate::files::{Job, ThreadCount, jobs};

use crate::input::{DASH, Input};
use crate::names;
use crate::names::KeyName;
use crate::output::{Content, Options, Output};
use crate::progress::Progress;
use crate::session::{Session, SessionClient};

/// Encrypt files
///
/// Each file becomes an envelope, FILE.kf unless -o says otherwise. The data key that encrypts
/// it is made by the KMS and travels in the envelope, wrapped by every KEY.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// KMS key that may open the file later; the first one makes the data key
    #[arg(long = "key", short = 'k', value_name = "KEY", required = true, value_parser = names::key)]
    keys: Vec<KeyName>,
    #[command(flatten)]
    context: ContextPairs,
    /// Sign with this key of the KMS
    #[arg(long, value_name = "KEY", value_parser = names::key)]
    sign_with: Option<KeyName>,
    /// Sign with the private key in this file (PKCS#8, PEM)
    #[arg(long, value_name = "PEM", conflicts_with = "sign_with")]
    sign_with_file: Option<PathBuf>,
    /// Write the header to this file instead of before the body
    #[arg(long, value_name = "FILE")]
    detached_header: Option<PathBuf>,
    /// The cipher
    #[arg(long, value_enum, default_value_t = Cipher::Aes)]
    suite: Cipher,
    #[command(flatten)]
    threads: ThreadCount,
    /// The envelope, or a folder for several; `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace outputs that are there, and write binary to a terminal
    #[arg(long, short)]
    force: bool,
    /// What to encrypt; `-` is standard input
    #[arg(value_name = "FILE", default_value = DASH)]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Cipher {
    /// AES-256-GCM
    Aes,
    /// ChaCha20-Poly1305, for processors without AES instructions
    Chacha,
}

#[derive(Serialize)]
struct Report {
    input: String,
    output: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detached_header: Option<String>,
    suite: u16,
    signed: bool,
    recipients: usize,
    plaintext_length: u64,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    if args.detached_header.is_some() && args.files.len() > 1 {
        return Err(fault::invalid("a detached header is of one file"));
    }
    let jobs = jobs(&args.files, args.output.as_deref(), |file| Ok(sealed_name(file)))?;
    let context = args.context.context()?;
    let keys = session.uris(&args.keys)?;
    let keyring = wrapping(&keys)?;
    let local = args.sign_with_file.as_deref().map(signing_key).transpose()?;
    let signer = match (&local, &args.sign_with) {
        (Some(key), _) => Some(Signer::Local(key)),
        (None, Some(key)) => Some(Signer::Kms(session.uri(key)?)),
        (None, None) => None,
    };
    let signing = match &signer {
        Some(Signer::Kms(key)) => Some(key),
        _ => None,
    };
    let client = session.client(keys.iter().chain(signing))?;
    for job in &jobs {
        encrypt(session, args, &client, &keyring, &context, signer.as_ref(), job)?;
    }
    Ok(())
}

fn encrypt(
    session: &Session,
    args: &Args,
    client: &SessionClient,
    keyring: &Keyring,
    context: &EncryptionContext,
    signer: Option<&Signer<'_>>,
    job: &Job,
) -> Result<()> {
    let mut input = Input::open(&job.from)?;
    let len = input.len();
    let output = Options {
        force: args.force,
        content: Content::Binary,
        like: input.regular(),
        private: false,
    };
    let mut body = Output::create(&job.to, output)?;
    let mut header = match &args.detached_header {
        Some(path) if *path == job.to => {
            return Err(fault::invalid("header and body need a file each"));
        }
        Some(path) => Some(Output::create(path, output)?),
        None => None,
    };
    let suite = match args.suite {
        Cipher::Aes => Suite::Aes256Gcm,
        Cipher::Chacha => Suite::ChaCha20Poly1305,
    };
    let options = SealOptions { suite: Some(suite), signer: signer.cloned(), plaintext_len: len };
    let sealer = block_on(client.sealer(keyring, context, &options))?;
    let pace = args.threads.start(len)?;
    let sealer = sealer.with_threads(&pace.threads);
    header.as_mut().unwrap_or(&mut body).write_all(sealer.header())?;

    let progress = Progress::beside(&body, session.console, len);
    let mut done = |len| {
        progress.add(len);
        Ok(())
    };
    let (plaintext_length, pending) =
        pump::seal(sealer, pace.batch, &mut input, &mut body, &mut done)?;
    if let (Some(pending), Some(signer)) = (pending, signer) {
        body.write_all(&block_on(client.sign_pending(pending, signer))?)?;
    }
    drop(progress);
    let report = Report {
        input: shown(input.path()),
        output: shown(body.path()),
        detached_header: header.as_ref().map(|header| shown(header.path())),
        suite: suite.id(),
        signed: signer.is_some(),
        recipients: args.keys.len(),
        plaintext_length,
    };
    let silent = body.is_stdout() || header.as_ref().is_some_and(Output::is_stdout);
    Output::commit_all(header.into_iter().chain([body]))?;
    if silent {
        return Ok(());
    }
    let text = format!("encrypted {} to {}", report.input, report.output);
    session.console.answer(&report, text)
}

fn signing_key(path: &Path) -> Result<SigningKey> {
    let input = Input::open(path)?;
    let pem = input.read_all(MAX_ENCODED_KEY_LEN, "a private key")?;
    let text = std::str::from_utf8(&pem);
    text.map_err(|_| fault::invalid("a private key in PEM is text"))
        .and_then(SigningKey::from_pkcs8_pem)
        .map_err(|error| fault::at(path.display(), &error))
}
