//! Signatures over envelopes: what is signed, by what algorithm, and whom an opener accepts
//! (docs/spec/envelope.md, clause 7).

use crate::crypto::hash::{Sha256, Sha384, Sha512};
use crate::error::{Error, ErrorCode, Result};
use crate::keys::KeyUri;
use crate::kms::SignInput;
use crate::sign::{
    EncodedPublicKey, KeySpec, PublicKey, SignatureAlgorithm, SigningKey, ecdsa_der_to_raw,
    ecdsa_raw_to_der,
};

const LABEL: &[u8] = b"keyfold/envelope-signature/v1";

/// The id in the header, the key spec, the algorithm, the length of the signature in bytes.
const ALGORITHMS: [(u8, KeySpec, SignatureAlgorithm, usize); 6] = [
    (1, KeySpec::Ed25519, SignatureAlgorithm::Ed25519, 64),
    (2, KeySpec::EccNistP256, SignatureAlgorithm::EcdsaSha256, 64),
    (3, KeySpec::EccNistP384, SignatureAlgorithm::EcdsaSha384, 96),
    (4, KeySpec::Rsa2048, SignatureAlgorithm::RsaPssSha256, 256),
    (5, KeySpec::Rsa3072, SignatureAlgorithm::RsaPssSha256, 384),
    (6, KeySpec::Rsa4096, SignatureAlgorithm::RsaPssSha256, 512),
];

/// Which key a header says to have signed with, 1 to 2048 bytes: a hint for finding it, never a
/// reason to trust (clause 7.4.1).
///
/// ```
/// use keyfold::sign::KeySpec;
/// use keyfold::{EnvelopeSignature, SignerHint};
///
/// // A hint by name keeps the header short; whoever opens the envelope supplies the key.
/// let hint = SignerHint::Key("keyfold:alias/release".parse()?);
/// let signature = EnvelopeSignature::new(KeySpec::EccNistP256, hint.clone())?;
/// assert_eq!(signature.hint(), &hint);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerHint {
    /// The public key, as SubjectPublicKeyInfo in DER.
    Spki(Vec<u8>),
    /// The name of a key in a KMS.
    Key(KeyUri),
}

impl SignerHint {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            SignerHint::Spki(spki) => spki,
            SignerHint::Key(uri) => uri.as_str().as_bytes(),
        }
    }
}

/// How an envelope is signed: one of the six algorithms of clause 7.1, and the signer's hint.
///
/// ```
/// use keyfold::sign::{KeySpec, SignatureAlgorithm};
/// use keyfold::{EnvelopeSignature, SignerHint};
///
/// # let hint = SignerHint::Key("keyfold:alias/release".parse()?);
/// let signature = EnvelopeSignature::new(KeySpec::EccNistP384, hint.clone())?;
/// assert_eq!(signature.algorithm(), SignatureAlgorithm::EcdsaSha384);
/// assert_eq!((signature.algorithm_id(), signature.len()), (3, 96));
/// assert!(EnvelopeSignature::new(KeySpec::EccSecgP256k1, hint).is_err());
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeSignature {
    id: u8,
    hint: SignerHint,
}

impl EnvelopeSignature {
    /// A signature by a key of this spec, found by this hint.
    ///
    /// # Errors
    /// `invalid_argument` where envelopes cannot be signed with keys of this spec.
    pub fn new(spec: KeySpec, hint: SignerHint) -> Result<Self> {
        let (id, ..) = ALGORITHMS.iter().find(|(_, of, ..)| *of == spec).ok_or_else(|| {
            Error::invalid(format!("envelopes cannot be signed with {} keys", spec.as_str()))
        })?;
        Ok(EnvelopeSignature { id: *id, hint })
    }

    pub(super) fn check_id(id: u8) -> Result<u8> {
        if ALGORITHMS.iter().any(|(known, ..)| *known == id) {
            return Ok(id);
        }
        Err(Error::malformed("the signature algorithm is not known"))
    }

    pub(super) fn from_parts(id: u8, hint: &[u8]) -> Result<Self> {
        let hint = if hint.first() == Some(&0x30) {
            SignerHint::Spki(hint.to_vec())
        } else {
            SignerHint::Key(super::parse_uri(hint)?)
        };
        Ok(EnvelopeSignature { id, hint })
    }

