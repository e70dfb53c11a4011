//! Administration in the words of the AWS APIs.

use std::sync::Arc;
use std::time::Duration;

use keyfold::credentials::StaticCredentials;
use keyfold::kms::cloud::{ConnectedCloud, Places, connect};
use keyfold::kms::remote::RemoteOptions;
use keyfold::maybe_send::BoxFuture;
use keyfold::transport::HttpResponse;
use keyfold::{Clock, Error, ErrorCode, WallClock};
use pollster::block_on;
use serde_json::{Value, json};

use crate::support::{Canned, NOW, access_key, answer, header, is_unsupported, text};

const ID: &str = "23e80852-1e38-11e9-b129-5cb9019b4b01";

#[derive(Clone)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Duration {
        NOW
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

impl WallClock for Still {
    fn unix_time(&self) -> Duration {
        NOW
    }
}

fn cloud(uri: &str, answers: impl IntoIterator<Item = HttpResponse>) -> (ConnectedCloud, Canned) {
    let transport = Canned::new(answers);
    let credentials = Arc::new(StaticCredentials::new(access_key(None)));
    let (http, options) = (Arc::new(transport.clone()), RemoteOptions::default());
    let made = connect(uri, &Places::new(), credentials, http, &Still, &options);
    (made.expect("a KMS"), transport)
}

fn ask(kms: &ConnectedCloud, operation: &str, body: &Value) -> Result<Value, Error> {
    let answer = block_on(kms.operation(operation, body.to_string().as_bytes()))?;
    Ok(serde_json::from_slice(&answer).expect("JSON"))
}

fn reply(members: &str) -> HttpResponse {
    answer(200, &format!(r#"{{"Response":{{{members},"RequestId":"r"}}}}"#))
}

fn described() -> HttpResponse {
    reply(&format!(
        r#""KeyMetadata":{{"KeyId":"{ID}","Alias":"docs","CreateTime":1700000000,
           "Description":"","KeyState":"Enabled","KeyUsage":"ENCRYPT_DECRYPT","Type":1}}"#
    ))
}

#[test]
fn keys_are_named_with_their_scheme_or_without() {
    let (kms, transport) = cloud("tencent://ap-guangzhou", [described(), described()]);
    let rest = format!("//ap-guangzhou/{ID}");
    for key in [format!("tencent:{rest}"), rest.clone()] {
        let told = ask(&kms, "DescribeKey", &json!({ "KeyId": key })).expect("a key");
        let key = &told["KeyMetadata"];
        assert_eq!(key["KeyUri"], format!("tencent:{rest}"));
        assert_eq!((&key["Arn"], &key["KeyId"]), (&json!(rest), &json!(ID)));
        assert_eq!((&key["KeyState"], &key["AliasName"]), (&json!("Enabled"), &json!("docs")));
        assert_eq!(key["CreationDate"], 1_700_000_000);
    }
    for sent in transport.sent() {
        assert_eq!(header(&sent, "x-tc-action"), Some("DescribeKey"));
        assert_eq!(text(&sent.body), format!(r#"{{"KeyId":"{ID}"}}"#));
    }
}

#[test]
fn what_changes_something_answers_when() {
    let deleted = reply(&format!(r#""KeyId":"{ID}","DeletionDate":1700604800"#));
    let disabled = reply("\"x\":1");
    let (kms, transport) = cloud("tencent://ap-guangzhou", [described(), disabled, deleted]);
    let body = json!({ "KeyId": format!("//ap-guangzhou/{ID}"), "PendingWindowInDays": 7 });
    let told = ask(&kms, "ScheduleKeyDeletion", &body).expect("it is done");
    assert_eq!(told["DeletionDate"], 1_700_604_800);
    assert_eq!(transport.sent().len(), 3);
    let body = json!({ "KeyId": format!("//ap-guangzhou/{ID}"), "PendingWindowInDays": 1 });
    let refused = ask(&kms, "ScheduleKeyDeletion", &body).expect_err("too soon");
    assert_eq!(refused.code(), ErrorCode::InvalidArgument);
}

#[test]
fn what_there_is_not_is_refused_before_a_name_is_asked_for() {
    let (kms, transport) = cloud("pingan://cn-shanghai", []);
    let key = "pingan://cn-shanghai/alias/docs";
    for (operation, body) in [
        ("ListKeys", json!({})),
        ("ListAliases", json!({})),
        ("RotateKeyOnDemand", json!({ "KeyId": key })),
        ("DeleteAlias", json!({ "AliasName": "docs" })),
        ("TagResource", json!({ "KeyId": key })),
        ("GetKeyPolicy", json!({ "KeyId": key })),
        ("UpdateKeyDescription", json!({ "KeyId": key })),
        ("CreateKey", json!({ "Tags": [{ "TagKey": "a", "TagValue": "b" }] })),
        ("CreateKey", json!({ "Policy": "{}" })),
        ("CreateGrant", json!({ "KeyId": key })),
        ("ListSecrets", json!({})),
    ] {
        let refused = ask(&kms, operation, &body).expect_err(operation);
        assert!(is_unsupported(&refused), "{operation}: {refused}");
    }
    for (operation, body) in [
        ("DescribeKey", json!({})),
        ("DescribeKey", json!({ "KeyId": 1 })),
        ("DescribeKey", json!({ "KeyId": "pingan://cn-beijing/key" })),
        ("CreateKey", json!({ "KeySpec": "ROT13" })),
        ("CreateKey", json!({ "KeySpec": "RSA_2048" })),
        ("ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": "soon" })),
        ("DescribeKey", json!([])),
    ] {
        let refused = ask(&kms, operation, &body).expect_err(operation);
        assert_eq!(refused.code(), ErrorCode::InvalidArgument, "{operation} {body}");
        assert!(!is_unsupported(&refused), "{operation} {body}");
    }
    assert!(transport.sent().is_empty());
}
