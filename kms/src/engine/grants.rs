//! Grants: what a principal may do with one key beyond the key's policy.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyfold::crypto::hash::{Sha256, constant_time_eq};
use uuid::Uuid;

use super::authorize::Ask;
use super::crypto::dry_run_passed;
use super::resolve::Names;
use super::view::Kept;
use super::{Call, Engine, Operation, pages};
use crate::audit::hex;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::damaged;
use crate::rows::{self, GrantRow, KeyRow, Principal};
use crate::store::{Table, Txn, scan_prefix};
use crate::types::{
    CreateGrantRequest, CreateGrantResponse, Empty, GrantConstraints, GrantListEntry,
    GrantOperation, KeySpec, KeyUsage, ListGrantsRequest, ListGrantsResponse,
    ListRetirableGrantsRequest, RetireGrantRequest, RevokeGrantRequest, check,
};

/// How many grants a key has at most.
const MAX_GRANTS: u32 = 50_000;
/// How many pairs a constraint has at most.
const MAX_PAIRS: usize = 8;
/// The longest value of a constraint, in characters.
const MAX_PAIR_VALUE: usize = 384;
/// The length of a grant's id in bytes; as text it has twice as many digits.
const ID_LEN: usize = 32;
/// How many grants are looked at in one step.
const STEP: usize = 128;
/// How many grants of one grantee on one key are kept in memory.
const MAX_KEPT: usize = 256;

type GrantId = [u8; ID_LEN];

fn parse_id(text: &str) -> Result<GrantId> {
    let mut id = [0; ID_LEN];
    let digit = |b: u8| char::from(b).to_digit(16).filter(|_| !b.is_ascii_uppercase());
    if text.len() == 2 * ID_LEN {
        let pairs = text.as_bytes().chunks_exact(2);
        let parsed =
            id.iter_mut().zip(pairs).all(|(byte, pair)| match (digit(pair[0]), digit(pair[1])) {
                (Some(high), Some(low)) => {
                    *byte = u8::try_from(high << 4 | low).unwrap_or(0);
                    true
                }
                _ => false,
            });
        if parsed {
            return Ok(id);
        }
    }
    Err(KmsError::new(KmsErrorCode::InvalidGrantId, "a grant id has 64 hexadecimal digits"))
}

impl Principal {
    fn of(arn: Option<&String>, service: Option<&String>) -> Option<Self> {
        arn.cloned().map(Principal::Arn).or_else(|| service.cloned().map(Principal::Service))
    }

    fn text(&self) -> &str {
        match self {
            Principal::Arn(text) | Principal::Service(text) => text,
        }
    }

    fn arn(&self) -> Option<String> {
        if let Principal::Arn(text) = self { Some(text.clone()) } else { None }
    }

    fn service(&self) -> Option<String> {
        if let Principal::Service(text) = self { Some(text.clone()) } else { None }
    }

    /// What indexes are ordered by; a principal's name may be long.
    fn hash(&self) -> [u8; 32] {
        principal_hash(self.text())
    }
}

fn principal_hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes())
}

/// The operations that a grant on a key can allow.
fn fits_key(operation: GrantOperation, key: &KeyRow) -> bool {
    use GrantOperation as G;
    match operation {
        G::CreateGrant | G::RetireGrant | G::DescribeKey => true,
        G::Encrypt | G::Decrypt | G::ReEncryptFrom | G::ReEncryptTo => {
            key.usage == KeyUsage::EncryptDecrypt
        }
        G::GenerateDataKey
        | G::GenerateDataKeyWithoutPlaintext
        | G::GenerateDataKeyPair
        | G::GenerateDataKeyPairWithoutPlaintext => key.spec == KeySpec::SymmetricDefault,
        G::Sign | G::Verify => key.usage == KeyUsage::SignVerify,
        G::GetPublicKey => key.spec != KeySpec::SymmetricDefault,
        G::GenerateMac | G::VerifyMac | G::DeriveSharedSecret | G::Encapsulate | G::Decapsulate => {
            false
        }
    }
}

impl GrantRow {
    /// Whether `child` allows no more than this grant does: a subset of its operations, under
    /// constraints that are at least as strict.
    fn covers(&self, child: &GrantRow) -> bool {
        let operations = child.operations.iter().all(|o| self.operations.contains(o));
        let equals = match (&self.context_equals, &child.context_equals) {
            (None, _) => true,
            (Some(parent), Some(child)) => parent == child,
            (Some(_), None) => false,
        };
        let child_pairs = child.context_equals.as_ref().unwrap_or(&child.context_subset);
        let subset = child_pairs.contains(&self.context_subset)
            || child.context_subset.contains(&self.context_subset);
        operations && equals && subset
    }

