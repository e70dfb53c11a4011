//! Rotation: a new version encrypts, the older ones keep decrypting.

use super::authorize::Ask;
use super::resolve::Names;
use super::{Call, Operation, material, pages};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::rows::{self, KeyRow, RotationSchedule, VersionRow};
use crate::store::{Table, Txn as _, scan_prefix};
use crate::types::{
    DisableKeyRotationRequest, Empty, EnableKeyRotationRequest, GetKeyRotationStatusRequest,
    GetKeyRotationStatusResponse, IncludeKeyMaterial, KeyIdResponse, KeyMaterialState, KeyState,
    ListKeyRotationsRequest, ListKeyRotationsResponse, RotateKeyOnDemandRequest, RotationType,
    RotationsListEntry, check,
};

/// How often a key can be rotated on demand.
const MAX_ON_DEMAND: u32 = 25;
/// An automatic rotation this close makes one on demand a conflict: 20 minutes.
const CONFLICT: i64 = 20 * 60 * crate::clock::Timestamp::SECOND;

fn due_key(key: &KeyRow, schedule: RotationSchedule) -> Vec<u8> {
    [&schedule.next.sort_key()[..], key.id.as_bytes()].concat()
}

impl Call<'_> {
    /// Changes when a key rotates by itself, and the list of those that do.
    fn schedule_rotation(
        &mut self,
        key: &mut KeyRow,
        schedule: Option<RotationSchedule>,
    ) -> Result<()> {
        if let Some(old) = key.rotation {
            self.txn.delete(Table::RotationsDue, &due_key(key, old))?;
        }
        if let Some(new) = schedule {
            self.txn.put(Table::RotationsDue, &due_key(key, new), b"")?;
        }
        key.rotation = schedule;
        Ok(())
    }

    /// Takes a key off the list of those that rotate by themselves.
    pub(crate) fn unwatch_rotation(&mut self, key: &KeyRow) -> Result<()> {
        if let Some(schedule) = key.rotation {
            self.txn.delete(Table::RotationsDue, &due_key(key, schedule))?;
        }
        Ok(())
    }

    /// Rotates a key whose time has come; answers whether it did. Only an enabled key rotates.
    pub(crate) fn rotate_if_due(&mut self, key: &mut KeyRow) -> Result<bool> {
        let Some(schedule) = key.rotation else { return Ok(false) };
        if key.state != KeyState::Enabled || schedule.next > self.now {
            return Ok(false);
        }
        let next = self.now.plus_days(schedule.period_days);
        self.rotate(key, RotationType::Automatic)?;
        self.schedule_rotation(key, Some(RotationSchedule { next, ..schedule }))?;
        self.store_key(key)?;
        self.record_own("RotateKey", key)?;
        Ok(true)
    }

    fn rotate(&mut self, key: &mut KeyRow, why: RotationType) -> Result<()> {
        let material = material::make(key.spec, self.rng())?;
        self.add_version(key, &material, Some(why))
    }
}

impl Operation for EnableKeyRotationRequest {
    type Response = Empty;
    const NAME: &'static str = "EnableKeyRotation";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        let days = self.rotation_period_in_days.unwrap_or(365);
        check::number("rotationPeriodInDays", days, 90..=2560)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        let period_days = self.rotation_period_in_days.unwrap_or(365);
        let mut key = call.key(&self.key_id, Names::Keys)?;
        let ask = Ask::policy("kms:EnableKeyRotation");
        call.authorize(&key, &ask.with("kms:RotationPeriodInDays", period_days.to_string()))?;
        call.require_enabled(&key)?;
        call.require_symmetric(&key)?;
        let next = call.now.plus_days(period_days);
        call.schedule_rotation(&mut key, Some(RotationSchedule { period_days, next }))?;
        call.store_key(&key)?;
        Ok(Empty {})
    }
}

