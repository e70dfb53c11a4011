//! AWS Signature Version 4, checked.
//!
//! Only what the SDKs send to these services is taken: the signature in the `Authorization`
//! header over the whole body. Presigned queries, SigV4A, unsigned and chunked payloads are not.

use keyfold::crypto::hash::{Sha256, constant_time_eq, hmac_sha256};
use keyfold::crypto::rng::{Rng, SystemRng};
use zeroize::Zeroizing;

use super::config::{ConfigError, SigV4Config};
use super::{Incoming, incomplete, unrecognized};
use crate::clock::Timestamp;
use crate::engine::access_keys::AccessKey;
use crate::engine::{CachedRow, Caller, Engine};
use crate::error::{KmsError, KmsErrorCode, Result};

/// The scheme of the header.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How a scope ends.
const TERMINATOR: &str = "aws4_request";
/// The longest header value that is read, in bytes.
const MAX_HEADER: usize = 4096;
const MAX_SKEW: u32 = 900;
const MAX_HOSTS: usize = 8;
const HEX: usize = 64;

/// What a signature must cover, and what it must cover where it is there.
const REQUIRED: [&str; 3] = ["host", "x-amz-date", "x-amz-target"];
const REQUIRED_IF_PRESENT: [&str; 2] = ["x-amz-content-sha256", "x-amz-security-token"];

/// Checks signatures.
pub(super) struct Verifier {
    config: SigV4Config,
    /// Stands in for an access key that is not there, so that asking for it takes as long.
    decoy: AccessKey,
}

impl Verifier {
    pub(super) fn new(config: SigV4Config) -> Result<Self, ConfigError> {
        if config.max_skew_seconds > MAX_SKEW {
            return Err(ConfigError::new("sigv4.max_skew_seconds", "at most 900"));
        }
        let fits = |host: &String| {
            (1..=255).contains(&host.len())
                && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b'@')
        };
        if config.hosts.len() > MAX_HOSTS || !config.hosts.iter().all(fits) {
            let why = "at most 8 host names, each with its port if it is not the usual one";
            return Err(ConfigError::new("sigv4.hosts", why));
        }
        let mut secret = Zeroizing::new(vec![0; 40]);
        SystemRng
            .fill(&mut secret)
            .map_err(|_| ConfigError::new("sigv4", "the system has no randomness"))?;
        Ok(Verifier { config, decoy: AccessKey::decoy(secret) })
    }

    /// The caller that a signature proves; `parameters` is what follows the scheme.
    pub(super) fn authenticate(
        &self,
        engine: &Engine,
        incoming: &Incoming<'_>,
        parameters: &str,
    ) -> Result<Caller> {
        if !self.config.enabled {
            return Err(incomplete("this server takes no signatures"));
        }
        let claim = Claim::parse(parameters)?;
        claim.check(incoming, &engine.realm().region, self.config.max_skew_seconds)?;
        let payload = check_payload(incoming)?;
        // No session tokens are issued, so that none can be right.
        let has_token = incoming.headers.contains_key("x-amz-security-token");
        let known = engine.access_key_in_memory(claim.access_key);
        if let Some(caller) = self.try_key(&claim, incoming, &payload, known).ok()
            && !has_token
        {
            return Ok(caller);
        }
        // What is in memory is not enough to refuse on: the key may be new, or enabled again, by
        // another process. An unknown key and a bad signature take the same way.
        let stored = engine.access_key_in_store(claim.access_key)?;
        match self.try_key(&claim, incoming, &payload, stored) {
            Ok(_) if has_token => Err(unrecognized()),
            done => done,
        }
    }

    fn try_key(
        &self,
        claim: &Claim<'_>,
        incoming: &Incoming<'_>,
        payload: &[u8; HEX],
        key: Option<CachedRow<AccessKey>>,
    ) -> Result<Caller> {
        let valid = self.is_valid(
            claim,
            incoming,
            payload,
            key.as_ref().map_or(&self.decoy, |key| &key.row),
        );
        match key {
            Some(key) if key.row.works(incoming.now) && valid => Ok(key.caller()),
            Some(key) if key.row.works(incoming.now) => Err(invalid(
                "The request signature we calculated does not match the signature you provided. \
                 Check your secret access key and signing method.",
            )),
            _ => Err(unrecognized()),
        }
    }

    fn is_valid(
        &self,
        claim: &Claim<'_>,
        incoming: &Incoming<'_>,
        payload: &[u8; HEX],
        key: &AccessKey,
    ) -> bool {
        let signing_key = key.derived(claim.scope, |secret| derive(secret, claim.scope));
        let hosts =
            std::iter::once(incoming.authority).chain(self.config.hosts.iter().map(String::as_str));
        hosts.fold(false, |valid, host| {
            let canonical = claim.canonical(incoming, host, payload);
            let signature =
                hmac_sha256(&signing_key[..], &[&claim.string_to_sign(incoming, &canonical)]);
            valid | constant_time_eq(&signature, &claim.signature)
        })
    }
}

