//! What a secret is called, and the shapes of requests.

use super::*;

#[test]
fn a_secret_is_found_by_name_arn_and_shortened_arn() {
    with_safes(|safe| {
        let arn = safe.create("prod/db", "v").arn;
        let shortened = &arn[..arn.len() - 7];
        assert!(shortened.ends_with(":secret:prod/db"), "{arn}");
        for id in ["prod/db", &arn, shortened] {
            assert_eq!(safe.get(id).expect("found"), "v", "{id}");
        }
        let other = |from: &str, to: &str| arn.replace(from, to);
        for id in [
            "prod/d",
            "prod/db2",
            "prod/db ",
            "PROD/DB",
            "arn:aws:secretsmanager",
            &arn[..arn.len() - 1],
            &format!("{shortened}-"),
            &format!("{shortened}-aaaaaa"),
            &other("us-east-1", "eu-west-1"),
            &other("000000000000", "000000000001"),
            &other("arn:aws:", "arn:aws-cn:"),
            &other("secretsmanager", "kms"),
            &other(":secret:", ":key:"),
        ] {
            assert_eq!(code(safe.get(id)), KmsErrorCode::ResourceNotFound, "{id}");
        }
    });
}

#[test]
fn the_exact_arn_goes_before_a_shortened_one() {
    with_safes(|safe| {
        let first = safe.create("db", "first").arn;
        let (_, resource) = first.rsplit_once(':').expect("a resource");
        // Shortened, the ARN of this one is the whole ARN of the first.
        let second = safe.create(resource, "second").arn;
        assert_eq!(safe.get(&first).expect("found"), "first");
        assert_eq!(safe.get(&second).expect("found"), "second");
        assert_eq!(safe.get(resource).expect("found"), "second");
        safe.call(&DeleteSecretRequest {
            secret_id: "db".into(),
            force_delete_without_recovery: Some(true),
            ..Default::default()
        })
        .expect("deleted");
        assert_eq!(safe.get(&first).expect("now it can only be the other"), "second");
    });
}

#[test]
fn names_have_a_shape() {
    with_safes(|safe| {
        for name in ["a", "A/_+=.@-9", &"n".repeat(512)] {
            safe.create(name, "v");
        }
        for name in ["", " ", "a b", "ä", "a:b", "a*", "a\0", &"n".repeat(513)] {
            assert_eq!(code(safe.call(&create(name))), KmsErrorCode::InvalidParameter, "{name}");
        }
        for id in [String::new(), "x".repeat(2049)] {
            assert_eq!(code(safe.get(&id)), KmsErrorCode::InvalidParameter);
        }
    });
}

#[test]
fn metadata_has_limits() {
    with_safes(|safe| {
        let refused = |request: CreateSecretRequest| {
            assert_eq!(code(safe.call(&request)), KmsErrorCode::InvalidParameter);
        };
        let tag = |key: &str, value: &str| SecretTag { key: key.into(), value: value.into() };
        let tags = |count: usize| (0..count).map(|n| tag(&n.to_string(), "")).collect::<Vec<_>>();
        refused(CreateSecretRequest { description: Some("d".repeat(2049)), ..create("s") });
        refused(CreateSecretRequest { kms_key_id: Some(String::new()), ..create("s") });
        refused(CreateSecretRequest { kms_key_id: Some("k".repeat(2049)), ..create("s") });
        refused(CreateSecretRequest { tags: tags(51), ..create("s") });
        for (key, value) in
            [("", ""), ("aws:x", ""), (&"k".repeat(129), ""), ("k", &"v".repeat(257))]
        {
            refused(CreateSecretRequest { tags: vec![tag(key, value)], ..create("s") });
        }
        for token in ["short", &"t".repeat(31), &"t".repeat(65)] {
            refused(CreateSecretRequest {
                client_request_token: Some(token.into()),
                ..create("s")
            });
        }
        let replicated = CreateSecretRequest {
            add_replica_regions: Some(serde_json::json!([{"Region": "eu-west-1"}])),
            ..create("s")
        };
        assert_eq!(code(safe.call(&replicated)), KmsErrorCode::InvalidRequest);
        safe.call(&CreateSecretRequest {
            description: Some("ä".repeat(2048)),
            tags: [tags(49), vec![tag(&"k".repeat(128), &"v".repeat(256))]].concat(),
            client_request_token: Some("t".repeat(64)),
            ..create("s")
        })
        .expect("all at their limits");
    });
}

