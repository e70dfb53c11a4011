//! The engine: operations over one store, none of them answered before its audit record is durable.
//!
//! What only reads is evaluated by its caller's thread, beside all others, on rows in memory; its
//! record waits for the next commit, which writes all that wait in one transaction, after it has
//! seen that nothing changed that they were evaluated on. What changes something has a
//! transaction of its own, and takes along what waits.

pub(crate) mod access_keys;
mod aliases;
mod audit_records;
mod authorize;
mod cache;
mod commit;
mod crypto;
mod grants;
mod keys;
mod known;
mod material;
mod narrowing;
mod pages;
pub(crate) mod permissions;
mod policies;
mod queue;
#[cfg(feature = "server")]
mod relay;
mod resolve;
mod rotation;
mod secrets;
mod sign;
mod tags;
#[cfg(all(test, feature = "server"))]
mod tests;
mod tick;
pub(crate) mod tokens;
mod view;
mod work;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use keyfold::crypto::rng::Rng;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::arn::Realm;
use crate::audit::{self, AuditRecord, AuditReport, Head, Trail};
use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use crate::hierarchy::StoreKeys;
use crate::policy::Policy;
use crate::root::{RootKey, SlotInfo};
use crate::rows::IdentityRow;
use crate::store::{self, Store};

pub use authorize::Caller;
use authorize::KeyPolicy;
pub use known::Generation;
pub use narrowing::Narrowing;
pub use queue::{Begun, Pending, Stale};
#[cfg(feature = "server")]
pub(crate) use relay::Relayed;
pub use tick::Tick;
#[cfg(feature = "server")]
pub(crate) use view::CachedRow;
pub(crate) use view::View;

/// A KMS over one store, with its root key in memory.
///
/// It is `Sync`: any number of threads may call it, and any number of processes may have one over
/// the same store. It has no thread of its own: [`Engine::call`] commits on its caller's thread; a
/// host that must not block uses [`Engine::begin`] and [`Engine::commit_queued`].
///
/// ```
/// use keyfold_kms::{Engine, types::GenerateRandomRequest};
///
/// let engine = Engine::in_memory()?;
/// let request = GenerateRandomRequest { number_of_bytes: Some(16), ..Default::default() };
/// let random = engine.call(&engine.owner(), &request)?;
/// assert_eq!(random.plaintext.len(), 16);
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
pub struct Engine {
    pub(crate) store: Box<dyn Store>,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) rng: Box<dyn Rng>,
    pub(crate) identity: IdentityRow,
    pub(crate) root: RootKey,
    pub(crate) keys: StoreKeys,
    pub(crate) opened_by: Option<SlotInfo>,
    cache: Mutex<cache::Cache>,
    /// The policy of a key that was made without one.
    default_policy: Option<Arc<KeyPolicy>>,
    known: known::Known,
    queue: queue::Queue,
    /// Whoever has it commits.
    commits: Mutex<()>,
    failed_commits: AtomicU64,
}

/// An operation: a request that names its answer. Implemented by every request of
/// [`crate::types`]; not to be implemented elsewhere.
///
/// ```
/// use keyfold_kms::{Caller, Engine, KmsError, engine::Operation};
/// # use keyfold_kms::types::CreateKeyRequest;
///
/// /// Calls, and says what was called where it fails.
/// fn traced<O: Operation>(kms: &Engine, by: &Caller, request: &O) -> Result<O::Response, String> {
///     kms.call(by, request).map_err(|error: KmsError| format!("{}: {error}", O::NAME))
/// }
/// # let engine = Engine::in_memory()?;
/// # let stranger = Caller::new("arn:aws:iam::000000000000:user/eve", "000000000000");
/// let refused = traced(&engine, &stranger, &CreateKeyRequest::default()).unwrap_err();
/// assert!(refused.starts_with("CreateKey: AccessDeniedException"));
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
pub trait Operation {
    /// What it answers.
    type Response;
    /// Its name on the wire, such as `CreateKey`.
    const NAME: &'static str;
    /// Whether it changes nothing but the audit chain.
    const READ_ONLY: bool;
    /// The service that it belongs to: `kms`, `secretsmanager`, or `keyfold` for what is not of
    /// AWS.
    const SERVICE: &'static str = "kms";

    /// Checks the shape and the limits of the request, before anything else.
    #[doc(hidden)]
    fn validate(&self) -> Result<()>;

    /// Long work that needs no store, done before the transaction: generating a key pair.
    #[doc(hidden)]
    fn prepare(&self, _rng: &dyn Rng) -> Result<Option<Prepared>> {
        Ok(None)
    }

