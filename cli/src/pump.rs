//! The loops that seal and open: batch by batch, through buffers that are made once.

use std::io::{Read, Write};

use keyfold::stream::{PREFIX_LEN, SEALED_SEGMENT_LEN, SEGMENT_LEN};
use keyfold::{Opener, PendingSignature, Sealer};
use zeroize::Zeroizing;

use crate::fault::Result;
use crate::input::read_full;
use crate::progress::Progress;

/// Seals all of `input`, `batch` segments at a time; answers how many bytes that were, and what remains to be signed.
pub(crate) fn seal(
    mut sealer: Sealer,
    batch: usize,
    input: &mut impl Read,
    output: &mut impl Write,
    progress: &Progress,
) -> Result<(u64, Option<PendingSignature>)> {
    let mut total = 0;
    let mut plaintext = Zeroizing::new(vec![0; batch * SEGMENT_LEN]);
    let mut sealed = vec![0; sealer.update_len(plaintext.len())];
    loop {
        let len = read_full(input, &mut plaintext)?;
        let written = sealer.update_into(&plaintext[..len], &mut sealed)?;
        output.write_all(&sealed[..written])?;
        progress.add(len);
        total += len as u64;
        if len < plaintext.len() {
            break;
        }
    }
    let (written, pending) = sealer.finish_into(&mut sealed)?;
    output.write_all(&sealed[..written])?;
    Ok((total, pending))
}

/// Opens the body that consists of `start` and of what `input` still has. Plaintext goes out
/// `batch` segments at a time; what fits in one goes out only when the end is proven. Answers its length.
pub(crate) fn open(
    mut opener: Opener,
    batch: usize,
    mut start: &[u8],
    input: &mut impl Read,
    output: &mut impl Write,
    progress: &Progress,
) -> Result<u64> {
    let mut total = 0;
    // The prefix fits in the first batch, so that the later ones begin with a segment.
    let mut sealed = vec![0; PREFIX_LEN + batch * SEALED_SEGMENT_LEN];
    let mut want = sealed.len();
    // Beside a batch: a segment that waited for what follows it, and the last, short one.
    let mut plaintext = Zeroizing::new(vec![0; (batch + 2) * SEGMENT_LEN]);
    loop {
        let mut source = start.by_ref().chain(input.by_ref());
        let len = read_full(&mut source, &mut sealed[..want])?;
        let mut written = opener.update_into(&sealed[..len], &mut plaintext)?;
        progress.add(len);
        if len < want {
            written += opener.finish_into(&mut plaintext[written..])?;
            output.write_all(&plaintext[..written])?;
            return Ok(total + written as u64);
        }
        output.write_all(&plaintext[..written])?;
        total += written as u64;
        want = batch * SEALED_SEGMENT_LEN;
    }
}
