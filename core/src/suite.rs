//! The table of suites: fixed, numbered sets of algorithms. Nothing is negotiated.

use crate::crypto::aead::AeadAlgorithm;
use crate::error::{Error, ErrorCode, Result};

/// A suite of algorithms (docs/spec/envelope.md, clause 5.1).
///
/// ```
/// use keyfold::Suite;
///
/// assert_eq!(Suite::from_id(0x0002)?, Suite::ChaCha20Poly1305);
/// assert_eq!(Suite::Aes256Gcm.name(), "HKDF-SHA-512 + AES-256-GCM");
/// assert!(Suite::from_id(0x0003).is_err()); // reserved
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Suite {
    /// 0x0001, the default: HKDF-SHA-512 and AES-256-GCM (C2SP Cobblestone-256).
    Aes256Gcm,
    /// 0x0002: the same construction with ChaCha20-Poly1305, for processors without AES
    /// instructions.
    ChaCha20Poly1305,
}

impl Suite {
    /// Every suite this version can write and read.
    pub const ALL: &[Suite] = &[Suite::Aes256Gcm, Suite::ChaCha20Poly1305];

    /// The number that stands in a header.
    pub const fn id(self) -> u16 {
        match self {
            Suite::Aes256Gcm => 0x0001,
            Suite::ChaCha20Poly1305 => 0x0002,
        }
    }

    /// The suite of a number.
    ///
    /// # Errors
    /// `unsupported_suite`; also for 0x0003, which is reserved for SM4-GCM.
    pub fn from_id(id: u16) -> Result<Self> {
        Self::ALL.iter().copied().find(|suite| suite.id() == id).ok_or_else(|| {
            Error::new(ErrorCode::UnsupportedSuite, format!("suite 0x{id:04x} is not supported"))
        })
    }

    /// The cipher alone, as people name it.
    ///
    /// ```
    /// assert_eq!(keyfold::Suite::ChaCha20Poly1305.cipher(), "ChaCha20-Poly1305");
    /// ```
    pub const fn cipher(self) -> &'static str {
        match self {
            Suite::Aes256Gcm => "AES-256-GCM",
            Suite::ChaCha20Poly1305 => "ChaCha20-Poly1305",
        }
    }

    /// The name of the suite's AEAD and key derivation, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Suite::Aes256Gcm => "HKDF-SHA-512 + AES-256-GCM",
            Suite::ChaCha20Poly1305 => "HKDF-SHA-512 + ChaCha20-Poly1305",
        }
    }

    /// The label under which message keys are derived, with its closing zero (clause 5.2).
    pub(crate) const fn label(self) -> &'static [u8] {
        match self {
            Suite::Aes256Gcm => b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0",
            Suite::ChaCha20Poly1305 => b"c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305\0",
        }
    }

    pub(crate) const fn aead(self) -> AeadAlgorithm {
        match self {
            Suite::Aes256Gcm => AeadAlgorithm::Aes256Gcm,
            Suite::ChaCha20Poly1305 => AeadAlgorithm::ChaCha20Poly1305,
        }
    }
}
