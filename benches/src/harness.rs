//! Measuring in turns.

use std::time::{Duration, Instant};

/// Something that is measured: a name and one call of it.
pub(crate) struct Subject<'a> {
    pub(crate) name: String,
    pub(crate) threads: usize,
    /// The subjects, on one thread, that this one's speed is divided by.
    pub(crate) compare: Vec<&'static str>,
    pub(crate) call: Box<dyn FnMut() + 'a>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(name: &str, call: impl FnMut() + 'a) -> Self {
        Subject { name: name.to_owned(), threads: 1, compare: Vec::new(), call: Box::new(call) }
    }

    pub(crate) fn threads(self, threads: usize) -> Self {
        Subject { threads, ..self }
    }

    pub(crate) fn compared_with(self, names: &[&'static str]) -> Self {
        Subject { compare: names.to_vec(), ..self }
    }
}

/// How long to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Samples of each subject.
    pub(crate) rounds: usize,
    /// What a sample lasts at least; one call may take longer.
    pub(crate) sample: Duration,
}

impl Effort {
    pub(crate) fn new(quick: bool) -> Self {
        if quick {
            Effort { rounds: 3, sample: Duration::from_millis(1) }
        } else {
            Effort { rounds: 21, sample: Duration::from_millis(20) }
        }
    }
}

/// The median seconds of one call of each subject. A round takes a sample of every subject, so
/// that whatever slows the machine for a while slows all of them.
pub(crate) fn in_turns(subjects: &mut [Subject<'_>], effort: Effort) -> Vec<f64> {
    let calls: Vec<u32> = subjects.iter_mut().map(|subject| calibrate(subject, effort)).collect();
    let mut samples = vec![Vec::with_capacity(effort.rounds); subjects.len()];
    for _ in 0..effort.rounds {
        for ((subject, &calls), samples) in subjects.iter_mut().zip(&calls).zip(&mut samples) {
            samples.push(sample(subject, calls) / f64::from(calls));
        }
    }
    samples.iter_mut().map(|samples| median(samples)).collect()
}

/// The middle value; 0 of nothing.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// How many calls make a sample. Doubling also warms caches and branch predictors up.
fn calibrate(subject: &mut Subject<'_>, effort: Effort) -> u32 {
    let mut calls = 1;
    while sample(subject, calls) < effort.sample.as_secs_f64() && calls < 1 << 24 {
        calls *= 2;
    }
    calls
}

fn sample(subject: &mut Subject<'_>, calls: u32) -> f64 {
    let begun = Instant::now();
    for _ in 0..calls {
        (subject.call)();
    }
    begun.elapsed().as_secs_f64()
}
