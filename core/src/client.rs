//! The tasks, as short async functions over one [`Kms`]; no runtime inside.

mod keys;
mod secrets;
mod signing;

use std::fmt;

use zeroize::Zeroize;

use crate::context::EncryptionContext;
use crate::crypto::rng::{Rng, SystemRng};
use crate::envelope::{Header, MAX_HEADER_LEN, encode_stable, join};
use crate::error::{Error, Result};
use crate::keyring::Keyring;
use crate::keys::KeyUri;
use crate::kms::Kms;
use crate::kms::cache::{CacheStats, DataKeyCache};
use crate::sign::SigningKey;
use crate::stream::{Demands, Sealer, Threads, Unlocked};
use crate::suite::Suite;

pub use secrets::Secrets;

/// Encrypts, decrypts, signs and keeps secrets under the keys of one KMS.
///
/// A client may be shared between threads; it holds no state but its cache.
pub struct Client<K> {
    kms: K,
    rng: Box<dyn Rng>,
    cache: Option<DataKeyCache>,
    threads: Threads,
}

/// How to seal, beside keyring and context.
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

/// Who signs an envelope.
#[derive(Clone)]
pub enum Signer<'a> {
    /// A key of the caller's own.
    Local(&'a SigningKey),
    /// A key of the KMS.
    Kms(KeyUri),
}

