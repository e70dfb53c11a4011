//! The tasks over one KMS.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keyfold::kms::{Request, Response, SignInput};
use keyfold::stream::Unlocked;
use keyfold::{
    CacheLimits, DataKeyCache, Demands, EncryptionContext, Error, ErrorCode, Header, KeyUri,
    Sealer, Threads,
};

use crate::error::{Answer, invalid};
use crate::gate::{Gate, Task};
use crate::secret::Secret;
use crate::service::KeyService;
use crate::sign::{PublicKey, algorithm};
use crate::spec::{Parsed, Spec};
use crate::stream::{Opening, Sealing};
use crate::table::{Entry, Number};

/// The core's client.
pub(crate) type Core = keyfold::Client<Gate>;

/// What all calls of a client share.
pub(crate) struct Shared {
    pub(crate) core: Core,
    pub(crate) threads: Threads,
    /// How many of them.
    pub(crate) thread_count: usize,
    pub(crate) defaults: Arc<Parsed>,
}

impl Shared {
    /// The machine that seals, when the data key is there.
    pub(crate) fn sealer(
        self: &Arc<Self>,
        spec: Arc<Parsed>,
        plaintext_len: Option<u64>,
    ) -> Task<Sealer> {
        let this = self.clone();
        Box::pin(async move {
            let options = spec.options(plaintext_len);
            this.core.sealer(spec.keyring()?, &spec.context, &options).await
        })
    }

    /// What opens, when the data key is there.
    pub(crate) fn unlock(
        self: &Arc<Self>,
        spec: Arc<Parsed>,
        header: Header,
        body_len: Option<u64>,
        demands: Demands,
    ) -> Task<Unlocked> {
        let this = self.clone();
        Box::pin(async move {
            let ring = spec.keyring()?;
            match body_len {
                Some(len) => this.core.unlock_body(&header, len, ring, demands).await,
                None => this.core.unlock(&header, ring, demands).await,
            }
        })
    }
}

/// When a cached data key ends: at the first of these.
#[derive(Clone, Copy, Debug, uniffi::Record)]
#[expect(clippy::struct_field_names, reason = "the names that the core gives them")]
pub struct CacheBounds {
    /// Age in milliseconds.
    pub max_age_millis: u64,
    /// Messages.
    pub max_messages: u64,
    /// Bytes of plaintext.
    pub max_bytes: u64,
    /// Data keys that are kept at all.
    pub max_entries: u64,
}

/// The limits that count where none are given.
#[uniffi::export]
pub fn default_cache_bounds() -> CacheBounds {
    let limits = CacheLimits::default();
    CacheBounds {
        max_age_millis: u64::try_from(limits.max_age.as_millis()).unwrap_or(u64::MAX),
        max_messages: limits.max_messages,
        max_bytes: limits.max_bytes,
        max_entries: limits.max_entries as u64,
    }
}

/// What a cache of data keys did.
#[derive(Clone, Copy, Debug, uniffi::Record)]
pub struct CacheCounts {
    /// How often a data key was there.
    pub hits: u64,
    /// How often the KMS was asked.
    pub misses: u64,
}

/// At most how long the envelope of so many bytes is.
///
/// # Errors
/// `limit_exceeded`.
#[uniffi::export]
pub fn max_encrypted_length(plaintext_length: u64) -> Answer<u64> {
    Ok(Core::max_encrypted_len(plaintext_length)?)
}

/// Encrypts, decrypts, signs and keeps secrets under the keys of one KMS.
#[derive(uniffi::Object)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    number: Number,
}

#[uniffi::export]
impl Client {
    /// Over a KMS. `defaults` is what counts for calls that bring no [`Spec`] of their own; without
    /// `cache` every message asks the KMS.
    ///
    /// # Errors
    /// `invalid_argument` for keys, suites or threads that cannot be.
    #[uniffi::constructor]
    pub fn new(
        kms: &KeyService,
        defaults: Spec,
        cache: Option<CacheBounds>,
        threads: u32,
    ) -> Answer<Arc<Self>> {
        let thread_count = threads as usize;
        let threads = match thread_count {
            0 => return Err(invalid("there is at least one thread").into()),
            1 => Threads::default(),
            more => Threads::new(more)?,
        };
        let mut core = Core::new(Gate(kms.kms()?)).with_threads(threads.clone());
        if let Some(bounds) = cache {
            let limits = CacheLimits {
                max_age: Duration::from_millis(bounds.max_age_millis),
                max_messages: bounds.max_messages,
                max_bytes: bounds.max_bytes,
                max_entries: usize::try_from(bounds.max_entries).unwrap_or(usize::MAX),
            };
            core = core.with_cache(DataKeyCache::new(limits, Arc::new(crate::time::Ticks)));
        }
        let defaults = Arc::new(Parsed::try_from(defaults)?);
        let shared = Arc::new(Shared { core, threads, thread_count, defaults });
        let number = Number::of(Entry::Client(shared.clone()));
        Ok(Arc::new(Client { shared, number }))
    }

