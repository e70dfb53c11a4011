//! The engine as a service: one endpoint that speaks AWS JSON 1.1.

pub mod auth;
