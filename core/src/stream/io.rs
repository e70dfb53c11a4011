//! Thin `std::io` adapters over the machines; no knowledge of the format.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use zeroize::Zeroizing;

use super::{
    HeaderReader, Opener, PREFIX_LEN, RangeOpener, SEALED_SEGMENT_LEN, SEGMENT_LEN, Sealer,
};
use crate::envelope::{Header, PendingSignature};
use crate::error::{Error, Result};

/// How much is read or sealed at a time: 64 segments, 1 MiB.
const BATCH: usize = 64;

/// A writer that seals what is written to it. Without [`finish`](SealWriter::finish) the
/// envelope is incomplete and does not open.
///
/// ```
/// # use keyfold::{Client, EncryptionContext, Keyring, SealOptions};
/// # use keyfold::stream::io::SealWriter;
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
/// # let context = EncryptionContext::from([("tenant", "acme")]);
/// let sealer = kf.sealer(&ring, &context, &SealOptions::default()).await?;
/// let mut writer = SealWriter::attached(sealer, Vec::new())?; // or a file
/// std::io::copy(&mut &b"hello"[..], &mut writer)?;
/// let (envelope, pending) = writer.finish()?;
/// assert!(pending.is_none()); // nobody signs
/// assert_eq!(kf.decrypt(&envelope, &ring, &context).await?, b"hello");
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
pub struct SealWriter<W: Write> {
    sealer: Sealer,
    sink: W,
    out: Vec<u8>,
}

impl<W: Write> SealWriter<W> {
    /// Writes header and body to `sink`.
    ///
    /// # Errors
    /// `io` where `sink` fails.
    pub fn attached(sealer: Sealer, mut sink: W) -> Result<Self> {
        sink.write_all(sealer.header())?;
        Ok(Self::detached(sealer, sink))
    }

    /// Writes the body alone to `sink`; the caller keeps [`Sealer::header`].
    pub fn detached(sealer: Sealer, sink: W) -> Self {
        SealWriter { sealer, sink, out: Vec::new() }
    }

    /// Writes the last segment. Where the envelope is signed, write the trailer that comes of
    /// the second value to the sink.
    ///
    /// # Errors
    /// `io` where the sink fails, or the error of an earlier write.
    pub fn finish(mut self) -> Result<(W, Option<PendingSignature>)> {
        self.out.clear();
        let pending = self.sealer.finish(&mut self.out)?;
        self.sink.write_all(&self.out)?;
        Ok((self.sink, pending))
    }
}

