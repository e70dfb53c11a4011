//! JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037, RFC 8812).

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::crypto::rsa::RsaNumbers;
use crate::crypto::sig::{PrivateKey, PublicKey, check_encoded_len};
use crate::error::{Error, Result};
use crate::keys::SecretBytes;
use crate::sign::KeySpec;

/// The curves' names, for `kty` EC.
const CURVES: [(KeySpec, &str); 4] = [
    (KeySpec::EccNistP256, "P-256"),
    (KeySpec::EccNistP384, "P-384"),
    (KeySpec::EccNistP521, "P-521"),
    (KeySpec::EccSecgP256k1, "secp256k1"),
];

/// The members that define a key; a member given twice is an error.
#[derive(Deserialize)]
struct Members {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<Zeroizing<String>>,
    p: Option<Zeroizing<String>>,
    q: Option<Zeroizing<String>>,
    dp: Option<Zeroizing<String>>,
    dq: Option<Zeroizing<String>>,
    qi: Option<Zeroizing<String>>,
    oth: Option<serde::de::IgnoredAny>,
}

fn malformed<E>(_: E) -> Error {
    Error::invalid("the JWK is malformed or lacks a member")
}

impl Members {
    fn parse(jwk: &str) -> Result<Self> {
        check_encoded_len(jwk.len())?;
        // The parser's own message could quote the key.
        let members: Members = serde_json::from_str(jwk).map_err(malformed)?;
        if members.oth.is_some() {
            return Err(Error::invalid("an RSA key with more than two primes is not supported"));
        }
        Ok(members)
    }

    fn curve(&self) -> Result<KeySpec> {
        CURVES
            .iter()
            .find(|(_, name)| Some(*name) == self.crv.as_deref())
            .map(|(spec, _)| *spec)
            .ok_or_else(|| Error::invalid("the curve of the JWK is not supported"))
    }

    fn public_key(&self) -> Result<PublicKey> {
        match self.kty.as_str() {
            "EC" => {
                let spec = self.curve()?;
                let (x, y) = (decode(self.x.as_deref())?, decode(self.y.as_deref())?);
                // RFC 7518, section 6.2.1.2: coordinates have the full length.
                if [x.len(), y.len()].iter().any(|len| Some(*len) != spec.ecdsa_field_len()) {
                    return Err(malformed(()));
                }
                PublicKey::from_point(spec, &[&[4], &x[..], &y[..]].concat())
            }
            "OKP" if self.crv.as_deref() == Some("Ed25519") => {
                PublicKey::from_ed25519(&decode(self.x.as_deref())?)
            }
            "RSA" => PublicKey::from_rsa_numbers(
                &number(self.n.as_deref())?,
                &number(self.e.as_deref())?,
            ),
            _ => Err(Error::invalid("the JWK's kind of key is not supported")),
        }
    }

    fn private_key(&self) -> Result<PrivateKey> {
        let key = match self.kty.as_str() {
            "EC" => PrivateKey::from_scalar(self.curve()?, &decode(self.d.as_deref())?),
            "OKP" => PrivateKey::from_ed25519(&decode(self.d.as_deref())?),
            _ => PrivateKey::from_rsa_numbers(&RsaNumbers {
                n: number(self.n.as_deref())?.to_vec(),
                e: number(self.e.as_deref())?.to_vec(),
                d: number(self.d.as_deref())?,
                p: number(self.p.as_deref())?,
                q: number(self.q.as_deref())?,
                dp: number(self.dp.as_deref())?,
                dq: number(self.dq.as_deref())?,
                qi: number(self.qi.as_deref())?,
            }),
        }?;
        // The public members are required in a private JWK, and must be its own.
        if self.public_key()?.spki_der() != key.public_key()?.spki_der() {
            return Err(Error::invalid("the public half is that of another key"));
        }
        Ok(key)
    }
}

/// A `Base64urlUInt` (RFC 7518, section 2): no leading zero bytes.
fn number(member: Option<&(impl AsRef<str> + ?Sized)>) -> Result<Zeroizing<Vec<u8>>> {
    let number = decode(member)?;
    if number.first().is_none_or(|byte| *byte == 0) { Err(malformed(())) } else { Ok(number) }
}

fn decode(member: Option<&(impl AsRef<str> + ?Sized)>) -> Result<Zeroizing<Vec<u8>>> {
    let text = member.ok_or_else(|| malformed(()))?.as_ref();
    Base64UrlUnpadded::decode_vec(text).map(Zeroizing::new).map_err(malformed)
}

pub(super) fn parse_public(jwk: &str) -> Result<PublicKey> {
    let members = Members::parse(jwk)?;
    if members.d.is_some() {
        return Err(Error::invalid("the JWK holds a private key"));
    }
    members.public_key()
}

pub(super) fn parse_private(jwk: &str) -> Result<PrivateKey> {
    Members::parse(jwk)?.private_key()
}

pub(super) fn write_public(key: &PublicKey) -> String {
    let mut out = Zeroizing::new(String::new());
    write(&mut out, &public_members(key));
    std::mem::take(&mut *out)
}

pub(super) fn write_private(key: &PrivateKey) -> Result<SecretBytes> {
    let mut members = public_members(&key.public_key()?);
    if let Some(numbers) = key.rsa_numbers()? {
        members.extend([
            ("d", encode(&numbers.d)),
            ("dp", encode(&numbers.dp)),
            ("dq", encode(&numbers.dq)),
            ("p", encode(&numbers.p)),
            ("q", encode(&numbers.q)),
            ("qi", encode(&numbers.qi)),
        ]);
    } else if let Some(scalar) = key.scalar() {
        members.push(("d", encode(&scalar)));
    }
    let mut out = Zeroizing::new(String::new());
    write(&mut out, &members);
    Ok(out.as_bytes().into())
}

type Member = (&'static str, Zeroizing<String>);

fn public_members(key: &PublicKey) -> Vec<Member> {
    let named = |name: &str| Zeroizing::new(name.to_owned());
    if let Some((n, e)) = key.rsa_numbers() {
        return vec![("kty", named("RSA")), ("n", encode(&n)), ("e", encode(&e))];
    }
    let point = key.point().unwrap_or_default();
    match CURVES.iter().find(|(spec, _)| *spec == key.spec()) {
        Some((_, curve)) => {
            // An uncompressed point: the byte 4, x, y.
            let (x, y) = point[1..].split_at(point.len() / 2);
            vec![("kty", named("EC")), ("crv", named(curve)), ("x", encode(x)), ("y", encode(y))]
        }
        None => vec![("kty", named("OKP")), ("crv", named("Ed25519")), ("x", encode(&point))],
    }
}

fn encode(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(Base64UrlUnpadded::encode_string(bytes))
}

/// Writes one JSON object, its members in lexicographic order. No name or value needs escapes.
fn write(out: &mut String, members: &[Member]) {
    let mut members: Vec<&Member> = members.iter().collect();
    members.sort_by_key(|(name, _)| *name);
    // Reserved at once: a string that grows leaves copies behind.
    out.reserve(
        2 + members.iter().map(|(name, value)| name.len() + value.len() + 6).sum::<usize>(),
    );
    out.push('{');
    for (position, (name, value)) in members.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        for part in ["\"", name, "\":\"", value, "\""] {
            out.push_str(part);
        }
    }
    out.push('}');
}
