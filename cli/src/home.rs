//! The embedded KMS of the command line: a folder with a database, and the ways to its root key.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use keyfold::{Error, SecretBytes};
use keyfold::{Rng, SystemRng};
use keyfold_kms::folder::Folder;
use keyfold_kms::root::{
    EngineOptions, EnvironmentSealer, FileSealer, OpenError, PassphraseSealer, RootKey, RootSealer,
    SealedRoot, SlotError,
};
use keyfold_kms::store::{Store, StoreError};
use keyfold_kms::{EmbeddedKms, Engine, KmsError, KmsErrorCode};

use crate::database::Database;
use crate::fault::{self, Result};
use crate::input::Input;
use crate::terminal;

/// The longest passphrase, in bytes.
const MAX_PASSPHRASE: usize = 4096;
/// The environment variable that may hold the passphrase.
const PASSPHRASE: &str = "KEYFOLD_PASSPHRASE";

/// What the command line and the environment say about the store.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) database: Option<OsString>,
    pub(crate) root_file: Option<PathBuf>,
    pub(crate) passphrase_file: Option<PathBuf>,
}

/// Whether somebody can be asked for a passphrase.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Where no other slot opens.
    Once,
    /// Nobody is there.
    Never,
}

/// A new way to the root key: its label, and what seals.
pub(crate) type NewSlot = (String, Box<dyn RootSealer>);

impl Home {
    /// The folder.
    ///
    /// # Errors
    /// `invalid_argument` where the user has no home.
    pub(crate) fn folder(&self) -> Result<Folder> {
        Folder::of_user(self.folder.clone())
            .ok_or_else(|| fault::invalid("name the folder of the KMS with KEYFOLD_HOME"))
    }

    /// The database: the one that is named, or that of the folder.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub(crate) fn database(&self) -> Result<Database> {
        match &self.database {
            Some(name) if !name.is_empty() => Database::parse(name),
            _ => Ok(Database::File(self.folder()?.database())),
        }
    }

    /// Where the secret of the file slot is.
    pub(crate) fn root_file(&self) -> Result<PathBuf> {
        match &self.root_file {
            Some(file) => Ok(file.clone()),
            None => Ok(self.folder()?.root_key()),
        }
    }

    /// Opens the KMS: by the root key file, by environment variables, by a passphrase that is
    /// at hand, and at last by one that is asked for.
    ///
    /// # Errors
    /// What the store and the slots say.
    pub(crate) fn open(&self) -> Result<EmbeddedKms> {
        self.open_at(&self.database()?)
    }

    /// The same over another database.
    ///
    /// # Errors
    /// What the store and the slots say.
    pub(crate) fn open_at(&self, database: &Database) -> Result<EmbeddedKms> {
        // One that is named but cannot be read is an error of its own.
        let given = self.given_passphrase()?;
        let opened = self.engine_by(database, Ok(given), Ask::Once);
        opened.map(EmbeddedKms::new).map_err(|error| explain(database, error))
    }

    /// Opens the engine of the KMS, for a host that can try again.
    ///
    /// # Errors
    /// What the store and the slots say.
    pub(crate) fn engine(&self, ask: Ask) -> std::result::Result<Engine, OpenError> {
        self.engine_by(&self.database().map_err(unusable)?, self.given_passphrase(), ask)
    }

    fn engine_by(
        &self,
        database: &Database,
        given: Result<Option<SecretBytes>>,
        ask: Ask,
    ) -> std::result::Result<Engine, OpenError> {
        let file = FileSealer::new(self.root_file().map_err(unusable)?);
        let environment = EnvironmentSealer::of_slot();
        let asks = ask == Ask::Once && matches!(given, Ok(None));
        let given: Option<Box<dyn RootSealer>> = match given {
            Ok(Some(passphrase)) => Some(Box::new(PassphraseSealer::new(passphrase))),
            Ok(None) => None,
            Err(error) => Some(Box::new(NoPassphrase(error.detail().to_owned()))),
        };
        let mut sealers: Vec<&dyn RootSealer> = vec![&file, &environment];
        sealers.extend(given.as_deref());
        let open = |sealers: &[&dyn RootSealer]| {
            Engine::open(database.open()?, sealers, EngineOptions::default())
        };
        match open(&sealers) {
            Err(OpenError::NoSlotOpens { .. }) if asks => {
                let asked = AskedPassphrase(OnceLock::new());
                open(&[&file, &environment, &asked])
            }
            opened => opened,
        }
    }

    /// Opens the database without its root key.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) fn open_store(&self) -> Result<(Database, Box<dyn Store>)> {
        let database = self.database()?;
        let opened = database.open().map_err(OpenError::from);
        let store = opened.map_err(|error| explain(&database, error))?;
        Ok((database, store))
    }

    /// Adds to an error what to do about it.
    pub(crate) fn explain(&self, error: OpenError) -> Error {
        match self.database() {
            Ok(database) => explain(&database, error),
            Err(error) => error,
        }
    }

    /// Makes the KMS.
    ///
    /// # Errors
    /// `version_conflict` where there is one already; `io`.
    pub(crate) fn create(&self, slots: &[NewSlot], options: EngineOptions) -> Result<EmbeddedKms> {
        let database = self.database()?;
        let sealers: Vec<(&str, &dyn RootSealer)> =
            slots.iter().map(|(label, sealer)| (label.as_str(), &**sealer)).collect();
        let created = database
            .make()
            .map_err(OpenError::from)
            .and_then(|store| Engine::create(store, &sealers, options));
        created.map(EmbeddedKms::new).map_err(|error| explain(&database, error))
    }

    /// Makes the folder, for its owner only.
    pub(crate) fn make_folder(&self) -> Result<Folder> {
        let folder = self.folder()?;
        folder.make().map_err(|error| fault::io("create", folder.path(), error))?;
        Ok(folder)
    }

    /// A slot that a passphrase opens.
    pub(crate) fn passphrase_slot(&self) -> Result<NewSlot> {
        let passphrase = match self.given_passphrase()? {
            Some(passphrase) => passphrase,
            None => terminal::new_passphrase()?,
        };
        Ok(("passphrase".to_owned(), Box::new(PassphraseSealer::new(passphrase))))
    }

    /// The passphrase from the environment or from a file.
    fn given_passphrase(&self) -> Result<Option<SecretBytes>> {
        if let Some(path) = &self.passphrase_file {
            let text = Input::open(path)?.read_all(MAX_PASSPHRASE, "a passphrase")?;
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            return Ok(Some(SecretBytes::from(line)));
        }
        match std::env::var(PASSPHRASE) {
            Ok(passphrase) => Ok(Some(SecretBytes::new(passphrase.into_bytes()))),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(_) => Err(fault::invalid(format!("{PASSPHRASE} is not text in UTF-8"))),
        }
    }
}

