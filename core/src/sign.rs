//! Signatures: algorithms, local key pairs, public keys and their encodings.

/// A signature algorithm, named as the AWS KMS API and this project's glossary name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    RsaPkcs1Sha256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RsaPkcs1Sha512,
    /// RSA-PSS with SHA-256, MGF1 with the same hash, salt of 32 bytes.
    RsaPssSha256,
    /// RSA-PSS with SHA-384, MGF1 with the same hash, salt of 48 bytes.
    RsaPssSha384,
    /// RSA-PSS with SHA-512, MGF1 with the same hash, salt of 64 bytes.
    RsaPssSha512,
    /// ECDSA with SHA-256, on P-256 or secp256k1.
    EcdsaSha256,
    /// ECDSA with SHA-384, on P-384.
    EcdsaSha384,
    /// ECDSA with SHA-512, on P-521.
    EcdsaSha512,
    /// Ed25519 (RFC 8032), over the message itself.
    Ed25519,
}
