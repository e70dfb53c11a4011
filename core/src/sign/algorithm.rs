//! Key specs and signature algorithms, and which belong together.

use crate::error::{Error, Result};

macro_rules! named {
    (
        $(#[$doc:meta])* $type:ident, $what:literal;
        $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $type {
            /// Every one there is, in the order of their declaration.
            pub const ALL: &[$type] = &[$($type::$variant,)+];

            /// The name as the AWS KMS API writes it.
            pub const fn as_str(self) -> &'static str {
                match self { $($type::$variant => $name,)+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::error::Error;

            fn from_str(name: &str) -> crate::error::Result<Self> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|known| known.as_str() == name)
                    .ok_or_else(|| crate::error::Error::invalid(concat!("unknown ", $what)))
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use named;

named! {
    /// What kind of asymmetric key, named as the AWS KMS API names it.
    ///
    /// ```
    /// use keyfold::sign::{KeySpec, SignatureAlgorithm};
    ///
    /// let spec: KeySpec = "ECC_NIST_P384".parse()?;
    /// assert_eq!(spec.algorithms(), [SignatureAlgorithm::EcdsaSha384]);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    KeySpec, "key spec";
    /// RSA with a modulus of 2048 bits.
    Rsa2048 = "RSA_2048",
    /// RSA with a modulus of 3072 bits.
    Rsa3072 = "RSA_3072",
    /// RSA with a modulus of 4096 bits.
    Rsa4096 = "RSA_4096",
    /// The curve P-256 (secp256r1).
    EccNistP256 = "ECC_NIST_P256",
    /// The curve P-384 (secp384r1).
    EccNistP384 = "ECC_NIST_P384",
    /// The curve P-521 (secp521r1).
    EccNistP521 = "ECC_NIST_P521",
    /// The curve secp256k1.
    EccSecgP256k1 = "ECC_SECG_P256K1",
    /// Ed25519 (RFC 8032).
    Ed25519 = "ECC_NIST_EDWARDS25519",
}

named! {
    /// A signature algorithm, named as the AWS KMS API and this project's glossary name it.
    ///
    /// ```
    /// use keyfold::sign::SignatureAlgorithm;
    ///
    /// let algorithm: SignatureAlgorithm = "RSASSA_PSS_SHA_384".parse()?;
    /// assert_eq!(algorithm, SignatureAlgorithm::RsaPssSha384);
    /// assert_eq!(algorithm.digest_len(), Some(48));
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    SignatureAlgorithm, "signature algorithm";
    /// RSA PKCS#1 v1.5 with SHA-256.
    RsaPkcs1Sha256 = "RSASSA_PKCS1_V1_5_SHA_256",
    /// RSA PKCS#1 v1.5 with SHA-384.
    RsaPkcs1Sha384 = "RSASSA_PKCS1_V1_5_SHA_384",
    /// RSA PKCS#1 v1.5 with SHA-512.
    RsaPkcs1Sha512 = "RSASSA_PKCS1_V1_5_SHA_512",
    /// RSA-PSS with SHA-256, MGF1 with the same hash, salt of 32 bytes.
    RsaPssSha256 = "RSASSA_PSS_SHA_256",
    /// RSA-PSS with SHA-384, MGF1 with the same hash, salt of 48 bytes.
    RsaPssSha384 = "RSASSA_PSS_SHA_384",
    /// RSA-PSS with SHA-512, MGF1 with the same hash, salt of 64 bytes.
    RsaPssSha512 = "RSASSA_PSS_SHA_512",
    /// ECDSA with SHA-256, on P-256 or secp256k1.
    EcdsaSha256 = "ECDSA_SHA_256",
    /// ECDSA with SHA-384, on P-384.
    EcdsaSha384 = "ECDSA_SHA_384",
    /// ECDSA with SHA-512, on P-521.
    EcdsaSha512 = "ECDSA_SHA_512",
    /// Ed25519 (RFC 8032), over the message itself.
    Ed25519 = "ED25519_SHA_512",
    /// Ed25519ph (RFC 8032), over the message's SHA-512, with an empty context. Its signatures
    /// are not those of [`SignatureAlgorithm::Ed25519`].
    Ed25519ph = "ED25519_PH_SHA_512",
}

use KeySpec as K;
use SignatureAlgorithm as A;

impl KeySpec {
    /// The algorithms that a key of this spec signs with.
    pub const fn algorithms(self) -> &'static [SignatureAlgorithm] {
        match self {
            K::Rsa2048 | K::Rsa3072 | K::Rsa4096 => &[
                A::RsaPkcs1Sha256,
                A::RsaPkcs1Sha384,
                A::RsaPkcs1Sha512,
                A::RsaPssSha256,
                A::RsaPssSha384,
                A::RsaPssSha512,
            ],
            K::EccNistP256 | K::EccSecgP256k1 => &[A::EcdsaSha256],
            K::EccNistP384 => &[A::EcdsaSha384],
            K::EccNistP521 => &[A::EcdsaSha512],
            K::Ed25519 => &[A::Ed25519, A::Ed25519ph],
        }
    }

    /// The algorithm that a key of this spec signs with unless another one is named: for RSA, PSS
    /// with SHA-256.
    ///
    /// ```
    /// use keyfold::sign::{KeySpec, SignatureAlgorithm};
    ///
    /// assert_eq!(KeySpec::Rsa3072.default_algorithm(), SignatureAlgorithm::RsaPssSha256);
    /// assert_eq!(KeySpec::Ed25519.default_algorithm(), SignatureAlgorithm::Ed25519);
    /// ```
    pub const fn default_algorithm(self) -> SignatureAlgorithm {
        match self {
            K::Rsa2048 | K::Rsa3072 | K::Rsa4096 => A::RsaPssSha256,
            _ => self.algorithms()[0],
        }
    }

    /// Fails with `invalid_argument` unless keys of this spec sign with `algorithm`.
    pub(crate) fn check(self, algorithm: SignatureAlgorithm) -> Result<()> {
        if self.algorithms().contains(&algorithm) {
            Ok(())
        } else {
            Err(Error::invalid(format!("a key of spec {self} does not sign with {algorithm}")))
        }
    }

    /// Length of a field element, hence of `r` and of `s`, in bytes; `None` unless ECDSA.
    pub(crate) const fn ecdsa_field_len(self) -> Option<usize> {
        match self {
            K::EccNistP256 | K::EccSecgP256k1 => Some(32),
            K::EccNistP384 => Some(48),
            K::EccNistP521 => Some(66),
            K::Rsa2048 | K::Rsa3072 | K::Rsa4096 | K::Ed25519 => None,
        }
    }
}

impl SignatureAlgorithm {
    /// Length in bytes of the digest that is signed; `None` for pure Ed25519, which signs the
    /// message itself and has none.
    pub const fn digest_len(self) -> Option<usize> {
        match self {
            A::RsaPkcs1Sha256 | A::RsaPssSha256 | A::EcdsaSha256 => Some(32),
            A::RsaPkcs1Sha384 | A::RsaPssSha384 | A::EcdsaSha384 => Some(48),
            A::RsaPkcs1Sha512 | A::RsaPssSha512 | A::EcdsaSha512 | A::Ed25519ph => Some(64),
            A::Ed25519 => None,
        }
    }

    /// Fails with `invalid_argument` unless `digest` has the length this algorithm signs.
    pub(crate) fn check_digest(self, digest: &[u8]) -> Result<()> {
        match self.digest_len() {
            Some(len) if len == digest.len() => Ok(()),
            Some(len) => Err(Error::invalid(format!("{self} signs a digest of {len} bytes"))),
            None => Err(Error::invalid(
                "ED25519_SHA_512 signs whole messages, not digests; ED25519_PH_SHA_512 signs digests",
            )),
        }
    }
}
