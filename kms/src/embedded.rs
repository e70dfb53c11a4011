//! The engine behind the core's seam: a [`Kms`] without a network.

mod operation;

use keyfold::kms::{DataKeyReply, Kms, Request, Response, SignInput};
use keyfold::maybe_send::BoxFuture;
use keyfold::sign::SignatureAlgorithm;
use keyfold::{
    DataKey, EncryptionContext, Error, ErrorCode, KeyUri, ProviderParams, SecretBytes, WrappedKey,
};
use zeroize::Zeroizing;

use crate::engine::{Caller, Engine, Operation};
use crate::error::{KmsError, KmsErrorCode};
use crate::root::OpenError;
#[cfg(feature = "sqlite")]
use crate::root::{EngineOptions, RootSealer};
#[cfg(feature = "sqlite")]
use crate::store::SqliteStore;
use crate::store::StoreError;
use crate::transfer::TransferError;
use crate::types::{
    Blob, CreateAliasRequest, CreateKeyRequest, DataKeySpec, DecryptRequest, DecryptResponse,
    DescribeKeyRequest, EncryptRequest, EncryptResponse, GenerateDataKeyRequest,
    GetPublicKeyRequest, KeySpec, KeyUsage, MessageType, ReEncryptRequest, Sensitive, SignRequest,
    SigningAlgorithm, VerifyRequest,
};

/// The scheme of the keys of this KMS: `keyfold:` and an ARN, key id or alias.
pub const SCHEME: &str = "keyfold";

/// An [`Engine`] as a [`Kms`]: every call is done when it returns.
///
/// ```
/// use keyfold::{Client, EncryptionContext, Keyring};
/// use keyfold_kms::EmbeddedKms;
/// use keyfold_kms::types::KeySpec;
///
/// # pollster::block_on(async {
/// let kms = EmbeddedKms::in_memory()?;
/// let docs = kms.create_key("alias/docs", KeySpec::SymmetricDefault)?;
/// let kf = Client::new(kms);
/// let none = EncryptionContext::new();
/// let sealed = kf.encrypt(b"hello", &Keyring::generate_with(docs), &none).await?;
/// # assert!(sealed.len() > 100);
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
pub struct EmbeddedKms {
    engine: Engine,
    caller: Caller,
}

impl EmbeddedKms {
    /// A KMS that ends with the process.
    ///
    /// # Errors
    /// `kms_unavailable` where the system has no randomness.
    pub fn in_memory() -> Result<Self, Error> {
        Ok(Self::new(Engine::in_memory().map_err(Error::from)?))
    }

    /// Makes a database and its root key, sealed in one slot for each sealer, each with its label.
    /// What was interrupted before is finished; what exists already is left alone.
    ///
    /// ```
    /// use keyfold::SystemRng;
    /// use keyfold_kms::{EmbeddedKms, EngineOptions, OpenError, root::FileSealer};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let (path, secret) = (folder.path().join("keys.db"), folder.path().join("root"));
    /// // The database alone opens nothing: keep the root key's file elsewhere, and a copy of it.
    /// let sealer = FileSealer::create(&secret, &SystemRng)?;
    /// let kms = EmbeddedKms::create(&path, &[("here", &sealer)], EngineOptions::default())?;
    /// drop(kms);
    /// let kms = EmbeddedKms::open(&path, &[&sealer])?;
    ///
    /// let again = EmbeddedKms::create(&path, &[("again", &sealer)], EngineOptions::default());
    /// assert!(matches!(again, Err(OpenError::Exists)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError::Exists`] where the database has a root key already, [`OpenError::Store`] with
    /// [`StoreError::Foreign`] where the file is something else.
    #[cfg(feature = "sqlite")]
    pub fn create(
        path: &std::path::Path,
        sealers: &[(&str, &dyn RootSealer)],
        options: EngineOptions,
    ) -> Result<Self, OpenError> {
        let store = match SqliteStore::create(path) {
            Err(StoreError::Exists(_)) => SqliteStore::open(path)?,
            created => created?,
        };
        Engine::create(Box::new(store), sealers, options).map(Self::new)
    }

    /// Opens a database with the first root slot that one of the sealers opens.
    ///
    /// ```
    /// use keyfold_kms::store::StoreError;
    /// use keyfold_kms::{EmbeddedKms, OpenError, root::EnvironmentSealer};
    ///
    /// let sealer = EnvironmentSealer::of_slot();
    /// let missing = EmbeddedKms::open("no/such/file".as_ref(), &[&sealer]);
    /// assert!(matches!(missing, Err(OpenError::Store(StoreError::Missing(_)))));
    /// ```
    ///
    /// # Errors
    /// As [`Engine::open`], and [`StoreError::Missing`] where there is no file.
    #[cfg(feature = "sqlite")]
    pub fn open(path: &std::path::Path, sealers: &[&dyn RootSealer]) -> Result<Self, OpenError> {
        let store = Box::new(SqliteStore::open(path)?);
        Engine::open(store, sealers, EngineOptions::default()).map(Self::new)
    }

