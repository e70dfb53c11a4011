use keyfold::{EncryptionContext, ErrorCode};

/// Canonical contexts: what parses is written back as the same bytes, so that there is one
/// encoding for each context; what does not is refused with one of two codes.
pub fn context(bytes: &[u8]) {
    match EncryptionContext::from_canonical(bytes) {
        Ok(context) => {
            assert!(bytes.len() <= EncryptionContext::MAX_LEN, "a context over the limit");
            let written = context.to_canonical().expect("what was parsed is within the limits");
            assert_eq!(written, bytes, "two encodings of one context");
        }
        Err(error) => assert!(
            matches!(error.code(), ErrorCode::MalformedEnvelope | ErrorCode::LimitExceeded),
            "{:?} is not a code for a malformed context",
            error.code()
        ),
    }
}