#[test]
fn values_have_one_to_65536_bytes() {
    with_safes(|safe| {
        let create_text = |value: String| {
            safe.call(&CreateSecretRequest {
                secret_string: Some(SecretText::new(value)),
                ..create("t")
            })
        };
        let create_bytes = |len: usize| {
            let value = Some(Sensitive::new(vec![0xff; len]));
            safe.call(&CreateSecretRequest { secret_binary: value, ..create("b") })
        };
        for bad in [0, 65_537] {
            assert_eq!(code(create_text("x".repeat(bad))), KmsErrorCode::InvalidParameter);
            assert_eq!(code(create_bytes(bad)), KmsErrorCode::InvalidParameter);
        }
        assert_eq!(code(create_text("ä".repeat(32_769))), KmsErrorCode::InvalidParameter);
        create_text("ä".repeat(32_768)).expect("65,536 bytes of text");
        create_bytes(65_536).expect("65,536 bytes");
        assert_eq!(safe.get("t").expect("found"), "ä".repeat(32_768));
        let request = GetSecretValueRequest { secret_id: "b".into(), ..Default::default() };
        let response = safe.call(&request).expect("found");
        assert!(response.secret_string.is_none());
        assert_eq!(response.secret_binary.expect("bytes").expose(), vec![0xff; 65_536]);
        let both = CreateSecretRequest {
            secret_string: text("v"),
            secret_binary: Some(Sensitive::new(vec![1])),
            ..create("x")
        };
        assert_eq!(code(safe.call(&both)), KmsErrorCode::InvalidParameter);
        assert_eq!(code(safe.call(&put("t"))), KmsErrorCode::InvalidParameter);
    });
}

#[test]
fn the_wire_form_is_that_of_aws() {
    let safe = Safe::in_memory();
    let request: CreateSecretRequest = serde_json::from_str(
        r#"{"Name":"s","SecretString":"v\u00e4","Tags":[{"Key":"k","Value":"v"}]}"#,
    )
    .expect("a request");
    let created = serde_json::to_value(safe.call(&request).expect("created")).expect("json");
    assert_eq!(created["Name"], "s");
    assert!(created["ARN"].as_str().is_some_and(|arn| arn.starts_with("arn:aws:secretsmanager:")));
    let request: GetSecretValueRequest =
        serde_json::from_str(r#"{"SecretId":"s"}"#).expect("a request");
    let value = serde_json::to_value(safe.call(&request).expect("read")).expect("json");
    assert_eq!(value["SecretString"], "vä");
    assert_eq!(value["VersionStages"], serde_json::json!(["AWSCURRENT"]));
    assert_eq!(value["CreatedDate"], serde_json::json!(1_795_348_800.0));
    assert!(value.get("SecretBinary").is_none());
    let request: GetRandomPasswordRequest =
        serde_json::from_str(r#"{"PasswordLength":12,"ExcludePunctuation":true}"#).expect("json");
    let password = serde_json::to_value(safe.call(&request).expect("made")).expect("json");
    assert_eq!(password["RandomPassword"].as_str().map(str::len), Some(12));
    let request: ListSecretsRequest = serde_json::from_str(
        r#"{"Filters":[{"Key":"tag-key","Values":["k"]}],"SortOrder":"desc"}"#,
    )
    .expect("a request");
    let list = serde_json::to_value(safe.call(&request).expect("listed")).expect("json");
    assert_eq!(list["SecretList"][0]["Tags"], serde_json::json!([{"Key": "k", "Value": "v"}]));
    assert!(list.get("NextToken").is_none());
}

#[test]
fn random_passwords_follow_the_rules_of_the_request() {
    let safe = Safe::in_memory();
    let make = |request: GetRandomPasswordRequest| {
        safe.call(&request).map(|response| response.random_password.expose().to_owned())
    };
    let default = GetRandomPasswordRequest::default;
    assert_eq!(make(default()).expect("made").len(), 32);
    let digits = GetRandomPasswordRequest {
        password_length: Some(4096),
        exclude_lowercase: true,
        exclude_uppercase: true,
        exclude_punctuation: true,
        exclude_characters: "01".into(),
        ..default()
    };
    assert!(make(digits).expect("made").bytes().all(|b| (b'2'..=b'9').contains(&b)));
    for length in [0, 3, 4097, u32::MAX] {
        let request = GetRandomPasswordRequest { password_length: Some(length), ..default() };
        assert_eq!(code(make(request)), KmsErrorCode::InvalidParameter);
    }
    let short = GetRandomPasswordRequest {
        password_length: Some(1),
        require_each_included_type: Some(false),
        ..default()
    };
    assert_eq!(make(short).expect("made").len(), 1);
}
