//! The life of a key: made, described, switched off and on, ended.

use keyfold::crypto::rng::Rng;
use uuid::Uuid;

use super::authorize::{Ask, any_grant};
use super::resolve::Names;
use super::{Call, Operation, Prepared, material, pages, tags};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::policy::{self, Policy};
use crate::rows::{self, KeyRow};
use crate::store::{Table, Txn as _, scan_prefix};
use crate::types::{
    CancelKeyDeletionRequest, CreateKeyRequest, DescribeKeyRequest, DisableKeyRequest, Empty,
    EnableKeyRequest, EncryptionAlgorithm, GrantOperation, KeyIdResponse, KeyListEntry,
    KeyMetadata, KeyMetadataResponse, KeySpec, KeyState, KeyUsage, ListKeysRequest,
    ListKeysResponse, Origin, ScheduleKeyDeletionRequest, ScheduleKeyDeletionResponse,
    SigningAlgorithm, UpdateKeyDescriptionRequest, check,
};

/// How many keys an account has at most.
const MAX_KEYS: u64 = 100_000;
/// The key of the number of keys in [`Table::Config`].
const KEY_COUNT: &[u8] = b"key-count";
/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 8192;

impl KeySpec {
    /// What a key of this spec can be for, among what is offered.
    pub(crate) const fn usages(self) -> &'static [KeyUsage] {
        match self {
            KeySpec::SymmetricDefault => &[KeyUsage::EncryptDecrypt],
            KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
                &[KeyUsage::EncryptDecrypt, KeyUsage::SignVerify]
            }
            KeySpec::EccNistP256
            | KeySpec::EccNistP384
            | KeySpec::EccNistP521
            | KeySpec::EccSecgP256K1
            | KeySpec::EccNistEdwards25519 => &[KeyUsage::SignVerify],
            _ => &[],
        }
    }

    /// How a key of this spec encrypts.
    pub(crate) const fn encryption_algorithms(self) -> &'static [EncryptionAlgorithm] {
        match self {
            KeySpec::SymmetricDefault => &[EncryptionAlgorithm::SymmetricDefault],
            KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096 => {
                &[EncryptionAlgorithm::RsaesOaepSha1, EncryptionAlgorithm::RsaesOaepSha256]
            }
            _ => &[],
        }
    }

    /// How a key of this spec signs.
    pub(crate) fn signing_algorithms(self) -> Vec<SigningAlgorithm> {
        material::pair_spec(self).map_or_else(Vec::new, |spec| {
            spec.algorithms().iter().filter_map(|a| a.as_str().parse().ok()).collect()
        })
    }
}

/// The algorithms of a key, as replies list them: those of its usage alone.
pub(crate) fn algorithms(
    key: &KeyRow,
) -> (Option<Vec<EncryptionAlgorithm>>, Option<Vec<SigningAlgorithm>>) {
    match key.usage {
        KeyUsage::SignVerify => (None, Some(key.spec.signing_algorithms())),
        _ => (Some(key.spec.encryption_algorithms().to_vec()), None),
    }
}

impl CreateKeyRequest {
    fn spec(&self) -> KeySpec {
        self.key_spec.or(self.customer_master_key_spec).unwrap_or(KeySpec::SymmetricDefault)
    }

    fn usage(&self) -> KeyUsage {
        self.key_usage.unwrap_or(KeyUsage::EncryptDecrypt)
    }
}

impl Operation for CreateKeyRequest {
    type Response = KeyMetadataResponse;
    const NAME: &'static str = "CreateKey";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        if let Some(description) = &self.description {
            check::chars("description", description, 0..=MAX_DESCRIPTION)?;
        }
        tags::validate(&self.tags)?;
        if let (Some(new), Some(old)) = (self.key_spec, self.customer_master_key_spec)
            && new != old
        {
            return Err(KmsError::validation(
                "customerMasterKeySpec",
                "Member must be the same as keySpec where both are given",
            ));
        }
        if self.custom_key_store_id.is_some()
            || self.xks_key_id.is_some()
            || self.multi_region == Some(true)
            || self.origin.is_some_and(|origin| origin != Origin::AwsKms)
        {
            return Err(KmsError::unsupported(
                "only single-region keys of origin AWS_KMS are offered",
            ));
        }
        let spec = self.spec();
        if spec.usages().is_empty() {
            return Err(KmsError::unsupported(format!("key spec {spec} is not offered")));
        }
        if self.key_usage.is_none() && spec != KeySpec::SymmetricDefault {
            return Err(KmsError::validation(
                "keyUsage",
                "Member must not be null for an asymmetric key spec",
            ));
        }
        if !spec.usages().contains(&self.usage()) {
            return Err(KmsError::validation(
                "keyUsage",
                &format!("Member must be one that key spec {spec} has"),
            ));
        }
        Ok(())
    }

    fn prepare(&self, rng: &dyn Rng) -> Result<Option<Prepared>> {
        material::make(self.spec(), rng).map(Some)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<KeyMetadataResponse> {
        call.authorize_account("kms:CreateKey")?;
        if !self.tags.is_empty() {
            call.authorize_account("kms:TagResource")?;
        }
        let key = call.create_key(self, false)?;
        Ok(KeyMetadataResponse { key_metadata: call.metadata(&key) })
    }
}

