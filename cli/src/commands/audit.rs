//! `keyfold audit`.

use std::fmt::Write as _;

use keyfold::{Error, ErrorCode};
use keyfold_kms::Timestamp;
use keyfold_kms::audit::AuditRecord;
use serde_json::json;

use crate::fault::Result;
use crate::session::Session;

/// The record of everything that was asked of the KMS
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Print records, oldest first; with --json one on each line
    Show(Show),
    /// Check that no record is missing, altered or out of place
    Verify,
}

#[derive(clap::Args)]
pub(crate) struct Show {
    /// Only records after this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Records that are read at a time.
const PAGE: usize = 512;

pub(crate) fn run(session: &Session, command: &Command) -> Result<()> {
    match command {
        Command::Show(args) => show(session, args),
        Command::Verify => verify(session),
    }
}

fn show(session: &Session, args: &Show) -> Result<()> {
    let engine = session.kms()?.engine();
    let (mut after, mut left) = (args.after, args.limit.unwrap_or(usize::MAX));
    while left > 0 {
        let records = engine.audit_records(after, left.min(PAGE))?;
        let Some(last) = records.last() else { break };
        (after, left) = (last.seq, left - records.len().min(left));
        for record in &records {
            session.console.answer(record, line(record))?;
        }
    }
    Ok(())
}

fn line(record: &AuditRecord) -> String {
    let mut line = format!(
        "{:>6}  {}  {:<32}  {}",
        record.seq,
        Timestamp::from_millis(record.time),
        record.operation,
        record.result
    );
    for resource in &record.trail.resources {
        // Writing to a String cannot fail.
        let _ = write!(line, "  {resource}");
    }
    line
}

fn verify(session: &Session) -> Result<()> {
    let report = session.kms()?.engine().verify_audit()?;
    let head = report.head.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    let mut text = if report.is_sound() {
        format!("{} records, none missing, altered or out of place\nhead {head}", report.records)
    } else {
        format!("{} records; something is wrong:", report.records)
    };
    for problem in &problems {
        let _ = write!(text, "\n{problem}");
    }
    let answer = json!({
        "sound": report.is_sound(),
        "records": report.records,
        "last": report.last,
        "head": head,
        "problems": problems,
    });
    session.console.answer(&answer, text)?;
    if report.is_sound() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::AuthenticationFailed, "the audit chain is not what was written"))
}
