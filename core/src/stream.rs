//! The body of an envelope as push machines: bytes in, bytes out, buffers owned by the caller.
//!
//! [`Sealer`] and [`Opener`] take input split in any way, [`RangeOpener`] opens any part of a
//! body, [`io`] wraps them for `std::io`. All of them hand the work out as segments
//! ([`segment`]), which other threads or the host's own AEAD can process.

pub mod host;
pub mod io;
pub mod open;
pub mod range;
pub mod seal;
pub mod segment;

pub use host::{HostOpened, HostOpener, HostRanges, HostSealed, HostSealer, SegmentCipher};
pub use open::{Demands, HeaderReader, Opener, Unlocked};
pub use range::{Layout, RangeOpener, RangePlan};
pub use seal::Sealer;
pub(crate) use seal::body_len_in_memory;
pub use segment::{HostKey, MessageKeyDeriver, SegmentDigest, SegmentIndex, SegmentWork, Threads};

/// Plaintext bytes in every segment but the last, which is always shorter
/// (docs/spec/envelope.md, clause 6.1).
pub const SEGMENT_LEN: usize = 16_384;
/// Bytes of a full segment with its tag.
pub const SEALED_SEGMENT_LEN: usize = SEGMENT_LEN + TAG_LEN;
/// Salt and commitment before the first segment.
pub const PREFIX_LEN: usize = SALT_LEN + COMMITMENT_LEN;
/// Random bytes that make every message's key its own (clause 2.2).
pub const SALT_LEN: usize = 24;
/// Bytes that prove that one key only opens the message (clause 11.3).
pub const COMMITMENT_LEN: usize = 32;
/// The longest plaintext in bytes: 2^38 segments, the last one short (clause 5.3.3).
pub const MAX_PLAINTEXT_LEN: u64 = (1 << 38) * SEGMENT_LEN as u64 - 1;

use crate::crypto::aead::TAG_LEN;