    /// Performs the operation inside its transaction; an error undoes every change.
    #[doc(hidden)]
    fn run(&self, call: &mut Call<'_>) -> Result<Self::Response>;
}

/// What [`Operation::prepare`] made: private key material.
#[doc(hidden)]
pub struct Prepared(pub(crate) zeroize::Zeroizing<Vec<u8>>);

/// One running operation.
#[doc(hidden)]
pub struct Call<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) caller: &'a Caller,
    pub(crate) now: Timestamp,
    pub(crate) txn: View<'a>,
    /// What the audit record will say.
    pub(crate) trail: &'a mut Trail,
    pub(crate) prepared: Option<Prepared>,
    /// The service on whose behalf a key is used now, for conditions on `kms:ViaService`.
    pub(crate) via: Option<&'static str>,
}

impl Call<'_> {
    /// The parts that the ARNs of this store share.
    pub(crate) fn realm(&self) -> &Realm {
        &self.engine.identity.realm
    }

    /// The keys of the store.
    pub(crate) fn keys(&self) -> &StoreKeys {
        &self.engine.keys
    }

    /// Random bytes.
    pub(crate) fn rng(&self) -> &dyn Rng {
        &*self.engine.rng
    }

    /// A new random id.
    pub(crate) fn make_id(&self) -> Result<Uuid> {
        make_id(self.rng())
    }
}

/// A random UUID (version 4).
pub(crate) fn make_id(rng: &dyn Rng) -> Result<Uuid> {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes)?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

impl Engine {
    pub(crate) fn assemble(
        store: Box<dyn Store>,
        clock: Box<dyn Clock>,
        rng: Box<dyn Rng>,
        identity: IdentityRow,
        root: RootKey,
        opened_by: Option<SlotInfo>,
    ) -> Self {
        let keys = StoreKeys::derive(&root, identity.store_id.as_bytes());
        let Realm { partition, account, .. } = &identity.realm;
        let default_policy = Policy::default_document(partition, account);
        let default_policy = KeyPolicy::parse(default_policy).ok().map(Arc::new);
        let known = known::Known::default();
        // Where it cannot be read, the first commit finds out.
        if let Ok(Some(head)) = store::read(&*store, |txn| Head::read(txn, &keys)) {
            known.meet(head.change);
        }
        Engine {
            store,
            clock,
            rng,
            identity,
            root,
            keys,
            opened_by,
            cache: Mutex::default(),
            known,
            queue: queue::Queue::default(),
            default_policy,
            commits: Mutex::new(()),
            failed_commits: AtomicU64::new(0),
        }
    }

    /// The id of the store.
    pub fn store_id(&self) -> Uuid {
        self.identity.store_id
    }

    /// Partition, region and account of the store.
    pub fn realm(&self) -> &Realm {
        &self.identity.realm
    }

    /// The owner of the store: the root principal of its account, which may do everything that
    /// no policy denies.
    pub fn owner(&self) -> Caller {
        Caller::owner(&self.identity.realm)
    }

    /// At most `limit` audit records after a number (0: from the first), oldest first. What cannot
    /// be read is left out; [`Engine::verify_audit`] tells it.
    ///
    /// ```
    /// # use keyfold_kms::types::CreateKeyRequest;
    /// # use keyfold_kms::Engine;
    /// # let engine = Engine::in_memory()?;
    /// # let owner = engine.owner();
    /// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
    /// let records = engine.audit_records(0, 100)?;
    /// assert_eq!((records[0].seq, records[0].operation.as_str()), (1, "CreateKey"));
    /// assert_eq!(records[0].trail.resources, [key.arn]);
    /// // The next page starts after the last number of this one.
    /// assert!(engine.audit_records(1, 100)?.is_empty());
    /// # Ok::<(), keyfold_kms::KmsError>(())
    /// ```
    ///
    /// # Errors
    /// `DependencyTimeoutException`, `KMSInternalException`: what the store says.
    pub fn audit_records(&self, after: u64, limit: usize) -> Result<Vec<AuditRecord>> {
        store::read(&*self.store, |txn| audit::list(txn, after, limit))
    }

    /// Walks the audit chain and tells every record that is missing, altered or out of place.
    ///
    /// ```
    /// # use keyfold_kms::types::CreateKeyRequest;
    /// # use keyfold_kms::Engine;
    /// # let engine = Engine::in_memory()?;
    /// # let owner = engine.owner();
    /// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
    /// let report = engine.verify_audit()?;
    /// assert!(report.is_sound(), "{:?}", report.problems);
    /// assert_eq!((report.records, report.last), (1, 1));
    /// # Ok::<(), keyfold_kms::KmsError>(())
    /// ```
    ///
    /// # Errors
    /// What the store says; a chain that is not sound is a report, no error.
    pub fn verify_audit(&self) -> Result<AuditReport> {
        store::read(&*self.store, |txn| audit::verify(txn, &self.keys))
    }
}
