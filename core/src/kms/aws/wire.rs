//! The members of requests, written as the services read them.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::context::EncryptionContext;
use crate::error::{Error, ErrorCode};

/// The JSON of a request, member after member.
pub(super) struct Members(Zeroizing<Vec<u8>>);

impl Members {
    /// None yet; `secret` is the length of the secret that will be among them. There is room for
    /// everything, so that no copy is left behind by growth.
    pub(super) fn new(secret: usize) -> Self {
        // A character of text takes up to six.
        Members(Zeroizing::new(Vec::with_capacity(secret.saturating_mul(6) + 32 * 1024)))
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        let before = if self.0.is_empty() { b'{' } else { b',' };
        self.0.push(before);
        self.string(name);
        self.0.push(b':');
        self.string(value);
    }

    pub(super) fn maybe_text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Bytes, secret or not, in base64.
    pub(super) fn bytes(&mut self, name: &str, value: &[u8]) {
        self.text(name, &Zeroizing::new(Base64::encode_string(value)));
    }

    /// A context: an object, absent where it is empty.
    pub(super) fn context(&mut self, name: &str, context: &EncryptionContext) {
        if context.is_empty() {
            return;
        }
        self.0.push(b',');
        self.string(name);
        for (place, (name, value)) in context.iter().enumerate() {
            self.0.extend_from_slice(if place == 0 { b":{" } else { b"," });
            self.string(name);
            self.0.push(b':');
            self.string(value);
        }
        self.0.push(b'}');
    }

    pub(super) fn finish(mut self) -> Zeroizing<Vec<u8>> {
        self.0.push(b'}');
        self.0
    }

    fn string(&mut self, text: &str) {
        // Text has a form in JSON, and writing to a Vec does not fail.
        let _ = serde_json::to_writer(&mut *self.0, text);
    }
}

pub(super) fn not_understood() -> Error {
    Error::new(ErrorCode::KmsProtocol, "the KMS gave an answer that its protocol does not allow")
}
