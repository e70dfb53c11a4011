//! Where the tools of other clouds look for an access key: variables of the environment and
//! files, as texts. The host reads them.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::Credentials;
use super::profile::collect;
use crate::error::{Error, Result};
use crate::keys::SecretBytes;

/// The names under which the parts of a credential stand, the customary one first.
#[derive(Debug)]
struct Names {
    id: &'static [&'static str],
    secret: &'static [&'static str],
    token: &'static [&'static str],
    app_id: &'static [&'static str],
    app_key: &'static [&'static str],
}

/// What a cloud's own tools read.
///
/// ```
/// use keyfold::credentials::Vendor;
///
/// let tencent = Vendor::of("tencent").expect("it is known");
/// assert_eq!(tencent.variables().next(), Some("TENCENTCLOUD_SECRET_ID"));
/// assert_eq!(tencent.file(), Some(".tencentcloud/credentials"));
///
/// let text = "[default]\nsecret_id = AKIDEXAMPLE\nsecret_key = EXAMPLEsecretKEY\n";
/// assert!(tencent.in_file(text, None)?.is_some());
/// let nothing = tencent.in_variables(|_| None)?;
/// assert!(nothing.is_none());
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Debug)]
pub struct Vendor {
    scheme: &'static str,
    variables: Names,
    file: Option<(&'static str, &'static str, Names)>,
}

const NONE: &[&str] = &[];

static VENDORS: [Vendor; 4] = [
    Vendor {
        scheme: "tencent",
        variables: Names {
            id: &["TENCENTCLOUD_SECRET_ID"],
            secret: &["TENCENTCLOUD_SECRET_KEY"],
            token: &["TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN"],
            app_id: NONE,
            app_key: NONE,
        },
        file: Some((
            ".tencentcloud/credentials",
            "default",
            Names {
                id: &["secret_id"],
                secret: &["secret_key"],
                token: &["token"],
                app_id: NONE,
                app_key: NONE,
            },
        )),
    },
    Vendor {
        scheme: "huawei",
        variables: Names {
            id: &["HUAWEICLOUD_SDK_AK"],
            secret: &["HUAWEICLOUD_SDK_SK"],
            token: &["HUAWEICLOUD_SDK_SECURITY_TOKEN"],
            app_id: NONE,
            app_key: NONE,
        },
        file: Some((
            ".huaweicloud/credentials",
            "basic",
            Names {
                id: &["ak"],
                secret: &["sk"],
                token: &["security_token"],
                app_id: NONE,
                app_key: NONE,
            },
        )),
    },
    Vendor {
        scheme: "alibaba",
        variables: Names {
            id: &["ALIBABA_CLOUD_ACCESS_KEY_ID"],
            secret: &["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
            token: &["ALIBABA_CLOUD_SECURITY_TOKEN"],
            app_id: NONE,
            app_key: NONE,
        },
        file: Some((
            ".alibabacloud/credentials.ini",
            "default",
            Names {
                id: &["access_key_id"],
                secret: &["access_key_secret"],
                token: &["security_token"],
                app_id: NONE,
                app_key: NONE,
            },
        )),
    },
    // The vendor has no customary names: these are keyfold's.
    Vendor {
        scheme: "pingan",
        variables: Names {
            id: &["PINGAN_ACCESS_KEY_ID"],
            secret: &["PINGAN_ACCESS_KEY_SECRET"],
            token: NONE,
            app_id: &["PINGAN_APP_ID"],
            app_key: &["PINGAN_APP_KEY"],
        },
        file: None,
    },
];

impl Vendor {
    /// The vendor whose keys have this scheme, where one is known.
    pub fn of(scheme: &str) -> Option<&'static Vendor> {
        VENDORS.iter().find(|vendor| vendor.scheme == scheme)
    }

    /// The variables that [`in_variables`](Vendor::in_variables) asks for.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        let Names { id, secret, token, app_id, app_key } = self.variables;
        [id, secret, token, app_id, app_key].into_iter().flatten().copied()
    }

    /// The file with credentials, under the home folder.
    pub fn file(&self) -> Option<&'static str> {
        self.file.as_ref().map(|(path, ..)| *path)
    }

    /// The credentials in variables, which `get` gives; `None` where there are none.
    ///
    /// # Errors
    /// `invalid_argument` for one half of a credential, or one of another form.
    pub fn in_variables(
        &self,
        get: impl Fn(&str) -> Option<Zeroizing<String>>,
    ) -> Result<Option<Credentials>> {
        self.variables.read(get)
    }

    /// The credentials of a profile in the text of the file; `None` where there are none.
    ///
    /// # Errors
    /// `invalid_argument` for one half of a credential, or one of another form.
    pub fn in_file(&self, text: &str, profile: Option<&str>) -> Result<Option<Credentials>> {
        let Some((_, default, names)) = &self.file else { return Ok(None) };
        let mut settings = BTreeMap::new();
        let section = profile.unwrap_or(default);
        collect(text, &mut settings, |name| name == section);
        names.read(|name| settings.get(name).cloned())
    }
}

