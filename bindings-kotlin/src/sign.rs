//! Public keys, and private keys of the caller's own.

use std::sync::Arc;

use keyfold::sign::{KeySpec, SignatureAlgorithm};
use keyfold::{Result, SystemRng};

use crate::error::Answer;
use crate::secret::Secret;
use crate::table::{Entry, Number};

pub(crate) fn algorithm(name: &str) -> Result<SignatureAlgorithm> {
    name.parse()
}

/// How a key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum KeyForm {
    /// DER: SubjectPublicKeyInfo, or PKCS#8.
    Der,
    /// The same in PEM.
    Pem,
    /// A JSON Web Key.
    Jwk,
}

/// Verifies without any KMS.
#[derive(uniffi::Object)]
pub struct PublicKey {
    pub(crate) key: Arc<keyfold::sign::PublicKey>,
    number: Number,
}

impl PublicKey {
    pub(crate) fn of(key: keyfold::sign::PublicKey) -> Arc<Self> {
        let key = Arc::new(key);
        let number = Number::of(Entry::PublicKey(key.clone()));
        Arc::new(PublicKey { key, number })
    }
}

/// The text of a key in PEM or JWK.
fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| crate::error::invalid("the key is not text in UTF-8"))
}

#[uniffi::export]
impl PublicKey {
    /// Reads a key.
    ///
    /// # Errors
    /// `invalid_argument` where it is none.
    #[uniffi::constructor]
    pub fn read(form: KeyForm, bytes: Vec<u8>) -> Answer<Arc<Self>> {
        use keyfold::sign::PublicKey as Key;
        Ok(PublicKey::of(match form {
            KeyForm::Der => Key::from_spki_der(&bytes)?,
            KeyForm::Pem => Key::from_spki_pem(text(&bytes)?)?,
            KeyForm::Jwk => Key::from_jwk(text(&bytes)?)?,
        }))
    }

    /// Writes it.
    pub fn write(&self, form: KeyForm) -> Vec<u8> {
        match form {
            KeyForm::Der => self.key.to_spki_der(),
            KeyForm::Pem => self.key.to_spki_pem().into_bytes(),
            KeyForm::Jwk => self.key.to_jwk().into_bytes(),
        }
    }

    /// What kind of key, such as "ECC_NIST_P256".
    pub fn spec(&self) -> String {
        self.key.spec().as_str().to_owned()
    }

    /// The algorithms that such keys sign with, first the one that counts where none is named.
    pub fn algorithms(&self) -> Vec<String> {
        let spec = self.key.spec();
        let first = spec.default_algorithm();
        let others = spec.algorithms().iter().filter(|algorithm| **algorithm != first);
        std::iter::once(&first).chain(others).map(|name| name.as_str().to_owned()).collect()
    }

    /// Verifies the signature of a message.
    ///
    /// # Errors
    /// `signature_invalid`.
    pub fn verify(&self, algorithm: String, message: Vec<u8>, signature: Vec<u8>) -> Answer<()> {
        Ok(self.key.verify(self::algorithm(&algorithm)?, &message, &signature)?)
    }

    /// Its number.
    pub fn handle(&self) -> u64 {
        self.number.get()
    }
}

/// A private key of the caller's own, for signing without a KMS.
#[derive(uniffi::Object)]
pub struct SigningKey {
    key: Arc<keyfold::sign::SigningKey>,
    number: Number,
}

impl SigningKey {
    fn of(key: keyfold::sign::SigningKey) -> Arc<Self> {
        let key = Arc::new(key);
        let number = Number::of(Entry::SigningKey(key.clone()));
        Arc::new(SigningKey { key, number })
    }
}

#[uniffi::export]
impl SigningKey {
    /// A new key of this spec.
    ///
    /// # Errors
    /// `invalid_argument` where the spec is unknown.
    #[uniffi::constructor]
    pub fn generate(spec: String) -> Answer<Arc<Self>> {
        let spec: KeySpec = spec.parse()?;
        Ok(SigningKey::of(keyfold::sign::SigningKey::generate(spec, &SystemRng)?))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// `invalid_argument` where it is none.
    #[uniffi::constructor]
    pub fn read(form: KeyForm, bytes: &Secret) -> Answer<Arc<Self>> {
        use keyfold::sign::SigningKey as Key;
        let bytes = bytes.copy()?;
        let bytes = bytes.expose();
        Ok(SigningKey::of(match form {
            KeyForm::Der => Key::from_pkcs8_der(bytes)?,
            KeyForm::Pem => Key::from_pkcs8_pem(text(bytes)?)?,
            KeyForm::Jwk => Key::from_jwk(text(bytes)?)?,
        }))
    }

    /// Writes it.
    ///
    /// # Errors
    /// As the core's.
    pub fn write(&self, form: KeyForm) -> Answer<Arc<Secret>> {
        let bytes = match form {
            KeyForm::Der => self.key.to_pkcs8_der()?,
            KeyForm::Pem => self.key.to_pkcs8_pem()?,
            KeyForm::Jwk => self.key.to_jwk()?,
        };
        Ok(Secret::of(Some(bytes), None))
    }

    /// Its public half.
    pub fn public_key(&self) -> Arc<PublicKey> {
        PublicKey::of(self.key.public_key().clone())
    }

    /// Signs a message; with the algorithm that counts for its kind where none is named.
    ///
    /// # Errors
    /// `invalid_argument` where the key does not sign with the algorithm.
    pub fn sign(&self, algorithm: Option<String>, message: Vec<u8>) -> Answer<Vec<u8>> {
        let algorithm = match algorithm {
            Some(name) => self::algorithm(&name)?,
            None => self.key.spec().default_algorithm(),
        };
        Ok(self.key.sign(algorithm, &message)?)
    }

    /// Its number.
    pub fn handle(&self) -> u64 {
        self.number.get()
    }
}
