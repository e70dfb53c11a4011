//! Values at rest: each under its own data key, which a KMS key wraps.

use keyfold::EncryptionContext;
use zeroize::Zeroizing;

use super::SERVICE;
use super::rows::{Kind, ValueRow};
use crate::engine::{Call, Operation};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::{self, damaged};
use crate::types::{DataKeySpec, DecryptRequest, GenerateDataKeyRequest};

/// Where a value belongs: it opens nowhere else.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub secret_arn: &'a str,
    pub version: &'a str,
}

impl Place<'_> {
    fn context(self) -> EncryptionContext {
        EncryptionContext::from([("SecretARN", self.secret_arn), ("SecretVersionId", self.version)])
    }

    /// What the value is bound to once more, under its data key.
    fn aad(self, kind: Kind) -> Result<Vec<u8>> {
        let mut aad = b"keyfold/kms/secret-value/v1\0".to_vec();
        aad.push(match kind {
            Kind::Text => 0,
            Kind::Bytes => 1,
        });
        aad.extend(self.context().to_canonical()?);
        Ok(aad)
    }
}

/// Seals a value under a new data key of the KMS key, or of the service's own where none is named.
/// Answers the ARN of the KMS key too.
pub(super) fn seal(
    call: &mut Call<'_>,
    place: Place<'_>,
    kms_key_id: Option<&str>,
    kind: Kind,
    plain: &[u8],
) -> Result<(ValueRow, String)> {
    let key_id = match kms_key_id {
        Some(key_id) => key_id.to_owned(),
        None => call.secrets_key()?,
    };
    let request = GenerateDataKeyRequest {
        key_id,
        encryption_context: place.context(),
        key_spec: Some(DataKeySpec::Aes256),
        ..GenerateDataKeyRequest::default()
    };
    let data_key = through_kms(call, &request, KmsErrorCode::EncryptionFailure)?;
    let key = data_key
        .plaintext
        .expose()
        .try_into()
        .map_err(|_| KmsError::internal("a data key has the wrong length"))?;
    let sealed = hierarchy::seal(key, call.rng(), &place.aad(kind)?, plain)?;
    let row = ValueRow { kind, data_key: data_key.ciphertext_blob, sealed: sealed.into() };
    Ok((row, data_key.key_id))
}

/// Opens what [`seal`] made for the same place, under the KMS key that it answered.
pub(super) fn open(
    call: &mut Call<'_>,
    place: Place<'_>,
    kms_key: String,
    row: &ValueRow,
) -> Result<Zeroizing<Vec<u8>>> {
    let request = DecryptRequest {
        ciphertext_blob: Some(row.data_key.clone()),
        key_id: Some(kms_key),
        encryption_context: place.context(),
        ..DecryptRequest::default()
    };
    let data_key = through_kms(call, &request, KmsErrorCode::DecryptionFailure)?;
    let key = data_key.plaintext.expose().try_into().map_err(|_| damaged("a data key"))?;
    hierarchy::open(key, &place.aad(row.kind)?, &row.sealed.0)
        .ok_or_else(|| damaged("the value of a secret"))
}

/// Performs an operation of the KMS inside this one, with the caller's rights. Where the key
/// cannot do it, that is this service's own failure; where the caller may not, or the engine
/// cannot, it is as it is.
fn through_kms<O: Operation>(
    call: &mut Call<'_>,
    request: &O,
    failure: KmsErrorCode,
) -> Result<O::Response> {
    let (bytes_in, bytes_out) = (call.trail.bytes_in, call.trail.bytes_out);
    let via = call.via.replace(SERVICE);
    let outcome = request.validate().and_then(|()| request.run(call));
    call.via = via;
    // The sizes in the audit record are those of the secret, not of its data key.
    (call.trail.bytes_in, call.trail.bytes_out) = (bytes_in, bytes_out);
    outcome.map_err(|error| match error.code() {
        KmsErrorCode::AccessDenied
        | KmsErrorCode::Internal
        | KmsErrorCode::KeyUnavailable
        | KmsErrorCode::DependencyTimeout => error,
        _ => {
            let what = "the secret's KMS key cannot be used";
            KmsError::new(failure, format!("{what}: {}", error.message())).with_source(error)
        }
    })
}
