//! Opening: header first, then a data key, then body in and plaintext out.

use std::sync::Arc;

use zeroize::Zeroize;

use super::host::{HostOpener, HostRanges};
use super::range::{Layout, RangeOpener};
use super::seal::{absorb, output_too_short};
use super::segment::{
    HostKey, MessageKey, MessageKeyDeriver, OpenData, OpenItem, SegmentIndex, Threads, open_items,
    open_items_in_place,
};
use super::{PREFIX_LEN, SEALED_SEGMENT_LEN, SEGMENT_LEN};
use crate::context::ContextCheck;
use crate::crypto::aead::TAG_LEN;
use crate::envelope::{Header, SignatureHash, SignerPolicy, Stop};
use crate::error::{Error, ErrorCode, Result};
use crate::suite::Suite;

/// Reads a header from bytes that arrive in parts; holds at most 64 KiB and what was pushed last.
///
/// ```
/// # use keyfold::{DataKey, EncryptionContext, Header};
/// # use keyfold::{ProviderParams, Suite, SystemRng, WrappedKey};
/// # use keyfold::stream::{HeaderReader, MessageKeyDeriver};
/// # let recipient = WrappedKey {
/// #     key: "keyfold:docs".parse()?, params: ProviderParams::new(), ciphertext: vec![1],
/// # };
/// # let context = EncryptionContext::new();
/// # let header = Header::new(Suite::Aes256Gcm, context.clone(), None, vec![recipient])?;
/// # let key = MessageKeyDeriver::new(&DataKey::make(&SystemRng)?);
/// let envelope = [header.as_bytes(), b"body"].concat();
/// let mut reader = HeaderReader::new();
/// for part in envelope.chunks(16) {
///     if let Some((read, used)) = reader.push(part)? {
///         assert_eq!(read, header);
///         assert!(b"body".starts_with(&part[used..])); // the body begins here
///         break;
///     }
/// }
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Default)]
pub struct HeaderReader {
    bytes: Vec<u8>,
    need: usize,
}

impl HeaderReader {
    /// A reader that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the envelope. Once the header is whole, answers it with how many
    /// of *these* bytes belonged to it; the rest is body.
    ///
    /// # Errors
    /// The structural codes in the order of clause 4.1, as soon as they are certain.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<(Header, usize)>> {
        let seen = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() < self.need {
            return Ok(None);
        }
        match Header::try_parse(&self.bytes) {
            Ok((header, len)) => Ok(Some((header, len.saturating_sub(seen)))),
            Err(Stop::Need(need)) => {
                self.need = need;
                Ok(None)
            }
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    /// How many bytes more are needed at least.
    pub fn missing(&self) -> usize {
        self.need.saturating_sub(self.bytes.len()).max(1)
    }
}

/// What a caller demands of an envelope before it is opened (docs/spec/envelope.md, clause 8.1,
/// steps 2 to 4). A context alone, where demands are expected, demands that context exactly.
///
/// ```
/// # use keyfold::{Demands, EncryptionContext, ErrorCode, Header};
/// # use keyfold::{ProviderParams, SignerPolicy, Suite, WrappedKey};
/// # let recipient = WrappedKey {
/// #     key: "keyfold:docs".parse()?, params: ProviderParams::new(), ciphertext: vec![1],
/// # };
/// # let none = EncryptionContext::new();
/// # let header = Header::new(Suite::Aes256Gcm, none, None, vec![recipient])?;
/// let mut demands = Demands::new(EncryptionContext::new());
/// demands.check(&header)?;
///
/// demands.suites = vec![Suite::ChaCha20Poly1305];
/// assert_eq!(demands.check(&header).unwrap_err().code(), ErrorCode::UnsupportedSuite);
///
/// let demands = Demands::new(EncryptionContext::new()).signed_by(SignerPolicy::Anyone);
/// assert_eq!(demands.check(&header).unwrap_err().code(), ErrorCode::SignatureInvalid);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Demands {
    /// The encryption context.
    pub context: ContextCheck,
    /// Whose signature is accepted; `None` where none is asked for, which a signed envelope
    /// does not satisfy either.
    pub signers: Option<SignerPolicy>,
    /// The suites that are accepted.
    pub suites: Vec<Suite>,
}

