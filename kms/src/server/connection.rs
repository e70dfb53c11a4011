//! One connection: who is at its other end, and how many there may be.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::Router;
use axum_server::tls::TlsInfo;
use futures_util::future::{Ready, ready};
use http::Request;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

use super::auth::Peer;
use super::observe;

/// Makes a service for each connection, up to a count.
#[derive(Clone)]
pub(crate) struct Connections {
    routes: Router,
    places: Arc<Semaphore>,
    tls: bool,
}

impl Connections {
    pub(crate) fn new(routes: Router, places: usize, tls: bool) -> Self {
        Connections { routes, places: Arc::new(Semaphore::new(places)), tls }
    }
}

impl Service<SocketAddr> for Connections {
    type Response = Connection;
    type Error = io::Error;
    type Future = Ready<Result<Connection, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: SocketAddr) -> Self::Future {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            count("refused");
            return ready(Err(io::ErrorKind::ConnectionRefused.into()));
        };
        count("accepted");
        let end =
            End { address: address.ip(), tls: self.tls, peer: OnceLock::new(), _place: place };
        ready(Ok(Connection { routes: self.routes.clone(), end: Arc::new(end) }))
    }
}

fn count(result: &'static str) {
    metrics::counter!(observe::CONNECTIONS, "result" => result).increment(1);
}

/// Tells of a connection that did not come about.
pub(crate) fn failed(address: Option<&SocketAddr>, error: &io::Error) {
    if error.kind() != io::ErrorKind::ConnectionRefused {
        count("failed");
    }
    let peer = address.map(|address| tracing::field::display(address.ip()));
    tracing::debug!(target: "keyfold::server", peer, %error, "a connection failed");
}

/// Hands the requests of one connection on, with who sent them.
#[derive(Clone)]
pub(crate) struct Connection {
    routes: Router,
    end: Arc<End>,
}

struct End {
    address: IpAddr,
    tls: bool,
    peer: OnceLock<Arc<Peer>>,
    _place: OwnedSemaphorePermit,
}

impl Service<Request<Incoming>> for Connection {
    type Response = <Router as Service<Request<Incoming>>>::Response;
    type Error = <Router as Service<Request<Incoming>>>::Error;
    type Future = <Router as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<Incoming>>::poll_ready(&mut self.routes, context)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let peer = self.end.peer.get_or_init(|| {
            let info = request.extensions().get::<Arc<TlsInfo>>();
            // The chain was verified in the handshake; the first is the client's own.
            let certificate = info.and_then(|info| info.peer_certificates.first().cloned());
            Arc::new(Peer { address: self.end.address, certificate, tls: self.end.tls })
        });
        request.extensions_mut().insert(peer.clone());
        self.routes.call(request)
    }
}
