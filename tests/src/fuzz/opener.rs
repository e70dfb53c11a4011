use std::sync::Arc;

use keyfold::{
    DataKey, Demands, ErrorCode, Header, MessageKeyDeriver, Result, SignerPolicy, Unlocked,
};

/// Opening: 32 bytes of data key, then an attached envelope. Whole or in parts, the outcome is
/// one; a range read gives what the whole has there, and never more than was proven.
pub fn opener(bytes: &[u8]) {
    let Some((key, envelope)) = bytes.split_first_chunk::<32>() else { return };
    let Ok((header, start)) = Header::parse(envelope) else { return };
    let body = &envelope[start..];
    let key = DataKey::take(&mut key.clone()).expect("32 bytes");
    let key = Arc::new(MessageKeyDeriver::new(&key));
    let unlock = || {
        let mut demands = Demands::new(header.context().clone());
        if header.signature().is_some() {
            demands = demands.signed_by(SignerPolicy::Anyone);
        }
        Unlocked::new(&header, key.clone(), &demands).expect("the demands are the header's own")
    };

    let whole = open(unlock(), body, usize::MAX);
    for piece in [1021, 16_400] {
        let parts = open(unlock(), body, piece);
        assert_eq!(code(&whole), code(&parts), "in parts of {piece}");
        assert_eq!(whole.as_ref().ok(), parts.as_ref().ok(), "in parts of {piece}");
    }
    ranges(unlock(), body, whole.ok().as_deref());
}

fn open(unlocked: Unlocked, body: &[u8], piece: usize) -> Result<Vec<u8>> {
    let mut opener = unlocked.into_opener();
    let mut plaintext = Vec::new();
    for part in body.chunks(piece) {
        opener.update(part, &mut plaintext)?;
    }
    opener.finish(&mut plaintext)?;
    Ok(plaintext)
}

/// Reads the middle third, and the end. `whole` is the plaintext where all of it is proven.
fn ranges(unlocked: Unlocked, body: &[u8], whole: Option<&[u8]>) {
    let Some(prefix) = body.first_chunk() else { return };
    let opened = unlocked.into_unproven_ranges(prefix, body.len() as u64);
    let Ok(ranges) = opened else {
        assert!(whole.is_none(), "the whole opens, a range does not");
        return;
    };
    let len = ranges.layout().plaintext_len();
    let (from, to) = (len / 3, len - len / 3);
    for plan in [ranges.layout().plan(from..to).expect("ascending"), ranges.layout().end()] {
        let fetch = plan.fetch();
        let at = |offset: u64| usize::try_from(offset).expect("the body is in memory");
        let mut out = Vec::new();
        let read = ranges.open(&plan, &body[at(fetch.start)..at(fetch.end)], &mut out);
        match whole {
            Some(whole) if !plan.is_empty() => assert_eq!(out, whole[at(from)..at(to)]),
            Some(_) => assert!(read.is_ok() && out.is_empty()),
            None => assert!(read.is_ok() || out.is_empty(), "bytes that were not proven"),
        }
    }
}

fn code(result: &Result<Vec<u8>>) -> Option<ErrorCode> {
    result.as_ref().err().map(keyfold::Error::code)
}