    fn entry(&self, key_arn: String, id: &[u8]) -> GrantListEntry {
        let constraints = GrantConstraints {
            encryption_context_subset: self.context_subset.clone(),
            encryption_context_equals: self.context_equals.clone().unwrap_or_default(),
            source_arn: None,
        };
        GrantListEntry {
            key_id: key_arn,
            grant_id: hex(id),
            name: self.name.clone(),
            creation_date: self.created,
            grantee_principal: self.grantee.arn(),
            grantee_service_principal: self.grantee.service(),
            retiring_principal: self.retiring.as_ref().and_then(Principal::arn),
            retiring_service_principal: self.retiring.as_ref().and_then(Principal::service),
            issuing_account: self.issuing_account.clone(),
            operations: self.operations.clone(),
            constraints: (constraints != GrantConstraints::default()).then_some(constraints),
        }
    }
}

/// The grants of one key for one grantee, with their ids; nothing where they are too many to keep
/// them in memory.
struct GranteeGrants(Option<Vec<(Vec<u8>, GrantRow)>>);

impl Kept for GranteeGrants {
    const TABLE: Table = Table::GrantsByGrantee;

    fn load(_: &Engine, txn: &mut dyn Txn, key: &[u8]) -> Result<Option<(Arc<Self>, usize)>> {
        let found = scan_prefix(txn, Table::GrantsByGrantee, key, None, MAX_KEPT + 1)?;
        if found.len() > MAX_KEPT {
            return Ok(Some((Arc::new(GranteeGrants(None)), 0)));
        }
        let (mut grants, mut bytes) = (Vec::with_capacity(found.len()), 0);
        for (index, _) in found {
            let (Some(key_id), Some(id)) = (key.get(..16), index.get(key.len()..)) else {
                return Err(damaged("a grant"));
            };
            let row = txn.get(Table::Grants, &[key_id, id].concat())?;
            let row = row.ok_or_else(|| damaged("a grant"))?;
            bytes += 2 * row.len();
            grants.push((id.to_vec(), rows::decode(&row, <GrantRow as rows::Row>::NAME)?));
        }
        Ok(Some((Arc::new(GranteeGrants(Some(grants))), bytes)))
    }
}

