//! The audit chain over HTTP.

use serde_json::{Value, json};

use super::world::{World, config};

const LIST: &str = "keyfold.ListAuditRecords";

#[tokio::test]
async fn records_come_newest_first_in_pages() {
    let world = World::start(config());
    // The token was the first.
    for _ in 0..4 {
        assert_eq!(world.call("TrentService.CreateKey", "{}").await.status, 200);
    }
    let mut seen = Vec::new();
    let mut marker = Value::Null;
    loop {
        let body = json!({ "Limit": 2, "Marker": marker });
        let reply = world.call(LIST, &body.to_string()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let page = reply.json();
        let records = page["Records"].as_array().expect("records");
        assert!(records.len() <= 2);
        seen.extend(records.iter().map(|record| {
            (record["seq"].as_u64().expect("a number"), record["operation"].clone())
        }));
        assert_eq!(page["Truncated"].as_bool(), Some(!page["NextMarker"].is_null()));
        marker = page["NextMarker"].clone();
        if marker.is_null() {
            break;
        }
    }
    // What the pages themselves added comes before none of them.
    let numbers: Vec<u64> = seen.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
    assert_eq!(seen[4].1, "IssueToken");
    assert!(seen[..4].iter().all(|(_, operation)| operation == "CreateKey"));

    let newest = world.call(LIST, "{\"Limit\":1}").await.json();
    assert_eq!(newest["Records"][0]["operation"], "ListAuditRecords");
    assert_eq!(newest["Records"][0]["principal"], "arn:aws:iam::000000000000:oidc/local/tests");
    world.end().await;
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let world = World::start(config());
    for (body, error) in [
        (json!({ "Limit": 0 }), "ValidationException"),
        (json!({ "Limit": 1001 }), "ValidationException"),
        (json!({ "Marker": "x" }), "InvalidMarkerException"),
        (json!({ "After": 3 }), "SerializationException"),
    ] {
        assert_eq!(world.call(LIST, &body.to_string()).await.error(), error, "{body}");
    }
    // The marker of another list.
    for _ in 0..2 {
        world.call("TrentService.CreateKey", "{}").await;
    }
    let other = world.call("TrentService.ListKeys", "{\"Limit\":1}").await.json();
    let body = json!({ "Marker": other["NextMarker"] });
    assert_eq!(world.call(LIST, &body.to_string()).await.error(), "InvalidMarkerException");
    for target in ["keyfold.IssueToken", "keyfold.CreateAccessKey", "TrentService.ListAuditRecords"]
    {
        assert_eq!(world.call(target, "{}").await.error(), "UnknownOperationException", "{target}");
    }
    world.end().await;
}
