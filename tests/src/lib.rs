//! What the tests across crates share. Nothing here is published.
#![forbid(unsafe_code)]

pub mod fuzz;
