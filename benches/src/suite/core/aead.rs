//! Segments of 16 KiB: the bare ciphers.
//!
//! Encryption is in place. Decryption in place would destroy what the next call reads, so each
//! piece is copied into a buffer first and opened there; aws-lc-rs opens from one buffer into
//! another by itself.

use std::cell::RefCell;
use std::hint::black_box;

use anyhow::{Result, anyhow};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use keyfold::crypto::aead::{AeadAlgorithm, AeadKey, NONCE_LEN, TAG_LEN};

use super::Comparison;
use crate::harness::{Effort, Subject};
use crate::report::Row;

const SEGMENT: usize = 16 << 10;
const KEY: [u8; 32] = [7; 32];
const REFERENCE: &str = "aws-lc-rs AES-256-GCM";

/// keyfold's ciphers, each with its name.
fn ciphers() -> [(&'static str, AeadKey); 4] {
    use AeadAlgorithm::{Aes256Gcm, ChaCha20Poly1305};
    [
        ("chosen AES-256-GCM", AeadKey::new(Aes256Gcm, &KEY)),
        ("portable AES-256-GCM", AeadKey::new_portable(Aes256Gcm, &KEY)),
        ("chosen ChaCha20-Poly1305", AeadKey::new(ChaCha20Poly1305, &KEY)),
        ("portable ChaCha20-Poly1305", AeadKey::new_portable(ChaCha20Poly1305, &KEY)),
    ]
}

/// Bytes in pieces, sealed in place.
pub(super) fn encrypt(size: usize, effort: Effort) -> Result<Vec<Row>> {
    let data = RefCell::new(vec![0x5A; size]);
    let (reference, ciphers) = (aws()?, ciphers());
    let mut subjects = vec![Subject::new(REFERENCE, 1, || {
        for (number, piece) in data.borrow_mut().chunks_mut(SEGMENT).enumerate() {
            let nonce = Nonce::assume_unique_for_key(nonce(number));
            let tag = reference.seal_in_place_separate_tag(nonce, Aad::empty(), piece);
            assert!(black_box(tag).is_ok(), "a segment is below the cipher's limit");
        }
    })];
    for (name, key) in &ciphers {
        let data = &data;
        subjects.push(Subject::new(name, 1, move || {
            for (number, piece) in data.borrow_mut().chunks_mut(SEGMENT).enumerate() {
                black_box(key.seal(&nonce(number), &[], piece));
            }
        }));
    }
    let comparison = Comparison { case: "raw", direction: "encrypt", size, ratio_to: REFERENCE };
    Ok(comparison.throughput(&mut subjects, effort))
}

/// Sealed pieces, opened into a buffer.
pub(super) fn decrypt(size: usize, effort: Effort) -> Result<Vec<Row>> {
    let plain = vec![0x5A; size];
    let reference = aws()?;
    let ciphers = ciphers();
    // Both algorithms' pieces: a wrong tag would end a call early.
    let sealed: Vec<Sealed> = ciphers.iter().map(|(_, key)| Sealed::new(key, &plain)).collect();
    let out = RefCell::new(plain);
    let mut subjects = vec![Subject::new(REFERENCE, 1, || {
        let mut out = out.borrow_mut();
        for (number, (piece, tag)) in sealed[0].pieces().enumerate() {
            let nonce = Nonce::assume_unique_for_key(nonce(number));
            let place = &mut out[number * SEGMENT..][..piece.len()];
            reference
                .open_separate_gather(nonce, Aad::empty(), piece, tag, place)
                .expect("both libraries make the same tag");
        }
        black_box(&mut *out);
    })];
    for ((name, key), sealed) in ciphers.iter().zip(&sealed) {
        let out = &out;
        subjects.push(Subject::new(name, 1, move || {
            let mut out = out.borrow_mut();
            for (number, (piece, tag)) in sealed.pieces().enumerate() {
                let place = &mut out[number * SEGMENT..][..piece.len()];
                place.copy_from_slice(piece);
                key.open(&nonce(number), &[], place, tag).expect("sealed with this key");
            }
            black_box(&mut *out);
        }));
    }
    let comparison = Comparison { case: "raw", direction: "decrypt", size, ratio_to: REFERENCE };
    Ok(comparison.throughput(&mut subjects, effort))
}

/// Ciphertext and tags, apart.
struct Sealed {
    data: Vec<u8>,
    tags: Vec<[u8; TAG_LEN]>,
}

impl Sealed {
    fn new(key: &AeadKey, plain: &[u8]) -> Self {
        let mut data = plain.to_vec();
        let seal = |(number, piece): (usize, &mut [u8])| key.seal(&nonce(number), &[], piece);
        let tags = data.chunks_mut(SEGMENT).enumerate().map(seal).collect();
        Sealed { data, tags }
    }

    fn pieces(&self) -> impl Iterator<Item = (&[u8], &[u8; TAG_LEN])> {
        self.data.chunks(SEGMENT).zip(&self.tags)
    }
}

fn aws() -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, &KEY).map_err(|_| anyhow!("aws-lc-rs has no key"))?;
    Ok(LessSafeKey::new(key))
}

fn nonce(number: usize) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    nonce[4..].copy_from_slice(&(number as u64).to_be_bytes());
    nonce
}