impl Call<'_> {
    fn grant_key(key_id: Uuid, id: &[u8]) -> Vec<u8> {
        [key_id.as_bytes().as_slice(), id].concat()
    }

    fn grantee_key(key_id: Uuid, principal: &[u8; 32], id: &[u8]) -> Vec<u8> {
        [key_id.as_bytes().as_slice(), principal, id].concat()
    }

    fn retiring_key(key_id: Uuid, principal: &[u8; 32], id: &[u8]) -> Vec<u8> {
        [principal.as_slice(), key_id.as_bytes(), id].concat()
    }

    /// Where a grant of the same name and parameters would be found.
    fn name_key(&self, key_id: Uuid, grant: &GrantRow) -> Result<Option<Vec<u8>>> {
        if grant.name.is_none() {
            return Ok(None);
        }
        let same = GrantRow { created: crate::Timestamp::default(), ..grant.clone() };
        let parameters = rows::encode(&same)?;
        let mac = self.keys().idempotency.mac(&[b"CreateGrant", &parameters]);
        Ok(Some(Self::grant_key(key_id, &mac)))
    }

    /// A grant on a key for the caller that allows an operation and fits; answers its id.
    pub(crate) fn find_grant(
        &mut self,
        key_id: Uuid,
        operation: GrantOperation,
        fits: &dyn Fn(&GrantRow) -> bool,
    ) -> Result<Option<String>> {
        let grantee = principal_hash(self.caller.principal());
        let prefix = [key_id.as_bytes().as_slice(), &grantee].concat();
        let allows = |grant: &GrantRow, caller: &str| {
            grant.grantee.text() == caller && grant.operations.contains(&operation) && fits(grant)
        };
        let kept = self.txn.kept::<GranteeGrants>(&prefix)?;
        if let Some(grants) = kept.as_ref().and_then(|grants| grants.0.as_ref()) {
            let caller = self.caller.principal();
            let found = grants.iter().find(|(_, grant)| allows(grant, caller));
            return Ok(found.map(|(id, _)| hex(id)));
        }
        let mut after: Option<Vec<u8>> = None;
        loop {
            let found = scan_prefix(
                &mut self.txn,
                Table::GrantsByGrantee,
                &prefix,
                after.as_deref(),
                STEP,
            )?;
            for (key, _) in &found {
                let id = key.get(prefix.len()..).unwrap_or_default();
                let row: Option<GrantRow> = rows::get(&mut self.txn, &Self::grant_key(key_id, id))?;
                let grant = row.ok_or_else(|| damaged("a grant"))?;
                if allows(&grant, self.caller.principal()) {
                    return Ok(Some(hex(id)));
                }
            }
            if found.len() < STEP {
                return Ok(None);
            }
            after = found.into_iter().last().map(|(key, _)| key);
        }
    }

    /// Stores a new grant and everything that leads to it; answers its id.
    fn store_grant(
        &mut self,
        key: &mut KeyRow,
        grant: &GrantRow,
        name_key: Option<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let mut id = vec![0; ID_LEN];
        self.rng().fill(&mut id)?;
        rows::put(&mut self.txn, &Self::grant_key(key.id, &id), grant)?;
        let grantee = Self::grantee_key(key.id, &grant.grantee.hash(), &id);
        self.txn.put(Table::GrantsByGrantee, &grantee, b"")?;
        if let Some(retiring) = &grant.retiring {
            let retiring = Self::retiring_key(key.id, &retiring.hash(), &id);
            self.txn.put(Table::GrantsByRetiring, &retiring, b"")?;
        }
        if let Some(name_key) = name_key {
            self.txn.put(Table::GrantsByName, &name_key, &id)?;
        }
        key.grants += 1;
        self.store_key(key)?;
        Ok(id)
    }

    /// Removes a grant and everything that leads to it. The caller stores the key's row.
    pub(crate) fn remove_grant(
        &mut self,
        key: &mut KeyRow,
        id: &[u8],
        grant: &GrantRow,
    ) -> Result<()> {
        rows::delete::<GrantRow>(&mut self.txn, &Self::grant_key(key.id, id))?;
        let grantee = Self::grantee_key(key.id, &grant.grantee.hash(), id);
        self.txn.delete(Table::GrantsByGrantee, &grantee)?;
        if let Some(retiring) = &grant.retiring {
            let retiring = Self::retiring_key(key.id, &retiring.hash(), id);
            self.txn.delete(Table::GrantsByRetiring, &retiring)?;
        }
        if let Some(name) = self.name_key(key.id, grant)? {
            self.txn.delete(Table::GrantsByName, &name)?;
        }
        key.grants = key.grants.saturating_sub(1);
        Ok(())
    }

    /// A fresh token of a grant. The store is consistent, so nobody needs it; it names the grant.
    fn make_token(&self, key_id: Uuid, id: &[u8]) -> Result<String> {
        let mut nonce = [0; 16];
        self.rng().fill(&mut nonce)?;
        let body = [key_id.as_bytes(), id, &nonce].concat();
        let mac = self.keys().grant_token.mac(&[&body]);
        Ok(URL_SAFE_NO_PAD.encode([&body[..], &mac].concat()))
    }

    /// Key and grant that a token of this store names.
    fn read_token(&self, token: &str) -> Result<(Uuid, GrantId)> {
        let invalid =
            || KmsError::new(KmsErrorCode::InvalidGrantToken, "the grant token is not valid");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
        let (body, mac) = bytes.split_last_chunk::<32>().ok_or_else(invalid)?;
        if !constant_time_eq(&self.keys().grant_token.mac(&[body]), mac) {
            return Err(invalid());
        }
        let (key_id, rest) = body.split_first_chunk::<16>().ok_or_else(invalid)?;
        let (id, _) = rest.split_first_chunk::<ID_LEN>().ok_or_else(invalid)?;
        Ok((Uuid::from_bytes(*key_id), *id))
    }

    /// Refuses tokens that are not of this store.
    pub(crate) fn check_grant_tokens(&self, tokens: &[String]) -> Result<()> {
        tokens.iter().try_for_each(|token| self.read_token(token).map(drop))
    }

    fn grant(&mut self, key: &KeyRow, id: &GrantId) -> Result<GrantRow> {
        self.trail.grant_id = Some(hex(id));
        rows::get(&mut self.txn, &Self::grant_key(key.id, id))?.ok_or_else(|| {
            KmsError::new(KmsErrorCode::NotFound, format!("Grant {} is not found.", hex(id)))
        })
    }
}

