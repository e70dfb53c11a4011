//! Encryption, decryption, data keys, randomness.

use keyfold::EncryptionContext;
use keyfold::crypto::rsa::{OaepHash, oaep_decrypt, oaep_encrypt};
use zeroize::Zeroizing;

use super::authorize::Ask;
use super::cache::Secret;
use super::resolve::Names;
use super::{Call, Operation};
use crate::blob::{self, BlobKey};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::damaged;
use crate::rows::{self, GrantRow, KeyRow, TombstoneRow, VersionRow, version_key};
use crate::types::{
    Blob, DataKeySpec, DecryptRequest, DecryptResponse, DryRunModifier, EncryptRequest,
    EncryptResponse, EncryptionAlgorithm, GenerateDataKeyRequest, GenerateDataKeyResponse,
    GenerateDataKeyWithoutPlaintextRequest, GenerateDataKeyWithoutPlaintextResponse,
    GenerateRandomRequest, GenerateRandomResponse, GrantOperation, KeySpec, KeyUsage,
    ReEncryptRequest, ReEncryptResponse, Sensitive, check,
};

/// The longest plaintext of Encrypt, in bytes.
const MAX_PLAINTEXT: usize = 4096;

fn check_context(context: &EncryptionContext) -> Result<()> {
    context.to_canonical().map(drop).map_err(|_| {
        KmsError::validation("encryptionContext", "Member must have at most 8192 bytes encoded")
    })
}

/// The OAEP hash of an RSA algorithm; `None` for the symmetric one.
fn oaep(algorithm: EncryptionAlgorithm) -> Option<OaepHash> {
    match algorithm {
        EncryptionAlgorithm::SymmetricDefault => None,
        EncryptionAlgorithm::RsaesOaepSha1 => Some(OaepHash::Sha1),
        EncryptionAlgorithm::RsaesOaepSha256 => Some(OaepHash::Sha256),
    }
}

/// The answer to a dry run that would have succeeded.
pub(crate) fn dry_run_passed() -> KmsError {
    KmsError::new(
        KmsErrorCode::DryRun,
        "The request would have succeeded, but the DryRun option is set.",
    )
}

impl GrantRow {
    /// Whether the grant's constraints hold for an encryption context.
    pub(crate) fn allows_context(&self, context: &EncryptionContext) -> bool {
        context.contains(&self.context_subset)
            && self.context_equals.as_ref().is_none_or(|equals| equals == context)
    }
}

