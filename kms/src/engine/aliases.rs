//! Aliases: names of keys that can be moved.

use uuid::Uuid;

use super::authorize::Ask;
use super::resolve::Names;
use super::{Call, Operation, pages};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::damaged;
use crate::rows::{self, AliasRow, KeyRow};
use crate::store::{Table, Txn as _, scan_prefix};
use crate::types::{
    AliasListEntry, CreateAliasRequest, DeleteAliasRequest, Empty, KeySpec, ListAliasesRequest,
    ListAliasesResponse, UpdateAliasRequest, check,
};

/// How many aliases a key has at most.
const MAX_ALIASES: usize = 50;

/// Checks the name of an alias.
fn validate_name(name: &str) -> Result<()> {
    check::chars("aliasName", name, 1..=256)?;
    let invalid = |why| Err(KmsError::new(KmsErrorCode::InvalidAliasName, why));
    let Some(rest) = name.strip_prefix("alias/") else {
        return invalid("an alias begins with alias/");
    };
    if rest.starts_with("aws/") {
        return invalid("aliases that begin with alias/aws/ are reserved");
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-');
    if rest.is_empty() || !rest.bytes().all(legal) {
        return invalid("an alias is made of letters, digits, /, _ and - after alias/");
    }
    Ok(())
}

fn by_key(target: Uuid, name: &str) -> Vec<u8> {
    [target.as_bytes(), name.as_bytes()].concat()
}

impl Call<'_> {
    /// The alias under a name; one whose key is gone is gone too.
    pub(crate) fn find_alias(&mut self, name: &str) -> Result<Option<AliasRow>> {
        let Some(row) = rows::get::<AliasRow>(&mut self.txn, name.as_bytes())? else {
            return Ok(None);
        };
        let key = self.txn.kept::<KeyRow>(row.target.as_bytes())?;
        Ok(key.is_some_and(|key| !key.is_gone(self.now)).then_some(row))
    }

    fn alias(&mut self, name: &str) -> Result<AliasRow> {
        let found = self.find_alias(name)?;
        self.trail.alias = Some(name.to_owned());
        found.ok_or_else(|| {
            let arn = self.realm().alias(name);
            KmsError::new(KmsErrorCode::NotFound, format!("Alias {arn} is not found."))
        })
    }

    /// Writes an alias of a key that may have one more.
    pub(crate) fn put_alias(&mut self, name: &str, row: &AliasRow) -> Result<()> {
        // Over one whose key is gone.
        self.remove_alias(name)?;
        rows::put(&mut self.txn, name.as_bytes(), row)?;
        self.txn.put(Table::AliasesByKey, &by_key(row.target, name), b"")?;
        let prefix = row.target.as_bytes();
        let found = scan_prefix(&mut self.txn, Table::AliasesByKey, prefix, None, MAX_ALIASES + 1)?;
        if found.len() > MAX_ALIASES {
            return Err(KmsError::new(KmsErrorCode::LimitExceeded, "a key has at most 50 aliases"));
        }
        Ok(())
    }

    /// Removes an alias, if it is there.
    pub(crate) fn remove_alias(&mut self, name: &str) -> Result<()> {
        if let Some(old) = rows::get::<AliasRow>(&mut self.txn, name.as_bytes())? {
            self.txn.delete(Table::AliasesByKey, &by_key(old.target, name))?;
            rows::delete::<AliasRow>(&mut self.txn, name.as_bytes())?;
        }
        Ok(())
    }

    /// The names of a key's aliases.
    pub(crate) fn aliases_of(&mut self, key_id: Uuid) -> Result<Vec<String>> {
        let prefix = key_id.as_bytes();
        scan_prefix(&mut self.txn, Table::AliasesByKey, prefix, None, MAX_ALIASES)?
            .into_iter()
            .map(|(key, _)| alias_name(key.get(16..).unwrap_or_default()))
            .collect()
    }
}

fn alias_name(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| damaged("an alias"))
}

