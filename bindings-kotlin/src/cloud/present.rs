//! A build with clouds.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use keyfold::credentials::{
    AzureAuthority, AzureClientCredentials, CachedCredentials, CredentialsProvider,
    GoogleServiceAccount, GoogleServiceAccountCredentials,
};
use keyfold::kms::azure::{self, AzureConfig};
use keyfold::kms::cloud::{self, Capabilities, CloudUri, ConnectedCloud};
use keyfold::kms::remote::RemoteOptions;
use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::{Error, ErrorCode, Result, SystemRng};
use keyfold_transport::{
    CloudChoice, Environment, Network, aws_credentials, cloud_credentials, complete_place,
    keyfold_credentials,
};
use zeroize::Zeroizing;

use crate::caller::{AzureProof, Caller};
use crate::error::invalid;
use crate::foreign::HostTransport;
use crate::service::Places;
use crate::time::HostClock;

/// A KMS of a cloud.
pub(crate) struct Cloud(ConnectedCloud);

impl Cloud {
    pub(crate) fn capabilities(&self) -> &'static Capabilities {
        self.0.kms().config().capabilities()
    }

    pub(crate) async fn operation(&self, name: &str, body: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.0.operation(name, body).await
    }
}

pub(crate) fn connect(
    url: &str,
    places: &Places,
    credentials: Arc<dyn CredentialsProvider>,
    transport: Arc<HostTransport>,
    clock: &HostClock,
    options: &RemoteOptions,
) -> Result<Cloud> {
    cloud::connect(url, places, credentials, transport, clock, options).map(Cloud)
}

impl Kms for Cloud {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        self.0.call(request)
    }
}

/// Credentials that are looked for, or exchanged for others over the network.
pub(crate) fn login(
    caller: Caller,
    url: &str,
    places: &mut Places,
    transport: &Arc<HostTransport>,
    clock: &HostClock,
) -> Result<Arc<dyn CredentialsProvider>> {
    let network = || Network::new(transport.clone(), clock.clone());
    match caller {
        Caller::Environment { variables, file, profile } => {
            let environment = variables.map_or_else(Environment::of_process, of_variables);
            let choice = CloudChoice { file: file.map(PathBuf::from), profile };
            found(&environment, url, places, &choice, network())
        }
        Caller::GoogleServiceAccount { file } => {
            let account = GoogleServiceAccount::parse(&file.copy()?)?;
            let (transport, of_source) = (transport.clone(), clock.clone());
            let source = GoogleServiceAccountCredentials::new(transport, of_source, account);
            Ok(Arc::new(CachedCredentials::new(source, clock.clone())))
        }
        Caller::AzureClient { tenant, client, proof, authority } => {
            let uri = CloudUri::parse(url)?;
            if uri.scheme() != azure::SCHEME {
                return Err(invalid("an application of Azure's is known at Azure alone"));
            }
            let place = places.get(&place_of(uri)).cloned().unwrap_or_default();
            let config = AzureConfig::of_place(uri.place(), &place)?;
            let resource = config.resource();
            let authority = match authority {
                Some(url) => AzureAuthority::at(url.trim_end_matches('/'), &tenant, resource),
                None => AzureAuthority::new(&tenant, resource),
            }?;
            let (transport, of_source) = (transport.clone(), clock.clone());
            let source = match proof {
                AzureProof::Secret { secret } => AzureClientCredentials::with_secret(
                    transport,
                    of_source,
                    authority,
                    &client,
                    secret.copy()?,
                ),
                AzureProof::Certificate { pem } => AzureClientCredentials::with_certificate(
                    transport,
                    of_source,
                    authority,
                    &client,
                    &pem.copy()?,
                    SystemRng,
                ),
            }?;
            Ok(Arc::new(CachedCredentials::new(source, clock.clone())))
        }
        // They are there already.
        Caller::Fixed { .. } | Caller::Asked { .. } => {
            Err(Error::new(ErrorCode::Internal, "nothing to look for"))
        }
    }
}

fn of_variables(variables: HashMap<String, String>) -> Environment {
    let kept: HashMap<String, Zeroizing<String>> =
        variables.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect();
    Environment::new(move |name| kept.get(name).map(|value| value.to_string()))
}

/// How places are named.
fn place_of(uri: CloudUri<'_>) -> String {
    format!("{}://{}", uri.scheme(), uri.place())
}

/// Credentials from where the service's own tools take them.
fn found(
    environment: &Environment,
    url: &str,
    places: &mut Places,
    choice: &CloudChoice,
    network: Network,
) -> Result<Arc<dyn CredentialsProvider>> {
    if super::is_cloud(url) {
        complete_place(environment, &place_of(CloudUri::parse(url)?), places);
        // What is configured wrongly is told before what is not there.
        cloud::config(url, places)?;
        return cloud_credentials(environment, url, places, choice, network);
    }
    if choice.file.is_some() {
        return Err(invalid("a file with credentials is a cloud's"));
    }
    if let Some(region) = url.strip_prefix("aws://") {
        return aws_credentials(environment, choice.profile.as_deref(), region, network);
    }
    keyfold_credentials(environment)?.ok_or_else(|| {
        let detail = "there are no credentials for this KMS: looked for the variables \
                      KEYFOLD_TOKEN, KEYFOLD_TOKEN_FILE, and KEYFOLD_ACCESS_KEY_ID with \
                      KEYFOLD_SECRET_ACCESS_KEY";
        Error::new(ErrorCode::KmsDenied, detail)
    })
}
