//! Credentials of the clouds, from where their vendors' own tools take them: a table.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyfold::credentials::{Credentials, CredentialsProvider, Profile, StaticCredentials};
use keyfold::kms::cloud::Places;
use keyfold::{Error, ErrorCode, Result, SecretBytes};

use crate::credentials::{Environment, FileToken, invalid, read};

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
    /// The file, in the user's home.
    file: &'static [&'static str],
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

/// What the environment may hold.
enum Variables {
    /// The parts of an access key: id, secret, and the token of one that is temporary.
    AccessKey([&'static str; 3]),
    Token(&'static str),
}

/// What a file holds.
enum Form {
    /// Sections with settings.
    Sections {
        /// The section that counts, and the variable that names another.
        section: &'static str,
        section_variable: Option<&'static str>,
        /// The parts of an access key, as above.
        names: [&'static str; 3],
        /// The values of the setting `type` that say that there is an access key.
        kinds: &'static [&'static str],
    },
    /// A token and nothing else.
    Token,
}

const SOURCES: [Source; 4] = [
    Source {
        scheme: "tencent",
        variables: Variables::AccessKey([
            "TENCENTCLOUD_SECRET_ID",
            "TENCENTCLOUD_SECRET_KEY",
            "TENCENTCLOUD_TOKEN",
        ]),
        file_variable: None,
        file: &[".tencentcloud", "credentials"],
        form: Form::Sections {
            section: "default",
            section_variable: None,
            names: ["secret_id", "secret_key", "token"],
            kinds: &[],
        },
        place: &[],
    },
    Source {
        scheme: "huawei",
        variables: Variables::AccessKey([
            "HUAWEICLOUD_SDK_AK",
            "HUAWEICLOUD_SDK_SK",
            "HUAWEICLOUD_SDK_SECURITY_TOKEN",
        ]),
        file_variable: Some("HUAWEICLOUD_SDK_CREDENTIALS_FILE"),
        file: &[".huaweicloud", "credentials"],
        form: Form::Sections {
            section: "basic",
            section_variable: None,
            names: ["ak", "sk", "security_token"],
            kinds: &[],
        },
        place: &[(Part::Setting("project"), "HUAWEICLOUD_SDK_PROJECT_ID")],
    },
    Source {
        scheme: "alibaba",
        variables: Variables::AccessKey([
            "ALIBABA_CLOUD_ACCESS_KEY_ID",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
            "ALIBABA_CLOUD_SECURITY_TOKEN",
        ]),
        file_variable: Some("ALIBABA_CLOUD_CREDENTIALS_FILE"),
        file: &[".alibabacloud", "credentials"],
        form: Form::Sections {
            section: "default",
            section_variable: Some("ALIBABA_CLOUD_PROFILE"),
            names: ["access_key_id", "access_key_secret", "security_token"],
            // Another kind would act as somebody else than the file means.
            kinds: &["access_key", "sts"],
        },
        place: &[],
    },
    Source {
        scheme: "vault",
        variables: Variables::Token("VAULT_TOKEN"),
        file_variable: None,
        file: &[".vault-token"],
        form: Form::Token,
        place: &[(Part::Address, "VAULT_ADDR")],
    },
];

/// Adds to the place of a KMS, by its URI, what the configuration does not say and the vendor's
/// own variables do: the project at Huawei, the address of Vault.
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

/// Credentials for the cloud of a scheme: from the environment, else from the vendor's own file.
/// docs/providers.md names variables and files.
///
/// ```
/// use keyfold_transport::{CloudChoice, Environment, cloud_credentials};
///
/// let none = Environment::new(|_| None);
/// let choice = CloudChoice { file: Some("none".into()), profile: None };
/// let error = cloud_credentials(&none, "tencent", &choice).err().expect("there is no such file");
/// assert_eq!(error.code(), keyfold::ErrorCode::Io);
/// ```
///
/// # Errors
/// `kms_denied` where there are none, with what was looked for; `invalid_argument` for half an
/// access key, a section that is not there, values of another form, and a scheme that is no
/// cloud's; `io` where a file that is named cannot be read.
pub fn cloud_credentials(
    environment: &Environment,
    scheme: &str,
    choice: &CloudChoice,
) -> Result<Arc<dyn CredentialsProvider>> {
    let source = SOURCES.iter().find(|source| source.scheme == scheme);
    let source = source.ok_or_else(|| invalid(format!("there are no credentials of {scheme}")))?;
    if choice == &CloudChoice::default()
        && let Some(found) = source.in_environment(environment)?
    {
        return Ok(Arc::new(StaticCredentials::new(found)));
    }
    let named = choice.file.clone();
    let named = named.or_else(|| environment.get(source.file_variable?).map(PathBuf::from));
    let usual = || std::env::home_dir().map(|home| home.join(source.file.join("/")));
    let path = match (named, usual()) {
        (Some(named), _) => Some(named),
        (None, Some(usual)) if usual.exists() => Some(usual),
        _ => None,
    };
    let found = match path {
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
            Variables::AccessKey(names) => {
                let [id, secret, token] = names.map(|name| environment.secret(name));
                access_key(names, id.as_ref(), secret.as_ref(), token.as_ref())
            }
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
        let [id, secret, token] = names.map(part);
        let key = access_key(*names, id.as_ref(), secret.as_ref(), token.as_ref());
        let key = key.map_err(|error| {
            invalid(format!("[{section}] in {}: {}", path.display(), error.detail()))
        })?;
        Ok(key.map(|key| Arc::new(StaticCredentials::new(key)) as Arc<dyn CredentialsProvider>))
    }

    /// Says what was looked for.
    fn nothing(&self) -> Error {
        let variables = match self.variables {
            Variables::AccessKey([id, secret, _]) => format!("{id} and {secret}"),
            Variables::Token(name) => name.to_owned(),
        };
        let file = self.file.join("/");
        let named = match self.file_variable {
            Some(variable) => format!("the file that {variable} names, or ~/{file}"),
            None => format!("~/{file}"),
        };
        let detail = format!(
            "there are no credentials for {}: looked for the variables {variables}, and for {named}",
            self.scheme
        );
        Error::new(ErrorCode::KmsDenied, detail)
    }
}

/// # Errors
/// `invalid_argument` for one half of an access key.
fn access_key(
    names: [&str; 3],
    id: Option<&SecretBytes>,
    secret: Option<&SecretBytes>,
    token: Option<&SecretBytes>,
) -> Result<Option<Credentials>> {
    match (id, secret) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => {
            // The id is public: it stands in every request.
            let id = String::from_utf8_lossy(id.expose());
            Credentials::access_key(id, secret, token).map(Some)
        }
        _ => Err(invalid(format!("{} and {} belong together", names[0], names[1]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyfold::kms::cloud::SCHEMES;

    fn with(variables: &[(&'static str, String)]) -> Environment {
        let variables = variables.to_vec();
        Environment::new(move |wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn every_scheme_has_a_source() {
        for scheme in SCHEMES {
            assert!(SOURCES.iter().any(|source| source.scheme == *scheme), "{scheme}");
        }
    }

    #[test]
    fn the_environment_counts_first_and_is_whole() {
        for source in &SOURCES {
            let names: &[&'static str] = match &source.variables {
                Variables::AccessKey([id, secret, _]) => &[*id, *secret],
                Variables::Token(name) => &[*name],
            };
            let all: Vec<_> = names.iter().map(|name| (*name, "EXAMPLE".to_owned())).collect();
            let scheme = source.scheme;
            let found = cloud_credentials(&with(&all), scheme, &CloudChoice::default());
            assert!(found.is_ok(), "{scheme}");
            if names.len() > 1 {
                let half = cloud_credentials(&with(&all[..1]), scheme, &CloudChoice::default());
                assert_eq!(half.err().map(|error| error.code()), Some(ErrorCode::InvalidArgument));
            }
            let nothing = source.nothing();
            assert!(names.iter().all(|name| nothing.detail().contains(name)), "{nothing}");
        }
        let unknown = cloud_credentials(&with(&[]), "ftp", &CloudChoice::default());
        assert_eq!(unknown.err().map(|error| error.code()), Some(ErrorCode::InvalidArgument));
    }

    #[test]
    fn files_are_read_by_section() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        let take = |scheme: &str, profile: Option<&str>, text: &str| {
            std::fs::write(&path, text).expect("written");
            let profile = profile.map(str::to_owned);
            let choice = CloudChoice { file: Some(path.clone()), profile };
            cloud_credentials(&with(&[]), scheme, &choice).map(|_| ()).map_err(|e| e.code())
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
        assert_eq!(take("vault", None, "hvs.token\n"), Ok(()));
    }
}
