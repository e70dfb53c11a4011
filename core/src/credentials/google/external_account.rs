//! A workload that another issuer vouches for: workload identity federation.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{check_kind, maybe_member, member};
use crate::clock::WallClock;
use crate::credentials::web_identity::TokenSource;
use crate::credentials::{Credentials, CredentialsProvider, Kind, header_text, oauth, parse};
use crate::error::{Error, Result};
use crate::keys::SecretBytes;
use crate::kms::google::SCOPE;
use crate::kms::json::Object;
use crate::kms::moment;
use crate::kms::wire::Members;
use crate::maybe_send::BoxFuture;
use crate::transport::{HttpRequest, Transport};

/// What the file of a workload identity pool says: whom to ask, for whom, and where the other
/// issuer's token lies.
pub struct GoogleExternalAccount {
    audience: String,
    token_type: String,
    token_url: String,
    impersonation_url: Option<String>,
    file: String,
    field: Option<String>,
}

impl GoogleExternalAccount {
    /// Reads the text of the file, JSON of the type `external_account`, whose token lies in a
    /// file.
    ///
    /// ```
    /// use keyfold::credentials::GoogleExternalAccount;
    ///
    /// let file = br#"{
    ///     "type": "external_account",
    ///     "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k",
    ///     "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    ///     "token_url": "https://sts.googleapis.com/v1/token",
    ///     "credential_source": {"file": "/var/run/token"}
    /// }"#;
    /// let account = GoogleExternalAccount::parse(&file.as_slice().into())?;
    /// assert_eq!(account.token_file(), "/var/run/token");
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `invalid_argument` where it has another form, and for tokens that come from an address or a
    /// program.
    pub fn parse(file: &SecretBytes) -> Result<Self> {
        check_kind(file, "external_account")?;
        let no_file = || Error::invalid("the token of an external account does not lie in a file");
        let source = Object(file.expose()).object("credential_source").map_err(|_| no_file())?;
        let path = source.text("file").map_err(|_| no_file())?;
        let read = || {
            let Some(format) = source.maybe_object("format")? else { return Ok(None) };
            match format.maybe_text("type")?.as_deref() {
                Some("json") => format.text("subject_token_field_name").map(Some),
                _ => Ok(None),
            }
        };
        let field: Result<Option<_>> = read();
        let field = field.map_err(|_| Error::invalid("the format of a token is not understood"))?;
        let impersonation = maybe_member(file, "service_account_impersonation_url")?;
        Ok(GoogleExternalAccount {
            audience: member(file, "audience")?.to_string(),
            token_type: member(file, "subject_token_type")?.to_string(),
            token_url: oauth::check_url(&member(file, "token_url")?)?,
            impersonation_url: impersonation.map(|url| oauth::check_url(&url)).transpose()?,
            file: path.into_owned(),
            field: field.map(Into::into),
        })
    }

    /// Where the other issuer's token lies.
    pub fn token_file(&self) -> &str {
        &self.file
    }

    /// The token in what that file holds: the whole of it, or a member of its JSON.
    fn token(&self, content: &SecretBytes) -> Result<Zeroizing<String>> {
        let token = match &self.field {
            None => return header_text(content, "a subject token"),
            Some(field) => Object(content.expose()).text(field),
        };
        let token = token.map_err(|_| Error::invalid("the file of a token is not understood"))?;
        let token = Zeroizing::new(token.into_owned());
        header_text(&SecretBytes::from(token.as_bytes()), "a subject token")
    }
}

/// Tokens for a workload, in exchange for one that another issuer signed; as a service account,
/// where the file names one.
///
/// ```
/// use keyfold::credentials::{GoogleExternalAccount, GoogleFederatedCredentials, TokenSource};
/// # use keyfold::Transport;
///
/// # fn example<T: Transport, C: keyfold::WallClock>(
/// #     transport: T, clock: C, account: GoogleExternalAccount, file: Box<dyn TokenSource>,
/// # ) {
/// // `file` reads `account.token_file()` anew each time.
/// let source = GoogleFederatedCredentials::new(transport, clock, account, file);
/// # }
/// ```
pub struct GoogleFederatedCredentials<T, C> {
    transport: T,
    clock: C,
    account: GoogleExternalAccount,
    subject: Box<dyn TokenSource>,
}

impl<T: Transport, C: WallClock> GoogleFederatedCredentials<T, C> {
    /// Asks the endpoint that the file names; `subject` gives the content of the file of the other
    /// issuer's token.
    pub fn new(
        transport: T,
        clock: C,
        account: GoogleExternalAccount,
        subject: Box<dyn TokenSource>,
    ) -> Self {
        GoogleFederatedCredentials { transport, clock, account, subject }
    }

    async fn fetch(&self) -> Result<Option<Arc<Credentials>>> {
        let now = self.clock.unix_time();
        let subject = self.account.token(&self.subject.token()?)?;
        let request = oauth::form(
            &self.account.token_url,
            [
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("audience", self.account.audience.as_str()),
                ("scope", SCOPE),
                ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                ("subject_token_type", &self.account.token_type),
                ("subject_token", &subject),
            ],
        );
        let own = oauth::token(&self.transport, request, now).await?;
        let found = match &self.account.impersonation_url {
            None => own,
            Some(url) => self.impersonate(url, &own).await?,
        };
        Ok(Some(Arc::new(found)))
    }

    /// A token of the service account, with that of the workload.
    async fn impersonate(&self, url: &str, own: &Credentials) -> Result<Credentials> {
        let Kind::Bearer(token) = &own.kind else { return Err(parse::not_understood()) };
        let mut members = Members::new(0);
        members.json("scope", format!("[\"{SCOPE}\"]").as_bytes());
        members.text("lifetime", "3600s");
        let headers = [
            ("authorization", format!("Bearer {}", token.as_str())),
            ("content-type", "application/json".to_owned()),
        ];
        let request = HttpRequest {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            body: members.finish().to_vec(),
        };
        let response = parse::fetch(&self.transport, request).await?;
        let answer = Object(&response.body);
        let read = || Ok::<_, Error>((answer.text("accessToken")?, answer.text("expireTime")?));
        let (token, end) = read().map_err(|_| parse::not_understood())?;
        let end = moment::rfc_3339(&end).ok_or_else(parse::not_understood)?;
        oauth::build(&Zeroizing::new(token.into_owned()), end)
    }
}

impl<T: Transport, C: WallClock> CredentialsProvider for GoogleFederatedCredentials<T, C> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(self.fetch())
    }
}
