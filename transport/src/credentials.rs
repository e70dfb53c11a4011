//! Credentials as hosts have them: in the environment, and in files.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyfold::credentials::{
    CachedCredentials, ContainerCredentials, Credentials, CredentialsChain, CredentialsProvider,
    InstanceCredentials, Profile, StaticCredentials, TokenSource, WebIdentityCredentials,
    WebIdentityRole,
};
use keyfold::maybe_send::BoxFuture;
use keyfold::{Error, ErrorCode, Result, SecretBytes, Transport};
use zeroize::Zeroizing;

use crate::network::Network;

/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The name of sessions, where nobody gives one.
const SESSION: &str = "keyfold";

/// The environment, as variables and a home folder.
///
/// ```
/// use keyfold_transport::{Environment, keyfold_credentials};
///
/// let empty = Environment::new(|_| None);
/// assert!(keyfold_credentials(&empty)?.is_none());
/// let token = Environment::new(|name| (name == "KEYFOLD_TOKEN").then(|| "eyJhb.e30.c2ln".into()));
/// assert!(keyfold_credentials(&token)?.is_some());
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct Environment(Box<Variables>);

/// Gives the value of a variable.
type Variables = dyn Fn(&str) -> Option<String>;

impl Environment {
    /// The environment of this process. A variable that is empty or no text counts as absent.
    pub fn of_process() -> Self {
        Environment::new(|name| std::env::var(name).ok())
    }

    /// Another one.
    pub fn new(get: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Environment(Box::new(get))
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn secret(&self, name: &str) -> Option<SecretBytes> {
        self.get(name).map(|value| SecretBytes::new(value.into_bytes()))
    }

    /// The access key in the variables that start like this.
    fn access_key(&self, prefix: &str) -> Result<Option<Credentials>> {
        let id = self.get(&format!("{prefix}_ACCESS_KEY_ID"));
        let secret = self.secret(&format!("{prefix}_SECRET_ACCESS_KEY"));
        match (id, secret) {
            (None, None) => Ok(None),
            (Some(id), Some(secret)) => {
                let token = self.secret(&format!("{prefix}_SESSION_TOKEN"));
                Credentials::access_key(id, &secret, token.as_ref()).map(Some)
            }
            _ => Err(invalid(format!(
                "{prefix}_ACCESS_KEY_ID and {prefix}_SECRET_ACCESS_KEY belong together"
            ))),
        }
    }
}

/// A token in a file, read anew each time it is asked for, so that whoever replaces the file
/// replaces the token.
#[derive(Clone, Debug)]
pub struct FileToken(PathBuf);

impl FileToken {
    /// The token in this file; blanks and the end of the line around it do not count.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FileToken(path.into())
    }
}

impl TokenSource for FileToken {
    fn token(&self) -> Result<SecretBytes> {
        let bytes = read(&self.0)?;
        Ok(SecretBytes::from(bytes.trim_ascii()))
    }
}

impl CredentialsProvider for FileToken {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        let made = self.token().and_then(|token| Credentials::bearer(&token));
        Box::pin(std::future::ready(made.map(|token| Some(Arc::new(token)))))
    }
}

/// A text in an environment variable.
pub(crate) struct FixedToken(pub(crate) SecretBytes);

impl TokenSource for FixedToken {
    fn token(&self) -> Result<SecretBytes> {
        Ok(self.0.expose().into())
    }
}

/// Credentials for keyfold's own server, the first there are of: `KEYFOLD_TOKEN`,
/// `KEYFOLD_TOKEN_FILE`, `KEYFOLD_ACCESS_KEY_ID` with `KEYFOLD_SECRET_ACCESS_KEY` (and
/// `KEYFOLD_SESSION_TOKEN`), `AWS_ACCESS_KEY_ID` with its like.
///
/// # Errors
/// `invalid_argument` for half an access key, or a value of another form.
pub fn keyfold_credentials(
    environment: &Environment,
) -> Result<Option<Arc<dyn CredentialsProvider>>> {
    if let Some(token) = environment.secret("KEYFOLD_TOKEN") {
        return Ok(Some(Arc::new(StaticCredentials::new(Credentials::bearer(&token)?))));
    }
    if let Some(path) = environment.get("KEYFOLD_TOKEN_FILE") {
        return Ok(Some(Arc::new(FileToken::new(path))));
    }
    for prefix in ["KEYFOLD", "AWS"] {
        if let Some(key) = environment.access_key(prefix)? {
            return Ok(Some(Arc::new(StaticCredentials::new(key))));
        }
    }
    Ok(None)
}

