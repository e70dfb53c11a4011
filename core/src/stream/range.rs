//! Reading parts of a body: pure arithmetic, and the opener of what it asks for
//! (docs/spec/envelope.md, clause 6.4).

use std::ops::Range;

use super::segment::{MessageKey, OpenItem, SegmentIndex, Threads, open_items};
use super::{MAX_PLAINTEXT_LEN, PREFIX_LEN, SEALED_SEGMENT_LEN, SEGMENT_LEN};
use crate::crypto::aead::TAG_LEN;
use crate::error::{Error, Result};

/// Where segments lie in a body of a given length. The length is what a file system or a server
/// says; reading [`Layout::end`] proves it.
///
/// ```
/// use keyfold::{ErrorCode, Layout};
///
/// let layout = Layout::new(56 + 40_000 + 3 * 16, 0)?;
/// assert_eq!(layout.plaintext_len(), 40_000);
/// // A body that ends after a full segment lacks its last one (clause 6.2.1).
/// assert_eq!(Layout::new(56 + 16_400, 0).unwrap_err().code(), ErrorCode::Truncated);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    plaintext_len: u64,
}

impl Layout {
    /// The layout of a body of `body_len` bytes, its signature of `trailer_len` included.
    ///
    /// # Errors
    /// `truncated` where no whole body has this length, `limit_exceeded` above 2^38 segments.
    pub fn new(body_len: u64, trailer_len: usize) -> Result<Self> {
        let truncated = || Error::truncated("no whole body has this length");
        let segments_len =
            body_len.checked_sub(PREFIX_LEN as u64 + trailer_len as u64).ok_or_else(truncated)?;
        let full = segments_len / SEALED_SEGMENT_LEN as u64;
        let last = segments_len % SEALED_SEGMENT_LEN as u64;
        let last = last.checked_sub(TAG_LEN as u64).ok_or_else(truncated)?;
        SegmentIndex::new(full)?;
        Ok(Layout { plaintext_len: full * SEGMENT_LEN as u64 + last })
    }

    /// Length of the plaintext in bytes.
    pub fn plaintext_len(&self) -> u64 {
        self.plaintext_len
    }

    /// What to fetch for a range of the plaintext. A range that reaches past the end yields what
    /// there is, and then its plan includes the last segment, which proves that end (clause 6.4.4).
    ///
    /// ```
    /// # use keyfold::Layout;
    /// let layout = Layout::new(56 + 40_000 + 3 * 16, 0)?;
    /// let plan = layout.plan(20_000..20_100)?;
    /// assert_eq!(plan.fetch(), 16_456..32_856); // the second segment
    /// assert_eq!((plan.skip(), plan.len()), (20_000 - 16_384, 100));
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` where the range ends before it starts.
    pub fn plan(&self, range: Range<u64>) -> Result<RangePlan> {
        if range.end < range.start {
            return Err(Error::invalid("the range ends before it starts"));
        }
        let segment = SEGMENT_LEN as u64;
        let last = self.plaintext_len / segment;
        let start = range.start.min(self.plaintext_len);
        let end = range.end.min(self.plaintext_len);
        let first = start / segment;
        let past_end = range.end > self.plaintext_len;
        let after = if past_end {
            last + 1
        } else if start == end {
            first
        } else {
            (end - 1) / segment + 1
        };
        let offset = |number: u64| PREFIX_LEN as u64 + number * SEALED_SEGMENT_LEN as u64;
        let body_end = offset(last) + self.plaintext_len % segment + TAG_LEN as u64;
        let from = offset(first);
        Ok(RangePlan {
            first,
            fetch: from..if after > last { body_end } else { offset(after) },
            // Where nothing is fetched there is nothing to skip.
            skip: if after == first { 0 } else { start - first * segment },
            take: end - start,
        })
    }

    /// What to fetch to prove the length: the last segment.
    ///
    /// ```
    /// # use keyfold::Layout;
    /// let layout = Layout::new(56 + 40_000 + 3 * 16, 0)?;
    /// let plan = layout.end();
    /// assert_eq!(plan.fetch(), 32_856..40_104); // the last segment
    /// assert!(plan.is_empty());
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    pub fn end(&self) -> RangePlan {
        // Past the end by construction, so the plan is the last segment and yields nothing.
        self.plan(self.plaintext_len..MAX_PLAINTEXT_LEN + 1).expect("the range is ascending")
    }
}

