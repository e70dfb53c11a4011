//! Messages whose segments the host seals and opens itself: a browser's WebCrypto, `node:crypto`.
//!
//! The key of the message leaves the machine once, as a [`HostKey`], and no copy stays behind.
//! What the machines keep are the rules: numbers and nonces of segments, the short last one,
//! limits, and what a signature is over.

use super::range::{Layout, RangePlan};
use super::segment::{HostKey, Nonces, SegmentDigest, SegmentIndex, SegmentWork};
use super::{SEALED_SEGMENT_LEN, SEGMENT_LEN};
use crate::crypto::aead::{AeadKey, NONCE_LEN, TAG_LEN};
use crate::crypto::hash::Sha256;
use crate::envelope::{PendingSignature, SignatureCheck, SignatureHash, SignerPolicy};
use crate::error::{Error, Result};

/// A nonce; it belongs to one segment of one message alone.
type Nonce = [u8; NONCE_LEN];

/// Seals one message with the host's AEAD; [`Sealer::into_host`](super::Sealer::into_host) makes
/// it. Plaintext never comes here.
///
/// ```
/// # use keyfold::{DataKey, EncryptionContext, Header};
/// # use keyfold::{ProviderParams, Suite, SystemRng, WrappedKey};
/// # use keyfold::stream::{Demands, MessageKeyDeriver, Sealer, Unlocked};
/// # let recipient = WrappedKey {
/// #     key: "keyfold:docs".parse()?, params: ProviderParams::new(), ciphertext: vec![1],
/// # };
/// # let context = EncryptionContext::new();
/// # let header = Header::new(Suite::Aes256Gcm, context.clone(), None, vec![recipient])?;
/// # let key = MessageKeyDeriver::new(&DataKey::make(&SystemRng)?);
/// # let key = std::sync::Arc::new(key);
/// let plaintext = vec![7; 40_000];
/// let (prefix, host_key, mut machine) = Sealer::new(&header, &key, &SystemRng)?.into_host()?;
/// let cipher = host_key.into_cipher(); // stands for the host's AEAD here
/// let mut body = prefix.to_vec();
///
/// let work = machine.hand_out(plaintext.len())?;
/// assert_eq!(work.len(), 2); // full segments; the last is always a short one
/// let mut pieces = plaintext.chunks(16_384);
/// for (work, piece) in work.iter().zip(&mut pieces) {
///     cipher.seal(&work.nonce, piece, &mut body)?;
/// }
/// let rest = pieces.next().expect("7232 bytes");
/// let (work, end) = machine.hand_out_last(rest.len())?;
/// cipher.seal(&work.nonce, rest, &mut body)?;
/// assert!(end.take_back(None)?.is_none()); // the header asks for no signature
/// # let unlocked = Unlocked::new(&header, key, &Demands::new(context))?;
/// # let (mut opener, mut plain) = (unlocked.into_opener(), Vec::new());
/// # opener.update(&body, &mut plain)?;
/// # opener.finish(&mut plain)?;
/// # assert_eq!(plain, plaintext);
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct HostSealer {
    segments: Segments,
}

impl HostSealer {
    pub(super) fn new(nonces: Nonces, signature: Option<SignatureHash>) -> Self {
        HostSealer { segments: Segments::new(nonces, signature) }
    }

    /// Whether the digests of sealed segments must be taken back, for a signature.
    pub fn is_signed(&self) -> bool {
        self.segments.hash.is_some()
    }

    /// Hands out all full segments of the next `available` bytes of plaintext. Each is sealed
    /// once, with one plaintext (docs/spec/envelope.md, clause 6.3.2).
    ///
    /// # Errors
    /// `limit_exceeded` from 2^38 segments on.
    pub fn hand_out(&mut self, available: usize) -> Result<Vec<SegmentWork>> {
        self.segments.hand_out(available / SEGMENT_LEN)
    }

    /// Takes back the SHA-256 of each sealed segment, in their order, where the message is signed.
    ///
    /// # Errors
    /// `invalid_argument` for more of them than were handed out.
    pub fn take_back(&mut self, digests: &[SegmentDigest]) -> Result<()> {
        self.segments.take_back(digests)
    }

    /// Hands out the last segment, of fewer than 16384 bytes.
    ///
    /// # Errors
    /// `invalid_argument` for more bytes than that, and where digests are still owed.
    pub fn hand_out_last(self, len: usize) -> Result<(SegmentWork, HostSealed)> {
        if len >= SEGMENT_LEN {
            return Err(Error::invalid("the last segment is shorter than the others"));
        }
        let (work, hash) = self.segments.hand_out_last(len)?;
        Ok((work, HostSealed { hash }))
    }
}

/// A message whose last segment the host is sealing.
#[must_use = "a signed envelope does not open without its signature"]
pub struct HostSealed {
    hash: Option<SignatureHash>,
}