impl Demands {
    /// This context, no signature, any suite.
    pub fn new(context: impl Into<ContextCheck>) -> Self {
        Demands { context: context.into(), signers: None, suites: Suite::ALL.to_vec() }
    }

    /// Demands a signature.
    #[must_use]
    pub fn signed_by(mut self, signers: SignerPolicy) -> Self {
        self.signers = Some(signers);
        self
    }

    /// Checks everything that needs no key, in the order of clause 8.1.
    ///
    /// # Errors
    /// `unsupported_suite`, `signature_invalid` (not signed), `invalid_argument` (signed, but no
    /// signer named), `context_mismatch`.
    pub fn check(&self, header: &Header) -> Result<()> {
        if !self.suites.contains(&header.suite()) {
            let detail = "the caller does not accept the envelope's suite";
            return Err(Error::new(ErrorCode::UnsupportedSuite, detail));
        }
        SignerPolicy::check(self.signers.as_ref(), header.signature())?;
        self.context.check(header.context())
    }
}

impl<C: Into<ContextCheck>> From<C> for Demands {
    fn from(context: C) -> Self {
        Demands::new(context)
    }
}

/// A header whose data key has been recovered: the way to [`Opener`] and [`RangeOpener`].
/// [`Client::unlock`](crate::Client::unlock) asks a KMS for the key.
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
/// let unlocked = Unlocked::new(&header, key, &Demands::new(context))?;
/// let (mut opener, mut plain) = (unlocked.into_opener(), Vec::new());
/// opener.update(&body, &mut plain)?;
/// opener.finish(&mut plain)?;
/// assert_eq!(plain, [7; 40_000]);
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct Unlocked {
    suite: Suite,
    stable: Vec<u8>,
    trailer_len: usize,
    signature: Option<crate::envelope::EnvelopeSignature>,
    signers: Option<SignerPolicy>,
    key: Arc<MessageKeyDeriver>,
}

impl Unlocked {
    /// Joins a header with its data key, once `demands` are met. Whether the key is the right
    /// one shows when the commitment is read.
    ///
    /// # Errors
    /// As [`Demands::check`].
    pub fn new(header: &Header, key: Arc<MessageKeyDeriver>, demands: &Demands) -> Result<Self> {
        demands.check(header)?;
        Ok(Self::checked(header, key, demands.clone()))
    }

    /// As [`new`](Unlocked::new), where the demands are known to be met.
    pub(crate) fn checked(header: &Header, key: Arc<MessageKeyDeriver>, demands: Demands) -> Self {
        Unlocked {
            suite: header.suite(),
            stable: header.stable_part().to_vec(),
            trailer_len: header.trailer_len(),
            signature: header.signature().cloned(),
            signers: demands.signers,
            key,
        }
    }

    /// A bare body, without a header: a C2SP chunked-encryption message with any context bytes
    /// in the place of the stable part.
    #[cfg(feature = "hazmat")]
    pub fn bare(suite: Suite, context: &[u8], key: Arc<MessageKeyDeriver>) -> Self {
        let stable = context.to_vec();
        Unlocked { suite, stable, trailer_len: 0, signature: None, signers: None, key }
    }

    /// Opens the whole body from its start.
    pub fn into_opener(self) -> Opener {
        Opener {
            held: Vec::new(),
            key: None,
            next: SegmentIndex::ZERO,
            hash: None,
            threads: Threads::default(),
            state: Ok(()),
            unlocked: self,
        }
    }

    /// Opens parts of a body of `body_len` bytes (signature included) that starts with `prefix`.
    ///
    /// A range read proves what it returns, neither the length of the message nor its
    /// signature: see [`Layout::end`] for the length (docs/spec/envelope.md, clause 6.4).
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
    /// let prefix = body.first_chunk().expect("a body has a prefix");
    /// let ranges = unlocked.into_ranges(prefix, body.len() as u64)?;
    /// assert_eq!(ranges.layout().plaintext_len(), 40_000);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `truncated` where no body has this length; `authentication_failed` where the commitment
    /// does not hold; `invalid_argument` where a signature was demanded, which only reading the
    /// whole can prove.
    pub fn into_ranges(self, prefix: &[u8; PREFIX_LEN], body_len: u64) -> Result<RangeOpener> {
        if self.signers.is_some() {
            return Err(Error::invalid("a range read cannot prove a signature"));
        }
        self.ranges(prefix, body_len)
    }

