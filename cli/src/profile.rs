//! Profiles: which KMS there are, in `config.toml` of the home folder.
//!
//! ```toml
//! default = "work"
//!
//! [profiles.work]
//! kms = "keyfold://kms.example.com"
//! token_file = "token"
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::fault::{self, Result};
use crate::home::Home;
use crate::input::Input;

/// The longest configuration file, in bytes.
const MAX_FILE: usize = 1 << 20;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    /// The profile that counts where none is named.
    default: Option<String>,
    profiles: BTreeMap<String, Profile>,
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
    /// At AWS: the endpoints for FIPS 140.
    pub(crate) fips: bool,
    /// At AWS: the endpoints that have IPv6 too.
    pub(crate) dual_stack: bool,
}

impl Profile {
    /// The profile of this name, or the default one where `use_default` says so, or an empty one.
    ///
    /// # Errors
    /// `invalid_argument` where there is no such profile, or the file is of another form.
    pub(crate) fn read(home: &Home, name: Option<&str>, use_default: bool) -> Result<Self> {
        let Ok(folder) = home.folder() else { return Ok(Profile::default()) };
        let path = folder.path().join("config.toml");
        let file = if path.exists() {
            let bytes = Input::open(&path)?.read_all(MAX_FILE, "a configuration file")?;
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| fault::invalid(format!("{} is not text in UTF-8", path.display())))?;
            toml::from_str(text).map_err(|error| {
                // The first line says what is wrong; the others show the file.
                let what = error.message().lines().next().unwrap_or_default().to_owned();
                fault::invalid(format!("{}: {what}", path.display()))
            })?
        } else {
            File::default()
        };
        let default = file.default.as_deref().filter(|_| use_default);
        let Some(name) = name.or(default) else { return Ok(Profile::default()) };
        let Some(found) = file.profiles.get(name) else {
            let detail = format!("there is no profile {name} in {}", path.display());
            return Err(fault::invalid(detail));
        };
        let mut found = found.clone();
        for path in [&mut found.token_file, &mut found.ca_file, &mut found.client_certificate_file]
        {
            // Relative ones count from the folder of the file.
            *path = path.take().map(|path| folder.path().join(path));
        }
        Ok(found)
    }
}
