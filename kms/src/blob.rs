//! The ciphertext of a symmetric KMS key, version 1: self-describing, committing, and bound to
//! key, version and encryption context.
//!
//! | bytes | field |
//! | --- | --- |
//! | 2 | magic `KF` |
//! | 1 | format version, 1 |
//! | 1 | suite, 1: HKDF-SHA-256, AES-256-GCM, commitment |
//! | 1 | flags, 0 |
//! | 16 | key id |
//! | 4 | version of the key, big-endian |
//! | 8 | the first bytes of the version's material id |
//! | 32 | salt, random for each call |
//! | 32 | commitment |
//! | n | ciphertext |
//! | 16 | tag |
//!
//! `key(32) | nonce(12) | commitment(32) = HKDF-SHA-256(salt, version material, info =
//! "keyfold/kms/sym/v1" | 0x00 | the 33 bytes before the salt)`; the AAD is everything before the
//! ciphertext, then the canonical encryption context.

use keyfold::crypto::aead::{AeadAlgorithm, AeadKey, NONCE_LEN, TAG_LEN};
use keyfold::crypto::hash::constant_time_eq;
use keyfold::crypto::kdf::hkdf_sha256;
use keyfold::crypto::rng::Rng;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::{KmsError, Result};

const MAGIC: [u8; 2] = *b"KF";
const FORMAT: u8 = 1;
const SUITE: u8 = 1;
const LABEL: &[u8] = b"keyfold/kms/sym/v1";
const KEY_LEN: usize = 32;
const SALT_LEN: usize = 32;
const COMMITMENT_LEN: usize = 32;
const HEADER_LEN: usize = 33;
const CIPHERTEXT_START: usize = HEADER_LEN + SALT_LEN + COMMITMENT_LEN;
/// Up to this length the portable backend is faster: the other one prepares tables for each key
/// that pay only for long messages, and here every message has a key of its own.
const SHORT: usize = 1024;

/// How many bytes a blob is longer than its plaintext.
pub const OVERHEAD: usize = CIPHERTEXT_START + TAG_LEN;
/// The longest blob, in bytes.
pub const MAX_LEN: usize = 6144;

/// What a blob says of the key that it is under.
///
/// ```
/// # use keyfold_kms::types::{CreateKeyRequest, EncryptRequest};
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// # let request = EncryptRequest {
/// #     key_id: key.key_id.clone(), plaintext: b"1234"[..].into(), ..Default::default()
/// # };
/// let ciphertext = engine.call(&owner, &request)?.ciphertext_blob.0;
/// assert_eq!(ciphertext.len(), 4 + keyfold_kms::blob::OVERHEAD);
/// let parsed = keyfold_kms::blob::parse(&ciphertext).expect("a blob of this engine");
/// assert_eq!(parsed.key.key_id.to_string(), key.key_id);
/// assert_eq!(parsed.key.version, 1);
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobKey {
    /// The key's id.
    pub key_id: Uuid,
    /// The version.
    pub version: u32,
    /// The first bytes of the material id: two versions of one number, made before and after a
    /// restore, are told apart by it.
    pub material_tag: [u8; 8],
}

impl BlobKey {
    fn header(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header[..2].copy_from_slice(&MAGIC);
        header[2] = FORMAT;
        header[3] = SUITE;
        // header[4]: no flag is set.
        header[5..21].copy_from_slice(self.key_id.as_bytes());
        header[21..25].copy_from_slice(&self.version.to_be_bytes());
        header[25..].copy_from_slice(&self.material_tag);
        header
    }
}

/// A blob taken apart: nothing of it is proven yet.
#[derive(Clone, Copy)]
pub struct ParsedBlob<'a> {
    /// The key that it says it is under.
    pub key: BlobKey,
    head: &'a [u8; CIPHERTEXT_START],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG_LEN],
}

