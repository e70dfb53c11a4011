use std::ops::Bound;
use std::sync::{Arc, LazyLock};

use keyfold::Rng;
use keyfold_kms::Engine;
use keyfold_kms::root::{EngineOptions, RootKey, RootSealer, SealedRoot, SlotError};
use keyfold_kms::store::{End, MemoryStore, Record, Store, StoreError, Table, Txn};
use keyfold_kms::types::{
    CreateAliasRequest, CreateGrantRequest, CreateKeyRequest, DescribeKeyRequest,
    EnableKeyRotationRequest, EncryptRequest, GetKeyPolicyRequest, GrantOperation,
    ListAliasesRequest, ListGrantsRequest, ListKeysRequest, ScheduleKeyDeletionRequest, Tag,
    TagResourceRequest,
};

/// Rows of the store: the first byte is a table, the second one of its rows, and the rest takes
/// the place of that row's value. Opening and reading may fail and never panic; a changed audit
/// record is always found.
///
/// The rows are those of the SQLite file, value for value. A store in memory holds them here:
/// what is tried is the decoding.
pub fn sqlite_row(bytes: &[u8]) {
    static SOUND: LazyLock<Sound> = LazyLock::new(Sound::make);
    let [table, row, value @ ..] = bytes else { return };
    let table = Table::ALL[usize::from(*table) % Table::ALL.len()];
    let records = &SOUND.records;
    let rows: Vec<usize> = (0..records.len()).filter(|&at| records[at].0 == table).collect();
    let replaced = usize::from(*row).checked_rem(rows.len()).map(|row| rows[row]);

    let store = MemoryStore::new();
    for (index, (of, (key, original))) in records.iter().enumerate() {
        put(&store, *of, key, if replaced == Some(index) { value } else { original });
    }
    if replaced.is_none() {
        put(&store, table, &[0; 16], value);
    }
    let Ok(engine) = Engine::open(Box::new(store), &[&Open], EngineOptions::default()) else {
        return;
    };
    // Before anything else: calls add records of their own.
    let report = engine.verify_audit();
    if table == Table::Audit && replaced.is_none_or(|index| records[index].1.1 != value) {
        let sound = report.is_ok_and(|report| report.is_sound());
        assert!(!sound, "an audit record of {} bytes was put in unnoticed", value.len());
    }
    read_everything(&engine, &SOUND.key_id);
}

/// What can be read of a store, is.
fn read_everything(engine: &Engine, key_id: &str) {
    let owner = engine.owner();
    let key_id = || key_id.to_owned();
    let _ = engine.root_slots();
    let _ = engine.audit_records(0, 100);
    let _ = engine.tick();
    let _ = engine.call(&owner, &ListKeysRequest::default());
    let _ = engine.call(&owner, &ListAliasesRequest::default());
    let describe = DescribeKeyRequest { key_id: ALIAS.to_owned(), ..Default::default() };
    let _ = engine.call(&owner, &describe);
    let policy = GetKeyPolicyRequest { key_id: key_id(), ..Default::default() };
    let _ = engine.call(&owner, &policy);
    let grants = ListGrantsRequest { key_id: key_id(), ..Default::default() };
    let _ = engine.call(&owner, &grants);
    let plaintext = b"x"[..].into();
    let encrypt = EncryptRequest { key_id: key_id(), plaintext, ..Default::default() };
    let _ = engine.call(&owner, &encrypt);
}

const ALIAS: &str = "alias/docs";

/// A store in which everything is in order, and a key in it.
struct Sound {
    records: Vec<(Table, Record)>,
    key_id: String,
}

impl Sound {
    fn make() -> Self {
        let store = Arc::new(MemoryStore::new());
        let sealers: [(&str, &dyn RootSealer); 1] = [("open", &Open)];
        let shared = Box::new(Shared(Arc::clone(&store)));
        let engine =
            Engine::create(shared, &sealers, EngineOptions::default()).expect("a new store");
        let key_id = fill(&engine);
        let mut records = Vec::new();
        for table in Table::ALL {
            let everything = (Bound::Unbounded, Bound::Unbounded);
            store
                .read(&mut |txn| {
                    let rows = txn.scan(*table, everything, 1000).expect("a sound store");
                    records.extend(rows.into_iter().map(|row| (*table, row)));
                })
                .expect("a sound store");
        }
        Sound { records, key_id }
    }
}

/// Makes one of each thing; answers the id of a key.
fn fill(engine: &Engine) -> String {
    let owner = engine.owner();
    let make = || {
        let made = engine.call(&owner, &CreateKeyRequest::default()).expect("a key");
        made.key_metadata.key_id
    };
    let key_id = make();
    let alias = CreateAliasRequest { alias_name: ALIAS.to_owned(), target_key_id: key_id.clone() };
    engine.call(&owner, &alias).expect("an alias");
    let tag = Tag { tag_key: "team".to_owned(), tag_value: "docs".to_owned() };
    let tags = TagResourceRequest { key_id: key_id.clone(), tags: vec![tag] };
    engine.call(&owner, &tags).expect("a tag");
    let grant = CreateGrantRequest {
        key_id: key_id.clone(),
        grantee_principal: Some(owner.principal().to_owned()),
        operations: vec![GrantOperation::Decrypt],
        name: Some("reader".to_owned()),
        ..Default::default()
    };
    engine.call(&owner, &grant).expect("a grant");
    let rotation = EnableKeyRotationRequest { key_id: key_id.clone(), ..Default::default() };
    engine.call(&owner, &rotation).expect("rotation");
    let deletion = ScheduleKeyDeletionRequest { key_id: make(), ..Default::default() };
    engine.call(&owner, &deletion).expect("a deletion");
    key_id
}

fn put(store: &MemoryStore, table: Table, key: &[u8], value: &[u8]) {
    // A value over the limit is refused by the store itself: then there is one row less.
    let _ = store.write(&mut |txn| {
        let _ = txn.put(table, key, value);
        End::Commit
    });
}

/// A store that two hold.
struct Shared(Arc<MemoryStore>);

impl Store for Shared {
    fn read(&self, work: &mut dyn FnMut(&mut dyn Txn)) -> Result<(), StoreError> {
        self.0.read(work)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Txn) -> End) -> Result<(), StoreError> {
        self.0.write(work)
    }
}

/// Keeps the root key as it is: what is tried are the rows, not the slots' secrets.
struct Open;

impl RootSealer for Open {
    fn kind(&self) -> &'static str {
        "open"
    }

    fn seal(&self, root: &RootKey, _: &[u8], _: &dyn Rng) -> Result<SealedRoot, SlotError> {
        let params = serde_json::Value::Null;
        Ok(SealedRoot { params, sealed: root.expose().to_vec() })
    }

    fn open(&self, sealed: &SealedRoot, _: &[u8]) -> Result<RootKey, SlotError> {
        RootKey::take(&mut sealed.sealed.clone()).ok_or(SlotError::Wrong)
    }
}