impl CreateGrantRequest {
    fn row(&self, call: &Call<'_>) -> Result<GrantRow> {
        let constraints = self.constraints.clone().unwrap_or_default();
        let grantee =
            Principal::of(self.grantee_principal.as_ref(), self.grantee_service_principal.as_ref());
        let mut operations = self.operations.clone();
        operations.sort_unstable();
        operations.dedup();
        Ok(GrantRow {
            grantee: grantee.ok_or_else(|| {
                KmsError::validation("granteePrincipal", "Member must not be null")
            })?,
            retiring: Principal::of(
                self.retiring_principal.as_ref(),
                self.retiring_service_principal.as_ref(),
            ),
            operations,
            context_subset: constraints.encryption_context_subset,
            context_equals: Some(constraints.encryption_context_equals)
                .filter(|equals| !equals.is_empty()),
            name: self.name.clone(),
            issuing_account: format!(
                "arn:{}:iam::{}:root",
                call.realm().partition,
                call.caller.account()
            ),
            created: call.now,
        })
    }
}

fn validate_principals(
    role: &str,
    arn: Option<&str>,
    service: Option<&str>,
    required: bool,
) -> Result<()> {
    let member = format!("{role}Principal");
    match (arn, service) {
        (Some(_), Some(_)) => Err(KmsError::validation(
            &member,
            "Member must not be given together with a service principal",
        )),
        (None, None) if required => Err(KmsError::validation(&member, "Member must not be null")),
        (None, None) => Ok(()),
        (Some(arn), None) => {
            check::chars(&member, arn, 1..=256)?;
            match crate::arn::Arn::parse(arn) {
                Some(_) => Ok(()),
                None => Err(KmsError::new(
                    KmsErrorCode::InvalidArn,
                    "the principal of a grant is an ARN",
                )),
            }
        }
        (None, Some(service)) => {
            check::chars(&member, service, 1..=128)?;
            let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            if service.contains('.') && service.bytes().all(legal) {
                return Ok(());
            }
            Err(KmsError::validation(&member, "Member must be the dotted name of a service"))
        }
    }
}

impl Operation for CreateGrantRequest {
    type Response = CreateGrantResponse;
    const NAME: &'static str = "CreateGrant";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        validate_principals(
            "grantee",
            self.grantee_principal.as_deref(),
            self.grantee_service_principal.as_deref(),
            true,
        )?;
        validate_principals(
            "retiring",
            self.retiring_principal.as_deref(),
            self.retiring_service_principal.as_deref(),
            false,
        )?;
        check::items("operations", &self.operations, 1..=GrantOperation::ALL.len())?;
        check::grant_tokens(&self.grant_tokens)?;
        if let Some(name) = &self.name {
            check::chars("name", name, 1..=256)?;
            let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'/' | b'_' | b'-');
            if !name.bytes().all(legal) {
                return Err(KmsError::validation(
                    "name",
                    "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$",
                ));
            }
        }
        let Some(constraints) = &self.constraints else { return Ok(()) };
        if constraints.source_arn.is_some() {
            return Err(KmsError::unsupported("constraints on the source ARN are not offered"));
        }
        let pairs =
            [&constraints.encryption_context_subset, &constraints.encryption_context_equals];
        for context in pairs {
            if context.len() > MAX_PAIRS {
                return Err(KmsError::validation(
                    "constraints",
                    "Member must have length less than or equal to 8",
                ));
            }
            for (_, value) in context.iter() {
                check::chars("constraints", value, 0..=MAX_PAIR_VALUE)?;
            }
            context.to_canonical()?;
        }
        Ok(())
    }

    fn run(&self, call: &mut Call<'_>) -> Result<CreateGrantResponse> {
        call.trail.dry_run = self.dry_run == Some(true);
        call.check_grant_tokens(&self.grant_tokens)?;
        let mut key = call.key(&self.key_id, Names::Keys)?;
        let grant = self.row(call)?;
        // Whoever may make grants only by a grant can pass on no more than that grant.
        let covers = |parent: &GrantRow| parent.covers(&grant);
        let operations = grant.operations.iter().map(|operation| operation.as_str().into());
        let ask = Ask::grant("kms:CreateGrant", GrantOperation::CreateGrant, &covers)
            .with("kms:GranteePrincipal", grant.grantee.text())
            .with("kms:GrantIsForAWSResource", "false")
            .with_all("kms:GrantOperations", operations);
        call.authorize(&key, &ask)?;
        call.require_enabled(&key)?;
        if let Some(misfit) = grant.operations.iter().find(|o| !fits_key(**o, &key)) {
            return Err(KmsError::validation(
                "operations",
                &format!("Member must fit the key: {misfit} does not"),
            ));
        }
        let constrained = !grant.context_subset.is_empty() || grant.context_equals.is_some();
        if constrained && key.spec != KeySpec::SymmetricDefault {
            return Err(KmsError::validation(
                "constraints",
                "Member must be null for an asymmetric key",
            ));
        }
        let name_key = call.name_key(key.id, &grant)?;
        let existing = match &name_key {
            Some(name_key) => call.txn.get(Table::GrantsByName, name_key)?,
            None => None,
        };
        if existing.is_none() && key.grants >= MAX_GRANTS {
            return Err(KmsError::new(
                KmsErrorCode::LimitExceeded,
                "a key has at most 50000 grants",
            ));
        }
        if self.dry_run == Some(true) {
            return Err(dry_run_passed());
        }
        let id = match existing {
            Some(id) => id,
            None => call.store_grant(&mut key, &grant, name_key)?,
        };
        call.trail.grant_id = Some(hex(&id));
        let grant_token = call.make_token(key.id, &id)?;
        Ok(CreateGrantResponse { grant_token, grant_id: hex(&id) })
    }
}

