//! Bad input and faults: each gets its exit code and its error code, and nothing is lost.
#![cfg(unix)]

mod files;
mod hostile;
mod memory;
mod signals;
mod stage;
mod stores;
mod terminals;
