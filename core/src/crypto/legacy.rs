//! What services of others still use, and nothing of keyfold's own.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyInit};

use crate::keys::SecretBytes;

/// AES-128 in ECB mode with PKCS #7 padding; nothing where key, length or padding is wrong.
///
/// It authenticates nothing: whoever answers over TLS is trusted with the value.
pub(crate) fn aes128_ecb_open(key: &[u8], sealed: Vec<u8>) -> Option<SecretBytes> {
    let mut sealed = zeroize::Zeroizing::new(sealed);
    let cipher = ecb::Decryptor::<aes::Aes128>::new_from_slice(key).ok()?;
    let plain = cipher.decrypt_padded::<Pkcs7>(&mut sealed).ok()?;
    Some(SecretBytes::from(plain))
}
