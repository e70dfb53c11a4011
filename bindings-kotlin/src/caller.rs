//! Who calls a remote KMS: credentials as a language gives them, or where they are to be had.

use std::collections::HashMap;
use std::sync::Arc;

use keyfold::credentials::{Credentials, CredentialsProvider, StaticCredentials};
use keyfold::{Result, SecretBytes};

use crate::cloud;
use crate::error::Failure;
use crate::foreign::{HostCredentials, HostTransport};
use crate::secret::Secret;
use crate::service::Places;
use crate::time::HostClock;

/// What a request is authorised with.
#[derive(uniffi::Enum)]
pub enum Credential {
    /// A bearer token.
    Token {
        /// The token.
        token: String,
    },
    /// An access key, as AWS and most clouds have them.
    AccessKey {
        /// Its id.
        id: String,
        /// Its secret.
        secret: String,
        /// The token of its session, where it is short-lived.
        session_token: Option<String>,
        /// What Ping An's password safe wants beside it.
        application: Option<Application>,
    },
    /// Nothing in the request: the connection says who calls, by its TLS client certificate.
    Connection,
}

/// The credential of an application, which Ping An's password safe gives out.
#[derive(uniffi::Record)]
pub struct Application {
    /// Its id.
    pub id: String,
    /// Its key.
    pub key: String,
}

impl Credential {
    pub(crate) fn read(self) -> Result<Credentials> {
        let secret = |text: String| SecretBytes::new(text.into_bytes());
        match self {
            Credential::Token { token } => Credentials::bearer(&secret(token)),
            Credential::AccessKey { id, secret: key, session_token, application } => {
                let token = session_token.map(secret);
                let key = Credentials::access_key(id, &secret(key), token.as_ref())?;
                match application {
                    Some(application) => key.with_app(application.id, secret(application.key)),
                    None => Ok(key),
                }
            }
            Credential::Connection => Ok(Credentials::of_connection()),
        }
    }
}

/// Gets credentials, for each request.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait ForeignCredentials: Send + Sync {
    /// The credentials of the moment.
    ///
    /// # Errors
    /// Without a code it is `kms_denied`.
    async fn credentials(&self) -> Result<Credential, Failure>;
}

/// Where the credentials for a remote KMS come from.
#[derive(uniffi::Enum)]
pub enum Caller {
    /// The same for every request.
    Fixed {
        /// What they are.
        credential: Credential,
    },
    /// Asked for each request.
    Asked {
        /// Who gives them.
        source: Arc<dyn ForeignCredentials>,
    },
    /// From where the service's own tools take them.
    Environment {
        /// The variables; those of the process where absent.
        variables: Option<HashMap<String, String>>,
        /// The file, instead of the service's own.
        file: Option<String>,
        /// The profile, or section, in the file.
        profile: Option<String>,
    },
    /// The key file of a service account at Google, exchanged for tokens.
    GoogleServiceAccount {
        /// Its text.
        file: Arc<Secret>,
    },
    /// An application at Azure, which gets tokens.
    AzureClient {
        /// The tenant, by its id or its domain.
        tenant: String,
        /// The application's id.
        client: String,
        /// What shows that it is that one.
        proof: AzureProof,
        /// Who gives out tokens, where that is another than the cloud's own.
        authority: Option<String>,
    },
}

/// What shows that an application at Azure is itself.
#[derive(uniffi::Enum)]
pub enum AzureProof {
    /// A secret of its.
    Secret {
        /// The secret.
        secret: Arc<Secret>,
    },
    /// Its certificate.
    Certificate {
        /// The certificate and its RSA key in PKCS#8, both in PEM.
        pem: Arc<Secret>,
    },
}

impl Caller {
    /// The credentials for the KMS at a URL. Nothing is sent yet. `places` get what the
    /// environment says of this KMS, where that is where credentials come from.
    pub(crate) fn credentials(
        self,
        url: &str,
        places: &mut Places,
        transport: &Arc<HostTransport>,
        clock: &HostClock,
    ) -> Result<Arc<dyn CredentialsProvider>> {
        match self {
            Caller::Fixed { credential } => {
                Ok(Arc::new(StaticCredentials::new(credential.read()?)))
            }
            Caller::Asked { source } => Ok(Arc::new(HostCredentials(source))),
            other => cloud::login(other, url, places, transport, clock),
        }
    }
}