impl Call<'_> {
    fn require_encrypts(&self, key: &KeyRow, algorithm: EncryptionAlgorithm) -> Result<()> {
        if key.usage == KeyUsage::EncryptDecrypt
            && key.spec.encryption_algorithms().contains(&algorithm)
        {
            return Ok(());
        }
        let message = format!(
            "{} key usage is {} and its spec {}, which is not valid for {algorithm}.",
            self.realm().key(key.id),
            key.usage,
            key.spec
        );
        Err(KmsError::new(KmsErrorCode::InvalidKeyUsage, message))
    }

    /// Refuses what the key would refuse, before anything is encrypted.
    fn check_encryptable(
        key: &KeyRow,
        algorithm: EncryptionAlgorithm,
        context: &EncryptionContext,
        len: usize,
    ) -> Result<()> {
        let Some(hash) = oaep(algorithm) else { return Ok(()) };
        if !context.is_empty() {
            return Err(KmsError::validation(
                "encryptionContext",
                "Member must be empty for an asymmetric key",
            ));
        }
        let max = super::material::pair_spec(key.spec).and_then(|spec| hash.max_plaintext(spec));
        if max.is_none_or(|max| len > max) {
            let max = max.unwrap_or(0);
            return Err(KmsError::validation(
                "plaintext",
                &format!("Member must have length less than or equal to {max} for this key"),
            ));
        }
        Ok(())
    }

    /// Encrypts under the current version of a key that was authorised and is of this kind.
    /// Answers the ciphertext and, for a symmetric key, the material's id.
    pub(crate) fn encrypt_under(
        &mut self,
        key: &KeyRow,
        algorithm: EncryptionAlgorithm,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<(Vec<u8>, Option<String>)> {
        let material = self.current_material(key)?;
        match (&material.secret, oaep(algorithm)) {
            (Secret::Symmetric(secret), None) => {
                let blob_key = BlobKey {
                    key_id: key.id,
                    version: key.version,
                    material_tag: material_tag(&key.material_id)?,
                };
                let context = context.to_canonical()?;
                let sealed = blob::seal(secret, &blob_key, &context, plaintext, self.rng())?;
                Ok((sealed, Some(key.material_id.clone())))
            }
            (Secret::Pair(pair), Some(hash)) => {
                Ok((oaep_encrypt(pair.public_key(), hash, plaintext, self.rng())?, None))
            }
            _ => Err(damaged("a version of key material")),
        }
    }

    /// Decrypts under the version that the ciphertext names; the key was authorised and is of
    /// this kind. Answers the plaintext and, for a symmetric key, the material's id.
    ///
    /// # Errors
    /// `InvalidCiphertextException`, one text for every cause.
    pub(crate) fn decrypt_under(
        &mut self,
        key: &KeyRow,
        algorithm: EncryptionAlgorithm,
        context: &EncryptionContext,
        ciphertext: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, Option<String>)> {
        let Some(hash) = oaep(algorithm) else {
            return self.open_blob(key, context, ciphertext);
        };
        if !context.is_empty() {
            return Err(KmsError::invalid_ciphertext());
        }
        let material = self.current_material(key)?;
        let Secret::Pair(pair) = &material.secret else {
            return Err(damaged("a version of key material"));
        };
        let plain = oaep_decrypt(pair, hash, ciphertext, self.rng())
            .map_err(|_| KmsError::invalid_ciphertext())?;
        Ok((Zeroizing::new(plain.expose().to_vec()), None))
    }

    fn open_blob(
        &mut self,
        key: &KeyRow,
        context: &EncryptionContext,
        ciphertext: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, Option<String>)> {
        let invalid = KmsError::invalid_ciphertext;
        let parsed = blob::parse(ciphertext).ok_or_else(invalid)?;
        let version = parsed.key.version;
        let material_id = if version == key.version {
            key.material_id.clone()
        } else {
            let row = self.txn.kept::<VersionRow>(&version_key(key.id, version))?;
            row.ok_or_else(invalid)?.material_id.clone()
        };
        if parsed.key.key_id != key.id || parsed.key.material_tag != material_tag(&material_id)? {
            return Err(invalid());
        }
        let material = self.material(key, version, &material_id)?;
        let Secret::Symmetric(secret) = &material.secret else {
            return Err(damaged("a version of key material"));
        };
        let plain = blob::open(secret, &parsed, &context.to_canonical()?)?;
        Ok((plain, Some(material_id)))
    }

    /// The key that a ciphertext is under, authorised, enabled and of the right kind. Whoever
    /// may not use the key learns nothing of whether it exists.
    fn source_key(&mut self, source: &Source<'_>) -> Result<KeyRow> {
        let action = source.action;
        let parsed = source.ciphertext.and_then(|blob| blob::parse(&blob.0));
        let found = match source.key_id {
            Some(name) => self.find_key(name, Names::KeysAndAliases)?,
            None => match &parsed {
                Some(parsed) => self.load_key(parsed.key.key_id)?,
                None => return Err(KmsError::invalid_ciphertext()),
            },
        };
        let Some(key) = found else {
            self.authorize_account(action)?;
            let deleted = match &parsed {
                Some(parsed) if source.key_id.is_none() => {
                    let id = parsed.key.key_id;
                    rows::get::<TombstoneRow>(&mut self.txn, id.as_bytes())?.map(|_| id.to_string())
                }
                _ => None,
            };
            return Err(match (source.key_id, deleted) {
                (Some(name), _) => self.absent(name),
                (None, Some(id)) => self.absent(&id),
                // Somebody else's ciphertext, or an altered one.
                (None, None) => self.denied(action),
            });
        };
        let fits = |grant: &GrantRow| grant.allows_context(source.context);
        let mut ask = Ask::grant(action, source.grant, &fits)
            .with_context(source.context)
            .with("kms:EncryptionAlgorithm", source.algorithm.as_str());
        if let Some(same) = source.on_same_key(key.id) {
            ask = ask.with("kms:ReEncryptOnSameKey", same);
        }
        self.authorize(&key, &ask)?;
        self.require_enabled(&key)?;
        self.require_encrypts(&key, source.algorithm)?;
        if let Some(parsed) = parsed
            && source.algorithm == EncryptionAlgorithm::SymmetricDefault
            && parsed.key.key_id != key.id
        {
            return Err(KmsError::new(
                KmsErrorCode::IncorrectKey,
                "The key ID in the request does not identify a CMK that can perform this \
                 operation.",
            ));
        }
        Ok(key)
    }
}