impl Operation for CreateAliasRequest {
    type Response = Empty;
    const NAME: &'static str = "CreateAlias";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        validate_name(&self.alias_name)?;
        check::key_id("targetKeyId", &self.target_key_id)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        const ACTION: &str = "kms:CreateAlias";
        let key = call.key(&self.target_key_id, Names::Keys)?;
        call.authorize_account(ACTION)?;
        call.authorize(&key, &Ask::policy(ACTION))?;
        if call.find_alias(&self.alias_name)?.is_some() {
            let arn = call.realm().alias(&self.alias_name);
            let message = format!("An alias with the name {arn} already exists");
            return Err(KmsError::new(KmsErrorCode::AlreadyExists, message));
        }
        call.require_staying(&key)?;
        call.trail.alias = Some(self.alias_name.clone());
        let row = AliasRow { target: key.id, created: call.now, updated: call.now };
        call.put_alias(&self.alias_name, &row)?;
        Ok(Empty {})
    }
}

impl Operation for UpdateAliasRequest {
    type Response = Empty;
    const NAME: &'static str = "UpdateAlias";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        validate_name(&self.alias_name)?;
        check::key_id("targetKeyId", &self.target_key_id)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        const ACTION: &str = "kms:UpdateAlias";
        let row = call.alias(&self.alias_name)?;
        let new = call.key(&self.target_key_id, Names::Keys)?;
        let old = call.load_key(row.target)?.ok_or_else(|| damaged("an alias"))?;
        call.authorize_account(ACTION)?;
        call.authorize(&old, &Ask::policy(ACTION))?;
        call.authorize(&new, &Ask::policy(ACTION))?;
        call.require_staying(&new)?;
        let symmetric = |key: &KeyRow| key.spec == KeySpec::SymmetricDefault;
        if symmetric(&old) != symmetric(&new) || old.usage != new.usage {
            return Err(KmsError::new(
                KmsErrorCode::InvalidKeyUsage,
                "an alias moves only between keys of the same kind and usage",
            ));
        }
        let row = AliasRow { target: new.id, updated: call.now, ..row };
        call.put_alias(&self.alias_name, &row)?;
        Ok(Empty {})
    }
}

impl Operation for DeleteAliasRequest {
    type Response = Empty;
    const NAME: &'static str = "DeleteAlias";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        validate_name(&self.alias_name)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        const ACTION: &str = "kms:DeleteAlias";
        let row = call.alias(&self.alias_name)?;
        let key = call.load_key(row.target)?.ok_or_else(|| damaged("an alias"))?;
        call.authorize_account(ACTION)?;
        call.authorize(&key, &Ask::policy(ACTION))?;
        call.remove_alias(&self.alias_name)?;
        Ok(Empty {})
    }
}

impl Operation for ListAliasesRequest {
    type Response = ListAliasesResponse;
    const NAME: &'static str = "ListAliases";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        if let Some(key_id) = &self.key_id {
            check::key_id("keyId", key_id)?;
        }
        pages::validate(self.limit, self.marker.as_deref(), 100)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<ListAliasesResponse> {
        call.authorize_account("kms:ListAliases")?;
        let key = self.key_id.as_deref().map(|id| call.key(id, Names::Keys)).transpose()?;
        let prefix = key.map_or_else(Vec::new, |key| key.id.as_bytes().to_vec());
        let table = if prefix.is_empty() { Table::Aliases } else { Table::AliasesByKey };
        let list: &[&[u8]] = &[b"ListAliases", &prefix];
        let after = self.marker.as_deref().map(|m| call.read_marker(list, m)).transpose()?;
        let size = pages::size(self.limit, 50);
        let mut rows = scan_prefix(&mut call.txn, table, &prefix, after.as_deref(), size + 1)?;
        let truncated = pages::cut(&mut rows, size);
        let next_marker =
            rows.last().filter(|_| truncated).map(|(last, _)| call.make_marker(list, last));
        let mut aliases = Vec::with_capacity(rows.len());
        for (key, _) in rows {
            let alias_name = alias_name(key.get(prefix.len()..).unwrap_or_default())?;
            if let Some(row) = call.find_alias(&alias_name)? {
                aliases.push(AliasListEntry {
                    alias_arn: call.realm().alias(&alias_name),
                    alias_name,
                    target_key_id: row.target.to_string(),
                    creation_date: row.created,
                    last_updated_date: row.updated,
                });
            }
        }
        Ok(ListAliasesResponse { aliases, truncated, next_marker })
    }
}
