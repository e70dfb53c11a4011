//! Asymmetric keys of every spec behind one pair of types: which backend works, which family a
//! key is of, and how PKCS#8 and SPKI name it.

use std::sync::Arc;

use pkcs8::der::asn1::{AnyRef, BitStringRef, Null, OctetStringRef};
use pkcs8::der::pem::{LineEnding, PemLabel};
use pkcs8::der::{Decode, Document, Encode, SecretDocument};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::accelerated;
use super::der;
use super::ec::{self, EcPrivateKey, EcPublicKey};
use super::ed25519::{Ed25519PrivateKey, Ed25519PublicKey};
use super::rng::{Rng, seeded};
use super::rsa::{self, RsaNumbers, RsaPrivateKey, RsaPublicKey};
use crate::error::{Error, ErrorCode, Result};
use crate::keys::SecretBytes;
use crate::sign::{KeySpec, MAX_ENCODED_KEY_LEN, MessageHasher, SignatureAlgorithm};

/// `rsaEncryption` (RFC 8017, appendix A.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-ecPublicKey` (RFC 5480, section 2.1.1), with the curve as its parameter.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `id-Ed25519` (RFC 8410, section 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// The curves of `id-ecPublicKey`.
const CURVES: [(KeySpec, ObjectIdentifier); 4] = [
    (KeySpec::EccNistP256, ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7")),
    (KeySpec::EccNistP384, ObjectIdentifier::new_unwrap("1.3.132.0.34")),
    (KeySpec::EccNistP521, ObjectIdentifier::new_unwrap("1.3.132.0.35")),
    (KeySpec::EccSecgP256k1, ObjectIdentifier::new_unwrap("1.3.132.0.10")),
];

/// What is signed: a message, or its digest of the length that the algorithm demands.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    Message(&'a [u8]),
    Digest(&'a [u8]),
}

impl Input<'_> {
    fn to_digest(self, algorithm: SignatureAlgorithm) -> Result<Vec<u8>> {
        match self {
            Input::Message(message) => MessageHasher::digest(algorithm, message),
            Input::Digest(digest) => Ok(digest.to_vec()),
        }
    }
}

/// A public key of an accelerated backend. `None` means: ask the portable one.
pub(super) trait FastPublicKey: Send + Sync {
    /// Whether the signature holds; an ECDSA one is `r || s`.
    fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool>;
}

/// A private key of an accelerated backend. `None` means: ask the portable one.
pub(super) trait FastPrivateKey: Send + Sync {
    /// A signature; an ECDSA one is `r || s`.
    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Option<Vec<u8>>;
}

/// What the algorithm identifier of PKCS#8 and SPKI tells; RSA's size is in the key itself.
enum Family {
    Rsa,
    Ec(KeySpec),
    Ed25519,
}

impl Family {
    /// By the object identifier, and the parameters as they are encoded.
    fn of(oid: &[u8], parameters: &[u8]) -> Result<Self> {
        let curve = match parameters {
            der::NULL if oid == RSA.as_bytes() => return Ok(Family::Rsa),
            [] if oid == ED25519.as_bytes() => return Ok(Family::Ed25519),
            curve if oid == EC.as_bytes() => der::only(der::OBJECT_IDENTIFIER, curve),
            _ => None,
        };
        CURVES
            .iter()
            .find(|(_, known)| Some(known.as_bytes()) == curve)
            .map(|(spec, _)| Family::Ec(*spec))
            .ok_or_else(|| Error::invalid("the key is of a kind or on a curve not supported"))
    }