/// What a ciphertext to decrypt comes with.
struct Source<'a> {
    action: &'static str,
    grant: GrantOperation,
    ciphertext: Option<&'a Blob>,
    key_id: Option<&'a str>,
    algorithm: EncryptionAlgorithm,
    context: &'a EncryptionContext,
    /// The key to encrypt under again, for ReEncrypt.
    destination: Option<uuid::Uuid>,
}

impl Source<'_> {
    fn on_same_key(&self, source: uuid::Uuid) -> Option<&'static str> {
        self.destination.map(|id| if id == source { "true" } else { "false" })
    }
}

/// The first eight bytes of a material id.
fn material_tag(material_id: &str) -> Result<[u8; 8]> {
    let digits = material_id.get(..16).ok_or_else(|| damaged("a material id"))?;
    u64::from_str_radix(digits, 16).map(u64::to_be_bytes).map_err(|_| damaged("a material id"))
}

/// Checks what Decrypt and ReEncrypt share.
fn validate_source(
    ciphertext: Option<&Blob>,
    key: (&str, Option<&str>),
    algorithm: Option<EncryptionAlgorithm>,
    dry_run: Option<bool>,
    modifiers: &[DryRunModifier],
) -> Result<()> {
    let (member, key_id) = key;
    if let Some(key_id) = key_id {
        check::key_id(member, key_id)?;
    } else if algorithm.and_then(oaep).is_some() {
        return Err(KmsError::validation(member, "Member must not be null for an RSA algorithm"));
    }
    if !modifiers.is_empty() && dry_run != Some(true) {
        return Err(KmsError::validation("dryRunModifiers", "Member needs dryRun"));
    }
    match ciphertext {
        Some(blob) => check::bytes("ciphertextBlob", &blob.0, 1..=blob::MAX_LEN),
        None if modifiers.is_empty() || key_id.is_none() => {
            Err(KmsError::validation("ciphertextBlob", "Member must not be null"))
        }
        None => Ok(()),
    }
}

impl Operation for EncryptRequest {
    type Response = EncryptResponse;
    const NAME: &'static str = "Encrypt";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        check::bytes("plaintext", self.plaintext.expose(), 1..=MAX_PLAINTEXT)?;
        check_context(&self.encryption_context)?;
        check::grant_tokens(&self.grant_tokens)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<EncryptResponse> {
        let algorithm = self.encryption_algorithm.unwrap_or(EncryptionAlgorithm::SymmetricDefault);
        let context = &self.encryption_context;
        call.note(algorithm.as_str(), self.dry_run);
        call.trail.context(&call.engine.keys, context);
        call.trail.bytes_in = Some(self.plaintext.len() as u64);
        call.check_grant_tokens(&self.grant_tokens)?;
        let key = call.key(&self.key_id, Names::KeysAndAliases)?;
        let fits = |grant: &GrantRow| grant.allows_context(context);
        let ask = Ask::grant("kms:Encrypt", GrantOperation::Encrypt, &fits)
            .with_context(context)
            .with("kms:EncryptionAlgorithm", algorithm.as_str());
        call.authorize(&key, &ask)?;
        call.require_enabled(&key)?;
        call.require_encrypts(&key, algorithm)?;
        Call::check_encryptable(&key, algorithm, context, self.plaintext.len())?;
        if self.dry_run == Some(true) {
            return Err(dry_run_passed());
        }
        let plaintext = self.plaintext.expose();
        let (ciphertext, _) = call.encrypt_under(&key, algorithm, context, plaintext)?;
        call.trail.bytes_out = Some(ciphertext.len() as u64);
        Ok(EncryptResponse {
            ciphertext_blob: Blob(ciphertext),
            key_id: call.realm().key(key.id),
            encryption_algorithm: algorithm,
        })
    }
}

