//! The library against the bare ciphers.

mod aead;
mod message;
mod signature;

use anyhow::Result;
use keyfold::Suite;

use crate::harness::{Effort, Subject, in_turns};
use crate::report::Row;

pub(crate) fn measure(quick: bool) -> Result<Vec<Row>> {
    let effort = Effort::new(quick);
    let mut rows = Vec::new();
    for size in [1 << 20, 64 << 20] {
        rows.extend(aead::encrypt(size, effort)?);
        rows.extend(aead::decrypt(size, effort)?);
        rows.extend(aead::in_place(size, effort)?);
    }
    rows.extend(message::messages(1 << 10, effort)?);
    rows.extend(signature::signatures(effort)?);
    Ok(rows)
}

/// Whole messages under AES-256-GCM, for the suites of the bindings.
pub(crate) fn messages(size: usize, quick: bool) -> Result<Vec<Row>> {
    message::of_suite(Suite::Aes256Gcm, size, Effort::new(quick))
}

/// What the subjects of one comparison have in common.
struct Comparison<'a> {
    case: &'a str,
    direction: &'static str,
    size: usize,
}

impl Comparison<'_> {
    /// Measures; rows in MB/s.
    fn throughput(&self, subjects: &mut [Subject<'_>], effort: Effort) -> Vec<Row> {
        // Exact below 2^53 bytes.
        #[allow(clippy::cast_precision_loss)]
        let mega = self.size as f64 / 1e6;
        self.rows(subjects, effort, ("throughput", "MB/s"), |seconds| mega / seconds)
    }

    /// Measures; rows in microseconds.
    fn latency(&self, subjects: &mut [Subject<'_>], effort: Effort) -> Vec<Row> {
        self.rows(subjects, effort, ("latency", "us"), |seconds| seconds * 1e6)
    }

    fn rows(
        &self,
        subjects: &mut [Subject<'_>],
        effort: Effort,
        (metric, unit): (&'static str, &'static str),
        value: impl Fn(f64) -> f64,
    ) -> Vec<Row> {
        let seconds = in_turns(subjects, effort);
        let single = |name: &str| {
            let found = subjects.iter().position(|other| other.threads == 1 && other.name == name);
            seconds[found.expect("a subject is compared with one of its comparison")]
        };
        let mut rows = Vec::new();
        for (subject, own) in subjects.iter().zip(&seconds) {
            let row = |ratio_to: Option<&str>| Row {
                case: self.case.to_owned(),
                subject: subject.name.clone(),
                size: self.size as u64,
                threads: subject.threads,
                direction: self.direction,
                metric,
                value: value(*own),
                unit,
                ratio: ratio_to.map(|name| single(name) / own),
                ratio_to: ratio_to.map(str::to_owned),
            };
            if subject.compare.is_empty() {
                rows.push(row(None));
            }
            rows.extend(subject.compare.iter().map(|name| row(Some(name))));
        }
        rows
    }
}
