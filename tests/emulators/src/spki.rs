//! Public keys and ECDSA signatures in the forms of JOSE.

use serde_json::{Value, json};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::encoding::b64url;

/// The members of a JSON Web Key, from SubjectPublicKeyInfo in DER: `kty` and `n`, `e` or `crv`,
/// `x`, `y`.
pub(crate) fn jwk(spki: &[u8]) -> Option<Value> {
    let (_, info) = SubjectPublicKeyInfo::from_der(spki).ok()?;
    match info.parsed().ok()? {
        PublicKey::RSA(key) => {
            let plain = |number: &[u8]| {
                let zeros = number.iter().take_while(|byte| **byte == 0).count();
                b64url(&number[zeros..])
            };
            Some(json!({ "kty": "RSA", "n": plain(key.modulus), "e": plain(key.exponent) }))
        }
        PublicKey::EC(point) => {
            let (form, coordinates) = point.data().split_first()?;
            if *form != 4 {
                return None;
            }
            let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
            let curve = match curve.as_str() {
                "1.2.840.10045.3.1.7" => "P-256",
                "1.3.132.0.34" => "P-384",
                "1.3.132.0.35" => "P-521",
                "1.3.132.0.10" => "P-256K",
                _ => return None,
            };
            let (x, y) = coordinates.split_at(coordinates.len() / 2);
            Some(json!({ "kty": "EC", "crv": curve, "x": b64url(x), "y": b64url(y) }))
        }
        _ => None,
    }
}

/// An ECDSA signature in DER as two numbers of `bytes` bytes, one after the other.
pub(crate) fn ecdsa_to_raw(der: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let mut rest = element(0x30, &mut &*der)?;
    let mut raw = Vec::with_capacity(2 * bytes);
    for _ in 0..2 {
        let number = element(0x02, &mut rest)?;
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let number = &number[zeros..];
        raw.resize(raw.len() + bytes.checked_sub(number.len())?, 0);
        raw.extend(number);
    }
    Some(raw)
}

/// The other way round.
pub(crate) fn ecdsa_to_der(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    let mut body = Vec::new();
    for number in [r, s] {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let mut number = number[zeros..].to_vec();
        if number.first().is_none_or(|byte| *byte >= 0x80) {
            number.insert(0, 0);
        }
        body.push(0x02);
        body.extend(length(number.len()));
        body.extend(number);
    }
    let mut der = vec![0x30];
    der.extend(length(body.len()));
    der.extend(body);
    der
}

fn length(length: usize) -> Vec<u8> {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => vec![short],
        Ok(byte) => vec![0x81, byte],
        Err(_) => unreachable!("a signature has fewer than 256 bytes"),
    }
}

/// The content of the next element.
fn element<'a>(tag: u8, rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (found, after) = rest.split_first()?;
    let (first, after) = after.split_first()?;
    let (length, after) = match first {
        0..=0x7f => (usize::from(*first), after),
        0x81 => {
            let (length, after) = after.split_first()?;
            (usize::from(*length), after)
        }
        _ => return None,
    };
    let (content, after) = after.split_at_checked(length)?;
    *rest = after;
    (*found == tag).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_come_back_from_both_forms() {
        for (r, s) in [([0x80; 32], [0x01; 32]), ([0; 32], [0xff; 32]), ([0x7f; 32], [0; 32])] {
            let raw = [r, s].concat();
            assert_eq!(ecdsa_to_raw(&ecdsa_to_der(&raw), 32), Some(raw));
        }
        let long = [0xff; 132];
        assert_eq!(ecdsa_to_raw(&ecdsa_to_der(&long), 66), Some(long.to_vec()));
        assert_eq!(ecdsa_to_raw(&[0x30, 3, 2, 1], 32), None);
    }
}