    fn identify<T>(
        spec: KeySpec,
        encode: impl FnOnce(AlgorithmIdentifierRef<'_>) -> pkcs8::der::Result<T>,
    ) -> Result<T> {
        let curve = CURVES.iter().find(|(known, _)| *known == spec).map(|(_, curve)| curve);
        let (oid, parameters) = match (curve, spec) {
            (Some(curve), _) => (EC, Some(AnyRef::from(curve))),
            (None, KeySpec::Ed25519) => (ED25519, None),
            (None, _) => (RSA, Some(AnyRef::from(Null))),
        };
        encode(AlgorithmIdentifierRef { oid, parameters }).map_err(|_| cannot_encode())
    }
}

fn malformed<E>(_: E) -> Error {
    Error::invalid("the encoded key is malformed")
}

fn cannot_encode() -> Error {
    Error::new(ErrorCode::Internal, "a key could not be encoded")
}

/// Refuses what is longer than any key; the first check of every parser of keys.
pub(crate) fn check_encoded_len(len: usize) -> Result<()> {
    if len > MAX_ENCODED_KEY_LEN {
        return Err(Error::limit("the encoded key is longer than 16384 bytes"));
    }
    Ok(())
}

/// The family and the bits of the key in a DER SubjectPublicKeyInfo (RFC 5280, section 4.1).
fn read_spki(der: &[u8]) -> Result<(Family, &[u8])> {
    check_encoded_len(der.len())?;
    let parts = || {
        let (algorithm, rest) = der::value(der::SEQUENCE, der::only(der::SEQUENCE, der)?)?;
        let (oid, parameters) = der::value(der::OBJECT_IDENTIFIER, algorithm)?;
        match der::only(der::BIT_STRING, rest)? {
            // No bit of the last byte is unused.
            [0, bits @ ..] => Some((oid, parameters, bits)),
            _ => None,
        }
    };
    let (oid, parameters, bits) = parts().ok_or_else(|| malformed(()))?;
    Ok((Family::of(oid, parameters)?, bits))
}

/// What kind of key a DER SubjectPublicKeyInfo holds, by its encoding alone: no number of it is
/// computed with, so that a host can be handed the key without a curve in this program.
pub(crate) fn spec_of_spki(der: &[u8]) -> Result<KeySpec> {
    let (family, bits) = read_spki(der)?;
    match family {
        Family::Rsa => rsa::spec_of_pkcs1(bits),
        Family::Ec(spec) => {
            let field_len = spec.ecdsa_field_len().unwrap_or_default();
            let fits = match bits.first() {
                Some(4) => bits.len() == 1 + 2 * field_len,
                Some(2 | 3) => bits.len() == 1 + field_len,
                _ => false,
            };
            if fits { Ok(spec) } else { Err(malformed(())) }
        }
        Family::Ed25519 if bits.len() == 32 => Ok(KeySpec::Ed25519),
        Family::Ed25519 => Err(malformed(())),
    }
}

#[derive(Clone)]
enum Public {
    Rsa(RsaPublicKey),
    Ec(EcPublicKey),
    Ed25519(Ed25519PublicKey),
}

/// A public key and its SPKI.
#[derive(Clone)]
pub(crate) struct PublicKey {
    spec: KeySpec,
    spki: Arc<[u8]>,
    portable: Public,
    fast: Option<Arc<dyn FastPublicKey>>,
}

impl PublicKey {
    fn new(spec: KeySpec, portable: Public) -> Result<Self> {
        let bits = match &portable {
            Public::Rsa(key) => key.to_pkcs1()?,
            Public::Ec(key) => key.to_point(),
            Public::Ed25519(key) => key.to_bytes(),
        };
        let spki = Family::identify(spec, |algorithm| {
            let subject_public_key = BitStringRef::from_bytes(&bits)?;
            SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der()
        })?;
        let fast = accelerated::public_key(spec, &bits);
        Ok(PublicKey { spec, spki: spki.into(), portable, fast })
    }

    pub(crate) fn from_spki_der(der: &[u8]) -> Result<Self> {
        let (family, bits) = read_spki(der)?;
        match family {
            Family::Rsa => {
                let (spec, key) = RsaPublicKey::from_pkcs1(bits)?;
                Self::new(spec, Public::Rsa(key))
            }
            Family::Ec(spec) => Self::from_point(spec, bits),
            Family::Ed25519 => Self::from_ed25519(bits),
        }
    }

