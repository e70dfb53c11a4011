//! The suites, a file each.

pub(crate) mod cli;
pub(crate) mod core;
pub(crate) mod plain_loop;
