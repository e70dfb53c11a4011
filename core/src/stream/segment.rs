//! Segments as work items: the only place that derives message keys and makes nonces
//! (docs/spec/envelope.md, clauses 5 and 6).

use std::sync::OnceLock;

use zeroize::Zeroizing;

use super::range::RangePlan;
use super::{COMMITMENT_LEN, PREFIX_LEN, SALT_LEN, SEALED_SEGMENT_LEN, SEGMENT_LEN};
use crate::crypto::aead::{AeadKey, NONCE_LEN, TAG_LEN};
use crate::crypto::hash::{Sha256, constant_time_eq};
use crate::crypto::kdf::HkdfSha512Expand;
use crate::error::{Error, Result};
use crate::keys::DataKey;
use crate::suite::Suite;

const KEY_LEN: usize = 32;

/// The hash of a sealed segment, which signatures cover.
pub type SegmentDigest = [u8; Sha256::LEN];

/// A data key made ready to derive message keys: its HMAC states are computed once, so that one
/// data key serves many messages cheaply. As secret as the data key; zeroized on drop.
///
/// How many messages one data key may serve is in docs/spec/envelope.md, clause 5.3: 2^32 of up to
/// 64 GiB each.
///
/// ```
/// # use keyfold::{DataKey, EncryptionContext, Header};
/// # use keyfold::{ProviderParams, Suite, SystemRng, WrappedKey};
/// # use keyfold::stream::{MessageKeyDeriver, Sealer};
/// # let recipient = WrappedKey {
/// #     key: "keyfold:docs".parse()?, params: ProviderParams::new(), ciphertext: vec![1],
/// # };
/// # let context = EncryptionContext::new();
/// # let header = Header::new(Suite::Aes256Gcm, context.clone(), None, vec![recipient])?;
/// # let key = MessageKeyDeriver::new(&DataKey::make(&SystemRng)?);
/// let (mut one, mut two) = (Vec::new(), Vec::new());
/// for body in [&mut one, &mut two] {
///     Sealer::new(&header, &key, &SystemRng)?.finish(body)?;
/// }
/// assert_ne!(one, two); // each has a salt, hence a key, of its own
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct MessageKeyDeriver(HkdfSha512Expand);

impl MessageKeyDeriver {
    /// Prepares a data key.
    pub fn new(data_key: &DataKey) -> Self {
        // HKDF-Expand takes the data key as its pseudo-random key (clause 5.2).
        MessageKeyDeriver(HkdfSha512Expand::new(data_key.expose()))
    }

    /// The key of one message and the commitment to it.
    pub(super) fn derive(
        &self,
        suite: Suite,
        salt: &[u8],
        stable: &[u8],
    ) -> (MessageKey, [u8; COMMITMENT_LEN]) {
        let mut okm = Zeroizing::new([0; KEY_LEN + NONCE_LEN + COMMITMENT_LEN]);
        self.0.expand(&[suite.label(), salt, stable], okm.as_mut_slice());
        let mut key = Box::new(Zeroizing::new([0; KEY_LEN]));
        let mut base_nonce = [0; NONCE_LEN];
        let mut commitment = [0; COMMITMENT_LEN];
        key.copy_from_slice(&okm[..KEY_LEN]);
        base_nonce.copy_from_slice(&okm[KEY_LEN..KEY_LEN + NONCE_LEN]);
        commitment.copy_from_slice(&okm[KEY_LEN + NONCE_LEN..]);
        let nonces = Nonces(base_nonce);
        (MessageKey { suite, key, aead: OnceLock::new(), nonces }, commitment)
    }

    /// The key of the message whose body starts with `prefix`, once its commitment holds.
    pub(super) fn derive_committed(
        &self,
        suite: Suite,
        prefix: &[u8; PREFIX_LEN],
        stable: &[u8],
    ) -> Result<MessageKey> {
        let (salt, expected) = prefix.split_at(SALT_LEN);
        let (key, commitment) = self.derive(suite, salt, stable);
        if constant_time_eq(&commitment, expected) { Ok(key) } else { Err(Error::authentication()) }
    }
}

