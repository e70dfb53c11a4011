//! Who may do what.

use std::net::IpAddr;

use uuid::Uuid;

use crate::arn::Realm;

/// Who calls: an authenticated principal, its account, and what its own role allows.
#[derive(Clone, Debug)]
pub struct Caller {
    principal: String,
    account: String,
    authentication: String,
    permissions: Vec<String>,
    source_ip: Option<IpAddr>,
    request_id: Option<Uuid>,
}

impl Caller {
    /// A principal of an account, by its ARN. Its own role allows nothing yet: it may do what
    /// key policies and grants allow it by name.
    pub fn new(principal: impl Into<String>, account: impl Into<String>) -> Self {
        Caller {
            principal: principal.into(),
            account: account.into(),
            authentication: "none".into(),
            permissions: Vec::new(),
            source_ip: None,
            request_id: None,
        }
    }

    pub(crate) fn owner(realm: &Realm) -> Self {
        Caller::new(realm.account_root(), realm.account.clone())
            .with_permissions(["*"])
            .authenticated_by("local")
    }

    /// What the caller's own role allows: names of actions such as `kms:CreateKey`, or prefixes
    /// that end in `*`. On a key it counts where the key's policy allows the account; on its own
    /// for what is not about one key.
    #[must_use]
    pub fn with_permissions<P: Into<String>>(
        mut self,
        actions: impl IntoIterator<Item = P>,
    ) -> Self {
        self.permissions.extend(actions.into_iter().map(Into::into));
        self
    }

    /// How the principal proved who it is, for the audit record.
    #[must_use]
    pub fn authenticated_by(mut self, method: impl Into<String>) -> Self {
        self.authentication = method.into();
        self
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
        &self.principal
    }

    /// The principal's account.
    pub fn account(&self) -> &str {
        &self.account
    }

    pub(crate) fn authentication(&self) -> &str {
        &self.authentication
    }

    pub(crate) fn request_id(&self) -> Option<Uuid> {
        self.request_id
    }

    pub(crate) fn source_ip(&self) -> Option<IpAddr> {
        self.source_ip
    }

    /// Whether the caller's own role allows an action.
    pub(crate) fn permits(&self, action: &str) -> bool {
        self.permissions.iter().any(|permission| match permission.strip_suffix('*') {
            Some(prefix) => action.starts_with(prefix),
            None => action == permission,
        })
    }
}
