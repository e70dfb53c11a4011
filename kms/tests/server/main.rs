//! The server over real sockets.
#![cfg(feature = "server")]

mod audit;
mod calls;
mod console;
mod cors;
mod http;
mod life;
mod limits;
mod metrics;
mod tls;
mod world;