impl Operation for DecryptRequest {
    type Response = DecryptResponse;
    const NAME: &'static str = "Decrypt";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        validate_source(
            self.ciphertext_blob.as_ref(),
            ("keyId", self.key_id.as_deref()),
            self.encryption_algorithm,
            self.dry_run,
            &self.dry_run_modifiers,
        )?;
        check_context(&self.encryption_context)?;
        check::grant_tokens(&self.grant_tokens)?;
        refuse_recipient(self.recipient.as_ref())
    }

    fn run(&self, call: &mut Call<'_>) -> Result<DecryptResponse> {
        let algorithm = self.encryption_algorithm.unwrap_or(EncryptionAlgorithm::SymmetricDefault);
        call.note(algorithm.as_str(), self.dry_run);
        call.trail.context(&call.engine.keys, &self.encryption_context);
        call.trail.bytes_in = self.ciphertext_blob.as_ref().map(|blob| blob.0.len() as u64);
        call.check_grant_tokens(&self.grant_tokens)?;
        let key = call.source_key(&Source {
            action: "kms:Decrypt",
            grant: GrantOperation::Decrypt,
            ciphertext: self.ciphertext_blob.as_ref(),
            key_id: self.key_id.as_deref(),
            algorithm,
            context: &self.encryption_context,
            destination: None,
        })?;
        let Some(ciphertext) = ciphertext(self.ciphertext_blob.as_ref(), &self.dry_run_modifiers)
        else {
            return Err(dry_run_passed());
        };
        let (plain, key_material_id) =
            call.decrypt_under(&key, algorithm, &self.encryption_context, ciphertext)?;
        if self.dry_run == Some(true) {
            return Err(dry_run_passed());
        }
        call.trail.bytes_out = Some(plain.len() as u64);
        Ok(DecryptResponse {
            plaintext: Sensitive::from(plain),
            key_id: call.realm().key(key.id),
            encryption_algorithm: algorithm,
            key_material_id,
        })
    }
}

/// The ciphertext to decrypt, unless a dry run leaves it out.
fn ciphertext<'a>(blob: Option<&'a Blob>, modifiers: &[DryRunModifier]) -> Option<&'a [u8]> {
    blob.filter(|_| !modifiers.contains(&DryRunModifier::IgnoreCiphertext))
        .map(|blob| blob.0.as_slice())
}