/// A sealed message in its two parts: `header` followed by `body` is the attached form.
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
    #[must_use]
    pub fn with_cache(mut self, cache: DataKeyCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Processes the segments of large messages on several threads.
    #[must_use]
    pub fn with_threads(mut self, threads: Threads) -> Self {
        self.threads = threads;
        self
    }

    /// Takes randomness from elsewhere; for tests that must repeat.
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
    /// # Errors
    /// The `kms_*` codes, `limit_exceeded`, `invalid_argument` for a keyring that cannot wrap.
    pub async fn encrypt(
        &self,
        plaintext: &[u8],
        keyring: &Keyring,
        context: &EncryptionContext,
    ) -> Result<Vec<u8>> {
        let options = SealOptions::default().sized(plaintext);
        let mut sealer = self.sealer(keyring, context, &options).await?;
        let mut envelope = sealer.take_header();
        let header_len = envelope.len();
        envelope.resize(header_len + body_len(plaintext)?, 0);
        sealer.seal_whole(plaintext, &mut envelope[header_len..])?;
        Ok(envelope)
    }

    /// Encrypts a whole value, with every option, header and body apart.
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
        let mut body = vec![0; body_len(plaintext)?];
        let pending = sealer.seal_whole(plaintext, &mut body)?;
        body.extend_from_slice(&self.trailer(pending, options).await?);
        Ok(Sealed { header, body })
    }

    /// Encrypts a whole value to the start of `out`, as an attached envelope, and answers its
    /// length; [`max_encrypted_len`](Client::max_encrypted_len) is room enough.
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
        let header_len = sealer.header().len();
        let body_len = body_len(plaintext)?;
        let too_short = || Error::invalid("the output buffer is too short");
        let (header, rest) = out.split_at_mut_checked(header_len).ok_or_else(too_short)?;
        header.copy_from_slice(sealer.header());
        let (body, rest) = rest.split_at_mut_checked(body_len).ok_or_else(too_short)?;
        let pending = sealer.seal_whole(plaintext, body)?;
        let trailer = self.trailer(pending, options).await?;
        rest.get_mut(..trailer.len()).ok_or_else(too_short)?.copy_from_slice(&trailer);
        Ok(header_len + body_len + trailer.len())
    }

    /// At most how long the attached envelope of so many bytes of plaintext is.
    ///
    /// # Errors
    /// `limit_exceeded` above [`crate::stream::MAX_PLAINTEXT_LEN`].
    pub fn max_encrypted_len(plaintext_len: u64) -> Result<u64> {
        // 512: the longest signature (clause 7.1).
        Ok(MAX_HEADER_LEN as u64 + Sealer::body_len(plaintext_len)? + 512)
    }

    /// Decrypts an attached envelope. Nothing comes out before all of it is proven.
    ///
    /// `demands` is the encryption context, exactly, or all of [`Demands`].
    ///
    /// # Errors
    /// The structural codes; `context_mismatch`; `no_usable_key`; `authentication_failed`;
    /// `signature_invalid`.
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
        let mut plaintext = vec![0; plaintext_len(header, body)?];
        self.decrypt_body_into(header, body, keyring, demands, &mut plaintext).await?;
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
        self.decrypt_body_into(&header, &envelope[header_len..], keyring, demands, out).await
    }

    async fn decrypt_body_into(
        &self,
        header: &Header,
        body: &[u8],
        keyring: &Keyring,
        demands: impl Into<Demands>,
        out: &mut [u8],
    ) -> Result<usize> {
        let len = plaintext_len(header, body)?;
        let out =
            out.get_mut(..len).ok_or_else(|| Error::invalid("the output buffer is too short"))?;
        let unlocked = self.unlock_sized(header, keyring, &demands.into(), Some(len)).await?;
        let opened = open_whole(unlocked.into_opener().with_threads(&self.threads), body, out);
        if opened.is_err() {
            out.zeroize();
        }
        opened.map(|()| len)
    }

    /// Starts a stream. Write [`Sealer::header`], feed the machine, and where an option names a
    /// signer, append [`sign_pending`](Client::sign_pending) of what `finish` answers.
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
        let context_bytes = context.to_canonical()?;
        let cached = self.data_key(keyring, context, &context_bytes, options.plaintext_len).await?;
        let signature = match &options.signer {
            None => None,
            Some(signer) => Some(self.envelope_signature(signer).await?),
        };
        let suite = options.suite.unwrap_or(Suite::Aes256Gcm);
        let stable = encode_stable(suite, &context_bytes, signature.as_ref())?;
        let header = join(&stable, &cached.recipients)?;
        let rng = self.rng.as_ref();
        let sealer = Sealer::start(suite, &stable, header, signature.as_ref(), &cached.key, rng)?;
        Ok(sealer.with_threads(&self.threads))
    }

    /// Recovers the data key of an envelope: the way to streams ([`Unlocked::into_opener`]) and
    /// range reads ([`Unlocked::into_ranges`]).
    ///
    /// # Errors
    /// `context_mismatch`, `unsupported_suite`, `signature_invalid`, `no_usable_key`.
    pub async fn unlock(
        &self,
        header: &Header,
        keyring: &Keyring,
        demands: impl Into<Demands>,
    ) -> Result<Unlocked> {
        self.unlock_sized(header, keyring, &demands.into(), None).await
    }

    async fn unlock_sized(
        &self,
        header: &Header,
        keyring: &Keyring,
        demands: &Demands,
        plaintext_len: Option<usize>,
    ) -> Result<Unlocked> {
        // Before the KMS is asked: what fails here needs no key.
        demands.check(header)?;
        let key = self.unwrap_any(header, keyring, plaintext_len.map(|len| len as u64)).await?;
        Unlocked::new(header, key, demands)
    }
}

/// How long the body of a whole plaintext is, signature apart.
fn body_len(plaintext: &[u8]) -> Result<usize> {
    usize::try_from(Sealer::body_len(plaintext.len() as u64)?)
        .map_err(|_| Error::limit("the envelope does not fit in memory"))
}

fn plaintext_len(header: &Header, body: &[u8]) -> Result<usize> {
    let layout = crate::stream::Layout::new(body.len() as u64, header.trailer_len())?;
    usize::try_from(layout.plaintext_len())
        .map_err(|_| Error::limit("the plaintext does not fit in memory"))
}

fn open_whole(mut opener: crate::Opener, body: &[u8], out: &mut [u8]) -> Result<()> {
    let written = opener.update_into(body, out)?;
    opener.finish_into(&mut out[written..]).map(drop)
}