/// A slot whose secret is in a file; the file is made where there is none.
pub(crate) fn file_slot(path: &Path) -> Result<NewSlot> {
    let sealer = FileSealer::open_or_create(path, &SystemRng).map_err(slot_error)?;
    Ok(("file".to_owned(), Box::new(sealer)))
}

/// A slot whose secret is in an environment variable.
pub(crate) fn environment_slot(variable: &str) -> NewSlot {
    (format!("environment {variable}"), Box::new(EnvironmentSealer::new(variable)))
}

/// Asks for the passphrase when a slot needs it, and once only.
struct AskedPassphrase(OnceLock<Option<PassphraseSealer>>);

impl RootSealer for AskedPassphrase {
    fn kind(&self) -> &'static str {
        "passphrase"
    }

    fn seal(&self, _: &RootKey, _: &[u8], _: &dyn Rng) -> Result<SealedRoot, SlotError> {
        Err(SlotError::Unavailable("a new passphrase is asked for elsewhere".to_owned()))
    }

    fn open(&self, sealed: &SealedRoot, binding: &[u8]) -> Result<RootKey, SlotError> {
        let ask = || terminal::passphrase("Passphrase: ").ok().map(PassphraseSealer::new);
        match self.0.get_or_init(ask) {
            Some(sealer) => sealer.open(sealed, binding),
            None => Err(SlotError::Unavailable(format!(
                "there is no terminal to ask for the passphrase; set {PASSPHRASE}, or name a file \
                 with --passphrase-file"
            ))),
        }
    }
}

/// A passphrase that is named but cannot be read; later perhaps it can.
struct NoPassphrase(String);

impl RootSealer for NoPassphrase {
    fn kind(&self) -> &'static str {
        "passphrase"
    }

    fn seal(&self, _: &RootKey, _: &[u8], _: &dyn Rng) -> Result<SealedRoot, SlotError> {
        Err(SlotError::Unavailable(self.0.clone()))
    }

    fn open(&self, _: &SealedRoot, _: &[u8]) -> Result<RootKey, SlotError> {
        Err(SlotError::Unavailable(self.0.clone()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unusable(error: Error) -> OpenError {
    OpenError::Other(KmsError::new(KmsErrorCode::Validation, error.detail().to_owned()))
}

/// What a sealer says, where no store is involved yet.
pub(crate) fn slot_error(error: SlotError) -> Error {
    let code = match error {
        SlotError::Unavailable(_) => keyfold::ErrorCode::Io,
        _ => keyfold::ErrorCode::InvalidArgument,
    };
    Error::new(code, error.to_string()).with_source(error)
}

/// Adds what to do about it.
fn explain(database: &Database, error: OpenError) -> Error {
    let detail = match &error {
        OpenError::Exists => format!("there is a KMS at {database} already"),
        OpenError::NoRoot | OpenError::Store(StoreError::Missing(_)) => {
            format!("there is no KMS at {database}: keyfold init makes one")
        }
        OpenError::Store(error) => return database.fault(error.clone()),
        _ => return fault::at(database, &error.into()),
    };
    let missing = !matches!(error, OpenError::Exists);
    let error = Error::new(Error::from(error).code(), detail);
    if missing { error.with_retry(keyfold::Retry::AfterChange) } else { error }
}
