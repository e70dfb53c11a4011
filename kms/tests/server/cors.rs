//! Web pages of other origins.

use super::world::{Reply, World, config};

const ORIGIN: &str = "https://app.example.com";

fn world() -> World {
    let mut config = config();
    config.cors.origins = vec![ORIGIN.to_owned(), "http://localhost:3000".to_owned()];
    World::start(config)
}

async fn preflight(world: &World, origin: &str) -> Reply {
    let headers = [
        format!("Origin: {origin}"),
        "Access-Control-Request-Method: POST".to_owned(),
        "Access-Control-Request-Headers: authorization,x-amz-target,amz-sdk-request".to_owned(),
    ];
    world.raw("OPTIONS / HTTP/1.1", &headers, b"").await
}

#[tokio::test]
async fn a_preflight_of_a_named_origin_needs_nobodys_name() {
    let world = world();
    for origin in [ORIGIN, "http://localhost:3000"] {
        let reply = preflight(&world, origin).await;
        assert_eq!((reply.status, reply.body.as_str()), (204, ""));
        assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
        assert_eq!(reply.header("access-control-allow-methods"), Some("POST"));
        assert_eq!(reply.header("access-control-max-age"), Some("3600"));
        let allowed = reply.header("access-control-allow-headers").expect("headers");
        for header in ["authorization", "content-type", "x-amz-target", "x-amz-user-agent"] {
            assert!(allowed.split(',').any(|name| name == header), "{allowed}");
        }
        assert!(reply.header("vary").is_some_and(|vary| vary.contains("origin")));
    }
    world.end().await;
}

#[tokio::test]
async fn another_origin_is_told_nothing() {
    let world = world();
    for origin in ["https://evil.example", "https://app.example.com.evil.example", "null"] {
        let reply = preflight(&world, origin).await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{origin}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_page_can_read_errors_and_answers() {
    let world = world();
    let origin = format!("Origin: {ORIGIN}");
    let mut kinds = Vec::new();
    for (target, line) in [
        ("TrentService.ListKeys", "POST / HTTP/1.1"),
        ("TrentService.Nothing", "POST / HTTP/1.1"),
        ("TrentService.ListKeys", "POST /?a HTTP/1.1"),
        ("TrentService.ListKeys", "POST /nowhere HTTP/1.1"),
    ] {
        let headers = [world.headers(target), vec![origin.clone()]].concat();
        let reply = world.send(line, &headers, "{}").await;
        kinds.push(reply.status);
        assert_eq!(reply.header("access-control-allow-origin"), Some(ORIGIN), "{line}");
        let exposed = reply.header("access-control-expose-headers").expect("headers");
        for header in ["x-amzn-requestid", "date", "retry-after", "x-amzn-errortype"] {
            assert!(exposed.split(',').any(|name| name == header), "{exposed}");
        }
        assert_eq!(reply.header("access-control-allow-credentials"), None);
    }
    assert_eq!(kinds, [200, 400, 400, 404]);
    world.end().await;
}
