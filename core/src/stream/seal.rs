//! Sealing: plaintext in, body out.

use zeroize::Zeroizing;

use super::host::HostSealer;
use super::segment::{
    HostKey, MessageKey, MessageKeyDeriver, SealItem, SegmentIndex, Threads, seal_items,
    seal_items_in_place,
};
use super::{MAX_PLAINTEXT_LEN, PREFIX_LEN, SALT_LEN, SEALED_SEGMENT_LEN, SEGMENT_LEN};
use crate::crypto::aead::TAG_LEN;
use crate::crypto::rng::Rng;
use crate::envelope::{EnvelopeSignature, Header, PendingSignature, SignatureHash};
use crate::error::{Error, Result};
use crate::suite::Suite;

/// Seals one message: give it plaintext with [`update`](Sealer::update), end it with
/// [`finish`](Sealer::finish). What is not finished does not open (docs/spec/envelope.md, clause
/// 6.3). [`Client::sealer`](crate::Client::sealer) makes one with a data key from a KMS.
///
/// The header is not part of the output: write [`header`](Sealer::header) before the body, or
/// keep it elsewhere (detached).
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
/// let mut sealer = Sealer::new(&header, &key, &SystemRng)?;
/// let mut body = Vec::new();
/// for part in [&b"large "[..], b"file"] {
///     sealer.update(part, &mut body)?; // holds back what is not a full segment
/// }
/// let pending = sealer.finish(&mut body)?;
/// assert!(pending.is_none()); // the header asks for no signature
/// assert_eq!(body.len() as u64, Sealer::body_len(10)?);
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct Sealer {
    header: Vec<u8>,
    prefix: [u8; PREFIX_LEN],
    prefix_written: bool,
    key: MessageKey,
    next: SegmentIndex,
    signature: Option<SignatureHash>,
    pending: Zeroizing<Vec<u8>>,
    threads: Threads,
    state: Result<()>,
}

impl Sealer {
    /// Starts a message under a data key whose wrapped forms are the recipients of `header`.
    ///
    /// # Errors
    /// `internal` where the system has no randomness.
    pub fn new(header: &Header, key: &MessageKeyDeriver, rng: &dyn Rng) -> Result<Self> {
        let signature = header.signature();
        let bytes = header.as_bytes().to_vec();
        Sealer::start(header.suite(), header.stable_part(), bytes, signature, key, rng)
    }

    /// A bare body, without a header: a C2SP chunked-encryption message with any context bytes
    /// in the place of the stable part.
    ///
    /// ```
    /// # use keyfold::{DataKey, Suite, SystemRng};
    /// # use keyfold::stream::{MessageKeyDeriver, Sealer, Unlocked};
    /// # use std::sync::Arc;
    /// # let key = MessageKeyDeriver::new(&DataKey::make(&SystemRng)?);
    /// let mut sealer = Sealer::bare(Suite::Aes256Gcm, b"my own context", &key, &SystemRng)?;
    /// let mut body = Vec::new();
    /// sealer.update(b"hello", &mut body)?;
    /// sealer.finish(&mut body)?;
    ///
    /// let unlocked = Unlocked::bare(Suite::Aes256Gcm, b"my own context", Arc::new(key));
    /// let (mut opener, mut plain) = (unlocked.into_opener(), Vec::new());
    /// opener.update(&body, &mut plain)?;
    /// opener.finish(&mut plain)?;
    /// assert_eq!(plain, b"hello");
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `internal` where the system has no randomness.
    #[cfg(feature = "hazmat")]
    pub fn bare(
        suite: Suite,
        context: &[u8],
        key: &MessageKeyDeriver,
        rng: &dyn Rng,
    ) -> Result<Self> {
        Sealer::start(suite, context, Vec::new(), None, key, rng)
    }

    pub(crate) fn start(
        suite: Suite,
        stable: &[u8],
        header: Vec<u8>,
        signature: Option<&EnvelopeSignature>,
        key: &MessageKeyDeriver,
        rng: &dyn Rng,
    ) -> Result<Self> {
        let mut prefix = [0; PREFIX_LEN];
        rng.fill(&mut prefix[..SALT_LEN])?;
        let (salt, commitment_out) = prefix.split_at_mut(SALT_LEN);
        let (key, commitment) = key.derive(suite, salt, stable);
        commitment_out.copy_from_slice(&commitment);
        Ok(Sealer {
            header,
            prefix,
            prefix_written: false,
            key,
            next: SegmentIndex::ZERO,
            signature: signature.map(|signature| SignatureHash::new(signature, stable, &prefix)),
            pending: Zeroizing::default(),
            threads: Threads::default(),
            state: Ok(()),
        })
    }

