//! Who calls Vault: an application by its role, a pod by the token of its service account. Both
//! end in a token; put them behind [`CachedCredentials`](super::CachedCredentials).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use super::web_identity::TokenSource;
use super::{Credentials, CredentialsProvider, Kind, header_text, oauth, parse};
use crate::clock::WallClock;
use crate::error::{Error, Result};
use crate::kms::json::Object;
use crate::kms::vault::{self, VaultConfig};
use crate::kms::wire::Members;
use crate::maybe_send::BoxFuture;
use crate::transport::{HttpRequest, Transport};

/// The longest that a token is believed to be good, whatever the server says.
const MAX_LEASE: Duration = Duration::from_hours(24 * 7);

/// Tokens of Vault or OpenBao, given out to whoever logs in.
///
/// A token is renewed before its lease ends, so that a secret id that may be used a few times only
/// is used once. Where it cannot be renewed for at least half of its first lease, or is refused,
/// there is another login.
///
/// ```
/// use keyfold::credentials::{CachedCredentials, TokenSource, VaultLoginCredentials};
/// use keyfold::kms::vault::VaultConfig;
/// # use keyfold::{Transport, WallClock};
///
/// # fn example<T: Transport, C: WallClock + Clone>(
/// #     transport: T, clock: C, secret: Box<dyn TokenSource>,
/// # ) -> keyfold::Result<()> {
/// let config = VaultConfig::new("https://vault.example.com:8200", "transit")?;
/// let role = "59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8";
/// let source = VaultLoginCredentials::with_app_role(
///     transport, clock.clone(), &config, role, Some(secret),
/// )?;
/// let credentials = CachedCredentials::new(source, clock);
/// # Ok(())
/// # }
/// ```
pub struct VaultLoginCredentials<T, C> {
    transport: T,
    clock: C,
    /// Ends before `/v1`.
    url: String,
    namespace: Option<String>,
    mount: String,
    login: Login,
    kept: Mutex<Option<Kept>>,
}

/// By what somebody shows who it is.
enum Login {
    AppRole { role: String, secret: Option<Box<dyn TokenSource>> },
    Kubernetes { role: String, token: Box<dyn TokenSource> },
}

/// The token that was given out last.
struct Kept {
    credentials: Arc<Credentials>,
    renewable: bool,
    /// How long it was good at first.
    lease: Duration,
}

/// What a login or a renewal answers.
struct Granted {
    credentials: Credentials,
    renewable: bool,
    lease: Duration,
}

impl<T: Transport, C: WallClock> VaultLoginCredentials<T, C> {
    /// By a role id and, unless the role wants none, a secret id: `AppRole`. It is read anew for
    /// each login.
    ///
    /// # Errors
    /// `invalid_argument` for a role of another form.
    pub fn with_app_role(
        transport: T,
        clock: C,
        config: &VaultConfig,
        role: &str,
        secret: Option<Box<dyn TokenSource>>,
    ) -> Result<Self> {
        check_role(role)?;
        let login = Login::AppRole { role: role.to_owned(), secret };
        Ok(Self::new(transport, clock, config, "approle", login))
    }

    /// By the token of a service account of Kubernetes, which is read anew for each login, as a
    /// role of Vault's. At another mount it does as well for a JWT of any other issuer.
    ///
    /// # Errors
    /// `invalid_argument` for a role of another form.
    pub fn with_kubernetes(
        transport: T,
        clock: C,
        config: &VaultConfig,
        role: &str,
        token: Box<dyn TokenSource>,
    ) -> Result<Self> {
        check_role(role)?;
        let login = Login::Kubernetes { role: role.to_owned(), token };
        Ok(Self::new(transport, clock, config, "kubernetes", login))
    }

    fn new(transport: T, clock: C, config: &VaultConfig, mount: &str, login: Login) -> Self {
        VaultLoginCredentials {
            transport,
            clock,
            url: config.url(),
            namespace: config.namespace().map(str::to_owned),
            mount: mount.to_owned(),
            login,
            kept: Mutex::default(),
        }
    }

