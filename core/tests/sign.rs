//! Local key pairs: every spec, every algorithm, every encoding, and bad input.

#![cfg(feature = "hazmat")]

use keyfold::crypto::rsa::{OaepHash, oaep_decrypt, oaep_encrypt};
use keyfold::sign::{
    KeySpec, MAX_ENCODED_KEY_LEN, MessageHasher, PublicKey, SignatureAlgorithm, SigningKey,
    ecdsa_der_to_raw, ecdsa_raw_to_der,
};
use keyfold::{Error, ErrorCode, Rng, SecretBytes, SystemRng};
use serde_json::Value;

fn code<T>(result: keyfold::Result<T>) -> ErrorCode {
    match result {
        Ok(_) => panic!("accepted"),
        Err(error) => error.code(),
    }
}

fn text(secret: &SecretBytes) -> &str {
    std::str::from_utf8(secret.expose()).expect("ASCII")
}

fn signs_and_verifies(key: &SigningKey) {
    let public = key.public_key();
    for &algorithm in key.spec().algorithms() {
        let signature = key.sign(algorithm, b"report").unwrap();
        public.verify(algorithm, b"report", &signature).unwrap();
        let invalid = ErrorCode::SignatureInvalid;
        assert_eq!(code(public.verify(algorithm, b"reporT", &signature)), invalid);
        let mut flipped = signature.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(code(public.verify(algorithm, b"report", &flipped)), invalid);
        let longer = [&signature[..], &[0]].concat();
        assert_eq!(code(public.verify(algorithm, b"report", &longer)), invalid);
        assert_eq!(code(public.verify(algorithm, b"report", &signature[1..])), invalid);
        assert_eq!(code(public.verify(algorithm, b"report", &[])), invalid);

        let Some(len) = algorithm.digest_len() else {
            assert_eq!(code(MessageHasher::new(algorithm)), ErrorCode::InvalidArgument);
            assert_eq!(code(key.sign_digest(algorithm, &[0; 64])), ErrorCode::InvalidArgument);
            continue;
        };
        // A message and its digest give signatures of one kind, whichever backend does which.
        let mut hasher = MessageHasher::new(algorithm).unwrap();
        hasher.update(b"rep");
        hasher.update(b"ort");
        let digest = hasher.finish();
        assert_eq!(digest.len(), len);
        public.verify_digest(algorithm, &digest, &signature).unwrap();
        let of_digest = key.sign_digest(algorithm, &digest).unwrap();
        public.verify(algorithm, b"report", &of_digest).unwrap();
        public.verify_digest(algorithm, &digest, &of_digest).unwrap();
        assert_eq!(code(public.verify_digest(algorithm, &digest, &flipped)), invalid);
        let short = &digest[1..];
        assert_eq!(code(key.sign_digest(algorithm, short)), ErrorCode::InvalidArgument);
        let refused = public.verify_digest(algorithm, short, &signature);
        assert_eq!(code(refused), ErrorCode::InvalidArgument);
    }
    for &algorithm in SignatureAlgorithm::ALL {
        if !key.spec().algorithms().contains(&algorithm) {
            assert_eq!(code(key.sign(algorithm, b"")), ErrorCode::InvalidArgument);
            assert_eq!(code(public.verify(algorithm, b"", b"")), ErrorCode::InvalidArgument);
        }
    }
}

fn keeps_its_encodings(key: &SigningKey) {
    let der = key.to_pkcs8_der().unwrap();
    for again in [
        SigningKey::from_pkcs8_der(der.expose()),
        SigningKey::from_pkcs8_pem(text(&key.to_pkcs8_pem().unwrap())),
        SigningKey::from_jwk(text(&key.to_jwk().unwrap())),
    ] {
        let again = again.unwrap();
        assert_eq!(again.spec(), key.spec());
        assert_eq!(again.public_key(), key.public_key());
        assert!(again.to_pkcs8_der().unwrap() == der);
    }
    let public = key.public_key();
    for again in [
        PublicKey::from_spki_der(&public.to_spki_der()),
        PublicKey::from_spki_pem(&public.to_spki_pem()),
        PublicKey::from_jwk(&public.to_jwk()),
    ] {
        assert_eq!(again.unwrap(), *public);
    }
    // A private JWK is not a public one by accident, nor the other way round.
    let refused = PublicKey::from_jwk(text(&key.to_jwk().unwrap()));
    assert_eq!(code(refused), ErrorCode::InvalidArgument);
    assert_eq!(code(SigningKey::from_jwk(&public.to_jwk())), ErrorCode::InvalidArgument);
}

