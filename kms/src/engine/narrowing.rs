//! What a token limits its bearer to, beyond what the principal may.

use keyfold::EncryptionContext;
use uuid::Uuid;

use super::work::Work;
use super::{Call, Caller, permissions};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::rows::KeyRow;

/// The operations that are left where a narrowing has pairs of an encryption context and names no
/// operations: those that take a context, and DescribeKey.
const WITH_CONTEXT: &[&str] = &[
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncrypt",
];

/// Limits of a caller: whatever policies, roles and grants allow, nothing outside of them is
/// done. Every part that is left out limits nothing.
///
/// * **Operations**: names such as `kms:Decrypt`, `Decrypt`, `secretsmanager:*`.
/// * **Keys**: ids, ARNs or aliases; an alias stands for the key that it points to at that time. A
///   key or secret of a cloud, which the server passes requests on for, is named by its full URI.
///   Operations about one key must be about one of these, those about a secret about one whose
///   KMS key is one of these. Operations about no key, such as CreateKey or ListSecrets, are
///   limited by the operations alone.
/// * **Context**: pairs that every encryption context must have, with these values; the password
///   safe's own context (`SecretARN`, `SecretVersionId`) too. Where no operations are named, only
///   those that take a context are left, and DescribeKey.
///
/// ```
/// # use keyfold_kms::types::{CreateKeyRequest, DescribeKeyRequest, ListKeysRequest};
/// # let engine = keyfold_kms::Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// # let other = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// use keyfold_kms::engine::Narrowing;
///
/// let narrowing = Narrowing::new().keys([key.key_id.as_str()]).operations(["kms:Describe*"]);
/// let narrowed = owner.narrowed(narrowing);
/// let describe = |key_id| DescribeKeyRequest { key_id, ..DescribeKeyRequest::default() };
/// assert!(engine.call(&narrowed, &describe(key.key_id)).is_ok());
/// assert!(engine.call(&narrowed, &describe(other.key_id)).is_err());
/// assert!(engine.call(&narrowed, &ListKeysRequest::default()).is_err());
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    operations: Option<Vec<String>>,
    keys: Option<Vec<String>>,
    context: EncryptionContext,
}

impl Narrowing {
    /// Limits nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these operations; none at all where the list is empty.
    #[must_use]
    pub fn operations<O: Into<String>>(mut self, names: impl IntoIterator<Item = O>) -> Self {
        self.operations = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Only these keys; none at all where the list is empty.
    #[must_use]
    pub fn keys<K: Into<String>>(mut self, names: impl IntoIterator<Item = K>) -> Self {
        self.keys = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Only encryption contexts with these pairs.
    #[must_use]
    pub fn context(mut self, pairs: EncryptionContext) -> Self {
        self.context = pairs;
        self
    }

    /// Whether it limits anything.
    pub fn is_empty(&self) -> bool {
        self.operations.is_none() && self.keys.is_none() && self.context.is_empty()
    }

    /// Whether it leaves a key or secret of another KMS, by its full URI.
    #[cfg(feature = "server")]
    pub(super) fn reaches_uri(&self, uri: &str) -> bool {
        self.keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key == uri))
    }

    /// Whether it asks for pairs.
    #[cfg(feature = "server")]
    pub(super) fn has_context(&self) -> bool {
        !self.context.is_empty()
    }

    /// Whether an encryption context has its pairs.
    pub(super) fn reaches_context(&self, context: &EncryptionContext) -> bool {
        context.contains(&self.context)
    }

    pub(super) fn reaches_operation(&self, service: &str, name: &str) -> bool {
        match &self.operations {
            Some(operations) => operations
                .iter()
                .any(|operation| permissions::reaches_operation(operation, service, name)),
            None if self.context.is_empty() => true,
            None => service == "kms" && WITH_CONTEXT.contains(&name),
        }
    }
}

impl Call<'_> {
    /// Performs an operation that the caller may ask for at all.
    ///
    /// # Errors
    /// `AccessDeniedException` before anything else; those of the operation.
    pub(super) fn perform(&mut self, work: &mut dyn Work) -> Result<()> {
        let about = work.about();
        match self.caller.narrowing() {
            Some(narrowing) if !narrowing.reaches_operation(about.service, about.name) => {
                Err(self.outside("operation"))
            }
            _ => work.run(self),
        }
    }

    /// Whether the caller is limited to some keys.
    fn limited_keys(&self) -> Option<&[String]> {
        self.caller.narrowing()?.keys.as_deref()
    }

    /// Refuses a key that the caller is not limited to.
    pub(super) fn require_reach(&mut self, key: &KeyRow) -> Result<()> {
        if self.limited_keys().is_none() || self.reaches_key(key.id)? {
            return Ok(());
        }
        Err(self.outside("key"))
    }

    /// Whoever is limited to some keys learns nothing of whether there are others.
    pub(super) fn require_no_limit(&mut self) -> Result<()> {
        if self.limited_keys().is_some() { Err(self.outside("key")) } else { Ok(()) }
    }

    /// The same for a key by a name that it may have, or that it is about to get.
    pub(super) fn require_reach_by_name(&mut self, name: &str) -> Result<()> {
        let Some(keys) = self.limited_keys() else { return Ok(()) };
        let named = keys.iter().any(|key| key == name);
        let reached = match self.key_id_of(name)? {
            Some(id) => self.reaches_key(id)?,
            None => named,
        };
        if reached { Ok(()) } else { Err(self.outside("key")) }
    }

    fn reaches_key(&mut self, id: Uuid) -> Result<bool> {
        let caller = self.caller;
        let keys = caller.narrowing().and_then(|narrowing| narrowing.keys.as_deref());
        for name in keys.unwrap_or_default() {
            if self.key_id_of(name)? == Some(id) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Refuses an encryption context without the caller's pairs.
    pub(super) fn require_pairs(&mut self, context: &EncryptionContext) -> Result<()> {
        match self.caller.narrowing() {
            Some(narrowing) if !narrowing.reaches_context(context) => Err(self.outside("context")),
            _ => Ok(()),
        }
    }

    fn outside(&mut self, limit: &str) -> KmsError {
        self.trail.narrowing = Some(limit.to_owned());
        outside(self.caller, limit)
    }
}

/// What the caller is told: which kind of limit it is, and not what is within.
pub(super) fn outside(caller: &Caller, limit: &str) -> KmsError {
    KmsError::new(
        KmsErrorCode::AccessDenied,
        format!(
            "User: {} is not authorized to perform this operation because the credentials are \
             limited to others (by {limit})",
            caller.principal()
        ),
    )
}
