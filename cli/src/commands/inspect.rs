//! `keyfold inspect`.

use std::fmt::Write as _;
use std::path::PathBuf;

use keyfold::envelope::VERSION;
use keyfold::sign::{MessageHasher, SignatureAlgorithm};
use keyfold::stream::{PREFIX_LEN, SEALED_SEGMENT_LEN, SEGMENT_LEN};
use keyfold::{Header, Layout, SignerHint};
use serde_json::{Value, json};

use crate::envelope::{Opened, about, shown};
use crate::fault::Result;
use crate::input::DASH;
use crate::session::Session;

/// Show what is public in an envelope, without a key
///
/// Nothing that is shown has been proven: only decryption does that.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The header, where it is not in the envelope itself
    #[arg(long, value_name = "FILE")]
    detached_header: Option<PathBuf>,
    /// The envelope; `-` is standard input
    #[arg(value_name = "FILE", default_value = DASH)]
    file: PathBuf,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let detached = args.detached_header.is_some();
    let mut opened = Opened::new(&args.file, args.detached_header.as_deref())?;
    let header_len = opened.header.as_bytes().len();
    let body_start = opened.header_len(detached);
    let body_len = opened.body_len(detached)?;
    let header = &opened.header;
    let layout = header.body_layout(body_len).map_err(|error| about(&opened.input, error))?;
    let detached = detached || layout.is_none();
    let trailer = header.trailer_len() as u64;
    let answer = json!({
        "file": shown(opened.input.path()),
        "version": VERSION,
        "suite": { "id": header.suite().id(), "name": header.suite().name() },
        "context": header.context().iter().collect::<std::collections::BTreeMap<_, _>>(),
        "signature": signature_json(header),
        "recipients": recipients_json(header),
        "header": { "detached": detached, "length": header_len },
        "body": layout.map(|_| json!({ "offset": body_start, "length": body_len - trailer })),
        "segments": layout.map(|layout| {
            json!({ "count": segments(layout), "plaintext_length": SEGMENT_LEN })
        }),
        "plaintext_length": layout.map(|layout| layout.plaintext_len()),
    });
    session.console.answer(&answer, picture(&opened, header_len, body_start, body_len, layout))
}

fn segments(layout: Layout) -> u64 {
    layout.plaintext_len() / SEGMENT_LEN as u64 + 1
}

/// The recipients, as `inspect` and `recipient list` tell them.
pub(crate) fn recipients_json(header: &Header) -> Vec<Value> {
    let recipients = header.recipients().iter();
    recipients
        .map(|recipient| {
            json!({
                "key": recipient.key.as_str(),
                "wrapped_key_length": recipient.ciphertext.len(),
                "parameters": recipient.params.keys().collect::<Vec<_>>(),
            })
        })
        .collect()
}

fn signature_json(header: &Header) -> Value {
    let Some(signature) = header.signature() else { return Value::Null };
    let (kind, signer) = hint(signature.hint());
    json!({
        "algorithm": signature.algorithm().as_str(),
        "key_spec": signature.key_spec().as_str(),
        "length": signature.len(),
        kind: signer,
    })
}

/// The key that the envelope says to be signed with: its kind, and the key.
fn hint(hint: &SignerHint) -> (&'static str, String) {
    match hint {
        SignerHint::Spki(spki) => ("signer_public_key", hex(spki)),
        SignerHint::Key(key) => ("signer_key", key.to_string()),
    }
}

/// The same for people: a public key by its SHA-256, as other tools print it.
fn signer(hint: &SignerHint) -> String {
    match hint {
        SignerHint::Key(key) => format!("key {key}"),
        SignerHint::Spki(spki) => match MessageHasher::new(SignatureAlgorithm::EcdsaSha256) {
            Ok(mut sha256) => {
                sha256.update(spki);
                format!("public key with SHA-256 {}", hex(&sha256.finish()))
            }
            Err(_) => "public key in the header".to_owned(),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn picture(
    opened: &Opened,
    header_len: usize,
    body_start: u64,
    body_len: u64,
    layout: Option<Layout>,
) -> String {
    let header = &opened.header;
    let trailer = header.trailer_len() as u64;
    let suite = header.suite();
    let mut text = format!(
        "{}: keyfold envelope, version {VERSION}\n\n\
         suite       0x{:04x}  {}\n",
        opened.input.path().display(),
        suite.id(),
        suite.name(),
    );
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<11} {value}");
    };
    for (index, (name, value)) in header.context().iter().enumerate() {
        // Escaped: a context of others could hold what moves the cursor.
        let pair = format!("{}={}", name.escape_debug(), value.escape_debug());
        line(if index == 0 { "context" } else { "" }, pair);
    }
    for (index, recipient) in header.recipients().iter().enumerate() {
        let len = recipient.ciphertext.len();
        let value = format!("{}  (wrapped key of {len} bytes)", recipient.key);
        line(if index == 0 { "recipients" } else { "" }, value);
    }
    match header.signature() {
        None => line("signed", "no".to_owned()),
        Some(signature) => {
            line("signed", format!("{}, {}", signature.algorithm(), signer(signature.hint())));
        }
    }
    let Some(layout) = layout else {
        line("body", "not in this file".to_owned());
        return text;
    };
    let segments = segments(layout);
    line("plaintext", format!("{} bytes, not proven", layout.plaintext_len()));
    let place = if body_start == 0 { " (in a file of its own)" } else { "" };
    let _ = write!(
        text,
        "\n    offset      length\n\
         {:>10} {header_len:>11}  header{place}\n\
         {:>10} {PREFIX_LEN:>11}  salt and commitment\n\
         {:>10} {:>11}  {segments} segment{} of {SEALED_SEGMENT_LEN}, the last one shorter\n",
        0,
        body_start,
        body_start + PREFIX_LEN as u64,
        body_len - trailer - PREFIX_LEN as u64,
        if segments == 1 { "" } else { "s" },
    );
    if trailer > 0 {
        let _ = writeln!(text, "{:>10} {trailer:>11}  signature", body_start + body_len - trailer);
    }
    text
}
