//! Which KMS keys generate and wrap data keys, and which may unwrap them, in what order.

use crate::context::{EncryptionContext, put_part, take_part};
use crate::error::Result;
use crate::keys::{KeyUri, WrappedKey};

/// The KMS keys of one purpose: at most 16 that wrap. Any one of them opens the envelope; they
/// are tried in this order, and only these: an address in an envelope is never followed
/// (docs/spec/envelope.md, clauses 4.3.2 and 8.1).
///
/// ```
/// use keyfold::Keyring;
/// let ring = Keyring::generate_with("keyfold:alias/docs".parse()?)
///     .also_wrap_with("keyfold:alias/backup".parse()?);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Keyring {
    pub(crate) wrap: Vec<KeyUri>,
    pub(crate) unwrap: Vec<KeyUri>,
    pub(crate) discover: Option<String>,
    /// In order, each once.
    pub(crate) bound: Option<Vec<String>>,
}

impl Keyring {
    /// This key makes and wraps data keys, and may unwrap them.
    pub fn generate_with(key: KeyUri) -> Self {
        Keyring { wrap: vec![key], unwrap: Vec::new(), discover: None, bound: None }
    }

    /// No key wraps; these may unwrap, in this order.
    ///
    /// ```
    /// use keyfold::Keyring;
    ///
    /// // For a reader that must never seal: tried in this order.
    /// let reader = Keyring::unwrap_with(["keyfold:alias/docs".parse()?])
    ///     .also_unwrap_with("keyfold:alias/backup".parse()?);
    /// assert_ne!(reader, Keyring::generate_with("keyfold:alias/docs".parse()?));
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    pub fn unwrap_with(keys: impl IntoIterator<Item = KeyUri>) -> Self {
        let unwrap = keys.into_iter().collect();
        Keyring { wrap: Vec::new(), unwrap, discover: None, bound: None }
    }

    /// No key wraps; any key of the client's own KMS that is a recipient under this scheme may
    /// unwrap. The KMS decides by its own permissions; no address in an envelope is followed.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Keyring};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let sealed = kf.encrypt(b"hello", &ring, &context).await?;
    /// let any = Keyring::discover("keyfold");
    /// assert_eq!(kf.decrypt(&sealed, &any, &context).await?, b"hello");
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn discover(scheme: impl Into<String>) -> Self {
        let discover = Some(scheme.into());
        Keyring { wrap: Vec::new(), unwrap: Vec::new(), discover, bound: None }
    }

    /// This key wraps every data key too, and may unwrap it.
    #[must_use]
    pub fn also_wrap_with(mut self, key: KeyUri) -> Self {
        self.wrap.push(key);
        self
    }

    /// This key may unwrap too, after those before it.
    #[must_use]
    pub fn also_unwrap_with(mut self, key: KeyUri) -> Self {
        self.unwrap.push(key);
        self
    }

    /// Binds only the context pairs with these names at the KMS; the whole context is bound
    /// locally in any case (docs/spec/envelope.md, clause 4.4). So one cached data key serves all
    /// messages of a tenant.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Keyring};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// let ring = ring.bind_only(["tenant"]);
    /// let context = EncryptionContext::from([("tenant", "acme"), ("document", "42")]);
    /// let sealed = kf.encrypt(b"hello", &ring, &context).await?;
    /// assert_eq!(kf.decrypt(&sealed, &ring, &context).await?, b"hello");
    ///
    /// // The document is bound all the same.
    /// let other = EncryptionContext::from([("tenant", "acme"), ("document", "43")]);
    /// assert!(kf.decrypt(&sealed, &ring, &other).await.is_err());
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn bind_only(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut bound = Vec::new();
        for name in names.into_iter().map(Into::into) {
            if let Err(place) = bound.binary_search(&name) {
                bound.insert(place, name);
            }
        }
        self.bound = Some(bound);
        self
    }

    /// Every key that it names, those that generate and wrap first.
    ///
    /// ```
    /// use keyfold::Keyring;
    ///
    /// let ring = Keyring::generate_with("keyfold:alias/docs".parse()?)
    ///     .also_unwrap_with("keyfold:alias/old".parse()?);
    /// assert_eq!(ring.keys()[1].as_str(), "keyfold:alias/old");
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    pub fn keys(&self) -> Vec<KeyUri> {
        self.unwrapping().cloned().collect()
    }

    /// The part of a context that the KMS gets to see.
    pub(crate) fn bound_context(&self, context: &EncryptionContext) -> EncryptionContext {
        match &self.bound {
            None => context.clone(),
            Some(names) => context.select(names.iter().map(String::as_str)),
        }
    }

    /// The keys that may unwrap, in order.
    pub(crate) fn unwrapping(&self) -> impl Iterator<Item = &KeyUri> {
        self.wrap.iter().chain(&self.unwrap)
    }
}

/// The name of the provider parameter that lists which context pairs a KMS key is bound to
/// (docs/spec/envelope.md, clause 4.4). It is absent where the whole context is bound.
const BOUND_NAMES: &str = "context";

/// Notes in a recipient that only this part of the context is bound to it.
pub(crate) fn note_bound(wrapped: &mut WrappedKey, bound: &EncryptionContext, whole: bool) {
    if whole {
        return;
    }
    let mut names = Vec::new();
    for (name, _) in bound.iter() {
        // A context name is at most 8192 bytes long, so its length fits.
        put_part(&mut names, name.as_bytes());
    }
    wrapped.params.insert(BOUND_NAMES.to_owned(), names);
}

/// The part of an envelope's context that a recipient is bound to.
///
/// # Errors
/// `malformed_envelope` where the recipient's list of names is not canonical or names a pair
/// that the context lacks.
pub(crate) fn bound_to(
    wrapped: &WrappedKey,
    context: &EncryptionContext,
) -> Result<EncryptionContext> {
    let Some(mut names) = wrapped.params.get(BOUND_NAMES).map(Vec::as_slice) else {
        return Ok(context.clone());
    };
    let malformed = || crate::Error::malformed("a recipient's list of context names is not valid");
    let mut bound = EncryptionContext::new();
    let mut last: Option<&str> = None;
    while !names.is_empty() {
        let name = take_part(&mut names).ok_or_else(malformed)?;
        let name = std::str::from_utf8(name).map_err(|_| malformed())?;
        let value = context.get(name).ok_or_else(malformed)?;
        if last.is_some_and(|last| last >= name) {
            return Err(malformed());
        }
        last = Some(name);
        bound.insert(name, value);
    }
    Ok(bound)
}
