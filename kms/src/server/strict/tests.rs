use super::*;
use crate::types::{
    CreateGrantRequest, CreateKeyRequest, CreateSecretRequest, EnableKeyRotationRequest,
    EncryptRequest, GetRandomPasswordRequest, ListSecretsRequest,
};

/// The members that a request has.
pub(crate) fn members<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    struct Shows<'a>(&'a Cell<&'static [&'static str]>);

    impl<'de> Deserializer<'de> for Shows<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            visitor.visit_unit()
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            self.0.set(fields);
            visitor.visit_unit()
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
            option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
            ignored_any
        }
    }

    let fields = Cell::new(&[][..]);
    let _ = T::deserialize(Shows(&fields));
    fields.get()
}

fn fault<T: for<'de> Deserialize<'de>>(body: &str) -> (KmsErrorCode, String) {
    let error = decode::<T>(body.as_bytes(), &["Recipient"]).err().expect(body);
    (error.code(), error.message().to_owned())
}

#[test]
fn the_members_are_those_of_the_type() {
    assert_eq!(members::<EnableKeyRotationRequest>(), ["KeyId", "RotationPeriodInDays"]);
}

#[test]
fn null_is_absent_and_nothing_is_an_object() {
    for body in ["", "{}", " {\n} ", r#"{"Name":null,"SecretString":null,"Tags":null}"#] {
        let request: CreateSecretRequest = decode(body.as_bytes(), &[]).expect(body);
        assert!(request.name.is_empty() && request.tags.is_empty());
        assert!(request.secret_string.is_none());
    }
    let body = br#"{"KeyId":"a","Plaintext":null,"EncryptionContext":null,"DryRun":null}"#;
    let request: EncryptRequest = decode(body, &[]).expect("valid");
    assert!(request.plaintext.is_empty() && request.encryption_context.is_empty());
    let body = br#"{"ExcludeNumbers":null,"PasswordLength":null}"#;
    assert!(!decode::<GetRandomPasswordRequest>(body, &[]).expect("valid").exclude_numbers);
}

#[test]
fn what_clients_write_is_read() {
    let body = r#"{"KeyId":"alias/\u00e9","Plaintext":"aGVs\/G8=","EncryptionContext":{"ключ":"\ud83d\ude00"}}"#;
    let request: EncryptRequest = decode(body.as_bytes(), &[]).expect("valid");
    assert_eq!(request.key_id, "alias/é");
    assert_eq!(request.plaintext.expose(), [0x68, 0x65, 0x6c, 0xfc, 0x6f]);
    assert_eq!(request.encryption_context.get("ключ"), Some("😀"));
}