    /// As [`into_ranges`](Unlocked::into_ranges), for a caller that knows that the signature
    /// stays unproven.
    ///
    /// # Errors
    /// `truncated`, `authentication_failed`.
    pub fn into_unproven_ranges(
        self,
        prefix: &[u8; PREFIX_LEN],
        body_len: u64,
    ) -> Result<RangeOpener> {
        self.ranges(prefix, body_len)
    }

    /// How many bytes of a body must be there before it can be opened: its prefix, and as many as
    /// the signature has, which may be all there is (docs/spec/envelope.md, clause 8.1).
    pub fn needs(&self) -> usize {
        PREFIX_LEN + self.trailer_len
    }

    /// Hands the message over to a host that runs the AEAD itself, once the commitment at the start
    /// of the body holds: the key, and the machine that keeps the rules.
    ///
    /// # Errors
    /// `authentication_failed` where the commitment does not hold.
    pub fn into_host(self, prefix: &[u8; PREFIX_LEN]) -> Result<(HostKey, HostOpener)> {
        let key = self.key.derive_committed(self.suite, prefix, &self.stable)?;
        let hash = self
            .signature
            .as_ref()
            .map(|signature| SignatureHash::new(signature, &self.stable, prefix));
        let (key, nonces) = key.into_host();
        Ok((key, HostOpener::new(nonces, hash, self.signers, self.trailer_len)))
    }

    /// As [`into_ranges`](Unlocked::into_ranges), or
    /// [`into_unproven_ranges`](Unlocked::into_unproven_ranges) for a signed envelope, for a host
    /// that runs the AEAD itself.
    ///
    /// # Errors
    /// Those of [`into_unproven_ranges`](Unlocked::into_unproven_ranges).
    pub fn into_host_ranges(
        self,
        prefix: &[u8; PREFIX_LEN],
        body_len: u64,
    ) -> Result<(HostKey, HostRanges)> {
        let layout = Layout::new(body_len, self.trailer_len)?;
        let key = self.key.derive_committed(self.suite, prefix, &self.stable)?;
        let (key, nonces) = key.into_host();
        Ok((key, HostRanges::new(nonces, layout)))
    }

    fn ranges(self, prefix: &[u8; PREFIX_LEN], body_len: u64) -> Result<RangeOpener> {
        let layout = Layout::new(body_len, self.trailer_len)?;
        let key = self.key.derive_committed(self.suite, prefix, &self.stable)?;
        Ok(RangeOpener::new(key, layout))
    }
}

/// Opens one message: give it the body with [`update`](Opener::update), end it with
/// [`finish`](Opener::finish).
///
/// Every segment is authenticated before its plaintext comes out, but plaintext comes out before
/// the end is known: until `finish` has succeeded, the message may still prove cut or wrongly
/// signed (docs/spec/envelope.md, clause 8.2.2). Take [`Client::decrypt`](crate::Client::decrypt)
/// where that is not acceptable.
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
/// # let mut sealer = Sealer::new(&header, &key, &SystemRng)?;
/// # let mut body = Vec::new();
/// # sealer.update(&vec![7; 40_000], &mut body)?;
/// # sealer.finish(&mut body)?;
/// # let unlocked = Unlocked::new(&header, key, &Demands::new(context))?;
/// let (mut opener, mut plain) = (unlocked.into_opener(), Vec::new());
/// opener.update(&body[..30_000], &mut plain)?;
/// assert_eq!(plain.len(), 16_384); // one segment is whole and authentic
///
/// // The source ends here: the message is not whole, so throw away what came out.
/// let cut = opener.finish(&mut plain).unwrap_err();
/// assert_eq!(cut.code(), ErrorCode::AuthenticationFailed);
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct Opener {
    unlocked: Unlocked,
    // Less than a segment and a trailer: sealed bytes that cannot be opened yet.
    held: Vec<u8>,
    key: Option<MessageKey>,
    next: SegmentIndex,
    hash: Option<SignatureHash>,
    threads: Threads,
    state: Result<()>,
}