/// Takes a blob apart; `None` for whatever is not of this form. Never panics, never allocates.
///
/// ```
/// assert!(keyfold_kms::blob::parse(b"KF\x01\x01").is_none()); // cut
/// assert!(keyfold_kms::blob::parse(&[0; 200]).is_none()); // something else
/// ```
pub fn parse(blob: &[u8]) -> Option<ParsedBlob<'_>> {
    if blob.len() > MAX_LEN {
        return None;
    }
    let (head, rest) = blob.split_first_chunk::<CIPHERTEXT_START>()?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>()?;
    let (header, _) = head.split_first_chunk::<HEADER_LEN>()?;
    let [m0, m1, FORMAT, SUITE, 0, fields @ ..] = header else { return None };
    if [*m0, *m1] != MAGIC {
        return None;
    }
    let (key_id, fields) = fields.split_first_chunk::<16>()?;
    let (version, material_tag) = fields.split_first_chunk::<4>()?;
    let key = BlobKey {
        key_id: Uuid::from_bytes(*key_id),
        version: u32::from_be_bytes(*version),
        material_tag: material_tag.try_into().ok()?,
    };
    Some(ParsedBlob { key, head, ciphertext, tag })
}

/// Encrypts under version material and a canonical encryption context.
pub(crate) fn seal(
    material: &[u8; KEY_LEN],
    key: &BlobKey,
    context: &[u8],
    plaintext: &[u8],
    rng: &dyn Rng,
) -> Result<Vec<u8>> {
    let header = key.header();
    let mut salt = [0; SALT_LEN];
    rng.fill(&mut salt)?;
    let derived = derive(material, &header, &salt, plaintext.len());
    // One allocation: the plaintext is encrypted where it is written.
    let mut blob = Vec::with_capacity(plaintext.len() + OVERHEAD);
    blob.extend_from_slice(&header);
    blob.extend_from_slice(&salt);
    blob.extend_from_slice(&derived.commitment);
    let aad = [&blob[..], context].concat();
    blob.extend_from_slice(plaintext);
    let tag = derived.aead.seal(&derived.nonce, &aad, &mut blob[CIPHERTEXT_START..]);
    blob.extend_from_slice(&tag);
    Ok(blob)
}

/// Decrypts under version material and a canonical encryption context.
///
/// # Errors
/// `InvalidCiphertextException`, the same text after the same work for every cause.
pub(crate) fn open(
    material: &[u8; KEY_LEN],
    blob: &ParsedBlob<'_>,
    context: &[u8],
) -> Result<Zeroizing<Vec<u8>>> {
    let (header, rest) = blob.head.split_at(HEADER_LEN);
    let (salt, commitment) = rest.split_at(SALT_LEN);
    let derived = derive(material, header, salt, blob.ciphertext.len());
    let committed = constant_time_eq(&derived.commitment, commitment);
    let aad = [blob.head.as_slice(), context].concat();
    let mut plaintext = Zeroizing::new(blob.ciphertext.to_vec());
    let opened = derived.aead.open(&derived.nonce, &aad, &mut plaintext, blob.tag).is_ok();
    if committed && opened { Ok(plaintext) } else { Err(KmsError::invalid_ciphertext()) }
}

struct Derived {
    aead: AeadKey,
    nonce: [u8; NONCE_LEN],
    commitment: [u8; COMMITMENT_LEN],
}