impl HostSealed {
    /// Takes back the digest of the last segment; answers the signature that is still to be made,
    /// where the header names a signer.
    ///
    /// # Errors
    /// `invalid_argument` where the message is signed and there is no digest.
    pub fn take_back(self, digest: Option<&SegmentDigest>) -> Result<Option<PendingSignature>> {
        let Some(mut hash) = self.hash else { return Ok(None) };
        hash.segment(digest.ok_or_else(digest_missing)?);
        Ok(Some(hash.into_pending()))
    }
}

/// Opens one message with the host's AEAD; [`Unlocked::into_host`](super::Unlocked::into_host)
/// makes it. A tag that does not fit ends the message: nothing of that segment may be used.
///
/// ```
/// # use keyfold::{DataKey, EncryptionContext, ErrorCode, Header};
/// # use keyfold::{ProviderParams, Suite, SystemRng, WrappedKey};
/// # use keyfold::stream::{Demands, MessageKeyDeriver, Sealer, Unlocked};
/// # let recipient = WrappedKey {
/// #     key: "keyfold:docs".parse()?, params: ProviderParams::new(), ciphertext: vec![1],
/// # };
/// # let context = EncryptionContext::new();
/// # let header = Header::new(Suite::Aes256Gcm, context.clone(), None, vec![recipient])?;
/// # let key = MessageKeyDeriver::new(&DataKey::make(&SystemRng)?);
/// # let key = std::sync::Arc::new(key);
/// # let mut body = Vec::new();
/// # let mut sealer = Sealer::new(&header, &key, &SystemRng)?;
/// # sealer.update(&[7; 40_000], &mut body)?;
/// # sealer.finish(&mut body)?;
/// # let unlocked = Unlocked::new(&header, key, &Demands::new(context))?;
/// let (prefix, mut held) = body.split_first_chunk().expect("a body has a prefix");
/// let (host_key, mut machine) = unlocked.into_host(prefix)?; // the commitment holds
/// let cipher = host_key.into_cipher(); // stands for the host's AEAD here
/// let mut plaintext = Vec::new();
/// for work in machine.hand_out(held.len())? {
///     let (sealed, rest) = held.split_at(work.plaintext_len + 16);
///     cipher.open(&work.nonce, sealed, &mut plaintext)?;
///     held = rest;
/// }
/// let (work, end) = machine.hand_out_last(held.len())?;
/// cipher.open(&work.nonce, held, &mut plaintext)?;
/// assert!(end.take_back(None, &[])?.is_none()); // no signature was demanded
/// assert_eq!(plaintext, [7; 40_000]);
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct HostOpener {
    segments: Segments,
    signers: Option<SignerPolicy>,
    trailer_len: usize,
}

impl HostOpener {
    pub(super) fn new(
        nonces: Nonces,
        hash: Option<SignatureHash>,
        signers: Option<SignerPolicy>,
        trailer_len: usize,
    ) -> Self {
        HostOpener { segments: Segments::new(nonces, hash), signers, trailer_len }
    }

    /// Whether the digests of sealed segments must be taken back, for a signature.
    pub fn is_signed(&self) -> bool {
        self.segments.hash.is_some()
    }

    /// Bytes of signature after the last segment.
    pub fn trailer_len(&self) -> usize {
        self.trailer_len
    }

    /// Hands out all segments that are full for certain, where so many bytes of the body are at
    /// hand that were not handed out before.
    ///
    /// # Errors
    /// `limit_exceeded` from 2^38 segments on.
    pub fn hand_out(&mut self, available: usize) -> Result<Vec<SegmentWork>> {
        self.segments.hand_out(available.saturating_sub(self.trailer_len) / SEALED_SEGMENT_LEN)
    }

    /// Takes back the SHA-256 of each sealed segment, in their order, where the message is signed.
    ///
    /// # Errors
    /// `invalid_argument` for more of them than were handed out.
    pub fn take_back(&mut self, digests: &[SegmentDigest]) -> Result<()> {
        self.segments.take_back(digests)
    }

    /// Hands out the last segment, where the body ends after `available` bytes that were not
    /// handed out; the signature follows it.
    ///
    /// # Errors
    /// `truncated` where these are too few; `invalid_argument` for a full segment among them, and
    /// where digests are still owed.
    pub fn hand_out_last(self, available: usize) -> Result<(SegmentWork, HostOpened)> {
        let len = available
            .checked_sub(self.trailer_len + TAG_LEN)
            .ok_or_else(super::open::ends_early)?;
        if len >= SEGMENT_LEN {
            return Err(Error::invalid("a full segment was not handed out"));
        }
        let (work, hash) = self.segments.hand_out_last(len)?;
        Ok((work, HostOpened { hash, signers: self.signers }))
    }
}

/// A message whose last segment the host is opening.
pub struct HostOpened {
    hash: Option<SignatureHash>,
    signers: Option<SignerPolicy>,
}

