//! How far a command is, shown on a terminal only.

use std::io::{IsTerminal, stderr, stdout};

use indicatif::{ProgressBar, ProgressStyle};

use crate::console::Console;
use crate::output::Output;

/// Shorter files are done before anybody has looked, in bytes.
const WORTH_SHOWING: u64 = 4 << 20;

/// The same in files.
const MANY_FILES: usize = 50;

/// A bar with rate and time left on standard error, or nothing.
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Starts a bar beside an output, unless that is a terminal itself.
    pub(crate) fn beside(output: &Output, console: Console, total: Option<u64>) -> Self {
        if output.is_stdout() && stdout().is_terminal() {
            return Progress(None);
        }
        Progress::new(console, total)
    }

    /// Starts a bar for so many bytes, or one without an end.
    pub(crate) fn new(console: Console, total: Option<u64>) -> Self {
        let soon_done = total.is_some_and(|total| total < WORTH_SHOWING);
        if console.json || soon_done || !stderr().is_terminal() {
            return Progress(None);
        }
        let template = match total {
            Some(_) => {
                "{wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}"
            }
            None => "{spinner} {binary_bytes} {binary_bytes_per_sec}",
        };
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress(Some(bar))
    }

    /// Starts a bar for so many files.
    pub(crate) fn files(console: Console, total: usize) -> Self {
        if console.json || total < MANY_FILES || !stderr().is_terminal() {
            return Progress(None);
        }
        let bar = ProgressBar::new(total as u64);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} files {eta}") {
            bar.set_style(style);
        }
        Progress(Some(bar))
    }

    /// So many bytes, or files, more are done.
    pub(crate) fn add(&self, bytes: usize) {
        if let Some(bar) = &self.0 {
            bar.inc(bytes as u64);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
