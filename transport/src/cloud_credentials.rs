//! Credentials of the clouds, from where their vendors' own tools take them: a table.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyfold::credentials::{Credentials, CredentialsProvider, Profile, StaticCredentials};
use keyfold::kms::azure::{self, AzureConfig};
use keyfold::kms::cloud::{CloudUri, Places};
use keyfold::kms::{google, vault};
use keyfold::{Error, ErrorCode, Result, SecretBytes};

use crate::cloud_login;
use crate::credentials::{Environment, FileToken, invalid, read};
use crate::network::Network;

/// Which of a vendor's credentials count, where a configuration says so. Either of the two passes
/// over the environment variables that hold credentials themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudChoice {
    /// The file, instead of the vendor's own.
    pub file: Option<PathBuf>,
    /// The profile, or section, in that file.
    pub profile: Option<String>,
}

/// Where the tools of a vendor look.
struct Source {
    scheme: &'static str,
    variables: Variables,
    /// The variable that names the file, where there is one.
    file_variable: Option<&'static str>,
    /// The files, in the user's home; the first that is there counts.
    files: &'static [&'static str],
    form: Form,
    /// What else the vendor's tools take from the environment.
    place: &'static [(Part, &'static str)],
}

/// What the environment may say about a place.
enum Part {
    /// The address, of keys and secrets.
    Address,
    Setting(&'static str),
}

/// What the parts of an access key are called.
#[derive(Clone, Copy)]
struct Names {
    id: &'static str,
    secret: &'static str,
    /// The token of one that is temporary; the first that is there counts.
    token: &'static [&'static str],
    /// The id and the key of an application.
    app: Option<[&'static str; 2]>,
}

impl Names {
    const fn new(id: &'static str, secret: &'static str, token: &'static [&'static str]) -> Self {
        Names { id, secret, token, app: None }
    }
}

/// What the environment may hold.
enum Variables {
    AccessKey(Names),
    Token(&'static str),
}

/// What a file holds.
enum Form {
    /// Sections with settings.
    Sections {
        /// The section that counts, and the variable that names another.
        section: &'static str,
        section_variable: Option<&'static str>,
        names: Names,
        /// The values of the setting `type` that say that there is an access key.
        kinds: &'static [&'static str],
    },
    /// A token and nothing else.
    Token,
}

const SOURCES: [Source; 5] = [
    Source {
        scheme: "tencent",
        variables: Variables::AccessKey(Names::new(
            "TENCENTCLOUD_SECRET_ID",
            "TENCENTCLOUD_SECRET_KEY",
            // The second is that of the vendor's provider for Terraform.
            &["TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN"],
        )),
        file_variable: None,
        files: &[".tencentcloud/credentials"],
        form: Form::Sections {
            section: "default",
            section_variable: None,
            names: Names::new("secret_id", "secret_key", &["token"]),
            kinds: &[],
        },
        place: &[],
    },
    Source {
        scheme: "huawei",
        variables: Variables::AccessKey(Names::new(
            "HUAWEICLOUD_SDK_AK",
            "HUAWEICLOUD_SDK_SK",
            &["HUAWEICLOUD_SDK_SECURITY_TOKEN"],
        )),
        file_variable: Some("HUAWEICLOUD_SDK_CREDENTIALS_FILE"),
        files: &[".huaweicloud/credentials"],
        form: Form::Sections {
            section: "basic",
            section_variable: None,
            names: Names::new("ak", "sk", &["security_token"]),
            kinds: &[],
        },
        place: &[(Part::Setting("project"), "HUAWEICLOUD_SDK_PROJECT_ID")],
    },
    Source {
        scheme: "alibaba",
        variables: Variables::AccessKey(Names::new(
            "ALIBABA_CLOUD_ACCESS_KEY_ID",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
            &["ALIBABA_CLOUD_SECURITY_TOKEN"],
        )),
        file_variable: Some("ALIBABA_CLOUD_CREDENTIALS_FILE"),
        files: &[".alibabacloud/credentials.ini", ".alibabacloud/credentials"],
        form: Form::Sections {
            section: "default",
            section_variable: Some("ALIBABA_CLOUD_PROFILE"),
            names: Names::new("access_key_id", "access_key_secret", &["security_token"]),
            // Another kind would act as somebody else than the file means.
            kinds: &["access_key", "sts"],
        },
        place: &[],
    },
    Source {
        scheme: "pingan",
        variables: Variables::AccessKey(Names {
            id: "PINGAN_ACCESS_KEY_ID",
            secret: "PINGAN_ACCESS_KEY_SECRET",
            token: &[],
            app: Some(["PINGAN_APP_ID", "PINGAN_APP_KEY"]),
        }),
        file_variable: None,
        // The vendor has none.
        files: &[],
        form: Form::Sections {
            section: "default",
            section_variable: None,
            names: Names {
                id: "access_key_id",
                secret: "access_key_secret",
                token: &[],
                app: Some(["app_id", "app_key"]),
            },
            kinds: &[],
        },
        place: &[],
    },
    Source {
        scheme: "vault",
        variables: Variables::Token("VAULT_TOKEN"),
        file_variable: None,
        files: &[".vault-token"],
        form: Form::Token,
        place: &[(Part::Address, "VAULT_ADDR"), (Part::Setting("namespace"), "VAULT_NAMESPACE")],
    },
];

