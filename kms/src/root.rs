//! The root key and the slots that seal it.
//!
//! The root key is 32 random bytes. The store holds any number of sealed copies of it, each in a
//! slot of its own, and each able to open the store: losing one slot's secret loses nothing.
//! Adding and removing slots rewrites slots only.

mod environment;
mod file;
mod passphrase;

use std::fmt;

use keyfold::crypto::rng::{Rng, SystemRng};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::arn::Realm;
use crate::audit::{self, Trail};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::engine::{Engine, View, make_id};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::{self, KEY_LEN, StoreKeys, damaged};
use crate::rows::{self, IDENTITY, IdentityRow, SlotRow};
use crate::store::{self, MemoryStore, Store, StoreError, Table, Txn, scan_prefix};
use crate::transfer::{self, Unusable};
use crate::types::Blob;

pub use crate::hierarchy::RootKey;
pub use environment::EnvironmentSealer;
pub use file::FileSealer;
pub use passphrase::PassphraseSealer;

/// Seals and opens copies of the root key: with a secret of its own, or by asking another KMS.
///
/// ```
/// use keyfold::Rng;
/// use keyfold_kms::root::{RootKey, RootSealer, SealedRoot, SlotError};
///
/// /// Keeps the root key in a device; this one only notes that it was asked.
/// struct Device;
/// impl RootSealer for Device {
///     fn kind(&self) -> &'static str {
///         "device"
///     }
///     fn seal(&self, _: &RootKey, _: &[u8], _: &dyn Rng) -> Result<SealedRoot, SlotError> {
///         Err(SlotError::Unavailable("the device is not plugged in".into()))
///     }
///     fn open(&self, _: &SealedRoot, _: &[u8]) -> Result<RootKey, SlotError> {
///         Err(SlotError::Unavailable("the device is not plugged in".into()))
///     }
/// }
/// # use keyfold_kms::{Engine, EngineOptions, store::MemoryStore};
/// let store = Box::new(MemoryStore::new());
/// let failed = Engine::create(store, &[("device", &Device)], EngineOptions::default());
/// assert!(failed.err().expect("no device").to_string().contains("not plugged in"));
/// ```
pub trait RootSealer {
    /// The kind of slot that it makes and opens: `file`, `passphrase`, `environment`, …
    fn kind(&self) -> &'static str;

    /// Seals the root key. `binding` names store and slot; it must be authenticated.
    ///
    /// # Errors
    /// Why the secret cannot be had.
    fn seal(
        &self,
        root: &RootKey,
        binding: &[u8],
        rng: &dyn Rng,
    ) -> std::result::Result<SealedRoot, SlotError>;

    /// Opens a copy that a sealer of this kind made.
    ///
    /// # Errors
    /// [`SlotError::Wrong`] where the secret is another one.
    fn open(&self, sealed: &SealedRoot, binding: &[u8]) -> std::result::Result<RootKey, SlotError>;
}

/// A sealed copy of the root key, as a [`RootSealer`] makes it. All of it is public.
#[derive(Clone, Debug)]
pub struct SealedRoot {
    /// What the sealer needs again to open it.
    pub params: serde_json::Value,
    /// The sealed key.
    pub sealed: Vec<u8>,
}

/// Why a sealer cannot seal or open.
///
/// ```
/// use keyfold_kms::root::{EnvironmentSealer, SlotError};
/// # use keyfold_kms::{Engine, EngineOptions, OpenError, store::MemoryStore};
///
/// let sealer = EnvironmentSealer::new("KEYFOLD_NO_SUCH_VARIABLE");
/// # let store = Box::new(MemoryStore::new());
/// let failed = Engine::create(store, &[("env", &sealer)], EngineOptions::default());
/// let Err(OpenError::NoSlotOpens { tried, .. }) = failed else { panic!("it is not set") };
/// let why = SlotError::Unavailable("KEYFOLD_NO_SUCH_VARIABLE is not set".into());
/// assert_eq!(tried, [("env".to_owned(), why)]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotError {
    /// The secret is not the one that the slot was sealed with.
    Wrong,
    /// The secret is not there, or cannot be read.
    Unavailable(String),
    /// The secret is open to others: permissions or ownership of its file.
    Insecure(String),
    /// The secret is not of the expected form.
    Malformed(String),
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SlotError::Wrong => f.write_str("the secret is not the one of this slot"),
            SlotError::Unavailable(what)
            | SlotError::Insecure(what)
            | SlotError::Malformed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for SlotError {}

