//! Bounds-checked reading and writing of headers; cannot panic, allocates nothing.

use std::ops::RangeInclusive;

use super::Stop;
use crate::error::{Error, Result};

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    limit: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], limit: usize) -> Self {
        Reader { bytes, at: 0, limit }
    }

    /// What has been read so far.
    pub(super) fn consumed(&self) -> &'a [u8] {
        &self.bytes[..self.at]
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Stop> {
        let end = self.at + len;
        if end > self.limit {
            return Err(Error::limit("the header is longer than 64 KiB").into());
        }
        let taken = self.bytes.get(self.at..end).ok_or(Stop::Need(end))?;
        self.at = end;
        Ok(taken)
    }

    /// A foreign file is told from a cut one by its very first bytes.
    pub(super) fn magic(&mut self, magic: &[u8]) -> Result<(), Stop> {
        let seen = self.bytes.len().min(magic.len());
        if self.bytes[..seen] != magic[..seen] {
            return Err(Error::malformed("this is not a keyfold envelope").into());
        }
        if seen < magic.len() {
            // One byte at a time: were all asked for, a foreign one that ends the input would
            // be reported as a cut when it arrives in parts.
            return Err(Stop::Need(seen + 1));
        }
        self.take(magic.len()).map(drop)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Stop> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Stop> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A field with its u16 length, which must be within `len`.
    pub(super) fn bytes(
        &mut self,
        len: RangeInclusive<usize>,
        what: &str,
    ) -> Result<&'a [u8], Stop> {
        let got = usize::from(self.u16()?);
        if !len.contains(&got) {
            return Err(if got < *len.start() {
                Error::malformed(format!("{what} is empty")).into()
            } else {
                Error::limit(format!("{what} is longer than {} bytes", len.end())).into()
            });
        }
        self.take(got)
    }
}

/// Appends a field with its u16 length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8], max: usize) -> Result<()> {
    let len = u16::try_from(bytes.len()).ok().filter(|_| bytes.len() <= max);
    let len = len.ok_or_else(|| Error::limit(format!("a field is longer than {max} bytes")))?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}
