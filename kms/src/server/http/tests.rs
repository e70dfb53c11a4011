use axum::routing::post;
use tower::ServiceExt;

use super::*;
use crate::server::{Server, ServerConfig};
use crate::{Engine, OpenError};

fn app() -> Arc<App> {
    let listen = "127.0.0.1:0".parse().expect("an address");
    let config = ServerConfig { listen, ..ServerConfig::default() };
    let open = || Engine::in_memory().map_err(OpenError::from);
    Server::bind(config, open).expect("a server").app
}

async fn ask(routes: &Router, path: &str) -> (StatusCode, HeaderMap, serde_json::Value) {
    let request = Request::post(path).body(Body::empty()).expect("a request");
    let response = routes.clone().oneshot(request).await.expect("a response");
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 4096).await.expect("a body");
    (head.status, head.headers, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn a_panic_is_the_answer_to_one_request() {
    async fn panics() -> Response<Body> {
        panic!("the plaintext was 1234");
    }
    let routes = around(Router::new().route("/panics", post(panics)), &app());
    for _ in 0..2 {
        let (status, headers, body) = ask(&routes, "/panics").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body["__type"], "KMSInternalException");
        assert!(!body.to_string().contains("1234"));
        assert!(headers.contains_key(REQUEST_ID));
    }
    assert_eq!(ask(&routes, "/elsewhere").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_grows_as_far_as_its_limit() {
    let body = |parts: Vec<&'static str>| {
        let parts = parts.into_iter().map(|part| Ok::<_, std::io::Error>(Bytes::from(part)));
        Body::from_stream(futures_util::stream::iter(parts))
    };
    let read = read_body(body(vec!["ab", "", "cde"]), 5, 5).await.expect("five bytes");
    assert_eq!(**read, *b"abcde");
    // Whatever length was said before.
    let refused = read_body(body(vec!["abc", "def"]), 5, 5).await.expect_err("six bytes");
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
}
