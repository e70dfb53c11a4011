//! Credentials of the clouds that exchange something for a token: Google, Azure and Vault.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyfold::credentials::{
    AzureAuthority, AzureClientCredentials, AzureManagedIdentityCredentials, CachedCredentials,
    CredentialsChain, CredentialsProvider, GoogleExternalAccount, GoogleFederatedCredentials,
    GoogleMetadataCredentials, GoogleServiceAccount, GoogleServiceAccountCredentials, TokenSource,
    VaultLoginCredentials,
};
use keyfold::kms::azure::AzureConfig;
use keyfold::kms::cloud::Place;
use keyfold::kms::vault::VaultConfig;
use keyfold::{Result, SecretBytes, SystemRng};

use crate::cloud_credentials::CloudChoice;
use crate::credentials::{Environment, FileToken, FixedToken, invalid, read};
use crate::network::Network;

/// The file that is named, else the one of Google's own tools, else the metadata service of the
/// machine.
pub(crate) fn google(
    environment: &Environment,
    choice: &CloudChoice,
    network: &Network,
) -> Result<Arc<dyn CredentialsProvider>> {
    if choice.profile.is_some() {
        return Err(invalid("a file of Google's has no profiles: name the file itself"));
    }
    let usual = || {
        let home = std::env::home_dir()?;
        let file = home.join(".config/gcloud/application_default_credentials.json");
        file.exists().then_some(file)
    };
    let named = environment.get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let Network { transport, clock } = network.clone();
    let source = match choice.file.clone().or(named).or_else(usual) {
        Some(path) => of_google_file(&path, network)?,
        None => Box::new(GoogleMetadataCredentials::new(transport, clock)),
    };
    Ok(kept(source, network))
}

fn of_google_file(path: &Path, network: &Network) -> Result<Box<dyn CredentialsProvider>> {
    let file = SecretBytes::from(read(path)?.as_slice());
    let Network { transport, clock } = network.clone();
    let not_a_key = match GoogleServiceAccount::parse(&file) {
        Ok(account) => {
            return Ok(Box::new(GoogleServiceAccountCredentials::new(transport, clock, account)));
        }
        Err(error) => error,
    };
    let account = GoogleExternalAccount::parse(&file).map_err(|not_an_account| {
        let (path, key, account) = (path.display(), not_a_key.detail(), not_an_account.detail());
        invalid(format!(
            "{path} is neither the key of a service account ({key}) nor an external account \
             ({account})"
        ))
    })?;
    let token = Box::new(FileToken::new(account.token_file()));
    Ok(Box::new(GoogleFederatedCredentials::new(transport, clock, account, token)))
}

/// The application that the environment names, by its secret, its certificate or the token of
/// another issuer; else the identity of the machine.
pub(crate) fn azure(
    environment: &Environment,
    choice: &CloudChoice,
    config: &AzureConfig,
    network: &Network,
) -> Result<Arc<dyn CredentialsProvider>> {
    if choice != &CloudChoice::default() {
        return Err(invalid("Azure's credentials are in variables, and in no file with profiles"));
    }
    let resource = config.resource();
    let client = environment.get("AZURE_CLIENT_ID");
    let tenant = environment.get("AZURE_TENANT_ID");
    let Network { transport, clock } = network.clone();
    let source: Box<dyn CredentialsProvider> = match (client, tenant) {
        (Some(client), Some(tenant)) => {
            let authority = match environment.get("AZURE_AUTHORITY_HOST") {
                Some(host) => AzureAuthority::at(host.trim_end_matches('/'), &tenant, resource)?,
                None => AzureAuthority::new(&tenant, resource)?,
            };
            if let Some(secret) = environment.secret("AZURE_CLIENT_SECRET") {
                let made = AzureClientCredentials::with_secret(
                    transport, clock, authority, &client, secret,
                );
                Box::new(made?)
            } else if let Some(path) = environment.get("AZURE_CLIENT_CERTIFICATE_PATH") {
                let pem = SecretBytes::from(read(Path::new(&path))?.as_slice());
                let made = AzureClientCredentials::with_certificate(
                    transport, clock, authority, &client, &pem, SystemRng,
                );
                Box::new(made?)
            } else if let Some(path) = environment.get("AZURE_FEDERATED_TOKEN_FILE") {
                let token = Box::new(FileToken::new(path));
                let made =
                    AzureClientCredentials::with_token(transport, clock, authority, &client, token);
                Box::new(made?)
            } else {
                return Err(invalid(
                    "AZURE_TENANT_ID names an application, and AZURE_CLIENT_SECRET, \
                     AZURE_CLIENT_CERTIFICATE_PATH or AZURE_FEDERATED_TOKEN_FILE has to show that \
                     it is that one",
                ));
            }
        }
        (None, Some(_)) => {
            return Err(invalid("AZURE_TENANT_ID and AZURE_CLIENT_ID belong together"));
        }
        // With an id alone: one of several identities of the machine.
        (client, None) => {
            let made =
                AzureManagedIdentityCredentials::new(transport, clock, resource, client.as_deref());
            Box::new(made?)
        }
    };
    Ok(kept(source, network))
}

