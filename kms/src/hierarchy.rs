//! From the root key to the keys of the store, and what is sealed under them.
//!
//! Every use has its own key, derived from the root under its own label; every sealed record has
//! its own key below that, derived from a fresh salt, so that no nonce budget ever runs out.

use keyfold::crypto::aead::{AeadAlgorithm, AeadKey, NONCE_LEN, TAG_LEN};
use keyfold::crypto::kdf::hkdf_sha256;
use keyfold::crypto::rng::Rng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::{KmsError, Result};

/// Length of the root key and of every key below it, in bytes.
pub(crate) const KEY_LEN: usize = 32;
const SALT_LEN: usize = 32;

/// The root key: 32 random bytes that exist in the clear only in memory.
///
/// ```
/// use keyfold_kms::root::RootKey;
///
/// let mut opened = [7; 32]; // what a sealer has opened
/// let root = RootKey::take(&mut opened).expect("32 bytes");
/// assert_eq!(opened, [0; 32]); // the source is wiped
/// assert!(RootKey::take(&mut [7; 31]).is_none());
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RootKey(Box<[u8; KEY_LEN]>);

impl RootKey {
    pub(crate) fn make(rng: &dyn Rng) -> Result<Self> {
        let mut root = RootKey(Box::new([0; KEY_LEN]));
        rng.fill(root.0.as_mut_slice())?;
        Ok(root)
    }

    /// Takes the bytes of a root key and wipes their source; `None` unless there are 32.
    pub fn take(bytes: &mut [u8]) -> Option<Self> {
        let mut root = RootKey(Box::new([0; KEY_LEN]));
        let fits = bytes.len() == KEY_LEN;
        if fits {
            root.0.copy_from_slice(bytes);
        }
        bytes.zeroize();
        fits.then_some(root)
    }

    /// The bytes, for a slot that seals them; for nothing else.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

/// A key of the store, for one use.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct UseKey(Box<[u8; KEY_LEN]>);

impl UseKey {
    fn derive(root: &RootKey, store_id: &[u8], label: &str) -> Self {
        let mut key = UseKey(Box::new([0; KEY_LEN]));
        let info = [b"keyfold/kms/store-key/v1".as_slice(), &[0], label.as_bytes()];
        hkdf_sha256(store_id, root.0.as_slice(), &info, key.0.as_mut_slice());
        key
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// A MAC over parts, each bound to its length.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let lengths: Vec<[u8; 8]> = parts.iter().map(|p| (p.len() as u64).to_be_bytes()).collect();
        let framed: Vec<&[u8]> = lengths
            .iter()
            .zip(parts)
            .flat_map(|(length, part)| [length.as_slice(), part])
            .collect();
        keyfold::crypto::hash::hmac_sha256(self.0.as_slice(), &framed)
    }
}

/// The keys that a store uses, by what for. The labels are part of the format.
pub(crate) struct StoreKeys {
    /// Seals versions of key material.
    pub material_wrap: UseKey,
    /// Makes the ids of key material.
    pub material_id_mac: UseKey,
    /// Authenticates grant tokens.
    pub grant_token: UseKey,
    /// Authenticates the markers of lists.
    pub page_marker: UseKey,
    /// Chains audit records and hides context values in them.
    pub audit_mac: UseKey,
    /// Tells whether a root belongs to a store.
    pub root_check: UseKey,
    /// Recognises a request that is made again.
    pub idempotency: UseKey,
    /// Seals the secrets of access keys.
    pub access_key: UseKey,
    /// Seals the key that signs the store's own tokens.
    pub token_key: UseKey,
}

impl StoreKeys {
    /// Derives all of them.
    pub(crate) fn derive(root: &RootKey, store_id: &[u8]) -> Self {
        let key = |label| UseKey::derive(root, store_id, label);
        StoreKeys {
            material_wrap: key("material-wrap"),
            material_id_mac: key("material-id-mac"),
            grant_token: key("grant-token"),
            page_marker: key("page-marker"),
            audit_mac: key("audit-mac"),
            root_check: key("root-check"),
            idempotency: key("idempotency"),
            access_key: key("access-key"),
            token_key: key("token-key"),
        }
    }