    /// Its number.
    pub fn handle(&self) -> u64 {
        self.number.get()
    }

    /// What the cache did since the client was made.
    pub fn cache_counts(&self) -> CacheCounts {
        let stats = self.shared.core.cache_stats();
        CacheCounts { hits: stats.hits, misses: stats.misses }
    }

    /// Forgets every data key.
    pub fn clear_cache(&self) {
        if let Some(cache) = self.shared.core.cache() {
            cache.clear();
        }
    }

    /// Begins an envelope; of so many bytes, where that is known.
    ///
    /// # Errors
    /// As the core's `Client::sealer`.
    pub async fn seal(&self, spec: Spec, length: Option<u64>) -> Answer<Arc<Sealing>> {
        let spec = Arc::new(Parsed::try_from(spec)?);
        let sealing = Sealing::begin(&self.shared, &spec, length)?;
        sealing.wait().await?;
        Ok(Arc::new(sealing))
    }

    /// Recovers the data key of an envelope with this header, whose body has this length where that
    /// is known. With `unproven` a signature may stay unproven.
    ///
    /// # Errors
    /// As the core's `Client::unlock`.
    pub async fn open(
        &self,
        spec: Spec,
        header: Vec<u8>,
        body_length: Option<u64>,
        unproven: bool,
    ) -> Answer<Arc<Opening>> {
        let spec = Arc::new(Parsed::try_from(spec)?);
        let header = Header::parse_detached(&header)?;
        let opening = Opening::begin(&self.shared, &spec, header, body_length, unproven)?;
        opening.wait().await?;
        Ok(Arc::new(opening))
    }

    /// The header with the recipients of `to` instead of those before.
    ///
    /// # Errors
    /// As the core's `Client::rewrap`.
    pub async fn rewrap(&self, header: Vec<u8>, from: Spec, to: Spec) -> Answer<Vec<u8>> {
        self.recipients(&header, &Change::Rewrap(from.try_into()?, to.try_into()?)).await
    }

    /// The header with the recipients of `to` beside those before.
    ///
    /// # Errors
    /// As the core's `Client::add_recipients`.
    pub async fn add_recipients(&self, header: Vec<u8>, from: Spec, to: Spec) -> Answer<Vec<u8>> {
        self.recipients(&header, &Change::Add(from.try_into()?, to.try_into()?)).await
    }

    /// The header without these recipients.
    ///
    /// # Errors
    /// As the core's `Client::remove_recipients`.
    pub async fn remove_recipients(&self, header: Vec<u8>, keys: Vec<String>) -> Answer<Vec<u8>> {
        self.recipients(&header, &Change::remove(keys)?).await
    }