/// The number of a segment in its message, below 2^38; the only way to a nonce
/// (docs/spec/envelope.md, clauses 5.3.3 and 6.1.3).
///
/// ```
/// use keyfold::stream::SegmentIndex;
///
/// let third = SegmentIndex::ZERO.advance(2)?;
/// assert_eq!(third.number(), 2);
/// assert!(SegmentIndex::new(1 << 38).is_err());
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentIndex(u64);

impl SegmentIndex {
    /// The first segment.
    pub const ZERO: SegmentIndex = SegmentIndex(0);

    /// The segment with this number.
    ///
    /// # Errors
    /// `limit_exceeded` from 2^38 on.
    pub fn new(number: u64) -> Result<Self> {
        if number < 1 << 38 {
            return Ok(SegmentIndex(number));
        }
        Err(Error::limit("a message has at most 2^38 segments"))
    }

    /// The number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The segment `count` further on.
    ///
    /// # Errors
    /// `limit_exceeded` from 2^38 on.
    pub fn advance(self, count: usize) -> Result<Self> {
        SegmentIndex::new(self.0.saturating_add(count as u64))
    }
}

/// The key of one message, with the base of its nonces (clause 5.2). Without Clone and Debug,
/// zeroized on drop.
pub(super) struct MessageKey {
    suite: Suite,
    // On the heap, so that moving a machine leaves no copy behind.
    key: Box<Zeroizing<[u8; KEY_LEN]>>,
    // Made when it is first used: a host may run the AEAD itself.
    aead: OnceLock<AeadKey>,
    nonces: Nonces,
}

impl MessageKey {
    fn aead(&self) -> &AeadKey {
        self.aead.get_or_init(|| AeadKey::new(self.suite.aead(), &self.key))
    }

    fn nonce(&self, index: SegmentIndex) -> [u8; NONCE_LEN] {
        self.nonces.nonce(index)
    }

    /// The key for the host, and what stays here.
    pub(super) fn into_host(self) -> (HostKey, Nonces) {
        (HostKey { suite: self.suite, key: self.key }, self.nonces)
    }
}

/// The key of one message on its way to a host that runs the AEAD itself. Without Clone and Debug,
/// zeroized on drop: what the host has taken over stays nowhere here.
pub struct HostKey {
    suite: Suite,
    key: Box<Zeroizing<[u8; KEY_LEN]>>,
}

impl HostKey {
    /// The suite, which names the AEAD.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The bare key, to be imported as one that cannot be read again where the host has such.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.key
    }
}

/// The nonces of one message; public, as every nonce is.
#[derive(Clone, Copy)]
pub(super) struct Nonces([u8; NONCE_LEN]);

impl Nonces {
    fn nonce(self, index: SegmentIndex) -> [u8; NONCE_LEN] {
        let mut nonce = self.0;
        for (byte, number) in nonce[NONCE_LEN - 8..].iter_mut().zip(index.0.to_be_bytes()) {
            *byte ^= number;
        }
        nonce
    }

    pub(super) fn one(self, index: SegmentIndex, plaintext_len: usize) -> SegmentWork {
        SegmentWork { index, nonce: self.nonce(index), plaintext_len }
    }

    /// Segments of one length in a row.
    pub(super) fn work(
        self,
        first: SegmentIndex,
        count: usize,
        plaintext_len: usize,
    ) -> Result<Vec<SegmentWork>> {
        let numbers = first.0..first.advance(count)?.0;
        numbers.map(|number| Ok(self.one(SegmentIndex::new(number)?, plaintext_len))).collect()
    }

