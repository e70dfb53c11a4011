//! The loops that seal and open: batch by batch, through buffers that are made once.

use std::io::{self, Read, Write};

use keyfold::stream::{PREFIX_LEN, SEALED_SEGMENT_LEN, SEGMENT_LEN};
use keyfold::{Opener, PendingSignature, Result, Sealer, Threads};
use zeroize::Zeroizing;

/// Shorter files are done before threads have started, in bytes.
const WORTH_THREADS: u64 = 4 << 20;

/// Segments in one batch of one thread: 512 KiB of plaintext, which stay in the cache of a core
/// from the read to the write. Measured: 1 MiB is 8 percent slower.
const BATCH: usize = 32;

/// Segments in one batch for each of several threads: as few as are worth waking one for.
const SHARE: usize = 64;

/// On how many threads a file is worked on, and how much of it at a time.
pub struct Pace {
    /// The threads, for [`Sealer::with_threads`] and [`Opener::with_threads`].
    pub threads: Threads,
    /// How many segments to hand them at a time, which bounds the memory in use.
    pub batch: usize,
}

impl Pace {
    /// Starts so many threads, unless a file of this length is done before.
    ///
    /// # Errors
    /// Those of [`Threads::new`].
    pub fn new(threads: usize, len: Option<u64>) -> Result<Self> {
        if threads == 1 || len.is_some_and(|len| len < WORTH_THREADS) {
            return Ok(Pace { threads: Threads::default(), batch: BATCH });
        }
        Ok(Pace { threads: Threads::new(threads)?, batch: SHARE * threads })
    }
}

/// What is told after each batch: how many bytes of input that was. An error ends the work.
pub type Done<'a> = &'a mut dyn FnMut(usize) -> Result<()>;

/// Seals all of `input`, `batch` segments at a time, to the body that `output` gets; answers how
/// many bytes that were, and what remains to be signed. The header is the caller's to write.
///
/// # Errors
/// What reading and writing says, and those of [`Sealer::update_into`].
pub fn seal(
    mut sealer: Sealer,
    batch: usize,
    input: &mut impl Read,
    output: &mut impl Write,
    done: Done<'_>,
) -> Result<(u64, Option<PendingSignature>)> {
    let mut total = 0;
    let mut plaintext = Zeroizing::new(vec![0; batch * SEGMENT_LEN]);
    let mut sealed = vec![0; sealer.update_len(plaintext.len())];
    loop {
        let len = read_full(input, &mut plaintext)?;
        let written = sealer.update_into(&plaintext[..len], &mut sealed)?;
        output.write_all(&sealed[..written])?;
        total += len as u64;
        done(len)?;
        if len < plaintext.len() {
            break;
        }
    }
    let (written, pending) = sealer.finish_into(&mut sealed)?;
    output.write_all(&sealed[..written])?;
    Ok((total, pending))
}

/// Opens the body that consists of `start` and of what `input` still has. Plaintext goes out
/// `batch` segments at a time; what fits in one goes out only when the end is proven. Answers
/// its length.
///
/// # Errors
/// What reading and writing says, and those of [`Opener::update_into`] and
/// [`Opener::finish_into`]; what went out before is then worth nothing.
pub fn open(
    mut opener: Opener,
    batch: usize,
    mut start: &[u8],
    input: &mut impl Read,
    output: &mut impl Write,
    done: Done<'_>,
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
        done(len)?;
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

/// Fills the buffer, through short reads and interruptions; less comes only at the end.
///
/// # Errors
/// What reading says.
pub fn read_full(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match source.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, interrupted before each.
    struct Stubborn(u8, bool);

    impl Read for Stubborn {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if self.0 == 0 {
                return Ok(0);
            }
            self.0 -= 1;
            buffer[0] = self.0;
            Ok(1)
        }
    }

    #[test]
    fn short_and_interrupted_reads_fill_a_buffer() {
        let mut source = Stubborn(5, false);
        let mut buffer = [9; 3];
        assert_eq!(read_full(&mut source, &mut buffer).expect("reads"), 3);
        assert_eq!(buffer, [4, 3, 2]);
        assert_eq!(read_full(&mut source, &mut buffer).expect("reads"), 2);
        assert_eq!(&buffer[..2], [1, 0]);
    }
}