impl Operation for ListGrantsRequest {
    type Response = ListGrantsResponse;
    const NAME: &'static str = "ListGrants";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        if let Some(id) = &self.grant_id {
            parse_id(id)?;
        }
        validate_principals(
            "grantee",
            self.grantee_principal.as_deref(),
            self.grantee_service_principal.as_deref(),
            false,
        )?;
        pages::validate(self.limit, self.marker.as_deref(), 100)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<ListGrantsResponse> {
        let key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:ListGrants"))?;
        let grantee =
            Principal::of(self.grantee_principal.as_ref(), self.grantee_service_principal.as_ref());
        // Either all grants of the key, or those of one grantee, in the order of their ids.
        let (table, prefix) = match &grantee {
            Some(grantee) => {
                (Table::GrantsByGrantee, [&key.id.as_bytes()[..], &grantee.hash()].concat())
            }
            None => (Table::Grants, key.id.as_bytes().to_vec()),
        };
        let wanted = self.grant_id.as_deref().map(parse_id).transpose()?;
        let wanted_bytes = wanted.map(|id| id.to_vec()).unwrap_or_default();
        let list: &[&[u8]] = &[b"ListGrants", &prefix, &wanted_bytes];
        let after = self.marker.as_deref().map(|m| call.read_marker(list, m)).transpose()?;
        if let Some(id) = wanted {
            let found: Option<GrantRow> = rows::get(&mut call.txn, &Call::grant_key(key.id, &id))?;
            let grants = found
                .filter(|grant| grantee.as_ref().is_none_or(|g| *g == grant.grantee))
                .map(|grant| grant.entry(call.realm().key(key.id), &id))
                .into_iter()
                .collect();
            return Ok(ListGrantsResponse { grants, truncated: false, next_marker: None });
        }
        let size = pages::size(self.limit, 50);
        let mut found = scan_prefix(&mut call.txn, table, &prefix, after.as_deref(), size + 1)?;
        let truncated = pages::cut(&mut found, size);
        let next_marker =
            found.last().filter(|_| truncated).map(|(last, _)| call.make_marker(list, last));
        let mut grants = Vec::with_capacity(found.len());
        for (index, _) in found {
            let id = index.get(prefix.len()..).unwrap_or_default();
            let row: Option<GrantRow> = rows::get(&mut call.txn, &Call::grant_key(key.id, id))?;
            let grant = row.ok_or_else(|| damaged("a grant"))?;
            grants.push(grant.entry(call.realm().key(key.id), id));
        }
        Ok(ListGrantsResponse { grants, truncated, next_marker })
    }
}

