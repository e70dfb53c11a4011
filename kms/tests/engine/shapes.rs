//! Shapes, limits and the wire form.

use keyfold::EncryptionContext;
use keyfold_kms::KmsErrorCode as Code;
use keyfold_kms::types::*;

use crate::world::*;

#[test]
fn sizes_are_limited_to_the_byte() {
    let world = world();
    let key = world.key();
    world.ok(&encrypt(&key, &[1; 4096]));
    for len in [0, 4097] {
        assert_eq!(world.refused(&encrypt(&key, &vec![1; len])), Code::Validation);
    }
    assert_eq!(world.refused(&decrypt(&Blob(vec![]))), Code::Validation);
    assert_eq!(world.refused(&decrypt(&Blob(vec![0; 6144]))), Code::InvalidCiphertext);
    assert_eq!(world.refused(&decrypt(&Blob(vec![0; 6145]))), Code::Validation);
    assert_eq!(world.refused(&DecryptRequest::default()), Code::Validation);

    // The context is measured by its canonical bytes: count, two lengths, name, value.
    let bound = |len: usize| EncryptRequest {
        encryption_context: [("n", "v".repeat(len - 7))].into(),
        ..encrypt(&key, b"x")
    };
    world.ok(&bound(8192));
    assert_eq!(world.refused(&bound(8193)), Code::Validation);

    let pair = world.pair(KeySpec::EccNistEdwards25519, KeyUsage::SignVerify);
    let algorithm = SigningAlgorithm::Ed25519Sha512;
    world.ok(&sign(&pair, algorithm, &[1; 4096]));
    for len in [0, 4097] {
        assert_eq!(world.refused(&sign(&pair, algorithm, &vec![1; len])), Code::Validation);
    }
    let nameless = SignRequest { signing_algorithm: None, ..sign(&pair, algorithm, b"m") };
    assert_eq!(world.refused(&nameless), Code::Validation);

    for days in [6, 31] {
        assert_eq!(world.refused(&schedule(&key, days)), Code::Validation);
    }
    let request =
        UpdateKeyDescriptionRequest { key_id: key.clone(), description: "\u{4e2d}".repeat(8192) };
    world.ok(&request);
    let description = "d".repeat(8193);
    let request = UpdateKeyDescriptionRequest { key_id: key, description };
    assert_eq!(world.refused(&request), Code::Validation);
}

#[test]
fn keys_that_are_not_offered_are_refused_by_kind() {
    let world = world();
    let base = CreateKeyRequest::default;
    let usage = Some(KeyUsage::SignVerify);
    for (request, code) in [
        (CreateKeyRequest { key_spec: Some(KeySpec::Rsa2048), ..base() }, Code::Validation),
        (
            CreateKeyRequest {
                key_spec: Some(KeySpec::EccNistP256),
                key_usage: Some(KeyUsage::EncryptDecrypt),
                ..base()
            },
            Code::Validation,
        ),
        (CreateKeyRequest { key_usage: usage, ..base() }, Code::Validation),
        (
            CreateKeyRequest {
                key_spec: Some(KeySpec::EccNistP256),
                customer_master_key_spec: Some(KeySpec::EccNistP384),
                key_usage: usage,
                ..base()
            },
            Code::Validation,
        ),
        (
            CreateKeyRequest {
                key_spec: Some(KeySpec::Hmac256),
                key_usage: Some(KeyUsage::GenerateVerifyMac),
                ..base()
            },
            Code::UnsupportedOperation,
        ),
        (
            CreateKeyRequest { key_spec: Some(KeySpec::MlDsa65), key_usage: usage, ..base() },
            Code::UnsupportedOperation,
        ),
        (CreateKeyRequest { origin: Some(Origin::External), ..base() }, Code::UnsupportedOperation),
        (CreateKeyRequest { multi_region: Some(true), ..base() }, Code::UnsupportedOperation),
        (
            CreateKeyRequest { custom_key_store_id: Some("c".into()), ..base() },
            Code::UnsupportedOperation,
        ),
        (CreateKeyRequest { description: Some("d".repeat(8193)), ..base() }, Code::Validation),
    ] {
        assert_eq!(world.refused(&request), code, "{request:?}");
    }
    assert!(world.ok(&ListKeysRequest::default()).keys.is_empty());
    let recipient =
        DecryptRequest { recipient: Some(serde_json::json!({})), ..decrypt(&Blob(vec![1])) };
    assert_eq!(world.refused(&recipient), Code::UnsupportedOperation);
}