    fn row(&self) -> (KeySpec, SignatureAlgorithm, usize) {
        let row = ALGORITHMS.iter().find(|(id, ..)| *id == self.id);
        let (_, spec, algorithm, len) = row.expect("the id was checked when this was made");
        (*spec, *algorithm, *len)
    }

    /// The number of the algorithm in the header, 1 to 6 (clause 7.1).
    pub fn algorithm_id(&self) -> u8 {
        self.id
    }

    /// The algorithm of the signature itself.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.row().1
    }

    /// The spec of the signing key.
    pub fn key_spec(&self) -> KeySpec {
        self.row().0
    }

    /// Length of the trailer in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a signature is never empty")]
    pub fn len(&self) -> usize {
        self.row().2
    }

    /// Which key the header says it was.
    pub fn hint(&self) -> &SignerHint {
        &self.hint
    }

    /// From what a KMS or a local key answers to the fixed-length form in a trailer.
    fn to_trailer(&self, signature: &[u8]) -> Result<Vec<u8>> {
        let (spec, algorithm, len) = self.row();
        let trailer = match algorithm {
            SignatureAlgorithm::EcdsaSha256 | SignatureAlgorithm::EcdsaSha384 => {
                ecdsa_der_to_raw(spec, signature)?
            }
            _ => signature.to_vec(),
        };
        if trailer.len() != len {
            let detail = "the signer answered a signature of another length";
            return Err(Error::new(ErrorCode::KmsProtocol, detail));
        }
        Ok(trailer)
    }

    fn verify(&self, key: &PublicKey, digest: &[u8], trailer: &[u8]) -> Result<()> {
        let (spec, algorithm, _) = self.row();
        match algorithm {
            SignatureAlgorithm::Ed25519 => key.verify(algorithm, digest, trailer),
            SignatureAlgorithm::EcdsaSha256 | SignatureAlgorithm::EcdsaSha384 => {
                key.verify_digest(algorithm, digest, &ecdsa_raw_to_der(spec, trailer)?)
            }
            _ => key.verify_digest(algorithm, digest, trailer),
        }
    }
}

/// Whose signature an opener accepts. An envelope that is not signed satisfies none of these
/// (clause 7.4).
///
/// ```
/// # use keyfold::{Client, Demands, EncryptionContext, ErrorCode};
/// # use keyfold::{Keyring, SealOptions, Signer, SignerPolicy, SystemRng};
/// # use keyfold::sign::{KeySpec, SigningKey};
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
/// # let context = EncryptionContext::from([("tenant", "acme")]);
/// # let key = SigningKey::generate(KeySpec::Ed25519, &SystemRng)?;
/// # let options = SealOptions { signer: Some(Signer::Local(&key)), ..SealOptions::default() };
/// # let sealed = kf.encrypt_with(b"hello", &ring, &context, &options).await?.attached();
///
/// # let stranger = SigningKey::generate(KeySpec::Ed25519, &SystemRng)?;
/// let trusted = SignerPolicy::OneOf(vec![key.public_key().clone()]);
/// let demands = Demands::new(&context).signed_by(trusted);
/// assert_eq!(kf.decrypt(&sealed, &ring, demands).await?, b"hello");
///
/// let others = SignerPolicy::OneOf(vec![stranger.public_key().clone()]);
/// let demands = Demands::new(&context).signed_by(others);
/// let refused = kf.decrypt(&sealed, &ring, demands).await.unwrap_err();
/// assert_eq!(refused.code(), ErrorCode::SignatureInvalid);
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub enum SignerPolicy {
    /// Any of these keys.
    OneOf(Vec<PublicKey>),
    /// As [`OneOf`](SignerPolicy::OneOf), with keys that a host verifies with.
    OneOfEncoded(Vec<EncodedPublicKey>),
    /// Whatever key stands in the header: proves that the envelope is as its signer made it,
    /// not who that was.
    Anyone,
}

impl SignerPolicy {
    fn names_nobody(&self) -> bool {
        match self {
            SignerPolicy::OneOf(keys) => keys.is_empty(),
            SignerPolicy::OneOfEncoded(keys) => keys.is_empty(),
            SignerPolicy::Anyone => false,
        }
    }

