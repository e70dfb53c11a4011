//! Who may do what.

use std::net::IpAddr;
use std::sync::Arc;

use keyfold::EncryptionContext;
use uuid::Uuid;

use super::{Call, Narrowing, permissions};
use crate::arn::Realm;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::damaged;
use crate::policy::{self, Conditions, Decision, Policy, PolicyRequest};
use crate::rows::{GrantRow, KeyRow};
use crate::store::Table;
use crate::types::GrantOperation;

/// Who calls: an authenticated principal, its account, and what its own role allows.
///
/// ```
/// # use keyfold_kms::types::{CreateKeyRequest, DescribeKeyRequest};
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// use keyfold_kms::Caller;
///
/// // The default policy of a key leaves it to the role what a user of the account may do.
/// let auditor = Caller::new("arn:aws:iam::000000000000:user/ann", "000000000000")
///     .with_permissions(["kms:Describe*", "kms:List*"])
///     .authenticated_by("password");
/// let request = DescribeKeyRequest { key_id: key.key_id, ..DescribeKeyRequest::default() };
/// assert!(engine.call(&auditor, &request).is_ok());
/// assert!(engine.call(&auditor, &CreateKeyRequest::default()).is_err());
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    identity: Arc<Identity>,
    source_ip: Option<IpAddr>,
    request_id: Option<Uuid>,
}

/// What stays the same from request to request.
#[derive(Clone, Debug)]
struct Identity {
    principal: String,
    account: String,
    authentication: String,
    permissions: Vec<String>,
    narrowing: Option<Narrowing>,
    access_key: Option<String>,
}

impl Caller {
    /// A principal of an account, by its ARN. Its own role allows nothing yet: it may do what
    /// key policies and grants allow it by name.
    pub fn new(principal: impl Into<String>, account: impl Into<String>) -> Self {
        let identity = Identity {
            principal: principal.into(),
            account: account.into(),
            authentication: "none".into(),
            permissions: Vec::new(),
            narrowing: None,
            access_key: None,
        };
        Caller { identity: Arc::new(identity), source_ip: None, request_id: None }
    }

    pub(crate) fn owner(realm: &Realm) -> Self {
        Caller::new(realm.account_root(), realm.account.clone())
            .with_permissions(["*"])
            .authenticated_by("local")
    }

    /// The KMS itself, where it does what is due.
    pub(crate) fn service() -> Self {
        Caller::new("keyfold", "").authenticated_by("internal")
    }

    /// What the caller's own role allows: names of actions such as `kms:CreateKey`, or prefixes
    /// that end in `*`. On a key it counts where the key's policy allows the account; on its own
    /// for what is not about one key.
    #[must_use]
    pub fn with_permissions<P: Into<String>>(
        mut self,
        actions: impl IntoIterator<Item = P>,
    ) -> Self {
        self.identity().permissions.extend(actions.into_iter().map(Into::into));
        self
    }

    /// How the principal proved who it is, for the audit record.
    #[must_use]
    pub fn authenticated_by(mut self, method: impl Into<String>) -> Self {
        self.identity().authentication = method.into();
        self
    }

    /// Limits the caller to some operations, keys or contexts, whatever else it may do. An
    /// earlier narrowing is replaced.
    #[must_use]
    pub fn narrowed(mut self, to: Narrowing) -> Self {
        self.identity().narrowing = Some(to).filter(|narrowing| !narrowing.is_empty());
        self
    }

    /// Known by an access key: each operation makes sure that the key still works.
    #[cfg(feature = "server")]
    pub(crate) fn by_access_key(mut self, id: impl Into<String>) -> Self {
        self.identity().access_key = Some(id.into());
        self
    }

    fn identity(&mut self) -> &mut Identity {
        Arc::make_mut(&mut self.identity)
    }

    /// Where the request came from, for conditions on `aws:SourceIp`.
    #[must_use]
    pub fn from_ip(mut self, address: IpAddr) -> Self {
        self.source_ip = Some(address);
        self
    }

