//! Local key pairs: every spec, every algorithm, every encoding, and bad input.

use keyfold::crypto::rng::SystemRng;
use keyfold::sign::{
    KeySpec, MessageHasher, PublicKey, SignatureAlgorithm, SigningKey, ecdsa_der_to_raw,
    ecdsa_raw_to_der,
};
use keyfold::{ErrorCode, SecretBytes};

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
