//! The library against the bare ciphers.

mod aead;

use anyhow::Result;

use crate::harness::{Effort, Subject, in_turns};
use crate::report::Row;

pub(crate) fn measure(quick: bool) -> Result<Vec<Row>> {
    let effort = Effort::new(quick);
    let mut rows = Vec::new();
    for size in [1 << 20, 64 << 20] {
        rows.extend(aead::encrypt(size, effort)?);
        rows.extend(aead::decrypt(size, effort)?);
    }
    Ok(rows)
}

/// What the subjects of one comparison have in common.
struct Comparison<'a> {
    case: &'a str,
    direction: &'static str,
    size: usize,
    /// The name of the subject that the others are compared with.
    ratio_to: &'a str,
}

impl Comparison<'_> {
    /// Measures; rows in MB/s.
    fn throughput(&self, subjects: &mut [Subject<'_>], effort: Effort) -> Vec<Row> {
        // Exact below 2^53 bytes.
        #[allow(clippy::cast_precision_loss)]
        let mega = self.size as f64 / 1e6;
        self.rows(subjects, effort, "throughput", "MB/s", |seconds| mega / seconds)
    }

    fn rows(
        &self,
        subjects: &mut [Subject<'_>],
        effort: Effort,
        metric: &'static str,
        unit: &'static str,
        value: impl Fn(f64) -> f64,
    ) -> Vec<Row> {
        let seconds = in_turns(subjects, effort);
        let timed = || subjects.iter().zip(&seconds);
        let reference = timed().find(|(subject, _)| subject.name == self.ratio_to);
        timed()
            .map(|(subject, own)| {
                let ratio = reference
                    .filter(|(reference, _)| reference.name != subject.name)
                    .map(|(_, seconds)| seconds / own);
                Row {
                    case: self.case.to_owned(),
                    subject: subject.name.clone(),
                    size: self.size as u64,
                    threads: subject.threads,
                    direction: self.direction,
                    metric,
                    value: value(*own),
                    unit,
                    ratio,
                    ratio_to: ratio.map(|_| self.ratio_to.to_owned()),
                }
            })
            .collect()
    }
}
