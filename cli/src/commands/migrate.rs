//! `keyfold migrate`: many envelopes from some keys to others.

mod journal;

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use keyfold::{Error, ErrorCode, Header, KeyUri, Keyring, Retry};
use keyfold_files::whole;
use pollster::block_on;
use serde_json::json;

use crate::commands::rewrap::wrapping;
use crate::envelope::shown;
use crate::fault::{self, Result};
use crate::names::{self, KeyName};
use crate::progress::Progress;
use crate::session::{Session, SessionClient};
use journal::{Journal, State};

/// Move all envelopes in a folder from some KMS keys to others, without touching their bodies
///
/// Each file is replaced at once and whole; recipients other than --from stay. A run that was
/// interrupted or killed goes on where it ended, and one over a folder that is done changes
/// nothing. Between two services the data keys pass through the memory of this process; within
/// one that can rewrap they do not.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// KMS key that can open the envelopes now, and no longer afterwards; may be repeated
    #[arg(long, value_name = "KEY", required = true, value_parser = names::key)]
    from: Vec<KeyName>,
    /// KMS key that can open them from then on; may be repeated
    #[arg(long, value_name = "KEY", required = true, value_parser = names::key)]
    to: Vec<KeyName>,
    /// The journal [default: .keyfold-migration in the folder]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// How many envelopes are under way at a time
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Change nothing; show which files would be moved
    #[arg(long)]
    dry_run: bool,
    /// The folder, with all folders in it; symbolic links are not followed
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// How the names of journals and of unfinished files begin.
const OWN: &str = ".keyfold-";
/// So many files in a row that fail are no accident of single files.
const MAX_FAILURES: usize = 16;

/// What became of a file.
enum Outcome {
    /// Its header is a new one; or would be, in a dry run.
    Moved,
    /// It has been moved before.
    Before,
    /// None of the keys is a recipient.
    Other,
    /// It is no envelope.
    NoEnvelope,
}

/// What became of all files.
#[derive(Default)]
struct Summary {
    moved: Vec<String>,
    before: usize,
    other: usize,
    no_envelope: usize,
    failed: Vec<(String, Error)>,
    /// Files that others have not finished, or have left behind.
    left: Vec<PathBuf>,
    /// Unfinished files of earlier runs of this migration, which are gone now.
    cleared: usize,
}

/// Everything that the threads share.
struct Migration<'a> {
    client: &'a SessionClient,
    from: &'a [KeyUri],
    to: &'a [KeyUri],
    journal: Option<Journal>,
    folder: &'a Path,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let (from, to) = (session.uris(&args.from)?, session.uris(&args.to)?);
    let client = session.client(from.iter().chain(&to))?;
    // Recipients carry full names, and those tell what is done.
    let resolve = |keys: Vec<KeyUri>| -> Result<Vec<KeyUri>> {
        keys.into_iter()
            .map(|key| match block_on(client.resolve(&key)) {
                // Who may wrap may not always ask for names.
                Err(error) if error.code() == ErrorCode::KmsDenied && !key.is_alias() => Ok(key),
                resolved => resolved,
            })
            .collect()
    };
    let (from, to) = (resolve(from)?, resolve(to)?);
    if let Some(key) = from.iter().find(|key| to.contains(key)) {
        return Err(fault::invalid(format!("{key} is named by --from and by --to")));
    }
    let mut summary = Summary::default();
    let files = walk(&args.folder, &mut summary)?;
    let usual = || args.folder.join(format!("{OWN}migration"));
    let path = args.journal.clone().unwrap_or_else(usual);
    let journal = if args.dry_run { None } else { Some(Journal::open(&path, &from, &to)?) };
    let migration =
        Migration { client: &client, from: &from, to: &to, journal, folder: &args.folder };
    if let Some(journal) = &migration.journal {
        clear(journal.mark(), &mut summary);
    }
    let progress = Progress::files(session.console, files.len());
    let stopped = migration.all(&files, args, &mut summary, &progress);
    drop(progress);
    report(session, args, files.len(), stopped, &summary)
}