/// Why a store does not open.
///
/// ```
/// use keyfold_kms::{Engine, EngineOptions, OpenError, store::MemoryStore};
///
/// let empty = Engine::open(Box::new(MemoryStore::new()), &[], EngineOptions::default());
/// assert!(matches!(empty, Err(OpenError::NoRoot)));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The store itself fails.
    Store(StoreError),
    /// The store has no root key yet.
    NoRoot,
    /// The store has a root key already.
    Exists,
    /// A copy or restore into the store has not ended: start it anew.
    Unfinished,
    /// The store is a backup: it must be restored before it can be used.
    IsBackup,
    /// No slot opens; for each that was tried its label and why not.
    NoSlotOpens {
        /// The id of the store.
        store_id: Uuid,
        /// The slots tried.
        tried: Vec<(String, SlotError)>,
    },
    /// A slot opened, but its root key is of another store.
    WrongRoot {
        /// The id of the store.
        store_id: Uuid,
        /// The label of the slot.
        slot: String,
    },
    /// Anything else.
    Other(KmsError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Store(error) => error.fmt(f),
            OpenError::NoRoot => f.write_str("the database has no root key yet"),
            OpenError::Exists => f.write_str("the database has a root key already"),
            OpenError::Unfinished => {
                f.write_str("a copy or restore into the database was interrupted: start it anew")
            }
            OpenError::IsBackup => {
                f.write_str("this is a backup: restore it into a database of its own")
            }
            OpenError::NoSlotOpens { store_id, tried } => {
                if tried.iter().any(|(_, error)| *error == SlotError::Wrong) {
                    write!(
                        f,
                        "this root key does not belong to this database (store id {store_id})"
                    )?;
                } else {
                    write!(f, "no slot opens this database (store id {store_id})")?;
                }
                tried.iter().try_for_each(|(slot, error)| write!(f, "; slot {slot}: {error}"))
            }
            OpenError::WrongRoot { store_id, slot } => write!(
                f,
                "this root key does not belong to this database (store id {store_id}); slot {slot} \
                 holds another one"
            ),
            OpenError::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        OpenError::Store(error)
    }
}

impl From<KmsError> for OpenError {
    fn from(error: KmsError) -> Self {
        OpenError::Other(error)
    }
}

impl From<Unusable> for OpenError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Unfinished => OpenError::Unfinished,
            Unusable::IsBackup => OpenError::IsBackup,
        }
    }
}

/// A slot, without what it seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotInfo {
    /// The slot's id.
    pub id: Uuid,
    /// The kind of sealer.
    pub kind: String,
    /// What people call it.
    pub label: String,
    /// When it was made.
    pub created: Timestamp,
}

/// What an engine is made with.
///
/// ```
/// use keyfold_kms::arn::Realm;
/// use keyfold_kms::{Engine, EngineOptions};
///
/// let realm = Realm { account: "111122223333".into(), ..Realm::default() };
/// let engine = Engine::in_memory_with(EngineOptions { realm, ..EngineOptions::default() })?;
/// assert_eq!(engine.owner().account(), "111122223333");
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
pub struct EngineOptions {
    /// Partition, region and account of a new store; an existing one keeps its own.
    pub realm: Realm,
    /// The clock.
    pub clock: Box<dyn Clock>,
    /// The source of all randomness.
    pub rng: Box<dyn Rng>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions {
            realm: Realm::default(),
            clock: Box::new(SystemClock),
            rng: Box::new(SystemRng),
        }
    }
}

/// The longest label of a slot, in characters.
const MAX_LABEL: usize = 128;
/// How many slots a store has at most.
const MAX_SLOTS: usize = 64;

fn binding(store_id: Uuid, slot_id: Uuid, kind: &str) -> Vec<u8> {
    format!("keyfold/kms/root-slot/v1|{store_id}|{slot_id}|{kind}").into_bytes()
}

/// Seals the root into a slot of its own.
fn make_slot(
    root: &RootKey,
    store_id: Uuid,
    label: &str,
    sealer: &dyn RootSealer,
    now: Timestamp,
    rng: &dyn Rng,
) -> std::result::Result<(Uuid, SlotRow), OpenError> {
    let id = make_id(rng)?;
    crate::types::check::chars("label", label, 1..=MAX_LABEL)?;
    let made = sealer.seal(root, &binding(store_id, id, sealer.kind()), rng);
    let SealedRoot { params, sealed } = made
        .map_err(|error| OpenError::NoSlotOpens { store_id, tried: vec![(label.into(), error)] })?;
    let (kind, label) = (sealer.kind().to_owned(), label.to_owned());
    Ok((id, SlotRow { kind, label, params, sealed: Blob(sealed), created: now }))
}