    /// A KMS over an engine, for its owner.
    pub fn new(engine: Engine) -> Self {
        let caller = engine.owner();
        EmbeddedKms { engine, caller }
    }

    /// The same for another caller.
    ///
    /// ```
    /// use keyfold::{Client, ErrorCode};
    /// use keyfold_kms::{Caller, EmbeddedKms};
    ///
    /// // Nothing allows this user anything yet.
    /// let user = Caller::new("arn:aws:iam::000000000000:user/alice", "000000000000");
    /// let kf = Client::new(EmbeddedKms::in_memory()?.as_caller(user));
    /// let refused = pollster::block_on(kf.secrets().get("db/password")).unwrap_err();
    /// assert_eq!(refused.code(), ErrorCode::KmsDenied);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    #[must_use]
    pub fn as_caller(mut self, caller: Caller) -> Self {
        self.caller = caller;
        self
    }

    /// The engine, for everything beyond the seam: managing keys, grants, secrets, audit.
    ///
    /// ```
    /// use keyfold_kms::{EmbeddedKms, types::{DisableKeyRequest, KeySpec}};
    ///
    /// let kms = EmbeddedKms::in_memory()?;
    /// let docs = kms.create_key("alias/docs", KeySpec::SymmetricDefault)?;
    /// let engine = kms.engine();
    /// let request = DisableKeyRequest { key_id: docs.rest().to_owned() };
    /// engine.call(&engine.owner(), &request)?;
    /// assert!(engine.verify_audit()?.is_sound());
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Makes a KMS key and an alias for it, and answers the key's full name. A symmetric key
    /// encrypts, any other signs; for all that a key can be told, call the
    /// [`engine`](EmbeddedKms::engine) with a [`CreateKeyRequest`].
    ///
    /// ```
    /// use keyfold::ErrorCode;
    /// use keyfold_kms::{EmbeddedKms, types::KeySpec};
    ///
    /// let kms = EmbeddedKms::in_memory()?;
    /// let release = kms.create_key("alias/release", KeySpec::EccNistP256)?;
    /// assert!(release.as_str().starts_with("keyfold:arn:aws:kms:"));
    /// let again = kms.create_key("alias/release", KeySpec::EccNistP256).unwrap_err();
    /// assert_eq!(again.code(), ErrorCode::VersionConflict);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `version_conflict` where the alias exists (the key is then left without one),
    /// `invalid_argument` for a name that does not start with `alias/` or a spec that the engine
    /// does not offer, `kms_denied`.
    pub fn create_key(&self, alias: &str, spec: KeySpec) -> Result<KeyUri, Error> {
        let usage = match spec {
            KeySpec::SymmetricDefault => KeyUsage::EncryptDecrypt,
            _ => KeyUsage::SignVerify,
        };
        let key = self.ask(&CreateKeyRequest {
            key_spec: Some(spec),
            key_usage: Some(usage),
            ..CreateKeyRequest::default()
        })?;
        self.ask(&CreateAliasRequest {
            alias_name: alias.to_owned(),
            target_key_id: key.key_metadata.key_id,
        })?;
        uri(&key.key_metadata.arn)
    }

    fn ask<O: Operation>(&self, request: &O) -> Result<O::Response, Error> {
        self.engine.call(&self.caller, request).map_err(Error::from)
    }