/// Adds to the place of a KMS, by its URI, what the configuration does not say and the vendor's
/// own variables do: the project at Huawei, the address and the namespace of Vault.
///
/// ```
/// use keyfold::kms::cloud::Places;
/// use keyfold_transport::{Environment, complete_place};
///
/// let environment = Environment::new(|name| {
///     (name == "HUAWEICLOUD_SDK_PROJECT_ID").then(|| "0123456789abcdef".into())
/// });
/// let mut places = Places::new();
/// complete_place(&environment, "huawei://cn-north-4", &mut places);
/// assert_eq!(places["huawei://cn-north-4"].settings["project"], "0123456789abcdef");
/// ```
pub fn complete_place(environment: &Environment, uri: &str, places: &mut Places) {
    let scheme = uri.split_once("://").map_or(uri, |(scheme, _)| scheme);
    let source = SOURCES.iter().find(|source| source.scheme == scheme);
    for (part, variable) in source.map_or(&[][..], |source| source.place) {
        let Some(value) = environment.get(variable) else { continue };
        let place = places.entry(uri.to_owned()).or_default();
        match part {
            Part::Address => {
                for address in [&mut place.keys, &mut place.secrets] {
                    address.get_or_insert_with(|| value.clone());
                }
            }
            Part::Setting(name) => {
                place.settings.entry((*name).to_owned()).or_insert(value);
            }
        }
    }
}

/// Credentials for a cloud, by the URI of its KMS: from the environment, else from the vendor's own
/// file, else, at Google and Azure, from the machine. docs/providers.md names variables and files.
/// `network` is for what has to be exchanged for a token; nothing is sent yet.
///
/// ```
/// use keyfold::kms::cloud::Places;
/// use keyfold_transport::{
///     CloudChoice, Environment, HttpOptions, HttpTransport, cloud_credentials,
/// };
///
/// let (none, http) = (Environment::new(|_| None), HttpTransport::new(&HttpOptions::default())?);
/// let choice = CloudChoice { file: Some("none".into()), profile: None };
/// let made = cloud_credentials(&none, "tencent://ap-guangzhou", &Places::new(), &choice, &http);
/// let error = made.err().expect("there is no such file");
/// assert_eq!(error.code(), keyfold::ErrorCode::Io);
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `kms_denied` where there are none, with what was looked for; `invalid_argument` for half an
/// access key, a section that is not there, values of another form, and a scheme that is no
/// cloud's; `io` where a file that is named cannot be read.
pub fn cloud_credentials(
    environment: &Environment,
    uri: &str,
    places: &Places,
    choice: &CloudChoice,
    network: impl Into<Network>,
) -> Result<Arc<dyn CredentialsProvider>> {
    let network = network.into();
    let uri = CloudUri::parse(uri)?;
    let scheme = uri.scheme();
    match scheme {
        google::SCHEME => return cloud_login::google(environment, choice, &network),
        azure::SCHEME => {
            let place = places.get(&format!("{scheme}://{}", uri.place()));
            let place = place.cloned().unwrap_or_default();
            let config = AzureConfig::of_place(uri.place(), &place)?;
            return cloud_login::azure(environment, choice, &config, &network);
        }
        vault::SCHEME => {
            let place = places.get(&format!("{scheme}://{}", uri.place()));
            let place = place.cloned().unwrap_or_default();
            if let Some(login) =
                cloud_login::vault(environment, choice, (uri.place(), &place), &network)?
            {
                return Ok(login);
            }
        }
        _ => {}
    }
    let source = SOURCES.iter().find(|source| source.scheme == scheme);
    let source = source.ok_or_else(|| invalid(format!("there are no credentials of {scheme}")))?;
    if choice == &CloudChoice::default()
        && let Some(found) = source.in_environment(environment)?
    {
        return Ok(Arc::new(StaticCredentials::new(found)));
    }
    let named = choice.file.clone();
    let named = named.or_else(|| environment.get(source.file_variable?).map(PathBuf::from));
    let usual = || {
        let home = std::env::home_dir()?;
        source.files.iter().map(|file| home.join(file)).find(|file| file.exists())
    };
    let found = match named.or_else(usual) {
        Some(path) => source.in_file(environment, &path, choice.profile.as_deref())?,
        None => None,
    };
    found.ok_or_else(|| source.nothing())
}

