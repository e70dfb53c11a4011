//! DeleteSecret and RestoreSecret, and the end of secrets whose time has come.

use std::ops::Bound;

use super::rows::{SecretRow, ValueRow, VersionRow, version_key};
use super::{
    SERVICE, Secret, being_deleted, check_name, check_secret_id, find, invalid, load, lookup,
    operation, save, versions,
};
use crate::arn::Arn;
use crate::audit::Trail;
use crate::clock::Timestamp;
use crate::engine::{Call, Caller, Engine, View};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::rows as store_rows;
use crate::store::{Table, Txn};
use crate::types::{
    DeleteSecretRequest, DeleteSecretResponse, RestoreSecretRequest, RestoreSecretResponse,
};

const WINDOW: std::ops::RangeInclusive<u32> = 7..=30;
const DEFAULT_WINDOW: u32 = 30;

operation!(
    DeleteSecretRequest => DeleteSecretResponse,
    "DeleteSecret", read_only: false,
    |request| {
        check_secret_id(&request.secret_id)?;
        let force = request.force_delete_without_recovery.unwrap_or(false);
        match request.recovery_window_in_days {
            Some(_) if force => Err(invalid(
                "only one of RecoveryWindowInDays and ForceDeleteWithoutRecovery can be given",
            )),
            Some(days) if !WINDOW.contains(&days) => {
                Err(invalid("RecoveryWindowInDays must be 7 to 30"))
            }
            _ => Ok(()),
        }
    },
    |request, call| {
        if request.force_delete_without_recovery.unwrap_or(false) {
            return force(call, &request.secret_id);
        }
        let mut secret = find(call, &request.secret_id)?;
        if secret.row.deletion.is_some() {
            return Err(being_deleted());
        }
        let days = request.recovery_window_in_days.unwrap_or(DEFAULT_WINDOW);
        let deletion_date = call.now.plus_days(days);
        secret.row.deletion = Some(deletion_date);
        secret.row.changed = call.now;
        call.txn.put(Table::SecretDeletionsDue, &due_key(deletion_date, &secret), &[])?;
        save(&mut call.txn, &secret)?;
        Ok(DeleteSecretResponse { arn: secret.row.arn, name: secret.row.name, deletion_date })
    }
);

/// Deletes at once. A secret that is not there is deleted already.
fn force(call: &mut Call<'_>, secret_id: &str) -> Result<DeleteSecretResponse> {
    let deletion_date = call.now;
    if let Some(secret) = lookup(call, secret_id)? {
        purge(&mut call.txn, &secret)?;
        return Ok(DeleteSecretResponse {
            arn: secret.row.arn,
            name: secret.row.name,
            deletion_date,
        });
    }
    let name = Arn::parse(secret_id)
        .and_then(|arn| arn.resource.strip_prefix("secret:"))
        .unwrap_or(secret_id);
    free_name(&mut call.txn, name)?;
    let arn = call.realm().resource(SERVICE, format_args!("secret:{name}"));
    Ok(DeleteSecretResponse { arn, name: name.to_owned(), deletion_date })
}

operation!(
    RestoreSecretRequest => RestoreSecretResponse,
    "RestoreSecret", read_only: false,
    |request| check_secret_id(&request.secret_id),
    |request, call| {
        let mut secret = find(call, &request.secret_id)?;
        let Some(deletion) = secret.row.deletion.take() else {
            return Err(KmsError::new(
                KmsErrorCode::InvalidRequest,
                "the secret is not scheduled for deletion",
            ));
        };
        call.txn.delete(Table::SecretDeletionsDue, &due_key(deletion, &secret))?;
        secret.row.changed = call.now;
        save(&mut call.txn, &secret)?;
        Ok(RestoreSecretResponse { arn: secret.row.arn, name: secret.row.name })
    }
);

fn due_key(deletion: Timestamp, secret: &Secret) -> Vec<u8> {
    [deletion.sort_key().as_slice(), &secret.key].concat()
}

/// Removes everything of a secret.
pub(super) fn purge(txn: &mut dyn Txn, secret: &Secret) -> Result<()> {
    for id in versions(txn, secret)?.keys() {
        let key = version_key(&secret.key, id);
        store_rows::delete::<VersionRow>(txn, &key)?;
        store_rows::delete::<ValueRow>(txn, &key)?;
    }
    if let Some(deletion) = secret.row.deletion {
        txn.delete(Table::SecretDeletionsDue, &due_key(deletion, secret))?;
    }
    txn.delete(Table::SecretNames, secret.row.name.as_bytes())?;
    store_rows::delete::<SecretRow>(txn, &secret.key)
}

/// Gives a name free that only a secret has whose recovery window is over.
pub(super) fn free_name(txn: &mut dyn Txn, name: &str) -> Result<()> {
    if check_name(name).is_err() {
        return Ok(());
    }
    match txn.get(Table::SecretNames, name.as_bytes())? {
        Some(key) => {
            let secret = load(txn, &key)?;
            purge(txn, &secret)
        }
        None => Ok(()),
    }
}

impl Engine {
    /// Destroys secrets whose recovery window is over, `step` to a transaction: those that an
    /// earlier call saw so at least `observation` milliseconds ago, so that a clock that jumps
    /// ahead and back destroys nothing. Answers how many.
    pub(in crate::engine) fn tick_secrets(&self, observation: i64, step: usize) -> Result<u32> {
        let (mut count, mut passed) = (0, None);
        while let Some((did, last)) = self.sweep(observation, step, passed.as_deref())? {
            count += did;
            passed = Some(last);
        }
        Ok(count)
    }

    /// Looks at the next entries of the index of what is due, in one transaction; answers how
    /// many secrets were destroyed, and the last entry. `None` where nothing more is due.
    fn sweep(
        &self,
        observation: i64,
        step: usize,
        after: Option<&[u8]>,
    ) -> Result<Option<(u32, Vec<u8>)>> {
        let now = self.clock.now();
        let end = now.plus(1).sort_key();
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Excluded(&end[..]));
        self.transact(|mut txn| {
            let due = txn.scan(Table::SecretDeletionsDue, range, step)?;
            let Some((last, _)) = due.last().cloned() else { return Ok(None) };
            let mut did = 0;
            for (index, seen) in due {
                let seen = <[u8; 8]>::try_from(seen).ok().map(i64::from_be_bytes);
                match seen.map(Timestamp::from_millis) {
                    Some(seen) if seen <= now => {
                        if seen.plus(observation) <= now {
                            let secret = load(&mut txn, index.get(8..).unwrap_or_default())?;
                            purge(&mut txn, &secret)?;
                            self.record_end(&mut txn, &secret)?;
                            did += 1;
                        }
                    }
                    // Not seen yet, or by a clock that has been set back since.
                    _ => {
                        let seen = now.millis().to_be_bytes();
                        txn.put(Table::SecretDeletionsDue, &index, &seen)?;
                    }
                }
            }
            Ok(Some((did, last)))
        })
    }

    /// Records that the engine itself ended a secret, in the transaction that did.
    fn record_end(&self, txn: &mut View<'_>, secret: &Secret) -> Result<()> {
        let mut trail = Trail::default();
        trail.resource(secret.row.arn.clone());
        let caller = Caller::service();
        let now = self.clock.now();
        txn.record(self.draft(&caller, now, ("DeleteSecret", false), "ok", &trail)?)
    }
}