impl Operation for DisableKeyRotationRequest {
    type Response = Empty;
    const NAME: &'static str = "DisableKeyRotation";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        let mut key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:DisableKeyRotation"))?;
        call.require_enabled(&key)?;
        call.require_symmetric(&key)?;
        call.schedule_rotation(&mut key, None)?;
        call.store_key(&key)?;
        Ok(Empty {})
    }
}

impl Operation for GetKeyRotationStatusRequest {
    type Response = GetKeyRotationStatusResponse;
    const NAME: &'static str = "GetKeyRotationStatus";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<GetKeyRotationStatusResponse> {
        let key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:GetKeyRotationStatus"))?;
        call.require_symmetric(&key)?;
        // Pending deletion hides the setting; a cancelled deletion shows it again.
        let schedule = key.rotation.filter(|_| key.state != KeyState::PendingDeletion);
        Ok(GetKeyRotationStatusResponse {
            key_id: call.realm().key(key.id),
            key_rotation_enabled: schedule.is_some(),
            rotation_period_in_days: schedule.map(|schedule| schedule.period_days),
            next_rotation_date: schedule.map(|schedule| schedule.next),
        })
    }
}

impl Operation for RotateKeyOnDemandRequest {
    type Response = KeyIdResponse;
    const NAME: &'static str = "RotateKeyOnDemand";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<KeyIdResponse> {
        let mut key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:RotateKeyOnDemand"))?;
        call.require_enabled(&key)?;
        call.require_symmetric(&key)?;
        if key.on_demand_rotations >= MAX_ON_DEMAND {
            return Err(KmsError::new(
                KmsErrorCode::LimitExceeded,
                "a key can be rotated on demand at most 25 times",
            ));
        }
        if key.rotation.is_some_and(|schedule| schedule.next <= call.now.plus(CONFLICT)) {
            return Err(KmsError::new(
                KmsErrorCode::Conflict,
                "the key rotates by itself within 20 minutes",
            ));
        }
        call.rotate(&mut key, RotationType::OnDemand)?;
        key.on_demand_rotations += 1;
        call.store_key(&key)?;
        Ok(KeyIdResponse { key_id: call.realm().key(key.id) })
    }
}

impl Operation for ListKeyRotationsRequest {
    type Response = ListKeyRotationsResponse;
    const NAME: &'static str = "ListKeyRotations";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        pages::validate(self.limit, self.marker.as_deref(), 1000)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<ListKeyRotationsResponse> {
        let key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:ListKeyRotations"))?;
        call.require_symmetric(&key)?;
        let all = self.include_key_material == Some(IncludeKeyMaterial::AllKeyMaterial);
        let prefix = key.id.as_bytes();
        let list: &[&[u8]] = &[b"ListKeyRotations", prefix, &[u8::from(all)]];
        let first = rows::version_key(key.id, 1);
        let after = match self.marker.as_deref() {
            Some(marker) => Some(call.read_marker(list, marker)?),
            // No rotation made the first version.
            None => (!all).then_some(first),
        };
        let size = pages::size(self.limit, 100);
        let mut found =
            scan_prefix(&mut call.txn, Table::Versions, prefix, after.as_deref(), size + 1)?;
        let truncated = pages::cut(&mut found, size);
        let next_marker =
            found.last().filter(|_| truncated).map(|(last, _)| call.make_marker(list, last));
        let key_id = call.realm().key(key.id);
        let rotations = found
            .iter()
            .map(|(_, bytes)| {
                let row: VersionRow = rows::decode(bytes, <VersionRow as rows::Row>::NAME)?;
                let current = row.material_id == key.material_id;
                Ok(RotationsListEntry {
                    key_id: key_id.clone(),
                    key_material_state: if current {
                        KeyMaterialState::Current
                    } else {
                        KeyMaterialState::NonCurrent
                    },
                    key_material_id: row.material_id,
                    rotation_date: row.rotation.map(|_| row.created),
                    rotation_type: row.rotation,
                })
            })
            .collect::<Result<_>>()?;
        Ok(ListKeyRotationsResponse { rotations, truncated, next_marker })
    }
}
