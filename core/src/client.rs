//! The tasks, as short async functions over one [`Kms`]; no runtime inside.

mod keys;
mod secrets;
mod signing;

use std::fmt;

use crate::context::EncryptionContext;
use crate::crypto::rng::{Rng, SystemRng};
use crate::envelope::{EnvelopeSignature, Header, MAX_HEADER_LEN, encode_stable, join};
use crate::error::{Error, Result};
use crate::keyring::Keyring;
use crate::keys::KeyUri;
use crate::kms::Kms;
use crate::kms::cache::{CacheStats, DataKeyCache};
use crate::sign::SigningKey;
use crate::stream::{Demands, Layout, Opener, Sealer, Threads, Unlocked, body_len_in_memory};
use crate::suite::Suite;

pub use secrets::Secrets;

/// Encrypts, decrypts, signs and keeps secrets under the keys of one KMS.
///
/// A client may be shared between threads; it holds no state but its cache.
///
/// ```
/// # use keyfold::{Client, EncryptionContext, ErrorCode, Keyring};
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
/// # let context = EncryptionContext::from([("tenant", "acme")]);
/// let sealed = kf.encrypt(b"hello", &ring, &context).await?;
/// assert_eq!(kf.decrypt(&sealed, &ring, &context).await?, b"hello");
///
/// // Another context does not open it, and the KMS is not even asked.
/// let other = EncryptionContext::from([("tenant", "globex")]);
/// let refused = kf.decrypt(&sealed, &ring, &other).await.unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::ContextMismatch);
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
pub struct Client<K> {
    kms: K,
    rng: Box<dyn Rng>,
    cache: Option<DataKeyCache>,
    threads: Threads,
}

/// How to seal, beside keyring and context.
///
/// ```
/// # use keyfold::{Client, EncryptionContext, Header, Keyring, SealOptions, Suite};
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
/// # let context = EncryptionContext::from([("tenant", "acme")]);
/// let options = SealOptions { suite: Some(Suite::ChaCha20Poly1305), ..SealOptions::default() };
/// let sealed = kf.encrypt_with(b"hello", &ring, &context, &options).await?;
/// assert_eq!(Header::parse_detached(&sealed.header)?.suite(), Suite::ChaCha20Poly1305);
/// assert_eq!(kf.decrypt(&sealed.attached(), &ring, &context).await?, b"hello");
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct SealOptions<'a> {
    /// The suite; [`Suite::Aes256Gcm`] where absent.
    pub suite: Option<Suite>,
    /// Who signs the envelope; nobody where absent.
    pub signer: Option<Signer<'a>>,
    /// Length of the plaintext in bytes, where it is known before: counted by the data-key
    /// cache, which a stream of unknown length does not use.
    pub plaintext_len: Option<u64>,
}

impl SealOptions<'_> {
    fn sized(&self, plaintext: &[u8]) -> Self {
        SealOptions { plaintext_len: Some(plaintext.len() as u64), ..self.clone() }
    }
}

/// Who signs an envelope (docs/spec/envelope.md, clause 7): a key of one of the specs that
/// [`EnvelopeSignature`] takes.
///
/// ```
/// # use keyfold::{Client, Demands, EncryptionContext, Keyring};
/// # use keyfold::{SealOptions, Signer, SignerPolicy, SystemRng};
/// # use keyfold::sign::{KeySpec, SigningKey};
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
/// # let context = EncryptionContext::from([("tenant", "acme")]);
/// let key = SigningKey::generate(KeySpec::Ed25519, &SystemRng)?;
/// let options = SealOptions { signer: Some(Signer::Local(&key)), ..SealOptions::default() };
/// let sealed = kf.encrypt_with(b"hello", &ring, &context, &options).await?.attached();
///
/// let signers = SignerPolicy::OneOf(vec![key.public_key().clone()]);
/// let demands = Demands::new(&context).signed_by(signers);
/// assert_eq!(kf.decrypt(&sealed, &ring, demands).await?, b"hello");
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub enum Signer<'a> {
    /// A key of the caller's own.
    Local(&'a SigningKey),
    /// A key of the KMS.
    Kms(KeyUri),
}

