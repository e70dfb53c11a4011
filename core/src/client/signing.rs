//! Signatures by keys of the KMS, verified offline.

use super::{Client, SealOptions, Signer};
use crate::envelope::{EnvelopeSignature, PendingSignature, SignerHint};
use crate::error::{Error, Result};
use crate::keys::KeyUri;
use crate::kms::{Kms, Request, Response, SignInput, unexpected_response};
use crate::sign::{MessageHasher, PublicKey, SignatureAlgorithm};

/// The longest message that a KMS hashes itself, in bytes.
const MAX_KMS_MESSAGE: usize = 4096;

impl<K: Kms> Client<K> {
    /// Signs a message with a key of the KMS: DER for ECDSA. A message above 4096 bytes is hashed
    /// here and its digest signed, which gives the same signature.
    ///
    /// # Errors
    /// The `kms_*` codes; `invalid_argument` for a message above 4096 bytes under Ed25519, which
    /// has no digest form.
    pub async fn sign(
        &self,
        key: &KeyUri,
        algorithm: SignatureAlgorithm,
        message: &[u8],
    ) -> Result<Vec<u8>> {
        let input = if message.len() <= MAX_KMS_MESSAGE && !message.is_empty() {
            SignInput::Message(message.to_vec())
        } else {
            let mut hasher = MessageHasher::new(algorithm)?;
            hasher.update(message);
            SignInput::Digest(hasher.finish())
        };
        self.sign_input(key, algorithm, input).await
    }

    /// Signs a message's digest, as [`MessageHasher`] makes it.
    ///
    /// # Errors
    /// The `kms_*` codes; `invalid_argument` where the digest is not of the algorithm's length.
    pub async fn sign_digest(
        &self,
        key: &KeyUri,
        algorithm: SignatureAlgorithm,
        digest: &[u8],
    ) -> Result<Vec<u8>> {
        self.sign_input(key, algorithm, SignInput::Digest(digest.to_vec())).await
    }

    async fn sign_input(
        &self,
        key: &KeyUri,
        algorithm: SignatureAlgorithm,
        input: SignInput,
    ) -> Result<Vec<u8>> {
        let request = Request::Sign { key: key.clone(), algorithm, input };
        match self.kms.call(&request).await? {
            Response::Signature(signature) => Ok(signature),
            _ => Err(unexpected_response()),
        }
    }

    /// The public key of an asymmetric KMS key: hand it to whoever verifies.
    ///
    /// # Errors
    /// The `kms_*` codes; `kms_protocol` where the KMS answers no valid key.
    pub async fn public_key(&self, key: &KeyUri) -> Result<PublicKey> {
        match self.kms.call(&Request::GetPublicKey { key: key.clone() }).await? {
            Response::PublicKey { spki, .. } => PublicKey::from_spki_der(&spki).map_err(|error| {
                Error::new(crate::ErrorCode::KmsProtocol, "the KMS answered no valid public key")
                    .with_source(error)
            }),
            _ => Err(unexpected_response()),
        }
    }

    /// Verifies a signature with the public key of a KMS key; the message stays here.
    ///
    /// # Errors
    /// `signature_invalid`, the `kms_*` codes.
    pub async fn verify(
        &self,
        key: &KeyUri,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        self.public_key(key).await?.verify(algorithm, message, signature)
    }

    pub(super) async fn envelope_signature(
        &self,
        signer: &Signer<'_>,
    ) -> Result<EnvelopeSignature> {
        let public_key = match signer {
            Signer::Local(key) => key.public_key().clone(),
            Signer::Kms(key) => self.public_key(key).await?,
        };
        EnvelopeSignature::new(public_key.spec(), SignerHint::Spki(public_key.to_spki_der()))
    }

    /// The trailer of a signed envelope, by the signer that its sealer was started with.
    ///
    /// # Errors
    /// The `kms_*` codes, `kms_protocol` where the signature has another form,
    /// `invalid_argument` where the signer has another kind of key than the header names.
    pub async fn sign_pending(
        &self,
        pending: PendingSignature,
        signer: &Signer<'_>,
    ) -> Result<Vec<u8>> {
        match signer {
            Signer::Local(key) => pending.sign(key),
            Signer::Kms(key) => {
                let signature = self.sign_input(key, pending.algorithm(), pending.input()).await?;
                pending.into_trailer(&signature)
            }
        }
    }

    /// Nothing for an unsigned envelope.
    pub(super) async fn trailer(
        &self,
        pending: Option<PendingSignature>,
        options: &SealOptions<'_>,
    ) -> Result<Vec<u8>> {
        match (pending, &options.signer) {
            (Some(pending), Some(signer)) => self.sign_pending(pending, signer).await,
            _ => Ok(Vec::new()),
        }
    }
}
