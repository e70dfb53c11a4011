//! Signatures by keys of the KMS, verified offline.

use super::{Client, SealOptions, Signer};
use crate::envelope::{EnvelopeSignature, PendingSignature, SignerHint};
use crate::error::{Error, ErrorCode, Result};
use crate::keys::KeyUri;
use crate::kms::{Kms, Request, Response, SignInput, unexpected_response};
use crate::sign::{EncodedPublicKey, MessageHasher, PublicKey, SignatureAlgorithm};

impl<K: Kms> Client<K> {
    /// Signs a message with a key of the KMS: DER for ECDSA. A message above 4096 bytes is hashed
    /// here and its digest signed, which gives the same signature.
    ///
    /// ```
    /// # use keyfold::Client;
    /// # use keyfold::sign::SignatureAlgorithm;
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::EccNistP256};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let release = kms.create_key("alias/release", EccNistP256)?;
    /// # let kf = Client::new(kms);
    /// let signature = kf.sign(&release, SignatureAlgorithm::EcdsaSha256, b"report").await?;
    ///
    /// // Whoever has the public key verifies without the KMS.
    /// let public = kf.public_key(&release).await?;
    /// public.verify(SignatureAlgorithm::EcdsaSha256, b"report", &signature)?;
    /// assert!(public.verify(SignatureAlgorithm::EcdsaSha256, b"forged", &signature).is_err());
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
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
        let input = if SignInput::digest_len(algorithm, message.len() as u64)?.is_none() {
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
    /// ```
    /// # use keyfold::Client;
    /// # use keyfold::sign::{MessageHasher, SignatureAlgorithm};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::EccNistP256};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let release = kms.create_key("alias/release", EccNistP256)?;
    /// # let kf = Client::new(kms);
    /// let mut hasher = MessageHasher::new(SignatureAlgorithm::EcdsaSha256)?;
    /// hasher.update(b"large ");
    /// hasher.update(b"report");
    /// let digest = hasher.finish();
    /// let signature = kf.sign_digest(&release, SignatureAlgorithm::EcdsaSha256, &digest).await?;
    /// kf.verify(&release, SignatureAlgorithm::EcdsaSha256, b"large report", &signature).await?;
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
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
    /// ```
    /// # use keyfold::Client;
    /// # use keyfold::sign::KeySpec;
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::EccNistP256};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let release = kms.create_key("alias/release", EccNistP256)?;
    /// # let kf = Client::new(kms);
    /// let public = kf.public_key(&release).await?;
    /// assert_eq!(public.spec(), KeySpec::EccNistP256);
    /// assert!(public.to_spki_pem().starts_with("-----BEGIN PUBLIC KEY-----"));
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The `kms_*` codes; `kms_protocol` where the KMS answers no valid key.
    pub async fn public_key(&self, key: &KeyUri) -> Result<PublicKey> {
        self.encoded_public_key(key).await?.parse().map_err(no_public_key)
    }

    /// As [`public_key`](Client::public_key), for a host that verifies signatures itself.
    ///
    /// # Errors
    /// The `kms_*` codes.
    pub async fn encoded_public_key(&self, key: &KeyUri) -> Result<EncodedPublicKey> {
        match self.kms.call(&Request::GetPublicKey { key: key.clone() }).await? {
            Response::PublicKey { spki, .. } => {
                EncodedPublicKey::from_spki_der(&spki).map_err(no_public_key)
            }
            _ => Err(unexpected_response()),
        }
    }

    /// Verifies a signature with the public key of a KMS key; the message stays here.
    ///
    /// ```
    /// # use keyfold::Client;
    /// # use keyfold::{ErrorCode, sign::SignatureAlgorithm};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::EccNistP256};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let release = kms.create_key("alias/release", EccNistP256)?;
    /// # let kf = Client::new(kms);
    /// let algorithm = SignatureAlgorithm::EcdsaSha256;
    /// let signature = kf.sign(&release, algorithm, b"report").await?;
    /// kf.verify(&release, algorithm, b"report", &signature).await?;
    /// let refused = kf.verify(&release, algorithm, b"forged", &signature).await.unwrap_err();
    /// assert_eq!(refused.code(), ErrorCode::SignatureInvalid);
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
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

    /// The trailer of a signed envelope (docs/spec/envelope.md, clause 7.2), by the signer that
    /// its sealer was started with. Append it to the body.
    ///
    /// ```
    /// # use keyfold::{Client, Demands, EncryptionContext};
    /// # use keyfold::{Keyring, SealOptions, Signer, SignerPolicy};
    /// # use keyfold_kms::{EmbeddedKms, types::KeySpec::*};
    /// # pollster::block_on(async {
    /// # let kms = EmbeddedKms::in_memory()?;
    /// # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
    /// # let release = kms.create_key("alias/release", EccNistP256)?;
    /// # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
    /// # let context = EncryptionContext::from([("tenant", "acme")]);
    /// let signer = Signer::Kms(release);
    /// let options = SealOptions { signer: Some(signer.clone()), ..SealOptions::default() };
    /// let mut sealer = kf.sealer(&ring, &context, &options).await?;
    /// let mut envelope = sealer.header().to_vec();
    /// sealer.update(b"hello", &mut envelope)?;
    /// if let Some(pending) = sealer.finish(&mut envelope)? {
    ///     envelope.extend(kf.sign_pending(pending, &signer).await?);
    /// }
    /// let demands = Demands::new(&context).signed_by(SignerPolicy::Anyone);
    /// assert_eq!(kf.decrypt(&envelope, &ring, demands).await?, b"hello");
    /// # Ok::<(), keyfold::Error>(())
    /// # }).unwrap();
    /// ```
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
            Signer::Kms(key) => self.sign_pending_in_kms(pending, key).await,
        }
    }

    /// How an envelope says that a KMS key signs it: the public key stands in the header.
    ///
    /// # Errors
    /// The `kms_*` codes; `invalid_argument` for a key that does not sign envelopes.
    pub async fn kms_signature(&self, key: &KeyUri) -> Result<EnvelopeSignature> {
        let key = self.encoded_public_key(key).await?;
        EnvelopeSignature::new(key.spec(), SignerHint::Spki(key.as_der().to_vec()))
    }

    /// As [`sign_pending`](Client::sign_pending), by a KMS key.
    ///
    /// # Errors
    /// Those of [`sign_pending`](Client::sign_pending).
    pub async fn sign_pending_in_kms(
        &self,
        pending: PendingSignature,
        key: &KeyUri,
    ) -> Result<Vec<u8>> {
        let signature = self.sign_input(key, pending.algorithm(), pending.input()).await?;
        pending.into_trailer(&signature)
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

fn no_public_key(error: Error) -> Error {
    Error::new(ErrorCode::KmsProtocol, "the KMS answered no valid public key").with_source(error)
}
