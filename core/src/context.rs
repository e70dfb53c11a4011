//! The encryption context: public name-value pairs that decryption must present again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorCode, Result};

/// Public, authenticated name-value pairs bound to what is encrypted.
///
/// Two contexts are the same exactly when their canonical bytes are the same
/// (docs/spec/envelope.md, clause 3): names and values are compared byte by byte in UTF-8, with
/// no normalisation. Values appear in clear in every envelope, and in the audit log of many a KMS.
///
/// ```
/// let context = keyfold::EncryptionContext::from([("tenant", "acme"), ("doc", "42")]);
/// assert_eq!(context.get("tenant"), Some("acme"));
/// // Debug output, and so a log, has the names only.
/// assert_eq!(format!("{context:?}"), r#"{"doc", "tenant"}"#);
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EncryptionContext(Arc<Vec<(String, String)>>);

impl EncryptionContext {
    /// The longest canonical encoding, in bytes (clause 3.5).
    pub const MAX_LEN: usize = 8192;

    /// The empty context.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair, or replaces the value of a name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.place(&name) {
            Ok(place) => Arc::make_mut(&mut self.0)[place].1 = value,
            Err(place) => Arc::make_mut(&mut self.0).insert(place, (name, value)),
        }
    }

    /// The value under a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let place = self.place(name).ok()?;
        Some(&self.0[place].1)
    }

    /// The pairs, sorted by the bytes of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every pair of `subset` is in this context.
    pub fn contains(&self, subset: &EncryptionContext) -> bool {
        subset.iter().all(|(name, value)| self.get(name) == Some(value))
    }

    /// The part of this context with the given names.
    ///
    /// ```
    /// use keyfold::EncryptionContext;
    ///
    /// let context = EncryptionContext::from([("tenant", "acme"), ("doc", "42")]);
    /// let tenant = context.select(["tenant", "missing"]);
    /// assert_eq!(tenant, EncryptionContext::from([("tenant", "acme")]));
    /// assert!(context.contains(&tenant) && !tenant.contains(&context));
    /// ```
    #[must_use]
    pub fn select<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> EncryptionContext {
        names.into_iter().filter_map(|name| Some((name, self.get(name)?))).collect()
    }

    /// Where a name stands, or belongs.
    fn place(&self, name: &str) -> std::result::Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    /// The canonical bytes: nothing for the empty context, otherwise a u16 count and the pairs
    /// in the byte order of their names, each as u16 length, name, u16 length, value (clause 3.2).
    ///
    /// ```
    /// use keyfold::EncryptionContext;
    ///
    /// let context = EncryptionContext::from([("b", "2"), ("a", "")]);
    /// assert_eq!(context.to_canonical()?, b"\0\x02\0\x01a\0\0\0\x01b\0\x012");
    /// assert_eq!(EncryptionContext::new().to_canonical()?, b"");
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `limit_exceeded` above [`EncryptionContext::MAX_LEN`].
    pub fn to_canonical(&self) -> Result<Vec<u8>> {
        let size = self.0.iter().try_fold(2usize, |sum, (name, value)| {
            sum.checked_add(4)?.checked_add(name.len())?.checked_add(value.len())
        });
        if size.is_none_or(|size| size > Self::MAX_LEN) {
            return Err(Error::limit("the encryption context is longer than 8192 bytes"));
        }
        Ok(encode_pairs(self.iter()))
    }

    /// Reads canonical bytes; anything that [`EncryptionContext::to_canonical`] would not have
    /// written is refused (clauses 3.3 and 3.4).
    ///
    /// ```
    /// use keyfold::{EncryptionContext, ErrorCode};
    ///
    /// let context = EncryptionContext::from_canonical(b"\0\x01\0\x01a\0\x011")?;
    /// assert_eq!(context.get("a"), Some("1"));
    /// // No pairs are written as no bytes, not as a count of 0.
    /// let refused = EncryptionContext::from_canonical(b"\0\0").unwrap_err();
    /// assert_eq!(refused.code(), ErrorCode::MalformedEnvelope);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `limit_exceeded` above [`EncryptionContext::MAX_LEN`], otherwise `malformed_envelope`.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > Self::MAX_LEN {
            return Err(Error::limit("the encryption context is longer than 8192 bytes"));
        }
        let mut pairs = Vec::new();
        read_pairs(bytes, |name, value| {
            let value = std::str::from_utf8(value)
                .map_err(|_| Error::malformed("a context value is not UTF-8"))?;
            pairs.push((name.to_owned(), value.to_owned()));
            Ok(())
        })?;
        Ok(EncryptionContext(Arc::new(pairs)))
    }
}

