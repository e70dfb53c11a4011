//! Tokens that the store issues itself.

use keyfold::EncryptionContext;
use serde::{Deserialize, Serialize};

use super::{SecretText, context};
use crate::clock::Timestamp;

/// Issues a bearer token of the store's own, for the principal
/// `arn:aws:iam::ACCOUNT:oidc/local/SUBJECT`. The server takes it without any further
/// configuration; it cannot be revoked one by one and so ends within a day.
///
/// ```
/// use keyfold_kms::types::IssueTokenRequest;
/// # let engine = keyfold_kms::Engine::in_memory()?;
/// # let owner = engine.owner();
///
/// let request = IssueTokenRequest {
///     subject: "browser".into(),
///     permissions: vec!["kms:Decrypt".into()],
///     keys: vec!["alias/docs".into()],
///     expires_in_seconds: 900,
///     ..IssueTokenRequest::default()
/// };
/// let issued = engine.call(&owner, &request)?;
/// assert_eq!(issued.principal, "arn:aws:iam::000000000000:oidc/local/browser");
/// assert_eq!(issued.token.expose().split('.').count(), 3); // a JSON web token
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IssueTokenRequest {
    /// 1 to 256 letters, digits and `+=,.@_:/|-`.
    pub subject: String,
    /// Whom the token is for: `keyfold` where empty.
    pub audience: String,
    /// What the bearer may do where a key's policy leaves it to the account, as for access keys.
    pub permissions: Vec<String>,
    /// Only these keys: ids, ARNs, aliases; all where empty.
    pub keys: Vec<String>,
    /// Only these operations, such as `kms:Decrypt`, `Decrypt` or `secretsmanager:*`; all where
    /// empty.
    pub operations: Vec<String>,
    /// Only encryption contexts with these pairs.
    #[serde(with = "context")]
    pub encryption_context: EncryptionContext,
    /// 1 to 86,400.
    pub expires_in_seconds: u32,
}

/// A token of the store's own.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IssueTokenResponse {
    /// The token, for the header `Authorization: Bearer …`.
    pub token: SecretText,
    /// When it ends.
    pub expires: Timestamp,
    /// Whom it stands for.
    pub principal: String,
}