    /// Processes full segments on several threads.
    #[must_use]
    pub fn with_threads(mut self, threads: &Threads) -> Self {
        self.threads = threads.clone();
        self
    }

    /// The header, to be written before the body or beside it.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    pub(crate) fn take_header(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.header)
    }

    /// Bytes of body for a whole plaintext of this length, without header and signature
    /// (clause 6.1.4).
    ///
    /// ```
    /// use keyfold::Sealer;
    ///
    /// assert_eq!(Sealer::body_len(0)?, 56 + 16);
    /// // A full segment is followed by an empty one, which proves the end.
    /// assert_eq!(Sealer::body_len(16_384)?, 56 + 16_384 + 2 * 16);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `limit_exceeded` above [`MAX_PLAINTEXT_LEN`].
    pub fn body_len(plaintext_len: u64) -> Result<u64> {
        if plaintext_len > MAX_PLAINTEXT_LEN {
            return Err(Error::limit("a message has fewer than 2^38 full segments"));
        }
        let segments = plaintext_len / SEGMENT_LEN as u64 + 1;
        Ok(PREFIX_LEN as u64 + plaintext_len + segments * TAG_LEN as u64)
    }

    /// Exactly how many bytes the next update with so many bytes of plaintext writes.
    pub fn update_len(&self, plaintext_len: usize) -> usize {
        let prefix = if self.prefix_written { 0 } else { PREFIX_LEN };
        prefix + (self.pending.len() + plaintext_len) / SEGMENT_LEN * SEALED_SEGMENT_LEN
    }

    /// Exactly how many bytes [`finish`](Sealer::finish) writes now.
    pub fn finish_len(&self) -> usize {
        let prefix = if self.prefix_written { 0 } else { PREFIX_LEN };
        prefix + self.pending.len() + TAG_LEN
    }

    /// Takes the next plaintext and appends what can be sealed to `out`.
    ///
    /// # Errors
    /// `limit_exceeded` above [`MAX_PLAINTEXT_LEN`]; every later call repeats it.
    pub fn update(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.resize(start + self.update_len(plaintext.len()), 0);
        let written = self.update_into(plaintext, &mut out[start..]);
        out.truncate(start + *written.as_ref().unwrap_or(&0));
        written.map(drop)
    }

    /// Takes the next plaintext and writes what can be sealed to the start of `out`; answers
    /// how many bytes that were, [`update_len`](Sealer::update_len) exactly.
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
    /// let mut sealer = Sealer::new(&header, &key, &SystemRng)?;
    /// let mut out = vec![0; 60_000]; // reused for each part
    /// let plaintext = [7; 40_000];
    /// let len = sealer.update_into(&plaintext, &mut out)?;
    /// assert_eq!(len, 56 + 2 * 16_400); // the prefix and two full segments; the rest is held
    /// let (len, _) = sealer.finish_into(&mut out)?;
    /// assert_eq!(len, 40_000 - 2 * 16_384 + 16);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` where `out` is too short, `limit_exceeded` above
    /// [`MAX_PLAINTEXT_LEN`]; every later call repeats it.
    pub fn update_into(&mut self, plaintext: &[u8], out: &mut [u8]) -> Result<usize> {
        self.state.clone()?;
        let result = self.try_update(plaintext, out);
        self.state = result.as_ref().map(drop).map_err(Clone::clone);
        result
    }

    fn try_update(&mut self, mut plaintext: &[u8], out: &mut [u8]) -> Result<usize> {
        let written = self.update_len(plaintext.len());
        let out = out.get_mut(..written).ok_or_else(output_too_short)?;
        let mut out = self.write_prefix(out);
        if !self.pending.is_empty() {
            let missing = (SEGMENT_LEN - self.pending.len()).min(plaintext.len());
            let (head, rest) = plaintext.split_at(missing);
            self.pending.extend_from_slice(head);
            plaintext = rest;
            if self.pending.len() == SEGMENT_LEN {
                let (sealed, rest) = out.split_at_mut(SEALED_SEGMENT_LEN);
                out = rest;
                let pending = std::mem::take(&mut self.pending);
                self.seal_full(&pending, sealed)?;
                self.pending = pending;
                self.pending.clear();
            }
        }
        let (full, rest) = plaintext.split_at(plaintext.len() / SEGMENT_LEN * SEGMENT_LEN);
        self.seal_full(full, out)?;
        if !rest.is_empty() {
            // The full capacity at once, so that no copy of plaintext is left behind by growth.
            let held = self.pending.len();
            self.pending.reserve_exact(SEGMENT_LEN - held);
            self.pending.extend_from_slice(rest);
        }
        Ok(written)
    }

    /// Seals full segments where they are, sparing a copy: `slots` is a multiple of
    /// [`SEALED_SEGMENT_LEN`] long, and each slot starts with [`SEGMENT_LEN`] bytes of plaintext,
    /// which its ciphertext and tag replace.
    ///
    /// Only for a message that has had nothing but whole segments so far, and whose prefix is
    /// written: an [`update_into`](Sealer::update_into) with nothing writes it.
    ///
    /// ```
    /// # use keyfold::{DataKey, EncryptionContext, Header};
    /// # use keyfold::{ProviderParams, Suite, SystemRng, WrappedKey};
    /// # use keyfold::stream::{Demands, MessageKeyDeriver, Sealer, Unlocked};
    /// # use keyfold::stream::{SEALED_SEGMENT_LEN, SEGMENT_LEN};
    /// # let recipient = WrappedKey {
    /// #     key: "keyfold:docs".parse()?, params: ProviderParams::new(), ciphertext: vec![1],
    /// # };
    /// # let context = EncryptionContext::new();
    /// # let header = Header::new(Suite::Aes256Gcm, context.clone(), None, vec![recipient])?;
    /// # let key = MessageKeyDeriver::new(&DataKey::make(&SystemRng)?);
    /// # let key = std::sync::Arc::new(key);
    /// let mut sealer = Sealer::new(&header, &key, &SystemRng)?;
    /// let mut body = Vec::new();
    /// sealer.update(&[], &mut body)?; // the prefix
    ///
    /// let mut slot = vec![0; SEALED_SEGMENT_LEN];
    /// slot[..SEGMENT_LEN].fill(7); // read from a file, say
    /// sealer.update_in_place(&mut slot)?;
    /// body.extend_from_slice(&slot);
    /// sealer.finish(&mut body)?;
    /// # let unlocked = Unlocked::new(&header, key, &Demands::new(context))?;
    /// # let (mut opener, mut plain) = (unlocked.into_opener(), Vec::new());
    /// # opener.update(&body, &mut plain)?;
    /// # opener.finish(&mut plain)?;
    /// assert_eq!(plain, [7; SEGMENT_LEN]);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` where the above does not hold, `limit_exceeded` above
    /// [`MAX_PLAINTEXT_LEN`]; every later call repeats it.
    pub fn update_in_place(&mut self, slots: &mut [u8]) -> Result<()> {
        self.state.clone()?;
        let result = self.try_update_in_place(slots);
        self.state.clone_from(&result);
        result
    }

    fn try_update_in_place(&mut self, slots: &mut [u8]) -> Result<()> {
        let whole = slots.len().is_multiple_of(SEALED_SEGMENT_LEN) && self.pending.is_empty();
        if !whole || !self.prefix_written {
            return Err(Error::invalid("only whole segments after the prefix are sealed in place"));
        }
        let next = self.next.advance(slots.len() / SEALED_SEGMENT_LEN)?;
        let items = seal_items_in_place(&self.key, self.next, slots, self.signature.is_some());
        let signature = &mut self.signature;
        self.threads.run(items, |item| Ok(item.run()), |digest| absorb(signature, digest))?;
        self.next = next;
        Ok(())
    }

    /// Hands the message over to a host that runs the AEAD itself: the first bytes of the body, the
    /// key, and the machine that keeps the rules. Take the [`header`](Sealer::header) before.
    ///
    /// # Errors
    /// `invalid_argument` where the machine was used already.
    pub fn into_host(self) -> Result<([u8; PREFIX_LEN], HostKey, HostSealer)> {
        self.state?;
        if self.prefix_written || !self.pending.is_empty() {
            return Err(Error::invalid("a whole message is handed over or none of it"));
        }
        let (key, nonces) = self.key.into_host();
        Ok((self.prefix, key, HostSealer::new(nonces, self.signature)))
    }

    fn write_prefix<'a>(&mut self, out: &'a mut [u8]) -> &'a mut [u8] {
        if self.prefix_written {
            return out;
        }
        self.prefix_written = true;
        let (prefix, rest) = out.split_at_mut(PREFIX_LEN);
        prefix.copy_from_slice(&self.prefix);
        rest
    }

    fn seal_full(&mut self, plaintext: &[u8], sealed: &mut [u8]) -> Result<()> {
        // Checked first: the short last segment needs a number of its own.
        let next = self.next.advance(plaintext.len() / SEGMENT_LEN)?;
        let hash = self.signature.is_some();
        let items = seal_items(&self.key, self.next, plaintext, sealed, hash);
        let signature = &mut self.signature;
        self.threads.run(items, |item| Ok(item.run()), |digest| absorb(signature, digest))?;
        self.next = next;
        Ok(())
    }

    /// Seals the last, short segment and appends it to `out`.
    ///
    /// Where the header says that the envelope is signed, the answer is what remains to be
    /// signed; append its trailer.
    ///
    /// # Errors
    /// The error of an earlier call, if there was one.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<Option<PendingSignature>> {
        let start = out.len();
        out.resize(start + self.finish_len(), 0);
        let (_, pending) = self.finish_into(&mut out[start..])?;
        Ok(pending)
    }

    /// Seals the last, short segment to the start of `out`; answers how many bytes that were,
    /// [`finish_len`](Sealer::finish_len) exactly, and what remains to be signed.
    ///
    /// # Errors
    /// `invalid_argument` where `out` is too short, or the error of an earlier call.
    pub fn finish_into(mut self, out: &mut [u8]) -> Result<(usize, Option<PendingSignature>)> {
        self.state.clone()?;
        let written = self.finish_len();
        let out = out.get_mut(..written).ok_or_else(output_too_short)?;
        let sealed = self.write_prefix(out);
        let last = std::mem::take(&mut self.pending);
        Ok((written, self.seal_last(&last, sealed)))
    }

    /// Length of the whole envelope of a plaintext of this length: header, body and signature.
    ///
    /// # Errors
    /// `limit_exceeded` for what fits in no message, or in no memory.
    pub fn envelope_len(&self, plaintext_len: usize) -> Result<usize> {
        let trailer = self.signature.as_ref().map_or(0, SignatureHash::trailer_len);
        body_len_in_memory(plaintext_len)?
            .checked_add(self.header.len() + trailer)
            .ok_or_else(exceeds_memory)
    }

    /// Seals a whole message at once, before anything else was: header and body, in the first
    /// bytes of `out`. Answers how many those are; what remains to be signed goes behind them.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Keyring, SealOptions};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let sealer = kf.sealer(&ring, &context, &SealOptions::default()).await?;
    /// let mut envelope = vec![0; sealer.envelope_len(5)?];
    /// let (len, unsigned) = sealer.seal_envelope_into(b"hello", &mut envelope)?;
    /// assert_eq!((len, unsigned.is_none()), (envelope.len(), true));
    /// assert_eq!(kf.decrypt(&envelope, &ring, &context).await?, b"hello");
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` for an output that is too short, or where segments were sealed before.
    pub fn seal_envelope_into(
        self,
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<(usize, Option<PendingSignature>)> {
        if self.prefix_written {
            return Err(Error::invalid("a whole message is sealed at once or not at all"));
        }
        let body_len = body_len_in_memory(plaintext.len())?;
        let header_len = self.header.len();
        let (header, rest) = out.split_at_mut_checked(header_len).ok_or_else(output_too_short)?;
        let body = rest.get_mut(..body_len).ok_or_else(output_too_short)?;
        header.copy_from_slice(&self.header);
        let pending = self.seal_whole(plaintext, body)?;
        Ok((header_len + body_len, pending))
    }

    /// Seals a whole message at once, without the copy that holding plaintext back would need.
    pub(crate) fn seal_whole(
        mut self,
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<Option<PendingSignature>> {
        let (full, last) = plaintext.split_at(plaintext.len() / SEGMENT_LEN * SEGMENT_LEN);
        let written = self.update_into(full, out)?;
        let end = written + last.len() + TAG_LEN;
        let sealed = out.get_mut(written..end).ok_or_else(output_too_short)?;
        Ok(self.seal_last(last, sealed))
    }

    /// Seals the last, short segment to all of `sealed`.
    fn seal_last(mut self, plaintext: &[u8], sealed: &mut [u8]) -> Option<PendingSignature> {
        let (key, index, hash) = (&self.key, self.next, self.signature.is_some());
        let digest = SealItem { key, index, plaintext: Some(plaintext), sealed, hash }.run();
        absorb(&mut self.signature, digest);
        self.signature.map(SignatureHash::into_pending)
    }
}

pub(super) fn absorb(
    signature: &mut Option<SignatureHash>,
    digest: Option<super::segment::SegmentDigest>,
) {
    if let (Some(signature), Some(digest)) = (signature, digest) {
        signature.segment(&digest);
    }
}

/// As [`Sealer::body_len`], for a body that is to be in memory whole.
pub(crate) fn body_len_in_memory(plaintext_len: usize) -> Result<usize> {
    usize::try_from(Sealer::body_len(plaintext_len as u64)?).map_err(|_| exceeds_memory())
}

fn exceeds_memory() -> Error {
    Error::limit("the envelope does not fit in memory")
}

pub(super) fn output_too_short() -> Error {
    Error::invalid("the output buffer is too short")
}
