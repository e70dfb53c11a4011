//! Who calls: from the bytes of a request to a [`Caller`].
//!
//! TEMPORARY: everybody is the owner. The branch `auth` replaces this file.

use std::net::IpAddr;

use serde::Deserialize;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::KmsError;
use crate::{Caller, Engine};

/// TEMPORARY
#[derive(Debug)]
pub struct Peer {
    /// TEMPORARY
    pub address: IpAddr,
    /// TEMPORARY
    pub certificate: Option<Vec<u8>>,
    /// TEMPORARY
    pub tls: bool,
}

/// TEMPORARY
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// TEMPORARY
    Kms,
    /// TEMPORARY
    Secrets,
}

/// TEMPORARY
#[allow(dead_code)]
pub struct Incoming<'a> {
    /// TEMPORARY
    pub headers: &'a http::HeaderMap,
    /// TEMPORARY
    pub authority: &'a str,
    /// TEMPORARY
    pub body: &'a [u8],
    /// TEMPORARY
    pub service: Service,
    /// TEMPORARY
    pub peer: &'a Peer,
    /// TEMPORARY
    pub now: Timestamp,
    /// TEMPORARY
    pub request_id: Uuid,
}

/// TEMPORARY
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {}

/// TEMPORARY
pub struct Authenticator {}

impl Authenticator {
    /// TEMPORARY
    pub fn new(_: AuthConfig) -> Result<Self, KmsError> {
        Ok(Authenticator {})
    }

    /// TEMPORARY
    #[allow(clippy::unused_async)]
    pub async fn authenticate(
        &self,
        engine: &Engine,
        incoming: &Incoming<'_>,
    ) -> Result<Caller, KmsError> {
        Ok(engine.owner().with_request_id(incoming.request_id).from_ip(incoming.peer.address))
    }
}