impl Source {
    fn in_environment(&self, environment: &Environment) -> Result<Option<Credentials>> {
        match self.variables {
            Variables::Token(name) => {
                environment.secret(name).map(|token| Credentials::bearer(&token)).transpose()
            }
            Variables::AccessKey(names) => access_key(names, &|name| environment.secret(name)),
        }
    }

    fn in_file(
        &self,
        environment: &Environment,
        path: &Path,
        profile: Option<&str>,
    ) -> Result<Option<Arc<dyn CredentialsProvider>>> {
        let Form::Sections { section, section_variable, names, kinds } = &self.form else {
            return Ok(Some(Arc::new(FileToken::new(path))));
        };
        let bytes = read(path)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| invalid(format!("{} is not text in UTF-8", path.display())))?;
        let variable = section_variable.and_then(|name| environment.get(name));
        let named = profile.map(str::to_owned).or(variable);
        let section = named.as_deref().unwrap_or(section);
        let Some(found) = Profile::read(text, "", section) else {
            let detail = format!("there is no section [{section}] in {}", path.display());
            return if named.is_some() { Err(invalid(detail)) } else { Ok(None) };
        };
        if let Some(kind) = found.setting("type")
            && !kinds.is_empty()
            && !kinds.contains(&kind)
        {
            let path = path.display();
            let detail = format!(
                "[{section}] in {path} has credentials of a type that keyfold \
                                  does not take: it takes {}",
                kinds.join(" and ")
            );
            return Err(invalid(detail));
        }
        let part = |name: &str| found.setting(name).map(|text| SecretBytes::from(text.as_bytes()));
        let key = access_key(*names, &part).map_err(|error| {
            invalid(format!("[{section}] in {}: {}", path.display(), error.detail()))
        })?;
        Ok(key.map(|key| Arc::new(StaticCredentials::new(key)) as Arc<dyn CredentialsProvider>))
    }

    /// Says what was looked for.
    fn nothing(&self) -> Error {
        let variables = match self.variables {
            Variables::AccessKey(names) => format!("{} and {}", names.id, names.secret),
            Variables::Token(name) => name.to_owned(),
        };
        let mut detail = format!(
            "there are no credentials for {}: looked for the variables {variables}",
            self.scheme
        );
        let named = self.file_variable.map(|variable| format!("the file that {variable} names"));
        let usual = self.files.iter().map(|file| format!("~/{file}"));
        for place in named.into_iter().chain(usual) {
            detail += ", for ";
            detail += &place;
        }
        Error::new(ErrorCode::KmsDenied, detail)
    }
}

