//! The keys of a service, as its users see them: names, states, versions. Each version has a key of
//! the engine, which holds the material.

use std::collections::BTreeMap;

use keyfold::SystemRng;
use keyfold::crypto::rsa::{OaepHash, oaep_encrypt};
use keyfold::sign::PublicKey;

use crate::backend::{Backend, DUAL, EncryptionAlgorithm, Failure, KeySpec, KeyUsage, Result};
use crate::encoding;
use crate::secrets::Secret;

/// The state of a key or of one of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Enabled,
    Disabled,
    PendingDeletion,
    /// Waits for its material.
    PendingImport,
    /// Decrypts and does nothing else.
    Archived,
    /// Gone for good, though its name is kept.
    Destroyed,
}

/// One material of a key.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) id: String,
    /// The engine's key.
    pub(crate) engine: String,
    /// Seconds since the epoch.
    pub(crate) created: i64,
    pub(crate) state: State,
}

/// A key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    /// Names beside the id.
    pub(crate) aliases: Vec<String>,
    pub(crate) description: String,
    /// In the vendor's words.
    pub(crate) spec: String,
    /// In the vendor's words.
    pub(crate) usage: String,
    pub(crate) engine_spec: KeySpec,
    pub(crate) engine_usage: KeyUsage,
    /// Its material is imported.
    pub(crate) external: bool,
    pub(crate) created: i64,
    pub(crate) state: State,
    /// When it ends, in seconds since the epoch, while that is pending.
    pub(crate) deletion: Option<i64>,
    /// The period of its rotation, in days.
    pub(crate) rotation: Option<i64>,
    /// How often it was rotated, and when last.
    pub(crate) rotated: (i64, i64),
    /// The oldest first; never empty.
    pub(crate) versions: Vec<Version>,
}

impl Key {
    pub(crate) fn current(&self) -> &Version {
        self.versions.last().expect("a key has a version")
    }

    pub(crate) fn version(&self, id: &str) -> Result<&Version> {
        self.versions.iter().find(|version| version.id == id).ok_or(Failure::KeyNotFound)
    }

    /// Whether it may do anything.
    pub(crate) fn usable(&self) -> Result<()> {
        match self.state {
            State::Enabled => Ok(()),
            State::Disabled => Err(Failure::Disabled),
            State::PendingDeletion => Err(Failure::PendingDeletion),
            State::PendingImport => Err(Failure::PendingImport),
            State::Archived => Err(Failure::Archived),
            State::Destroyed => Err(Failure::KeyNotFound),
        }
    }

    /// Whether it both signs and decrypts.
    pub(crate) fn dual(&self) -> bool {
        self.current().engine.starts_with(DUAL)
    }

    pub(crate) fn symmetric(&self) -> bool {
        self.engine_spec == KeySpec::SymmetricDefault
    }
}

/// Everything that a service holds.
pub(crate) struct World {
    pub(crate) backend: Backend,
    /// In the order of their creation.
    pub(crate) keys: Vec<Key>,
    pub(crate) secrets: Vec<Secret>,
    imports: Vec<Import>,
    /// The digest of what was imported first for a key.
    materials: BTreeMap<String, [u8; 32]>,
}

impl World {
    pub(crate) fn new() -> Self {
        World {
            backend: Backend::new(),
            keys: Vec::new(),
            secrets: Vec::new(),
            imports: Vec::new(),
            materials: BTreeMap::new(),
        }
    }

    /// A key by its id.
    pub(crate) fn key(&self, id: &str) -> Result<&Key> {
        self.keys.iter().find(|key| key.id == id).ok_or(Failure::KeyNotFound)
    }

    pub(crate) fn key_mut(&mut self, id: &str) -> Result<&mut Key> {
        self.keys.iter_mut().find(|key| key.id == id).ok_or(Failure::KeyNotFound)
    }

    /// A key by its id that may be used.
    pub(crate) fn usable(&self, id: &str) -> Result<&Key> {
        let key = self.key(id)?;
        key.usable()?;
        Ok(key)
    }

    /// Makes a key with a first version; what is not said here is to be filled in.
    pub(crate) fn create_key(
        &mut self,
        id: String,
        version: String,
        spec: (KeySpec, KeyUsage),
        now: i64,
    ) -> Result<&mut Key> {
        let engine = self.backend.create(spec.0, spec.1)?;
        Ok(self.add_key(id, version, spec, engine, now))
    }