    /// The value that the store keeps to recognise its root.
    pub(crate) fn root_check_value(&self) -> [u8; 32] {
        self.root_check.mac(&[b"keyfold/kms/root-check/v1"])
    }
}

/// Seals a record: salt (32), ciphertext, tag (16). `aad` names the record and all of its
/// properties that must not change under it.
pub(crate) fn seal(
    key: &[u8; KEY_LEN],
    rng: &dyn Rng,
    aad: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>> {
    let mut sealed = vec![0; SALT_LEN];
    rng.fill(&mut sealed)?;
    let (aead, nonce) = record_key(key, &sealed);
    // Plaintext is encrypted in place: the buffer must not move once it is in.
    sealed.reserve_exact(plain.len() + TAG_LEN);
    sealed.extend_from_slice(plain);
    let tag = aead.seal(&nonce, aad, &mut sealed[SALT_LEN..]);
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Opens what [`seal`] made; `None` where anything at all is wrong.
pub(crate) fn open(key: &[u8; KEY_LEN], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (salt, rest) = sealed.split_at_checked(SALT_LEN)?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>()?;
    let (aead, nonce) = record_key(key, salt);
    let mut plain = Zeroizing::new(ciphertext.to_vec());
    aead.open(&nonce, aad, &mut plain, tag).ok()?;
    Some(plain)
}

fn record_key(key: &[u8; KEY_LEN], salt: &[u8]) -> (AeadKey, [u8; NONCE_LEN]) {
    let mut okm = Zeroizing::new([0; KEY_LEN + NONCE_LEN]);
    hkdf_sha256(salt, key, &[b"keyfold/kms/record/v1"], okm.as_mut_slice());
    let (mut aead_key, mut nonce) = (Zeroizing::new([0; KEY_LEN]), [0; NONCE_LEN]);
    aead_key.copy_from_slice(&okm[..KEY_LEN]);
    nonce.copy_from_slice(&okm[KEY_LEN..]);
    (AeadKey::new(AeadAlgorithm::Aes256Gcm, &aead_key), nonce)
}

/// A record that should open and does not: the store was altered, or is damaged.
pub(crate) fn damaged(what: &str) -> KmsError {
    KmsError::internal(format!("{what} in the store is damaged or was altered"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyfold::crypto::rng::SystemRng;

    #[test]
    fn a_sealed_record_opens_only_whole_and_in_its_place() {
        let key = [7; KEY_LEN];
        let sealed = seal(&key, &SystemRng, b"place", b"material").expect("sealed");
        assert_eq!(open(&key, b"place", &sealed).expect("opens").as_slice(), b"material");
        assert!(open(&key, b"elsewhere", &sealed).is_none());
        assert!(open(&[8; KEY_LEN], b"place", &sealed).is_none());
        for len in 0..sealed.len() {
            assert!(open(&key, b"place", &sealed[..len]).is_none(), "cut to {len}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, b"place", &flipped).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn every_use_has_its_own_key() {
        let root = RootKey::take(&mut [1; KEY_LEN]).expect("32 bytes");
        let keys = StoreKeys::derive(&root, b"store");
        let all = [
            &keys.material_wrap,
            &keys.material_id_mac,
            &keys.grant_token,
            &keys.page_marker,
            &keys.audit_mac,
            &keys.root_check,
            &keys.idempotency,
            &keys.access_key,
            &keys.token_key,
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().map(|key| *key.expose()).collect();
        assert_eq!(distinct.len(), all.len());
        let other = StoreKeys::derive(&root, b"another store");
        assert_ne!(other.root_check_value(), keys.root_check_value());
    }

    #[test]
    fn a_mac_binds_the_lengths_of_its_parts() {
        let key = UseKey(Box::new([1; KEY_LEN]));
        assert_ne!(key.mac(&[b"ab", b"c"]), key.mac(&[b"a", b"bc"]));
    }
}
