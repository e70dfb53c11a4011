//! What keeps one caller from starving the others.

use std::sync::Arc;

use keyfold_kms::server::Rate;

use super::world::{World, config};

#[tokio::test]
async fn a_principal_that_calls_too_often_is_told_when_to_come_back() {
    let mut config = config();
    config.rates.symmetric = Rate::new(1, 3);
    let world = World::start(config);
    let mut refused = 0;
    for _ in 0..10 {
        let reply = world.call("TrentService.GenerateRandom", r#"{"NumberOfBytes":1}"#).await;
        if reply.status != 200 {
            assert_eq!((reply.status, reply.error()), (400, "ThrottlingException".into()));
            let seconds = reply.header("retry-after").expect("a time");
            assert!((1..=3).contains(&seconds.parse::<u32>().expect("seconds")));
            refused += 1;
        }
    }
    assert!(refused >= 1, "nothing was refused");
    // Another class has a limit of its own.
    assert_eq!(world.call("TrentService.ListKeys", "{}").await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_at_one_time_is_refused_at_once() {
    let mut config = config();
    config.limits.concurrent_requests = 1;
    let world = Arc::new(World::start(config));
    world.clock.shut();
    let slow = {
        let world = world.clone();
        tokio::spawn(async move { world.call("TrentService.CreateKey", "{}").await })
    };
    world.clock.until_asked(1).await;
    let reply = world.call("TrentService.ListKeys", "{}").await;
    assert_eq!((reply.status, reply.error()), (400, "ThrottlingException".into()));
    assert_eq!(reply.header("retry-after"), Some("1"));
    // Whether it lives can be asked all the same.
    assert_eq!(world.raw("GET /healthz HTTP/1.1", &[], b"").await.status, 200);
    world.clock.open();
    assert_eq!(slow.await.expect("no panic").status, 200);
    assert_eq!(world.call("TrentService.ListKeys", "{}").await.status, 200);
    Arc::into_inner(world).expect("nobody else has it").end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_too_many_is_closed() {
    let mut config = config();
    config.limits.connections = 1;
    let world = World::start(config);
    let first = tokio::net::TcpStream::connect(world.address).await.expect("a connection");
    // It counts from when it is accepted, which the second one waits for in vain or not at all.
    let second = world.raw("GET /healthz HTTP/1.1", &[], b"").await;
    assert_eq!(second.status, 0, "it got an answer");
    drop(first);
    while world.raw("GET /healthz HTTP/1.1", &[], b"").await.status != 200 {
        tokio::task::yield_now().await;
    }
    world.end().await;
}