/// A sealed message in its two parts: `header` followed by `body` is the attached form.
///
/// ```
/// # use keyfold::{Client, EncryptionContext, Header, Keyring, SealOptions};
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
/// # let context = EncryptionContext::from([("tenant", "acme")]);
/// let sealed = kf.encrypt_with(b"hello", &ring, &context, &SealOptions::default()).await?;
/// // The header may live beside the body, say in a column of a database.
/// let header = Header::parse_detached(&sealed.header)?;
/// assert_eq!(kf.decrypt_body(&header, &sealed.body, &ring, &context).await?, b"hello");
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What [`Header::parse`] reads; rewrapping replaces it.
    pub header: Vec<u8>,
    /// The body, with the signature if there is one.
    pub body: Vec<u8>,
}

impl Sealed {
    /// Header and body in one.
    pub fn attached(self) -> Vec<u8> {
        let mut whole = self.header;
        whole.extend_from_slice(&self.body);
        whole
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} + {} bytes)", self.header.len(), self.body.len())
    }
}

impl<K: Kms> Client<K> {
    /// A client without a cache: every message asks the KMS.
    pub fn new(kms: K) -> Self {
        Client { kms, rng: Box::new(SystemRng), cache: None, threads: Threads::default() }
    }

    /// Keeps data keys between messages.
    ///
    /// ```
    /// # use keyfold::{CacheLimits, Client, DataKeyCache, EncryptionContext, Keyring};
    /// # use std::sync::Arc;
    /// # struct Stopped;
    /// # impl keyfold::Clock for Stopped {
    /// #     fn now(&self) -> std::time::Duration { std::time::Duration::ZERO }
    /// #     fn sleep(&self, _: std::time::Duration) -> keyfold::maybe_send::BoxFuture<'_, ()> {
    /// #         Box::pin(std::future::ready(()))
    /// #     }
    /// # }
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let kf = kf.with_cache(DataKeyCache::new(CacheLimits::default(), Arc::new(Stopped)));
    /// for message in [b"one", b"two"] {
    ///     kf.encrypt(message, &ring, &context).await?;
    /// }
    /// // The second message took the data key of the first.
    /// assert_eq!((kf.cache_stats().misses, kf.cache_stats().hits), (1, 1));
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_cache(mut self, cache: DataKeyCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Processes the segments of large messages on several threads.
    ///
    #[cfg_attr(feature = "parallel", doc = "```")]
    #[cfg_attr(not(feature = "parallel"), doc = "```ignore")]
    /// # use keyfold::{Client, EncryptionContext, Keyring, Threads};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let kf = kf.with_threads(Threads::new(2)?);
    /// let large = vec![7; 1_000_000];
    /// let sealed = kf.encrypt(&large, &ring, &context).await?;
    /// assert_eq!(kf.decrypt(&sealed, &ring, &context).await?, large);
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_threads(mut self, threads: Threads) -> Self {
        self.threads = threads;
        self
    }

    /// Takes randomness from elsewhere; for tests that must repeat.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Keyring, Rng, SealOptions};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// struct Sevens; // Never outside a test: equal salts would give equal message keys.
    /// impl Rng for Sevens {
    ///     fn fill(&self, out: &mut [u8]) -> keyfold::Result<()> {
    ///         out.fill(7);
    ///         Ok(())
    ///     }
    /// }
    /// let kf = kf.with_rng(Sevens);
    /// let sealed = kf.encrypt_with(b"hello", &ring, &context, &SealOptions::default()).await?;
    /// assert_eq!(sealed.body[..24], [7; 24]); // the salt
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_rng(mut self, rng: impl Rng + 'static) -> Self {
        self.rng = Box::new(rng);
        self
    }

    /// The KMS behind this client.
    pub fn kms(&self) -> &K {
        &self.kms
    }

    /// The data-key cache, if there is one.
    pub fn cache(&self) -> Option<&DataKeyCache> {
        self.cache.as_ref()
    }

    /// How the cache has served; zeros where there is none.
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.as_ref().map(DataKeyCache::stats).unwrap_or_default()
    }

