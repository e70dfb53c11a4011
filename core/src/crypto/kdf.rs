//! HKDF (RFC 5869).

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};

/// HKDF-SHA-256, extract and expand, with `info` joined. `out` is at most 8160 bytes.
///
/// ```
/// use keyfold::crypto::kdf::hkdf_sha256;
///
/// let (mut one, mut two) = ([0; 32], [0; 32]);
/// hkdf_sha256(b"salt", b"key material", &[b"my ", b"label"], &mut one);
/// hkdf_sha256(b"salt", b"key material", &[b"my label"], &mut two);
/// assert_eq!(one, two); // parts are joined: give each its length where that matters
/// ```
///
/// # Panics
/// Where `out` is longer.
pub fn hkdf_sha256(salt: &[u8], ikm: &[u8], info: &[&[u8]], out: &mut [u8]) {
    let hkdf = hkdf::Hkdf::<Sha256>::new(Some(salt), ikm);
    hkdf.expand_multi_info(info, out).expect("callers ask for fewer than 255 hash lengths");
}

/// HKDF-Expand-SHA-512 under one pseudo-random key, whose HMAC states are computed once: the
/// derivation of message keys from a data key (docs/spec/envelope.md, clause 5.2).
///
/// ```
/// use keyfold::crypto::kdf::HkdfSha512Expand;
///
/// let expand = HkdfSha512Expand::new(&[7; 32]);
/// let (mut short, mut long) = ([0; 32], [0; 76]);
/// expand.expand(&[b"label"], &mut short);
/// expand.expand(&[b"label"], &mut long);
/// assert_eq!(short, long[..32]);
/// ```
pub struct HkdfSha512Expand(Hmac<Sha512>);

impl HkdfSha512Expand {
    /// Takes the pseudo-random key, at least 32 bytes.
    pub fn new(prk: &[u8]) -> Self {
        HkdfSha512Expand(Hmac::new_from_slice(prk).expect("HMAC takes any key"))
    }

    /// Fills `out`, at most 16320 bytes, from the concatenated parts of `info`.
    pub fn expand(&self, info: &[&[u8]], out: &mut [u8]) {
        let mut previous: Option<[u8; 64]> = None;
        for (counter, block) in (1u8..=255).zip(out.chunks_mut(64)) {
            let mut mac = self.0.clone();
            if let Some(previous) = &previous {
                mac.update(previous);
            }
            for part in info {
                mac.update(part);
            }
            mac.update(&[counter]);
            let made: [u8; 64] = mac.finalize().into_bytes().into();
            block.copy_from_slice(&made[..block.len()]);
            previous = Some(made);
        }
        zeroize::Zeroize::zeroize(&mut previous);
    }
}
