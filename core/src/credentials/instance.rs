//! The metadata service of a virtual machine (IMDSv2).

use std::sync::Arc;

use super::{Credentials, CredentialsProvider, parse};
use crate::error::{ErrorCode, Result};
use crate::maybe_send::BoxFuture;
use crate::transport::{HttpRequest, Transport};

const HOST: &str = "http://169.254.169.254";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
/// How long the token serves, in seconds. It is used at once; the service wants a number.
const TTL: (&str, &str) = ("x-aws-ec2-metadata-token-ttl-seconds", "60");

/// Asks the metadata service of an EC2 instance, in its second version only: a token first, so
/// that no proxy and no forged request gets at the credentials. Put it behind
/// [`CachedCredentials`](super::CachedCredentials).
///
/// Where the service cannot be reached, or the machine has no role, there are no credentials.
pub struct InstanceCredentials<T> {
    transport: T,
}

impl<T: Transport> InstanceCredentials<T> {
    /// Asks over this transport, which should give up soon where nobody answers.
    pub fn new(transport: T) -> Self {
        InstanceCredentials { transport }
    }

    async fn fetch(&self) -> Result<Option<Arc<Credentials>>> {
        let url = format!("{HOST}/latest/api/token");
        let headers = vec![(TTL.0.to_owned(), TTL.1.to_owned())];
        let response = match parse::fetch(&self.transport, parse::bare("PUT", url, headers)).await {
            Ok(response) => response,
            // Not a machine of this kind, or its service is switched off.
            Err(error)
                if matches!(error.code(), ErrorCode::KmsUnavailable | ErrorCode::KmsDenied) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let token = super::header_text(&response.body.as_slice().into(), "a token")
            .map_err(|_| parse::not_understood())?;
        let get = |path: &str| -> HttpRequest {
            let header = ("x-aws-ec2-metadata-token".to_owned(), token.to_string());
            parse::bare("GET", format!("{HOST}{path}"), vec![header])
        };
        let response = match parse::fetch(&self.transport, get(ROLES)).await {
            Ok(response) => response,
            // A machine without a role.
            Err(error) if error.code() == ErrorCode::KmsProtocol => return Ok(None),
            Err(error) => return Err(error),
        };
        let role = std::str::from_utf8(&response.body).unwrap_or_default();
        let role = role.lines().next().unwrap_or_default().trim();
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
        if role.is_empty() || role.len() > 128 || !role.bytes().all(of_name) {
            return Err(parse::not_understood());
        }
        let response = parse::fetch(&self.transport, get(&format!("{ROLES}{role}"))).await?;
        parse::from_json(&response.body).map(|found| Some(Arc::new(found)))
    }
}

impl<T: Transport> CredentialsProvider for InstanceCredentials<T> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(self.fetch())
    }
}