/// Where Kubernetes puts the token of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The login of an application's role or of a pod, where the environment or the place names one;
/// `None` where there is a token itself, or nothing.
pub(crate) fn vault(
    environment: &Environment,
    choice: &CloudChoice,
    (name, place): (&str, &Place),
    network: &Network,
) -> Result<Option<Arc<dyn CredentialsProvider>>> {
    if choice != &CloudChoice::default() || environment.get("VAULT_TOKEN").is_some() {
        return Ok(None);
    }
    let setting = |variable: &str, name: &str| {
        environment.get(variable).or_else(|| place.settings.get(name).cloned())
    };
    let role_id = setting("VAULT_ROLE_ID", "role_id");
    let pod_role = setting("VAULT_KUBERNETES_ROLE", "kubernetes_role");
    let Network { transport, clock } = network.clone();
    let source = match (role_id, pod_role) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(invalid(
                "a role id and a role of Kubernetes are two logins to Vault: one counts",
            ));
        }
        (Some(role), None) => {
            let file = place.settings.get("secret_id_file");
            let secret: Option<Box<dyn TokenSource>> = match environment.secret("VAULT_SECRET_ID") {
                Some(secret) => Some(Box::new(FixedToken(secret))),
                // A role may want none.
                None => file.map(|path| Box::new(FileToken::new(path)) as _),
            };
            let config = VaultConfig::of_place(name, place)?;
            VaultLoginCredentials::with_app_role(transport, clock, &config, &role, secret)?
        }
        (None, Some(role)) => {
            let path = place.settings.get("jwt_file").map_or(SERVICE_ACCOUNT, String::as_str);
            let token = Box::new(FileToken::new(path));
            let config = VaultConfig::of_place(name, place)?;
            VaultLoginCredentials::with_kubernetes(transport, clock, &config, &role, token)?
        }
    };
    let source = match place.settings.get("login_mount") {
        Some(mount) => source.at_mount(mount)?,
        None => source,
    };
    Ok(Some(kept(Box::new(source), network)))
}

