//! Which KMS a run works with: the embedded one in a folder, or a remote one.

use std::path::PathBuf;
use std::sync::Arc;

use keyfold::credentials::{Credentials, CredentialsProvider, StaticCredentials};
use keyfold::kms::aws::{AWS_SCHEME, KEYFOLD_SCHEME};
use keyfold::{Error, ErrorCode, Retry, SecretBytes};
use keyfold_transport::{
    Environment, FileToken, HttpOptions, HttpTransport, RemoteKms, RemoteOptions, aws_credentials,
    connect, keyfold_credentials,
};

use crate::fault::{self, Result};
use crate::home::Home;
use crate::input::Input;
use crate::profile::Profile;

/// The longest file with certificates, in bytes.
const MAX_PEM: usize = 1 << 20;

/// Where the keys are.
pub(crate) enum Target {
    /// In the home folder.
    Home,
    /// At the other end of a network; `named` unless it is only the default of the configuration.
    Remote { uri: String, profile: Box<Profile>, named: bool },
}

impl Target {
    /// What the options, the environment and the configuration file say. `kms` counts more than
    /// the `kms` of a profile; what else the profile says holds for both.
    ///
    /// # Errors
    /// `invalid_argument` for a URI of another form, or a profile that is not there.
    pub(crate) fn of(kms: Option<&str>, profile: Option<&str>, home: &mut Home) -> Result<Self> {
        let found = Profile::read(&*home, profile, kms.is_none())?;
        let Some(uri) = kms.map(str::to_owned).or_else(|| found.kms.clone()) else {
            return Ok(Target::Home);
        };
        if let Some(path) = uri.strip_prefix("file://") {
            if path.is_empty() {
                return Err(fault::invalid("a KMS in a folder has the form file://FOLDER"));
            }
            home.folder = Some(PathBuf::from(path));
            return Ok(Target::Home);
        }
        let remote = ["keyfold://", "keyfold+http://", "aws://"];
        if !remote.iter().any(|scheme| uri.starts_with(scheme)) {
            return Err(fault::invalid(
                "a KMS has the form file://FOLDER, keyfold://HOST[:PORT], \
                 keyfold+http://127.0.0.1:PORT or aws://REGION",
            ));
        }
        let named = kms.is_some() || profile.is_some();
        Ok(Target::Remote { uri, profile: Box::new(found), named })
    }

    /// The scheme of its keys.
    pub(crate) fn scheme(&self) -> &'static str {
        match self {
            Target::Remote { uri, .. } if uri.starts_with("aws://") => AWS_SCHEME,
            _ => KEYFOLD_SCHEME,
        }
    }
}

/// Makes ready what a remote KMS needs; nothing is sent yet.
pub(crate) fn remote(uri: &str, profile: &Profile) -> Result<RemoteKms> {
    let pem = |path: &Option<PathBuf>, variable: &str| -> Result<Option<Vec<u8>>> {
        let given = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
        let Some(path) = given.or_else(|| path.clone()) else { return Ok(None) };
        Ok(Some(Input::open(&path)?.read_all(MAX_PEM, "a file of certificates")?.to_vec()))
    };
    let certificate = pem(&profile.client_certificate_file, "KEYFOLD_CLIENT_CERTIFICATE_FILE")?;
    let by_certificate = certificate.is_some();
    let transport = HttpTransport::new(&HttpOptions {
        extra_ca_pem: pem(&profile.ca_file, "KEYFOLD_CA_FILE")?,
        client_certificate_pem: certificate.map(|pem| Arc::new(SecretBytes::new(pem))),
        ..HttpOptions::default()
    })?;
    let region = std::env::var("KEYFOLD_REGION").ok().filter(|region| !region.is_empty());
    let options = RemoteOptions {
        region: region.or_else(|| profile.region.clone()),
        fips: profile.fips,
        dual_stack: profile.dual_stack,
        ..RemoteOptions::default()
    };
    let environment = Environment::of_process();
    let credentials = match uri.strip_prefix("aws://") {
        Some(region) => {
            let named = profile.aws_profile.as_deref();
            aws_credentials(&environment, named, region, &transport)?
        }
        None => own(&environment, profile, by_certificate)?,
    };
    connect(uri, credentials, transport, &options)
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
