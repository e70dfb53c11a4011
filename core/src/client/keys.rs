//! Data keys: made, recovered, rewrapped; and small data under the KMS key itself.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::maybe_done;

use super::Client;
use crate::context::EncryptionContext;
use crate::envelope::{Header, MAX_RECIPIENTS, encode_recipients};
use crate::error::{Error, ErrorCode, Result, Retry};
use crate::keyring::{Keyring, bound_to, note_bound};
use crate::keys::{KeyUri, SecretBytes, WrappedKey};
use crate::kms::cache::{CachedKey, open_id, seal_id};
use crate::kms::{Kms, Request, Response, unexpected_response};
use crate::stream::MessageKeyDeriver;

/// The most that a KMS key encrypts itself, in bytes.
const MAX_SMALL_LEN: usize = 4096;

impl<K: Kms> Client<K> {
    /// A data key for sealing: cached, or made and wrapped by every key of the keyring.
    /// `canonical` is the context's canonical form.
    pub(super) async fn data_key(
        &self,
        keyring: &Keyring,
        context: &EncryptionContext,
        canonical: &[u8],
        plaintext_len: Option<u64>,
    ) -> Result<CachedKey> {
        let (Some(cache), Some(len)) = (&self.cache, plaintext_len) else {
            return self.make_data_key(keyring, context).await;
        };
        let id = match keyring.bound {
            None => seal_id(keyring, canonical),
            Some(_) => seal_id(keyring, &keyring.bound_context(context).to_canonical()?),
        };
        cache.get_or_make(&id, len, self.make_data_key(keyring, context)).await
    }

    async fn make_data_key(
        &self,
        keyring: &Keyring,
        context: &EncryptionContext,
    ) -> Result<CachedKey> {
        let bound = &keyring.bound_context(context);
        let Some((first, others)) = keyring.wrap.split_first() else {
            return Err(Error::invalid("the keyring names no key that wraps"));
        };
        if keyring.wrap.len() > MAX_RECIPIENTS {
            return Err(Error::limit("an envelope has at most 16 recipients"));
        }
        let request = Request::GenerateDataKey { key: first.clone(), context: bound.clone() };
        let Response::DataKey { data_key, wrapped } = self.kms.call(&request).await? else {
            return Err(unexpected_response());
        };
        let wraps = others.iter().map(|key| Request::Wrap {
            key: key.clone(),
            data_key: SecretBytes::from(data_key.0.expose().as_slice()),
            context: bound.clone(),
        });
        let mut recipients = vec![wrapped];
        recipients.extend(self.wrapped_by_all(&wraps.collect::<Vec<_>>()).await?);
        for recipient in &mut recipients {
            note_bound(recipient, bound, keyring.bound.is_none());
        }
        let key = Arc::new(MessageKeyDeriver::new(&data_key.0));
        Ok(CachedKey { key, recipients: encode_recipients(&recipients)?.into() })
    }

    /// What each of these requests wraps, in their order. They are under way at the same time: the
    /// keys may be of services far apart.
    async fn wrapped_by_all(&self, requests: &[Request]) -> Result<Vec<WrappedKey>> {
        // There are at most fifteen: each is looked at whenever any of them can go on. Not
        // `try_join_all`: it brings its unordered set of futures into every page.
        let calls = requests.iter().map(|request| maybe_done(self.kms.call(request)));
        let mut calls: Vec<_> = calls.collect();
        poll_fn(|context| {
            let mut all = Poll::Ready(Ok(()));
            for call in &mut calls {
                let mut call = Pin::new(call);
                if call.as_mut().poll(context).is_pending() {
                    all = Poll::Pending;
                } else if let Some(Err(error)) = call.output_mut() {
                    return Poll::Ready(Err(error.clone()));
                }
            }
            all
        })
        .await?;
        let answers = calls.iter_mut().filter_map(|call| Pin::new(call).take_output());
        answers.map(|answer| wrapped_key(answer?)).collect()
    }