/// Credentials for AWS, from where the AWS tools take them, and in their order: the environment
/// (unless `profile` is named), a web identity, the profile's files, the endpoint of a container,
/// the metadata service of the machine. `region` is where a web identity is exchanged.
///
/// Which sources there are is decided now; what they give is asked for when it is needed, kept,
/// and replaced before it ends.
///
/// # Errors
/// `invalid_argument` for a profile that is not there, half an access key, and values of another
/// form; `io` where a file cannot be read.
pub fn aws_credentials(
    environment: &Environment,
    profile: Option<&str>,
    region: &str,
    network: impl Into<Network>,
) -> Result<Arc<dyn CredentialsProvider>> {
    let network = network.into();
    let mut sources: Vec<Box<dyn CredentialsProvider>> = Vec::new();
    if profile.is_none() {
        if let Some(key) = environment.access_key("AWS")? {
            sources.push(Box::new(StaticCredentials::new(key)));
        }
        let token_file = environment.get("AWS_WEB_IDENTITY_TOKEN_FILE");
        if let (Some(role), Some(token_file)) = (environment.get("AWS_ROLE_ARN"), token_file) {
            let session = environment.get("AWS_ROLE_SESSION_NAME");
            let role = WebIdentityRole { role, token_file, session };
            sources.push(Box::new(web_identity(&role, region, &network)?));
        }
    }
    sources.extend(of_profile(environment, profile, region, &network)?);
    if let Some(container) = container(environment, &network)? {
        sources.push(Box::new(container));
    }
    let no_metadata = environment.get("AWS_EC2_METADATA_DISABLED");
    if !no_metadata.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        sources.push(Box::new(InstanceCredentials::new(network.transport.clone())));
    }
    let chain = CredentialsChain::new(sources);
    Ok(Arc::new(CachedCredentials::new(chain, network.clock)))
}

fn web_identity(
    role: &WebIdentityRole,
    region: &str,
    network: &Network,
) -> Result<WebIdentityCredentials<Arc<dyn Transport>>> {
    let token = Box::new(FileToken::new(&role.token_file));
    let session = role.session.as_deref().unwrap_or(SESSION);
    WebIdentityCredentials::new(network.transport.clone(), region, &role.role, session, token)
}

fn of_profile(
    environment: &Environment,
    profile: Option<&str>,
    region: &str,
    network: &Network,
) -> Result<Option<Box<dyn CredentialsProvider>>> {
    let named = profile.map(str::to_owned).or_else(|| environment.get("AWS_PROFILE"));
    let file = |variable: &str, name: &str| -> Result<Zeroizing<String>> {
        let given = environment.get(variable).map(PathBuf::from);
        let at_home = || std::env::home_dir().map(|home| home.join(".aws").join(name));
        let Some(path) = given.or_else(at_home) else { return Ok(Zeroizing::default()) };
        match read(&path) {
            Ok(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => Ok(Zeroizing::new(text.to_owned())),
                Err(_) => Err(invalid(format!("{} is not text in UTF-8", path.display()))),
            },
            Err(_) if !path.exists() => Ok(Zeroizing::default()),
            Err(error) => Err(error),
        }
    };
    let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials")?;
    let config = file("AWS_CONFIG_FILE", "config")?;
    let name = named.as_deref().unwrap_or("default");
    let Some(found) = Profile::read(&credentials, &config, name) else {
        return match named {
            Some(name) => Err(invalid(format!("there is no AWS profile {name}"))),
            None => Ok(None),
        };
    };
    if let Some(role) = found.web_identity()? {
        return Ok(Some(Box::new(web_identity(&role, region, network)?)));
    }
    let key = found.credentials()?;
    Ok(key.map(|key| Box::new(StaticCredentials::new(key)) as Box<dyn CredentialsProvider>))
}

fn container(
    environment: &Environment,
    network: &Network,
) -> Result<Option<ContainerCredentials<Arc<dyn Transport>>>> {
    let endpoint = environment
        .get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        .or_else(|| environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    let Some(endpoint) = endpoint else { return Ok(None) };
    let file = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    let fixed = environment.secret("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    let token: Option<Box<dyn TokenSource>> = match (file, fixed) {
        (Some(path), _) => Some(Box::new(FileToken::new(path))),
        (None, Some(token)) => Some(Box::new(FixedToken(token))),
        (None, None) => None,
    };
    ContainerCredentials::new(network.transport.clone(), &endpoint, token).map(Some)
}

/// A file, up to a limit, in memory that is wiped.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorCode::Io, format!("cannot read {}: {}", path.display(), error.kind()))
    };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        let detail = format!("{} is longer than 1 MiB", path.display());
        return Err(Error::new(ErrorCode::LimitExceeded, detail));
    }
    Ok(bytes)
}

pub(crate) fn invalid(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidArgument, detail)
}