    pub(crate) fn from_spki_pem(pem: &str) -> Result<Self> {
        check_encoded_len(pem.len())?;
        let (label, document) = Document::from_pem(pem).map_err(malformed)?;
        if label != SubjectPublicKeyInfoRef::PEM_LABEL {
            return Err(Error::invalid("the PEM is not labelled PUBLIC KEY"));
        }
        Self::from_spki_der(document.as_bytes())
    }

    /// A key from a SEC 1 point.
    pub(crate) fn from_point(spec: KeySpec, point: &[u8]) -> Result<Self> {
        Self::new(spec, Public::Ec(EcPublicKey::from_point(spec, point)?))
    }

    pub(crate) fn from_ed25519(bytes: &[u8]) -> Result<Self> {
        Self::new(KeySpec::Ed25519, Public::Ed25519(Ed25519PublicKey::from_bytes(bytes)?))
    }

    /// An RSA key from its modulus and exponent, big-endian.
    pub(crate) fn from_rsa_numbers(n: &[u8], e: &[u8]) -> Result<Self> {
        let (spec, key) = RsaPublicKey::from_numbers(n, e)?;
        Self::new(spec, Public::Rsa(key))
    }

    pub(crate) fn spec(&self) -> KeySpec {
        self.spec
    }

    pub(crate) fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    pub(crate) fn to_spki_pem(&self) -> String {
        use pkcs8::der::pem::encode_string;
        encode_string(SubjectPublicKeyInfoRef::PEM_LABEL, LineEnding::LF, &self.spki)
            .expect("a key of at most 600 bytes has a PEM encoding")
    }

    pub(super) fn rsa(&self) -> Option<&RsaPublicKey> {
        match &self.portable {
            Public::Rsa(key) => Some(key),
            _ => None,
        }
    }

    /// The modulus and exponent of an RSA key.
    pub(crate) fn rsa_numbers(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        self.rsa().map(RsaPublicKey::numbers)
    }

    /// The uncompressed point of a key on a curve, or the 32 bytes of an Ed25519 key.
    pub(crate) fn point(&self) -> Option<Vec<u8>> {
        match &self.portable {
            Public::Rsa(_) => None,
            Public::Ec(key) => Some(key.to_point()),
            Public::Ed25519(key) => Some(key.to_bytes()),
        }
    }

    /// Whether the signature holds; an ECDSA one is DER. The caller has checked that the
    /// algorithm is one of this spec's, and the length of a digest.
    pub(crate) fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        input: Input<'_>,
        signature: &[u8],
    ) -> bool {
        let raw;
        let signature = match self.spec.ecdsa_field_len() {
            Some(field_len) => match ec::der_to_raw(field_len, signature) {
                Some(made) => {
                    raw = made;
                    &raw[..]
                }
                None => return false,
            },
            None => signature,
        };
        let fast = match (&self.fast, input) {
            (Some(key), Input::Message(message)) => key.verify(algorithm, message, signature),
            _ => None,
        };
        fast.unwrap_or_else(|| self.verify_portable(algorithm, input, signature))
    }

    fn verify_portable(
        &self,
        algorithm: SignatureAlgorithm,
        input: Input<'_>,
        signature: &[u8],
    ) -> bool {
        if let (Public::Ed25519(key), SignatureAlgorithm::Ed25519, Input::Message(message)) =
            (&self.portable, algorithm, input)
        {
            return key.verify(message, signature);
        }
        let Ok(digest) = input.to_digest(algorithm) else {
            return false;
        };
        match &self.portable {
            Public::Rsa(key) => key.verify(algorithm, &digest, signature),
            Public::Ec(key) => key.verify(&digest, signature),
            Public::Ed25519(key) => key.verify_digest(&digest, signature),
        }
    }
}