fn info(id: Uuid, row: &SlotRow) -> SlotInfo {
    SlotInfo { id, kind: row.kind.clone(), label: row.label.clone(), created: row.created }
}

fn slot_rows(txn: &mut dyn Txn) -> Result<Vec<(Uuid, SlotRow)>> {
    const NAME: &str = <SlotRow as rows::Row>::NAME;
    let found = scan_prefix(txn, Table::RootSlots, b"", None, MAX_SLOTS + 1)?;
    let mut slots = found
        .iter()
        .map(|(key, row)| {
            let id = Uuid::from_slice(key).map_err(|_| damaged(NAME))?;
            Ok((id, rows::decode::<SlotRow>(row, NAME)?))
        })
        .collect::<Result<Vec<_>>>()?;
    slots.sort_by_key(|(id, row)| (row.created, *id));
    Ok(slots)
}

impl Engine {
    /// Makes the root key of an empty store, sealed in one slot for each sealer, each with its
    /// label. It is made once: whoever comes second is told that it exists.
    ///
    /// ```
    /// # use keyfold::SecretBytes;
    /// # use keyfold_kms::{Engine, EngineOptions, OpenError};
    /// # use keyfold_kms::{root::PassphraseSealer, store::MemoryStore};
    /// # let sealer = PassphraseSealer::new(SecretBytes::from(&b"correct horse"[..]));
    ///
    /// let store = Box::new(MemoryStore::new()); // or a SqliteStore
    /// let engine = Engine::create(store, &[("passphrase", &sealer)], EngineOptions::default())?;
    /// assert_eq!(engine.opened_by().map(|slot| slot.label.as_str()), Some("passphrase"));
    /// assert_eq!(engine.root_slots()?.len(), 1);
    /// # Ok::<(), OpenError>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError::Exists`], [`OpenError::Unfinished`]; what a sealer says; what the store says.
    pub fn create(
        store: Box<dyn Store>,
        sealers: &[(&str, &dyn RootSealer)],
        options: EngineOptions,
    ) -> std::result::Result<Engine, OpenError> {
        if sealers.is_empty() {
            let why = "a store needs at least one root slot";
            return Err(KmsError::new(KmsErrorCode::Validation, why).into());
        }
        Self::found(store, sealers, options)
    }

    /// An engine whose store and root key end with it.
    ///
    /// # Errors
    /// `KMSInternalException` where the system has no randomness.
    pub fn in_memory() -> Result<Self> {
        Self::in_memory_with(EngineOptions::default())
    }

    /// [`Engine::in_memory`] with a realm, clock and generator of the caller's choice.
    ///
    /// # Errors
    /// `ValidationException` for a realm that no ARN can hold; where the generator fails.
    pub fn in_memory_with(options: EngineOptions) -> Result<Self> {
        let made = Self::found(Box::new(MemoryStore::new()), &[], options);
        made.map_err(|error| match error {
            OpenError::Other(error) => error,
            other => KmsError::internal(other.to_string()),
        })
    }

    fn found(
        store: Box<dyn Store>,
        sealers: &[(&str, &dyn RootSealer)],
        options: EngineOptions,
    ) -> std::result::Result<Engine, OpenError> {
        let EngineOptions { realm, clock, rng } = options;
        if !realm.is_valid() {
            let why = "a realm is a partition, a region and an account of twelve digits";
            return Err(KmsError::new(KmsErrorCode::Validation, why).into());
        }
        let (now, store_id) = (clock.now(), make_id(&*rng)?);
        let root = RootKey::make(&*rng)?;
        let keys = StoreKeys::derive(&root, store_id.as_bytes());
        // Sealing may take long: before the transaction.
        let slots = sealers
            .iter()
            .map(|(label, sealer)| make_slot(&root, store_id, label, *sealer, now, &*rng))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let root_check = Blob(keys.root_check_value().to_vec());
        let identity = IdentityRow { store_id, realm, created: now, epoch: 1, root_check };
        store::write(&*store, |txn| {
            transfer::check_usable(txn)??;
            if rows::get::<IdentityRow>(txn, IDENTITY)?.is_some() {
                return Err(OpenError::Exists);
            }
            rows::put(txn, IDENTITY, &identity)?;
            for (id, row) in &slots {
                rows::put(txn, id.as_bytes(), row)?;
            }
            Ok(audit::start(txn, &keys)?)
        })?;
        let opened_by = slots.first().map(|(id, row)| info(*id, row));
        Ok(Engine::assemble(store, clock, rng, identity, root, opened_by))
    }

