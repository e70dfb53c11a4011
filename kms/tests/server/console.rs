//! The console's files, and what a browser is told about them.

use keyfold_kms::server::Server;
use keyfold_kms::{Engine, OpenError};

use super::world::{Reply, World, config, exchange};

const FILES: [(&str, &[u8]); 4] = [
    ("index.html", b"<!doctype html><title>console</title>"),
    ("assets/page-1a2b.js", b"export {};"),
    ("assets/page-1a2b.js.gz", b"\x1f\x8bpacked"),
    ("assets/page-1a2b.css", b"body { color: teal }"),
];

struct Running {
    address: std::net::SocketAddr,
    control: keyfold_kms::server::Control,
    done: tokio::task::JoinHandle<()>,
}

fn serve(files: &[(&'static str, &'static [u8])]) -> Running {
    let open = || Engine::in_memory().map_err(OpenError::from);
    let files = files.iter().map(|&(name, body)| (name.to_owned(), body));
    let server = Server::bind(config(), open).expect("a server").with_console(files);
    let (address, control) = (server.address(), server.control());
    let done = tokio::spawn(async move { server.run().await.expect("no error") });
    Running { address, control, done }
}

impl Running {
    async fn ask(&self, line: &str, headers: &[&str]) -> Reply {
        let headers: Vec<String> = headers.iter().map(|&header| header.to_owned()).collect();
        exchange(self.address, &format!("{line} HTTP/1.1"), &headers, b"").await
    }

    async fn end(self) {
        self.control.shut_down();
        self.done.await.expect("no panic");
    }
}

#[tokio::test]
async fn the_page_is_kept_in_bounds() {
    let server = serve(&FILES);
    let page = server.ask("GET /console/", &[]).await;
    assert_eq!((page.status, page.body.as_bytes()), (200, FILES[0].1));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    // Whatever is answered below /console has the same bounds, errors too.
    for (line, status) in [
        ("GET /console", 308),
        ("GET /console/", 200),
        ("GET /console/index.html", 200),
        ("GET /console/assets/page-1a2b.js", 200),
        ("GET /console/nothing", 404),
        ("POST /console/", 405),
    ] {
        let reply = server.ask(line, &[]).await;
        assert_eq!(reply.status, status, "{line}");
        let policy = reply.header("content-security-policy").expect("a policy");
        let rules: Vec<&str> = policy.split("; ").collect();
        for rule in [
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(rules.contains(&rule), "{line}: {policy}");
        }
        assert!(!policy.contains("'unsafe-eval'") && !policy.contains("unsafe-inline"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(reply.header("cross-origin-opener-policy"), Some("same-origin"));
    }
    let reply = server.ask("GET /console", &[]).await;
    assert_eq!(reply.header("location"), Some("console/"));
    server.end().await;
}

#[tokio::test]
async fn a_file_with_a_hash_in_its_name_is_asked_for_once() {
    let server = serve(&FILES);
    let script = "GET /console/assets/page-1a2b.js";
    let first = server.ask(script, &[]).await;
    assert_eq!((first.status, first.body.as_bytes()), (200, FILES[1].1));
    assert_eq!(first.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(first.header("content-encoding"), None);
    let forever = "public, max-age=31536000, immutable";
    assert_eq!(first.header("cache-control"), Some(forever));

    let tag = first.header("etag").expect("a tag").to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let again = server.ask(script, &[&format!("If-None-Match: {known}")]).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{known}");
        assert_eq!(again.header("etag"), Some(tag.as_str()));
    }
    let other = server.ask(script, &["If-None-Match: \"x\""]).await;
    assert_eq!(other.status, 200);
    let page = server.ask("GET /console/", &[]).await;
    assert_ne!(page.header("etag"), Some(tag.as_str()));
    server.end().await;
}

#[tokio::test]
async fn packed_is_for_those_who_unpack() {
    let server = serve(&FILES);
    let ask = async |name: &str, accepted: &str| {
        let accepted = format!("Accept-Encoding: {accepted}");
        let reply = server.ask(&format!("GET /console/assets/{name}"), &[&accepted]).await;
        assert_eq!(reply.header("vary"), Some("accept-encoding"));
        reply.header("content-encoding").map(str::to_owned)
    };
    for accepted in ["gzip", "br, GZIP", "deflate, gzip;q=0.5"] {
        assert_eq!(ask("page-1a2b.js", accepted).await.as_deref(), Some("gzip"), "{accepted}");
        // There is no packed form of this one.
        assert_eq!(ask("page-1a2b.css", accepted).await, None);
    }
    for accepted in ["", "br", "gzip;q=0", "gzip;q=x", "xgzip"] {
        assert_eq!(ask("page-1a2b.js", accepted).await, None, "{accepted}");
    }
    server.end().await;
}

#[tokio::test]
async fn only_whole_names_are_files_and_only_reading_is_done() {
    let server = serve(&FILES);
    for path in [
        "/console/../index.html",
        "/console/..%2findex.html",
        "/console/assets/../index.html",
        "/console/assets/%2e%2e/index.html",
        "/console//index.html",
        "/console/./index.html",
        "/console/assets",
        "/console/assets/",
        "/console/assets/page-1a2b.js.gz",
        "/console/INDEX.HTML",
        "/console/index.html%00",
        "/console/etc/passwd",
        "/console/%2fetc%2fpasswd",
        "/console/\\..\\Cargo.toml",
    ] {
        let reply = server.ask(&format!("GET {path}"), &[]).await;
        assert!(matches!(reply.status, 400 | 404), "{path}: {}", reply.status);
        assert!(!reply.body.contains("<title>console"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        for path in ["/console", "/console/", "/console/assets/page-1a2b.js"] {
            let reply = server.ask(&format!("{method} {path}"), &[]).await;
            assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method}");
        }
    }
    let head = server.ask("HEAD /console/", &[]).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let length = FILES[0].1.len().to_string();
    assert_eq!(head.header("content-length"), Some(length.as_str()));
    server.end().await;
}

#[tokio::test]
async fn without_its_files_it_says_how_to_get_them_and_without_a_console_there_is_nothing() {
    let server = serve(&[]);
    let reply = server.ask("GET /console/", &[]).await;
    assert_eq!(reply.status, 404);
    assert!(reply.body.contains("cargo xtask console"), "{}", reply.body);
    assert!(reply.header("content-security-policy").is_some());
    server.end().await;

    let world = World::start(config());
    for path in ["/console", "/console/"] {
        let reply = world.send(&format!("GET {path} HTTP/1.1"), &[], "").await;
        assert_eq!((reply.status, reply.error().as_str()), (404, "UnknownOperationException"));
    }
    world.end().await;
}