    /// The data key of the first recipient that a key of the keyring can unwrap.
    pub(super) async fn unwrap_any(
        &self,
        header: &Header,
        keyring: &Keyring,
        plaintext_len: Option<u64>,
    ) -> Result<Arc<MessageKeyDeriver>> {
        let mut failures = Failures::default();
        for (wrapped, demanded) in candidates(header, keyring) {
            match self.unwrap_one(header, wrapped, demanded, plaintext_len).await {
                Ok(key) => return Ok(key),
                Err(error) => failures.note(&wrapped.key, &error),
            }
        }
        Err(failures.into_error())
    }

    async fn unwrap_one(
        &self,
        header: &Header,
        wrapped: &WrappedKey,
        demanded: Option<&KeyUri>,
        plaintext_len: Option<u64>,
    ) -> Result<Arc<MessageKeyDeriver>> {
        let bound = bound_to(wrapped, header.context())?;
        let make = async {
            let request = Request::Unwrap {
                wrapped: wrapped.clone(),
                context: bound.clone(),
                key: demanded.cloned(),
            };
            let Response::Unwrapped(data_key) = self.kms.call(&request).await? else {
                return Err(unexpected_response());
            };
            let key = Arc::new(MessageKeyDeriver::new(&data_key.0));
            Ok(CachedKey { key, recipients: Arc::new([]) })
        };
        let cached = match &self.cache {
            Some(cache) => {
                let id = open_id(wrapped, demanded, &bound)?;
                cache.get_or_make(&id, plaintext_len.unwrap_or(0), make).await?
            }
            None => make.await?,
        };
        Ok(cached.key)
    }

    /// Replaces the recipients of an envelope by the wrapping keys of `to`, without touching the
    /// body and without revealing the data key; signatures stay valid (docs/spec/envelope.md,
    /// clause 9). One call to the KMS for each key of `to`.
    ///
    /// `from` names the keys that may open the envelope now.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Header, Keyring, SealOptions};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let backup = kms.create_key("alias/backup", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let mut sealed = kf.encrypt_with(b"hello", &ring, &context, &SealOptions::default()).await?;
    /// let header = Header::parse_detached(&sealed.header)?;
    /// let new_ring = Keyring::generate_with(backup);
    /// sealed.header = kf.rewrap(&header, &ring, &new_ring).await?.as_bytes().to_vec();
    ///
    /// let envelope = sealed.attached(); // the body is untouched
    /// assert_eq!(kf.decrypt(&envelope, &new_ring, &context).await?, b"hello");
    /// assert!(kf.decrypt(&envelope, &ring, &context).await.is_err());
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `no_usable_key` where no present recipient can be rewrapped, the `kms_*` codes,
    /// `invalid_argument` where `to` names no key that wraps.
    pub async fn rewrap(&self, header: &Header, from: &Keyring, to: &Keyring) -> Result<Header> {
        let recipients = self.rewrapped(header, from, to).await?;
        header.with_recipients(recipients)
    }

