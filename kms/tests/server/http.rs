//! The rules of HTTP.

use std::collections::HashSet;

use super::world::{World, config};

const LIST: &str = "TrentService.ListKeys";

#[tokio::test]
async fn an_answer_carries_what_clients_need() {
    let world = World::start(config());
    let mut ids = HashSet::new();
    for body in ["", "{}"] {
        let reply = world.call(LIST, body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/x-amz-json-1.1"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert!(reply.header("date").is_some_and(|date| date.ends_with(" GMT")));
        let id = reply.header("x-amzn-requestid").expect("an id").to_owned();
        assert_eq!(id.len(), 36);
        assert!(ids.insert(id), "an id is used once");
    }
    world.end().await;
}

#[tokio::test]
async fn a_request_that_is_none_is_refused_by_its_name() {
    let world = World::start(config());
    let usual = world.headers(LIST);
    let with = |more: &str| [usual.clone(), vec![more.to_owned()]].concat();
    let without = |name: &str| {
        let kept = usual.iter().filter(|header| !header.starts_with(name));
        kept.cloned().collect::<Vec<_>>()
    };
    let typed =
        |kind: &str| [without("Content-Type"), vec![format!("Content-Type: {kind}")]].concat();
    let targeted =
        |target: &str| [without("X-Amz-Target"), vec![format!("X-Amz-Target: {target}")]].concat();
    let post = "POST / HTTP/1.1";
    let cases = [
        ("GET / HTTP/1.1", usual.clone(), 405, "UnknownOperationException"),
        ("PUT / HTTP/1.1", usual.clone(), 405, "UnknownOperationException"),
        ("OPTIONS / HTTP/1.1", usual.clone(), 405, "UnknownOperationException"),
        ("POST /x HTTP/1.1", usual.clone(), 404, "UnknownOperationException"),
        ("POST // HTTP/1.1", usual.clone(), 404, "UnknownOperationException"),
        ("POST /?a=b HTTP/1.1", usual.clone(), 400, "ValidationException"),
        ("POST /? HTTP/1.1", usual.clone(), 400, "ValidationException"),
        (post, with("Content-Encoding: gzip"), 415, "UnsupportedMediaTypeException"),
        (post, with("Content-Type: application/json"), 415, "UnsupportedMediaTypeException"),
        (post, without("Content-Type"), 415, "UnsupportedMediaTypeException"),
        (post, typed("text/plain"), 415, "UnsupportedMediaTypeException"),
        (post, typed("application/x-amz-json-1.0"), 415, "UnsupportedMediaTypeException"),
        (post, without("X-Amz-Target"), 400, "UnknownOperationException"),
        (post, with("X-Amz-Target: TrentService.ListKeys"), 400, "UnknownOperationException"),
        (post, targeted("TrentService.listkeys"), 400, "UnknownOperationException"),
        (post, targeted("TrentService"), 400, "UnknownOperationException"),
        (post, targeted("TrentService."), 400, "UnknownOperationException"),
        (post, targeted("TrentService.CreateSecret"), 400, "UnknownOperationException"),
        (post, targeted("DynamoDB_20120810.ListTables"), 400, "UnknownOperationException"),
        (post, targeted("TrentService.ListKeys\u{e9}"), 400, "UnknownOperationException"),
        (post, with("Host: a"), 400, "no error"),
    ];
    for (line, headers, status, name) in cases {
        let reply = world.send(line, &headers, "{}").await;
        if name == "no error" {
            // Two hosts.
            let headers = [headers, vec!["Host: b".to_owned()]].concat();
            let reply = world.send(line, &headers, "{}").await;
            assert_eq!((reply.status, reply.error().as_str()), (400, "ValidationException"));
            continue;
        }
        assert_eq!((reply.status, reply.error().as_str()), (status, name), "{line} {headers:?}");
        assert_eq!(reply.header("x-amzn-errortype"), Some(name));
        assert!(reply.header("x-amzn-requestid").is_some());
        assert_eq!(reply.header("allow"), (status == 405).then_some("POST"));
    }
    for kind in ["application/json", "Application/X-Amz-Json-1.1; charset=utf-8"] {
        assert_eq!(world.send(post, &typed(kind), "{}").await.status, 200, "{kind}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_body_has_a_length_and_is_not_too_long() {
    let mut config = config();
    config.limits.body_bytes = 1024;
    let world = World::start(config);
    let headers = world.headers(LIST);
    let post = "POST / HTTP/1.1";
    let padded = |len: usize| format!("{{}}{}", " ".repeat(len - 2));

    assert_eq!(world.send(post, &headers, &padded(1024)).await.status, 200);
    let reply = world.send(post, &headers, &padded(1025)).await;
    assert_eq!((reply.status, reply.error()), (413, "RequestEntityTooLargeException".into()));
    // It is refused by what it says, before it comes.
    let huge = [headers.clone(), vec!["Content-Length: 99999999999999".to_owned()]].concat();
    assert_eq!(world.raw(post, &huge, b"").await.status, 413);

    let chunked = [headers.clone(), vec!["Transfer-Encoding: chunked".to_owned()]].concat();
    let reply = world.raw(post, &chunked, b"2\r\n{}\r\n0\r\n\r\n").await;
    assert_eq!((reply.status, reply.error()), (400, "SerializationException".into()));
    // Nothing at all is an empty body.
    assert_eq!(world.raw(post, &headers, b"").await.status, 200);
    for wrong in ["Content-Length: -1", "Content-Length: 1, 2", "Content-Length: x"] {
        let headers = [headers.clone(), vec![wrong.to_owned()]].concat();
        assert_eq!(world.raw(post, &headers, b"{}").await.status, 400, "{wrong}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_head_that_is_too_long_does_not_come_through() {
    let mut config = config();
    config.limits.header_bytes = 8192;
    let world = World::start(config);
    let mut headers = world.headers(LIST);
    headers.push(format!("X-Padding: {}", "x".repeat(20_000)));
    let reply = world.send("POST / HTTP/1.1", &headers, "{}").await;
    assert_eq!(reply.status, 431);
    world.end().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_its_request() {
    let mut config = config();
    config.limits.request_seconds = 1;
    let world = World::start(config);
    let headers = [world.headers(LIST), vec!["Content-Length: 10".to_owned()]].concat();
    let reply = world.raw("POST / HTTP/1.1", &headers, b"{").await;
    assert_eq!((reply.status, reply.error()), (408, "RequestTimeoutException".into()));
    world.end().await;
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::start(config());
    let mut stream = tokio::net::TcpStream::connect(world.address).await.expect("a connection");
    for _ in 0..3 {
        let headers = world.headers(LIST).join("\r\n");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\n{headers}\r\nContent-Length: 2\r\n\r\n{{}}",
            world.address
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut reply = [0; 4096];
        let len = stream.read(&mut reply).await.expect("an answer");
        assert!(reply[..len].starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    drop(stream);
    world.end().await;
}