/// # Errors
/// `invalid_argument` for one half of an access key or of an application's credential.
fn access_key(
    names: Names,
    part: &dyn Fn(&str) -> Option<SecretBytes>,
) -> Result<Option<Credentials>> {
    let pair = |id: &str, secret: &str| match (part(id), part(secret)) {
        (None, None) => Ok(None),
        // The id is public: it stands in every request.
        (Some(id), Some(secret)) => {
            Ok(Some((String::from_utf8_lossy(id.expose()).into_owned(), secret)))
        }
        _ => Err(invalid(format!("{id} and {secret} belong together"))),
    };
    let Some((id, secret)) = pair(names.id, names.secret)? else { return Ok(None) };
    let token = names.token.iter().find_map(|name| part(name));
    let key = Credentials::access_key(id, &secret, token.as_ref())?;
    match names.app.map(|[id, secret]| pair(id, secret)).transpose()?.flatten() {
        Some((id, secret)) => key.with_app(id, secret).map(Some),
        None => Ok(Some(key)),
    }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;
    use crate::{HttpOptions, HttpTransport};
    use keyfold::kms::cloud::SCHEMES;

    fn with(variables: &[(&'static str, String)]) -> Environment {
        let variables = variables.to_vec();
        Environment::new(move |wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
        })
    }

    fn of(
        environment: &Environment,
        scheme: &str,
        choice: &CloudChoice,
    ) -> Result<Arc<dyn CredentialsProvider>> {
        let http = HttpTransport::new(&HttpOptions::default()).expect("a transport");
        let uri = format!("{scheme}://place");
        cloud_credentials(environment, &uri, &Places::new(), choice, &http)
    }

    #[test]
    fn every_scheme_has_a_source() {
        for scheme in SCHEMES {
            let by_login = [azure::SCHEME, google::SCHEME].contains(scheme);
            let of_table = SOURCES.iter().any(|source| source.scheme == *scheme);
            assert!(by_login != of_table, "{scheme}");
        }
    }

    #[test]
    fn the_environment_counts_first_and_is_whole() {
        for source in &SOURCES {
            let names: &[&'static str] = match &source.variables {
                Variables::AccessKey(names) => &[names.id, names.secret],
                Variables::Token(name) => &[*name],
            };
            let all: Vec<_> = names.iter().map(|name| (*name, "EXAMPLE".to_owned())).collect();
            let scheme = source.scheme;
            let found = of(&with(&all), scheme, &CloudChoice::default());
            assert!(found.is_ok(), "{scheme}");
            if names.len() > 1 {
                let half = of(&with(&all[..1]), scheme, &CloudChoice::default());
                assert_eq!(half.err().map(|error| error.code()), Some(ErrorCode::InvalidArgument));
            }
            let nothing = source.nothing();
            assert!(names.iter().all(|name| nothing.detail().contains(name)), "{nothing}");
        }
        let unknown = of(&with(&[]), "ftp", &CloudChoice::default());
        assert_eq!(unknown.err().map(|error| error.code()), Some(ErrorCode::InvalidArgument));
    }

    #[test]
    fn a_token_has_several_names() {
        let key = ["TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"];
        let key = key.map(|name| (name, "EXAMPLE".to_owned()));
        for name in ["TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN"] {
            let take = |token: &str| {
                let all = [&key[..], &[(name, token.to_owned())]].concat();
                of(&with(&all), "tencent", &CloudChoice::default())
                    .map(|_| ())
                    .map_err(|e| e.code())
            };
            assert_eq!(take("token"), Ok(()));
            // It is read: one that fits no header is refused.
            assert_eq!(take("to\nken"), Err(ErrorCode::InvalidArgument));
        }
    }

    #[test]
    fn files_are_read_by_section() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        let take = |scheme: &str, profile: Option<&str>, text: &str| {
            std::fs::write(&path, text).expect("written");
            let profile = profile.map(str::to_owned);
            let choice = CloudChoice { file: Some(path.clone()), profile };
            of(&with(&[]), scheme, &choice).map(|_| ()).map_err(|e| e.code())
        };
        let invalid = Err(ErrorCode::InvalidArgument);
        let tencent = "[default]\nsecret_id = AKID\nsecret_key = s\n[work]\nsecret_id = AKID\n";
        assert_eq!(take("tencent", None, tencent), Ok(()));
        assert_eq!(take("tencent", Some("work"), tencent), invalid);
        assert_eq!(take("tencent", Some("other"), tencent), invalid);
        assert_eq!(take("tencent", None, "[work]\n"), Err(ErrorCode::KmsDenied));
        assert_eq!(take("huawei", None, "[basic]\nak = A\nsk = s\nsecurity_token = t\n"), Ok(()));
        let alibaba = |kind: &str| {
            format!("[default]\ntype = {kind}\naccess_key_id = A\naccess_key_secret = s\n")
        };
        assert_eq!(take("alibaba", None, &alibaba("access_key")), Ok(()));
        assert_eq!(take("alibaba", None, &alibaba("ram_role_arn")), invalid);
        let pingan = "[default]\naccess_key_id = A\naccess_key_secret = s\napp_id = APP\n";
        assert_eq!(take("pingan", None, pingan), invalid);
        let pingan = format!("{pingan}app_key = 0123456789abcdef\n");
        assert_eq!(take("pingan", None, &pingan), Ok(()));
        assert_eq!(take("vault", None, "hvs.token\n"), Ok(()));
    }
}
