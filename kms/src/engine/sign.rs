//! Signatures and public keys.

use keyfold::ErrorCode;
use keyfold::sign::SignatureAlgorithm;

use super::authorize::{Ask, any_grant};
use super::cache::Secret;
use super::crypto::dry_run_passed;
use super::keys::algorithms;
use super::resolve::Names;
use super::{Call, Operation};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::damaged;
use crate::rows::KeyRow;
use crate::types::{
    Blob, GetPublicKeyRequest, GetPublicKeyResponse, GrantOperation, KeySpec, KeyUsage,
    MessageType, SignRequest, SignResponse, SigningAlgorithm, VerifyRequest, VerifyResponse, check,
};

/// The longest message, in bytes.
const MAX_MESSAGE: usize = 4096;

/// What Sign and Verify share.
struct Ingredients<'a> {
    action: &'static str,
    grant: GrantOperation,
    key_id: &'a str,
    message: &'a [u8],
    message_type: MessageType,
    algorithm: Option<SigningAlgorithm>,
    grant_tokens: &'a [String],
    dry_run: Option<bool>,
}

/// A message, as the algorithm takes it.
enum Input<'a> {
    Message(&'a [u8]),
    Digest(&'a [u8]),
}

/// The core's name of an algorithm, where it is offered.
fn core_algorithm(algorithm: SigningAlgorithm) -> Option<SignatureAlgorithm> {
    algorithm.as_str().parse().ok()
}

impl<'a> Ingredients<'a> {
    fn validate(&self) -> Result<()> {
        check::key_id("keyId", self.key_id)?;
        check::bytes("message", self.message, 1..=MAX_MESSAGE)?;
        check::grant_tokens(self.grant_tokens)?;
        let Some(algorithm) = self.algorithm else {
            return Err(KmsError::validation("signingAlgorithm", "Member must not be null"));
        };
        let digest = self.message_type == MessageType::Digest;
        let pairing = match algorithm {
            SigningAlgorithm::Ed25519Sha512 => !digest,
            SigningAlgorithm::Ed25519PhSha512 => digest,
            _ => true,
        };
        if !pairing || self.message_type == MessageType::ExternalMu {
            return Err(KmsError::validation(
                "messageType",
                &format!("Member must be one that {algorithm} takes"),
            ));
        }
        if digest
            && let Some(len) = core_algorithm(algorithm).and_then(SignatureAlgorithm::digest_len)
            && self.message.len() != len
        {
            return Err(KmsError::new(
                KmsErrorCode::Validation,
                format!("Digest is invalid length for algorithm {algorithm}."),
            ));
        }
        Ok(())
    }

    /// The key, authorised, enabled and of this algorithm.
    fn key(&self, call: &mut Call<'_>) -> Result<(KeyRow, SigningAlgorithm, SignatureAlgorithm)> {
        let algorithm = self
            .algorithm
            .ok_or_else(|| KmsError::validation("signingAlgorithm", "Member must not be null"))?;
        call.note(algorithm.as_str(), self.dry_run);
        call.trail.message_type = Some(self.message_type.to_string());
        call.trail.bytes_in = Some(self.message.len() as u64);
        call.check_grant_tokens(self.grant_tokens)?;
        let key = call.key(self.key_id, Names::KeysAndAliases)?;
        let ask = Ask::grant(self.action, self.grant, &any_grant)
            .with("kms:SigningAlgorithm", algorithm.as_str())
            .with("kms:MessageType", self.message_type.as_str());
        call.authorize(&key, &ask)?;
        call.require_enabled(&key)?;
        match core_algorithm(algorithm) {
            Some(core)
                if key.usage == KeyUsage::SignVerify
                    && key.spec.signing_algorithms().contains(&algorithm) =>
            {
                Ok((key, algorithm, core))
            }
            _ => {
                let message = format!(
                    "{} key usage is {} and its spec {}, which is not valid for {algorithm}.",
                    call.realm().key(key.id),
                    key.usage,
                    key.spec
                );
                Err(KmsError::new(KmsErrorCode::InvalidKeyUsage, message))
            }
        }
    }

    /// Ed25519ph hashes what it is given, a digest too: that is what the AWS service does.
    fn input(&self, algorithm: SignatureAlgorithm) -> Input<'a> {
        match self.message_type {
            MessageType::Digest if algorithm != SignatureAlgorithm::Ed25519ph => {
                Input::Digest(self.message)
            }
            _ => Input::Message(self.message),
        }
    }
}

