//! Key policies.

use super::authorize::Ask;
use super::resolve::Names;
use super::{Call, Operation, pages};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::types::{
    Empty, GetKeyPolicyRequest, GetKeyPolicyResponse, ListKeyPoliciesRequest,
    ListKeyPoliciesResponse, PutKeyPolicyRequest, check,
};

/// The only name that a policy can have.
const NAME: &str = "default";
/// The longest policy document, in characters, that the shape allows.
const MAX_POLICY: usize = 131_072;

fn check_name(name: Option<&str>) -> Result<()> {
    let Some(name) = name else { return Ok(()) };
    check::chars("policyName", name, 1..=128)?;
    if name == NAME {
        return Ok(());
    }
    Err(KmsError::new(KmsErrorCode::NotFound, "the only key policy is named default"))
}

impl Operation for GetKeyPolicyRequest {
    type Response = GetKeyPolicyResponse;
    const NAME: &'static str = "GetKeyPolicy";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        check_name(self.policy_name.as_deref())
    }

    fn run(&self, call: &mut Call<'_>) -> Result<GetKeyPolicyResponse> {
        let key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:GetKeyPolicy"))?;
        let policy = call.policy(&key)?.text.clone();
        Ok(GetKeyPolicyResponse { policy, policy_name: NAME.into() })
    }
}

impl Operation for PutKeyPolicyRequest {
    type Response = Empty;
    const NAME: &'static str = "PutKeyPolicy";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        check_name(self.policy_name.as_deref())?;
        check::chars("policy", &self.policy, 1..=MAX_POLICY)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        let key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:PutKeyPolicy"))?;
        let bypass = self.bypass_policy_lockout_safety_check == Some(true);
        call.store_policy(key.id, &self.policy, bypass)?;
        Ok(Empty {})
    }
}

impl Operation for ListKeyPoliciesRequest {
    type Response = ListKeyPoliciesResponse;
    const NAME: &'static str = "ListKeyPolicies";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        pages::validate(self.limit, self.marker.as_deref(), 1000)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<ListKeyPoliciesResponse> {
        let key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:ListKeyPolicies"))?;
        if self.marker.is_some() {
            // This list never gives one out.
            return Err(KmsError::new(KmsErrorCode::InvalidMarker, "the marker is not valid"));
        }
        Ok(ListKeyPoliciesResponse { policy_names: vec![NAME.into()], truncated: false })
    }
}