impl Opener {
    /// Processes full segments on several threads.
    #[must_use]
    pub fn with_threads(mut self, threads: &Threads) -> Self {
        self.threads = threads.clone();
        self
    }

    /// At most how many bytes the next update with so many bytes of body writes.
    pub fn update_len(&self, sealed_len: usize) -> usize {
        self.segments_ready(sealed_len) * SEGMENT_LEN
    }

    /// How many full segments are certain once so many bytes more are there: one that is
    /// followed by room for the trailer cannot be the last, short one.
    fn segments_ready(&self, sealed_len: usize) -> usize {
        let prefix = if self.key.is_some() { 0 } else { PREFIX_LEN };
        let there = (self.held.len() + sealed_len).saturating_sub(prefix);
        there.saturating_sub(self.unlocked.trailer_len) / SEALED_SEGMENT_LEN
    }

    /// Takes the next bytes of the body and appends the plaintext of every segment that is
    /// whole and authentic to `out`.
    ///
    /// # Errors
    /// `authentication_failed`; every later call repeats it, and `out` gains nothing.
    pub fn update(&mut self, sealed: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.resize(start + self.update_len(sealed.len()), 0);
        let written = self.update_into(sealed, &mut out[start..]);
        out.truncate(start + *written.as_ref().unwrap_or(&0));
        written.map(drop)
    }

    /// As [`update`](Opener::update), to the start of `out`; answers how many bytes that were.
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
    /// let (mut opener, mut plain) = (unlocked.into_opener(), vec![0; 65_536]);
    /// let len = opener.update_into(&body, &mut plain)?;
    /// let rest = opener.finish_into(&mut plain[len..])?;
    /// assert_eq!(plain[..len + rest], [7; 40_000]);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` where `out` is shorter than [`update_len`](Opener::update_len),
    /// `authentication_failed`; every later call repeats it. `out` then holds no plaintext of
    /// this call.
    pub fn update_into(&mut self, sealed: &[u8], out: &mut [u8]) -> Result<usize> {
        self.state.clone()?;
        let result = self.try_update(sealed, out);
        self.state = result.as_ref().map(drop).map_err(Clone::clone);
        result
    }

    fn try_update(&mut self, mut sealed: &[u8], out: &mut [u8]) -> Result<usize> {
        let written = self.update_len(sealed.len());
        let out = out.get_mut(..written).ok_or_else(output_too_short)?;
        if self.key.is_none() {
            // The trailer is held back from the very start: it is not a prefix either.
            let needed = self.unlocked.needs();
            self.hold(&mut sealed, needed);
            let Some(prefix) = self.held.first_chunk().filter(|_| self.held.len() >= needed) else {
                return Ok(0);
            };
            let prefix = *prefix;
            self.begin(&prefix)?;
            self.held.drain(..PREFIX_LEN);
        }
        let opened = self.open_ready(sealed, out);
        if opened.is_err() {
            // Earlier segments of this call may be authentic, but nobody is told how many.
            out.fill(0);
        }
        opened.map(|()| written)
    }

    fn open_ready(&mut self, mut sealed: &[u8], mut out: &mut [u8]) -> Result<()> {
        let mut ready = self.segments_ready(sealed.len());
        while ready > 0 && !self.held.is_empty() {
            self.hold(&mut sealed, SEALED_SEGMENT_LEN);
            let (plaintext, rest) = out.split_at_mut(SEGMENT_LEN);
            out = rest;
            let held = std::mem::take(&mut self.held);
            let opened = self.open_full(&held[..SEALED_SEGMENT_LEN], plaintext);
            self.held = held;
            self.held.drain(..SEALED_SEGMENT_LEN);
            opened?;
            ready -= 1;
        }
        let (full, rest) = sealed.split_at(ready * SEALED_SEGMENT_LEN);
        self.open_full(full, out)?;
        self.held.extend_from_slice(rest);
        Ok(())
    }

