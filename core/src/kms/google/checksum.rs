//! CRC32C, by which Google's services and their callers find what was damaged on the way.

use crc::{CRC_32_ISCSI, Crc, NoTable};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorCode, Result};
use crate::kms::cloud::not_understood;
use crate::kms::json::Object;
use crate::kms::wire::Members;

/// Without a table: what is checked is short, and a page loads every byte of one.
const CRC32C: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISCSI);

/// Adds bytes and their checksum, which is `NAMECrc32c` and a number in text.
pub(super) fn put(members: &mut Members, name: &str, bytes: &[u8]) {
    members.bytes(name, bytes);
    put_sum(members, name, bytes);
}

/// Adds the checksum of bytes that stand in the request already.
pub(super) fn put_sum(members: &mut Members, name: &str, bytes: &[u8]) {
    let sum = Zeroizing::new(CRC32C.checksum(bytes).to_string());
    members.text(&format!("{name}Crc32c"), &sum);
}

/// The service says that what it was sent in `name` arrived as it was.
///
/// # Errors
/// `kms_unavailable` where it does not: a negative answer is left out.
pub(super) fn verified(answer: Object<'_>, name: &str) -> Result<()> {
    match answer.maybe_flag(name)? {
        Some(true) => Ok(()),
        _ => Err(damaged()),
    }
}

/// What stands in `name` of the answer is what the service sent.
///
/// # Errors
/// `kms_unavailable` where it is not; `kms_protocol` where there is no checksum.
pub(super) fn check(answer: Object<'_>, name: &str, bytes: &[u8]) -> Result<()> {
    let sum = answer.maybe_number(&format!("{name}Crc32c"))?.ok_or_else(not_understood)?;
    if sum == u64::from(CRC32C.checksum(bytes)) { Ok(()) } else { Err(damaged()) }
}

/// Bytes of an answer, undamaged.
pub(super) fn bytes(answer: Object<'_>, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Zeroizing::new(answer.bytes(name)?);
    check(answer, name, &bytes)?;
    Ok(std::mem::take(&mut bytes))
}

/// The same again may arrive whole.
fn damaged() -> Error {
    Error::new(ErrorCode::KmsUnavailable, "a request or its answer was damaged on the way")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_castagnolis() {
        assert_eq!(CRC32C.checksum(b"123456789"), 3_808_858_755);
        assert_eq!(CRC32C.checksum(b""), 0);
    }
}
