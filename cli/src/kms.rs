//! Which KMS a run works with: the embedded one in a folder, a remote one, a cloud's.

use std::path::PathBuf;
use std::sync::Arc;

use keyfold::credentials::{Credentials, CredentialsProvider, StaticCredentials};
use keyfold::kms::aws::{AWS_SCHEME, KEYFOLD_SCHEME};
use keyfold::kms::cloud::{self, CloudUri, ConnectedCloud};
use keyfold::kms::sealing::Sealing;
use keyfold::{Error, ErrorCode, KeyUri, Retry, SecretBytes};
use keyfold_transport::{
    Environment, FileToken, HttpOptions, HttpTransport, RemoteKms, RemoteOptions, aws_credentials,
    cloud_credentials, connect, connect_cloud, keyfold_credentials,
};

use crate::fault::{self, Result};
use crate::home::Home;
use crate::input::Input;
use crate::profile::{Configuration, Profile};

/// The longest file with certificates, in bytes.
const MAX_PEM: usize = 1 << 20;

/// Where the keys are that are named without saying so.
pub(crate) enum Target {
    /// In the home folder.
    Home,
    /// At the other end of a network; `named` unless it is only the default of the configuration.
    Remote { uri: String, named: bool },
    /// At a cloud, `SCHEME://PLACE`; `named` likewise.
    Cloud { uri: String, named: bool },
}

impl Target {
    /// What the options, the environment and the configuration say. `kms` counts more than the
    /// `kms` of a profile; what else the profile says holds for both.
    ///
    /// # Errors
    /// `invalid_argument` for a URI of another form, or a profile that is not there.
    pub(crate) fn of(
        kms: Option<&str>,
        profile: Option<&str>,
        home: &mut Home,
    ) -> Result<(Self, Configuration)> {
        let found = Configuration::read(&*home, profile, kms.is_none())?;
        let Some(uri) = kms.map(str::to_owned).or_else(|| found.profile.kms.clone()) else {
            return Ok((Target::Home, found));
        };
        if let Some(path) = uri.strip_prefix("file://") {
            if path.is_empty() {
                return Err(fault::invalid("a KMS in a folder has the form file://FOLDER"));
            }
            home.folder = Some(PathBuf::from(path));
            return Ok((Target::Home, found));
        }
        let named = kms.is_some() || profile.is_some();
        let remote = ["keyfold://", "keyfold+http://", "aws://"];
        if remote.iter().any(|scheme| uri.starts_with(scheme)) {
            return Ok((Target::Remote { uri, named }, found));
        }
        let cloud = CloudUri::parse(&uri).ok();
        let known = |uri: &CloudUri<'_>| cloud::SCHEMES.contains(&uri.scheme());
        if cloud.filter(known).is_some_and(|uri| uri.name().is_none()) {
            return Ok((Target::Cloud { uri, named }, found));
        }
        Err(fault::invalid(
            "a KMS has the form file://FOLDER, keyfold://HOST[:PORT], \
             keyfold+http://127.0.0.1:PORT, aws://REGION or SCHEME://PLACE; keyfold provider list \
             names the schemes",
        ))
    }

    /// How the URIs of its keys begin.
    pub(crate) fn prefix(&self) -> String {
        match self {
            Target::Cloud { uri, .. } => format!("{uri}/"),
            _ => format!("{}:", self.scheme()),
        }
    }

    /// The scheme of its keys.
    pub(crate) fn scheme(&self) -> &str {
        match self {
            Target::Remote { uri, .. } if uri.starts_with("aws://") => AWS_SCHEME,
            Target::Cloud { uri, .. } => uri.split_once(':').map_or(uri, |(scheme, _)| scheme),
            _ => KEYFOLD_SCHEME,
        }
    }
}

/// `SCHEME://PLACE` of a key that is at a cloud.
pub(crate) fn place_of(key: &KeyUri) -> Option<String> {
    let uri = CloudUri::parse(key.as_str()).ok()?;
    Some(format!("{}://{}", uri.scheme(), uri.place()))
}

