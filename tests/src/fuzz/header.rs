use keyfold::{ErrorCode, Header, HeaderReader};

/// Headers: what parses is written back as the same bytes; arriving in parts changes nothing.
pub fn header(bytes: &[u8]) {
    let whole = Header::parse(bytes);
    match &whole {
        Ok((header, len)) => {
            let written = header.with_recipients(header.recipients().to_vec());
            let written = written.expect("what was parsed is within the limits");
            assert_eq!(written.as_bytes(), &bytes[..*len], "two encodings of one header");
            assert!(*len <= 65_536, "a header over the limit");
        }
        Err(error) => assert!(
            matches!(
                error.code(),
                ErrorCode::MalformedEnvelope
                    | ErrorCode::UnsupportedVersion
                    | ErrorCode::UnsupportedSuite
                    | ErrorCode::LimitExceeded
                    | ErrorCode::Truncated
            ),
            "{:?} is not a structural code",
            error.code()
        ),
    }
    for piece in [1, 7, 1021] {
        let parts = in_parts(bytes, piece);
        match (&whole, &parts) {
            (Ok((header, len)), Ok((other, other_len))) => {
                assert_eq!((header.stable_part(), len), (other.stable_part(), other_len));
                assert_eq!(header.recipients(), other.recipients());
            }
            (Err(error), Err(code)) => assert_eq!(error.code(), *code, "in parts of {piece}"),
            (whole, parts) => panic!(
                "whole: {:?}, in parts of {piece}: {:?}",
                whole.as_ref().map(drop),
                parts.as_ref().map(drop)
            ),
        }
    }
}

/// The header and its length, read in parts.
fn in_parts(bytes: &[u8], piece: usize) -> Result<(Header, usize), ErrorCode> {
    let mut reader = HeaderReader::new();
    let mut seen = 0;
    for part in bytes.chunks(piece) {
        if let Some((header, used)) = reader.push(part).map_err(|error| error.code())? {
            return Ok((header, seen + used));
        }
        seen += part.len();
    }
    Err(ErrorCode::Truncated)
}