fn invalid(why: impl Into<std::borrow::Cow<'static, str>>) -> KmsError {
    KmsError::new(KmsErrorCode::InvalidRequestSignature, why)
}

/// What an Authorization header says.
struct Claim<'a> {
    access_key: &'a str,
    /// Day, region, service and terminator, as they stand.
    scope: &'a str,
    signed: Vec<&'a str>,
    signed_list: &'a str,
    signature: [u8; 32],
}

impl<'a> Claim<'a> {
    fn parse(parameters: &'a str) -> Result<Self> {
        if parameters.len() > MAX_HEADER {
            return Err(incomplete("it is longer than 4096 bytes"));
        }
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for part in parameters.split(',') {
            let (name, value) = part.trim_matches([' ', '\t']).split_once('=').unwrap_or_default();
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                _ => return Err(incomplete("it has a parameter that is not known")),
            };
            if place.replace(value).is_some() {
                return Err(incomplete("it has a parameter twice"));
            }
        }
        let (Some(credential), Some(signed_list), Some(signature)) =
            (credential, signed, signature)
        else {
            return Err(incomplete("it needs Credential, SignedHeaders and Signature"));
        };
        let (access_key, scope) =
            credential.split_once('/').ok_or_else(|| incomplete("its Credential has no scope"))?;
        let signature = parse_hex(signature)
            .ok_or_else(|| incomplete("its Signature is not 64 lowercase hexadecimal digits"))?;
        let signed: Vec<&str> = signed_list.split(';').collect();
        if !signed.windows(2).all(|pair| pair[0] < pair[1])
            || signed_list.bytes().any(|b| b.is_ascii_uppercase())
        {
            return Err(incomplete("its SignedHeaders are not lowercase, sorted and each once"));
        }
        Ok(Claim { access_key, scope, signed, signed_list, signature })
    }

    /// Everything that is to be seen without the key.
    fn check(&self, incoming: &Incoming<'_>, region: &str, max_skew: u32) -> Result<()> {
        for name in REQUIRED {
            if !self.signed.contains(&name) {
                return Err(invalid(format!("'{name}' must be one of the SignedHeaders.")));
            }
        }
        for name in REQUIRED_IF_PRESENT {
            if incoming.headers.contains_key(name) && !self.signed.contains(&name) {
                return Err(invalid(format!("'{name}' must be one of the SignedHeaders.")));
            }
        }
        for name in &self.signed {
            if *name != "host" && !incoming.headers.contains_key(*name) {
                return Err(invalid("A header of SignedHeaders is not in the request."));
            }
        }
        if incoming.headers.get_all("host").iter().count() > 1
            || incoming.headers.get_all("x-amz-target").iter().count() != 1
        {
            return Err(invalid("Host and X-Amz-Target must be in the request once."));
        }
        let (text, time) = request_time(incoming).ok_or_else(|| {
            invalid("X-Amz-Date must be in the request once, as 20261122T000000Z.")
        })?;
        let mut scope = self.scope.split('/');
        let mut next = || scope.next().unwrap_or_default();
        let (day, of, service, end) = (next(), next(), next(), next());
        if end != TERMINATOR || scope.next().is_some() {
            return Err(invalid(
                "Credential should be scoped with a valid terminator: 'aws4_request'.",
            ));
        }
        if text.get(..8) != Some(day) {
            return Err(invalid("Date in Credential scope does not match the day of X-Amz-Date."));
        }
        if of != region {
            return Err(invalid(format!(
                "Credential should be scoped to a valid region: '{region}'."
            )));
        }
        if service != incoming.service.name() {
            return Err(invalid(format!(
                "Credential should be scoped to correct service: '{}'.",
                incoming.service.name()
            )));
        }
        let skew = i64::from(max_skew) * Timestamp::SECOND;
        let early = time.millis().saturating_sub(incoming.now.millis());
        if early < -skew {
            return Err(invalid(format!("Signature expired: it is now {}.", incoming.now)));
        }
        if early > skew {
            return Err(invalid(format!("Signature not yet current: it is now {}.", incoming.now)));
        }
        Ok(())
    }

    fn canonical(&self, incoming: &Incoming<'_>, host: &str, payload: &[u8; HEX]) -> Vec<u8> {
        let mut text = Vec::with_capacity(1024);
        text.extend_from_slice(b"POST\n/\n\n");
        for name in &self.signed {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            if *name == "host" {
                push_value(&mut text, host.as_bytes());
            } else {
                for (index, value) in incoming.headers.get_all(*name).iter().enumerate() {
                    if index > 0 {
                        text.push(b',');
                    }
                    push_value(&mut text, value.as_bytes());
                }
            }
            text.push(b'\n');
        }
        text.push(b'\n');
        text.extend_from_slice(self.signed_list.as_bytes());
        text.push(b'\n');
        text.extend_from_slice(payload);
        text
    }

    fn string_to_sign(&self, incoming: &Incoming<'_>, canonical: &[u8]) -> Vec<u8> {
        let date = incoming.headers.get("x-amz-date").map_or(&b""[..], |date| date.as_bytes());
        let mut text = Vec::with_capacity(192);
        for part in [ALGORITHM.as_bytes(), date, self.scope.as_bytes()] {
            text.extend_from_slice(part);
            text.push(b'\n');
        }
        text.extend_from_slice(&hex(&Sha256::digest(canonical)));
        text
    }
}