    /// The id of the request, for the audit record.
    #[must_use]
    pub fn with_request_id(mut self, id: Uuid) -> Self {
        self.request_id = Some(id);
        self
    }

    /// The principal's ARN.
    pub fn principal(&self) -> &str {
        &self.identity.principal
    }

    /// The principal's account.
    pub fn account(&self) -> &str {
        &self.identity.account
    }

    /// How the principal proved who it is.
    pub fn authentication(&self) -> &str {
        &self.identity.authentication
    }

    pub(crate) fn narrowing(&self) -> Option<&Narrowing> {
        self.identity.narrowing.as_ref()
    }

    pub(crate) fn access_key(&self) -> Option<&str> {
        self.identity.access_key.as_deref()
    }

    pub(crate) fn request_id(&self) -> Option<Uuid> {
        self.request_id
    }

    pub(crate) fn source_ip(&self) -> Option<IpAddr> {
        self.source_ip
    }

    /// Whether the caller's own role allows an action.
    pub(crate) fn permits(&self, action: &str) -> bool {
        self.identity.permissions.iter().any(|permission| permissions::reaches(permission, action))
    }
}

/// Whether a grant's constraints hold for a request.
pub(crate) type Fits<'a> = &'a dyn Fn(&GrantRow) -> bool;

/// A question of authorisation about one key.
pub(crate) struct Ask<'a> {
    /// The action, such as `kms:Encrypt`.
    pub action: &'static str,
    /// The operation by which a grant could allow it, and whether a grant fits further.
    pub grant: Option<(GrantOperation, Fits<'a>)>,
    /// What conditions of the policy are tested against, beyond what the key itself tells.
    pub conditions: Conditions,
    /// The encryption context, where the operation takes one.
    context: Option<&'a EncryptionContext>,
}

impl<'a> Ask<'a> {
    /// A question that only a policy can answer.
    pub(crate) fn policy(action: &'static str) -> Self {
        Ask { action, grant: None, conditions: Conditions::new(), context: None }
    }

    /// A question that a grant can answer too.
    pub(crate) fn grant(action: &'static str, operation: GrantOperation, fits: Fits<'a>) -> Self {
        Ask { grant: Some((operation, fits)), ..Self::policy(action) }
    }

    /// Adds a value for the conditions of a policy.
    pub(crate) fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.conditions.set(key, value);
        self
    }

    /// Adds an encryption context, for the caller's limits and the conditions of a policy.
    pub(crate) fn with_context(mut self, context: &'a EncryptionContext) -> Self {
        self.conditions.set_context(context);
        self.context = Some(context);
        self
    }
}

/// Fits every grant: for operations that constraints do not bear on.
pub(crate) fn any_grant(_: &GrantRow) -> bool {
    true
}

/// What a key's policy says.
enum Verdict {
    Allow,
    Deny,
    Silent,
}

