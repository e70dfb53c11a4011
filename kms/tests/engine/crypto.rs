//! Encryption, data keys, signatures.

use keyfold::EncryptionContext;
use keyfold::crypto::rng::SystemRng;
use keyfold::crypto::rsa::{OaepHash, oaep_encrypt};
use keyfold::sign::{PublicKey, SignatureAlgorithm};
use keyfold_kms::KmsErrorCode as Code;
use keyfold_kms::types::*;
use proptest::prelude::*;

use crate::world::*;

fn context<const N: usize>(pairs: [(&str, &str); N]) -> EncryptionContext {
    EncryptionContext::from(pairs)
}

#[test]
fn what_is_encrypted_decrypts_under_its_context_alone() {
    let world = world();
    let key = world.key();
    let bound = context([("a", "bc")]);
    let request = EncryptRequest { encryption_context: bound.clone(), ..encrypt(&key, b"hello") };
    let made = world.ok(&request);
    assert_eq!(made.key_id, world.arn(&key));
    assert_eq!(made.ciphertext_blob.0.len(), 5 + 113);

    let right = DecryptRequest { encryption_context: bound, ..decrypt(&made.ciphertext_blob) };
    let opened = world.ok(&right);
    assert_eq!(opened.plaintext.expose(), b"hello");
    assert_eq!(opened.key_id, world.arn(&key));
    let current = world.ok(&describe(&key)).key_metadata.current_key_material_id;
    assert_eq!(opened.key_material_id, current);

    for wrong in [context([]), context([("ab", "c")]), context([("a", "bc"), ("x", "")])] {
        let request = DecryptRequest { encryption_context: wrong, ..right.clone() };
        assert_eq!(world.refused(&request), Code::InvalidCiphertext);
    }
    let other = world.key();
    let request = DecryptRequest { key_id: Some(other), ..right.clone() };
    assert_eq!(world.refused(&request), Code::IncorrectKey);
    let request = DecryptRequest { key_id: Some(key), ..right };
    world.ok(&request);
}

