//! The configuration, `config.toml` of the home folder: profiles, which say which KMS there are;
//! places of clouds; and names for keys.
//!
//! ```toml
//! default = "work"
//!
//! [profiles.work]
//! kms = "tencent://ap-guangzhou"
//!
//! [places."tencent://office"]
//! region = "ap-guangzhou"
//! keys = "https://kms.office.example.com"
//!
//! [keys]
//! docs = ["tencent://ap-guangzhou/23e80852-1e38", "keyfold:alias/docs"]
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use keyfold::kms::cloud::{self, Places};
use keyfold_transport::{CloudChoice, Environment, complete_place};
use serde::Deserialize;

use crate::fault::{self, Result};
use crate::home::Home;
use crate::input::Input;
use crate::names::{self, KeyName};

/// The longest configuration file, in bytes.
const MAX_FILE: usize = 1 << 20;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    /// The profile that counts where none is named.
    default: Option<String>,
    profiles: BTreeMap<String, Profile>,
    /// By `SCHEME://PLACE`.
    places: BTreeMap<String, Place>,
    keys: BTreeMap<String, Names>,
}

/// Where a place of a cloud is.
#[derive(Deserialize)]
struct Place {
    region: Option<String>,
    keys: Option<String>,
    secrets: Option<String>,
    /// The provider knows them, and refuses others.
    #[serde(flatten)]
    settings: BTreeMap<String, String>,
}

/// One key, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

/// What the configuration says, with the profile that counts.
#[derive(Default)]
pub(crate) struct Configuration {
    pub(crate) profile: Profile,
    pub(crate) places: Places,
    /// Keys by the names that they have here.
    pub(crate) keys: BTreeMap<String, Vec<KeyName>>,
}

/// How to reach one KMS.
#[expect(clippy::struct_field_names, reason = "the AWS tools call it a profile too")]
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Profile {
    /// Its URI, as after `--kms`.
    pub(crate) kms: Option<String>,
    /// A file with a bearer token, read anew for each request.
    pub(crate) token_file: Option<PathBuf>,
    /// Certificate authorities in PEM, beside those of the platform.
    pub(crate) ca_file: Option<PathBuf>,
    /// Our certificate and its private key in PEM.
    pub(crate) client_certificate_file: Option<PathBuf>,
    /// The region that requests are signed for.
    pub(crate) region: Option<String>,
    /// The profile of the AWS tools whose credentials count.
    pub(crate) aws_profile: Option<String>,
    /// At other clouds: the file with credentials, instead of the vendor's own.
    pub(crate) credentials_file: Option<PathBuf>,
    /// At other clouds: the section of that file.
    pub(crate) credentials_profile: Option<String>,
    /// At keyfold's server: clouds, `SCHEME://PLACE`, whose keys are asked for through it.
    pub(crate) relay: Vec<String>,
    /// At keyfold's server: whether such clouds seal data keys to this command, so that the server
    /// does not see them.
    pub(crate) seal: bool,
    /// At AWS: the endpoints for FIPS 140.
    pub(crate) fips: bool,
    /// At AWS: the endpoints that have IPv6 too.
    pub(crate) dual_stack: bool,
}

impl Profile {
    /// Which credentials of a cloud it chooses.
    pub(crate) fn choice(&self) -> CloudChoice {
        let (file, profile) = (self.credentials_file.clone(), self.credentials_profile.clone());
        CloudChoice { file, profile }
    }
}

impl Configuration {
    /// Reads it, with the profile of this name, or the default one where `use_default` says so, or
    /// an empty one.
    ///
    /// # Errors
    /// `invalid_argument` where there is no such profile, or the file is of another form.
    pub(crate) fn read(home: &Home, name: Option<&str>, use_default: bool) -> Result<Self> {
        let Ok(folder) = home.folder() else { return Ok(Configuration::default()) };
        let path = folder.path().join("config.toml");
        let wrong = |what: String| fault::invalid(format!("{}: {what}", path.display()));
        let file = if path.exists() {
            let bytes = Input::open(&path)?.read_all(MAX_FILE, "a configuration file")?;
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| fault::invalid(format!("{} is not text in UTF-8", path.display())))?;
            toml::from_str(text).map_err(|error| {
                // The first line says what is wrong; the others show the file.
                wrong(error.message().lines().next().unwrap_or_default().to_owned())
            })?
        } else {
            File::default()
        };
        let default = file.default.as_deref().filter(|_| use_default);
        let mut profile = match name.or(default) {
            None => Profile::default(),
            Some(name) => file.profiles.get(name).cloned().ok_or_else(|| {
                fault::invalid(format!("there is no profile {name} in {}", path.display()))
            })?,
        };
        for file in [
            &mut profile.token_file,
            &mut profile.ca_file,
            &mut profile.client_certificate_file,
            &mut profile.credentials_file,
        ] {
            // Relative ones count from the folder of the file.
            *file = file.take().map(|file| folder.path().join(file));
        }
        let places = places(file.places).map_err(|error| wrong(error.detail().to_owned()))?;
        let keys = file.keys.into_iter().map(|(name, keys)| {
            let keys = match keys {
                Names::One(key) => vec![key],
                Names::Several(keys) => keys,
            };
            let keys: Result<Vec<KeyName>, _> = keys.iter().map(|key| names::key(key)).collect();
            match keys {
                Ok(keys) if !keys.is_empty() && names::is_short(&name) => Ok((name, keys)),
                Err(what) => Err(wrong(format!("keys.{name}: {what}"))),
                Ok(_) => Err(wrong(format!(
                    "keys.{name}: a name of letters, digits, - and _ stands for one key or more"
                ))),
            }
        });
        Ok(Configuration { profile, places, keys: keys.collect::<Result<_>>()? })
    }
}

impl Configuration {
    /// The places, with what the environment says of this one.
    pub(crate) fn places_with(&self, uri: &str) -> Places {
        let mut places = self.places.clone();
        complete_place(&Environment::of_process(), uri, &mut places);
        places
    }
}

/// Checks the names of places; what they say is checked by the provider when it is needed.
fn places(places: BTreeMap<String, Place>) -> Result<Places> {
    let place = |(uri, Place { region, keys, secrets, settings })| {
        (uri, cloud::Place { region, keys, secrets, settings })
    };
    let places: Places = places.into_iter().map(place).collect();
    cloud::check_places(&places).map_err(|error| {
        let detail = error.detail();
        fault::invalid(format!("{detail}; keyfold provider list names the schemes"))
    })?;
    Ok(places)
}