    /// The segments of a plan.
    pub(super) fn of_plan(self, plan: &RangePlan) -> Result<Vec<SegmentWork>> {
        let mut left = plan.fetch().end - plan.fetch().start;
        let mut work = Vec::new();
        for number in plan.first_segment().. {
            if left == 0 {
                break;
            }
            let sealed = left.min(SEALED_SEGMENT_LEN as u64);
            left -= sealed;
            let plaintext_len = usize::try_from(sealed).unwrap_or(0).saturating_sub(TAG_LEN);
            work.push(self.one(SegmentIndex::new(number)?, plaintext_len));
        }
        Ok(work)
    }
}

/// One segment for an AEAD outside this crate: the host's, such as a browser's WebCrypto. It seals
/// or opens `plaintext_len` bytes under the message's key and this nonce, with no associated data
/// and a tag of 16 bytes at the end. Numbering, limits and the last segment stay here.
///
/// ```
/// # use keyfold::{DataKey, EncryptionContext, Header};
/// # use keyfold::{ProviderParams, Suite, SystemRng, WrappedKey};
/// # use keyfold::stream::{MessageKeyDeriver, Sealer};
/// # let recipient = WrappedKey {
/// #     key: "keyfold:docs".parse()?, params: ProviderParams::new(), ciphertext: vec![1],
/// # };
/// # let context = EncryptionContext::new();
/// # let header = Header::new(Suite::Aes256Gcm, context.clone(), None, vec![recipient])?;
/// # let key = MessageKeyDeriver::new(&DataKey::make(&SystemRng)?);
/// let (_prefix, _key, mut machine) = Sealer::new(&header, &key, &SystemRng)?.into_host()?;
/// let work = machine.hand_out(50_000)?; // bytes of plaintext that are at hand
/// assert_eq!((work[2].index.number(), work[2].plaintext_len), (2, 16_384));
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentWork {
    /// The segment's number.
    pub index: SegmentIndex,
    /// The nonce; it belongs to this segment of this message alone.
    pub nonce: [u8; NONCE_LEN],
    /// Bytes of plaintext: [`SEGMENT_LEN`], or fewer in the last segment.
    pub plaintext_len: usize,
}

/// One segment to seal here: independent of all others, so that any thread can do it.
pub(super) struct SealItem<'a> {
    pub(super) key: &'a MessageKey,
    pub(super) index: SegmentIndex,
    /// Where the plaintext is, unless it is in `sealed` already.
    pub(super) plaintext: Option<&'a [u8]>,
    /// Room for plaintext and tag.
    pub(super) sealed: &'a mut [u8],
    pub(super) hash: bool,
}

impl SealItem<'_> {
    /// Seals the segment with this machine's AEAD.
    pub(super) fn run(self) -> Option<SegmentDigest> {
        let (data, tag) = self.sealed.split_at_mut(self.sealed.len() - TAG_LEN);
        if let Some(plaintext) = self.plaintext {
            data.copy_from_slice(plaintext);
        }
        tag.copy_from_slice(&self.key.aead().seal(&self.key.nonce(self.index), &[], data));
        self.hash.then(|| Sha256::digest(self.sealed))
    }
}

/// One segment to open here, with the same freedom as [`SealItem`].
pub(super) struct OpenItem<'a> {
    pub(super) key: &'a MessageKey,
    pub(super) index: SegmentIndex,
    pub(super) data: OpenData<'a>,
    pub(super) hash: bool,
}

/// Where a segment is, and where its plaintext goes.
pub(super) enum OpenData<'a> {
    Copy {
        sealed: &'a [u8],
        plaintext: &'a mut [u8],
    },
    /// The plaintext takes the place of its ciphertext, before the tag.
    InPlace(&'a mut [u8]),
}