    /// Adds the wrapping keys of `new` to the recipients of an envelope, as
    /// [`rewrap`](Client::rewrap) does.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Header, Keyring, SealOptions};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let backup = kms.create_key("alias/backup", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// # let sealed = kf.encrypt_with(b"hello", &ring, &context, &SealOptions::default()).await?;
    /// # let header = Header::parse_detached(&sealed.header)?;
    /// let by_backup = Keyring::generate_with(backup.clone());
    /// let shared = kf.add_recipients(&header, &ring, &by_backup).await?;
    /// assert_eq!(shared.recipients().len(), 2);
    /// assert_eq!(kf.decrypt_body(&shared, &sealed.body, &by_backup, &context).await?, b"hello");
    ///
    /// let alone = kf.remove_recipients(&shared, &[backup]).await?;
    /// assert_eq!(alone, header);
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`rewrap`](Client::rewrap), and `limit_exceeded` beyond 16 recipients.
    pub async fn add_recipients(
        &self,
        header: &Header,
        from: &Keyring,
        new: &Keyring,
    ) -> Result<Header> {
        if header.recipients().len() + new.wrap.len() > MAX_RECIPIENTS {
            return Err(Error::limit("an envelope has at most 16 recipients"));
        }
        let mut recipients = header.recipients().to_vec();
        recipients.extend(self.rewrapped(header, from, new).await?);
        header.with_recipients(recipients)
    }

    /// Removes every recipient under these KMS keys, given by any of their names. Whoever has
    /// unwrapped the data key before can still open the body: this is no revocation (clause 9.5).
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, ErrorCode, Header, Keyring};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// # let sealed = kf.encrypt(b"hello", &ring, &context).await?;
    /// # let (header, _) = Header::parse(&sealed)?;
    /// // The last recipient stays: without it nobody could open the envelope.
    /// let refused = kf.remove_recipients(&header, &["keyfold:alias/docs".parse()?]).await;
    /// assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidArgument);
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` where a key is not a recipient or none would be left; the `kms_*`
    /// codes where an alias has to be resolved.
    pub async fn remove_recipients(&self, header: &Header, keys: &[KeyUri]) -> Result<Header> {
        let mut recipients = header.recipients().to_vec();
        for key in keys {
            let full_name = if key.is_alias() { self.resolve(key).await? } else { key.clone() };
            let before = recipients.len();
            recipients.retain(|recipient| recipient.key != full_name);
            if recipients.len() == before {
                return Err(Error::invalid(format!("{key} is not a recipient of the envelope")));
            }
        }
        header.with_recipients(recipients)
    }

    async fn rewrapped(
        &self,
        header: &Header,
        from: &Keyring,
        to: &Keyring,
    ) -> Result<Vec<WrappedKey>> {
        let Some((first, others)) = to.wrap.split_first() else {
            return Err(Error::invalid("the keyring names no key that wraps"));
        };
        let mut failures = Failures::default();
        for (wrapped, demanded) in candidates(header, from) {
            let bound = match bound_to(wrapped, header.context()) {
                Ok(bound) => bound,
                Err(error) => {
                    failures.note(&wrapped.key, &error);
                    continue;
                }
            };
            let rewrap = |to: &KeyUri| Request::Rewrap {
                wrapped: wrapped.clone(),
                context: bound.clone(),
                key: demanded.cloned(),
                to: to.clone(),
            };
            let mut recipients = match self.kms.call(&rewrap(first)).await {
                Ok(response) => vec![wrapped_key(response)?],
                Err(error) => {
                    failures.note(&wrapped.key, &error);
                    continue;
                }
            };
            let others: Vec<Request> = others.iter().map(rewrap).collect();
            recipients.extend(self.wrapped_by_all(&others).await?);
            for recipient in &mut recipients {
                // The new recipient is bound to what the old one was bound to.
                note_bound(recipient, &bound, bound == *header.context());
            }
            return Ok(recipients);
        }
        Err(failures.into_error())
    }

    /// The full name of a KMS key, as recipients carry it: an alias may point elsewhere tomorrow
    /// (docs/spec/envelope.md, clause 4.3.3).
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Keyring};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs.clone()));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let full_name = kf.resolve(&"keyfold:alias/docs".parse()?).await?;
    /// assert_eq!(full_name, docs);
    /// assert!(!full_name.is_alias());
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The `kms_*` codes.
    pub async fn resolve(&self, key: &KeyUri) -> Result<KeyUri> {
        match self.kms.call(&Request::ResolveKey { key: key.clone() }).await? {
            Response::Key(key) => Ok(key),
            _ => Err(unexpected_response()),
        }
    }

    /// Encrypts small data, 1 to 4096 bytes, under the KMS key itself.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, Keyring, SecretBytes};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs.clone()));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let card = SecretBytes::from(&b"4111 1111 1111 1111"[..]);
    /// let ciphertext = kf.encrypt_small(&docs, card, &context).await?;
    /// let card = kf.decrypt_small(Some(&docs), &ciphertext, &context).await?;
    /// assert_eq!(card.expose(), b"4111 1111 1111 1111");
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `limit_exceeded`, `invalid_argument`, the `kms_*` codes.
    pub async fn encrypt_small(
        &self,
        key: &KeyUri,
        plaintext: SecretBytes,
        context: &EncryptionContext,
    ) -> Result<Vec<u8>> {
        if plaintext.len() > MAX_SMALL_LEN {
            return Err(Error::limit("a KMS key encrypts at most 4096 bytes itself"));
        }
        let request = Request::Encrypt { key: key.clone(), plaintext, context: context.clone() };
        match self.kms.call(&request).await? {
            Response::Ciphertext { ciphertext, .. } => Ok(ciphertext),
            _ => Err(unexpected_response()),
        }
    }

    /// Decrypts what [`encrypt_small`](Client::encrypt_small) made; `key` where it must be of
    /// that key. Where the ciphertext comes from elsewhere, name the key: otherwise any key that
    /// the caller may use will do.
    ///
    /// ```
    /// # use keyfold::{Client, EncryptionContext, ErrorCode, Keyring, SecretBytes};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs.clone()));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// # let pin = SecretBytes::from(&b"1234"[..]);
    /// # let ciphertext = kf.encrypt_small(&docs, pin, &context).await?;
    /// let refused = kf.decrypt_small(None, &ciphertext, &EncryptionContext::new()).await;
    /// assert_eq!(refused.unwrap_err().code(), ErrorCode::AuthenticationFailed);
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `authentication_failed`, the `kms_*` codes.
    pub async fn decrypt_small(
        &self,
        key: Option<&KeyUri>,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<SecretBytes> {
        let request = Request::Decrypt {
            key: key.cloned(),
            ciphertext: ciphertext.to_vec(),
            context: context.clone(),
        };
        match self.kms.call(&request).await? {
            Response::Plaintext { plaintext, .. } => Ok(plaintext),
            _ => Err(unexpected_response()),
        }
    }
}

