//! Whole values, for Swift: its calls are plain C, so bytes go the way that calls do.

use crate::error::Answer;
use crate::stream::{Opening, Sealing};

#[uniffi::export]
impl Sealing {
    /// Seals a whole value at once: the envelope, but for [`trailer`](Sealing::trailer).
    ///
    /// # Errors
    /// `limit_exceeded`; `invalid_argument` where anything was sealed before.
    pub fn whole(&self, plaintext: &[u8]) -> Answer<Vec<u8>> {
        let sealer = self.take()?;
        let mut envelope = vec![0; sealer.envelope_len(plaintext.len())?];
        let (written, pending) = sealer.seal_envelope_into(plaintext, &mut envelope)?;
        envelope.truncate(written);
        self.finished(pending);
        Ok(envelope)
    }
}

#[uniffi::export]
impl Opening {
    /// Opens a whole body at once; nothing of it is there until all of it is proven.
    ///
    /// # Errors
    /// `authentication_failed`; `truncated`; `signature_invalid`.
    pub fn whole(&self, body: &[u8]) -> Answer<Vec<u8>> {
        let opener = self.take()?;
        let mut plaintext = vec![0; opener.plaintext_len(body.len())?];
        opener.open_whole_into(body, &mut plaintext)?;
        Ok(plaintext)
    }
}