enum Private {
    Rsa(Box<RsaPrivateKey>),
    Ec(Box<EcPrivateKey>),
    Ed25519(Box<Ed25519PrivateKey>),
}

/// A private key. Every part zeroizes itself on drop.
pub(crate) struct PrivateKey {
    spec: KeySpec,
    portable: Private,
    fast: Option<Box<dyn FastPrivateKey>>,
}

impl PrivateKey {
    fn new(spec: KeySpec, portable: Private) -> Result<Self> {
        let mut key = PrivateKey { spec, portable, fast: None };
        key.fast = accelerated::private_key(spec, &key.to_pkcs8_der()?);
        Ok(key)
    }

    pub(crate) fn generate(spec: KeySpec, rng: &dyn Rng) -> Result<Self> {
        if let Some(bits) = rsa::modulus_bits(spec) {
            let key = RsaPrivateKey::generate(bits, &mut seeded(rng)?)?;
            return Self::new(spec, Private::Rsa(Box::new(key)));
        }
        if spec == KeySpec::Ed25519 {
            let mut seed = Zeroizing::new([0; 32]);
            rng.fill(&mut *seed)?;
            return Self::from_ed25519(&*seed);
        }
        let key = EcPrivateKey::generate(spec, &mut seeded(rng)?)?;
        Self::new(spec, Private::Ec(Box::new(key)))
    }

    pub(crate) fn from_pkcs8_der(der: &[u8]) -> Result<Self> {
        check_encoded_len(der.len())?;
        let info = PrivateKeyInfoRef::try_from(der).map_err(malformed)?;
        let inner = info.private_key.as_bytes();
        let AlgorithmIdentifierRef { oid, parameters } = info.algorithm;
        let parameters = parameters.map(|any| any.to_der()).transpose().map_err(malformed)?;
        let key = match Family::of(oid.as_bytes(), &parameters.unwrap_or_default())? {
            Family::Rsa => {
                let (spec, key) = RsaPrivateKey::from_pkcs1(inner)?;
                Self::new(spec, Private::Rsa(Box::new(key)))
            }
            Family::Ec(spec) => {
                let key = EcPrivateKey::from_pkcs8(spec, &info)?;
                Self::new(spec, Private::Ec(Box::new(key)))
            }
            Family::Ed25519 => {
                // RFC 8410, section 7: an OCTET STRING within the OCTET STRING.
                let seed = <&OctetStringRef>::from_der(inner).map_err(malformed)?;
                Self::from_ed25519(seed.as_bytes())
            }
        }?;
        if let Some(claimed) = info.public_key {
            let public = key.public_key()?;
            let actual = SubjectPublicKeyInfoRef::from_der(public.spki_der()).map_err(malformed)?;
            if claimed != actual.subject_public_key {
                return Err(Error::invalid("the public half is that of another key"));
            }
        }
        Ok(key)
    }

    pub(crate) fn from_pkcs8_pem(pem: &str) -> Result<Self> {
        check_encoded_len(pem.len())?;
        let (label, document) = SecretDocument::from_pem(pem).map_err(malformed)?;
        match label {
            PrivateKeyInfoRef::PEM_LABEL => Self::from_pkcs8_der(document.as_bytes()),
            "ENCRYPTED PRIVATE KEY" => Err(Error::invalid("the private key is encrypted")),
            _ => Err(Error::invalid("the PEM is not labelled PRIVATE KEY, so it is not PKCS#8")),
        }
    }

    /// A key on a curve from its scalar, big-endian and of full length.
    pub(crate) fn from_scalar(spec: KeySpec, scalar: &[u8]) -> Result<Self> {
        let key = EcPrivateKey::from_scalar(spec, scalar)?;
        Self::new(spec, Private::Ec(Box::new(key)))
    }

    pub(crate) fn from_ed25519(seed: &[u8]) -> Result<Self> {
        let key = Ed25519PrivateKey::from_seed(seed)?;
        Self::new(KeySpec::Ed25519, Private::Ed25519(Box::new(key)))
    }

