//! Several KMS behind one: a keyring may then name keys of several regions or services.

use super::{Kms, Request, Response, unexpected_response};
use crate::context::EncryptionContext;
use crate::error::{Error, Result};
use crate::keys::{KeyUri, SecretBytes, WrappedKey};
use crate::maybe_send::BoxFuture;

/// Sends each request to the KMS whose keys it names, by how the key URI starts.
///
/// Only what was named here is ever asked: a key URI in an envelope chooses among these and
/// brings in no other.
///
/// ```
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # let (europe, america) = (EmbeddedKms::in_memory()?, EmbeddedKms::in_memory()?);
/// # let backup = america.create_key("alias/backup", SymmetricDefault)?;
/// # europe.create_key("alias/docs", SymmetricDefault)?;
/// use keyfold::{Client, EncryptionContext, Keyring, RouterKms};
///
/// let kms = RouterKms::new().route("keyfold:arn:aws:kms:us-east-1:", america).otherwise(europe);
/// let kf = Client::new(kms);
/// let ring = Keyring::generate_with("keyfold:alias/docs".parse()?).also_wrap_with(backup);
/// # pollster::block_on(async {
/// let sealed = kf.encrypt(b"hello", &ring, &EncryptionContext::new()).await?;
/// # assert!(sealed.len() > 300);
/// # Ok::<(), keyfold::Error>(())
/// # })?;
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Default)]
pub struct RouterKms {
    routes: Vec<(String, Box<dyn Kms>)>,
    otherwise: Option<Box<dyn Kms>>,
}

impl RouterKms {
    /// No route yet.
    pub fn new() -> Self {
        RouterKms::default()
    }

    /// Keys whose URI starts like this are of this KMS. Where several beginnings fit, the longest
    /// counts.
    #[must_use]
    pub fn route(mut self, prefix: impl Into<String>, kms: impl Kms + 'static) -> Self {
        self.routes.push((prefix.into(), Box::new(kms)));
        // The longest first; of equal ones the first given.
        self.routes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        self
    }

    /// All other keys, and requests that name none: secrets, small data without a key.
    #[must_use]
    pub fn otherwise(mut self, kms: impl Kms + 'static) -> Self {
        self.otherwise = Some(Box::new(kms));
        self
    }

    /// The number of the route, which tells one KMS from another, and the KMS.
    fn of_key(&self, key: Option<&KeyUri>) -> Result<(usize, &dyn Kms)> {
        let found = key.and_then(|key| {
            self.routes.iter().position(|(prefix, _)| key.as_str().starts_with(prefix.as_str()))
        });
        match (found, &self.otherwise) {
            (Some(at), _) => Ok((at, &*self.routes[at].1)),
            (None, Some(kms)) => Ok((self.routes.len(), &**kms)),
            (None, None) => Err(match key {
                Some(key) => Error::invalid(format!("there is no KMS for {key}")),
                None => Error::invalid("there is no KMS for requests that name no key"),
            }),
        }
    }

    async fn send(&self, request: &Request) -> Result<Response> {
        let (from, kms) = self.of_key(request.key())?;
        if let Request::Rewrap { wrapped, context, key, to } = request {
            let (target, target_kms) = self.of_key(Some(to))?;
            if target != from {
                return rewrap_across((kms, target_kms), wrapped, context, key.as_ref(), to).await;
            }
        }
        kms.call(request).await
    }
}

impl Kms for RouterKms {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(self.send(request))
    }
}

/// Wraps a data key of one service under a key of another: no service can do it for the other
/// (docs/spec/envelope.md, clause 9.3).
pub(crate) async fn rewrap_across(
    (from_kms, to_kms): (&dyn Kms, &dyn Kms),
    wrapped: &WrappedKey,
    context: &EncryptionContext,
    key: Option<&KeyUri>,
    to: &KeyUri,
) -> Result<Response> {
    let (wrapped, context) = (wrapped.clone(), context.clone());
    let unwrap = Request::Unwrap { wrapped, context: context.clone(), key: key.cloned() };
    let Response::Unwrapped(data_key) = from_kms.call(&unwrap).await? else {
        return Err(unexpected_response());
    };
    let data_key = SecretBytes::from(data_key.0.expose().as_slice());
    let wrap = Request::Wrap { key: to.clone(), data_key, context };
    to_kms.call(&wrap).await
}
