//! The console: a web page over this server, from files that the binary holds.
//!
//! What is served is a table of whole files by whole names: no path of a request is ever joined
//! to anything. The page brings its own rights, a bearer token; its files need none.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::routing::any;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use keyfold::crypto::hash::Sha256;

use super::App;
use crate::audit::hex;

/// What the page may do: run scripts of its own and WebAssembly, call this server, nothing else.
/// Pictures and downloads are made in the page. Nothing may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
                      style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; \
                      worker-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// The file that `/console/` answers.
const INDEX: &str = "index.html";
/// Files in here have a hash of what they hold in their names: they never change.
const HASHED: &str = "assets/";
/// A name that ends so is the packed form of the one before it.
const PACKED: &str = ".gz";

/// What stands there in a binary that was built without a console.
const ABSENT: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
    <title>keyfold: no console</title>\n<h1>This keyfold was built without its console</h1>\n\
    <p>In the sources, <code>cargo xtask console</code> builds the console and a \
    <code>keyfold</code> that serves it here.\n";

/// The files of a console, by their names.
#[derive(Clone, Default)]
pub(crate) struct Console(Arc<HashMap<String, File>>);

struct File {
    body: &'static [u8],
    packed: Option<&'static [u8]>,
    tag: HeaderValue,
    kind: &'static str,
}

impl Console {
    /// From names relative to `/console/` and what the files hold.
    pub(crate) fn new(files: impl IntoIterator<Item = (String, &'static [u8])>) -> Self {
        let mut bodies: HashMap<_, _> = files.into_iter().collect();
        let packed: HashMap<_, _> = bodies.extract_if(|name, _| name.ends_with(PACKED)).collect();
        let file = |(name, body): (String, &'static [u8])| {
            let tag = format!("\"{}\"", hex(&Sha256::digest(body)[..16]));
            let file = File {
                body,
                packed: packed.get(&format!("{name}{PACKED}")).copied(),
                tag: HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\"")),
                kind: kind(&name),
            };
            (name, file)
        };
        Console(Arc::new(bodies.into_iter().map(file).collect()))
    }

    /// Answers a request for a name.
    fn answer(&self, name: &str, request: &Request) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response =
                plain(StatusCode::METHOD_NOT_ALLOWED, "there is only GET and HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let found = self.0.get(name);
        let Some(file) = found else {
            if self.0.is_empty() && name == INDEX {
                return text(StatusCode::NOT_FOUND, kind(INDEX), ABSENT.as_bytes());
            }
            return plain(StatusCode::NOT_FOUND, "the console has no such file\n");
        };
        let headers = request.headers();
        let packed = file.packed.filter(|_| takes_gzip(headers));
        let known = headers.get_all(IF_NONE_MATCH).iter().any(|tags| names(tags, &file.tag));
        let mut response = if known {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            text(StatusCode::OK, file.kind, packed.unwrap_or(file.body))
        };
        let headers = response.headers_mut();
        if packed.is_some() && !known {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(ETAG, file.tag.clone());
        let cache = if name.starts_with(HASHED) {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
        response
    }
}

/// The routes of a console, with the headers that a browser keeps the page in bounds by.
pub(crate) fn routes(console: &Console) -> Router<Arc<App>> {
    Router::new()
        .route("/console", any(redirect))
        .route("/console/", any(index))
        .route("/console/{*name}", any(file))
        .with_state(console.clone())
}

async fn redirect(request: Request) -> Response<Body> {
    // Relative: it is right for every name that the server has.
    let mut response = if matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::PERMANENT_REDIRECT, "");
        response.headers_mut().insert(LOCATION, HeaderValue::from_static("console/"));
        response
    } else {
        Console::default().answer("", &request)
    };
    bound(&mut response);
    response
}

async fn index(State(console): State<Console>, request: Request) -> Response<Body> {
    let mut response = console.answer(INDEX, &request);
    bound(&mut response);
    response
}

async fn file(
    State(console): State<Console>,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    let mut response = console.answer(&name, &request);
    bound(&mut response);
    response
}

fn bound(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn plain(status: StatusCode, body: &'static str) -> Response<Body> {
    text(status, "text/plain; charset=utf-8", body.as_bytes())
}

fn text(status: StatusCode, kind: &'static str, body: &'static [u8]) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, body.len().into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The content type of what a console is made of.
fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether a client says that it unpacks gzip; `q=0` says that it does not.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let listed = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let quality = quality.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && quality.is_some_and(|quality| quality > 0.0)
    })
}

/// Whether a list of entity tags names one, weakly or not.
fn names(tags: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(tags), Ok(tag)) = (tags.to_str(), tag.to_str()) else { return false };
    tags.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}
