//! JSON web tokens (RFC 7519) by which a client says who it is. They are secrets until they end.

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use crate::error::Result;
use crate::kms::wire::Members;
use crate::sign::{SignatureAlgorithm, SigningKey};

/// A signed token of these claims. `header` has what it needs beside `alg` and `typ`.
pub(super) fn sign(
    key: &SigningKey,
    algorithm: SignatureAlgorithm,
    header: &[(&str, &str)],
    claims: Members,
) -> Result<Zeroizing<String>> {
    let mut head = Members::new(0);
    head.text("alg", name(algorithm));
    head.text("typ", "JWT");
    for (name, value) in header {
        head.text(name, value);
    }
    let part = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    // Room for everything, so that no copy is left behind by growth.
    let mut token = Zeroizing::new(String::with_capacity(8 * 1024));
    token.push_str(&part(&head.finish()));
    token.push('.');
    token.push_str(&Zeroizing::new(part(&claims.finish())));
    let signature = key.sign(algorithm, token.as_bytes())?;
    token.push('.');
    token.push_str(&part(&signature));
    Ok(token)
}

/// The algorithm's name in RFC 7518, for those that are used here.
fn name(algorithm: SignatureAlgorithm) -> &'static str {
    match algorithm {
        SignatureAlgorithm::RsaPssSha256 => "PS256",
        _ => "RS256",
    }
}