fn derive(material: &[u8; KEY_LEN], header: &[u8], salt: &[u8], len: usize) -> Derived {
    let mut okm = Zeroizing::new([0; KEY_LEN + NONCE_LEN + COMMITMENT_LEN]);
    hkdf_sha256(salt, material, &[LABEL, &[0], header], okm.as_mut_slice());
    let mut key = Zeroizing::new([0; KEY_LEN]);
    let (mut nonce, mut commitment) = ([0; NONCE_LEN], [0; COMMITMENT_LEN]);
    key.copy_from_slice(&okm[..KEY_LEN]);
    nonce.copy_from_slice(&okm[KEY_LEN..KEY_LEN + NONCE_LEN]);
    commitment.copy_from_slice(&okm[KEY_LEN + NONCE_LEN..]);
    let make = if len <= SHORT { AeadKey::new_portable } else { AeadKey::new };
    Derived { aead: make(AeadAlgorithm::Aes256Gcm, &key), nonce, commitment }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyfold::EncryptionContext;
    use keyfold::crypto::rng::SystemRng;
    use proptest::prelude::*;

    const MATERIAL: [u8; 32] = [9; 32];

    fn key() -> BlobKey {
        BlobKey { key_id: Uuid::from_bytes([3; 16]), version: 7, material_tag: [5; 8] }
    }

    fn sealed(context: &[u8], plaintext: &[u8]) -> Vec<u8> {
        seal(&MATERIAL, &key(), context, plaintext, &SystemRng).expect("sealed")
    }

    fn opened(blob: &[u8], context: &[u8]) -> Option<Vec<u8>> {
        open(&MATERIAL, &parse(blob)?, context).ok().map(|plain| plain.to_vec())
    }

    fn canonical<const N: usize>(pairs: [(&str, &str); N]) -> Vec<u8> {
        EncryptionContext::from(pairs).to_canonical().expect("a short context")
    }

    #[test]
    fn a_blob_is_113_bytes_longer_than_its_plaintext() {
        for len in [0, 1, 32, 4096] {
            let plaintext = vec![1; len];
            let blob = sealed(b"", &plaintext);
            assert_eq!(blob.len(), len + 113);
            assert!(blob.len() <= MAX_LEN);
            assert_eq!(opened(&blob, b"").as_deref(), Some(&plaintext[..]));
            assert_eq!(parse(&blob).expect("parses").key, key());
        }
    }

    #[test]
    fn any_flipped_bit_cut_or_extension_is_refused() {
        let blob = sealed(b"context", b"hi");
        for bit in 0..blob.len() * 8 {
            let mut flipped = blob.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opened(&flipped, b"context"), None, "bit {bit}");
        }
        for len in 0..blob.len() {
            assert_eq!(opened(&blob[..len], b"context"), None, "cut to {len}");
        }
        assert_eq!(opened(&[&blob[..], &[0]].concat(), b"context"), None);
        assert!(parse(&vec![0; MAX_LEN + 1]).is_none());
    }

    #[test]
    fn other_material_is_refused() {
        let blob = sealed(b"", b"hi");
        assert!(open(&[8; 32], &parse(&blob).expect("parses"), b"").is_err());
    }

    #[test]
    fn contexts_that_look_alike_are_told_apart() {
        let pairs: [(Vec<u8>, Vec<u8>); 6] = [
            (canonical([("a", "bc")]), canonical([("ab", "c")])),
            (canonical([("a", ""), ("b", "x")]), canonical([("a", "b"), ("", "x")])),
            (canonical([("a", "\u{e9}")]), canonical([("a", "e\u{301}")])),
            (canonical([("a", "\0")]), canonical([("a", "")])),
            (canonical([("a", "b")]), canonical([])),
            (canonical([("a", "b")]), canonical([("A", "b")])),
        ];
        for (context, other) in pairs {
            let blob = sealed(&context, b"hi");
            assert_eq!(opened(&blob, &context).as_deref(), Some(&b"hi"[..]));
            assert_eq!(opened(&blob, &other), None);
        }
        // UTF-8 order, which is not UTF-16 order, and the order of writing do not matter.
        assert_eq!(
            canonical([("\u{ffff}", "1"), ("\u{10000}", "2"), ("aws-crypto-public-key", "k")]),
            canonical([("\u{10000}", "2"), ("aws-crypto-public-key", "k"), ("\u{ffff}", "1")]),
        );
    }

    proptest! {
        #[test]
        fn parsing_is_total_and_inverse(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut blob = bytes;
            if let Some(parsed) = parse(&blob) {
                prop_assert_eq!(&parsed.key.header()[..], &blob[..HEADER_LEN]);
            }
            // The same again behind a header that is well-formed.
            let header = [MAGIC[0], MAGIC[1], FORMAT, SUITE, 0];
            if blob.len() >= header.len() {
                blob[..header.len()].copy_from_slice(&header);
                prop_assert_eq!(parse(&blob).is_some(), blob.len() >= OVERHEAD);
            }
        }
    }
}
