//! `keyfold backup`.

use std::path::PathBuf;

use keyfold_kms::clock::{Clock, SystemClock};
use keyfold_kms::store::SqliteStore;
use keyfold_kms::transfer::back_up;
use serde_json::json;

use crate::database::Database;
use crate::envelope::shown;
use crate::fault::{self, Result};
use crate::interrupt::Unfinished;
use crate::output::{Content, Options, Output};
use crate::session::Session;

/// Write a backup of the whole KMS to a file, while it is in use
///
/// The file holds what the database holds at one moment: nothing in it can be used without the
/// root key, whose secret is not in it. keyfold restore puts it back.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    session.local()?;
    let (database, store) = session.home.open_store()?;
    let options =
        Options { force: args.force, content: Content::Binary, like: None, private: true };
    let output = Output::create(&args.file, options)?;
    let part = output.part().ok_or_else(|| fault::invalid("a backup goes to a file"))?.to_owned();
    let companions = ["-wal", "-shm", "-journal"].map(|end| {
        let mut name = part.clone().into_os_string();
        name.push(end);
        Unfinished::new(name.as_ref())
    });
    let file = Database::File(args.file.clone());
    let written = SqliteStore::create(&part).map_err(|error| file.fault(error))?;
    let backup = back_up(&*store, &written, SystemClock.now())
        .map_err(|error| fault::at(&database, &error.into()))?;
    written.into_file().map_err(|error| file.fault(error))?;
    drop(companions);
    output.commit()?;
    let answer = json!({
        "file": shown(&args.file),
        "backup_id": backup.id.to_string(),
        "created": backup.created.to_string(),
        "store_id": backup.store_id.to_string(),
        "records": backup.records,
    });
    let text = format!("backed up {} records to {}", backup.records, args.file.display());
    session.console.answer(&answer, text)
}