    pub(crate) fn from_rsa_numbers(numbers: &RsaNumbers) -> Result<Self> {
        let (spec, key) = RsaPrivateKey::from_numbers(numbers)?;
        Self::new(spec, Private::Rsa(Box::new(key)))
    }

    pub(crate) fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>> {
        let inner = match &self.portable {
            Private::Ec(key) => return key.to_pkcs8(),
            Private::Rsa(key) => key.to_pkcs1()?,
            Private::Ed25519(key) => {
                let seed = key.to_seed();
                let seed = OctetStringRef::new(&seed).map_err(|_| cannot_encode())?;
                Zeroizing::new(seed.to_der().map_err(|_| cannot_encode())?)
            }
        };
        // Version 1, without the public half: older readers know no other.
        Family::identify(self.spec, |algorithm| {
            let info = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&inner)?);
            SecretDocument::encode_msg(&info)
        })
        .map(|document| document.to_bytes())
    }

    pub(crate) fn to_pkcs8_pem(&self) -> Result<SecretBytes> {
        let der = SecretDocument::try_from(&self.to_pkcs8_der()?[..]).map_err(malformed)?;
        let pem = der
            .to_pem(PrivateKeyInfoRef::PEM_LABEL, LineEnding::LF)
            .map_err(|_| cannot_encode())?;
        Ok(pem.as_bytes().into())
    }

    pub(crate) fn public_key(&self) -> Result<PublicKey> {
        PublicKey::new(
            self.spec,
            match &self.portable {
                Private::Rsa(key) => Public::Rsa(key.public_key()),
                Private::Ec(key) => Public::Ec(key.public_key()),
                Private::Ed25519(key) => Public::Ed25519(key.public_key()),
            },
        )
    }

    pub(super) fn rsa(&self) -> Option<&RsaPrivateKey> {
        match &self.portable {
            Private::Rsa(key) => Some(key),
            _ => None,
        }
    }

    /// The numbers of an RSA key.
    pub(crate) fn rsa_numbers(&self) -> Result<Option<RsaNumbers>> {
        self.rsa().map(RsaPrivateKey::to_numbers).transpose()
    }

    /// The scalar of a key on a curve, or the seed of an Ed25519 key.
    pub(crate) fn scalar(&self) -> Option<Zeroizing<Vec<u8>>> {
        match &self.portable {
            Private::Rsa(_) => None,
            Private::Ec(key) => Some(key.to_scalar()),
            Private::Ed25519(key) => Some(key.to_seed()),
        }
    }

    /// A signature; an ECDSA one is DER. The caller has checked that the algorithm is one of this
    /// spec's, and the length of a digest.
    pub(crate) fn sign(&self, algorithm: SignatureAlgorithm, input: Input<'_>) -> Result<Vec<u8>> {
        let fast = match (&self.fast, input) {
            (Some(key), Input::Message(message)) => key.sign(algorithm, message),
            _ => None,
        };
        let made = match fast {
            Some(made) => made,
            None => self.sign_portable(algorithm, input)?,
        };
        match self.spec.ecdsa_field_len() {
            Some(field_len) => ec::raw_to_der(field_len, &made).ok_or_else(cannot_encode),
            None => Ok(made),
        }
    }

    fn sign_portable(&self, algorithm: SignatureAlgorithm, input: Input<'_>) -> Result<Vec<u8>> {
        if let (Private::Ed25519(key), SignatureAlgorithm::Ed25519, Input::Message(message)) =
            (&self.portable, algorithm, input)
        {
            return Ok(key.sign(message));
        }
        let digest = input.to_digest(algorithm)?;
        match &self.portable {
            Private::Rsa(key) => key.sign(algorithm, &digest),
            Private::Ec(key) => key.sign(&digest),
            Private::Ed25519(key) => key.sign_digest(&digest),
        }
    }
}