    fn answer(&self, request: &Request) -> Result<Response, Error> {
        match request {
            Request::GenerateDataKey { key, context } => self.generate_data_key(key, context),
            Request::Wrap { key, data_key, context } => {
                let made = self.encrypt(key, data_key, context)?;
                Ok(Response::Wrapped(wrapped(&made.key_id, made.ciphertext_blob)?))
            }
            Request::Unwrap { wrapped, context, key } => {
                let key = key.as_ref().unwrap_or(&wrapped.key);
                let made = self.decrypt(Some(key), &wrapped.ciphertext, context)?;
                let mut plain = Zeroizing::new(made.plaintext.into_inner());
                // Something else was encrypted under this key and context.
                let data_key = DataKey::take(&mut plain).map_err(|_| not_authentic())?;
                Ok(Response::Unwrapped(DataKeyReply(data_key)))
            }
            Request::Rewrap { wrapped: from, context, key, to } => {
                let made = self.ask(&ReEncryptRequest {
                    ciphertext_blob: Some(from.ciphertext.as_slice().into()),
                    source_encryption_context: context.clone(),
                    source_key_id: Some(name(key.as_ref().unwrap_or(&from.key))?.to_owned()),
                    destination_key_id: name(to)?.to_owned(),
                    destination_encryption_context: context.clone(),
                    ..ReEncryptRequest::default()
                })?;
                Ok(Response::Wrapped(wrapped(&made.key_id, made.ciphertext_blob)?))
            }
            Request::Encrypt { key, plaintext, context } => {
                let made = self.encrypt(key, plaintext, context)?;
                let key = uri(&made.key_id)?;
                Ok(Response::Ciphertext { ciphertext: made.ciphertext_blob.0, key })
            }
            Request::Decrypt { key, ciphertext, context } => {
                let made = self.decrypt(key.as_ref(), ciphertext, context)?;
                let key = uri(&made.key_id)?;
                let plaintext = SecretBytes::new(made.plaintext.into_inner());
                Ok(Response::Plaintext { plaintext, key })
            }
            Request::Sign { key, algorithm, input } => {
                let (message, message_type) = message(input);
                let made = self.ask(&SignRequest {
                    key_id: name(key)?.to_owned(),
                    message,
                    message_type: Some(message_type),
                    signing_algorithm: Some(signing(*algorithm)?),
                    ..SignRequest::default()
                })?;
                Ok(Response::Signature(made.signature.0))
            }
            Request::Verify { key, algorithm, input, signature } => {
                let (message, message_type) = message(input);
                self.ask(&VerifyRequest {
                    key_id: name(key)?.to_owned(),
                    message,
                    message_type: Some(message_type),
                    signature: signature.as_slice().into(),
                    signing_algorithm: Some(signing(*algorithm)?),
                    ..VerifyRequest::default()
                })?;
                Ok(Response::Verified)
            }
            Request::GetPublicKey { key } => {
                let key_id = name(key)?.to_owned();
                let made = self.ask(&GetPublicKeyRequest { key_id, grant_tokens: vec![] })?;
                Ok(Response::PublicKey { spki: made.public_key.0, key: uri(&made.key_id)? })
            }
            Request::ResolveKey { key } => {
                let key_id = name(key)?.to_owned();
                let made = self.ask(&DescribeKeyRequest { key_id, grant_tokens: vec![] })?;
                Ok(Response::Key(uri(&made.key_metadata.arn)?))
            }
            Request::PutSecret { name: secret, value, key, .. } => {
                let key = key.as_ref().map(name).transpose()?;
                let version = self
                    .engine
                    .put_secret(&self.caller, secret, value, key)
                    .map_err(secret_error)?;
                Ok(Response::SecretVersion { version })
            }
            Request::GetSecret { name, version, stage } => {
                let (version, stage) = (version.as_deref(), stage.as_deref());
                let (value, version) = self
                    .engine
                    .get_secret(&self.caller, name, version, stage)
                    .map_err(secret_error)?;
                Ok(Response::Secret { value, version })
            }
            _ => Err(Error::new(
                ErrorCode::InvalidArgument,
                "the embedded KMS does not offer this operation",
            )),
        }
    }

    fn generate_data_key(
        &self,
        key: &KeyUri,
        context: &EncryptionContext,
    ) -> Result<Response, Error> {
        let made = self.ask(&GenerateDataKeyRequest {
            key_id: name(key)?.to_owned(),
            encryption_context: context.clone(),
            key_spec: Some(DataKeySpec::Aes256),
            ..GenerateDataKeyRequest::default()
        })?;
        let mut plain = Zeroizing::new(made.plaintext.into_inner());
        let data_key = DataKeyReply(DataKey::take(&mut plain)?);
        Ok(Response::DataKey { data_key, wrapped: wrapped(&made.key_id, made.ciphertext_blob)? })
    }

    fn encrypt(
        &self,
        key: &KeyUri,
        plaintext: &SecretBytes,
        context: &EncryptionContext,
    ) -> Result<EncryptResponse, Error> {
        self.ask(&EncryptRequest {
            key_id: name(key)?.to_owned(),
            plaintext: Sensitive::from(plaintext.expose()),
            encryption_context: context.clone(),
            ..EncryptRequest::default()
        })
    }