/// The network, as the profile says.
pub(crate) struct Network {
    pub(crate) http: HttpTransport,
    /// Whether a certificate shows who we are.
    by_certificate: bool,
}

impl Network {
    pub(crate) fn new(profile: &Profile) -> Result<Self> {
        let pem = |path: &Option<PathBuf>, variable: &str| -> Result<Option<Vec<u8>>> {
            let given = std::env::var_os(variable).filter(|path| !path.is_empty());
            let Some(path) = given.map(PathBuf::from).or_else(|| path.clone()) else {
                return Ok(None);
            };
            Ok(Some(Input::open(&path)?.read_all(MAX_PEM, "a file of certificates")?.to_vec()))
        };
        let certificate = pem(&profile.client_certificate_file, "KEYFOLD_CLIENT_CERTIFICATE_FILE")?;
        let by_certificate = certificate.is_some();
        let http = HttpTransport::new(&HttpOptions {
            extra_ca_pem: pem(&profile.ca_file, "KEYFOLD_CA_FILE")?,
            client_certificate_pem: certificate.map(|pem| Arc::new(SecretBytes::new(pem))),
            ..HttpOptions::default()
        })?;
        Ok(Network { http, by_certificate })
    }

    /// Makes ready what a KMS with keyfold's or AWS's protocol needs; nothing is sent yet.
    pub(crate) fn remote(&self, uri: &str, profile: &Profile) -> Result<RemoteKms> {
        let region = std::env::var("KEYFOLD_REGION").ok().filter(|region| !region.is_empty());
        let options = RemoteOptions {
            region: region.or_else(|| profile.region.clone()),
            fips: profile.fips,
            dual_stack: profile.dual_stack,
            sealing: profile.seal.then(Sealing::ephemeral),
            ..RemoteOptions::default()
        };
        let environment = Environment::of_process();
        let credentials = match uri.strip_prefix("aws://") {
            Some(region) => {
                let named = profile.aws_profile.as_deref();
                aws_credentials(&environment, named, region, &self.http)?
            }
            None => own(&environment, profile, self.by_certificate)?,
        };
        connect(uri, credentials, self.http.clone(), &options)
    }

    /// Makes ready what a cloud needs; nothing is sent yet.
    pub(crate) fn cloud(
        &self,
        uri: &str,
        of: &Configuration,
        options: &RemoteOptions,
    ) -> Result<ConnectedCloud> {
        let places = of.places_with(uri);
        // What is configured wrongly is told before what is not there.
        cloud::config(uri, &places)?;
        let environment = Environment::of_process();
        let choice = of.profile.choice();
        let credentials = cloud_credentials(&environment, uri, &places, &choice, &self.http)?;
        connect_cloud(uri, &places, credentials, self.http.clone(), options)
    }
}

/// Credentials for keyfold's own server.
fn own(
    environment: &Environment,
    profile: &Profile,
    by_certificate: bool,
) -> Result<Arc<dyn CredentialsProvider>> {
    if let Some(found) = keyfold_credentials(environment)? {
        return Ok(found);
    }
    if let Some(path) = &profile.token_file {
        return Ok(Arc::new(FileToken::new(path)));
    }
    if by_certificate {
        return Ok(Arc::new(StaticCredentials::new(Credentials::of_connection())));
    }
    let detail = "there are no credentials for this KMS: set KEYFOLD_TOKEN, KEYFOLD_TOKEN_FILE, or \
                  KEYFOLD_ACCESS_KEY_ID and KEYFOLD_SECRET_ACCESS_KEY";
    Err(Error::new(ErrorCode::KmsDenied, detail))
}

/// What only the machine of the KMS itself can do.
pub(crate) fn not_remote() -> Error {
    Error::new(
        ErrorCode::InvalidArgument,
        "this is done on the machine of the KMS, in its folder: leave out --kms and --profile",
    )
    .with_retry(Retry::Never)
}
