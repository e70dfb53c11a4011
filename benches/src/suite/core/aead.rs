//! Large messages: `Sealer` and `Opener` into the caller's buffer, against the bare ciphers over
//! the same bytes in pieces of a segment.
//!
//! All of them go from one buffer to another. The ciphers that only work in place copy each piece
//! first; how fast they encrypt without that copy is shown beside it. (Decryption in place would
//! destroy what the next call reads.)

use std::cell::RefCell;
use std::hint::black_box;

use anyhow::{Result, anyhow};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use keyfold::crypto::aead::{AeadAlgorithm, AeadKey, NONCE_LEN, TAG_LEN};
use keyfold::stream::SEALED_SEGMENT_LEN;
use keyfold::{Demands, Sealer, Suite, SystemRng, Threads, Unlocked};

use super::Comparison;
use crate::harness::{Effort, Subject};
use crate::report::Row;
use crate::suite::{context, envelope};

const SEGMENT: usize = 16 << 10;
const KEY: [u8; 32] = [7; 32];
const REFERENCE: &str = "aws-lc-rs AES-256-GCM";
const REFERENCE_IN_PLACE: &str = "aws-lc-rs AES, in place";
const CHOSEN_IN_PLACE: &str = "chosen AES, in place";

/// keyfold's ciphers as they are.
fn ciphers() -> [(&'static str, AeadKey); 4] {
    use AeadAlgorithm::{Aes256Gcm, ChaCha20Poly1305};
    [
        (CHOSEN[0], AeadKey::new(Aes256Gcm, &KEY)),
        ("portable AES-256-GCM", AeadKey::new_portable(Aes256Gcm, &KEY)),
        (CHOSEN[1], AeadKey::new(ChaCha20Poly1305, &KEY)),
        ("portable ChaCha20-Poly1305", AeadKey::new_portable(ChaCha20Poly1305, &KEY)),
    ]
}

/// The backend that a machine chooses, for each suite.
const CHOSEN: [&str; 2] = ["chosen AES-256-GCM", "chosen ChaCha20-Poly1305"];

/// Each suite with the names of its machines and the bare cipher below it.
const SUITES: [(Suite, &str, &str, &str); 2] = [
    (Suite::Aes256Gcm, "Sealer 0x0001", "Opener 0x0001", CHOSEN[0]),
    (Suite::ChaCha20Poly1305, "Sealer 0x0002", "Opener 0x0002", CHOSEN[1]),
];

/// Seals a message of this size again and again.
pub(super) fn encrypt(size: usize, effort: Effort) -> Result<Vec<Row>> {
    let plain = vec![0x5A; size];
    let out = RefCell::new(vec![0; usize::try_from(Sealer::body_len(size as u64)?)?]);
    let (out, plain) = (&out, &plain);
    let (reference, ciphers, threads) = (aws()?, ciphers(), Threads::new(2)?);

    let aws = |copy: bool| {
        let reference = &reference;
        move || {
            for (number, piece, plain) in pieces(&mut out.borrow_mut(), plain) {
                if copy {
                    piece.copy_from_slice(plain);
                }
                let nonce = Nonce::assume_unique_for_key(nonce(number));
                let tag = reference.seal_in_place_separate_tag(nonce, Aad::empty(), piece);
                assert!(black_box(tag).is_ok(), "a segment is below the cipher's limit");
            }
        }
    };
    let bare = |key: &'_ AeadKey, copy: bool| {
        for (number, piece, plain) in pieces(&mut out.borrow_mut(), plain) {
            if copy {
                piece.copy_from_slice(plain);
            }
            black_box(key.seal(&nonce(number), &[], piece));
        }
    };
    let mut subjects =
        vec![Subject::new(REFERENCE, aws(true)), Subject::new(REFERENCE_IN_PLACE, aws(false))];
    for (name, key) in &ciphers {
        let seal = move || bare(key, true);
        subjects.push(Subject::new(name, seal).compared_with(&[REFERENCE]));
    }
    let in_place = || bare(&ciphers[0].1, false);
    subjects.push(Subject::new(CHOSEN_IN_PLACE, in_place).compared_with(&[REFERENCE_IN_PLACE]));
    for (suite, name, _, below) in SUITES {
        let (header, key) = envelope(suite)?;
        let seal = move |threads: &Threads| {
            let mut out = out.borrow_mut();
            let mut sealer = Sealer::new(&header, &key, &SystemRng)
                .expect("this system has randomness")
                .with_threads(threads);
            let written = sealer.update_into(plain, &mut out).expect("the buffer is long enough");
            sealer.finish_into(&mut out[written..]).expect("the buffer is long enough");
            black_box(&mut *out);
        };
        let (one, two) = (Threads::default(), threads.clone());
        let again = seal.clone();
        subjects.push(Subject::new(name, move || seal(&one)).compared_with(&[REFERENCE, below]));
        subjects.push(Subject::new(name, move || again(&two)).threads(2).compared_with(&[name]));
    }
    let (header, key) = envelope(Suite::Aes256Gcm)?;
    let in_place = move || {
        let mut out = out.borrow_mut();
        let mut sealer = Sealer::new(&header, &key, &SystemRng).expect("randomness");
        let prefix = sealer.update_into(&[], &mut out).expect("the buffer is long enough");
        let (slots, last) = out[prefix..].split_at_mut(size / SEGMENT * SEALED_SEGMENT_LEN);
        sealer.update_in_place(slots).expect("these are full segments");
        sealer.finish_into(last).expect("the buffer is long enough");
        black_box(&mut *out);
    };
    let names = [REFERENCE_IN_PLACE, CHOSEN_IN_PLACE];
    subjects.push(Subject::new("Sealer 0x0001, in place", in_place).compared_with(&names));
    let comparison = Comparison { case: "stream", direction: "encrypt", size };
    Ok(comparison.throughput(&mut subjects, effort))
}

