//! Operations, as clients see them.

use serde_json::json;

use super::world::{World, config};

#[tokio::test]
async fn a_key_encrypts_signs_and_guards_a_secret() {
    let world = World::start(config());
    let made = world.call("TrentService.CreateKey", r#"{"Description":"a \u00e9"}"#).await;
    let key = made.json()["KeyMetadata"].clone();
    assert_eq!((made.status, &key["Description"]), (200, &json!("a é")));
    let arn = key["Arn"].as_str().expect("an ARN");

    let body = json!({"KeyId": arn, "Plaintext": "aGVsbG8=", "EncryptionContext": {"a": "b"}});
    let sealed = world.call("TrentService.Encrypt", &body.to_string()).await.json();
    let body = json!({
        "CiphertextBlob": sealed["CiphertextBlob"], "EncryptionContext": {"a": "b"},
        "KeyId": null, "GrantTokens": null,
    });
    let opened = world.call("TrentService.Decrypt", &body.to_string()).await;
    assert_eq!((opened.json()["Plaintext"].as_str(), opened.status), (Some("aGVsbG8="), 200));
    let body = json!({"CiphertextBlob": sealed["CiphertextBlob"]});
    let refused = world.call("TrentService.Decrypt", &body.to_string()).await;
    assert_eq!((refused.status, refused.error()), (400, "InvalidCiphertextException".into()));

    // On a thread of its own: RSA takes its time.
    let body = r#"{"KeySpec":"RSA_2048","KeyUsage":"SIGN_VERIFY"}"#;
    let rsa = world.call("TrentService.CreateKey", body).await.json();
    let algorithm = "RSASSA_PKCS1_V1_5_SHA_256";
    let mut body = json!({
        "KeyId": rsa["KeyMetadata"]["KeyId"], "Message": "aGVsbG8=", "SigningAlgorithm": algorithm,
    });
    let signed = world.call("TrentService.Sign", &body.to_string()).await;
    assert_eq!(signed.status, 200, "{signed:?}");
    body["Signature"] = signed.json()["Signature"].clone();
    let verified = world.call("TrentService.Verify", &body.to_string()).await;
    assert_eq!(verified.json()["SignatureValid"], true);

    let body = r#"{"Name":"db","SecretString":"correct horse"}"#;
    assert_eq!(world.call("secretsmanager.CreateSecret", body).await.status, 200);
    let read = world.call("secretsmanager.GetSecretValue", r#"{"SecretId":"db"}"#).await;
    assert_eq!(read.json()["SecretString"], "correct horse");
    world.end().await;
}

#[tokio::test]
async fn each_service_spells_its_errors_in_its_own_way() {
    let world = World::start(config());
    let reply = world.call("TrentService.DescribeKey", r#"{"KeyId":"alias/none"}"#).await;
    assert_eq!((reply.status, reply.error()), (400, "NotFoundException".into()));
    assert!(reply.json()["message"].is_string() && reply.json()["Message"].is_null());
    let reply = world.call("secretsmanager.DescribeSecret", r#"{"SecretId":"none"}"#).await;
    assert_eq!((reply.status, reply.error()), (400, "ResourceNotFoundException".into()));
    assert!(reply.json()["Message"].is_string() && reply.json()["message"].is_null());
    world.end().await;
}

#[tokio::test]
async fn what_is_not_understood_changes_nothing() {
    let world = World::start(config());
    let cases = [
        ("TrentService.CreateKey", r#"{"Descriptio":"a"}"#, "SerializationException"),
        (
            "TrentService.CreateKey",
            r#"{"Description":"a","Description":"a"}"#,
            "SerializationException",
        ),
        (
            "TrentService.CreateKey",
            r#"{"Tags":[{"TagKey":"a","TagValue":"b","x":1}]}"#,
            "SerializationException",
        ),
        ("TrentService.CreateKey", "[]", "SerializationException"),
        ("TrentService.CreateKey", "{", "SerializationException"),
        ("TrentService.CreateKey", r#"{"KeySpec":"AES"}"#, "ValidationException"),
        ("TrentService.CreateKey", r#"{"MultiRegion":true}"#, "UnsupportedOperationException"),
        ("TrentService.CreateKey", r#"{"CustomKeyStoreId":"a"}"#, "UnsupportedOperationException"),
        (
            "TrentService.ListKeys",
            r#"{"ResourceOwners":["SELF"]}"#,
            "UnsupportedOperationException",
        ),
        ("TrentService.ListKeys", r#"{"Limit":0}"#, "ValidationException"),
        ("TrentService.ListKeys", r#"{"Limit":-1}"#, "ValidationException"),
        ("TrentService.ListKeys", r#"{"Limit":"1"}"#, "SerializationException"),
        (
            "secretsmanager.CreateSecret",
            r#"{"Name":"a","AddReplicaRegions":[{"Region":"b"}]}"#,
            "UnsupportedOperationException",
        ),
        (
            "secretsmanager.PutSecretValue",
            r#"{"RotationToken":"a"}"#,
            "UnsupportedOperationException",
        ),
        ("secretsmanager.ListSecrets", r#"{"SortBy":"name"}"#, "UnsupportedOperationException"),
    ];
    for (target, body, name) in cases {
        let reply = world.call(target, body).await;
        assert_eq!((reply.status, reply.error().as_str()), (400, name), "{target} {body}");
    }
    let keys = world.call("TrentService.ListKeys", "{}").await.json();
    assert_eq!(keys["Keys"].as_array().map(Vec::len), Some(0));
    let secrets = world.call("secretsmanager.ListSecrets", "{}").await.json();
    assert_eq!(secrets["SecretList"].as_array().map(Vec::len), Some(0));
    world.end().await;
}

#[tokio::test]
async fn reads_and_changes_at_one_time_all_get_their_answers() {
    let world = std::sync::Arc::new(World::start(config()));
    let key = world.call("TrentService.CreateKey", "{}").await.json();
    let id = key["KeyMetadata"]["KeyId"].as_str().expect("an id").to_owned();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let (world, id) = (world.clone(), id.clone());
        tasks.spawn(async move {
            for round in 0..20 {
                let reply = if task % 4 == 0 {
                    let body = json!({"KeyId": id, "Description": format!("{task} {round}")});
                    world.call("TrentService.UpdateKeyDescription", &body.to_string()).await
                } else {
                    let body = json!({"KeyId": id, "NumberOfBytes": 32});
                    world.call("TrentService.GenerateDataKey", &body.to_string()).await
                };
                assert_eq!(reply.status, 200, "{reply:?}");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic");
    }
    std::sync::Arc::into_inner(world).expect("nobody else has it").end().await;
}