#[test]
fn every_altered_blob_is_refused_with_one_text() {
    let world = world();
    let key = world.key();
    let blob = world.ok(&encrypt(&key, b"x")).ciphertext_blob.0;
    let ask = |bytes: &[u8], key_id: Option<String>| {
        let request = DecryptRequest { key_id, ..decrypt(&Blob(bytes.to_vec())) };
        failure(world.engine.call(&world.owner, &request))
    };
    let mut texts = std::collections::BTreeSet::new();
    for bit in 0..blob.len() * 8 {
        let mut flipped = blob.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = ask(&flipped, None);
        match error.code() {
            Code::InvalidCiphertext => {
                texts.insert(error.message().to_owned());
            }
            // The key id inside names a key that is not there: the same as one that is not ours.
            Code::AccessDenied => assert!((5..21).contains(&(bit / 8)), "bit {bit}"),
            code => panic!("{code} for bit {bit}"),
        }
    }
    for len in 1..blob.len() {
        let error = ask(&blob[..len], Some(key.clone()));
        assert_eq!(error.code(), Code::InvalidCiphertext);
        texts.insert(error.message().to_owned());
    }
    let extended = ask(&[&blob[..], b"\0"].concat(), None);
    texts.insert(extended.message().to_owned());
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[test]
fn absent_and_forbidden_look_alike_to_whoever_may_not() {
    let world = world();
    let key = world.key();
    let blob = world.ok(&encrypt(&key, b"x")).ciphertext_blob;
    let mut absent = blob.clone();
    absent.0[5] ^= 1;
    let say = |request: &DecryptRequest| {
        let error = failure(world.engine.call(&alice(), request));
        (error.code(), error.message().to_owned())
    };
    let forbidden = say(&decrypt(&blob));
    assert_eq!(forbidden.0, Code::AccessDenied);
    assert_eq!(say(&decrypt(&absent)), forbidden);
    for name in [key.as_str(), "alias/none", "00000000-0000-4000-8000-000000000000"] {
        let request = DecryptRequest { key_id: Some(name.into()), ..decrypt(&blob) };
        assert_eq!(say(&request), forbidden, "{name}");
    }
    let request = |name: &str| ReEncryptRequest {
        ciphertext_blob: Some(blob.clone()),
        destination_key_id: name.into(),
        ..ReEncryptRequest::default()
    };
    for name in [key.as_str(), "alias/none"] {
        assert_eq!(world.refused_as(&alice(), &request(name)), Code::AccessDenied);
    }
}

#[test]
fn data_keys_decrypt_and_have_the_length_asked_for() {
    let world = world();
    let key = world.key();
    let bound = context([("tenant", "42")]);
    let request = GenerateDataKeyRequest {
        key_id: key.clone(),
        encryption_context: bound.clone(),
        key_spec: Some(DataKeySpec::Aes128),
        ..GenerateDataKeyRequest::default()
    };
    let made = world.ok(&request);
    assert_eq!(made.plaintext.len(), 16);
    let open = DecryptRequest { encryption_context: bound, ..decrypt(&made.ciphertext_blob) };
    assert_eq!(world.ok(&open).plaintext.expose(), made.plaintext.expose());

    let request = GenerateDataKeyWithoutPlaintextRequest {
        key_id: key.clone(),
        number_of_bytes: Some(1024),
        ..GenerateDataKeyWithoutPlaintextRequest::default()
    };
    let hidden = world.ok(&request);
    assert_eq!(world.ok(&decrypt(&hidden.ciphertext_blob)).plaintext.len(), 1024);

    let both = GenerateDataKeyRequest {
        number_of_bytes: Some(32),
        key_spec: Some(DataKeySpec::Aes256),
        key_id: key.clone(),
        ..GenerateDataKeyRequest::default()
    };
    assert_eq!(world.refused(&both), Code::Validation);
    let neither = GenerateDataKeyRequest { key_id: key, ..GenerateDataKeyRequest::default() };
    assert_eq!(world.refused(&neither), Code::Validation);
}

#[test]
fn re_encryption_moves_to_another_key_context_and_version() {
    let world = world();
    let (from, to) = (world.key(), world.key());
    let blob = world.ok(&encrypt(&from, b"moving")).ciphertext_blob;
    let request = ReEncryptRequest {
        ciphertext_blob: Some(blob.clone()),
        destination_key_id: to.clone(),
        destination_encryption_context: context([("n", "v")]),
        ..ReEncryptRequest::default()
    };
    let moved = world.ok(&request);
    assert_eq!((moved.source_key_id, moved.key_id), (world.arn(&from), world.arn(&to)));
    let open = DecryptRequest {
        encryption_context: context([("n", "v")]),
        ..decrypt(&moved.ciphertext_blob)
    };
    assert_eq!(world.ok(&open).plaintext.expose(), b"moving");

    world.ok(&rotate(&from));
    let same = ReEncryptRequest {
        ciphertext_blob: Some(blob),
        destination_key_id: from,
        ..ReEncryptRequest::default()
    };
    let renewed = world.ok(&same);
    assert_ne!(renewed.source_key_material_id, renewed.destination_key_material_id);
}

#[test]
fn rsa_keys_encrypt_in_standard_form() {
    let world = world();
    let key = world.pair(KeySpec::Rsa2048, KeyUsage::EncryptDecrypt);
    let public = world.ok(&GetPublicKeyRequest { key_id: key.clone(), grant_tokens: vec![] });
    assert_eq!(public.key_usage, KeyUsage::EncryptDecrypt);
    let spki = PublicKey::from_spki_der(&public.public_key.0).expect("a public key");
    let outside = oaep_encrypt(&spki, OaepHash::Sha256, b"outside", &SystemRng).expect("OAEP");
    let open = DecryptRequest {
        key_id: Some(key.clone()),
        encryption_algorithm: Some(EncryptionAlgorithm::RsaesOaepSha256),
        ..decrypt(&Blob(outside))
    };
    assert_eq!(world.ok(&open).plaintext.expose(), b"outside");
    assert_eq!(world.ok(&open).key_material_id, None);

    let request = |algorithm, len: usize| EncryptRequest {
        encryption_algorithm: algorithm,
        ..encrypt(&key, &vec![1; len])
    };
    let sha1 = Some(EncryptionAlgorithm::RsaesOaepSha1);
    assert_eq!(world.ok(&request(sha1, 214)).ciphertext_blob.0.len(), 256);
    assert_eq!(world.refused(&request(sha1, 215)), Code::Validation);
    let sha256 = Some(EncryptionAlgorithm::RsaesOaepSha256);
    world.ok(&request(sha256, 190));
    assert_eq!(world.refused(&request(sha256, 191)), Code::Validation);
    assert_eq!(world.refused(&request(None, 1)), Code::InvalidKeyUsage);
    let bound = EncryptRequest { encryption_context: context([("a", "b")]), ..request(sha256, 1) };
    assert_eq!(world.refused(&bound), Code::Validation);

    let garbage = DecryptRequest { ciphertext_blob: Some(Blob(vec![7; 256])), ..open.clone() };
    assert_eq!(world.refused(&garbage), Code::InvalidCiphertext);
    let nameless = DecryptRequest { key_id: None, ..open };
    assert_eq!(world.refused(&nameless), Code::Validation);
    let data_key = GenerateDataKeyRequest {
        key_id: key,
        number_of_bytes: Some(32),
        ..GenerateDataKeyRequest::default()
    };
    assert_eq!(world.refused(&data_key), Code::InvalidKeyUsage);
}

#[test]
fn every_spec_signs_and_verifies_offline() {
    let world = world();
    for spec in [
        KeySpec::Rsa2048,
        KeySpec::EccNistP256,
        KeySpec::EccNistP384,
        KeySpec::EccNistP521,
        KeySpec::EccSecgP256K1,
        KeySpec::EccNistEdwards25519,
    ] {
        let key = world.pair(spec, KeyUsage::SignVerify);
        let listed = world.ok(&describe(&key)).key_metadata.signing_algorithms;
        let public = world.ok(&GetPublicKeyRequest { key_id: key.clone(), grant_tokens: vec![] });
        assert_eq!(public.signing_algorithms, listed);
        assert_eq!(public.encryption_algorithms, None);
        let spki = PublicKey::from_spki_der(&public.public_key.0).expect("a public key");
        for algorithm in listed.expect("a list") {
            if algorithm == SigningAlgorithm::Ed25519PhSha512 {
                continue; // Digests only: see `message_types_are_what_the_algorithm_takes`.
            }
            let core: SignatureAlgorithm = algorithm.as_str().parse().expect("known to the core");
            let made = world.ok(&sign(&key, algorithm, b"message")).signature.0;
            spki.verify(core, b"message", &made).expect("verifies outside");
            world.ok(&verify(&key, algorithm, b"message", &made));
            assert_eq!(
                world.refused(&verify(&key, algorithm, b"massage", &made)),
                Code::InvalidSignature
            );
            let mut flipped = made.clone();
            flipped[made.len() / 2] ^= 1;
            assert_eq!(
                world.refused(&verify(&key, algorithm, b"message", &flipped)),
                Code::InvalidSignature
            );
        }
    }
}

#[test]
fn message_types_are_what_the_algorithm_takes() {
    use keyfold::crypto::hash::{Sha256, Sha512};
    let world = world();
    let key = world.pair(KeySpec::EccNistP256, KeyUsage::SignVerify);
    let digest = Sha256::digest(b"message");
    let algorithm = SigningAlgorithm::EcdsaSha256;
    let over_digest =
        SignRequest { message_type: Some(MessageType::Digest), ..sign(&key, algorithm, &digest) };
    // Signed as a digest, verified as the message, and the other way round.
    let made = world.ok(&over_digest).signature.0;
    world.ok(&verify(&key, algorithm, b"message", &made));
    let made = world.ok(&sign(&key, algorithm, b"message")).signature.0;
    let check = VerifyRequest {
        message_type: Some(MessageType::Digest),
        ..verify(&key, algorithm, &digest, &made)
    };
    world.ok(&check);
    let short = SignRequest {
        message_type: Some(MessageType::Digest),
        ..sign(&key, algorithm, &digest[1..])
    };
    assert_eq!(world.refused(&short), Code::Validation);

    let edwards = world.pair(KeySpec::EccNistEdwards25519, KeyUsage::SignVerify);
    let typed = |algorithm, message_type, message: &[u8]| SignRequest {
        message_type: Some(message_type),
        ..sign(&edwards, algorithm, message)
    };
    let digest = Sha512::digest(b"message");
    let (pure, ph) = (SigningAlgorithm::Ed25519Sha512, SigningAlgorithm::Ed25519PhSha512);
    world.ok(&typed(pure, MessageType::Raw, b"message"));
    world.ok(&typed(ph, MessageType::Digest, &digest));
    for bad in [
        typed(pure, MessageType::Digest, &digest),
        typed(ph, MessageType::Raw, b"message"),
        typed(pure, MessageType::ExternalMu, &digest),
    ] {
        assert_eq!(world.refused(&bad), Code::Validation);
    }
}

#[test]
fn a_key_does_what_its_usage_says_and_nothing_else() {
    let world = world();
    let symmetric = world.key();
    let signing = world.pair(KeySpec::Rsa2048, KeyUsage::SignVerify);
    let public = GetPublicKeyRequest { key_id: symmetric.clone(), grant_tokens: vec![] };
    assert_eq!(world.refused(&public), Code::UnsupportedOperation);
    let make = sign(&symmetric, SigningAlgorithm::EcdsaSha256, b"m");
    assert_eq!(world.refused(&make), Code::InvalidKeyUsage);
    let wrong = sign(&signing, SigningAlgorithm::EcdsaSha256, b"m");
    assert_eq!(world.refused(&wrong), Code::InvalidKeyUsage);
    let oaep = EncryptRequest {
        encryption_algorithm: Some(EncryptionAlgorithm::RsaesOaepSha256),
        ..encrypt(&signing, b"m")
    };
    assert_eq!(world.refused(&oaep), Code::InvalidKeyUsage);
}

#[test]
fn a_dry_run_checks_everything_and_does_nothing() {
    let world = world();
    let key = world.key();
    let blob = world.ok(&encrypt(&key, b"x")).ciphertext_blob;
    let dry = Some(true);
    assert_eq!(
        world.refused(&EncryptRequest { dry_run: dry, ..encrypt(&key, b"x") }),
        Code::DryRun
    );
    assert_eq!(world.refused(&DecryptRequest { dry_run: dry, ..decrypt(&blob) }), Code::DryRun);
    let mut broken = blob.clone();
    broken.0[100] ^= 1;
    let request = DecryptRequest { dry_run: dry, ..decrypt(&broken) };
    assert_eq!(world.refused(&request), Code::InvalidCiphertext);
    let ignoring = DecryptRequest {
        dry_run: dry,
        dry_run_modifiers: vec![DryRunModifier::IgnoreCiphertext],
        key_id: Some(key.clone()),
        ..DecryptRequest::default()
    };
    assert_eq!(world.refused(&ignoring), Code::DryRun);
    assert_eq!(world.refused_as(&alice(), &ignoring), Code::AccessDenied);
    let not_dry = DecryptRequest { dry_run: None, ..ignoring };
    assert_eq!(world.refused(&not_dry), Code::Validation);
    let request =
        CreateGrantRequest { dry_run: dry, ..grant(&key, ALICE, &[GrantOperation::Decrypt]) };
    assert_eq!(world.refused(&request), Code::DryRun);
    let list = ListGrantsRequest { key_id: key.clone(), ..ListGrantsRequest::default() };
    assert!(world.ok(&list).grants.is_empty());
    world.ok(&disable(&key));
    assert_eq!(
        world.refused(&EncryptRequest { dry_run: dry, ..encrypt(&key, b"x") }),
        Code::Disabled
    );
}

#[test]
fn random_bytes_have_the_length_asked_for() {
    let world = world();
    let ask = |number_of_bytes| GenerateRandomRequest { number_of_bytes, ..Default::default() };
    assert_eq!(world.ok(&ask(Some(1024))).plaintext.len(), 1024);
    for bad in [None, Some(0), Some(1025)] {
        assert_eq!(world.refused(&ask(bad)), Code::Validation);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_plaintext_and_context_comes_back(
        plaintext in proptest::collection::vec(any::<u8>(), 1..=4096),
        pairs in proptest::collection::btree_map(".{0,12}", ".{0,12}", 0..6),
    ) {
        let world = world();
        let key = world.key();
        let bound: EncryptionContext = pairs.into_iter().collect();
        let request =
            EncryptRequest { encryption_context: bound.clone(), ..encrypt(&key, &plaintext) };
        let made = world.ok(&request);
        let open = DecryptRequest { encryption_context: bound, ..decrypt(&made.ciphertext_blob) };
        let opened = world.ok(&open);
        prop_assert_eq!(opened.plaintext.expose(), &plaintext[..]);
    }
}