    /// Opens a store with the first slot that one of the sealers opens.
    ///
    #[cfg_attr(feature = "sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
    /// use keyfold::SystemRng;
    /// use keyfold_kms::root::FileSealer;
    /// use keyfold_kms::store::SqliteStore;
    /// use keyfold_kms::{Engine, EngineOptions};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let (path, secret) = (folder.path().join("keys.db"), folder.path().join("root"));
    /// # let sealer = FileSealer::create(&secret, &SystemRng)?;
    /// # let store = Box::new(SqliteStore::create(&path)?);
    /// # drop(Engine::create(store, &[("file", &sealer)], EngineOptions::default())?);
    /// let store = Box::new(SqliteStore::open(&path)?);
    /// let engine = Engine::open(store, &[&FileSealer::new(&secret)], EngineOptions::default())?;
    ///
    /// // Another secret does not open it, and the error says which slots were tried.
    /// let other = FileSealer::create(folder.path().join("other"), &SystemRng)?;
    /// let store = Box::new(SqliteStore::open(&path)?);
    /// let wrong = Engine::open(store, &[&other], EngineOptions::default()).err().unwrap();
    /// assert!(wrong.to_string().contains("does not belong to this database"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError::NoRoot`], [`OpenError::NoSlotOpens`], [`OpenError::WrongRoot`],
    /// [`OpenError::Unfinished`], [`OpenError::IsBackup`]; what the store says.
    pub fn open(
        store: Box<dyn Store>,
        sealers: &[&dyn RootSealer],
        options: EngineOptions,
    ) -> std::result::Result<Engine, OpenError> {
        let EngineOptions { clock, rng, .. } = options;
        let (identity, slots, restored) = store::read(&*store, |txn| {
            transfer::check_usable(txn)??;
            let identity: IdentityRow = rows::get(txn, IDENTITY)?.ok_or(OpenError::NoRoot)?;
            Ok::<_, OpenError>((identity, slot_rows(txn)?, transfer::was_restored(txn)?))
        })?;
        let store_id = identity.store_id;
        let mut tried = Vec::new();
        for (id, row) in &slots {
            for sealer in sealers.iter().filter(|sealer| sealer.kind() == row.kind) {
                let sealed =
                    SealedRoot { params: row.params.clone(), sealed: row.sealed.0.clone() };
                match sealer.open(&sealed, &binding(store_id, *id, &row.kind)) {
                    Ok(root) => {
                        let keys = StoreKeys::derive(&root, store_id.as_bytes());
                        if !keyfold::crypto::hash::constant_time_eq(
                            &keys.root_check_value(),
                            &identity.root_check.0,
                        ) {
                            let slot = row.label.clone();
                            return Err(OpenError::WrongRoot { store_id, slot });
                        }
                        let opened_by = Some(info(*id, row));
                        let engine = Engine::assemble(store, clock, rng, identity, root, opened_by);
                        if restored {
                            engine.finish_restore()?;
                        }
                        return Ok(engine);
                    }
                    Err(error) => tried.push((row.label.clone(), error)),
                }
            }
        }
        Err(OpenError::NoSlotOpens { store_id, tried })
    }

    /// What a store that came from a backup needs before it is used, once: an epoch of its own,
    /// and an audit record.
    fn finish_restore(&self) -> Result<()> {
        let now = self.clock.now();
        self.transact(|mut txn| {
            let Some(backup) = transfer::finish_restore(&mut txn, now)? else { return Ok(()) };
            let mut trail = Trail::default();
            trail.resource(backup);
            txn.record(self.draft(&self.owner(), now, ("Restore", false), "ok", &trail)?)
        })
    }

    /// The slots of the root key, oldest first; at most 64.
    ///
    /// # Errors
    /// What the store says.
    pub fn root_slots(&self) -> Result<Vec<SlotInfo>> {
        let slots = store::read(&*self.store, slot_rows)?;
        Ok(slots.iter().map(|(id, row)| info(*id, row)).collect())
    }

    /// The slot that opened the store, or the first one of a new store; none in memory.
    pub fn opened_by(&self) -> Option<&SlotInfo> {
        self.opened_by.as_ref()
    }

