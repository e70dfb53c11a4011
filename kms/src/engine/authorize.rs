//! Who may do what.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use keyfold::EncryptionContext;
use uuid::Uuid;

#[cfg(feature = "server")]
use super::view::CachedRow;
use super::view::{Footing, Kept};
use super::{Call, Engine, Narrowing, permissions};
use crate::arn::Realm;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::damaged;
use crate::policy::{self, Conditions, Decision, Policy, PolicyRequest};
use crate::rows::{GrantRow, KeyRow};
use crate::store::{Table, Txn};
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
    /// The rows that it was authenticated by.
    footing: Vec<Footing>,
}

/// What stays the same from request to request.
#[derive(Clone, Debug)]
struct Identity {
    principal: String,
    account: String,
    authentication: String,
    permissions: Vec<String>,
    narrowing: Option<Narrowing>,
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
        };
        let (identity, footing) = (Arc::new(identity), Vec::new());
        Caller { identity, source_ip: None, request_id: None, footing }
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

    /// Lets everything that the caller does rest on a row: what is answered is so that the row
    /// was the same when the audit record became durable.
    #[must_use]
    #[cfg(feature = "server")]
    pub(crate) fn resting_on<T: Kept>(mut self, row: &CachedRow<T>) -> Self {
        self.footing.push(row.footing());
        self
    }

    /// The same, on no row: for a record of what has been done already.
    #[must_use]
    #[cfg(feature = "server")]
    pub(super) fn resting_on_nothing(mut self) -> Self {
        self.footing.clear();
        self
    }

    pub(super) fn footing(&self) -> &[Footing] {
        &self.footing
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
    values: Vec<(&'static str, Vec<Cow<'a, str>>)>,
    context: Option<&'a EncryptionContext>,
}

impl<'a> Ask<'a> {
    /// A question that only a policy can answer.
    pub(crate) fn policy(action: &'static str) -> Self {
        Ask { action, grant: None, values: Vec::new(), context: None }
    }

    /// A question that a grant can answer too.
    pub(crate) fn grant(action: &'static str, operation: GrantOperation, fits: Fits<'a>) -> Self {
        Ask { grant: Some((operation, fits)), ..Ask::policy(action) }
    }

    /// Adds a value for the conditions of a policy.
    pub(crate) fn with(self, key: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        self.with_all(key, [value.into()])
    }

    /// Adds several values of one key for the conditions of a policy.
    pub(crate) fn with_all(
        mut self,
        key: &'static str,
        values: impl IntoIterator<Item = Cow<'a, str>>,
    ) -> Self {
        self.values.push((key, values.into_iter().collect()));
        self
    }

    /// Adds an encryption context, for the caller's limits and the conditions of a policy.
    pub(crate) fn with_context(mut self, context: &'a EncryptionContext) -> Self {
        self.context = Some(context);
        self
    }
}

/// Fits every grant: for operations that constraints do not bear on.
pub(crate) fn any_grant(_: &GrantRow) -> bool {
    true
}

/// A key's policy, read once for many operations.
pub(crate) struct KeyPolicy {
    pub(crate) text: String,
    parsed: Policy,
}

impl KeyPolicy {
    pub(crate) fn parse(text: String) -> Result<Self> {
        let parsed = policy::parse(&text).map_err(|_| damaged("a key policy"))?;
        Ok(KeyPolicy { text, parsed })
    }
}

impl Kept for KeyPolicy {
    const TABLE: Table = Table::Policies;

    fn load(engine: &Engine, txn: &mut dyn Txn, key: &[u8]) -> Result<Option<(Arc<Self>, usize)>> {
        let Some(bytes) = txn.get(Table::Policies, key)? else { return Ok(None) };
        // Most keys have the policy that they are made with: one is enough for all of them.
        if let Some(default) = &engine.default_policy
            && bytes == default.text.as_bytes()
        {
            return Ok(Some((Arc::clone(default), 0)));
        }
        let text = String::from_utf8(bytes).map_err(|_| damaged("a key policy"))?;
        // The parsed form takes several times the text.
        let bytes = 4 * text.len();
        Ok(Some((Arc::new(Self::parse(text)?), bytes)))
    }
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
    pub(crate) fn authorize(&mut self, key: &KeyRow, ask: &Ask<'_>) -> Result<()> {
        let action = ask.action;
        if let Some(context) = ask.context {
            self.require_pairs(context)?;
        }
        match self.ask_policy(key, ask)? {
            Verdict::Allow => return Ok(()),
            Verdict::Deny => return Err(self.denied(action)),
            Verdict::Silent => {}
        }
        if let Some((operation, fits)) = ask.grant
            && let Some(id) = self.find_grant(key.id, operation, fits)?
        {
            self.trail.grant_id = Some(id);
            return Ok(());
        }
        Err(self.denied(action))
    }

    /// Refuses only what the key's policy denies in so many words.
    pub(crate) fn refuse_denied(&mut self, key: &KeyRow, action: &'static str) -> Result<()> {
        match self.ask_policy(key, &Ask::policy(action))? {
            Verdict::Deny => Err(self.denied(action)),
            Verdict::Allow | Verdict::Silent => Ok(()),
        }
    }

    fn ask_policy(&mut self, key: &KeyRow, ask: &Ask<'_>) -> Result<Verdict> {
        let policy = self.policy(key)?;
        let mut conditions = Conditions::new();
        if policy.parsed.is_conditional() {
            self.set_conditions(&mut conditions, key, ask, &policy.text)?;
        }
        let (action, resource) = (ask.action, self.realm().key(key.id));
        let request = PolicyRequest {
            principal: self.caller.principal(),
            account: self.caller.account(),
            role_allows: self.caller.permits(action),
            action,
            resource: &resource,
            conditions: &conditions,
        };
        let (verdict, statement) = match policy.parsed.decide(&request) {
            Decision::Deny { statement } => (Verdict::Deny, statement),
            Decision::Allow { statement } => (Verdict::Allow, statement),
            Decision::Implicit => return Ok(Verdict::Silent),
        };
        self.trail.statement = Some(statement.to_owned());
        Ok(verdict)
    }

    /// A key's policy.
    pub(crate) fn policy(&mut self, key: &KeyRow) -> Result<Arc<KeyPolicy>> {
        self.txn.kept(key.id.as_bytes())?.ok_or_else(|| damaged("a key policy"))
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

    fn set_conditions(
        &mut self,
        to: &mut Conditions,
        key: &KeyRow,
        ask: &Ask<'_>,
        policy: &str,
    ) -> Result<()> {
        for (key, values) in &ask.values {
            to.set_all(*key, values.iter().map(Cow::as_ref));
        }
        if let Some(context) = ask.context {
            to.set_context(context);
        }
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
