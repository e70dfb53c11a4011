//! Hashes and MACs.

use hmac::{KeyInit, Mac};
use sha2::digest::{Digest, FixedOutput, Output, Update};

/// SHA-256 over input that arrives in parts.
///
/// ```
/// use keyfold::crypto::hash::Sha256;
///
/// let mut hash = Sha256::default();
/// hash.update(b"a");
/// hash.update(b"bc");
/// let digest = hash.finish();
/// assert_eq!(digest, Sha256::digest(b"abc"));
/// assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]); // FIPS 180-4
/// ```
#[derive(Clone, Default)]
pub struct Sha256(sha2::Sha256);
/// SHA-384 over input that arrives in parts.
///
/// ```
/// use keyfold::crypto::hash::Sha384;
///
/// let mut hash = Sha384::default();
/// hash.update(b"a");
/// hash.update(b"bc");
/// let digest = hash.finish();
/// assert_eq!(digest, Sha384::digest(b"abc"));
/// assert_eq!(digest[..4], [0xcb, 0x00, 0x75, 0x3f]); // FIPS 180-4
/// ```
#[derive(Clone, Default)]
pub struct Sha384(sha2::Sha384);
/// SHA-512 over input that arrives in parts.
///
/// ```
/// use keyfold::crypto::hash::Sha512;
///
/// let mut hash = Sha512::default();
/// hash.update(b"a");
/// hash.update(b"bc");
/// let digest = hash.finish();
/// assert_eq!(digest, Sha512::digest(b"abc"));
/// assert_eq!(digest[..4], [0xdd, 0xaf, 0x35, 0xa1]); // FIPS 180-4
/// ```
#[derive(Clone, Default)]
pub struct Sha512(sha2::Sha512);

/// SM3 over input that arrives in parts.
///
/// ```
/// use keyfold::crypto::hash::Sm3;
///
/// let mut hash = Sm3::default();
/// hash.update(b"a");
/// hash.update(b"bc");
/// let digest = hash.finish();
/// assert_eq!(digest, Sm3::digest(b"abc"));
/// assert_eq!(digest[..4], [0x66, 0xc7, 0xf0, 0xf4]); // GB/T 32905, A.1
/// ```
#[derive(Clone, Default)]
pub struct Sm3(sm3::Sm3);

macro_rules! hash {
    ($name:ident, $inner:ty, $len:literal) => {
        impl $name {
            /// Length of the result in bytes.
            pub const LEN: usize = $len;

            /// Takes in the next part.
            pub fn update(&mut self, part: &[u8]) {
                Update::update(&mut self.0, part);
            }

            /// The hash of all parts.
            pub fn finish(self) -> [u8; $len] {
                let out: Output<$inner> = self.0.finalize_fixed();
                out.into()
            }

            /// The hash of one piece.
            pub fn digest(bytes: &[u8]) -> [u8; $len] {
                <$inner as Digest>::digest(bytes).into()
            }
        }
    };
}

hash!(Sha256, sha2::Sha256, 32);
hash!(Sha384, sha2::Sha384, 48);
hash!(Sha512, sha2::Sha512, 64);
hash!(Sm3, sm3::Sm3, 32);

/// HMAC-SHA-256 of the concatenated parts.
///
/// ```
/// use keyfold::crypto::hash::{constant_time_eq, hmac_sha256};
///
/// let tag = hmac_sha256(b"key", &[b"a", b"bc"]);
/// assert!(constant_time_eq(&tag, &hmac_sha256(b"key", &[b"abc"])));
/// ```
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes a key of any length (RFC 2104), so the constructor cannot fail.
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).expect("HMAC takes any key");
    for part in parts {
        Mac::update(&mut mac, part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SM3 of one piece.
///
/// ```
/// use keyfold::crypto::hash::hmac_sm3;
///
/// assert_ne!(hmac_sm3(b"key", b"abc"), hmac_sm3(b"yek", b"abc"));
/// ```
pub fn hmac_sm3(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut mac = hmac::Hmac::<sm3::Sm3>::new_from_slice(key).expect("HMAC takes any key");
    Mac::update(&mut mac, bytes);
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA-1 of one piece, for services that sign requests by it.
///
/// ```
/// use keyfold::crypto::hash::hmac_sha1;
///
/// assert_ne!(hmac_sha1(b"key", b"abc"), hmac_sha1(b"yek", b"abc"));
/// ```
pub fn hmac_sha1(key: &[u8], bytes: &[u8]) -> [u8; 20] {
    let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(key).expect("HMAC takes any key");
    Mac::update(&mut mac, bytes);
    mac.finalize().into_bytes().into()
}

/// Compares two byte strings without telling where they differ.
///
/// ```
/// use keyfold::crypto::hash::constant_time_eq;
///
/// assert!(constant_time_eq(b"tag", b"tag"));
/// assert!(!constant_time_eq(b"tag", b"tags")); // lengths are not hidden
/// ```
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq;
    a.ct_eq(b).into()
}