/// The key of a scope.
fn derive(secret: &[u8], scope: &str) -> Zeroizing<[u8; 32]> {
    let mut start = Zeroizing::new(Vec::with_capacity(secret.len() + 4));
    start.extend_from_slice(b"AWS4");
    start.extend_from_slice(secret);
    let mut parts = scope.split('/');
    let first = parts.next().unwrap_or_default();
    let key = Zeroizing::new(hmac_sha256(&start, &[first.as_bytes()]));
    parts.fold(key, |key, part| Zeroizing::new(hmac_sha256(&key[..], &[part.as_bytes()])))
}

/// The hash of the body, which a header about it must repeat.
fn check_payload(incoming: &Incoming<'_>) -> Result<[u8; HEX]> {
    let payload = hex(&Sha256::digest(incoming.body));
    let stated = incoming.headers.get_all("x-amz-content-sha256");
    if stated.iter().any(|value| value.as_bytes() != payload) {
        return Err(invalid(
            "X-Amz-Content-Sha256 is not the SHA-256 of the body; unsigned and chunked payloads \
             are not taken.",
        ));
    }
    Ok(payload)
}

/// Text and meaning of `X-Amz-Date`.
fn request_time<'a>(incoming: &Incoming<'a>) -> Option<(&'a str, Timestamp)> {
    let mut values = incoming.headers.get_all("x-amz-date").iter();
    let (text, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    Some((text, parse_time(text)?))
}

/// `20261122T000000Z`
fn parse_time(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    if bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0_i64, |number, byte| {
            byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
        })
    };
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = (hour * 60 + minute) * 60 + second;
    let days = days_of_civil(year, month, day);
    Some(Timestamp::from_millis(days * Timestamp::DAY + seconds * Timestamp::SECOND))
}

/// Days since 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn days_of_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// A header's value as it is signed: trimmed, with single blanks inside.
fn push_value(text: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(word);
    }
}

fn hex(bytes: &[u8; 32]) -> [u8; HEX] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; HEX];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let text: &[u8; HEX] = text.as_bytes().try_into().ok()?;
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