    /// Opens full segments where they are, sparing a copy: `slots` is a multiple of
    /// [`SEALED_SEGMENT_LEN`] long and the next part of the body; afterwards each slot starts with
    /// [`SEGMENT_LEN`] bytes of plaintext, to be ignored beyond.
    ///
    /// Only where [`holds_nothing`](Opener::holds_nothing), and for segments that are certainly
    /// not the last: more than a trailer follows them.
    ///
    /// ```
    /// # use keyfold::{DataKey, EncryptionContext, Header};
    /// # use keyfold::{ProviderParams, Suite, SystemRng, WrappedKey};
    /// # use keyfold::stream::{Demands, MessageKeyDeriver, Sealer, Unlocked};
    /// # use keyfold::stream::{PREFIX_LEN, SEALED_SEGMENT_LEN, SEGMENT_LEN};
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
    /// let mut opener = unlocked.into_opener();
    /// opener.update(&body[..PREFIX_LEN], &mut Vec::new())?;
    /// assert!(opener.holds_nothing());
    ///
    /// // Two full segments; more than a trailer follows them.
    /// let slots = &mut body[PREFIX_LEN..][..2 * SEALED_SEGMENT_LEN];
    /// opener.update_in_place(slots)?;
    /// for slot in slots.chunks(SEALED_SEGMENT_LEN) {
    ///     assert_eq!(slot[..SEGMENT_LEN], [7; SEGMENT_LEN]);
    /// }
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` where the above does not hold, `authentication_failed`; every later
    /// call repeats it. `slots` then holds no plaintext.
    pub fn update_in_place(&mut self, slots: &mut [u8]) -> Result<()> {
        self.state.clone()?;
        let result = self.try_update_in_place(slots);
        if result.is_err() {
            slots.fill(0);
        }
        self.state.clone_from(&result);
        result
    }

    /// Whether the prefix has been read and all that followed it has been opened, so that
    /// [`update_in_place`](Opener::update_in_place) may be next.
    pub fn holds_nothing(&self) -> bool {
        self.key.is_some() && self.held.is_empty()
    }

    fn try_update_in_place(&mut self, slots: &mut [u8]) -> Result<()> {
        let key = self
            .key
            .as_ref()
            .filter(|_| self.held.is_empty() && slots.len().is_multiple_of(SEALED_SEGMENT_LEN));
        let key = key.ok_or_else(|| {
            Error::invalid("only whole segments after the prefix are opened in place")
        })?;
        let next = self.next.advance(slots.len() / SEALED_SEGMENT_LEN)?;
        let items = open_items_in_place(key, self.next, slots, self.hash.is_some());
        let hash = &mut self.hash;
        self.threads.run(items, OpenItem::run, |digest| absorb(hash, digest))?;
        self.next = next;
        Ok(())
    }

    /// Takes the key of the message whose body starts with `prefix`.
    fn begin(&mut self, prefix: &[u8; PREFIX_LEN]) -> Result<()> {
        let unlocked = &self.unlocked;
        let key = unlocked.key.derive_committed(unlocked.suite, prefix, &unlocked.stable)?;
        self.key = Some(key);
        self.hash = unlocked
            .signature
            .as_ref()
            .map(|signature| SignatureHash::new(signature, &unlocked.stable, prefix));
        Ok(())
    }

    /// Moves bytes from `sealed` until `held` has `len` of them.
    fn hold(&mut self, sealed: &mut &[u8], len: usize) {
        let missing = len.saturating_sub(self.held.len()).min(sealed.len());
        let (head, rest) = sealed.split_at(missing);
        self.held.extend_from_slice(head);
        *sealed = rest;
    }

    fn open_full(&mut self, sealed: &[u8], plaintext: &mut [u8]) -> Result<()> {
        let Some(key) = &self.key else { return Ok(()) };
        let next = self.next.advance(sealed.len() / SEALED_SEGMENT_LEN)?;
        let items = open_items(key, self.next, sealed, plaintext, self.hash.is_some());
        let hash = &mut self.hash;
        self.threads.run(items, OpenItem::run, |digest| absorb(hash, digest))?;
        self.next = next;
        Ok(())
    }

    /// How many bytes [`finish`](Opener::finish) writes if the message is whole.
    pub fn finish_len(&self) -> usize {
        self.held.len().saturating_sub(self.unlocked.trailer_len + TAG_LEN)
    }

    /// Length of the plaintext of a whole body of this length, its signature included.
    ///
    /// # Errors
    /// `truncated` where no whole body has this length; `limit_exceeded` for what fits in no
    /// message, or in no memory.
    pub fn plaintext_len(&self, body_len: usize) -> Result<usize> {
        let layout = Layout::new(body_len as u64, self.unlocked.trailer_len)?;
        usize::try_from(layout.plaintext_len())
            .map_err(|_| Error::limit("the plaintext does not fit in memory"))
    }

    /// Opens a whole body at once, its signature included, to the start of `out`; answers the
    /// length of the plaintext. Nothing is released before all of it is proven:
    /// [`Client::opener`](crate::Client::opener) has an example.
    ///
    /// # Errors
    /// `truncated`, `authentication_failed`, `signature_invalid`; `invalid_argument` where `out`
    /// is too short. What was written to `out` is wiped then.
    pub fn open_whole_into(self, body: &[u8], out: &mut [u8]) -> Result<usize> {
        let len = self.plaintext_len(body.len())?;
        let out = out.get_mut(..len).ok_or_else(output_too_short)?;
        let opened = self.open_whole(body, out);
        if opened.is_err() {
            out.zeroize();
        }
        opened.map(|()| len)
    }

    /// All that is asked of `body` is that its length fits that of `plaintext`: nothing is held.
    fn open_whole(mut self, body: &[u8], plaintext: &mut [u8]) -> Result<()> {
        self.state.clone()?;
        if self.key.is_some() || !self.held.is_empty() {
            return Err(Error::invalid("a whole message is opened at once or not at all"));
        }
        let (prefix, rest) = body.split_first_chunk().ok_or_else(ends_early)?;
        self.begin(prefix)?;
        let sealed_len = rest.len().checked_sub(self.unlocked.trailer_len);
        let (sealed, trailer) = rest.split_at(sealed_len.ok_or_else(ends_early)?);
        let segments = plaintext.len() / SEGMENT_LEN;
        let (sealed, last_sealed) =
            sealed.split_at_checked(segments * SEALED_SEGMENT_LEN).ok_or_else(ends_early)?;
        let (full, last) = plaintext.split_at_mut(segments * SEGMENT_LEN);
        self.open_full(sealed, full)?;
        self.open_last(last_sealed, trailer, last)
    }

    /// Opens the last segment, appends it to `out`, and proves that the message is whole and, if
    /// that was demanded, rightly signed.
    ///
    /// # Errors
    /// `truncated`, `authentication_failed`, `signature_invalid`; `out` then gains nothing.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.resize(start + self.finish_len(), 0);
        let finished = self.finish_into(&mut out[start..]);
        if finished.is_err() {
            out.truncate(start);
        }
        finished.map(drop)
    }

    /// As [`finish`](Opener::finish), to the start of `out`; answers how many bytes that were,
    /// [`finish_len`](Opener::finish_len) exactly.
    ///
    /// # Errors
    /// `invalid_argument` where `out` is too short; otherwise as [`finish`](Opener::finish).
    pub fn finish_into(mut self, out: &mut [u8]) -> Result<usize> {
        self.state.clone()?;
        self.key.as_ref().ok_or_else(ends_early)?;
        let held = std::mem::take(&mut self.held);
        let split = held.len().checked_sub(self.unlocked.trailer_len).ok_or_else(ends_early)?;
        let (sealed, trailer) = held.split_at(split);
        let len = sealed.len().checked_sub(TAG_LEN).ok_or_else(ends_early)?;
        let plaintext = out.get_mut(..len).ok_or_else(output_too_short)?;
        self.open_last(sealed, trailer, plaintext)?;
        Ok(len)
    }

    /// Opens the last segment, and proves the signature where that is asked for.
    fn open_last(mut self, sealed: &[u8], trailer: &[u8], plaintext: &mut [u8]) -> Result<()> {
        let key = self.key.as_ref().ok_or_else(ends_early)?;
        let hash = self.hash.is_some();
        let data = OpenData::Copy { sealed, plaintext: &mut *plaintext };
        let item = OpenItem { key, index: self.next, data, hash };
        let digest = item.run()?;
        absorb(&mut self.hash, digest);
        if let (Some(hash), Some(signers)) = (self.hash.take(), &self.unlocked.signers)
            && let Err(error) = hash.verify(signers, trailer)
        {
            plaintext.fill(0);
            return Err(error);
        }
        Ok(())
    }
}

pub(super) fn ends_early() -> Error {
    Error::truncated("the body ends before its last segment")
}
