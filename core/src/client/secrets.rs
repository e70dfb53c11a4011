//! The password safe of a KMS.

use super::Client;
use crate::error::Result;
use crate::keys::{KeyUri, SecretBytes};
use crate::kms::{Kms, Request, Response, make_token, unexpected_response};

/// The secrets that the KMS of a client keeps.
///
/// ```
/// # use keyfold::{Client, ErrorCode, SecretBytes};
/// # use keyfold_kms::EmbeddedKms;
/// # pollster::block_on(async {
/// # let kf = Client::new(EmbeddedKms::in_memory()?);
/// let password = SecretBytes::from(&b"correct horse"[..]);
/// kf.secrets().put("db/password", password, None).await?;
/// assert_eq!(kf.secrets().get("db/password").await?.expose(), b"correct horse");
///
/// let missing = kf.secrets().get("db/pasword").await.unwrap_err();
/// assert_eq!(missing.code(), ErrorCode::SecretNotFound);
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
pub struct Secrets<'a, K>(&'a Client<K>);

impl<K: Kms> Client<K> {
    /// The password safe.
    pub fn secrets(&self) -> Secrets<'_, K> {
        Secrets(self)
    }
}

impl<K: Kms> Secrets<'_, K> {
    /// Stores a value of 1 to 65536 bytes under a name, as a new version where the secret
    /// exists; answers the version's id. `key` protects a new secret, the service's default key
    /// where absent.
    ///
    /// ```
    /// # use keyfold::Client;
    /// # use keyfold_kms::EmbeddedKms;
    /// # pollster::block_on(async {
    /// # let kf = Client::new(EmbeddedKms::in_memory()?);
    /// let first = kf.secrets().put("api/token", b"one".as_slice().into(), None).await?;
    /// let second = kf.secrets().put("api/token", b"two".as_slice().into(), None).await?;
    /// assert_ne!(first, second); // two versions of one secret
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`, the `kms_*` codes.
    pub async fn put(
        &self,
        name: &str,
        value: SecretBytes,
        key: Option<&KeyUri>,
    ) -> Result<String> {
        let token = make_token(&*self.0.rng)?;
        let request = Request::PutSecret { name: name.to_owned(), value, key: key.cloned(), token };
        match self.0.kms.call(&request).await? {
            Response::SecretVersion { version } => Ok(version),
            _ => Err(unexpected_response()),
        }
    }

    /// The current value of a secret.
    ///
    /// # Errors
    /// `secret_not_found`, the `kms_*` codes.
    pub async fn get(&self, name: &str) -> Result<SecretBytes> {
        self.get_version(name, None, None).await
    }

    /// The value of one version of a secret, named by id, by stage, or both.
    ///
    /// ```
    /// # use keyfold::Client;
    /// # use keyfold_kms::EmbeddedKms;
    /// # pollster::block_on(async {
    /// # let kf = Client::new(EmbeddedKms::in_memory()?);
    /// let first = kf.secrets().put("api/token", b"one".as_slice().into(), None).await?;
    /// kf.secrets().put("api/token", b"two".as_slice().into(), None).await?;
    ///
    /// let old = kf.secrets().get_version("api/token", Some(&first), None).await?;
    /// let previous = kf.secrets().get_version("api/token", None, Some("AWSPREVIOUS")).await?;
    /// assert_eq!((old.expose(), previous.expose()), (&b"one"[..], &b"one"[..]));
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `secret_not_found`, the `kms_*` codes.
    pub async fn get_version(
        &self,
        name: &str,
        version: Option<&str>,
        stage: Option<&str>,
    ) -> Result<SecretBytes> {
        let request = Request::GetSecret {
            name: name.to_owned(),
            version: version.map(str::to_owned),
            stage: stage.map(str::to_owned),
        };
        match self.0.kms.call(&request).await? {
            Response::Secret { value, .. } => Ok(value),
            _ => Err(unexpected_response()),
        }
    }
}