impl OpenItem<'_> {
    /// Opens the segment with this machine's AEAD; on failure its plaintext holds zeros.
    pub(super) fn run(self) -> Result<Option<SegmentDigest>> {
        let digest = |sealed: &[u8]| self.hash.then(|| Sha256::digest(sealed));
        let (digest, data, tag) = match self.data {
            OpenData::Copy { sealed, plaintext } => {
                let (data, tag) = sealed.split_last_chunk().ok_or_else(Error::authentication)?;
                plaintext.copy_from_slice(data);
                (digest(sealed), plaintext, tag)
            }
            OpenData::InPlace(sealed) => {
                let digest = digest(sealed);
                let (data, tag) =
                    sealed.split_last_chunk_mut().ok_or_else(Error::authentication)?;
                (digest, data, &*tag)
            }
        };
        self.key.aead().open(&self.key.nonce(self.index), &[], data, tag)?;
        Ok(digest)
    }
}

/// Full segments of a message as work items: plaintext in pieces of [`SEGMENT_LEN`].
pub(super) fn seal_items<'a>(
    key: &'a MessageKey,
    first: SegmentIndex,
    plaintext: &'a [u8],
    sealed: &'a mut [u8],
    hash: bool,
) -> impl Iterator<Item = SealItem<'a>> {
    let plaintext = plaintext.chunks_exact(SEGMENT_LEN).map(Some);
    with_numbers(first, plaintext.zip(sealed.chunks_exact_mut(SEALED_SEGMENT_LEN)))
        .map(move |(index, (plaintext, sealed))| SealItem { key, index, plaintext, sealed, hash })
}

/// As [`seal_items`], with each plaintext in its place already.
pub(super) fn seal_items_in_place<'a>(
    key: &'a MessageKey,
    first: SegmentIndex,
    sealed: &'a mut [u8],
    hash: bool,
) -> impl Iterator<Item = SealItem<'a>> {
    with_numbers(first, sealed.chunks_exact_mut(SEALED_SEGMENT_LEN))
        .map(move |(index, sealed)| SealItem { key, index, plaintext: None, sealed, hash })
}

/// Segments of a message as work items: sealed pieces of [`SEALED_SEGMENT_LEN`], the last one
/// possibly shorter.
pub(super) fn open_items<'a>(
    key: &'a MessageKey,
    first: SegmentIndex,
    sealed: &'a [u8],
    plaintext: &'a mut [u8],
    hash: bool,
) -> impl Iterator<Item = OpenItem<'a>> {
    let mut rest = plaintext;
    with_numbers(first, sealed.chunks(SEALED_SEGMENT_LEN)).map(move |(index, sealed)| {
        let len = sealed.len().saturating_sub(TAG_LEN).min(rest.len());
        let (plaintext, tail) = std::mem::take(&mut rest).split_at_mut(len);
        rest = tail;
        OpenItem { key, index, data: OpenData::Copy { sealed, plaintext }, hash }
    })
}

/// Full segments of a message as work items, to be opened where they are.
pub(super) fn open_items_in_place<'a>(
    key: &'a MessageKey,
    first: SegmentIndex,
    sealed: &'a mut [u8],
    hash: bool,
) -> impl Iterator<Item = OpenItem<'a>> {
    with_numbers(first, sealed.chunks_exact_mut(SEALED_SEGMENT_LEN))
        .map(move |(index, sealed)| OpenItem { key, index, data: OpenData::InPlace(sealed), hash })
}

fn with_numbers<I>(
    first: SegmentIndex,
    pieces: impl Iterator<Item = I>,
) -> impl Iterator<Item = (SegmentIndex, I)> {
    (first.0..).map(SegmentIndex).zip(pieces)
}