impl HostOpened {
    /// Takes back the digest of the last segment, once its tag held, with the signature that
    /// follows it; answers what is to be verified before the last of the plaintext is released,
    /// where a signature was demanded.
    ///
    /// # Errors
    /// `signature_invalid` where no accepted key is of the signature's kind; `invalid_argument`
    /// where the message is signed and there is no digest.
    pub fn take_back(
        self,
        digest: Option<&SegmentDigest>,
        trailer: &[u8],
    ) -> Result<Option<SignatureCheck>> {
        let (Some(mut hash), Some(signers)) = (self.hash, &self.signers) else { return Ok(None) };
        hash.segment(digest.ok_or_else(digest_missing)?);
        hash.into_check(signers, trailer).map(Some)
    }
}

/// Opens parts of one message with the host's AEAD;
/// [`Unlocked::into_host_ranges`](super::Unlocked::into_host_ranges) makes it.
///
/// ```
/// # use keyfold::{DataKey, EncryptionContext, Header};
/// # use keyfold::{ProviderParams, Suite, SystemRng, WrappedKey};
/// # use keyfold::stream::{Demands, MessageKeyDeriver, Sealer, Unlocked};
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
/// let (host_key, ranges) = unlocked.into_host_ranges(prefix, body.len() as u64)?;
/// let plan = ranges.layout().plan(16_000..17_000)?;
/// let work = ranges.hand_out(&plan)?;
/// assert_eq!(work.iter().map(|work| work.index.number()).collect::<Vec<_>>(), [0, 1]);
/// assert_ne!(work[0].nonce, work[1].nonce);
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct HostRanges {
    nonces: Nonces,
    layout: Layout,
}

impl HostRanges {
    pub(super) fn new(nonces: Nonces, layout: Layout) -> Self {
        HostRanges { nonces, layout }
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Hands out the segments of a plan. Their plaintext, joined, contains the range at
    /// [`RangePlan::skip`].
    ///
    /// # Errors
    /// `limit_exceeded` where the plan is of a longer message.
    pub fn hand_out(&self, plan: &RangePlan) -> Result<Vec<SegmentWork>> {
        self.nonces.of_plan(plan)
    }
}

/// The AEAD of one message here, where the host has none for its suite.
pub struct SegmentCipher(AeadKey);

impl HostKey {
    /// Keeps the key here after all.
    pub fn into_cipher(self) -> SegmentCipher {
        SegmentCipher(AeadKey::new(self.suite().aead(), self.expose()))
    }
}

impl SegmentCipher {
    /// Seals one segment under the nonce of its work, and appends ciphertext and tag.
    ///
    /// # Errors
    /// `invalid_argument` for more than a segment.
    pub fn seal(&self, nonce: &Nonce, plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if plaintext.len() > SEGMENT_LEN {
            return Err(Error::invalid("a segment has at most 16384 bytes"));
        }
        let start = out.len();
        out.extend_from_slice(plaintext);
        let tag = self.0.seal(nonce, &[], &mut out[start..]);
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens one segment under the nonce of its work, and appends its plaintext.
    ///
    /// # Errors
    /// `authentication_failed`; `out` then gains nothing.
    pub fn open(&self, nonce: &Nonce, sealed: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let (data, tag) = sealed.split_last_chunk().ok_or_else(Error::authentication)?;
        let start = out.len();
        out.extend_from_slice(data);
        let opened = self.0.open(nonce, &[], &mut out[start..], tag);
        if opened.is_err() {
            out.truncate(start);
        }
        opened
    }
}

/// The digest of a sealed segment, for [`HostSealer::take_back`] and [`HostOpener::take_back`],
/// where the host has no SHA-256.
pub fn segment_digest(sealed: &[u8]) -> SegmentDigest {
    Sha256::digest(sealed)
}

/// The segments of one message in their order, handed out and taken back.
struct Segments {
    nonces: Nonces,
    next: SegmentIndex,
    hash: Option<SignatureHash>,
    owed: usize,
}

impl Segments {
    fn new(nonces: Nonces, hash: Option<SignatureHash>) -> Self {
        Segments { nonces, next: SegmentIndex::ZERO, hash, owed: 0 }
    }

    fn hand_out(&mut self, count: usize) -> Result<Vec<SegmentWork>> {
        // Checked first: the short last segment needs a number of its own.
        let next = self.next.advance(count)?;
        let work = self.nonces.work(self.next, count, SEGMENT_LEN);
        self.next = next;
        self.owed += count;
        work
    }

    fn take_back(&mut self, digests: &[SegmentDigest]) -> Result<()> {
        self.owed = self
            .owed
            .checked_sub(digests.len())
            .ok_or_else(|| Error::invalid("more segments are taken back than were handed out"))?;
        if let Some(hash) = &mut self.hash {
            for digest in digests {
                hash.segment(digest);
            }
        }
        Ok(())
    }

    fn hand_out_last(self, len: usize) -> Result<(SegmentWork, Option<SignatureHash>)> {
        if self.hash.is_some() && self.owed > 0 {
            return Err(digest_missing());
        }
        Ok((self.nonces.one(self.next, len), self.hash))
    }
}

fn digest_missing() -> Error {
    Error::invalid("a signed message needs the digest of every segment")
}