impl Operation for ReEncryptRequest {
    type Response = ReEncryptResponse;
    const NAME: &'static str = "ReEncrypt";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        validate_source(
            self.ciphertext_blob.as_ref(),
            ("sourceKeyId", self.source_key_id.as_deref()),
            self.source_encryption_algorithm,
            self.dry_run,
            &self.dry_run_modifiers,
        )?;
        check::key_id("destinationKeyId", &self.destination_key_id)?;
        check_context(&self.source_encryption_context)?;
        check_context(&self.destination_encryption_context)?;
        check::grant_tokens(&self.grant_tokens)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<ReEncryptResponse> {
        const SYMMETRIC: EncryptionAlgorithm = EncryptionAlgorithm::SymmetricDefault;
        let from = self.source_encryption_algorithm.unwrap_or(SYMMETRIC);
        let to = self.destination_encryption_algorithm.unwrap_or(SYMMETRIC);
        let context = &self.destination_encryption_context;
        call.note(to.as_str(), self.dry_run);
        call.trail.context(&call.engine.keys, context);
        call.check_grant_tokens(&self.grant_tokens)?;
        let destination = call.find_key(&self.destination_key_id, Names::KeysAndAliases)?;
        let source = call.source_key(&Source {
            action: "kms:ReEncryptFrom",
            grant: GrantOperation::ReEncryptFrom,
            ciphertext: self.ciphertext_blob.as_ref(),
            key_id: self.source_key_id.as_deref(),
            algorithm: from,
            context: &self.source_encryption_context,
            destination: Some(destination.as_ref().map_or(uuid::Uuid::nil(), |key| key.id)),
        })?;
        let Some(destination) = destination else {
            call.authorize_account("kms:ReEncryptTo")?;
            return Err(call.absent(&self.destination_key_id));
        };
        let fits = |grant: &GrantRow| grant.allows_context(context);
        let same = if source.id == destination.id { "true" } else { "false" };
        let ask = Ask::grant("kms:ReEncryptTo", GrantOperation::ReEncryptTo, &fits)
            .with_context(context)
            .with("kms:EncryptionAlgorithm", to.as_str())
            .with("kms:ReEncryptOnSameKey", same);
        call.authorize(&destination, &ask)?;
        call.require_enabled(&destination)?;
        call.require_encrypts(&destination, to)?;
        let Some(ciphertext) = ciphertext(self.ciphertext_blob.as_ref(), &self.dry_run_modifiers)
        else {
            return Err(dry_run_passed());
        };
        let (plain, source_key_material_id) =
            call.decrypt_under(&source, from, &self.source_encryption_context, ciphertext)?;
        Call::check_encryptable(&destination, to, context, plain.len())?;
        if self.dry_run == Some(true) {
            return Err(dry_run_passed());
        }
        let (sealed, destination_key_material_id) =
            call.encrypt_under(&destination, to, context, &plain)?;
        Ok(ReEncryptResponse {
            ciphertext_blob: Blob(sealed),
            source_key_id: call.realm().key(source.id),
            key_id: call.realm().key(destination.id),
            source_encryption_algorithm: from,
            destination_encryption_algorithm: to,
            source_key_material_id,
            destination_key_material_id,
        })
    }
}

/// What both forms of GenerateDataKey ask for.
struct DataKeyAsk<'a> {
    action: &'static str,
    grant: GrantOperation,
    key_id: &'a str,
    context: &'a EncryptionContext,
    number_of_bytes: Option<u32>,
    key_spec: Option<DataKeySpec>,
    grant_tokens: &'a [String],
    dry_run: Option<bool>,
}

/// What both forms of GenerateDataKey answer.
struct DataKeyMade {
    plain: Zeroizing<Vec<u8>>,
    ciphertext_blob: Blob,
    key_id: String,
    key_material_id: String,
}

impl DataKeyAsk<'_> {
    fn validate(&self) -> Result<()> {
        check::key_id("keyId", self.key_id)?;
        check_context(self.context)?;
        check::grant_tokens(self.grant_tokens)?;
        match (self.number_of_bytes, self.key_spec) {
            (Some(bytes), None) => check::number("numberOfBytes", bytes, 1..=1024),
            (None, Some(_)) => Ok(()),
            _ => Err(KmsError::new(
                KmsErrorCode::Validation,
                "Please specify either number of bytes or key spec.",
            )),
        }
    }

    fn run(&self, call: &mut Call<'_>) -> Result<DataKeyMade> {
        const ALGORITHM: EncryptionAlgorithm = EncryptionAlgorithm::SymmetricDefault;
        call.note(ALGORITHM.as_str(), self.dry_run);
        call.trail.context(&call.engine.keys, self.context);
        call.check_grant_tokens(self.grant_tokens)?;
        let key = call.key(self.key_id, Names::KeysAndAliases)?;
        let fits = |grant: &GrantRow| grant.allows_context(self.context);
        let ask = Ask::grant(self.action, self.grant, &fits)
            .with_context(self.context)
            .with("kms:EncryptionAlgorithm", ALGORITHM.as_str());
        call.authorize(&key, &ask)?;
        call.require_enabled(&key)?;
        if key.spec != KeySpec::SymmetricDefault {
            call.require_encrypts(&key, ALGORITHM)?;
        }
        if self.dry_run == Some(true) {
            return Err(dry_run_passed());
        }
        let len = match self.key_spec {
            Some(DataKeySpec::Aes128) => 16,
            Some(DataKeySpec::Aes256) => 32,
            None => self.number_of_bytes.unwrap_or(0) as usize,
        };
        let mut plain = Zeroizing::new(vec![0; len]);
        call.rng().fill(&mut plain)?;
        let (sealed, material_id) = call.encrypt_under(&key, ALGORITHM, self.context, &plain)?;
        call.trail.bytes_out = Some(len as u64);
        Ok(DataKeyMade {
            plain,
            ciphertext_blob: Blob(sealed),
            key_id: call.realm().key(key.id),
            key_material_id: material_id.unwrap_or_default(),
        })
    }
}