impl Call<'_> {
    /// Makes a key, whoever asks for it.
    pub(crate) fn create_key(
        &mut self,
        request: &CreateKeyRequest,
        service_owned: bool,
    ) -> Result<KeyRow> {
        let count = count_keys(self)?;
        if count >= MAX_KEYS {
            return Err(KmsError::new(
                KmsErrorCode::LimitExceeded,
                "an account has at most 100000 keys",
            ));
        }
        self.txn.put(Table::Config, KEY_COUNT, &(count + 1).to_be_bytes())?;

        let id = self.make_id()?;
        let mut key = KeyRow {
            id,
            spec: request.spec(),
            usage: request.usage(),
            origin: Origin::AwsKms,
            state: KeyState::Enabled,
            description: request.description.clone().unwrap_or_default(),
            created: self.now,
            deletion_date: None,
            version: 0,
            material_id: String::new(),
            rotation: None,
            on_demand_rotations: 0,
            grants: 0,
            service_owned,
            deletion_scheduled_by: None,
        };
        self.trail.resource(self.realm().key(id));
        // The default policy leaves control with the account, whatever the caller's own role is.
        let bypass =
            request.bypass_policy_lockout_safety_check == Some(true) || request.policy.is_none();
        let default = || Policy::default_document(&self.realm().partition, &self.realm().account);
        let policy = request.policy.clone().unwrap_or_else(default);
        self.store_policy(id, &policy, bypass)?;
        let material = match self.prepared.take() {
            Some(material) => material,
            None => material::make(key.spec, self.rng())?,
        };
        self.add_version(&mut key, &material, None)?;
        rows::put(&mut self.txn, id.as_bytes(), &key)?;
        self.txn.put(Table::KeysByTime, &by_time(&key), b"")?;
        self.put_tags(id, &request.tags)?;
        Ok(key)
    }
}

fn by_time(key: &KeyRow) -> Vec<u8> {
    [&key.created.sort_key()[..], key.id.as_bytes()].concat()
}

fn count_keys(call: &mut Call<'_>) -> Result<u64> {
    let bytes = call.txn.get(Table::Config, KEY_COUNT)?;
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
}

impl Call<'_> {
    /// The properties of a key.
    pub(crate) fn metadata(&self, key: &KeyRow) -> KeyMetadata {
        let (encryption_algorithms, signing_algorithms) = algorithms(key);
        let symmetric = key.spec == KeySpec::SymmetricDefault;
        KeyMetadata {
            aws_account_id: self.realm().account.clone(),
            key_id: key.id.to_string(),
            arn: self.realm().key(key.id),
            creation_date: key.created,
            enabled: key.state == KeyState::Enabled,
            description: key.description.clone(),
            key_usage: key.usage,
            key_state: key.state,
            deletion_date: key.deletion_date,
            origin: key.origin,
            key_manager: if key.service_owned { "AWS" } else { "CUSTOMER" }.into(),
            key_spec: key.spec,
            customer_master_key_spec: key.spec,
            encryption_algorithms,
            signing_algorithms,
            multi_region: false,
            current_key_material_id: symmetric.then(|| key.material_id.clone()),
        }
    }

    /// Stores a policy that is understood, is about this key, and does not lock the caller out.
    pub(crate) fn store_policy(&mut self, id: Uuid, text: &str, bypass: bool) -> Result<()> {
        let malformed =
            |reason: String| KmsError::new(KmsErrorCode::MalformedPolicyDocument, reason);
        let policy = policy::parse(text).map_err(|error| malformed(error.to_string()))?;
        let arn = self.realm().key(id);
        if !policy.is_only_about(&arn) {
            return Err(malformed("Resource must be * or the key's own ARN".into()));
        }
        if !bypass {
            self.check_lockout(&policy, &arn)?;
        }
        Ok(self.txn.put(Table::Policies, id.as_bytes(), text.as_bytes())?)
    }

    /// Stores a key that changed; what is unwrapped of it is forgotten.
    pub(crate) fn store_key(&mut self, key: &KeyRow) -> Result<()> {
        self.txn.forget(key.id);
        rows::put(&mut self.txn, key.id.as_bytes(), key)
    }

    /// Removes a key from the lists of keys.
    pub(crate) fn unlist_key(&mut self, key: &KeyRow) -> Result<()> {
        let count = count_keys(self)?.saturating_sub(1);
        self.txn.put(Table::Config, KEY_COUNT, &count.to_be_bytes())?;
        self.txn.delete(Table::KeysByTime, &by_time(key))?;
        rows::delete::<KeyRow>(&mut self.txn, key.id.as_bytes())
    }
}

impl Operation for DescribeKeyRequest {
    type Response = KeyMetadataResponse;
    const NAME: &'static str = "DescribeKey";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        check::grant_tokens(&self.grant_tokens)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<KeyMetadataResponse> {
        call.check_grant_tokens(&self.grant_tokens)?;
        let key = call.key(&self.key_id, Names::KeysAndAliases)?;
        let ask = Ask::grant("kms:DescribeKey", GrantOperation::DescribeKey, &any_grant);
        call.authorize(&key, &ask)?;
        Ok(KeyMetadataResponse { key_metadata: call.metadata(&key) })
    }
}

