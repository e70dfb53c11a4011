//! Encryption, data keys, randomness.

use super::{Call, Operation};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::types::{GenerateRandomRequest, GenerateRandomResponse, Sensitive, check};

impl Operation for GenerateRandomRequest {
    type Response = GenerateRandomResponse;
    const NAME: &'static str = "GenerateRandom";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        check::number("numberOfBytes", self.number_of_bytes.unwrap_or(0), 1..=1024)?;
        if self.custom_key_store_id.is_some() || self.recipient.is_some() {
            return Err(KmsError::unsupported("custom key stores and recipients are not offered"));
        }
        Ok(())
    }

    fn run(&self, call: &mut Call<'_>) -> Result<GenerateRandomResponse> {
        if !call.caller.permits("kms:GenerateRandom") {
            return Err(KmsError::new(KmsErrorCode::AccessDenied, "denied"));
        }
        let mut bytes = vec![0; self.number_of_bytes.unwrap_or(0) as usize];
        call.rng().fill(&mut bytes)?;
        Ok(GenerateRandomResponse { plaintext: Sensitive::new(bytes) })
    }
}