fn wrapped_key(response: Response) -> Result<WrappedKey> {
    match response {
        Response::Wrapped(wrapped) => Ok(wrapped),
        _ => Err(unexpected_response()),
    }
}

/// Which recipients to try, in the keyring's order, with the key that the KMS must confirm where
/// the keyring names it by an alias.
fn candidates<'a>(
    header: &'a Header,
    keyring: &'a Keyring,
) -> Vec<(&'a WrappedKey, Option<&'a KeyUri>)> {
    let mut found: Vec<(&WrappedKey, Option<&KeyUri>)> = Vec::new();
    for key in keyring.unwrapping() {
        let of_key = header.recipients().iter().filter(|recipient| {
            if key.is_alias() {
                recipient.key.scheme() == key.scheme()
            } else {
                recipient.key == *key
            }
        });
        found.extend(of_key.map(|recipient| (recipient, key.is_alias().then_some(key))));
    }
    if let Some(scheme) = &keyring.discover {
        let of_scheme = header.recipients().iter().filter(|r| r.key.scheme() == scheme.as_str());
        found.extend(of_scheme.map(|recipient| (recipient, None)));
    }
    found
}

/// What each recipient answered, for the error after the last.
#[derive(Default)]
struct Failures {
    text: String,
    retry: Option<Retry>,
    first: Option<Error>,
}

impl Failures {
    fn note(&mut self, key: &KeyUri, error: &Error) {
        let separator = if self.text.is_empty() { "" } else { "; " };
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{separator}{key}: {}", error.code());
        if let Retry::Later(_) = error.retry() {
            self.retry = Some(error.retry());
        }
        if self.first.is_none() {
            self.first = Some(error.clone());
        }
    }

    fn into_error(self) -> Error {
        let detail = if self.text.is_empty() {
            "the keyring names no recipient of the envelope".to_owned()
        } else {
            format!("no recipient could be unwrapped ({})", self.text)
        };
        let mut error = Error::new(ErrorCode::NoUsableKey, detail);
        if let Some(first) = self.first {
            // What a KMS of the host's own failed with stays visible.
            error = error.with_source(first);
        }
        match self.retry {
            Some(retry) => error.with_retry(retry),
            None => error,
        }
    }
}