    /// What opening requires of this header, before any data is read.
    pub(crate) fn check(
        policy: Option<&Self>,
        signature: Option<&EnvelopeSignature>,
    ) -> Result<()> {
        match (policy, signature) {
            (None, Some(_)) => Err(Error::invalid(
                "the envelope is signed: name the signers to accept, or accept anyone",
            )),
            (Some(policy), _) if policy.names_nobody() => {
                Err(Error::invalid("the list of accepted signers is empty"))
            }
            (Some(_), None) => Err(signature_invalid("the envelope is not signed")),
            _ => Ok(()),
        }
    }

    /// The accepted keys that may have made this signature.
    fn candidates(&self, signature: &EnvelopeSignature) -> Result<Vec<EncodedPublicKey>> {
        let keys = match (self, signature.hint()) {
            (SignerPolicy::OneOf(keys), _) => keys.iter().map(PublicKey::to_encoded).collect(),
            (SignerPolicy::OneOfEncoded(keys), _) => keys.clone(),
            (SignerPolicy::Anyone, SignerHint::Spki(spki)) => {
                let in_header = EncodedPublicKey::from_spki_der(spki)
                    .map_err(|_| signature_invalid("the key in the header is not valid"))?;
                vec![in_header]
            }
            (SignerPolicy::Anyone, SignerHint::Key(_)) => {
                return Err(signature_invalid(
                    "the header names the signer by its KMS key: pass that key's public key",
                ));
            }
        };
        let spec = signature.key_spec();
        Ok(keys.into_iter().filter(|key| key.spec() == spec).collect())
    }

    fn verify(&self, signature: &EnvelopeSignature, digest: &[u8], trailer: &[u8]) -> Result<()> {
        let holds = |key: &PublicKey| signature.verify(key, digest, trailer).is_ok();
        let accepted = if let SignerPolicy::OneOf(keys) = self {
            let spec = signature.key_spec();
            keys.iter().any(|key| key.spec() == spec && holds(key))
        } else {
            let candidates = self.candidates(signature)?;
            candidates.iter().any(|key| key.parse().is_ok_and(|key| holds(&key)))
        };
        if accepted { Ok(()) } else { Err(not_accepted()) }
    }
}

fn not_accepted() -> Error {
    signature_invalid("the signature is by none of the accepted signers")
}

/// What a host verifies with its own means before an envelope counts as signed: whether one of
/// [`keys`](SignatureCheck::keys) has made the signature.
#[derive(Debug)]
#[must_use = "an envelope counts as signed when its signature is verified"]
pub struct SignatureCheck {
    keys: Vec<EncodedPublicKey>,
    algorithm: SignatureAlgorithm,
    input: SignInput,
    signature: Vec<u8>,
}

impl SignatureCheck {
    /// The accepted keys of the signature's kind; none where it cannot be by any of them.
    pub fn keys(&self) -> &[EncodedPublicKey] {
        &self.keys
    }

    /// The algorithm.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// What is signed: a digest, or for Ed25519 a message of 32 bytes.
    pub fn input(&self) -> &SignInput {
        &self.input
    }

    /// The signature; `r || s` for ECDSA.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// What to answer where none of the keys has made it.
    pub fn refused(&self) -> Error {
        not_accepted()
    }
}

fn signature_invalid(detail: &'static str) -> Error {
    Error::new(ErrorCode::SignatureInvalid, detail)
}

/// The hash that is signed, over segments as they pass (clause 7.3).
#[derive(Clone)]
pub(crate) struct SignatureHash {
    signature: EnvelopeSignature,
    state: State,
}

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha384(Sha384),
}

impl SignatureHash {
    /// Length of the signature that will follow, in bytes.
    pub(crate) fn trailer_len(&self) -> usize {
        self.signature.len()
    }

    pub(crate) fn new(signature: &EnvelopeSignature, stable: &[u8], prefix: &[u8]) -> Self {
        let state = match signature.key_spec() {
            KeySpec::EccNistP384 => State::Sha384(Sha384::default()),
            _ => State::Sha256(Sha256::default()),
        };
        let mut hash = SignatureHash { signature: signature.clone(), state };
        hash.update(LABEL);
        hash.update(&Sha512::digest(stable));
        hash.update(prefix);
        hash
    }

    fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha256(state) => state.update(bytes),
            State::Sha384(state) => state.update(bytes),
        }
    }

    /// Takes in the hash of the next segment, in order.
    pub(crate) fn segment(&mut self, digest: &[u8; Sha256::LEN]) {
        self.update(digest);
    }

    fn finish(self) -> (EnvelopeSignature, Vec<u8>) {
        let digest = match self.state {
            State::Sha256(state) => state.finish().to_vec(),
            State::Sha384(state) => state.finish().to_vec(),
        };
        (self.signature, digest)
    }

    pub(crate) fn into_pending(self) -> PendingSignature {
        let (signature, digest) = self.finish();
        PendingSignature { signature, digest }
    }

    /// What a host verifies in the place of [`verify`](Self::verify).
    pub(crate) fn into_check(
        self,
        policy: &SignerPolicy,
        trailer: &[u8],
    ) -> Result<SignatureCheck> {
        let (signature, digest) = self.finish();
        let (keys, algorithm) = (policy.candidates(&signature)?, signature.algorithm());
        let input = match algorithm {
            SignatureAlgorithm::Ed25519 => SignInput::Message(digest),
            _ => SignInput::Digest(digest),
        };
        Ok(SignatureCheck { keys, algorithm, input, signature: trailer.to_vec() })
    }

    pub(crate) fn verify(self, policy: &SignerPolicy, trailer: &[u8]) -> Result<()> {
        let (signature, digest) = self.finish();
        policy.verify(&signature, &digest, trailer)
    }
}

/// A sealed envelope that still lacks its trailer: sign it, and append what comes out (clauses 7.2
/// and 7.3). What is to be signed has no secret in it.
///
/// ```
/// # use keyfold::{Client, Demands, EncryptionContext, Keyring};
/// # use keyfold::{SealOptions, Signer, SignerPolicy, SystemRng};
/// # use keyfold::kms::SignInput;
/// # use keyfold::sign::{KeySpec, SigningKey};
/// # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
/// # pollster::block_on(async {
/// # let kms = EmbeddedKms::in_memory()?;
/// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
/// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
/// # let context = EncryptionContext::from([("tenant", "acme")]);
/// # let key = SigningKey::generate(KeySpec::EccNistP256, &SystemRng)?;
/// # let options = SealOptions { signer: Some(Signer::Local(&key)), ..SealOptions::default() };
/// # let mut sealer = kf.sealer(&ring, &context, &options).await?;
/// # let mut envelope = sealer.header().to_vec();
/// # sealer.update(b"hello", &mut envelope)?;
/// let pending = sealer.finish(&mut envelope)?.expect("the options name a signer");
/// let SignInput::Digest(digest) = pending.input() else { unreachable!("P-256 signs digests") };
/// let signature = key.sign_digest(pending.algorithm(), &digest)?; // or elsewhere
/// envelope.extend(pending.into_trailer(&signature)?);
///
/// let demands = Demands::new(&context).signed_by(SignerPolicy::Anyone);
/// assert_eq!(kf.decrypt(&envelope, &ring, demands).await?, b"hello");
/// # Ok::<(), keyfold::Error>(())
/// # }).unwrap();
/// ```
#[must_use = "a signed envelope does not open without its signature"]
#[derive(Debug)]
pub struct PendingSignature {
    signature: EnvelopeSignature,
    digest: Vec<u8>,
}

impl PendingSignature {
    /// The algorithm to sign with.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.signature.algorithm()
    }

    /// What to sign: a digest, or with Ed25519 a 32-byte message.
    pub fn input(&self) -> SignInput {
        match self.algorithm() {
            SignatureAlgorithm::Ed25519 => SignInput::Message(self.digest.clone()),
            _ => SignInput::Digest(self.digest.clone()),
        }
    }

    /// Turns the signer's answer (DER for ECDSA) into the trailer.
    ///
    /// # Errors
    /// `kms_protocol` where the signature is not of the algorithm's form and length.
    pub fn into_trailer(self, signature: &[u8]) -> Result<Vec<u8>> {
        self.signature.to_trailer(signature)
    }

    /// Signs with a local key and returns the trailer.
    ///
    /// # Errors
    /// `invalid_argument` where the key is not of the spec that the header names.
    pub fn sign(self, key: &SigningKey) -> Result<Vec<u8>> {
        if key.spec() != self.signature.key_spec() {
            return Err(Error::invalid("the header names another kind of signing key"));
        }
        let signature = match self.input() {
            SignInput::Message(message) => key.sign(self.algorithm(), &message)?,
            SignInput::Digest(digest) => key.sign_digest(self.algorithm(), &digest)?,
        };
        self.into_trailer(&signature)
    }
}
