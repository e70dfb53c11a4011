//! What anybody can read in an envelope.

use std::collections::HashMap;

use keyfold::{Header, HeaderReader, Result, SignerHint};

use crate::error::Answer;

/// One of the KMS keys that can open an envelope.
#[derive(Clone, Debug, uniffi::Record)]
pub struct RecipientInfo {
    /// The KMS key.
    pub key: String,
    /// Length of the wrapped data key in bytes.
    pub wrapped_key_length: u32,
    /// Names of what its KMS noted to unwrap it again.
    pub parameters: Vec<String>,
}

/// What an envelope says of its signature: a hint, never a reason to trust it.
#[derive(Clone, Debug, uniffi::Record)]
pub struct SignatureInfo {
    /// Such as `ED25519_PH_SHA_512`.
    pub algorithm: String,
    /// What kind of key signed, such as `ECC_NIST_P256`.
    pub spec: String,
    /// The key URI of the signer, where it is named so.
    pub key: Option<String>,
    /// Its public key in DER, where it is named so.
    pub public_key: Option<Vec<u8>>,
}

/// What is public in an envelope. Nothing of it is proven: only decryption does that.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Info {
    /// The version of the format.
    pub version: u8,
    /// The number of the suite.
    pub suite: u16,
    /// The cipher of the suite, such as `AES-256-GCM`.
    pub cipher: String,
    /// The encryption context.
    pub context: HashMap<String, String>,
    /// Who can open it.
    pub recipients: Vec<RecipientInfo>,
    /// Who signed it, as it says; nothing where nobody did.
    pub signature: Option<SignatureInfo>,
    /// Length of the header in bytes.
    pub header_length: u64,
    /// Length of the body in bytes.
    pub body_length: u64,
    /// Length of the plaintext, where the body is there.
    pub plaintext_length: Option<u64>,
}

/// Reads the header of an envelope of `length` bytes, which starts with `start`.
///
/// # Errors
/// The structural codes; `truncated` where `start` is not all of the header.
#[uniffi::export]
pub fn inspect(start: Vec<u8>, length: u64) -> Answer<Info> {
    let (header, header_len) = Header::parse(&start)?;
    Ok(info(&header, header_len as u64, length.saturating_sub(header_len as u64))?)
}

pub(crate) fn info(header: &Header, header_len: u64, body_len: u64) -> Result<Info> {
    let recipients = header.recipients().iter().map(|recipient| RecipientInfo {
        key: recipient.key.to_string(),
        wrapped_key_length: u32::try_from(recipient.ciphertext.len()).unwrap_or(u32::MAX),
        parameters: recipient.params.keys().cloned().collect(),
    });
    let signature = header.signature().map(|signature| {
        let (key, public_key) = match signature.hint() {
            SignerHint::Key(key) => (Some(key.to_string()), None),
            SignerHint::Spki(spki) => (None, Some(spki.clone())),
        };
        SignatureInfo {
            algorithm: signature.algorithm().as_str().to_owned(),
            spec: signature.key_spec().as_str().to_owned(),
            key,
            public_key,
        }
    });
    let layout = header.body_layout(body_len)?;
    let context = header.context().iter().map(|(n, v)| (n.to_owned(), v.to_owned()));
    Ok(Info {
        version: keyfold::envelope::VERSION,
        suite: header.suite().id(),
        cipher: header.suite().cipher().to_owned(),
        context: context.collect(),
        recipients: recipients.collect(),
        signature,
        header_length: header_len,
        body_length: body_len,
        plaintext_length: layout.map(|layout| layout.plaintext_len()),
    })
}

/// The length of the header that these bytes start with, or how many more are wanted to tell.
pub(crate) fn header_len(start: &[u8]) -> Result<std::result::Result<usize, usize>> {
    let mut reader = HeaderReader::new();
    Ok(match reader.push(start)? {
        Some((_, used)) => Ok(used),
        None => Err(reader.missing()),
    })
}

/// A header's length, or how much is missing.
#[derive(Clone, Copy, Debug, uniffi::Record)]
pub struct HeaderLength {
    /// Its length, where all of it is there.
    pub length: Option<u32>,
    /// How many bytes more are wanted at least, where not.
    pub missing: u32,
}

/// Looks for the header that these bytes start with.
///
/// # Errors
/// The structural codes.
#[uniffi::export]
pub fn header_length(start: Vec<u8>) -> Answer<HeaderLength> {
    let small = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    Ok(match header_len(&start)? {
        Ok(length) => HeaderLength { length: Some(small(length)), missing: 0 },
        Err(missing) => HeaderLength { length: None, missing: small(missing) },
    })
}
