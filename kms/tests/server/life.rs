//! From start to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyfold_kms::root::SlotError;
use keyfold_kms::server::{ServeError, Server};
use keyfold_kms::store::StoreError;
use keyfold_kms::{Engine, OpenError};

use super::world::{World, config, exchange, owner_of};

#[tokio::test]
async fn a_server_that_is_open_says_that_it_can_serve() {
    let world = World::start(config());
    let alive = world.raw("GET /healthz HTTP/1.1", &[], b"").await;
    assert_eq!((alive.status, alive.body.as_str()), (200, "ok\n"));
    let ready = world.raw("GET /readyz HTTP/1.1", &[], b"").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &true.into()));
    assert_eq!(world.raw("POST /readyz HTTP/1.1", &[], b"").await.status, 405);
    world.end().await;
}

#[tokio::test]
async fn a_sealed_server_lives_and_opens_later() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = attempts.clone();
    let mut world = World::start_with(config(), move || {
        if counted.fetch_add(1, Ordering::SeqCst) > 0 {
            return Engine::in_memory().map_err(OpenError::from);
        }
        let why = SlotError::Unavailable("the device is not plugged in".into());
        let tried = vec![("device".to_owned(), why)];
        Err(OpenError::NoSlotOpens { store_id: uuid::Uuid::nil(), tried })
    });
    world.authorization = "Bearer nobody".to_owned();
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
    assert_eq!(world.raw("GET /healthz HTTP/1.1", &[], b"").await.status, 200);
    let ready = world.raw("GET /readyz HTTP/1.1", &[], b"").await;
    assert_eq!((ready.status, &ready.json()["checks"]["root"]), (503, &"sealed".into()));
    assert!(!ready.body.contains("device"), "{ready:?}");
    let reply = world.call("TrentService.ListKeys", "{}").await;
    assert_eq!((reply.status, reply.error()), (500, "KeyUnavailableException".into()));
    while world.raw("GET /readyz HTTP/1.1", &[], b"").await.status != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
    world.end().await;
}

#[tokio::test]
async fn what_waiting_does_not_mend_ends_the_start() {
    for error in [
        OpenError::NoRoot,
        OpenError::Store(StoreError::Foreign),
        OpenError::Store(StoreError::Newer { found: 9, known: 1 }),
        OpenError::Store(StoreError::Missing("store.db".into())),
        OpenError::WrongRoot { store_id: uuid::Uuid::nil(), slot: "file".into() },
    ] {
        let text = error.to_string();
        let started = Server::bind(config(), move || Err(error.clone()));
        let Err(ServeError::Open(told)) = started else { panic!("it started in spite of {text}") };
        assert_eq!(told.to_string(), text);
    }
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let world = World::start(config());
    let mut other = config();
    other.listen = world.address;
    let refused = Server::bind(other, || Engine::in_memory().map_err(OpenError::from)).err();
    assert!(
        matches!(refused, Some(ServeError::Listen { address, .. }) if address == world.address)
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_is_answered_before_the_end() {
    let mut config = config();
    config.metrics.listen = Some("127.0.0.1:0".parse().expect("an address"));
    let world = World::start(config);
    world.clock.shut();
    let (address, headers) = (world.address, world.headers("TrentService.CreateKey"));
    let slow = tokio::spawn(async move {
        let headers = [headers, vec!["Content-Length: 2".to_owned()]].concat();
        exchange(address, "POST / HTTP/1.1", &headers, b"{}").await
    });
    world.clock.until_asked(1).await;
    world.control.shut_down();
    // From now on it is not ready, and says so where it still listens.
    let metrics = world.metrics.expect("a listener");
    let ready = async || exchange(metrics, "GET /readyz HTTP/1.1", &[], b"").await.status;
    while ready().await != 503 {
        tokio::task::yield_now().await;
    }
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!slow.is_finished());
    world.clock.open();
    let reply = slow.await.expect("no panic");
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["KeyMetadata"]["KeyState"], "Enabled");
    world.ended().await;
}

#[tokio::test]
async fn metrics_count_what_was_asked() {
    let mut config = config();
    config.metrics.listen = Some("127.0.0.1:0".parse().expect("an address"));
    let world = World::start(config);
    let body = r#"{"KeyId":"alias/none"}"#;
    assert_eq!(world.call("TrentService.DisableKeyRotation", body).await.status, 400);
    let metrics = exchange(world.metrics.expect("a listener"), "GET /metrics HTTP/1.1", &[], b"");
    let metrics = metrics.await;
    assert_eq!(metrics.status, 200);
    let counted = metrics.body.lines().any(|line| {
        line.starts_with("keyfold_requests_total{")
            && line.contains("operation=\"DisableKeyRotation\"")
            && line.ends_with(" 1")
    });
    assert!(counted, "{}", metrics.body);
    assert!(metrics.body.contains("keyfold_request_duration_seconds_bucket{"));
    assert!(metrics.body.contains("keyfold_seal_state"));
    // The main address has none of it then.
    assert_eq!(world.raw("GET /metrics HTTP/1.1", &[], b"").await.status, 404);
    world.end().await;

    let world = World::start(super::world::config());
    assert_eq!(world.raw("GET /metrics HTTP/1.1", &[], b"").await.status, 200);
    world.end().await;
}

#[test]
fn the_credential_of_the_tests_is_one() {
    let engine = Engine::in_memory().expect("an engine");
    assert!(owner_of(&engine).starts_with("Bearer "));
}