#[test]
fn every_generated_key_signs_and_keeps_its_encodings() {
    for &spec in KeySpec::ALL {
        let key = SigningKey::generate(spec, &SystemRng).unwrap();
        assert_eq!(key.spec(), spec);
        signs_and_verifies(&key);
        keeps_its_encodings(&key);
        let other = key.public_key().to_spki_der();
        for end in [0, 1, other.len() - 1] {
            let cut = PublicKey::from_spki_der(&other[..end]);
            assert_eq!(code(cut), ErrorCode::InvalidArgument);
        }
    }
}

/// Repeats its run.
struct Counting(std::sync::atomic::AtomicU8);

impl Rng for Counting {
    fn fill(&self, out: &mut [u8]) -> keyfold::Result<()> {
        for byte in out {
            *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        Ok(())
    }
}

struct Broken;

impl Rng for Broken {
    fn fill(&self, _: &mut [u8]) -> keyfold::Result<()> {
        Err(Error::new(ErrorCode::Internal, "no randomness"))
    }
}

#[test]
fn injected_randomness_alone_decides_the_key() {
    for spec in [KeySpec::Rsa2048, KeySpec::EccNistP256, KeySpec::EccNistP521, KeySpec::Ed25519] {
        let make = |start| SigningKey::generate(spec, &Counting(start)).unwrap();
        let key = make(1.into());
        assert_eq!(key.public_key(), make(1.into()).public_key());
        assert_ne!(key.public_key(), make(2.into()).public_key());
        keeps_its_encodings(&key);
        signs_and_verifies(&key);
    }
}

#[test]
fn failing_randomness_is_an_error() {
    for &spec in KeySpec::ALL {
        assert_eq!(code(SigningKey::generate(spec, &Broken)), ErrorCode::Internal);
    }
}

/// Keys and signatures of OpenSSL; `tests/data/openssl.py` made them.
fn openssl() -> Value {
    serde_json::from_str(include_str!("data/openssl.json")).unwrap()
}

fn openssl_key(spec: KeySpec) -> SigningKey {
    let data = openssl();
    let keys = data["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["spec"] == spec.as_str()).unwrap();
    SigningKey::from_pkcs8_pem(string(&key["private_pem"])).unwrap()
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn unhex(hex: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

#[test]
fn openssl_and_keyfold_agree() {
    let data = openssl();
    let message = string(&data["message"]).as_bytes();
    let keys = data["keys"].as_array().unwrap();
    assert_eq!(keys.len(), KeySpec::ALL.len());
    for entry in keys {
        let key = SigningKey::from_pkcs8_pem(string(&entry["private_pem"])).unwrap();
        assert_eq!(key.spec(), string(&entry["spec"]).parse().unwrap());
        let public = PublicKey::from_spki_pem(string(&entry["public_pem"])).unwrap();
        assert_eq!(*key.public_key(), public);

        // Byte for byte the same encodings.
        assert_eq!(public.to_spki_pem(), string(&entry["public_pem"]));
        assert_eq!(text(&key.to_pkcs8_pem().unwrap()), string(&entry["private_pem"]));
        keeps_its_encodings(&key);
        signs_and_verifies(&key);

        if let Some(compressed) = entry["compressed_pem"].as_str() {
            assert_eq!(PublicKey::from_spki_pem(compressed).unwrap(), public);
        }
        for (algorithm, signature) in entry["signatures"].as_object().unwrap() {
            let algorithm = algorithm.parse().unwrap();
            public.verify(algorithm, message, &unhex(string(signature))).unwrap();
        }
        let Some(sealed) = entry["oaep"].as_object() else {
            let refused = oaep_encrypt(&public, OaepHash::Sha256, b"", &SystemRng);
            assert_eq!(code(refused), ErrorCode::InvalidArgument);
            let refused = oaep_decrypt(&key, OaepHash::Sha256, b"", &SystemRng);
            assert_eq!(code(refused), ErrorCode::InvalidArgument);
            continue;
        };
        for (name, hash) in [("sha1", OaepHash::Sha1), ("sha256", OaepHash::Sha256)] {
            let sealed = unhex(string(&sealed[name]));
            let opened = oaep_decrypt(&key, hash, &sealed, &SystemRng).unwrap();
            assert_eq!(opened.expose(), message);
        }
    }
}

#[test]
fn oaep_keeps_its_limits_and_tells_nothing() {
    let key = openssl_key(KeySpec::Rsa2048);
    let public = key.public_key();
    for (hash, max) in [(OaepHash::Sha1, 214), (OaepHash::Sha256, 190)] {
        assert_eq!(hash.max_plaintext(KeySpec::Rsa2048), Some(max));
        for len in [0, max] {
            let sealed = oaep_encrypt(public, hash, &vec![7; len], &SystemRng).unwrap();
            let opened = oaep_decrypt(&key, hash, &sealed, &SystemRng).unwrap();
            assert_eq!(opened.expose(), vec![7; len]);
        }
        let refused = oaep_encrypt(public, hash, &vec![7; max + 1], &SystemRng);
        assert_eq!(code(refused), ErrorCode::LimitExceeded);
    }
    let sealed = oaep_encrypt(public, OaepHash::Sha256, b"secret", &SystemRng).unwrap();
    let mut flipped = sealed.clone();
    flipped[100] ^= 1;
    let details: Vec<String> = [
        oaep_decrypt(&key, OaepHash::Sha1, &sealed, &SystemRng),
        oaep_decrypt(&key, OaepHash::Sha256, &flipped, &SystemRng),
        oaep_decrypt(&key, OaepHash::Sha256, &sealed[1..], &SystemRng),
        oaep_decrypt(&key, OaepHash::Sha256, &[0xff; 256], &SystemRng),
        oaep_decrypt(&key, OaepHash::Sha256, &[], &SystemRng),
    ]
    .into_iter()
    .map(|refused| refused.expect_err("accepted").to_string())
    .collect();
    assert!(details.iter().all(|detail| *detail == details[0]), "{details:?}");
    assert_eq!(OaepHash::Sha256.max_plaintext(KeySpec::Rsa3072), Some(318));
    assert_eq!(OaepHash::Sha256.max_plaintext(KeySpec::Rsa4096), Some(446));
    assert_eq!(OaepHash::Sha1.max_plaintext(KeySpec::EccNistP256), None);
}

#[test]
fn ed25519ph_is_that_of_rfc_8032() {
    // Section 7.3.
    let seed = "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42";
    let der = unhex(&format!("302e020100300506032b657004220420{seed}"));
    let key = SigningKey::from_pkcs8_der(&der).unwrap();
    let signature = key.sign(SignatureAlgorithm::Ed25519ph, b"abc").unwrap();
    let expected = "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41\
                    31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406";
    assert_eq!(signature, unhex(expected));
    let pure = key.sign(SignatureAlgorithm::Ed25519, b"abc").unwrap();
    let public = key.public_key();
    assert!(public.verify(SignatureAlgorithm::Ed25519ph, b"abc", &pure).is_err());
    assert!(public.verify(SignatureAlgorithm::Ed25519, b"abc", &signature).is_err());
}

#[test]
fn jwk_is_that_of_the_rfcs() {
    // RFC 8037, appendix A.1 to A.3.
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let d = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","d":"{d}","x":"{x}","kid":"1"}}"#);
    let key = SigningKey::from_jwk(&jwk).unwrap();
    let public = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    assert_eq!(key.public_key().to_jwk(), public);
    let thumbprint = keyfold::crypto::hash::Sha256::digest(public.as_bytes());
    let expected = "90facafea9b1556698540f70c0117a22ea37bd5cf3ed3c47093c1707282b4b89";
    assert_eq!(thumbprint[..], unhex(expected));

    // RFC 7517, appendix A.1, and its private half from A.2.
    let (x, y) = (
        "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    );
    let d = "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE";
    let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","d":"{d}"}}"#);
    let key = SigningKey::from_jwk(&jwk).unwrap();
    assert_eq!(key.spec(), KeySpec::EccNistP256);
    signs_and_verifies(&key);
    assert!(text(&key.to_jwk().unwrap()).contains(d));
}

#[test]
fn both_halves_of_the_range_of_s_verify() {
    // The order of secp256k1; `n - s` is the other valid `s`.
    let n = unhex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let key = openssl_key(KeySpec::EccSecgP256k1);
    let (spec, algorithm) = (key.spec(), SignatureAlgorithm::EcdsaSha256);
    let der = key.sign(algorithm, b"report").unwrap();
    let mut raw = ecdsa_der_to_raw(spec, &der).unwrap();
    let mut borrow = 0;
    for (s, n) in raw[32..].iter_mut().zip(&n).rev() {
        let difference = i16::from(*n) - i16::from(*s) - borrow;
        borrow = i16::from(difference < 0);
        *s = u8::try_from(difference & 0xff).unwrap();
    }
    let other = ecdsa_raw_to_der(spec, &raw).unwrap();
    assert_ne!(other, der);
    key.public_key().verify(algorithm, b"report", &other).unwrap();
}

#[test]
fn ecdsa_forms_convert_strictly() {
    for (spec, len) in [
        (KeySpec::EccNistP256, 64),
        (KeySpec::EccNistP384, 96),
        (KeySpec::EccNistP521, 132),
        (KeySpec::EccSecgP256k1, 64),
    ] {
        // Small, zero, with the high bit set, and the largest.
        for raw in [vec![0; len], vec![0xff; len], [vec![0; len - 1], vec![1]].concat()] {
            let der = ecdsa_raw_to_der(spec, &raw).unwrap();
            assert_eq!(ecdsa_der_to_raw(spec, &der).unwrap(), raw);
            for end in 0..der.len() {
                let cut = ecdsa_der_to_raw(spec, &der[..end]);
                assert_eq!(code(cut), ErrorCode::SignatureInvalid);
            }
            let longer = ecdsa_der_to_raw(spec, &[&der[..], &[0]].concat());
            assert_eq!(code(longer), ErrorCode::SignatureInvalid);
        }
        for wrong in [0, len - 1, len + 1] {
            let refused = ecdsa_raw_to_der(spec, &vec![1; wrong]);
            assert_eq!(code(refused), ErrorCode::SignatureInvalid);
        }
    }
    for bad in [
        &[0x30, 6, 2, 1, 0x80, 2, 1, 1][..],      // negative r
        &[0x30, 7, 2, 2, 0, 1, 2, 1, 1],          // r with a needless zero
        &[0x30, 0x81, 6, 2, 1, 1, 2, 1, 1],       // a long length for a short one
        &[0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0],    // indefinite length
        &[0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1],    // a third integer
        &[0x30, 3, 2, 1, 1],                      // no s
        &[0x31, 6, 2, 1, 1, 2, 1, 1],             // a SET
        &[0x30, 5, 2, 0, 2, 1, 1],                // an empty r
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2], // a length that is not there
    ] {
        let refused = ecdsa_der_to_raw(KeySpec::EccNistP256, bad);
        assert_eq!(code(refused), ErrorCode::SignatureInvalid);
    }
    for spec in [KeySpec::Ed25519, KeySpec::Rsa2048] {
        assert_eq!(code(ecdsa_der_to_raw(spec, &[])), ErrorCode::InvalidArgument);
        assert_eq!(code(ecdsa_raw_to_der(spec, &[])), ErrorCode::InvalidArgument);
    }
}

/// Every truncation, an appended byte and every flipped bit: none may panic, and what is still
/// accepted must be another well-formed key.
#[test]
fn damaged_encodings_are_refused_or_are_other_keys() {
    for &spec in KeySpec::ALL {
        let key = openssl_key(spec);
        let public = key.public_key();
        let (pkcs8, spki) = (key.to_pkcs8_der().unwrap(), public.to_spki_der());
        // RSA keys are long and slow to check; a sample of positions does there.
        let step = if pkcs8.len() > 300 { 41 } else { 1 };
        for (der, is_private) in [(pkcs8.expose(), true), (&spki[..], false)] {
            let refuse = |bytes: &[u8]| {
                let refused = if is_private {
                    SigningKey::from_pkcs8_der(bytes).map(|key| key.public_key().clone())
                } else {
                    PublicKey::from_spki_der(bytes)
                };
                match refused {
                    Ok(other) => assert_ne!(other, *public),
                    Err(error) => assert_eq!(error.code(), ErrorCode::InvalidArgument),
                }
            };
            for end in (0..der.len()).step_by(step) {
                refuse(&der[..end]);
            }
            for at in (0..der.len()).step_by(step) {
                for bit in 0..8 {
                    let mut flipped = der.to_vec();
                    flipped[at] ^= 1 << bit;
                    refuse(&flipped);
                }
            }
        }
        let longer = [pkcs8.expose(), &[0]].concat();
        assert_eq!(code(SigningKey::from_pkcs8_der(&longer)), ErrorCode::InvalidArgument);
        let longer = [&spki[..], &[0]].concat();
        assert_eq!(code(PublicKey::from_spki_der(&longer)), ErrorCode::InvalidArgument);
        // One is not the other.
        assert_eq!(code(SigningKey::from_pkcs8_der(&spki)), ErrorCode::InvalidArgument);
        assert_eq!(code(PublicKey::from_spki_der(pkcs8.expose())), ErrorCode::InvalidArgument);
        assert_eq!(
            code(SigningKey::from_pkcs8_pem(&public.to_spki_pem())),
            ErrorCode::InvalidArgument
        );
        let pem = key.to_pkcs8_pem().unwrap();
        assert_eq!(code(PublicKey::from_spki_pem(text(&pem))), ErrorCode::InvalidArgument);
    }
}

#[test]
fn hostile_keys_are_refused() {
    let p256 = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    let point = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                 4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    PublicKey::from_spki_der(&unhex(&format!("{p256}{point}"))).unwrap();
    let off_curve = point.replace("51f5", "51f4");
    let ed25519 = "302a300506032b6570032100";
    for (what, hex) in [
        ("a point off the curve", format!("{p256}{off_curve}")),
        ("infinity", "3019301306072a8648ce3d020106082a8648ce3d03010703020000".into()),
        ("another curve's name", format!("{p256}{point}").replace("3d030107", "3d030101")),
        ("a coordinate beyond p", format!("{p256}04{}{}", "ff".repeat(32), "00".repeat(32))),
        ("no curve", "304f300906072a8648ce3d0201034200".to_owned() + point),
        ("Ed25519 of order 1", format!("{ed25519}01{}", "00".repeat(31))),
        ("Ed25519 of order 4", format!("{ed25519}{}", "00".repeat(32))),
        ("Ed25519 beyond p", format!("{ed25519}f1{}7f", "ff".repeat(30))),
        ("Ed25519 with parameters", format!("302c300706032b65700500032100{}", "09".repeat(32))),
        ("X25519", format!("302a300506032b656e032100{}", "09".repeat(32))),
    ] {
        let refused = PublicKey::from_spki_der(&unhex(&hex));
        assert_eq!(code(refused), ErrorCode::InvalidArgument, "{what}");
    }

    // An RSA modulus of one bit less, of 1024 bits, an even one, and exponents that cannot be.
    let jwk =
        |n: &str, e: &str| PublicKey::from_jwk(&format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#));
    let modulus = |first: char, bytes: usize, last: char| {
        let digits = (bytes * 8).div_ceil(6);
        format!("{first}{}{last}", "_".repeat(digits - 2))
    };
    jwk(&modulus('_', 384, '_'), "AQAB").unwrap();
    for (n, e) in [
        (modulus('P', 384, '_'), "AQAB"),
        (modulus('_', 384, '8'), "AQAB"),
        (modulus('_', 129, '_'), "AQAB"),
        (modulus('_', 768, '_'), "AQAB"),
        (modulus('_', 384, '_'), "AQ"),
        (modulus('_', 384, '_'), "Ag"),
        (modulus('_', 384, '_'), "AAEAAQ"),
        (modulus('_', 384, '_'), ""),
        (modulus('_', 384, '_'), "_________w"),
    ] {
        assert_eq!(code(jwk(&n, e)), ErrorCode::InvalidArgument, "{n} {e}");
    }

    let long = "A".repeat(MAX_ENCODED_KEY_LEN + 1);
    assert_eq!(code(PublicKey::from_jwk(&long)), ErrorCode::LimitExceeded);
    assert_eq!(code(SigningKey::from_jwk(&long)), ErrorCode::LimitExceeded);
    assert_eq!(code(PublicKey::from_spki_pem(&long)), ErrorCode::LimitExceeded);
    assert_eq!(code(SigningKey::from_pkcs8_pem(&long)), ErrorCode::LimitExceeded);
    assert_eq!(code(PublicKey::from_spki_der(long.as_bytes())), ErrorCode::LimitExceeded);
    assert_eq!(code(SigningKey::from_pkcs8_der(long.as_bytes())), ErrorCode::LimitExceeded);
}

#[test]
fn private_keys_that_contradict_themselves_are_refused() {
    for &spec in KeySpec::ALL {
        let key = openssl_key(spec);
        let jwk: Value = serde_json::from_str(text(&key.to_jwk().unwrap())).unwrap();
        let other = SigningKey::generate(KeySpec::EccNistP256, &SystemRng).unwrap();
        let other: Value = serde_json::from_str(text(&other.to_jwk().unwrap())).unwrap();
        for (name, value) in jwk.as_object().unwrap() {
            let mut missing = jwk.clone();
            missing.as_object_mut().unwrap().remove(name);
            let refused = SigningKey::from_jwk(&missing.to_string());
            assert_eq!(code(refused), ErrorCode::InvalidArgument, "{spec} without {name}");

            let mut wrong = jwk.clone();
            wrong[name] = match other.get(name) {
                Some(other) if other != value => other.clone(),
                _ => "AQIDBA".into(),
            };
            let refused = SigningKey::from_jwk(&wrong.to_string());
            assert_eq!(code(refused), ErrorCode::InvalidArgument, "{spec} with another {name}");

            let mut number = jwk.clone();
            number[name] = 5.into();
            let refused = SigningKey::from_jwk(&number.to_string());
            assert_eq!(code(refused), ErrorCode::InvalidArgument, "{spec} with a number {name}");
        }
        let written = jwk.to_string();
        let twice = written.replacen('{', r#"{"d":"AQ","#, 1);
        assert_eq!(code(SigningKey::from_jwk(&twice)), ErrorCode::InvalidArgument);
        let padded = written.replacen("\"d\":\"", "\"d\":\"=", 1);
        assert_eq!(code(SigningKey::from_jwk(&padded)), ErrorCode::InvalidArgument);
    }
    for bad in ["", "{}", "[]", "null", r#"{"kty":"oct","k":"AA"}"#, r#"{"kty":"RSA","oth":[]}"#] {
        assert_eq!(code(SigningKey::from_jwk(bad)), ErrorCode::InvalidArgument);
        assert_eq!(code(PublicKey::from_jwk(bad)), ErrorCode::InvalidArgument);
    }

    // PKCS#8 version 2 (RFC 8410, section 10.3, without its attributes) with a public half.
    let seed = "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842";
    let half = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
    let der = |half: &str| unhex(&format!("3051020101300506032b657004220420{seed}812100{half}"));
    SigningKey::from_pkcs8_der(&der(half)).unwrap();
    let refused = SigningKey::from_pkcs8_der(&der(&half.replace("19bf", "19be")));
    assert_eq!(code(refused), ErrorCode::InvalidArgument);
}

#[test]
fn names_are_those_of_aws_and_unique() {
    for (name, spec) in KeySpec::ALL.iter().map(|spec| (spec.as_str(), *spec)) {
        assert_eq!(name.parse::<KeySpec>().unwrap(), spec);
    }
    for (name, algorithm) in SignatureAlgorithm::ALL.iter().map(|one| (one.as_str(), *one)) {
        assert_eq!(name.parse::<SignatureAlgorithm>().unwrap(), algorithm);
    }
    assert_eq!(code("RSA_1024".parse::<KeySpec>()), ErrorCode::InvalidArgument);
    assert_eq!(code("ecdsa_sha_256".parse::<SignatureAlgorithm>()), ErrorCode::InvalidArgument);
}

#[cfg(feature = "password")]
#[test]
fn argon2id_is_that_of_others_and_keeps_its_limits() {
    use keyfold::crypto::password::argon2id;
    let mut key = [0; 32];
    argon2id(b"password", b"somesalt", 1 << 16, 2, 1, &mut key).unwrap();
    // The test of the reference implementation, phc-winner-argon2/src/test.c.
    let expected = "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7";
    assert_eq!(key[..], unhex(expected));

    let mut run = |salt: &[u8], m, t, p| code(argon2id(b"password", salt, m, t, p, &mut key));
    let salt = b"somesalt";
    for (m, t, p) in [(u32::MAX, 1, 1), ((1 << 20) + 1, 1, 1), (64, 65, 1), (1 << 20, 1, 65)] {
        assert_eq!(run(salt, m, t, p), ErrorCode::LimitExceeded, "{m} {t} {p}");
    }
    for (m, t, p) in [(0, 1, 1), (7, 1, 1), (15, 1, 2), (64, 0, 1), (64, 1, 0)] {
        assert_eq!(run(salt, m, t, p), ErrorCode::InvalidArgument, "{m} {t} {p}");
    }
    assert_eq!(run(&salt[1..], 64, 1, 1), ErrorCode::InvalidArgument);
    assert_eq!(run(&[0; 65], 64, 1, 1), ErrorCode::InvalidArgument);
    let short = argon2id(b"", salt, 64, 1, 1, &mut [0; 15]);
    assert_eq!(code(short), ErrorCode::InvalidArgument);
    let long = argon2id(&[0; 4097], salt, 64, 1, 1, &mut [0; 32]);
    assert_eq!(code(long), ErrorCode::LimitExceeded);
}