impl Call<'_> {
    /// Allows what is about no key: what the caller's own role allows, in its own account.
    pub(crate) fn authorize_account(&self, action: &str) -> Result<()> {
        if self.caller.account() == self.realm().account && self.caller.permits(action) {
            return Ok(());
        }
        Err(self.denied(action))
    }

    /// Allows what the key's policy or a grant allows. An explicit deny wins; then an allow of
    /// the policy, for the principal or for the account together with the caller's own role;
    /// then a grant.
    pub(crate) fn authorize(&mut self, key: &KeyRow, ask: Ask<'_>) -> Result<()> {
        let Ask { action, grant, conditions, context } = ask;
        if let Some(context) = context {
            self.require_pairs(context)?;
        }
        match self.ask_policy(key, action, conditions)? {
            Verdict::Allow => return Ok(()),
            Verdict::Deny => return Err(self.denied(action)),
            Verdict::Silent => {}
        }
        if let Some((operation, fits)) = grant
            && let Some(id) = self.find_grant(key.id, operation, fits)?
        {
            self.trail.grant_id = Some(id);
            return Ok(());
        }
        Err(self.denied(action))
    }

    /// Refuses only what the key's policy denies in so many words.
    pub(crate) fn refuse_denied(&mut self, key: &KeyRow, action: &'static str) -> Result<()> {
        match self.ask_policy(key, action, Conditions::new())? {
            Verdict::Deny => Err(self.denied(action)),
            Verdict::Allow | Verdict::Silent => Ok(()),
        }
    }

    fn ask_policy(
        &mut self,
        key: &KeyRow,
        action: &'static str,
        mut conditions: Conditions,
    ) -> Result<Verdict> {
        let text = self.policy_text(key)?;
        let policy = policy::parse(&text).map_err(|_| damaged("a key policy"))?;
        self.set_conditions(&mut conditions, key, &text)?;
        let resource = self.realm().key(key.id);
        let request = PolicyRequest {
            principal: self.caller.principal(),
            account: self.caller.account(),
            role_allows: self.caller.permits(action),
            action,
            resource: &resource,
            conditions: &conditions,
        };
        let (verdict, statement) = match policy.decide(&request) {
            Decision::Deny { statement } => (Verdict::Deny, statement),
            Decision::Allow { statement } => (Verdict::Allow, statement),
            Decision::Implicit => return Ok(Verdict::Silent),
        };
        self.trail.statement = Some(statement.to_owned());
        Ok(verdict)
    }

    /// The text of a key's policy.
    pub(crate) fn policy_text(&mut self, key: &KeyRow) -> Result<String> {
        let bytes = self.txn.get(Table::Policies, key.id.as_bytes())?;
        bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| damaged("a key policy"))
    }

    /// Whether the caller could still change a key's policy under this one.
    pub(crate) fn check_lockout(&self, policy: &Policy, key_arn: &str) -> Result<()> {
        const ACTION: &str = "kms:PutKeyPolicy";
        let mut conditions = Conditions::new();
        self.set_source(&mut conditions);
        let request = PolicyRequest {
            principal: self.caller.principal(),
            account: self.caller.account(),
            role_allows: self.caller.permits(ACTION),
            action: ACTION,
            resource: key_arn,
            conditions: &conditions,
        };
        if policy.keeps_control(&request) {
            return Ok(());
        }
        Err(KmsError::new(
            KmsErrorCode::MalformedPolicyDocument,
            "The new key policy will not allow you to update the key policy in the future.",
        ))
    }

    fn set_conditions(&mut self, to: &mut Conditions, key: &KeyRow, policy: &str) -> Result<()> {
        self.set_source(to);
        to.set("kms:KeySpec", key.spec.as_str());
        to.set("kms:KeyUsage", key.usage.as_str());
        to.set("kms:KeyOrigin", key.origin.as_str());
        if let Some(alias) = &self.trail.alias {
            to.set("kms:RequestAlias", alias.as_str());
        }
        // The only condition that costs a range read; most policies do not ask. A backslash may
        // spell the name in another way.
        if policy.contains("kms:ResourceAliases") || policy.contains('\\') {
            to.set_all("kms:ResourceAliases", self.aliases_of(key.id)?);
        }
        Ok(())
    }

    fn set_source(&self, to: &mut Conditions) {
        if let Some(address) = self.caller.source_ip() {
            to.set("aws:SourceIp", address.to_string());
        }
        if let Some(service) = self.via {
            to.set("kms:ViaService", self.realm().service(service));
        }
    }

    /// The one answer to whoever may not.
    pub(crate) fn denied(&self, action: &str) -> KmsError {
        KmsError::new(
            KmsErrorCode::AccessDenied,
            format!(
                "User: {} is not authorized to perform: {action} because no key policy, role or \
                 grant allows it",
                self.caller.principal()
            ),
        )
    }
}