/// What one range read fetches and yields, all of it in bytes.
///
/// ```
/// # use keyfold::Layout;
/// let layout = Layout::new(56 + 40_000 + 3 * 16, 0)?;
/// let plan = layout.plan(39_990..50_000)?;
/// assert_eq!(plan.len(), 10); // what there is
/// assert!(layout.plan(100..100)?.fetch().is_empty()); // nothing to fetch for nothing
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangePlan {
    first: u64,
    fetch: Range<u64>,
    skip: u64,
    take: u64,
}

impl RangePlan {
    /// Which bytes of the body to fetch, counted from its salt; empty where none are needed.
    pub fn fetch(&self) -> Range<u64> {
        self.fetch.clone()
    }

    pub(super) fn first_segment(&self) -> u64 {
        self.first
    }

    /// How many bytes of the first segment's plaintext lie before the range.
    pub fn skip(&self) -> u64 {
        self.skip
    }

    /// How many bytes of plaintext come out.
    pub fn len(&self) -> u64 {
        self.take
    }

    /// Whether no plaintext comes out.
    pub fn is_empty(&self) -> bool {
        self.take == 0
    }
}

/// Opens parts of one message, in any order and from any number of threads.
///
/// ```
/// # use keyfold::{DataKey, EncryptionContext, Header};
/// # use keyfold::{ProviderParams, Suite, SystemRng, WrappedKey};
/// # use keyfold::stream::{Demands, MessageKeyDeriver, Sealer, Unlocked};
/// # use std::ops::Range;
/// # let recipient = WrappedKey {
/// #     key: "keyfold:docs".parse()?, params: ProviderParams::new(), ciphertext: vec![1],
/// # };
/// # let context = EncryptionContext::new();
/// # let header = Header::new(Suite::Aes256Gcm, context.clone(), None, vec![recipient])?;
/// # let key = MessageKeyDeriver::new(&DataKey::make(&SystemRng)?);
/// # let key = std::sync::Arc::new(key);
/// # let mut sealer = Sealer::new(&header, &key, &SystemRng)?;
/// # let mut body = Vec::new();
/// # sealer.update(&vec![7; 40_000], &mut body)?;
/// # sealer.finish(&mut body)?;
/// # let unlocked = Unlocked::new(&header, key, &Demands::new(context))?;
/// # let prefix = body.first_chunk().expect("a body has a prefix");
/// let ranges = unlocked.into_ranges(prefix, body.len() as u64)?;
/// let plan = ranges.layout().plan(20_000..20_100)?;
/// # let fetch = |range: Range<u64>| &body[range.start as usize..range.end as usize];
/// let mut plain = Vec::new();
/// ranges.open(&plan, fetch(plan.fetch()), &mut plain)?; // `fetch` reads from the source
/// assert_eq!(plain, [7; 100]);
///
/// // To prove the length, open the last segment.
/// let end = ranges.layout().end();
/// ranges.open(&end, fetch(end.fetch()), &mut plain)?;
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct RangeOpener {
    key: MessageKey,
    layout: Layout,
    threads: Threads,
}

impl RangeOpener {
    pub(super) fn new(key: MessageKey, layout: Layout) -> Self {
        RangeOpener { key, layout, threads: Threads::default() }
    }

    /// Processes the segments of one read on several threads.
    #[must_use]
    pub fn with_threads(mut self, threads: &Threads) -> Self {
        self.threads = threads.clone();
        self
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Opens the fetched bytes of a plan and appends the range's plaintext to `out`.
    ///
    /// # Errors
    /// `truncated` where `sealed` is not exactly what the plan asks to fetch,
    /// `authentication_failed`; `out` then gains nothing.
    pub fn open(&self, plan: &RangePlan, sealed: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if sealed.len() as u64 != plan.fetch.end - plan.fetch.start {
            return Err(Error::truncated("the source is shorter than it said"));
        }
        let segments = sealed.len().div_ceil(SEALED_SEGMENT_LEN);
        let start = out.len();
        out.resize(start + sealed.len() - segments * TAG_LEN, 0);
        let first = SegmentIndex::new(plan.first)?;
        let items = open_items(&self.key, first, sealed, &mut out[start..], false);
        if let Err(error) = self.threads.run(items, OpenItem::run, drop) {
            out[start..].fill(0);
            out.truncate(start);
            return Err(error);
        }
        let cut = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
        let (skip, take) = (cut(plan.skip), cut(plan.take));
        out.copy_within(start + skip..start + skip + take, start);
        // What was decrypted beside the range does not stay in the buffer's spare room.
        out[start + take..].fill(0);
        out.truncate(start + take);
        Ok(())
    }
}