/// Removes what killed runs of this migration have not finished. Nobody else writes it: the journal
/// is ours alone. What others have begun is left to them.
fn clear(mark: &str, summary: &mut Summary) {
    let ours = format!("{OWN}{}", unfinished(mark));
    summary.left.retain(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let gone =
            name.is_some_and(|name| name.starts_with(&ours)) && fs::remove_file(path).is_ok();
        summary.cleared += usize::from(gone);
        !gone
    });
}

/// What names of unfinished files begin with, behind `.keyfold-`.
fn unfinished(mark: &str) -> String {
    format!("migration-{mark}-")
}

/// All files of a folder, by name. A folder that cannot be read is a failure of its own.
fn walk(folder: &Path, summary: &mut Summary) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let failed = |error| fault::io("read", &folder, error);
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let entries = match entries.map_err(failed) {
            Ok(entries) => entries,
            Err(error) if files.is_empty() && folders.is_empty() => return Err(error),
            Err(error) => {
                summary.failed.push((shown(&folder), error));
                continue;
            }
        };
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && !name.starts_with(OWN) {
                files.push(entry.path());
            } else if kind.is_file() && name.ends_with(".part") {
                summary.left.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

impl Migration<'_> {
    /// Works on all files, several at a time. Whether it stopped before the end: where the KMS
    /// itself fails, more calls would do no good.
    fn all(
        &self,
        files: &[PathBuf],
        args: &Args,
        summary: &mut Summary,
        progress: &Progress,
    ) -> bool {
        let (next, in_row, stop) =
            (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        let shared = Mutex::new(summary);
        let work = || {
            while !stop.load(Ordering::Relaxed) {
                let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let outcome = self.one(path, args.dry_run);
                progress.add(1);
                if let Err(error) = &outcome {
                    let row = in_row.fetch_add(1, Ordering::Relaxed) + 1;
                    if concerns_all(error) || row >= MAX_FAILURES {
                        stop.store(true, Ordering::Relaxed);
                    }
                } else {
                    in_row.store(0, Ordering::Relaxed);
                }
                let mut summary = shared.lock().unwrap_or_else(PoisonError::into_inner);
                match outcome {
                    Ok(Outcome::Moved) => summary.moved.push(shown(path)),
                    Ok(Outcome::Before) => summary.before += 1,
                    Ok(Outcome::Other) => summary.other += 1,
                    Ok(Outcome::NoEnvelope) => summary.no_envelope += 1,
                    Err(error) => summary.failed.push((shown(path), error)),
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..args.jobs {
                scope.spawn(work);
            }
            work();
        });
        let summary = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        summary.moved.sort();
        summary.failed.sort_by(|a, b| a.0.cmp(&b.0));
        stop.into_inner()
    }

    fn one(&self, path: &Path, dry_run: bool) -> Result<Outcome> {
        // Names that are no text are not in the journal: their headers tell all the same.
        let name = path.strip_prefix(self.folder).unwrap_or(path).to_str();
        let state = || fs::metadata(path).ok().as_ref().and_then(State::of);
        if let (Some(journal), Some(name)) = (&self.journal, name)
            && state().is_some_and(|state| journal.has(name, state))
        {
            return Ok(Outcome::Before);
        }
        let (old, mut file) = match whole::header(path) {
            Ok(read) => read,
            Err(error) if !is_envelope(path) && error.code() != ErrorCode::Io => {
                return Ok(Outcome::NoEnvelope);
            }
            Err(error) => return Err(error),
        };
        let has = |key: &KeyUri| old.recipients().iter().any(|recipient| recipient.key == *key);
        let gone: Vec<KeyUri> = self.from.iter().filter(|key| has(key)).cloned().collect();
        let missing: Vec<KeyUri> = self.to.iter().filter(|key| !has(key)).cloned().collect();
        if gone.is_empty() {
            return Ok(if missing.is_empty() { Outcome::Before } else { Outcome::Other });
        }
        if !dry_run {
            let new = self.header(&old, &gone, &missing)?;
            let mark = self.journal.as_ref().map_or_else(String::new, |j| unfinished(j.mark()));
            whole::replace_header_marked(path, &mut file, &old, &new, &mark)?;
            if let (Some(journal), Some(name), Some(state)) = (&self.journal, name, state()) {
                journal.note(name, state)?;
            }
        }
        Ok(Outcome::Moved)
    }

    /// The header with these recipients gone, and with those that are missing.
    fn header(&self, old: &Header, gone: &[KeyUri], missing: &[KeyUri]) -> Result<Header> {
        let opening = Keyring::unwrap_with(gone.iter().cloned());
        let added = if missing.is_empty() {
            old.clone()
        } else {
            block_on(self.client.add_recipients(old, &opening, &wrapping(missing)?))?
        };
        block_on(self.client.remove_recipients(&added, gone))
    }
}

/// Whether a file begins as envelopes do: then it is a damaged one.
fn is_envelope(path: &Path) -> bool {
    use std::io::Read as _;
    let mut beginning = [0; keyfold::envelope::MAGIC.len()];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut beginning));
    read.is_ok() && beginning == keyfold::envelope::MAGIC
}