    /// Seals the root key in one more slot, whose label has 1 to 128 characters. The slot is opened
    /// once again before it is kept.
    ///
    /// ```
    /// # use keyfold::SecretBytes;
    /// # use keyfold_kms::{Engine, OpenError, root::PassphraseSealer};
    /// # let sealer = PassphraseSealer::new(SecretBytes::from(&b"correct horse"[..]));
    ///
    /// let engine = Engine::in_memory()?;
    /// let slot = engine.add_root_slot("break glass", &sealer)?;
    /// assert_eq!((slot.kind.as_str(), slot.label.as_str()), ("passphrase", "break glass"));
    /// // One slot must stay, or nothing would open the store.
    /// assert!(engine.remove_root_slot(slot.id).is_err());
    /// # Ok::<(), OpenError>(())
    /// ```
    ///
    /// # Errors
    /// What the sealer says; what the store says.
    pub fn add_root_slot(
        &self,
        label: &str,
        sealer: &dyn RootSealer,
    ) -> std::result::Result<SlotInfo, OpenError> {
        let (store_id, now) = (self.identity.store_id, self.clock.now());
        let (id, row) = make_slot(&self.root, store_id, label, sealer, now, &*self.rng)?;
        let sealed = SealedRoot { params: row.params.clone(), sealed: row.sealed.0.clone() };
        let opened = sealer.open(&sealed, &binding(store_id, id, &row.kind));
        let same = |root: &RootKey| {
            keyfold::crypto::hash::constant_time_eq(root.expose(), self.root.expose())
        };
        if !opened.is_ok_and(|root| same(&root)) {
            return Err(KmsError::internal("the sealer does not open what it sealed").into());
        }
        self.transact(|mut txn| {
            if slot_rows(&mut txn)?.len() >= MAX_SLOTS {
                let why = "a store has at most 64 root slots";
                return Err(KmsError::new(KmsErrorCode::LimitExceeded, why));
            }
            rows::put(&mut txn, id.as_bytes(), &row)?;
            self.record_slot(&mut txn, "AddRootSlot", id, now)
        })?;
        Ok(info(id, &row))
    }

    /// Removes a slot; its secret opens the store no more. The last one stays.
    ///
    /// # Errors
    /// `NotFoundException`; `KMSInvalidStateException` for the last slot.
    pub fn remove_root_slot(&self, id: Uuid) -> Result<()> {
        let now = self.clock.now();
        self.transact(|mut txn| {
            let slots = slot_rows(&mut txn)?;
            if !slots.iter().any(|(slot, _)| *slot == id) {
                return Err(KmsError::new(KmsErrorCode::NotFound, "there is no such root slot"));
            }
            if slots.len() == 1 {
                let why = "the last root slot cannot be removed: nothing would open the database";
                return Err(KmsError::new(KmsErrorCode::InvalidState, why));
            }
            rows::delete::<SlotRow>(&mut txn, id.as_bytes())?;
            self.record_slot(&mut txn, "RemoveRootSlot", id, now)
        })
    }

    fn record_slot(
        &self,
        txn: &mut View<'_>,
        operation: &str,
        id: Uuid,
        now: Timestamp,
    ) -> Result<()> {
        let mut trail = Trail::default();
        trail.resource(format!("root-slot/{id}"));
        txn.record(self.draft(&self.owner(), now, (operation, false), "ok", &trail)?)
    }
}

/// Seals the root under a secret of 32 bytes.
fn seal_under(
    secret: &[u8; KEY_LEN],
    root: &RootKey,
    binding: &[u8],
    rng: &dyn Rng,
) -> std::result::Result<Vec<u8>, SlotError> {
    hierarchy::seal(secret, rng, binding, root.expose())
        .map_err(|error| SlotError::Unavailable(error.to_string()))
}

/// Opens what [`seal_under`] made.
fn open_under(
    secret: &[u8; KEY_LEN],
    sealed: &[u8],
    binding: &[u8],
) -> std::result::Result<RootKey, SlotError> {
    let mut root = hierarchy::open(secret, binding, sealed).ok_or(SlotError::Wrong)?;
    RootKey::take(&mut root).ok_or(SlotError::Wrong)
}

/// Reads a secret of 32 bytes from its text: 64 hexadecimal digits, or base64.
fn parse_secret(text: &[u8]) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let text = text.trim_ascii();
    let mut secret = Zeroizing::new([0; KEY_LEN]);
    if text.len() == 2 * KEY_LEN {
        for (byte, pair) in secret.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |b: u8| char::from(b).to_digit(16);
            *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
        }
        return Some(secret);
    }
    // 32 bytes are 44 characters; decoding checks its buffer by an estimate of 33.
    let mut decoded = Zeroizing::new([0; KEY_LEN + 1]);
    let len = STANDARD.decode_slice(text, decoded.as_mut_slice()).ok()?;
    secret.copy_from_slice(decoded.get(..len).filter(|_| len == KEY_LEN)?);
    Some(secret)
}