impl<W: Write> Write for SealWriter<W> {
    fn write(&mut self, plaintext: &[u8]) -> io::Result<usize> {
        // Bounded, so that one huge write does not need a buffer of its size.
        let plaintext = &plaintext[..plaintext.len().min(BATCH * SEGMENT_LEN)];
        let len = self.sealer.update_len(plaintext.len());
        if self.out.len() < len {
            self.out.resize(len, 0);
        }
        let written = self.sealer.update_into(plaintext, &mut self.out)?;
        self.sink.write_all(&self.out[..written])?;
        Ok(plaintext.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Reads the header at the start of `source`, never beyond it by more than what is answered:
/// the second value is the start of the body.
///
/// ```
/// # use keyfold::{Client, EncryptionContext, Keyring};
/// # use keyfold::stream::io::read_header;
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
/// # let context = EncryptionContext::from([("tenant", "acme")]);
/// # let sealed = kf.encrypt(b"hello world", &ring, &context).await?;
///
/// let mut source = std::io::Cursor::new(&sealed);
/// let (header, body_start) = read_header(&mut source)?;
/// assert_eq!(header.context(), &context);
/// assert!(sealed.ends_with(&body_start)); // read already, to be opened first
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// `truncated`, the structural codes, and `io`.
pub fn read_header(source: &mut impl Read) -> Result<(Header, Vec<u8>)> {
    let mut reader = HeaderReader::new();
    let mut buffer = [0; 4096];
    loop {
        let read = read_some(source, &mut buffer)?;
        if read == 0 {
            return Err(Error::truncated("the input ends inside the header"));
        }
        if let Some((header, used)) = reader.push(&buffer[..read])? {
            return Ok((header, buffer[used..read].to_vec()));
        }
    }
}

fn read_some(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A reader of the plaintext of a body. It authenticates every segment before its bytes come
/// out, but only its end, the final `Ok(0)`, proves that the message is whole and rightly
/// signed (docs/spec/envelope.md, clause 8.2.2). It fails with an [`Error`] inside the `io::Error`.
///
/// ```
/// # use keyfold::{Client, EncryptionContext, Keyring};
/// # use keyfold::stream::io::{OpenReader, read_header};
/// # use std::io::Read;
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
/// # let context = EncryptionContext::from([("tenant", "acme")]);
/// # let sealed = kf.encrypt(b"hello world", &ring, &context).await?;
///
/// let mut source = &sealed[..]; // or a file
/// let (header, start) = read_header(&mut source)?;
/// let opener = kf.unlock(&header, &ring, &context).await?.into_opener();
/// let mut plain = String::new();
/// OpenReader::new(opener, start, source).read_to_string(&mut plain)?;
/// assert_eq!(plain, "hello world");
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
pub struct OpenReader<R: Read> {
    source: R,
    // Taken by the end of the source.
    opener: Option<Opener>,
    sealed: Vec<u8>,
    ahead: Vec<u8>,
    plaintext: Zeroizing<Vec<u8>>,
    at: usize,
    failed: Option<Error>,
}

impl<R: Read> OpenReader<R> {
    /// Opens the body that consists of `start`, as [`read_header`] answers it, and of what
    /// `source` still has.
    pub fn new(opener: Opener, start: Vec<u8>, source: R) -> Self {
        OpenReader {
            source,
            opener: Some(opener),
            sealed: Vec::new(),
            ahead: start,
            plaintext: Zeroizing::default(),
            at: 0,
            failed: None,
        }
    }

    /// Opens the next batch; afterwards `plaintext` is empty only at the end.
    fn fill(&mut self) -> Result<()> {
        self.plaintext.clear();
        self.at = 0;
        while self.plaintext.is_empty() {
            let Some(opener) = &mut self.opener else { return Ok(()) };
            if !self.ahead.is_empty() {
                opener.update(&std::mem::take(&mut self.ahead), &mut self.plaintext)?;
                continue;
            }
            self.sealed.resize(BATCH * SEALED_SEGMENT_LEN, 0);
            let read = read_some(&mut self.source, &mut self.sealed)?;
            if read > 0 {
                opener.update(&self.sealed[..read], &mut self.plaintext)?;
            } else if let Some(opener) = self.opener.take() {
                opener.finish(&mut self.plaintext)?;
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for OpenReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        if out.is_empty() {
            return Ok(0);
        }
        if self.at == self.plaintext.len()
            && let Err(error) = self.fill()
        {
            self.failed = Some(error.clone());
            return Err(error.into());
        }
        let len = out.len().min(self.plaintext.len() - self.at);
        out[..len].copy_from_slice(&self.plaintext[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

/// Reads any part of the plaintext of an envelope in a seekable source, fetching only the
/// segments it needs. Also a `Read` and a `Seek` over the plaintext: each read opens the segments
/// it touches anew, so put a `BufReader` of a megabyte around it to read on in small pieces.
///
/// ```
/// # use keyfold::{Client, EncryptionContext, Header, Keyring};
/// # use keyfold::stream::io::RangeReader;
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
/// # let context = EncryptionContext::from([("tenant", "acme")]);
/// # let sealed = kf.encrypt(b"hello world", &ring, &context).await?;
///
/// let (header, header_len) = Header::parse(&sealed)?;
/// let unlocked = kf.unlock(&header, &ring, &context).await?;
/// let source = std::io::Cursor::new(sealed); // or a file
/// let mut reader = RangeReader::new(source, header_len as u64, |prefix, body_len| {
///     unlocked.into_ranges(prefix, body_len)
/// })?;
/// let mut part = Vec::new();
/// reader.read_range(6..11, &mut part)?;
/// assert_eq!(part, b"world");
/// // All of its only segment was fetched: 11 bytes and a tag, after the 56 bytes before segments.
/// let from = header_len as u64 + 56;
/// assert_eq!(reader.sealed_range(6..11)?, from..from + 11 + 16);
/// assert_eq!(reader.verify_length()?, 11); // a range alone does not prove it
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
pub struct RangeReader<S: Read + Seek> {
    source: S,
    body_start: u64,
    opener: RangeOpener,
    position: u64,
}

impl<S: Read + Seek> RangeReader<S> {
    /// Reads a body that starts `body_start` bytes into `source`.
    ///
    /// `open` gets the body's first bytes and its length and answers the opener, usually with
    /// [`Unlocked::into_ranges`](super::Unlocked::into_ranges).
    ///
    /// # Errors
    /// `truncated` where the source holds no whole body, `io`, and what `open` answers.
    pub fn new(
        mut source: S,
        body_start: u64,
        open: impl FnOnce(&[u8; PREFIX_LEN], u64) -> Result<RangeOpener>,
    ) -> Result<Self> {
        let truncated = || Error::truncated("the body ends before its first segment");
        let end = source.seek(SeekFrom::End(0))?;
        let body_len = end.checked_sub(body_start).ok_or_else(truncated)?;
        let mut prefix = [0; PREFIX_LEN];
        source.seek(SeekFrom::Start(body_start))?;
        read_exact(&mut source, &mut prefix)?;
        let opener = open(&prefix, body_len)?;
        Ok(RangeReader { source, body_start, opener, position: 0 })
    }

    /// Length of the plaintext as the source's length tells it; proven by
    /// [`verify_length`](RangeReader::verify_length).
    pub fn plaintext_len(&self) -> u64 {
        self.opener.layout().plaintext_len()
    }

    /// Proves that the envelope is neither cut nor extended, by opening its last segment (clause
    /// 6.4.4), and answers the length of the plaintext in bytes.
    ///
    /// # Errors
    /// `authentication_failed`, `truncated`, `io`.
    pub fn verify_length(&mut self) -> Result<u64> {
        let end = self.opener.layout().end();
        self.fetch(&end, &mut Vec::new())?;
        Ok(self.plaintext_len())
    }

    /// Which bytes of the source a range of the plaintext is read from, for a host that fetches
    /// them beforehand, many ranges at once.
    ///
    /// # Errors
    /// `invalid_argument` for a descending range.
    pub fn sealed_range(&self, range: Range<u64>) -> Result<Range<u64>> {
        let fetch = self.opener.layout().plan(range)?.fetch();
        Ok(self.body_start + fetch.start..self.body_start + fetch.end)
    }

    /// Appends the plaintext of a range to `out`: what lies past the end is left out, after
    /// the end has been proven.
    ///
    /// # Errors
    /// `authentication_failed`, `truncated`, `io`, `invalid_argument` for a descending range.
    pub fn read_range(&mut self, range: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        let plan = self.opener.layout().plan(range)?;
        self.fetch(&plan, out)
    }

    fn fetch(&mut self, plan: &super::RangePlan, out: &mut Vec<u8>) -> Result<()> {
        let fetch = plan.fetch();
        let len = usize::try_from(fetch.end - fetch.start)
            .map_err(|_| Error::limit("the range does not fit in memory"))?;
        let mut sealed = vec![0; len];
        self.source.seek(SeekFrom::Start(self.body_start + fetch.start))?;
        read_exact(&mut self.source, &mut sealed)?;
        self.opener.open(plan, &sealed, out)
    }
}

/// A source that ends early is a cut envelope, not a failed disk.
fn read_exact(source: &mut impl Read, out: &mut [u8]) -> Result<()> {
    source.read_exact(out).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::truncated("the source is shorter than it said"),
        _ => error.into(),
    })
}

impl<S: Read + Seek> Read for RangeReader<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // Up to the end of a segment a batch away, so that reading on needs no segment twice.
        let batch = (BATCH * SEGMENT_LEN) as u64;
        let end = (self.position + batch) / SEGMENT_LEN as u64 * SEGMENT_LEN as u64;
        let end = end.min(self.position.saturating_add(out.len() as u64));
        let mut plaintext = Zeroizing::new(Vec::new());
        self.read_range(self.position..end, &mut plaintext)?;
        out[..plaintext.len()].copy_from_slice(&plaintext);
        self.position += plaintext.len() as u64;
        Ok(plaintext.len())
    }
}

impl<S: Read + Seek> Seek for RangeReader<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            // A position counted from the end is only as good as the end.
            SeekFrom::End(offset) => self.verify_length()?.checked_add_signed(offset),
        };
        self.position = position
            .ok_or_else(|| Error::invalid("a position before the start of the plaintext"))?;
        Ok(self.position)
    }
}
