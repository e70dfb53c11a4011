//! A build without clouds.

use std::sync::Arc;

use keyfold::credentials::CredentialsProvider;
use keyfold::kms::cloud::Capabilities;
use keyfold::kms::remote::RemoteOptions;
use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::{Error, Result};
use serde_json::Value;

use super::scheme;
use crate::caller::Caller;
use crate::error::unsupported;
use crate::foreign::HostTransport;
use crate::service::Places;
use crate::time::HostClock;

/// There is none.
pub(crate) enum Cloud {}

impl Cloud {
    pub(crate) fn capabilities(&self) -> &'static Capabilities {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "as where there are clouds")]
    pub(crate) async fn operation(&self, _: &str, _: &Value) -> Result<Value> {
        match *self {}
    }
}

impl Kms for Cloud {
    fn call<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, Result<Response>> {
        match *self {}
    }
}

pub(crate) fn connect(
    url: &str,
    _: &Places,
    _: Arc<dyn CredentialsProvider>,
    _: Arc<HostTransport>,
    _: &HostClock,
    _: &RemoteOptions,
) -> Result<Cloud> {
    Err(not_here(url))
}

pub(crate) fn login(
    _: Caller,
    url: &str,
    _: &mut Places,
    _: &Arc<HostTransport>,
    _: &HostClock,
) -> Result<Arc<dyn CredentialsProvider>> {
    if super::is_cloud(url) {
        return Err(not_here(url));
    }
    Err(unsupported("this build takes a token or an access key: it has no environment"))
}

fn not_here(url: &str) -> Error {
    unsupported(format!(
        "this build reaches no cloud by itself, so that no app carries a cloud's secret key: name a \
         server of keyfold's (keyfold serve --upstream), and keys as {}://PLACE/KEY",
        scheme(url).unwrap_or_default()
    ))
}