    /// Encrypts a whole value: an attached, unsigned envelope of the default suite.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Keyring};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let backup = kms.create_key("alias/backup", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// // Either of the two keys opens what both have wrapped.
    /// let ring = ring.also_wrap_with(backup.clone());
    /// let sealed = kf.encrypt(b"hello", &ring, &context).await?;
    /// let by_backup = Keyring::unwrap_with([backup]);
    /// assert_eq!(kf.decrypt(&sealed, &by_backup, &context).await?, b"hello");
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The `kms_*` codes; `limit_exceeded` beyond [`MAX_PLAINTEXT_LEN`], 8192 bytes of context or
    /// 16 keys (clause 4.6); `invalid_argument` for a keyring that cannot wrap; `internal` where
    /// the system has no randomness.
    ///
    /// [`MAX_PLAINTEXT_LEN`]: crate::stream::MAX_PLAINTEXT_LEN
    pub async fn encrypt(
        &self,
        plaintext: &[u8],
        keyring: &Keyring,
        context: &EncryptionContext,
    ) -> Result<Vec<u8>> {
        let options = SealOptions::default().sized(plaintext);
        let sealer = self.sealer(keyring, context, &options).await?;
        let mut envelope = vec![0; sealer.envelope_len(plaintext.len())?];
        sealer.seal_envelope_into(plaintext, &mut envelope)?;
        Ok(envelope)
    }