    /// Makes a key of RSA that both signs and decrypts.
    pub(crate) fn create_dual_key(
        &mut self,
        id: String,
        version: String,
        spec: KeySpec,
        now: i64,
    ) -> Result<&mut Key> {
        let engine = self.backend.create_dual(spec)?;
        Ok(self.add_key(id, version, (spec, KeyUsage::SignVerify), engine, now))
    }

    /// Adds a key over a key of the engine.
    pub(crate) fn add_key(
        &mut self,
        id: String,
        version: String,
        spec: (KeySpec, KeyUsage),
        engine: String,
        now: i64,
    ) -> &mut Key {
        let version = Version { id: version, engine, created: now, state: State::Enabled };
        self.keys.push(Key {
            id,
            aliases: Vec::new(),
            description: String::new(),
            spec: String::new(),
            usage: String::new(),
            engine_spec: spec.0,
            engine_usage: spec.1,
            external: false,
            created: now,
            state: State::Enabled,
            deletion: None,
            rotation: None,
            rotated: (0, 0),
            versions: vec![version],
        });
        self.keys.last_mut().expect("it was just added")
    }

    /// Adds a version with new material, and makes it the current one.
    pub(crate) fn add_version(&mut self, id: &str, version: String, now: i64) -> Result<()> {
        let key = self.key(id)?;
        let engine = if key.dual() {
            self.backend.create_dual(key.engine_spec)?
        } else {
            self.backend.create(key.engine_spec, key.engine_usage)?
        };
        let version = Version { id: version, engine, created: now, state: State::Enabled };
        let key = self.key_mut(id)?;
        key.versions.push(version);
        key.rotated = (key.rotated.0 + 1, now);
        Ok(())
    }

    /// Enables or disables a key with all its versions, in the engine too.
    pub(crate) fn enable(&mut self, id: &str, enabled: bool) -> Result<()> {
        let key = self.key(id)?;
        match key.state {
            State::Enabled | State::Disabled => {}
            _ => key.usable()?,
        }
        for version in &key.versions {
            self.backend.enable(&version.engine, enabled)?;
        }
        self.key_mut(id)?.state = if enabled { State::Enabled } else { State::Disabled };
        Ok(())
    }

    /// Lets a key end at a time.
    pub(crate) fn schedule_deletion(&mut self, id: &str, at: i64) -> Result<()> {
        let key = self.key(id)?;
        if key.state == State::PendingDeletion {
            return Err(Failure::PendingDeletion);
        }
        for version in &key.versions {
            self.backend.schedule_deletion(&version.engine)?;
        }
        let key = self.key_mut(id)?;
        key.state = State::PendingDeletion;
        key.deletion = Some(at);
        Ok(())
    }

    /// Keeps a key that was to end; it is disabled, or enabled at once where the vendor does that.
    pub(crate) fn cancel_deletion(&mut self, id: &str, enabled: bool) -> Result<()> {
        let key = self.key(id)?;
        if key.state != State::PendingDeletion {
            return Err(Failure::State("the key is not pending deletion"));
        }
        for version in &key.versions {
            self.backend.cancel_deletion(&version.engine)?;
            if enabled {
                self.backend.enable(&version.engine, true)?;
            }
        }
        let key = self.key_mut(id)?;
        key.state = if enabled { State::Enabled } else { State::Disabled };
        key.deletion = None;
        Ok(())
    }

    pub(crate) fn secret(&self, name: &str) -> Result<&Secret> {
        self.secrets.iter().find(|secret| secret.name == name).ok_or(Failure::SecretNotFound)
    }

    pub(crate) fn secret_mut(&mut self, name: &str) -> Result<&mut Secret> {
        self.secrets.iter_mut().find(|secret| secret.name == name).ok_or(Failure::SecretNotFound)
    }
}

/// What may be imported for a key, and how it is wrapped.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) token: Vec<u8>,
    key: String,
    /// The engine's key that unwraps it.
    wrapping: String,
    algorithm: EncryptionAlgorithm,
}

