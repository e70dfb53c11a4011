//! How long the parts of a body are, for the buffers of a language.

use keyfold::stream::{PREFIX_LEN, SEALED_SEGMENT_LEN, SEGMENT_LEN};

/// Lengths in bytes.
#[derive(Clone, Copy, Debug, uniffi::Record)]
pub struct StreamSizes {
    /// The plaintext of a whole segment.
    pub segment: u32,
    /// The same, sealed.
    pub sealed_segment: u32,
    /// What a body begins with, before its first segment.
    pub prefix: u32,
}

/// The lengths of this format.
#[uniffi::export]
pub fn stream_sizes() -> StreamSizes {
    let small = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    StreamSizes {
        segment: small(SEGMENT_LEN),
        sealed_segment: small(SEALED_SEGMENT_LEN),
        prefix: small(PREFIX_LEN),
    }
}
