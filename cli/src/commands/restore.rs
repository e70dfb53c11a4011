//! `keyfold restore`.

use std::ffi::OsString;
use std::path::PathBuf;

use keyfold_kms::clock::{Clock, SystemClock};
use keyfold_kms::store::SqliteStore;
use keyfold_kms::transfer::Backup;
use serde_json::json;

use super::store::proof;
use crate::database::Database;
use crate::fault::{self, Result};
use crate::session::Session;

/// Put a backup into an empty database
///
/// What was done after the backup is undone: keys that were disabled or deleted since and grants
/// that were revoked since are there again, and what was encrypted under versions made since does
/// not decrypt. The audit chain goes on from the backup, with a record of the restore.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The database to put it into, instead of the KMS's own: a file, or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL|FILE")]
    to: Option<OsString>,
    /// Start anew over what an interrupted restore left
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    session.local()?;
    let file = Database::File(args.file.clone());
    let source = SqliteStore::open_read_only(&args.file).map_err(|error| file.fault(error))?;
    // Before anything is made.
    let backup = Backup::check(&source).map_err(|error| fault::at(&file, &error.into()))?;
    let target = if let Some(name) = &args.to {
        Database::parse(name)?
    } else {
        session.home.make_folder()?;
        session.home.database()?
    };
    let store = target.make().map_err(|error| target.fault(error))?;
    backup
        .restore(&*store, args.force, SystemClock.now())
        .map_err(|error| fault::at(&target, &error.into()))?;
    drop(store);
    let info = backup.info();
    let (audit, proven) = proof(session, &target)?;
    let answer = json!({
        "database": target.to_string(),
        "backup_id": info.id.to_string(),
        "created": info.created.to_string(),
        "store_id": info.store_id.to_string(),
        "records": info.records,
        "audit": audit,
    });
    let text = format!(
        "restored {} records, backed up at {}, to {target}\n{proven}",
        info.records, info.created
    );
    session.console.answer(&answer, text)
}
