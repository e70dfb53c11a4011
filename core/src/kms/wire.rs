//! The members of requests, written as the services read them.

use std::fmt::Write as _;
use std::io::Write as _;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::context::EncryptionContext;
use crate::error::{Error, ErrorCode, Result};

/// The JSON of a request, member after member.
pub(crate) struct Members(Zeroizing<Vec<u8>>);

impl Members {
    /// None yet; `secret` is the length of the secret that will be among them. There is room for
    /// everything, so that no copy is left behind by growth.
    pub(crate) fn new(secret: usize) -> Self {
        // A character of text takes up to six.
        Members(Zeroizing::new(Vec::with_capacity(secret.saturating_mul(6) + 32 * 1024)))
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.string(value);
    }

    /// A whole number.
    pub(crate) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        // Writing to a Vec does not fail.
        let _ = write!(&mut *self.0, "{value}");
    }

    /// An array of texts.
    pub(crate) fn texts(&mut self, name: &str, values: &[&str]) {
        self.name(name);
        self.0.push(b'[');
        for (place, value) in values.iter().enumerate() {
            if place > 0 {
                self.0.push(b',');
            }
            self.string(value);
        }
        self.0.push(b']');
    }

    fn name(&mut self, name: &str) {
        let before = if self.0.is_empty() { b'{' } else { b',' };
        self.0.push(before);
        self.string(name);
        self.0.push(b':');
    }

    pub(crate) fn maybe_text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Bytes, secret or not, in base64.
    pub(crate) fn bytes(&mut self, name: &str, value: &[u8]) {
        self.text(name, &Zeroizing::new(Base64::encode_string(value)));
    }

    /// A context: an object, absent where it is empty.
    pub(crate) fn context(&mut self, name: &str, context: &EncryptionContext) {
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

    /// A value that is JSON already: the members of an object within.
    pub(crate) fn json(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(value);
    }

    pub(crate) fn finish(mut self) -> Zeroizing<Vec<u8>> {
        if self.0.is_empty() {
            self.0.push(b'{');
        }
        self.0.push(b'}');
        self.0
    }

    fn string(&mut self, text: &str) {
        // Text has a form in JSON, and writing to a Vec does not fail.
        let _ = serde_json::to_writer(&mut *self.0, text);
    }
}

pub(crate) fn not_understood() -> Error {
    Error::new(ErrorCode::KmsProtocol, "the KMS gave an answer that its protocol does not allow")
}

/// Bytes as lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes out of hexadecimal digits of either case.
///
/// # Errors
/// `kms_protocol` for anything else.
pub(crate) fn unhex(text: &str) -> Result<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(not_understood()),
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(not_understood()) };
    pairs.iter().map(|[high, low]| Ok(digit(*high)? << 4 | digit(*low)?)).collect()
}