/// Whether an error is of the KMS, and not of one file.
fn concerns_all(error: &Error) -> bool {
    match error.code() {
        ErrorCode::KmsDenied | ErrorCode::KmsUnavailable | ErrorCode::KmsThrottled => true,
        ErrorCode::NoUsableKey => {
            let source = error.source().and_then(|source| source.downcast_ref::<Error>());
            matches!(error.retry(), Retry::Later(_)) || source.is_some_and(concerns_all)
        }
        _ => false,
    }
}

fn report(
    session: &Session,
    args: &Args,
    files: usize,
    stopped: bool,
    summary: &Summary,
) -> Result<()> {
    let Summary { moved, before, other, no_envelope, failed, left, cleared } = summary;
    let left = left.len();
    for (file, error) in failed {
        session.console.note(format!("{file}: {} ({})", fault::words(error), error.code()));
    }
    let failures: Vec<_> = failed
        .iter()
        .map(|(file, error)| {
            let (code, detail) = (error.code().as_str(), fault::words(error));
            json!({ "file": file, "code": code, "detail": detail })
        })
        .collect();
    let mut answer = json!({
        "folder": shown(&args.folder),
        "files": files,
        "moved": moved.len(),
        "before": before,
        "other_keys": other,
        "no_envelope": no_envelope,
        "failed": failures,
        "stopped": stopped,
        "unfinished_files": left,
        "cleared_files": cleared,
    });
    if args.dry_run {
        answer["would_move"] = json!(moved);
        answer["moved"] = 0.into();
    }
    let verb = if args.dry_run { "would move" } else { "moved" };
    let mut lines: Vec<String> = if args.dry_run {
        moved.iter().map(|file| format!("would move {file}")).collect()
    } else {
        Vec::new()
    };
    lines.push(format!(
        "{verb} {} of {files} files; {before} before, {other} under other keys, {no_envelope} no \
         envelopes, {} failed",
        moved.len(),
        failed.len(),
    ));
    if left > 0 {
        lines.push(format!(
            "{left} files {OWN}*.part are of other runs: delete them where these were killed"
        ));
    }
    session.console.answer(&answer, lines.join("\n"))?;
    let Some((_, first)) = failed.first() else { return Ok(()) };
    let first = failed.iter().find(|(_, error)| concerns_all(error)).map_or(first, |(_, e)| e);
    let rest = if stopped { "; the rest was left for the next run" } else { "" };
    let detail = format!("{} files could not be moved{rest}", failed.len());
    Err(Error::new(first.code(), detail).with_retry(first.retry()))
}
