//! Work that is due by time.
