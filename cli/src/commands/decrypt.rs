//! `keyfold decrypt`.

use std::io::Write;
use std::path::{Path, PathBuf};

use keyfold::stream::SEGMENT_LEN;
use keyfold::stream::io::RangeReader;
use keyfold::{ContextCheck, Demands, Keyring, SignerPolicy};
use keyfold_files::pump;
use pollster::block_on;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::envelope::{ContextPairs, Opened, Unwrapping, about, opened_name, shown};
use crate::fault::{self, Result};
use crate::files::{Job, ThreadCount, jobs};

use crate::input::DASH;
use crate::names::{self, ByteRange, Pair};
use crate::output::{Content, Options, Output};
use crate::progress::Progress;
use crate::public_keys;
use crate::session::{Session, SessionClient};

/// Decrypt files, or parts of them
///
/// A file appears under its name only when it is complete and proven. What goes to standard
/// output is authenticated piece by piece, and only the exit code tells that it was all.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    keys: Unwrapping,
    #[command(flatten)]
    context: ContextPairs,
    /// Accept any encryption context that has at least this pair; may be repeated
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "pairs")]
    context_contains: Vec<Pair>,
    /// Only these bytes of the plaintext, read without decrypting the rest: START..END, START..
    /// or ..END
    #[arg(long, value_name = "START..END")]
    range: Option<ByteRange>,
    /// Public key whose signature is accepted (PEM, DER or JWK); may be repeated
    #[arg(long, value_name = "FILE")]
    signer: Vec<PathBuf>,
    /// Accept a signature by the key that the envelope itself carries, whoever that is
    #[arg(long, conflicts_with = "signer")]
    any_signer: bool,
    /// Read a range of a signed envelope although that leaves its signature unproven
    #[arg(long, requires = "range", conflicts_with_all = ["signer", "any_signer"])]
    unproven_signature: bool,
    /// The header, where it is not in the envelope itself
    #[arg(long, value_name = "FILE")]
    detached_header: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadCount,
    /// The plaintext, or a folder for several; `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace outputs that are there, and write binary to a terminal
    #[arg(long, short)]
    force: bool,
    /// What to decrypt; `-` is standard input
    #[arg(value_name = "FILE", default_value = DASH)]
    files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    input: String,
    output: String,
    plaintext_length: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    range_start: Option<u64>,
    signature_proven: bool,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    if args.detached_header.is_some() && args.files.len() > 1 {
        return Err(fault::invalid("a detached header is of one file"));
    }
    if args.range.is_some() && (args.any_signer || !args.signer.is_empty()) {
        return Err(fault::invalid(
            "a range cannot prove a signature, which covers the whole: decrypt all of it, or \
             accept that with --unproven-signature",
        ));
    }
    let jobs = jobs(&args.files, args.output.as_deref(), |file| match args.range {
        // A part of a file does not take its name.
        Some(_) => Ok(PathBuf::from(DASH)),
        None => opened_name(file),
    })?;
    let demands = demands(args)?;
    let (client, keyring) = args.keys.client(session, &[])?;
    for job in &jobs {
        decrypt(session, args, &client, &keyring, &demands, job)?;
    }
    Ok(())
}

fn demands(args: &Args) -> Result<Demands> {
    let context = if args.context_contains.is_empty() {
        ContextCheck::Exact(args.context.context()?)
    } else {
        ContextCheck::Contains(names::context(&args.context_contains)?)
    };
    let demands = Demands::new(context);
    if args.any_signer {
        return Ok(demands.signed_by(SignerPolicy::Anyone));
    }
    if args.signer.is_empty() {
        return Ok(demands);
    }
    let signers: Result<Vec<_>> = args.signer.iter().map(|file| public_keys::read(file)).collect();
    Ok(demands.signed_by(SignerPolicy::OneOf(signers?)))
}