    fn decrypt(
        &self,
        key: Option<&KeyUri>,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<DecryptResponse, Error> {
        self.ask(&DecryptRequest {
            ciphertext_blob: Some(ciphertext.into()),
            encryption_context: context.clone(),
            key_id: key.map(name).transpose()?.map(str::to_owned),
            ..DecryptRequest::default()
        })
    }
}

impl Kms for EmbeddedKms {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Error>> {
        // The engine is synchronous: the answer is there before anybody waits for it.
        Box::pin(std::future::ready(self.answer(request)))
    }
}

/// The engine's name of a key, out of its URI.
fn name(key: &KeyUri) -> Result<&str, Error> {
    if key.scheme() == SCHEME {
        return Ok(key.rest());
    }
    Err(Error::new(ErrorCode::InvalidArgument, "the key is of another KMS than the embedded one"))
}

/// The URI of a key, from its ARN.
fn uri(arn: &str) -> Result<KeyUri, Error> {
    KeyUri::new(format!("{SCHEME}:{arn}"))
}

fn wrapped(arn: &str, ciphertext: Blob) -> Result<WrappedKey, Error> {
    let params = ProviderParams::new();
    Ok(WrappedKey { key: uri(arn)?, params, ciphertext: ciphertext.0 })
}

/// To whoever reads or writes values, a secret that waits for deletion is not there: the only
/// reason for which the safe answers these two requests with `InvalidRequestException`.
fn secret_error(error: KmsError) -> Error {
    match error.code() {
        KmsErrorCode::InvalidRequest => {
            Error::new(ErrorCode::SecretNotFound, error.message().to_owned())
        }
        _ => error.into(),
    }
}

fn not_authentic() -> Error {
    Error::new(ErrorCode::AuthenticationFailed, "the data or its key is not authentic")
}

fn message(input: &SignInput) -> (Sensitive, MessageType) {
    match input {
        SignInput::Message(message) => (message.as_slice().into(), MessageType::Raw),
        SignInput::Digest(digest) => (digest.as_slice().into(), MessageType::Digest),
    }
}

/// Ed25519ph is refused: the KMS API hashes a digest once more, so that its signatures are not
/// those of the message.
fn signing(algorithm: SignatureAlgorithm) -> Result<SigningAlgorithm, Error> {
    if algorithm == SignatureAlgorithm::Ed25519ph {
        return Err(Error::new(
            ErrorCode::InvalidArgument,
            "a KMS key signs Ed25519 over whole messages of at most 4096 bytes",
        ));
    }
    algorithm.as_str().parse().map_err(|error: KmsError| error.into())
}

/// The core's codes for what the engine says; the name and message of the engine stay readable.
impl From<KmsError> for Error {
    fn from(error: KmsError) -> Self {
        use KmsErrorCode as K;
        let code = match error.code() {
            K::AccessDenied
            | K::MissingAuthentication
            | K::IncompleteSignature
            | K::UnrecognizedClient
            | K::InvalidRequestSignature
            | K::ExpiredToken => ErrorCode::KmsDenied,
            K::NotFound
            | K::Disabled
            | K::InvalidState
            | K::InvalidKeyUsage
            | K::UnsupportedOperation
            | K::InvalidArn
            // A secret's KMS key that is disabled, pending deletion or gone.
            | K::DecryptionFailure
            | K::EncryptionFailure => ErrorCode::KmsKeyUnavailable,
            K::InvalidCiphertext | K::IncorrectKey => ErrorCode::AuthenticationFailed,
            K::InvalidSignature => ErrorCode::SignatureInvalid,
            K::Throttling => ErrorCode::KmsThrottled,
            K::LimitExceeded => ErrorCode::LimitExceeded,
            K::ResourceNotFound => ErrorCode::SecretNotFound,
            K::ResourceExists | K::AlreadyExists | K::Conflict | K::PreconditionNotMet => {
                ErrorCode::VersionConflict
            }
            K::Internal | K::InternalService | K::KeyUnavailable | K::DependencyTimeout => {
                ErrorCode::KmsUnavailable
            }
            _ => ErrorCode::InvalidArgument,
        };
        // One opaque text for what was decided with a key.
        let detail = match code {
            ErrorCode::AuthenticationFailed => return not_authentic(),
            _ => error.to_string(),
        };
        Error::new(code, detail).with_source(error)
    }
}

/// A store that does not open: what can be mended says how.
impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        let code = match &error {
            OpenError::Other(error) => return error.clone().into(),
            OpenError::Exists | OpenError::Unfinished => ErrorCode::VersionConflict,
            OpenError::IsBackup | OpenError::Store(StoreError::Url(_)) => {
                ErrorCode::InvalidArgument
            }
            OpenError::NoRoot | OpenError::NoSlotOpens { .. } | OpenError::WrongRoot { .. } => {
                ErrorCode::KmsDenied
            }
            OpenError::Store(_) => ErrorCode::KmsUnavailable,
        };
        Error::new(code, error.to_string()).with_source(error)
    }
}

/// A store that is not moved.
impl From<TransferError> for Error {
    fn from(error: TransferError) -> Self {
        let code = match &error {
            TransferError::Source(_)
            | TransferError::Target(_)
            | TransferError::Differs
            | TransferError::Damaged
            | TransferError::NewerBackup { .. } => ErrorCode::KmsUnavailable,
            TransferError::NotEmpty | TransferError::Unfinished | TransferError::Changed => {
                ErrorCode::VersionConflict
            }
            TransferError::NoStore | TransferError::IsBackup | TransferError::NotABackup => {
                ErrorCode::InvalidArgument
            }
        };
        Error::new(code, error.to_string()).with_source(error)
    }
}
