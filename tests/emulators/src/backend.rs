//! The one engine behind all services: keyfold's own. What a vendor allows beyond it (longer
//! plaintexts, contexts of bytes) is put together from its calls.

use keyfold::crypto::rsa::{OaepHash, oaep_decrypt, oaep_encrypt};
use keyfold::sign::{self, SignatureAlgorithm, SigningKey};
use keyfold::{SecretBytes, SystemRng};
use keyfold_kms::types::{
    CancelKeyDeletionRequest, CreateKeyRequest, DecryptRequest, DisableKeyRequest,
    EnableKeyRequest, EncryptRequest, GenerateDataKeyRequest, GenerateRandomRequest,
    GetPublicKeyRequest, MessageType, RotateKeyOnDemandRequest, ScheduleKeyDeletionRequest,
    SignRequest, VerifyRequest,
};
use keyfold_kms::{Caller, Engine, KmsError, KmsErrorCode};

pub(crate) use keyfold_kms::types::{EncryptionAlgorithm, KeySpec, KeyUsage, SigningAlgorithm};

use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::encoding;

/// The longest plaintext that the engine encrypts at once.
const PIECE: usize = 4096;
/// Begins the names of keys that are used here, not in the engine.
pub(crate) const DUAL: &str = "dual:";

/// What a service cannot do, in no vendor's words yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    KeyNotFound,
    Disabled,
    PendingDeletion,
    PendingImport,
    Archived,
    /// Another state than the operation needs.
    State(&'static str),
    /// The ciphertext, its context or its key do not fit together.
    Ciphertext,
    Missing(&'static str),
    Invalid(&'static str),
    Unsupported(&'static str),
    Exists(&'static str),
    SecretNotFound,
    SecretDisabled,
    SecretDeleted,
    UnknownOperation,
    Internal(String),
}

impl From<KmsError> for Failure {
    fn from(error: KmsError) -> Self {
        match error.code() {
            KmsErrorCode::NotFound => Failure::KeyNotFound,
            KmsErrorCode::Disabled => Failure::Disabled,
            KmsErrorCode::InvalidState => Failure::PendingDeletion,
            KmsErrorCode::InvalidCiphertext | KmsErrorCode::IncorrectKey => Failure::Ciphertext,
            KmsErrorCode::InvalidKeyUsage | KmsErrorCode::UnsupportedOperation => {
                Failure::Unsupported("the key is not for this")
            }
            KmsErrorCode::Validation => Failure::Invalid("a parameter is out of range"),
            _ => Failure::Internal(error.to_string()),
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// The engine and whoever may do everything with it.
pub(crate) struct Backend {
    engine: Engine,
    owner: Caller,
}

impl Backend {
    pub(crate) fn new() -> Self {
        let engine = Engine::in_memory().expect("the system has randomness");
        let owner = engine.owner();
        Backend { engine, owner }
    }

    pub(crate) fn create(&self, spec: KeySpec, usage: KeyUsage) -> Result<String> {
        let request = CreateKeyRequest {
            key_spec: Some(spec),
            key_usage: Some(usage),
            ..CreateKeyRequest::default()
        };
        Ok(self.engine.call(&self.owner, &request)?.key_metadata.key_id)
    }

    /// A key of RSA that both signs and decrypts, which no key of the engine does: its private half
    /// is a value of the engine's password safe, used here.
    pub(crate) fn create_dual(&self, spec: KeySpec) -> Result<String> {
        let internal = |error: keyfold::Error| Failure::Internal(error.to_string());
        let spec = match spec {
            KeySpec::Rsa2048 => sign::KeySpec::Rsa2048,
            KeySpec::Rsa3072 => sign::KeySpec::Rsa3072,
            KeySpec::Rsa4096 => sign::KeySpec::Rsa4096,
            _ => return Err(Failure::Invalid("the key is not RSA")),
        };
        let key = SigningKey::generate(spec, &SystemRng).map_err(internal)?;
        self.keep_dual(&key)
    }

    /// The same for a key that somebody gave.
    pub(crate) fn keep_dual(&self, key: &SigningKey) -> Result<String> {
        let der = key.to_pkcs8_der().map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(format!("{DUAL}{}", self.put_value(der.expose())?))
    }

    /// The private half of such a key.
    fn dual(&self, key: &str) -> Result<Option<SigningKey>> {
        let Some(kept) = key.strip_prefix(DUAL) else { return Ok(None) };
        let key = SigningKey::from_pkcs8_der(&self.value(kept)?);
        key.map(Some).map_err(|error| Failure::Internal(error.to_string()))
    }

    pub(crate) fn enable(&self, key: &str, enabled: bool) -> Result<()> {
        if key.starts_with(DUAL) {
            return Ok(());
        }
        let key_id = key.to_owned();
        if enabled {
            self.engine.call(&self.owner, &EnableKeyRequest { key_id })?;
        } else {
            self.engine.call(&self.owner, &DisableKeyRequest { key_id })?;
        }
        Ok(())
    }

    /// Windows are the vendors' own: here it is a state.
    pub(crate) fn schedule_deletion(&self, key: &str) -> Result<()> {
        if key.starts_with(DUAL) {
            return Ok(());
        }
        let key_id = key.to_owned();
        self.engine.call(
            &self.owner,
            &ScheduleKeyDeletionRequest { key_id, pending_window_in_days: None },
        )?;
        Ok(())
    }

    /// The key is disabled afterwards.
    pub(crate) fn cancel_deletion(&self, key: &str) -> Result<()> {
        if key.starts_with(DUAL) {
            return Ok(());
        }
        self.engine.call(&self.owner, &CancelKeyDeletionRequest { key_id: key.to_owned() })?;
        Ok(())
    }

    pub(crate) fn rotate(&self, key: &str) -> Result<()> {
        self.engine.call(&self.owner, &RotateKeyOnDemandRequest { key_id: key.to_owned() })?;
        Ok(())
    }

    /// Encrypts any number of bytes, bound to a context of any bytes.
    pub(crate) fn encrypt(&self, key: &str, plaintext: &[u8], context: &[u8]) -> Result<Vec<u8>> {
        // The engine encrypts nothing that is empty: one byte stands for that.
        let (pieces, count): (Vec<_>, _) = match plaintext.chunks(PIECE).collect::<Vec<_>>() {
            none if none.is_empty() => (vec![&[0][..]], 0),
            pieces => (pieces.clone(), pieces.len()),
        };
        let mut sealed = Vec::new();
        for (index, piece) in pieces.into_iter().enumerate() {
            let request = EncryptRequest {
                key_id: key.to_owned(),
                plaintext: piece.into(),
                encryption_context: bound(context, index, count),
                ..EncryptRequest::default()
            };
            push(&mut sealed, count, &self.engine.call(&self.owner, &request)?.ciphertext_blob.0);
        }
        Ok(sealed)
    }

    pub(crate) fn decrypt(&self, key: &str, sealed: &[u8], context: &[u8]) -> Result<Vec<u8>> {
        let (pieces, count) = pop_all(sealed).ok_or(Failure::Ciphertext)?;
        let mut plaintext = Vec::new();
        for (index, piece) in pieces.into_iter().enumerate() {
            let request = DecryptRequest {
                ciphertext_blob: Some(piece.into()),
                encryption_context: bound(context, index, count),
                key_id: Some(key.to_owned()),
                ..DecryptRequest::default()
            };
            plaintext.extend(self.engine.call(&self.owner, &request)?.plaintext.expose());
        }
        Ok(if count == 0 { Vec::new() } else { plaintext })
    }

    /// A data key of 1 to 1024 bytes, and its ciphertext, which [`Backend::decrypt`] opens.
    pub(crate) fn data_key(
        &self,
        key: &str,
        bytes: usize,
        context: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>)> {
        let request = GenerateDataKeyRequest {
            key_id: key.to_owned(),
            number_of_bytes: u32::try_from(bytes).ok(),
            encryption_context: bound(context, 0, 1),
            ..GenerateDataKeyRequest::default()
        };
        let made = self.engine.call(&self.owner, &request)?;
        let mut sealed = Vec::new();
        push(&mut sealed, 1, &made.ciphertext_blob.0);
        Ok((made.plaintext.into_inner(), sealed))
    }

    pub(crate) fn random(&self, bytes: usize) -> Result<Vec<u8>> {
        let number_of_bytes = u32::try_from(bytes).ok();
        let request = GenerateRandomRequest { number_of_bytes, ..GenerateRandomRequest::default() };
        Ok(self.engine.call(&self.owner, &request)?.plaintext.into_inner())
    }

    /// A random UUID.
    pub(crate) fn uuid(&self) -> String {
        let bytes = self.random(16).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        let bytes = bytes.expect("the system has randomness");
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// 32 random hexadecimal digits.
    pub(crate) fn hex_id(&self) -> String {
        self.uuid().replace('-', "")
    }

    pub(crate) fn rsa_encrypt(
        &self,
        key: &str,
        algorithm: EncryptionAlgorithm,
        plaintext: &[u8],
    ) -> Result<Vec<u8>> {
        if let Some(key) = self.dual(key)? {
            let sealed = oaep_encrypt(key.public_key(), hash(algorithm), plaintext, &SystemRng);
            return sealed.map_err(|_| Failure::Invalid("the plaintext is too long"));
        }
        let request = EncryptRequest {
            key_id: key.to_owned(),
            plaintext: plaintext.into(),
            encryption_algorithm: Some(algorithm),
            ..EncryptRequest::default()
        };
        Ok(self.engine.call(&self.owner, &request)?.ciphertext_blob.0)
    }

    pub(crate) fn rsa_decrypt(
        &self,
        key: &str,
        algorithm: EncryptionAlgorithm,
        ciphertext: &[u8],
    ) -> Result<Vec<u8>> {
        if let Some(key) = self.dual(key)? {
            let opened = oaep_decrypt(&key, hash(algorithm), ciphertext, &SystemRng);
            return Ok(opened.map_err(|_| Failure::Ciphertext)?.expose().to_vec());
        }
        let request = DecryptRequest {
            ciphertext_blob: Some(ciphertext.into()),
            key_id: Some(key.to_owned()),
            encryption_algorithm: Some(algorithm),
            ..DecryptRequest::default()
        };
        Ok(self.engine.call(&self.owner, &request)?.plaintext.into_inner())
    }

    /// Signs a message of any length, or its digest. ECDSA in DER.
    pub(crate) fn sign(
        &self,
        key: &str,
        algorithm: SigningAlgorithm,
        message: &[u8],
        digest: bool,
    ) -> Result<Vec<u8>> {
        let (message, message_type) = shortened(algorithm, message, digest);
        if let Some(key) = self.dual(key)? {
            let made = key.sign_digest(ours(algorithm)?, &message);
            return made.map_err(|_| Failure::Invalid("the digest has another length"));
        }
        let request = SignRequest {
            key_id: key.to_owned(),
            message: message.as_slice().into(),
            message_type: Some(message_type),
            signing_algorithm: Some(algorithm),
            ..SignRequest::default()
        };
        Ok(self.engine.call(&self.owner, &request)?.signature.0)
    }

    pub(crate) fn verify(
        &self,
        key: &str,
        algorithm: SigningAlgorithm,
        message: &[u8],
        digest: bool,
        signature: &[u8],
    ) -> Result<bool> {
        let (message, message_type) = shortened(algorithm, message, digest);
        if let Some(key) = self.dual(key)? {
            let verified = key.public_key().verify_digest(ours(algorithm)?, &message, signature);
            return Ok(verified.is_ok());
        }
        let request = VerifyRequest {
            key_id: key.to_owned(),
            message: message.as_slice().into(),
            message_type: Some(message_type),
            signature: signature.into(),
            signing_algorithm: Some(algorithm),
            ..VerifyRequest::default()
        };
        match self.engine.call(&self.owner, &request) {
            Ok(answer) => Ok(answer.signature_valid),
            Err(error) if error.code() == KmsErrorCode::InvalidSignature => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// SubjectPublicKeyInfo in DER.
    pub(crate) fn public_key(&self, key: &str) -> Result<Vec<u8>> {
        if let Some(key) = self.dual(key)? {
            return Ok(key.public_key().to_spki_der());
        }
        let request = GetPublicKeyRequest { key_id: key.to_owned(), grant_tokens: Vec::new() };
        Ok(self.engine.call(&self.owner, &request)?.public_key.0)
    }

    /// Keeps a value of the password safe; answers its name there.
    pub(crate) fn put_value(&self, value: &[u8]) -> Result<String> {
        let name = self.uuid();
        self.engine.put_secret(&self.owner, &name, &SecretBytes::from(value), None)?;
        Ok(name)
    }

    pub(crate) fn value(&self, name: &str) -> Result<Vec<u8>> {
        let (value, _) = self.engine.get_secret(&self.owner, name, None, None)?;
        Ok(value.expose().to_vec())
    }
}

fn hash(algorithm: EncryptionAlgorithm) -> OaepHash {
    match algorithm {
        EncryptionAlgorithm::RsaesOaepSha1 => OaepHash::Sha1,
        _ => OaepHash::Sha256,
    }
}

/// An algorithm of the engine, by the same name.
fn ours(algorithm: SigningAlgorithm) -> Result<SignatureAlgorithm> {
    let known = SignatureAlgorithm::ALL.iter().copied();
    let mut known = known.filter(|known| known.as_str() == algorithm.as_str());
    known.next().ok_or(Failure::Unsupported("the algorithm is not of RSA"))
}

/// The engine's context for a vendor's: its digest, and where a piece stands.
fn bound(context: &[u8], index: usize, pieces: usize) -> keyfold::EncryptionContext {
    let digest = encoding::hex(encoding::sha256(context));
    [("context", digest), ("piece", format!("{index}/{pieces}"))].into()
}

/// Each piece: how many there are (0: one, of nothing), its length, itself.
fn push(sealed: &mut Vec<u8>, count: usize, piece: &[u8]) {
    for number in [count, piece.len()] {
        let number = u16::try_from(number).expect("few pieces, all of them short");
        sealed.extend(number.to_be_bytes());
    }
    sealed.extend(piece);
}

fn pop_all(mut sealed: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let (count, _) = sealed.split_first_chunk::<2>()?;
    let (mut pieces, count) = (Vec::new(), usize::from(u16::from_be_bytes(*count)));
    while !sealed.is_empty() {
        let (_, rest) = sealed.split_first_chunk::<2>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (piece, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        pieces.push(piece);
        sealed = rest;
    }
    (pieces.len() == count.max(1)).then_some((pieces, count))
}

/// A message that is too long for the engine as its digest.
fn shortened(algorithm: SigningAlgorithm, message: &[u8], digest: bool) -> (Vec<u8>, MessageType) {
    use SigningAlgorithm as A;
    if digest {
        return (message.to_vec(), MessageType::Digest);
    }
    let hashed = match algorithm {
        A::Ed25519Sha512 => return (message.to_vec(), MessageType::Raw),
        A::RsassaPkcs1V15Sha384 | A::RsassaPssSha384 | A::EcdsaSha384 => {
            Sha384::digest(message).to_vec()
        }
        A::RsassaPkcs1V15Sha512 | A::RsassaPssSha512 | A::EcdsaSha512 => {
            Sha512::digest(message).to_vec()
        }
        _ => Sha256::digest(message).to_vec(),
    };
    (hashed, MessageType::Digest)
}