fn decrypt(
    session: &Session,
    args: &Args,
    client: &SessionClient,
    keyring: &Keyring,
    demands: &Demands,
    job: &Job,
) -> Result<()> {
    let opened = Opened::new(&job.from, args.detached_header.as_deref())?;
    let output = Options {
        force: args.force,
        content: Content::Unknown,
        like: opened.input.regular(),
        private: false,
    };
    let mut output = Output::create(&job.to, output)?;
    let mut report = Report {
        input: shown(opened.input.path()),
        output: shown(output.path()),
        plaintext_length: 0,
        range_start: args.range.as_ref().map(|range| range.start),
        signature_proven: demands.signers.is_some(),
    };
    report.plaintext_length = match &args.range {
        Some(range) => part(args, client, keyring, demands, opened, range, &mut output)?,
        None => whole(session, args, client, keyring, demands, opened, &mut output)?,
    };
    let silent = output.is_stdout();
    output.commit()?;
    if silent {
        return Ok(());
    }
    let text = format!("decrypted {} to {}", report.input, report.output);
    session.console.answer(&report, text)
}

fn whole(
    session: &Session,
    args: &Args,
    client: &SessionClient,
    keyring: &Keyring,
    demands: &Demands,
    mut opened: Opened,
    output: &mut Output,
) -> Result<u64> {
    let unlocked = block_on(client.unlock(&opened.header, keyring, demands.clone()))
        .map_err(|error| explain(&opened, error))?;
    let len = opened.input.len();
    let pace = args.threads.start(len)?;
    let opener = unlocked.into_opener().with_threads(&pace.threads);
    let progress = Progress::beside(output, session.console, len);
    let mut done = |len| {
        progress.add(len);
        Ok(())
    };
    pump::open(opener, pace.batch, &opened.start, &mut opened.input, output, &mut done)
        .map_err(|error| about(&opened.input, error))
}

fn part(
    args: &Args,
    client: &SessionClient,
    keyring: &Keyring,
    demands: &Demands,
    opened: Opened,
    range: &ByteRange,
    output: &mut Output,
) -> Result<u64> {
    let mut demands = demands.clone();
    if args.unproven_signature && opened.header.signature().is_some() {
        demands = demands.signed_by(SignerPolicy::Anyone);
    }
    let body_start = opened.header_len(args.detached_header.is_some());
    let unlocked = block_on(client.unlock(&opened.header, keyring, demands))
        .map_err(|error| explain(&opened, error))?;
    let path = opened.input.path().to_owned();
    let file = opened.input.into_file()?;
    let reader = RangeReader::new(file, body_start, |prefix, body_len| {
        if args.unproven_signature {
            unlocked.into_unproven_ranges(prefix, body_len)
        } else {
            unlocked.into_ranges(prefix, body_len)
        }
    });
    reader
        .and_then(|mut reader| copy_range(&mut reader, range, output))
        .map_err(|error| located(&path, error))
}

/// Reads a range in pieces, so that memory does not grow with it.
fn copy_range(
    reader: &mut RangeReader<std::fs::File>,
    range: &ByteRange,
    output: &mut Output,
) -> Result<u64> {
    const PIECE: u64 = 64 * SEGMENT_LEN as u64;
    let len = reader.plaintext_len();
    let range = range.within(len);
    // One byte past the end is enough to have the end proven.
    let end = range.end.min(len.saturating_add(1));
    if range.end > len && range.start >= end {
        reader.verify_length()?;
    }
    let mut piece = Zeroizing::new(Vec::new());
    let (mut at, mut written) = (range.start, 0);
    while at < end {
        let next = ((at + PIECE) / SEGMENT_LEN as u64 * SEGMENT_LEN as u64).min(end);
        piece.clear();
        reader.read_range(at..next, &mut piece)?;
        output.write_all(&piece)?;
        written += piece.len() as u64;
        at = next;
    }
    Ok(written)
}

/// Adds what to do about it on this command line.
fn explain(opened: &Opened, error: keyfold::Error) -> keyfold::Error {
    let signed = opened.header.signature().is_some();
    if error.code() == keyfold::ErrorCode::InvalidArgument && signed {
        let name = opened.input.path().display();
        return fault::invalid(format!(
            "{name} is signed: name the signers to accept with --signer, or accept anyone with \
             --any-signer; --range needs --unproven-signature"
        ));
    }
    about(&opened.input, error)
}

fn located(path: &Path, error: keyfold::Error) -> keyfold::Error {
    match error.code() {
        keyfold::ErrorCode::Io => error,
        _ => fault::at(path.display(), &error),
    }
}