#[test]
fn what_does_not_fit_names_the_member_and_not_the_value() {
    let wrong = [
        (r#"{"KeyId":7}"#, "keyId is not a string"),
        (r#"{"KeyId":["secret"]}"#, "keyId is not a string"),
        (r#"{"Plaintext":"secret!"}"#, "plaintext is not base64"),
        (r#"{"Plaintext":"c2Vjcm"}"#, "plaintext is not base64"),
        (r#"{"Plaintext":{"secret":1}}"#, "plaintext is not a string"),
        (r#"{"EncryptionContext":"secret"}"#, "encryptionContext is not an object of strings"),
        (r#"{"EncryptionContext":{"secret":1}}"#, "encryptionContext.value is not a string"),
        (r#"{"EncryptionContext":{"secret":null}}"#, "encryptionContext.value is not a string"),
        (r#"{"EncryptionContext":{"secret":"a","secret":"b"}}"#, "name that stands twice"),
        (r#"{"GrantTokens":"secret"}"#, "grantTokens is not a list"),
        (r#"{"GrantTokens":["a",{"secret":1}]}"#, "grantTokens.2 is not a string"),
        (r#"{"GrantTokens":[null]}"#, "grantTokens.1 is not a string"),
        (r#"{"DryRun":"secret"}"#, "dryRun is not true or false"),
        (r#"{"EncryptionAlgorithm":1}"#, "encryptionAlgorithm is not a string"),
        (r#"{"KeyId":"secret","KeyId":"secret"}"#, "keyId stands twice"),
        (r#"{"KeyId":null,"KeyId":null}"#, "keyId stands twice"),
        (r#"{"Recipient":null,"Recipient":null}"#, "recipient stands twice"),
        (r#"{"keyid":"secret"}"#, "no member keyid"),
        (r#"{"se cret":"secret"}"#, "no member of such a name"),
        (r#"["secret"]"#, "the body is not an object"),
        (r#""secret""#, "the body is not an object"),
        ("null", "the body is not an object"),
        ("12", "the body is not an object"),
    ];
    for (body, expected) in wrong {
        let (code, message) = fault::<EncryptRequest>(body);
        assert_eq!(code, KmsErrorCode::Serialization, "{body}: {message}");
        assert!(message.contains(expected), "{body}: {message}");
        assert!(!message.contains("secret"), "{body}: {message}");
    }
}

#[test]
fn what_is_no_json_is_said_to_be_none() {
    let deep = format!("{{\"EncryptionContext\":{}", "[".repeat(100_000));
    let deep_refused = format!("{{\"Recipient\":{}", "[".repeat(100_000));
    for body in [
        "{",
        "{}x",
        "{\"KeyId\"}",
        "{'KeyId':'a'}",
        "{\"KeyId\":\"\\ud800\"}",
        "{\"KeyId\":\"a\u{0}\"}",
        "\u{feff}{}",
        &deep_refused,
    ] {
        let (code, message) = fault::<EncryptRequest>(body);
        assert_eq!(code, KmsErrorCode::Serialization);
        assert!(message.starts_with("the body is not JSON"), "{message}");
    }
    assert_eq!(fault::<EncryptRequest>(&deep).0, KmsErrorCode::Serialization);
    let error = decode::<EncryptRequest>(b"{\"KeyId\":\"\xff\"}", &[]).err().expect("no UTF-8");
    assert_eq!(error.code(), KmsErrorCode::Serialization);
}

#[test]
fn a_value_outside_of_its_set_is_told_the_set() {
    let wrong = [
        (r#"{"KeySpec":"secret"}"#, "keySpec' failed to satisfy constraint: Member must satisfy"),
        (r#"{"Tags":[{"TagKey":"a"}]}"#, "'tags.1' failed to satisfy constraint: Member must not"),
    ];
    for (body, expected) in wrong {
        let (code, message) = fault::<CreateKeyRequest>(body);
        assert_eq!(code, KmsErrorCode::Validation, "{body}: {message}");
        assert!(message.contains(expected) && !message.contains("secret"), "{message}");
    }
    for number in ["-1", "4294967296", "18446744073709551615", "-9223372036854775808"] {
        let body = format!("{{\"RotationPeriodInDays\":{number}}}");
        let (code, message) = fault::<EnableKeyRotationRequest>(&body);
        assert_eq!(code, KmsErrorCode::Validation, "{message}");
        assert!(message.contains("'rotationPeriodInDays'"), "{message}");
    }
    for number in ["1.5", "1e3", "\"9\"", "true", "123456789012345678901234567890"] {
        let body = format!("{{\"RotationPeriodInDays\":{number}}}");
        let (code, message) = fault::<EnableKeyRotationRequest>(&body);
        assert_eq!(code, KmsErrorCode::Serialization, "{message}");
        assert!(message.contains("rotationPeriodInDays is not an integer"), "{message}");
    }
}

#[test]
fn the_rules_hold_at_every_level() {
    let wrong = [
        r#"{"Constraints":{"Unheard":1}}"#,
        r#"{"Constraints":{"SourceArn":"a","SourceArn":"b"}}"#,
        r#"{"Constraints":{"EncryptionContextEquals":{"a":"b","a":"c"}}}"#,
        r#"{"Constraints":[{}]}"#,
        r#"{"Operations":["Decrypt",1]}"#,
    ];
    for body in wrong {
        assert_eq!(fault::<CreateGrantRequest>(body).0, KmsErrorCode::Serialization, "{body}");
    }
    let body = r#"{"Constraints":{"SourceArn":null,"EncryptionContextEquals":null}}"#;
    decode::<CreateGrantRequest>(body.as_bytes(), &[]).expect("null is absent there too");
    let body = r#"{"Filters":[{"Key":"name","Values":["a"],"Unheard":1}]}"#;
    assert_eq!(fault::<ListSecretsRequest>(body).0, KmsErrorCode::Serialization);
}

#[test]
fn what_is_not_offered_is_refused_unless_it_asks_for_nothing() {
    for nothing in ["null", "false"] {
        let body = format!("{{\"KeyId\":\"a\",\"Recipient\":{nothing}}}");
        decode::<EncryptRequest>(body.as_bytes(), &["Recipient"]).expect("asks for nothing");
    }
    for something in ["true", "0", "-1", "1.5", "\"\"", "[]", "[[1]]", "{}", "{\"a\":{}}"] {
        let body = format!("{{\"KeyId\":\"a\",\"Recipient\":{something}}}");
        let (code, message) = fault::<EncryptRequest>(&body);
        assert_eq!(
            (code, message.as_str()),
            (KmsErrorCode::UnsupportedOperation, "recipient is not offered")
        );
    }
}