impl Operation for ListKeysRequest {
    type Response = ListKeysResponse;
    const NAME: &'static str = "ListKeys";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        pages::validate(self.limit, self.marker.as_deref(), 1000)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<ListKeysResponse> {
        const LIST: &[&[u8]] = &[b"ListKeys"];
        call.authorize_account("kms:ListKeys")?;
        let after = self.marker.as_deref().map(|m| call.read_marker(LIST, m)).transpose()?;
        let size = pages::size(self.limit, 100);
        let mut rows =
            scan_prefix(&mut call.txn, Table::KeysByTime, b"", after.as_deref(), size + 1)?;
        let truncated = pages::cut(&mut rows, size);
        let next_marker =
            rows.last().filter(|_| truncated).map(|(last, _)| call.make_marker(LIST, last));
        let mut keys = Vec::with_capacity(rows.len());
        for (index, _) in rows {
            let Some(id) = index.get(8..).and_then(|id| Uuid::from_slice(id).ok()) else {
                return Err(crate::hierarchy::damaged("the list of keys"));
            };
            let row = call.txn.kept::<KeyRow>(id.as_bytes())?;
            // A page may be short: a key whose time has come is not shown.
            if row.is_some_and(|row| !row.is_gone(call.now)) {
                let key_arn = call.realm().key(id);
                keys.push(KeyListEntry { key_id: id.to_string(), key_arn });
            }
        }
        Ok(ListKeysResponse { keys, truncated, next_marker })
    }
}

/// Switches a key on or off.
fn switch(
    call: &mut Call<'_>,
    key_id: &str,
    action: &'static str,
    state: KeyState,
) -> Result<Empty> {
    let mut key = call.key(key_id, Names::Keys)?;
    call.authorize(&key, &Ask::policy(action))?;
    call.require_staying(&key)?;
    key.state = state;
    // A rotation that fell due while the key was off happens now.
    call.rotate_if_due(&mut key)?;
    call.store_key(&key)?;
    Ok(Empty {})
}

impl Operation for EnableKeyRequest {
    type Response = Empty;
    const NAME: &'static str = "EnableKey";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        switch(call, &self.key_id, "kms:EnableKey", KeyState::Enabled)
    }
}

impl Operation for DisableKeyRequest {
    type Response = Empty;
    const NAME: &'static str = "DisableKey";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        switch(call, &self.key_id, "kms:DisableKey", KeyState::Disabled)
    }
}

impl Operation for UpdateKeyDescriptionRequest {
    type Response = Empty;
    const NAME: &'static str = "UpdateKeyDescription";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        check::chars("description", &self.description, 0..=MAX_DESCRIPTION)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        let mut key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:UpdateKeyDescription"))?;
        call.require_staying(&key)?;
        key.description.clone_from(&self.description);
        call.store_key(&key)?;
        Ok(Empty {})
    }
}

impl Operation for ScheduleKeyDeletionRequest {
    type Response = ScheduleKeyDeletionResponse;
    const NAME: &'static str = "ScheduleKeyDeletion";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        check::number("pendingWindowInDays", self.pending_window_in_days.unwrap_or(30), 7..=30)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<ScheduleKeyDeletionResponse> {
        let days = self.pending_window_in_days.unwrap_or(30);
        let mut key = call.key(&self.key_id, Names::Keys)?;
        let ask = Ask::policy("kms:ScheduleKeyDeletion");
        let ask = ask.with("kms:ScheduleKeyDeletionPendingWindowInDays", days.to_string());
        call.authorize(&key, &ask)?;
        call.require_staying(&key)?;
        let deletion_date = call.now.plus_days(days);
        key.state = KeyState::PendingDeletion;
        key.deletion_date = Some(deletion_date);
        key.deletion_scheduled_by = Some(call.caller.principal().to_owned());
        call.store_key(&key)?;
        call.watch_deletion(&key)?;
        Ok(ScheduleKeyDeletionResponse {
            key_id: call.realm().key(key.id),
            deletion_date,
            key_state: key.state,
            pending_window_in_days: days,
        })
    }
}

impl Operation for CancelKeyDeletionRequest {
    type Response = KeyIdResponse;
    const NAME: &'static str = "CancelKeyDeletion";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<KeyIdResponse> {
        let mut key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:CancelKeyDeletion"))?;
        let key_id = call.realm().key(key.id);
        if key.state != KeyState::PendingDeletion {
            let message = format!("{key_id} is not pending deletion.");
            return Err(KmsError::new(KmsErrorCode::InvalidState, message));
        }
        call.unwatch_deletion(&key)?;
        // Never straight back to Enabled: somebody looks first.
        key.state = KeyState::Disabled;
        key.deletion_date = None;
        key.deletion_scheduled_by = None;
        call.store_key(&key)?;
        Ok(KeyIdResponse { key_id })
    }
}