/// Opens a message of this size again and again.
pub(super) fn decrypt(size: usize, effort: Effort) -> Result<Vec<Row>> {
    let plain = vec![0x5A; size];
    let out = RefCell::new(vec![0; size]);
    let out = &out;
    let (reference, ciphers, threads) = (aws()?, ciphers(), Threads::new(2)?);
    // Both algorithms' pieces: a wrong tag would end a call early.
    let sealed: Vec<Sealed> = ciphers.iter().map(|(_, key)| Sealed::new(key, &plain)).collect();

    let mut subjects = vec![Subject::new(REFERENCE, || {
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
        let open = move || {
            let mut out = out.borrow_mut();
            for (number, (piece, tag)) in sealed.pieces().enumerate() {
                let place = &mut out[number * SEGMENT..][..piece.len()];
                place.copy_from_slice(piece);
                key.open(&nonce(number), &[], place, tag).expect("sealed with this key");
            }
            black_box(&mut *out);
        };
        subjects.push(Subject::new(name, open).compared_with(&[REFERENCE]));
    }
    for (suite, _, name, below) in SUITES {
        let (header, key) = envelope(suite)?;
        let mut body = Vec::new();
        let mut sealer = Sealer::new(&header, &key, &SystemRng)?;
        sealer.update(&plain, &mut body)?;
        sealer.finish(&mut body)?;
        let demands = Demands::new(context());
        let open = move |threads: &Threads| {
            let mut out = out.borrow_mut();
            let mut opener = Unlocked::new(&header, key.clone(), &demands)
                .expect("the context is the right one")
                .into_opener()
                .with_threads(threads);
            let written = opener.update_into(&body, &mut out).expect("sealed with this key");
            opener.finish_into(&mut out[written..]).expect("the message is whole");
            black_box(&mut *out);
        };
        let (one, two) = (Threads::default(), threads.clone());
        let again = open.clone();
        subjects.push(Subject::new(name, move || open(&one)).compared_with(&[REFERENCE, below]));
        subjects.push(Subject::new(name, move || again(&two)).threads(2).compared_with(&[name]));
    }
    let comparison = Comparison { case: "stream", direction: "decrypt", size };
    Ok(comparison.throughput(&mut subjects, effort))
}

/// Seals a message of this size where it is, and opens it again, which leaves the plaintext for
/// the next time. In megabytes of plaintext a second, there and back counted once.
pub(super) fn in_place(size: usize, effort: Effort) -> Result<Vec<Row>> {
    const SLOT: usize = SEGMENT + TAG_LEN;
    let slots = RefCell::new(vec![0x5A; size / SEGMENT * SLOT]);
    let slots = &slots;
    let reference = aws()?;
    let chosen = &ciphers()[0].1;
    let (header, key) = envelope(Suite::Aes256Gcm)?;
    let demands = Demands::new(context());

    let aws = || {
        for (number, slot) in slots.borrow_mut().chunks_mut(SLOT).enumerate() {
            let assumed = Nonce::assume_unique_for_key(nonce(number));
            let (data, tag) = slot.split_at_mut(SEGMENT);
            let made = reference.seal_in_place_separate_tag(assumed, Aad::empty(), data);
            tag.copy_from_slice(made.expect("a segment is below the cipher's limit").as_ref());
        }
        for (number, slot) in slots.borrow_mut().chunks_mut(SLOT).enumerate() {
            let assumed = Nonce::assume_unique_for_key(nonce(number));
            let opened = reference.open_in_place(assumed, Aad::empty(), slot);
            assert!(black_box(opened).is_ok(), "sealed with this key");
        }
    };
    let bare = || {
        for (number, slot) in slots.borrow_mut().chunks_mut(SLOT).enumerate() {
            let (data, tag) = slot.split_at_mut(SEGMENT);
            tag.copy_from_slice(&chosen.seal(&nonce(number), &[], data));
        }
        for (number, slot) in slots.borrow_mut().chunks_mut(SLOT).enumerate() {
            let (data, tag) = slot.split_last_chunk_mut().expect("a slot has a tag");
            chosen.open(&nonce(number), &[], data, tag).expect("sealed with this key");
        }
    };
    let machines = || {
        let mut slots = slots.borrow_mut();
        let mut prefix = Vec::new();
        let mut sealer = Sealer::new(&header, &key, &SystemRng).expect("randomness");
        sealer.update(&[], &mut prefix).expect("the prefix");
        sealer.update_in_place(&mut slots).expect("whole segments");
        let unlocked = Unlocked::new(&header, key.clone(), &demands).expect("the right context");
        let mut opener = unlocked.into_opener();
        opener.update(&prefix, &mut Vec::new()).expect("the right key");
        opener.update_in_place(&mut slots).expect("sealed with this key");
        black_box(&mut *slots);
    };
    let mut subjects = vec![
        Subject::new(REFERENCE_IN_PLACE, aws),
        Subject::new(CHOSEN_IN_PLACE, bare).compared_with(&[REFERENCE_IN_PLACE]),
        Subject::new("Sealer, then Opener", machines)
            .compared_with(&[REFERENCE_IN_PLACE, CHOSEN_IN_PLACE]),
    ];
    let comparison = Comparison { case: "in place", direction: "both", size };
    Ok(comparison.throughput(&mut subjects, effort))
}

/// The pieces of two buffers, numbered.
fn pieces<'a>(
    out: &'a mut [u8],
    plain: &'a [u8],
) -> impl Iterator<Item = (usize, &'a mut [u8], &'a [u8])> {
    let out = out[..plain.len()].chunks_mut(SEGMENT);
    out.zip(plain.chunks(SEGMENT)).enumerate().map(|(number, (out, plain))| (number, out, plain))
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