/// Writes name-value pairs in the canonical form that contexts and provider parameters share.
/// The caller has checked the total length, so every length fits its u16.
pub(crate) fn encode_pairs<N: AsRef<str>, V: AsRef<[u8]>>(
    pairs: impl ExactSizeIterator<Item = (N, V)> + Clone,
) -> Vec<u8> {
    if pairs.len() == 0 {
        return Vec::new();
    }
    let parts = pairs.clone().map(|(name, value)| 4 + name.as_ref().len() + value.as_ref().len());
    let mut out = Vec::with_capacity(2 + parts.sum::<usize>());
    put_len(&mut out, pairs.len());
    for (name, value) in pairs {
        put_part(&mut out, name.as_ref().as_bytes());
        put_part(&mut out, value.as_ref());
    }
    out
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
}

/// Appends a part with its u16 length, which the caller knows to fit.
pub(crate) fn put_part(out: &mut Vec<u8>, part: &[u8]) {
    put_len(out, part.len());
    out.extend_from_slice(part);
}

/// Takes a part with its u16 length from the start of `bytes`, if it is all there.
pub(crate) fn take_part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let (part, rest) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
    *bytes = rest;
    Some(part)
}

/// Reads what `encode_pairs` wrote, pair by pair; names must be UTF-8 and strictly ascending.
fn read_pairs(mut bytes: &[u8], mut each: impl FnMut(&str, &[u8]) -> Result<()>) -> Result<()> {
    let ends_early = || Error::malformed("a list of pairs ends early");
    if bytes.is_empty() {
        return Ok(());
    }
    let (count, rest) = bytes.split_first_chunk::<2>().ok_or_else(ends_early)?;
    bytes = rest;
    let count = u16::from_be_bytes(*count);
    if count == 0 {
        return Err(Error::malformed("an empty list of pairs has no bytes at all"));
    }
    let mut last: Option<&str> = None;
    for _ in 0..count {
        let name = std::str::from_utf8(take_part(&mut bytes).ok_or_else(ends_early)?)
            .map_err(|_| Error::malformed("the name of a pair is not UTF-8"))?;
        let value = take_part(&mut bytes).ok_or_else(ends_early)?;
        if last.is_some_and(|last| last >= name) {
            return Err(Error::malformed("the names of pairs are not in strictly ascending order"));
        }
        each(name, value)?;
        last = Some(name);
    }
    if bytes.is_empty() { Ok(()) } else { Err(Error::malformed("bytes follow a list of pairs")) }
}

/// Reads what `encode_pairs` wrote.
pub(crate) fn decode_pairs(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut pairs = BTreeMap::new();
    read_pairs(bytes, |name, value| {
        pairs.insert(name.to_owned(), value.to_vec());
        Ok(())
    })?;
    Ok(pairs)
}

/// What a caller demands of the context of an envelope it opens (docs/spec/envelope.md, clause
/// 8.1.2). A context alone, where one of these is expected, means `Exact`.
///
/// ```
/// # use keyfold::{Client, ContextCheck, EncryptionContext, Keyring};
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
/// let context = EncryptionContext::from([("tenant", "acme"), ("doc", "42")]);
/// let sealed = kf.encrypt(b"hello", &ring, &context).await?;
///
/// let tenant = EncryptionContext::from([("tenant", "acme")]);
/// assert!(kf.decrypt(&sealed, &ring, &tenant).await.is_err());
/// let opened = kf.decrypt(&sealed, &ring, ContextCheck::Contains(tenant)).await?;
/// assert_eq!(opened, b"hello");
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextCheck {
    /// The context is exactly this one.
    Exact(EncryptionContext),
    /// The context has at least these pairs.
    Contains(EncryptionContext),
}

impl ContextCheck {
    pub(crate) fn check(&self, context: &EncryptionContext) -> Result<()> {
        let holds = match self {
            ContextCheck::Exact(expected) => context == expected,
            ContextCheck::Contains(subset) => context.contains(subset),
        };
        if holds {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::ContextMismatch,
            "the envelope was made under another encryption context",
        ))
    }
}

impl From<&EncryptionContext> for ContextCheck {
    fn from(context: &EncryptionContext) -> Self {
        ContextCheck::Exact(context.clone())
    }
}

impl From<EncryptionContext> for ContextCheck {
    fn from(context: EncryptionContext) -> Self {
        ContextCheck::Exact(context)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for EncryptionContext {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut context = EncryptionContext::new();
        for (name, value) in pairs {
            context.insert(name, value);
        }
        context
    }
}

impl<N: Into<String>, V: Into<String>, const LEN: usize> From<[(N, V); LEN]> for EncryptionContext {
    fn from(pairs: [(N, V); LEN]) -> Self {
        pairs.into_iter().collect()
    }
}

/// Prints the names only: values may tell who a customer is.
impl fmt::Debug for EncryptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}
