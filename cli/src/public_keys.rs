//! Public keys in files, and the algorithm that is meant where none is named.

use std::path::Path;

use keyfold::sign::{MAX_ENCODED_KEY_LEN, PublicKey};

use crate::fault::{self, Result};
use crate::input::Input;

/// Reads a public key: PEM, JWK or DER, told apart by their first bytes.
pub(crate) fn read(path: &Path) -> Result<PublicKey> {
    let bytes = Input::open(path)?.read_all(MAX_ENCODED_KEY_LEN, "a public key")?;
    parse(&bytes).map_err(|error| fault::at(path.display(), &error))
}

fn parse(bytes: &[u8]) -> Result<PublicKey> {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_ascii_start();
    if text.starts_with('{') {
        PublicKey::from_jwk(text)
    } else if text.starts_with("-----") {
        PublicKey::from_spki_pem(text)
    } else {
        PublicKey::from_spki_der(bytes)
    }
}