    /// Encrypts a whole value, with every option, header and body apart.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Keyring, SealOptions};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let sealed = kf.encrypt_with(b"hello", &ring, &context, &SealOptions::default()).await?;
    /// // Salt and commitment, the five bytes, a tag (clause 6.1.4).
    /// assert_eq!(sealed.body.len(), 56 + 5 + 16);
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`encrypt`](Client::encrypt).
    pub async fn encrypt_with(
        &self,
        plaintext: &[u8],
        keyring: &Keyring,
        context: &EncryptionContext,
        options: &SealOptions<'_>,
    ) -> Result<Sealed> {
        let mut sealer = self.sealer(keyring, context, &options.sized(plaintext)).await?;
        let header = sealer.take_header();
        let mut body = vec![0; body_len_in_memory(plaintext.len())?];
        let pending = sealer.seal_whole(plaintext, &mut body)?;
        body.extend_from_slice(&self.trailer(pending, options).await?);
        Ok(Sealed { header, body })
    }

    /// Encrypts a whole value to the start of `out`, as an attached envelope, and answers its
    /// length; [`max_encrypted_len`](Client::max_encrypted_len) is room enough.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Keyring, SealOptions};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let options = SealOptions::default();
    /// let mut envelope = vec![0; 70_000];
    /// let len = kf.encrypt_into(b"hello", &ring, &context, &options, &mut envelope).await?;
    /// let mut plain = vec![0; len];
    /// let plain_len = kf.decrypt_into(&envelope[..len], &ring, &context, &mut plain).await?;
    /// assert_eq!(&plain[..plain_len], b"hello");
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`encrypt`](Client::encrypt), and `invalid_argument` where `out` is too short.
    pub async fn encrypt_into(
        &self,
        plaintext: &[u8],
        keyring: &Keyring,
        context: &EncryptionContext,
        options: &SealOptions<'_>,
        out: &mut [u8],
    ) -> Result<usize> {
        let sealer = self.sealer(keyring, context, &options.sized(plaintext)).await?;
        let (len, pending) = sealer.seal_envelope_into(plaintext, out)?;
        let trailer = self.trailer(pending, options).await?;
        out.get_mut(len..len + trailer.len())
            .ok_or_else(|| Error::invalid("the output buffer is too short"))?
            .copy_from_slice(&trailer);
        Ok(len + trailer.len())
    }

    /// At most how long the attached envelope of so many bytes of plaintext is.
    ///
    /// ```
    /// use keyfold::Client;
    /// use keyfold_kms::EmbeddedKms;
    ///
    /// // A header of at most 64 KiB, a body of 72 bytes and more, a signature of at most 512.
    /// assert_eq!(Client::<EmbeddedKms>::max_encrypted_len(1000)?, 65_536 + 1072 + 512);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `limit_exceeded` above [`crate::stream::MAX_PLAINTEXT_LEN`].
    pub fn max_encrypted_len(plaintext_len: u64) -> Result<u64> {
        // 512: the longest signature (clause 7.1).
        Ok(MAX_HEADER_LEN as u64 + Sealer::body_len(plaintext_len)? + 512)
    }

    /// Decrypts an attached envelope. Nothing comes out before all of it is proven
    /// (docs/spec/envelope.md, clause 8.2.1).
    ///
    /// `demands` is the encryption context, exactly, or all of [`Demands`].
    ///
    /// ```
    /// # use keyfold::{Client, ContextCheck, EncryptionContext, ErrorCode, Keyring};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let mut sealed = kf.encrypt(b"hello", &ring, &context).await?;
    /// // A part of the context may be enough, if the caller says so.
    /// let part = ContextCheck::Contains(EncryptionContext::new());
    /// assert_eq!(kf.decrypt(&sealed, &ring, part).await?, b"hello");
    ///
    /// *sealed.last_mut().unwrap() ^= 1;
    /// let refused = kf.decrypt(&sealed, &ring, &context).await.unwrap_err();
    /// assert_eq!(refused.code(), ErrorCode::AuthenticationFailed);
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// In the order of clause 8.1: the structural codes; `unsupported_suite`; `invalid_argument`
    /// (signed, but no signer named); `signature_invalid` (not signed); `context_mismatch`;
    /// `no_usable_key`; `truncated`; `authentication_failed`; `signature_invalid`.
    pub async fn decrypt(
        &self,
        envelope: &[u8],
        keyring: &Keyring,
        demands: impl Into<Demands>,
    ) -> Result<Vec<u8>> {
        let (header, header_len) = Header::parse(envelope)?;
        self.decrypt_body(&header, &envelope[header_len..], keyring, demands).await
    }

    /// As [`decrypt`](Client::decrypt), for a header kept apart from its body.
    ///
    /// # Errors
    /// As [`decrypt`](Client::decrypt).
    pub async fn decrypt_body(
        &self,
        header: &Header,
        body: &[u8],
        keyring: &Keyring,
        demands: impl Into<Demands>,
    ) -> Result<Vec<u8>> {
        let opener = self.opener(header, body.len() as u64, keyring, demands).await?;
        let mut plaintext = vec![0; opener.plaintext_len(body.len())?];
        opener.open_whole_into(body, &mut plaintext)?;
        Ok(plaintext)
    }

    /// Decrypts an attached envelope to the start of `out` and answers how many bytes that were;
    /// an `out` as long as the envelope is room enough. On an error `out` holds no plaintext.
    ///
    /// # Errors
    /// As [`decrypt`](Client::decrypt), and `invalid_argument` where `out` is too short.
    pub async fn decrypt_into(
        &self,
        envelope: &[u8],
        keyring: &Keyring,
        demands: impl Into<Demands>,
        out: &mut [u8],
    ) -> Result<usize> {
        let (header, header_len) = Header::parse(envelope)?;
        let body = &envelope[header_len..];
        let opener = self.opener(&header, body.len() as u64, keyring, demands).await?;
        opener.open_whole_into(body, out)
    }

    /// Gets an envelope ready to be opened at once, with
    /// [`open_whole_into`](Opener::open_whole_into): its header, and the length of its body with
    /// the signature.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Header, Keyring, Layout};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let envelope = kf.encrypt(b"hello", &ring, &context).await?;
    /// let (header, header_len) = Header::parse(&envelope)?;
    /// let body = &envelope[header_len..];
    /// let opener = kf.opener(&header, body.len() as u64, &ring, &context).await?;
    ///
    /// // All that waits is done: the rest may happen on another thread.
    /// let mut plaintext = [0; 5];
    /// assert_eq!(opener.open_whole_into(body, &mut plaintext)?, 5);
    /// assert_eq!(&plaintext, b"hello");
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`unlock`](Client::unlock), and `truncated` for a body that is too short to be one.
    pub async fn opener(
        &self,
        header: &Header,
        body_len: u64,
        keyring: &Keyring,
        demands: impl Into<Demands>,
    ) -> Result<Opener> {
        let unlocked = self.unlock_body(header, body_len, keyring, demands).await?;
        Ok(unlocked.into_opener().with_threads(&self.threads))
    }

    /// As [`unlock`](Client::unlock), for a body whose length is known: what it uses of the data
    /// key counts in the cache.
    ///
    /// # Errors
    /// As [`unlock`](Client::unlock); `truncated` where no whole body has this length.
    pub async fn unlock_body(
        &self,
        header: &Header,
        body_len: u64,
        keyring: &Keyring,
        demands: impl Into<Demands>,
    ) -> Result<Unlocked> {
        let demands = demands.into();
        // What the caller demands is told before what the body lacks (clause 8.1).
        demands.check(header)?;
        let len = Layout::new(body_len, header.trailer_len())?.plaintext_len();
        let key = self.unwrap_any(header, keyring, Some(len)).await?;
        Ok(Unlocked::checked(header, key, demands))
    }

    /// Starts a stream. Write [`Sealer::header`], feed the machine, and where an option names a
    /// signer, append [`sign_pending`](Client::sign_pending) of what `finish` answers.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Keyring, SealOptions};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let mut sealer = kf.sealer(&ring, &context, &SealOptions::default()).await?;
    /// let mut envelope = sealer.header().to_vec();
    /// for part in ["large ", "and ", "late"] {
    ///     sealer.update(part.as_bytes(), &mut envelope)?;
    /// }
    /// sealer.finish(&mut envelope)?;
    /// assert_eq!(kf.decrypt(&envelope, &ring, &context).await?, b"large and late");
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`encrypt`](Client::encrypt).
    pub async fn sealer(
        &self,
        keyring: &Keyring,
        context: &EncryptionContext,
        options: &SealOptions<'_>,
    ) -> Result<Sealer> {
        // Checked before a KMS is asked for a key that nothing could be sealed with.
        context.to_canonical()?;
        let signature = match &options.signer {
            None => None,
            Some(signer) => Some(self.envelope_signature(signer).await?),
        };
        let suite = options.suite.unwrap_or(Suite::Aes256Gcm);
        self.sealer_signed(keyring, context, suite, options.plaintext_len, signature.as_ref()).await
    }

    /// As [`sealer`](Client::sealer), where it is known already how the envelope will be signed.
    /// `plaintext_len` as in [`SealOptions`].
    ///
    /// # Errors
    /// As [`encrypt`](Client::encrypt).
    pub async fn sealer_signed(
        &self,
        keyring: &Keyring,
        context: &EncryptionContext,
        suite: Suite,
        plaintext_len: Option<u64>,
        signature: Option<&EnvelopeSignature>,
    ) -> Result<Sealer> {
        let context_bytes = context.to_canonical()?;
        let cached = self.data_key(keyring, context, &context_bytes, plaintext_len).await?;
        let stable = encode_stable(suite, &context_bytes, signature)?;
        let header = join(&stable, &cached.recipients)?;
        let rng = self.rng.as_ref();
        let sealer = Sealer::start(suite, &stable, header, signature, &cached.key, rng)?;
        Ok(sealer.with_threads(&self.threads))
    }

    /// Recovers the data key of an envelope: the way to streams ([`Unlocked::into_opener`]) and
    /// range reads ([`Unlocked::into_ranges`]).
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Header, Keyring};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// # let sealed = kf.encrypt(b"hello", &ring, &context).await?;
    /// let (header, header_len) = Header::parse(&sealed)?;
    /// let mut opener = kf.unlock(&header, &ring, &context).await?.into_opener();
    /// let mut plain = Vec::new();
    /// for part in sealed[header_len..].chunks(10) {
    ///     opener.update(part, &mut plain)?;
    /// }
    /// opener.finish(&mut plain)?; // only now the message is proven to be whole
    /// assert_eq!(plain, b"hello");
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`Demands::check`], then `no_usable_key`, whose detail says what each KMS key answered
    /// (clause 8.1.3).
    pub async fn unlock(
        &self,
        header: &Header,
        keyring: &Keyring,
        demands: impl Into<Demands>,
    ) -> Result<Unlocked> {
        let demands = demands.into();
        // Before the KMS is asked: what fails here needs no key.
        demands.check(header)?;
        let key = self.unwrap_any(header, keyring, None).await?;
        Ok(Unlocked::checked(header, key, demands))
    }
}
