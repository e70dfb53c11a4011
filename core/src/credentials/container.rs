//! The endpoint that a container's host offers it.

use std::net::IpAddr;
use std::sync::Arc;

use super::web_identity::TokenSource;
use super::{Credentials, CredentialsProvider, parse};
use crate::error::{Error, Result};
use crate::kms::endpoint::Endpoint;
use crate::maybe_send::BoxFuture;
use crate::transport::Transport;

/// Where a relative path is asked for.
const HOST: &str = "http://169.254.170.2";
/// Hosts that may be asked without TLS: those of ECS and EKS, which are on the machine itself.
const LOCAL: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// Asks the endpoint that ECS, EKS and others name in the environment of a container. Put it
/// behind [`CachedCredentials`](super::CachedCredentials).
pub struct ContainerCredentials<T> {
    transport: T,
    url: String,
    authorization: Option<Box<dyn TokenSource>>,
}

impl<T: Transport> ContainerCredentials<T> {
    /// The endpoint is a path (`/v2/credentials/…`), or a URL: with TLS, or on the machine itself.
    /// `authorization` is what the header of that name will hold.
    ///
    /// # Errors
    /// `invalid_argument` for a URL of another host without TLS.
    pub fn new(
        transport: T,
        endpoint: &str,
        authorization: Option<Box<dyn TokenSource>>,
    ) -> Result<Self> {
        let whole = if endpoint.starts_with('/') {
            format!("{HOST}{endpoint}")
        } else {
            endpoint.to_owned()
        };
        let after_scheme = whole.find("://").map_or(0, |at| at + 3);
        let path = whole[after_scheme..].find('/').map_or(whole.len(), |at| after_scheme + at);
        let (host, rest) = whole.split_at(path);
        let endpoint = Endpoint::parse_any(host)?;
        let local = |ip: IpAddr| LOCAL.iter().any(|known| known.parse() == Ok(ip));
        if !endpoint.is_protected() && !endpoint.ip().is_some_and(local) {
            return Err(Error::invalid(
                "credentials come over TLS, or from an endpoint on this machine",
            ));
        }
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains('#') {
            return Err(Error::invalid("the endpoint of the credentials is no URL"));
        }
        Ok(ContainerCredentials { transport, url: endpoint.url(rest), authorization })
    }

    async fn fetch(&self) -> Result<Option<Arc<Credentials>>> {
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        if let Some(source) = &self.authorization {
            let token = super::header_text(&source.token()?, "an authorization token")?;
            headers.push(("authorization".to_owned(), token.to_string()));
        }
        let request = parse::bare("GET", self.url.clone(), headers);
        let response = parse::fetch(&self.transport, request).await?;
        parse::from_json(&response.body).map(|found| Some(Arc::new(found)))
    }
}

impl<T: Transport> CredentialsProvider for ContainerCredentials<T> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(self.fetch())
    }
}
