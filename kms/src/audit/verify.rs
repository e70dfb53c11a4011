//! What the walk over an audit chain finds.

use std::fmt;

use super::chain::{Head, NO_HASH, Run, runs_after};
use crate::error::Result;
use crate::hierarchy::StoreKeys;
use crate::store::Txn;

/// What is wrong with an audit chain.
///
/// ```
/// use keyfold_kms::audit::AuditProblem;
///
/// let problem = AuditProblem::Removed { from: 7, to: 9 };
/// assert_eq!(problem.to_string(), "records 7 to 9 are missing");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditProblem {
    /// Records are missing from the middle, or from the beginning.
    Removed {
        /// The first missing number.
        from: u64,
        /// The last missing number.
        to: u64,
    },
    /// A record is not what was written.
    Altered {
        /// Its number; of records that were committed together, that of the last.
        seq: u64,
    },
    /// A record stands in the place of another.
    Reordered {
        /// The number of the place.
        seq: u64,
        /// The number that the record says.
        found: u64,
    },
    /// A record does not follow from the one before it: one of them is of another history.
    Unlinked {
        /// Its number.
        seq: u64,
    },
    /// The end is missing.
    Truncated {
        /// The last number that is there.
        last: u64,
        /// The last number that was written.
        expected: u64,
    },
    /// There are records beyond the end.
    Appended {
        /// The last number that was written.
        expected: u64,
        /// The last number that is there.
        last: u64,
    },
    /// The record of the chain's end is missing or altered.
    Head,
}

impl fmt::Display for AuditProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditProblem::Removed { from, to } if from == to => {
                write!(f, "record {from} is missing")
            }
            AuditProblem::Removed { from, to } => write!(f, "records {from} to {to} are missing"),
            AuditProblem::Altered { seq } => write!(f, "record {seq} was altered"),
            AuditProblem::Reordered { seq, found } => {
                write!(f, "record {found} stands in the place of record {seq}")
            }
            AuditProblem::Unlinked { seq } => {
                write!(f, "record {seq} does not follow from the one before it")
            }
            AuditProblem::Truncated { last, expected } => {
                write!(f, "the chain ends at record {last}, but record {expected} was written")
            }
            AuditProblem::Appended { expected, last } => {
                write!(f, "records after {expected} up to {last} were added")
            }
            AuditProblem::Head => {
                f.write_str("the record of the chain's end is missing or altered")
            }
        }
    }
}

/// What [`crate::Engine::verify_audit`] found.
///
/// ```
/// # use keyfold_kms::types::CreateKeyRequest;
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// let kept = engine.verify_audit()?; // keep `last` and `head` on another machine
/// engine.call(&owner, &CreateKeyRequest::default())?;
///
/// // A store that was set back to an older copy is sound, but ends before what was kept.
/// let now = engine.verify_audit()?;
/// assert!(now.is_sound() && now.last >= kept.last);
/// assert_ne!(now.head, kept.head);
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// How many records there are.
    pub records: u64,
    /// The number of the last one, as the chain's end has it.
    pub last: u64,
    /// The hash of the last one: keep it elsewhere to recognise a store that was set back.
    pub head: [u8; 32],
    /// Everything that is wrong, at most 1000 entries; nothing in a sound chain.
    pub problems: Vec<AuditProblem>,
}

impl AuditReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    const MAX_PROBLEMS: usize = 1000;

    fn add(&mut self, problem: AuditProblem) {
        if self.problems.len() < Self::MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Walks the chain from its first record to its last.
pub(crate) fn verify(txn: &mut dyn Txn, keys: &StoreKeys) -> Result<AuditReport> {
    let head = Head::read(txn, keys)?;
    let mut report = AuditReport { records: 0, last: 0, head: NO_HASH, problems: vec![] };
    // The last record walked over, and the hash of its run where that is known to be right.
    let (mut last, mut previous) = (0u64, Some(NO_HASH));
    loop {
        let rows = runs_after(txn, last)?;
        if rows.is_empty() {
            break;
        }
        for (seq, bytes) in rows {
            let run = Run::decode(&bytes).filter(|run| run.first > last && run.first <= seq);
            // Where the row itself does not say it, its records are all that were not seen yet.
            let first = run.as_ref().map_or(last + 1, |run| run.first);
            if first > last + 1 {
                report.add(AuditProblem::Removed { from: last + 1, to: first - 1 });
                previous = None;
            }
            report.records += seq - first + 1;
            previous = check_run(&mut report, keys, seq, &bytes, previous);
            last = seq;
        }
    }
    match head {
        Some(head) => {
            report.last = head.seq;
            report.head = head.hash;
            if last < head.seq {
                report.add(AuditProblem::Truncated { last, expected: head.seq });
            } else if last > head.seq {
                report.add(AuditProblem::Appended { expected: head.seq, last });
            } else if previous.is_some_and(|hash| hash != head.hash) {
                report.add(AuditProblem::Unlinked { seq: last });
            }
        }
        None => report.add(AuditProblem::Head),
    }
    Ok(report)
}

/// Checks the run that ends with a record; answers its hash where it is authentic.
fn check_run(
    report: &mut AuditReport,
    keys: &StoreKeys,
    seq: u64,
    bytes: &[u8],
    previous: Option<[u8; 32]>,
) -> Option<[u8; 32]> {
    let authentic = Run::decode(bytes).filter(|run| run.is_authentic(keys));
    let Some(run) = authentic.filter(|run| run.records().is_some()) else {
        report.add(AuditProblem::Altered { seq });
        return None;
    };
    if run.last != seq {
        report.add(AuditProblem::Reordered { seq, found: run.last });
        return None;
    }
    if previous.is_some_and(|previous| previous != *run.previous) {
        report.add(AuditProblem::Unlinked { seq });
    }
    Some(*run.hash)
}