#[test]
fn metadata_has_the_members_of_the_wire() {
    let world = world();
    let request = CreateKeyRequest { description: Some("d".into()), ..CreateKeyRequest::default() };
    let made = world.ok(&request).key_metadata;
    let json = serde_json::to_value(&made).expect("json");
    assert_eq!(
        json,
        serde_json::json!({
            "AWSAccountId": ACCOUNT,
            "KeyId": made.key_id,
            "Arn": world.arn(&made.key_id),
            "CreationDate": 1_790_000_000.0,
            "Enabled": true,
            "Description": "d",
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeyState": "Enabled",
            "Origin": "AWS_KMS",
            "KeyManager": "CUSTOMER",
            "KeySpec": "SYMMETRIC_DEFAULT",
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "MultiRegion": false,
            "CurrentKeyMaterialId": made.current_key_material_id.as_ref().expect("an id"),
        })
    );
    let pair = world.pair(KeySpec::EccNistP521, KeyUsage::SignVerify);
    let json = serde_json::to_value(world.ok(&describe(&pair)).key_metadata).expect("json");
    assert_eq!(json["SigningAlgorithms"], serde_json::json!(["ECDSA_SHA_512"]));
    assert!(json.get("EncryptionAlgorithms").is_none());
    assert!(json.get("CurrentKeyMaterialId").is_none());
}

#[test]
fn requests_read_the_wire_form() {
    let request: EncryptRequest = serde_json::from_str(
        r#"{"KeyId":"k","Plaintext":"aGk=","EncryptionContext":{"b":"2","a":"\u00e9"}}"#,
    )
    .expect("a request");
    assert_eq!(request.plaintext.expose(), b"hi");
    let expected: EncryptionContext = [("a", "\u{e9}"), ("b", "2")].into();
    assert_eq!(request.encryption_context, expected);
    for same in [r#"{"EncryptionContext":null}"#, r#"{"EncryptionContext":{}}"#, "{}"] {
        let request: DecryptRequest = serde_json::from_str(same).expect("a request");
        assert!(request.encryption_context.is_empty());
    }
    for bad in [
        r#"{"EncryptionContext":{"a":"1","a":"2"}}"#,
        r#"{"Extra":[1]}"#,
        r#"{"EncryptionContext":{"a":"1","\u0061":"2"}}"#,
        r#"{"EncryptionContext":{"a":1}}"#,
        r#"{"EncryptionContext":{"a":null}}"#,
        r#"{"EncryptionContext":{"a":"\ud800"}}"#,
        r#"{"CiphertextBlob":"!"}"#,
        r#"{"CiphertextBlob":"aGk"}"#,
        r#"{"EncryptionAlgorithm":"ROT13"}"#,
    ] {
        assert!(serde_json::from_str::<DecryptRequest>(bad).is_err(), "{bad}");
    }
    let grant: CreateGrantRequest = serde_json::from_str(
        r#"{"KeyId":"k","GranteePrincipal":"p","Operations":["Decrypt"],
            "Constraints":{"EncryptionContextEquals":{"a":"b"}}}"#,
    )
    .expect("a request");
    let constraints = grant.constraints.expect("constraints");
    assert_eq!(constraints.encryption_context_equals, [("a", "b")].into());
}

#[test]
fn no_error_repeats_what_was_submitted() {
    let world = world();
    let key = world.key();
    let planted = "planted-secret";
    let long = planted.repeat(400);
    let error = failure(world.engine.call(&world.owner, &encrypt(&key, long.as_bytes())));
    assert!(!format!("{error} {error:?}").contains(planted));
    let bound = EncryptRequest {
        encryption_context: [("n", long.repeat(2))].into(),
        ..encrypt(&key, b"x")
    };
    let error = failure(world.engine.call(&world.owner, &bound));
    assert!(!format!("{error} {error:?}").contains(planted));
    let json = format!(r#"{{"KeyId":"k","Plaintext":"{planted}!"}}"#);
    let error = serde_json::from_str::<EncryptRequest>(&json).err().expect("not base64");
    assert!(!error.to_string().contains(planted));
}