    /// Logs in at another mount than `approle` or `kubernetes`.
    ///
    /// # Errors
    /// `invalid_argument` for a mount of another form.
    pub fn at_mount(mut self, mount: &str) -> Result<Self> {
        if !vault::is_path(mount) {
            return Err(Error::invalid("a mount is a path of letters, digits and -_."));
        }
        mount.clone_into(&mut self.mount);
        Ok(self)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        // What is kept is replaced as a whole: no panic leaves half of it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self) -> Result<Option<Arc<Credentials>>> {
        let now = self.clock.unix_time();
        let old = self.kept().take().filter(|kept| kept.renewable);
        let old = old.filter(|kept| kept.credentials.expires().is_some_and(|end| now < end));
        let renewed = match old {
            Some(old) => self.renew(&old, now).await,
            None => None,
        };
        let kept = match renewed {
            Some(kept) => kept,
            None => self.log_in(now).await?,
        };
        let credentials = kept.credentials.clone();
        *self.kept() = Some(kept);
        Ok(Some(credentials))
    }

    /// The same token for longer; `None` where that cannot be had, or not for long.
    async fn renew(&self, old: &Kept, now: Duration) -> Option<Kept> {
        let Kind::Bearer(token) = &old.credentials.kind else { return None };
        let request = self.request("/v1/auth/token/renew-self", Some(token), Members::new(0));
        let granted = self.ask(request, now).await.ok()?;
        (granted.lease * 2 >= old.lease).then(|| Kept {
            credentials: Arc::new(granted.credentials),
            renewable: granted.renewable,
            lease: old.lease,
        })
    }

    async fn log_in(&self, now: Duration) -> Result<Kept> {
        let mut members = Members::new(0);
        match &self.login {
            Login::AppRole { role, secret } => {
                members.text("role_id", role);
                if let Some(secret) = secret {
                    members.text("secret_id", &header_text(&secret.token()?, "a secret id")?);
                }
            }
            Login::Kubernetes { role, token } => {
                members.text("role", role);
                members.text("jwt", &header_text(&token.token()?, "a service account's token")?);
            }
        }
        let path = format!("/v1/auth/{}/login", self.mount);
        let granted = self.ask(self.request(&path, None, members), now).await?;
        let Granted { credentials, renewable, lease } = granted;
        Ok(Kept { credentials: Arc::new(credentials), renewable, lease })
    }

    fn request(&self, path: &str, token: Option<&str>, members: Members) -> HttpRequest {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(token.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
        headers.extend(vault::headers(self.namespace.as_deref()));
        HttpRequest {
            method: "POST".to_owned(),
            url: format!("{}{path}", self.url),
            headers,
            body: members.finish().to_vec(),
        }
    }

    async fn ask(&self, request: HttpRequest, now: Duration) -> Result<Granted> {
        let response = parse::fetch(&self.transport, request).await?;
        let read = || {
            let auth = Object(&response.body).object("auth")?;
            let token = Zeroizing::new(auth.text("client_token")?.into_owned());
            let lease = auth.maybe_number("lease_duration")?;
            Ok::<_, Error>((token, lease, auth.maybe_flag("renewable")? == Some(true)))
        };
        let (token, lease, renewable) = read().map_err(|_| parse::not_understood())?;
        let lease = match lease.ok_or_else(parse::not_understood)? {
            // It does not end.
            0 => MAX_LEASE,
            seconds => Duration::from_secs(seconds).min(MAX_LEASE),
        };
        let credentials = oauth::build(&token, now.saturating_add(lease))?;
        Ok(Granted { credentials, renewable, lease })
    }
}

impl<T: Transport, C: WallClock> CredentialsProvider for VaultLoginCredentials<T, C> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(self.fetch())
    }

    fn refused(&self, credentials: &Arc<Credentials>) {
        // Nothing renews it.
        let mut kept = self.kept();
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(&kept.credentials, credentials)) {
            *kept = None;
        }
    }
}

/// # Errors
/// `invalid_argument` for what is no role or role id.
fn check_role(role: &str) -> Result<()> {
    if (1..=255).contains(&role.len()) && role.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Error::invalid("a role of Vault's has 1 to 255 printable characters"))
}