/// Until it ends.
fn kept(source: Box<dyn CredentialsProvider>, network: &Network) -> Arc<dyn CredentialsProvider> {
    Arc::new(CachedCredentials::new(CredentialsChain::new(vec![source]), network.clock.clone()))
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;
    use crate::{HttpOptions, HttpTransport};
    use keyfold::ErrorCode;

    fn with(variables: &[(&'static str, &str)]) -> Environment {
        let variables: Vec<(&str, String)> =
            variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Environment::new(move |wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
        })
    }

    fn refused(made: Result<Arc<dyn CredentialsProvider>>) -> Option<ErrorCode> {
        made.err().map(|error| error.code())
    }

    #[test]
    fn azure_shows_who_it_is_in_one_way() {
        let config = AzureConfig::of_place("my-vault", &Place::default()).expect("a vault");
        let http = HttpTransport::new(&HttpOptions::default()).expect("a transport");
        let take = |variables: &[(&'static str, &str)]| {
            refused(azure(
                &with(variables),
                &CloudChoice::default(),
                &config,
                &Network::from(&http),
            ))
        };
        let id = ("AZURE_CLIENT_ID", "11111111-2222-3333-4444-555555555555");
        let tenant = ("AZURE_TENANT_ID", "contoso.onmicrosoft.com");
        assert_eq!(take(&[]), None);
        assert_eq!(take(&[id]), None);
        assert_eq!(take(&[id, tenant, ("AZURE_CLIENT_SECRET", "s3cret")]), None);
        assert_eq!(take(&[id, tenant, ("AZURE_FEDERATED_TOKEN_FILE", "token")]), None);
        for wrong in [
            &[tenant][..],
            &[id, tenant],
            &[id, ("AZURE_TENANT_ID", "a/b"), ("AZURE_CLIENT_SECRET", "s3cret")],
            &[("AZURE_CLIENT_ID", "a b")],
            &[
                id,
                tenant,
                ("AZURE_CLIENT_SECRET", "s"),
                ("AZURE_AUTHORITY_HOST", "http://example.com"),
            ],
        ] {
            assert_eq!(take(wrong), Some(ErrorCode::InvalidArgument), "{wrong:?}");
        }
        let certificate = [id, tenant, ("AZURE_CLIENT_CERTIFICATE_PATH", "/nowhere/client.pem")];
        assert_eq!(take(&certificate), Some(ErrorCode::Io));
        let file = CloudChoice { file: Some("file".into()), profile: None };
        let made = azure(&with(&[]), &file, &config, &Network::from(&http));
        assert_eq!(refused(made), Some(ErrorCode::InvalidArgument));
    }

    #[test]
    fn google_takes_two_kinds_of_files() {
        let http = HttpTransport::new(&HttpOptions::default()).expect("a transport");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("account.json");
        let take = |text: &str| {
            std::fs::write(&path, text).expect("written");
            let path = path.to_str().expect("a path");
            let named = with(&[("GOOGLE_APPLICATION_CREDENTIALS", path)]);
            google(&named, &CloudChoice::default(), &Network::from(&http))
        };
        let federated = r#"{
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": { "file": "/var/run/token" }
        }"#;
        assert_eq!(refused(take(federated)), None);
        let user = take(r#"{"type":"authorized_user","refresh_token":"hidden"}"#).err();
        let user = user.expect("another kind");
        assert_eq!(user.code(), ErrorCode::InvalidArgument);
        assert!(!user.to_string().contains("hidden"), "{user}");
        assert_eq!(refused(take("")), Some(ErrorCode::InvalidArgument));
        let nowhere = CloudChoice { file: Some("/nowhere/account.json".into()), profile: None };
        assert_eq!(
            refused(google(&with(&[]), &nowhere, &Network::from(&http))),
            Some(ErrorCode::Io)
        );
        let profile = CloudChoice { file: None, profile: Some("work".into()) };
        assert_eq!(
            refused(google(&with(&[]), &profile, &Network::from(&http))),
            Some(ErrorCode::InvalidArgument)
        );
    }

    #[test]
    fn vault_logs_in_where_a_role_is_named() {
        let http = HttpTransport::new(&HttpOptions::default()).expect("a transport");
        let place = |settings: &[(&str, &str)]| Place {
            keys: Some("https://vault.example.com:8200".into()),
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Place::default()
        };
        let take = |variables: &[(&'static str, &str)], settings: &[(&str, &str)]| {
            let named = ("transit", &place(settings));
            let made =
                vault(&with(variables), &CloudChoice::default(), named, &Network::from(&http));
            made.map(|login| login.is_some()).map_err(|error| error.code())
        };
        let (role, pod) = (("VAULT_ROLE_ID", "r"), ("VAULT_KUBERNETES_ROLE", "k"));
        for (variables, settings, login) in [
            (&[][..], &[][..], false),
            (&[role], &[], true),
            (&[role, ("VAULT_SECRET_ID", "s")], &[("login_mount", "roles")], true),
            (&[], &[("role_id", "r"), ("secret_id_file", "/run/secret-id")], true),
            (&[pod], &[], true),
            (&[], &[("kubernetes_role", "k"), ("jwt_file", "/run/token")], true),
            // A token itself counts first.
            (&[role, ("VAULT_TOKEN", "hvs.token")], &[], false),
        ] {
            assert_eq!(take(variables, settings), Ok(login), "{variables:?} {settings:?}");
        }
        let invalid = Err(ErrorCode::InvalidArgument);
        assert_eq!(take(&[role, pod], &[]), invalid);
        assert_eq!(take(&[("VAULT_ROLE_ID", "a b")], &[]), invalid);
        assert_eq!(take(&[role], &[("login_mount", "../sys")]), invalid);
        let file = CloudChoice { file: Some("token".into()), profile: None };
        let made = vault(&with(&[role]), &file, ("transit", &place(&[])), &Network::from(&http));
        assert!(made.expect("no failure").is_none());
    }
}
