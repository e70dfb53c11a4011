//! `keyfold store`.

use std::ffi::OsString;

use keyfold::{Error, ErrorCode};
use keyfold_kms::transfer::{check_source, copy};
use serde_json::{Value, json};

use crate::database::Database;
use crate::fault::{self, Result};
use crate::session::Session;

/// The database of the KMS
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Copy everything into an empty database, and compare it
    ///
    /// The KMS must not be used meanwhile, and the old database not afterwards: both have the same
    /// keys, and would give out the same numbers to other versions.
    Copy(Copy),
}

#[derive(clap::Args)]
pub(crate) struct Copy {
    /// The database to copy to: a file, or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL|FILE")]
    to: OsString,
    /// Start anew over what an interrupted copy left
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(session: &Session, command: &Command) -> Result<()> {
    session.local()?;
    let Command::Copy(args) = command;
    let (database, source) = session.home.open_store()?;
    // Before anything is made.
    check_source(&*source).map_err(|error| fault::at(&database, &error.into()))?;
    let target = Database::parse(&args.to)?;
    let store = target.make().map_err(|error| target.fault(error))?;
    let records =
        copy(&*source, &*store, args.force).map_err(|error| fault::at(&target, &error.into()))?;
    drop((source, store));
    let (audit, proven) = proof(session, &target)?;
    let answer = json!({
        "from": database.to_string(),
        "to": target.to_string(),
        "records": records,
        "audit": audit,
    });
    session.console.answer(&answer, format!("copied {records} records to {target}\n{proven}"))
}

/// Opens a database that was just written and walks its audit chain, if the root key is at hand.
///
/// # Errors
/// Where the chain is not what was written.
pub(super) fn proof(session: &Session, database: &Database) -> Result<(Value, String)> {
    let kms = match session.home.open_at(database) {
        Ok(kms) => kms,
        Err(error) if error.code() == ErrorCode::KmsDenied => {
            let text = format!("not opened: {}", error.detail());
            return Ok((Value::Null, text));
        }
        Err(error) => return Err(error),
    };
    let report = kms.engine().verify_audit()?;
    if !report.is_sound() {
        let detail = format!("{database}: the audit chain is not what was written");
        return Err(Error::new(ErrorCode::AuthenticationFailed, detail));
    }
    let answer = json!({ "sound": true, "records": report.records, "last": report.last });
    Ok((answer, format!("{} audit records, none missing, altered or out of place", report.records)))
}