impl SignRequest {
    fn ingredients(&self) -> Ingredients<'_> {
        Ingredients {
            action: "kms:Sign",
            grant: GrantOperation::Sign,
            key_id: &self.key_id,
            message: self.message.expose(),
            message_type: self.message_type.unwrap_or(MessageType::Raw),
            algorithm: self.signing_algorithm,
            grant_tokens: &self.grant_tokens,
            dry_run: self.dry_run,
        }
    }
}

impl Operation for SignRequest {
    type Response = SignResponse;
    const NAME: &'static str = "Sign";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        self.ingredients().validate()
    }

    fn run(&self, call: &mut Call<'_>) -> Result<SignResponse> {
        let ingredients = self.ingredients();
        let (key, signing_algorithm, algorithm) = ingredients.key(call)?;
        if self.dry_run == Some(true) {
            return Err(dry_run_passed());
        }
        let material = call.current_material(&key)?;
        let Secret::Pair(pair) = &material.secret else {
            return Err(damaged("a version of key material"));
        };
        let signature = match ingredients.input(algorithm) {
            Input::Message(message) => pair.sign(algorithm, message),
            Input::Digest(digest) => pair.sign_digest(algorithm, digest),
        }?;
        call.trail.bytes_out = Some(signature.len() as u64);
        Ok(SignResponse {
            key_id: call.realm().key(key.id),
            signature: Blob(signature),
            signing_algorithm,
        })
    }
}

impl VerifyRequest {
    fn ingredients(&self) -> Ingredients<'_> {
        Ingredients {
            action: "kms:Verify",
            grant: GrantOperation::Verify,
            key_id: &self.key_id,
            message: self.message.expose(),
            message_type: self.message_type.unwrap_or(MessageType::Raw),
            algorithm: self.signing_algorithm,
            grant_tokens: &self.grant_tokens,
            dry_run: self.dry_run,
        }
    }
}

impl Operation for VerifyRequest {
    type Response = VerifyResponse;
    const NAME: &'static str = "Verify";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        self.ingredients().validate()?;
        check::bytes("signature", &self.signature.0, 1..=6144)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<VerifyResponse> {
        let ingredients = self.ingredients();
        let (key, signing_algorithm, algorithm) = ingredients.key(call)?;
        let material = call.current_material(&key)?;
        let Secret::Pair(pair) = &material.secret else {
            return Err(damaged("a version of key material"));
        };
        let (public, signature) = (pair.public_key(), &self.signature.0);
        let verified = match ingredients.input(algorithm) {
            Input::Message(message) => public.verify(algorithm, message, signature),
            Input::Digest(digest) => public.verify_digest(algorithm, digest, signature),
        };
        match verified {
            Ok(()) if self.dry_run == Some(true) => Err(dry_run_passed()),
            Ok(()) => Ok(VerifyResponse {
                key_id: call.realm().key(key.id),
                signature_valid: true,
                signing_algorithm,
            }),
            Err(error) if error.code() == ErrorCode::SignatureInvalid => {
                Err(KmsError::new(KmsErrorCode::InvalidSignature, "the signature does not hold"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Operation for GetPublicKeyRequest {
    type Response = GetPublicKeyResponse;
    const NAME: &'static str = "GetPublicKey";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        check::grant_tokens(&self.grant_tokens)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<GetPublicKeyResponse> {
        call.check_grant_tokens(&self.grant_tokens)?;
        let key = call.key(&self.key_id, Names::KeysAndAliases)?;
        let ask = Ask::grant("kms:GetPublicKey", GrantOperation::GetPublicKey, &any_grant);
        call.authorize(&key, &ask)?;
        call.require_enabled(&key)?;
        if key.spec == KeySpec::SymmetricDefault {
            let message = format!("{} is symmetric.", call.realm().key(key.id));
            return Err(KmsError::unsupported(message));
        }
        let material = call.current_material(&key)?;
        let Secret::Pair(pair) = &material.secret else {
            return Err(damaged("a version of key material"));
        };
        let (encryption_algorithms, signing_algorithms) = algorithms(&key);
        Ok(GetPublicKeyResponse {
            key_id: call.realm().key(key.id),
            public_key: Blob(pair.public_key().to_spki_der()),
            customer_master_key_spec: key.spec,
            key_spec: key.spec,
            key_usage: key.usage,
            encryption_algorithms,
            signing_algorithms,
        })
    }
}