    /// Signs a message with a key of the KMS; one that is too long for it is hashed here.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn sign(
        &self,
        key: String,
        algorithm: Option<String>,
        message: Vec<u8>,
    ) -> Answer<Vec<u8>> {
        let key = KeyUri::new(key)?;
        let algorithm = self.algorithm(&key, algorithm).await?;
        Ok(self.shared.core.sign(&key, algorithm, &message).await?)
    }

    /// Signs the digest of a message.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn sign_digest(
        &self,
        key: String,
        algorithm: String,
        digest: Vec<u8>,
    ) -> Answer<Vec<u8>> {
        let algorithm = crate::sign::algorithm(&algorithm)?;
        Ok(self.shared.core.sign_digest(&KeyUri::new(key)?, algorithm, &digest).await?)
    }

    /// The public key of an asymmetric KMS key.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn public_key(&self, key: String) -> Answer<Arc<PublicKey>> {
        Ok(PublicKey::of(self.shared.core.public_key(&KeyUri::new(key)?).await?))
    }

    /// The full name behind an alias or a short name.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn resolve(&self, key: String) -> Answer<String> {
        Ok(self.shared.core.resolve(&KeyUri::new(key)?).await?.to_string())
    }

    /// Encrypts 1 to 4096 bytes by the KMS key itself; by the first of the client's where absent.
    ///
    /// # Errors
    /// `limit_exceeded`; what the KMS says.
    pub async fn encrypt_small(
        &self,
        key: Option<String>,
        plaintext: Arc<Secret>,
        context: Option<HashMap<String, String>>,
    ) -> Answer<Vec<u8>> {
        let key = match key {
            Some(key) => KeyUri::new(key)?,
            None => self.shared.defaults.first_key()?.clone(),
        };
        let context = self.context(context);
        Ok(self.shared.core.encrypt_small(&key, plaintext.copy()?, &context).await?)
    }

    /// Decrypts what [`encrypt_small`](Client::encrypt_small) made; with a key, of that one only.
    ///
    /// # Errors
    /// `authentication_failed`; what the KMS says.
    pub async fn decrypt_small(
        &self,
        key: Option<String>,
        ciphertext: Vec<u8>,
        context: Option<HashMap<String, String>>,
    ) -> Answer<Arc<Secret>> {
        let key = key.map(KeyUri::new).transpose()?;
        let context = self.context(context);
        let value = self.shared.core.decrypt_small(key.as_ref(), &ciphertext, &context).await?;
        Ok(Secret::of(Some(value), None))
    }

    /// Keeps a secret under a name; answers the id of its version.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn put_secret(
        &self,
        name: String,
        value: Arc<Secret>,
        key: Option<String>,
    ) -> Answer<String> {
        let key = key.map(KeyUri::new).transpose()?;
        Ok(self.shared.core.secrets().put(&name, value.copy()?, key.as_ref()).await?)
    }

    /// A secret; of this version or stage, or the current one.
    ///
    /// # Errors
    /// `secret_not_found`; what the KMS says.
    pub async fn get_secret(
        &self,
        name: String,
        version: Option<String>,
        stage: Option<String>,
    ) -> Answer<Arc<Secret>> {
        use keyfold::kms::Kms;
        // By the request itself, whose answer names the version too.
        let request = Request::GetSecret { name, version, stage };
        let Response::Secret { value, version } = self.shared.core.kms().call(&request).await?
        else {
            let detail = "the KMS answered something else";
            return Err(Error::new(ErrorCode::KmsProtocol, detail).into());
        };
        Ok(Secret::of(Some(value), Some(version)))
    }
}

/// What becomes of a list of recipients.
pub(crate) enum Change {
    Rewrap(Parsed, Parsed),
    Add(Parsed, Parsed),
    Remove(Vec<KeyUri>),
}

impl Change {
    pub(crate) fn remove(keys: Vec<String>) -> keyfold::Result<Self> {
        Ok(Change::Remove(keys.into_iter().map(KeyUri::new).collect::<keyfold::Result<_>>()?))
    }

    pub(crate) async fn of(&self, core: &Core, header: &Header) -> keyfold::Result<Header> {
        match self {
            Change::Rewrap(from, to) => core.rewrap(header, from.keyring()?, to.keyring()?).await,
            Change::Add(from, to) => {
                core.add_recipients(header, from.keyring()?, to.keyring()?).await
            }
            Change::Remove(keys) => core.remove_recipients(header, keys).await,
        }
    }
}

impl Client {
    async fn recipients(&self, header: &[u8], change: &Change) -> Answer<Vec<u8>> {
        let header = Header::parse_detached(header)?;
        Ok(change.of(&self.shared.core, &header).await?.as_bytes().to_vec())
    }

    /// The algorithm that is named, or that of the key, which the KMS is asked for.
    async fn algorithm(
        &self,
        key: &KeyUri,
        named: Option<String>,
    ) -> keyfold::Result<keyfold::sign::SignatureAlgorithm> {
        match named {
            Some(named) => algorithm(&named),
            None => Ok(self.shared.core.public_key(key).await?.spec().default_algorithm()),
        }
    }

    fn context(&self, context: Option<HashMap<String, String>>) -> EncryptionContext {
        context.map_or_else(
            || self.shared.defaults.context.clone(),
            |context| context.into_iter().collect(),
        )
    }
}

/// How long the digest is that a message of so many bytes is signed by; nothing where the message
/// itself goes to the KMS.
///
/// # Errors
/// `invalid_argument` where the algorithm signs no message as long as that.
#[uniffi::export]
pub fn digest_length(algorithm: String, message_length: u64) -> Answer<Option<u32>> {
    let len = SignInput::digest_len(crate::sign::algorithm(&algorithm)?, message_length)?;
    Ok(len.and_then(|len| u32::try_from(len).ok()))
}