impl World {
    /// A public key to wrap material with, as SubjectPublicKeyInfo in DER, and the token of it.
    pub(crate) fn import_parameters(
        &mut self,
        key: &str,
        algorithm: &str,
    ) -> Result<(Vec<u8>, Vec<u8>)> {
        if !self.key(key)?.external {
            return Err(Failure::Unsupported("the key is not external"));
        }
        let algorithm = oaep(algorithm)?;
        let wrapping = self.backend.create(KeySpec::Rsa2048, KeyUsage::EncryptDecrypt)?;
        let public = self.backend.public_key(&wrapping)?;
        let token = self.backend.random(64)?;
        let import = Import { token: token.clone(), key: key.to_owned(), wrapping, algorithm };
        self.imports.push(import);
        Ok((public, token))
    }

    /// Takes material, which must be the same each time. The engine keeps its own material: a
    /// ciphertext of the key is opened by this service only, as everywhere.
    pub(crate) fn import(&mut self, key: &str, token: &[u8], wrapped: &[u8]) -> Result<()> {
        let found = self.imports.iter().find(|import| import.token == token && import.key == key);
        let import = found.ok_or(Failure::Invalid("the import token is not of this key"))?.clone();
        let material = self
            .backend
            .rsa_decrypt(&import.wrapping, import.algorithm, wrapped)
            .map_err(|_| Failure::Invalid("the material is not wrapped as agreed"))?;
        if material.len() != 32 {
            return Err(Failure::Invalid("the material has another length than 32 bytes"));
        }
        let digest = encoding::sha256(&material);
        let known = self.materials.entry(key.to_owned()).or_insert(digest);
        if *known != digest {
            return Err(Failure::Exists("the material is not the one that was there before"));
        }
        self.key_mut(key)?.state = State::Enabled;
        Ok(())
    }

    /// Takes imported material away.
    pub(crate) fn delete_material(&mut self, key: &str) -> Result<()> {
        let key = self.key_mut(key)?;
        if !key.external {
            return Err(Failure::Unsupported("the key is not external"));
        }
        key.state = State::PendingImport;
        Ok(())
    }
}

/// The engine's algorithm for a name that several vendors use.
pub(crate) fn oaep(algorithm: &str) -> Result<EncryptionAlgorithm> {
    match algorithm {
        "RSAES_OAEP_SHA_1" => Ok(EncryptionAlgorithm::RsaesOaepSha1),
        "RSAES_OAEP_SHA_256" => Ok(EncryptionAlgorithm::RsaesOaepSha256),
        _ => Err(Failure::Unsupported("only RSA-OAEP is emulated")),
    }
}

/// Encrypts to a public key that the caller gave, in PEM or DER.
pub(crate) fn seal_to(public: &[u8], algorithm: &str, plaintext: &[u8]) -> Result<Vec<u8>> {
    let wrong = |_| Failure::Invalid("not an RSA public key");
    let key = match std::str::from_utf8(public) {
        Ok(pem) if pem.contains("-----BEGIN") => PublicKey::from_spki_pem(pem),
        _ => PublicKey::from_spki_der(public),
    };
    let hash = match oaep(algorithm)? {
        EncryptionAlgorithm::RsaesOaepSha1 => OaepHash::Sha1,
        _ => OaepHash::Sha256,
    };
    oaep_encrypt(&key.map_err(wrong)?, hash, plaintext, &SystemRng).map_err(wrong)
}

/// A ciphertext that names its key and the version of it.
pub(crate) fn frame(magic: &[u8], key: &str, version: &str, sealed: &[u8]) -> Vec<u8> {
    let mut blob = magic.to_vec();
    for name in [key, version] {
        blob.push(u8::try_from(name.len()).expect("ids are short"));
        blob.extend(name.as_bytes());
    }
    blob.extend(sealed);
    blob
}

/// The key, the version and the engine's part of what [`frame`] made.
pub(crate) fn unframe(magic: &[u8], blob: &[u8]) -> Result<(String, String, Vec<u8>)> {
    let name = |rest: &mut &[u8]| {
        let (length, after) = rest.split_first()?;
        let (name, after) = after.split_at_checked(usize::from(*length))?;
        *rest = after;
        String::from_utf8(name.to_vec()).ok()
    };
    let mut rest = blob.strip_prefix(magic).ok_or(Failure::Ciphertext)?;
    let key = name(&mut rest).ok_or(Failure::Ciphertext)?;
    let version = name(&mut rest).ok_or(Failure::Ciphertext)?;
    Ok((key, version, rest.to_vec()))
}