impl Names {
    fn read(&self, get: impl Fn(&str) -> Option<Zeroizing<String>>) -> Result<Option<Credentials>> {
        let part = |names: &[&str]| {
            let found = names.iter().find_map(|name| get(name).filter(|value| !value.is_empty()));
            found.map(|value| SecretBytes::from(value.as_bytes()))
        };
        let text = |names: &[&str]| {
            names.iter().find_map(|name| get(name).filter(|value| !value.is_empty()))
        };
        let half = || Error::invalid("there is one half of an access key");
        let credentials = match (text(self.id), part(self.secret)) {
            (None, None) => return Ok(None),
            (Some(id), Some(secret)) => {
                Credentials::access_key(id.as_str(), &secret, part(self.token).as_ref())?
            }
            _ => return Err(half()),
        };
        match (text(self.app_id), part(self.app_key)) {
            (None, None) => Ok(Some(credentials)),
            (Some(id), Some(key)) => credentials.with_app(id.as_str(), key).map(Some),
            _ => Err(Error::invalid("there is one half of the credential of an application")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Kind;

    fn id(found: Result<Option<Credentials>>) -> Option<String> {
        match found.expect("a credential")?.kind {
            Kind::AccessKey(key) => {
                let token = key.session_token.as_ref().map_or("-", |token| token.as_str());
                Some(format!("{} {token}", key.id))
            }
            _ => None,
        }
    }

    #[test]
    fn variables_and_files_of_every_vendor_are_read() {
        for vendor in &VENDORS {
            let names: Vec<&str> = vendor.variables().collect();
            let all = |name: &str| {
                let value = if name == "PINGAN_APP_KEY" { "0123456789abcdef" } else { "value" };
                names.contains(&name).then(|| Zeroizing::new(value.to_owned()))
            };
            let token = if vendor.scheme == "pingan" { "-" } else { "value" };
            assert_eq!(id(vendor.in_variables(all)), Some(format!("value {token}")));
            assert_eq!(id(vendor.in_variables(|_| None)), None);
            let empty = |_: &str| Some(Zeroizing::new(String::new()));
            assert_eq!(id(vendor.in_variables(empty)), None);
            let half = |name: &str| (name == names[0]).then(|| Zeroizing::new("v".to_owned()));
            assert!(vendor.in_variables(half).is_err());
        }
        let huawei = Vendor::of("huawei").expect("known");
        let text = "[basic]\nak = A\nsk = S\nsecurity_token = T\n[other]\nak = B\nsk = S\n";
        assert_eq!(id(huawei.in_file(text, None)).as_deref(), Some("A T"));
        assert_eq!(id(huawei.in_file(text, Some("other"))).as_deref(), Some("B -"));
        assert_eq!(id(huawei.in_file(text, Some("absent"))), None);
        assert!(huawei.in_file("[basic]\nak = A\n", None).is_err());
        let pingan = Vendor::of("pingan").expect("known");
        assert_eq!(id(pingan.in_file(text, None)), None);
        assert!(Vendor::of("aws").is_none());
    }
}