impl GenerateDataKeyRequest {
    fn ask(&self) -> DataKeyAsk<'_> {
        DataKeyAsk {
            action: "kms:GenerateDataKey",
            grant: GrantOperation::GenerateDataKey,
            key_id: &self.key_id,
            context: &self.encryption_context,
            number_of_bytes: self.number_of_bytes,
            key_spec: self.key_spec,
            grant_tokens: &self.grant_tokens,
            dry_run: self.dry_run,
        }
    }
}

impl Operation for GenerateDataKeyRequest {
    type Response = GenerateDataKeyResponse;
    const NAME: &'static str = "GenerateDataKey";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        self.ask().validate()?;
        refuse_recipient(self.recipient.as_ref())
    }

    fn run(&self, call: &mut Call<'_>) -> Result<GenerateDataKeyResponse> {
        let DataKeyMade { plain, ciphertext_blob, key_id, key_material_id } =
            self.ask().run(call)?;
        let plaintext = Sensitive::from(plain);
        Ok(GenerateDataKeyResponse { ciphertext_blob, plaintext, key_id, key_material_id })
    }
}

impl GenerateDataKeyWithoutPlaintextRequest {
    fn ask(&self) -> DataKeyAsk<'_> {
        DataKeyAsk {
            action: "kms:GenerateDataKeyWithoutPlaintext",
            grant: GrantOperation::GenerateDataKeyWithoutPlaintext,
            key_id: &self.key_id,
            context: &self.encryption_context,
            number_of_bytes: self.number_of_bytes,
            key_spec: self.key_spec,
            grant_tokens: &self.grant_tokens,
            dry_run: self.dry_run,
        }
    }
}

impl Operation for GenerateDataKeyWithoutPlaintextRequest {
    type Response = GenerateDataKeyWithoutPlaintextResponse;
    const NAME: &'static str = "GenerateDataKeyWithoutPlaintext";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        self.ask().validate()
    }

    fn run(&self, call: &mut Call<'_>) -> Result<GenerateDataKeyWithoutPlaintextResponse> {
        let DataKeyMade { ciphertext_blob, key_id, key_material_id, .. } = self.ask().run(call)?;
        Ok(GenerateDataKeyWithoutPlaintextResponse { ciphertext_blob, key_id, key_material_id })
    }
}

impl Operation for GenerateRandomRequest {
    type Response = GenerateRandomResponse;
    const NAME: &'static str = "GenerateRandom";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        check::number("numberOfBytes", self.number_of_bytes.unwrap_or(0), 1..=1024)?;
        if self.custom_key_store_id.is_some() {
            return Err(KmsError::unsupported("custom key stores are not offered"));
        }
        refuse_recipient(self.recipient.as_ref())
    }

    fn run(&self, call: &mut Call<'_>) -> Result<GenerateRandomResponse> {
        call.authorize_account("kms:GenerateRandom")?;
        let mut bytes = Zeroizing::new(vec![0; self.number_of_bytes.unwrap_or(0) as usize]);
        call.rng().fill(&mut bytes)?;
        call.trail.bytes_out = Some(bytes.len() as u64);
        Ok(GenerateRandomResponse { plaintext: Sensitive::from(bytes) })
    }
}

/// Refuses an attested recipient: ignoring it would send plaintext to somebody who asked that
/// none be sent.
fn refuse_recipient(recipient: Option<&serde_json::Value>) -> Result<()> {
    if recipient.is_some() {
        return Err(KmsError::unsupported("attested recipients are not offered"));
    }
    Ok(())
}

impl Call<'_> {
    /// Notes algorithm and dry run for the audit record.
    pub(crate) fn note(&mut self, algorithm: &str, dry_run: Option<bool>) {
        self.trail.algorithm = Some(algorithm.to_owned());
        self.trail.dry_run = dry_run == Some(true);
    }
}