impl Operation for ListRetirableGrantsRequest {
    type Response = ListGrantsResponse;
    const NAME: &'static str = "ListRetirableGrants";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        validate_principals(
            "retiring",
            self.retiring_principal.as_deref(),
            self.retiring_service_principal.as_deref(),
            true,
        )?;
        pages::validate(self.limit, self.marker.as_deref(), 100)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<ListGrantsResponse> {
        call.authorize_account("kms:ListRetirableGrants")?;
        let prefix = Principal::of(
            self.retiring_principal.as_ref(),
            self.retiring_service_principal.as_ref(),
        )
        .map(|retiring| retiring.hash())
        .unwrap_or_default();
        let list: &[&[u8]] = &[b"ListRetirableGrants", &prefix];
        let after = self.marker.as_deref().map(|m| call.read_marker(list, m)).transpose()?;
        let size = pages::size(self.limit, 50);
        let mut found = scan_prefix(
            &mut call.txn,
            Table::GrantsByRetiring,
            &prefix,
            after.as_deref(),
            size + 1,
        )?;
        let truncated = pages::cut(&mut found, size);
        let next_marker =
            found.last().filter(|_| truncated).map(|(last, _)| call.make_marker(list, last));
        let mut grants = Vec::with_capacity(found.len());
        for (index, _) in found {
            let (key_id, id) = index
                .get(prefix.len()..)
                .and_then(|rest| rest.split_first_chunk::<16>())
                .ok_or_else(|| damaged("a grant"))?;
            let key_id = Uuid::from_bytes(*key_id);
            let key: Option<KeyRow> = rows::get(&mut call.txn, key_id.as_bytes())?;
            if key.is_none_or(|key| key.is_gone(call.now)) {
                continue;
            }
            let row: Option<GrantRow> = rows::get(&mut call.txn, &Call::grant_key(key_id, id))?;
            let grant = row.ok_or_else(|| damaged("a grant"))?;
            grants.push(grant.entry(call.realm().key(key_id), id));
        }
        Ok(ListGrantsResponse { grants, truncated, next_marker })
    }
}

impl RetireGrantRequest {
    fn target<'a>(&'a self, call: &Call<'_>) -> Result<(std::borrow::Cow<'a, str>, GrantId)> {
        match (&self.grant_token, &self.key_id, &self.grant_id) {
            (Some(token), ..) => {
                let (key_id, id) = call.read_token(token)?;
                Ok((key_id.to_string().into(), id))
            }
            (None, Some(key_id), Some(id)) => Ok((key_id.into(), parse_id(id)?)),
            _ => Err(KmsError::validation(
                "grantToken",
                "Member must be given, or keyId and grantId",
            )),
        }
    }
}

impl Operation for RetireGrantRequest {
    type Response = Empty;
    const NAME: &'static str = "RetireGrant";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        match (&self.grant_token, &self.key_id, &self.grant_id) {
            (Some(token), None, None) => check::chars("grantToken", token, 1..=8192),
            (None, Some(key_id), Some(grant_id)) => {
                check::key_id("keyId", key_id)?;
                parse_id(grant_id).map(drop)
            }
            _ => Err(KmsError::validation(
                "grantToken",
                "Member must be given alone, or keyId together with grantId",
            )),
        }
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        const ACTION: &str = "kms:RetireGrant";
        call.trail.dry_run = self.dry_run == Some(true);
        let (key_id, id) = self.target(call)?;
        let mut key = call.key(&key_id, Names::Keys)?;
        let grant = call.grant(&key, &id)?;
        // The grant itself says who may end it; a policy can only forbid.
        let caller = call.caller.principal();
        let retiring = grant.retiring.as_ref().is_some_and(|r| r.text() == caller);
        let grantee = grant.grantee.text() == caller
            && grant.operations.contains(&GrantOperation::RetireGrant);
        let owner = call.caller.account() == call.realm().account && call.caller.permits(ACTION);
        if !retiring && !grantee && !owner {
            return Err(call.denied(ACTION));
        }
        call.refuse_denied(&key, ACTION)?;
        if self.dry_run == Some(true) {
            return Err(dry_run_passed());
        }
        call.remove_grant(&mut key, &id, &grant)?;
        call.store_key(&key)?;
        Ok(Empty {})
    }
}

impl Operation for RevokeGrantRequest {
    type Response = Empty;
    const NAME: &'static str = "RevokeGrant";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        parse_id(&self.grant_id).map(drop)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        call.trail.dry_run = self.dry_run == Some(true);
        let id = parse_id(&self.grant_id)?;
        let mut key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:RevokeGrant"))?;
        let grant = call.grant(&key, &id)?;
        if self.dry_run == Some(true) {
            return Err(dry_run_passed());
        }
        call.remove_grant(&mut key, &id, &grant)?;
        call.store_key(&key)?;
        Ok(Empty {})
    }
}