/// On how many threads segments are processed. One, the default, is the calling thread.
///
/// Clones share their threads, so one value serves any number of sealers and openers.
///
#[cfg_attr(feature = "parallel", doc = "```")]
#[cfg_attr(not(feature = "parallel"), doc = "```ignore")]
/// # use keyfold::{DataKey, EncryptionContext, Header};
/// # use keyfold::{ProviderParams, Suite, SystemRng, WrappedKey};
/// # use keyfold::stream::{MessageKeyDeriver, Sealer, Threads};
/// # let recipient = WrappedKey {
/// #     key: "keyfold:docs".parse()?, params: ProviderParams::new(), ciphertext: vec![1],
/// # };
/// # let context = EncryptionContext::new();
/// # let header = Header::new(Suite::Aes256Gcm, context.clone(), None, vec![recipient])?;
/// # let key = MessageKeyDeriver::new(&DataKey::make(&SystemRng)?);
/// let threads = Threads::new(2)?;
/// let mut sealer = Sealer::new(&header, &key, &SystemRng)?.with_threads(&threads);
/// let mut body = Vec::new();
/// sealer.update(&vec![7; 1 << 20], &mut body)?; // the same bytes as on one thread
/// assert_eq!(body.len(), 56 + 64 * 16_400);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Threads {
    // The calling thread does its share, so the pool has one thread less than was asked for.
    #[cfg(all(feature = "parallel", not(target_arch = "wasm32")))]
    helpers: Option<std::sync::Arc<rayon::ThreadPool>>,
}

/// Fewer segments than this, 1 MiB, are done about as soon as another thread is awake.
#[cfg(all(feature = "parallel", not(target_arch = "wasm32")))]
const MIN_SHARE: usize = 64;

impl Threads {
    /// Processes segments on `count` threads: the calling one, and others that are started now.
    ///
    /// # Errors
    /// `io` where the system refuses to start threads.
    #[cfg(all(feature = "parallel", not(target_arch = "wasm32")))]
    pub fn new(count: usize) -> Result<Self> {
        if count < 2 {
            return Ok(Self::default());
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count - 1).build();
        let pool = pool.map_err(|error| {
            Error::new(crate::ErrorCode::Io, "the system refuses to start threads")
                .with_source(error)
        })?;
        Ok(Threads { helpers: Some(std::sync::Arc::new(pool)) })
    }

    /// Runs every item and hands the results over in order, up to the first error.
    #[cfg_attr(
        not(all(feature = "parallel", not(target_arch = "wasm32"))),
        allow(clippy::unused_self, reason = "without threads there is nothing to know")
    )]
    pub(super) fn run<I: Send, R: Send>(
        &self,
        items: impl Iterator<Item = I>,
        run: fn(I) -> Result<R>,
        mut done: impl FnMut(R),
    ) -> Result<()> {
        #[cfg(all(feature = "parallel", not(target_arch = "wasm32")))]
        if let Some(helpers) = &self.helpers {
            return run_shared(helpers, items.collect(), run, done);
        }
        for item in items {
            done(run(item)?);
        }
        Ok(())
    }
}

/// Cuts the items in equal shares, one for this thread and one for each of the others.
#[cfg(all(feature = "parallel", not(target_arch = "wasm32")))]
fn run_shared<I: Send, R: Send>(
    helpers: &rayon::ThreadPool,
    mut items: Vec<I>,
    run: fn(I) -> Result<R>,
    done: impl FnMut(R),
) -> Result<()> {
    let run_all = |share: Vec<I>| share.into_iter().map(run).collect::<Result<Vec<R>>>();
    let threads = helpers.current_num_threads() + 1;
    let share = items.len().div_ceil(threads).max(MIN_SHARE);
    let mut shares = Vec::new();
    while items.len() > share {
        shares.push(items.split_off(items.len() - share));
    }
    let mut others: Vec<Option<Result<Vec<R>>>> = shares.iter().map(|_| None).collect();
    let mut own = Ok(Vec::new());
    helpers.in_place_scope(|scope| {
        for (share, slot) in shares.into_iter().zip(&mut others) {
            scope.spawn(move |_| *slot = Some(run_all(share)));
        }
        own = run_all(items);
    });
    let mut results = own?;
    // The last share was cut off first.
    for other in others.into_iter().rev().flatten() {
        results.extend(other?);
    }
    results.into_iter().for_each(done);
    Ok(())
}
