//! The files of the AWS tools, `~/.aws/credentials` and `~/.aws/config`, as texts.
//!
//! No parser of INI files reads them as the AWS tools do: sections are called `profile NAME` in
//! one file and `NAME` in the other, and settings may have settings of their own below them.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::Credentials;
use crate::error::{Error, Result};
use crate::keys::SecretBytes;

/// A role to take with a token of another issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentityRole {
    /// The role's ARN.
    pub role: String,
    /// The file with the token.
    pub token_file: String,
    /// The name of the session, where one is given.
    pub session: Option<String>,
}

/// What the files say about one profile.
///
/// ```
/// use keyfold::credentials::Profile;
///
/// let credentials = "[work]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalrXUt\n";
/// let config = "[profile work]\nregion = eu-west-1\n";
/// let profile = Profile::read(credentials, config, "work").expect("it is there");
/// assert_eq!(profile.region(), Some("eu-west-1"));
/// assert!(profile.credentials()?.is_some());
/// assert!(Profile::read(credentials, config, "home").is_none());
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct Profile(BTreeMap<String, Zeroizing<String>>);

impl Profile {
    /// Finds a profile in the texts of both files; what the credentials file says counts more.
    /// What is no setting is passed over, as the AWS tools do.
    pub fn read(credentials: &str, config: &str, name: &str) -> Option<Profile> {
        let mut settings = BTreeMap::new();
        let in_config = collect(config, &mut settings, |section| {
            match section.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t'])) {
                Some(rest) => unquoted(rest.trim()) == name,
                // Only the default profile goes without that word.
                None => name == "default" && section == name,
            }
        });
        let in_credentials = collect(credentials, &mut settings, |section| section == name);
        (in_config || in_credentials).then_some(Profile(settings))
    }

    /// A setting by its name in lowercase, where it is there and not empty. It may be a secret.
    ///
    /// Other vendors' tools keep their access keys in files of this form under other names.
    ///
    /// ```
    /// use keyfold::credentials::Profile;
    ///
    /// let profile = Profile::read("[default]\nsecret_id = AKIDEXAMPLE\n", "", "default");
    /// assert_eq!(profile.expect("it is there").setting("secret_id"), Some("AKIDEXAMPLE"));
    /// ```
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The region, where one is given.
    pub fn region(&self) -> Option<&str> {
        self.setting("region")
    }

    /// The access key, where the profile has one.
    ///
    /// # Errors
    /// `invalid_argument` where one of its parts is missing or of another form.
    pub fn credentials(&self) -> Result<Option<Credentials>> {
        match (self.setting("aws_access_key_id"), self.setting("aws_secret_access_key")) {
            (None, None) => Ok(None),
            (Some(id), Some(secret)) => {
                let token = self
                    .setting("aws_session_token")
                    .or_else(|| self.setting("aws_security_token"));
                let token = token.map(|token| SecretBytes::from(token.as_bytes()));
                let secret = SecretBytes::from(secret.as_bytes());
                Credentials::access_key(id, &secret, token.as_ref()).map(Some)
            }
            _ => Err(Error::invalid("the profile has one half of an access key")),
        }
    }

    /// The role that it takes by web identity, where it does.
    ///
    /// # Errors
    /// `invalid_argument` where it takes its credentials in a way that keyfold does not know.
    pub fn web_identity(&self) -> Result<Option<WebIdentityRole>> {
        let foreign = ["source_profile", "credential_source", "credential_process", "sso_session"];
        if let (Some(role), Some(file)) =
            (self.setting("role_arn"), self.setting("web_identity_token_file"))
        {
            return Ok(Some(WebIdentityRole {
                role: role.to_owned(),
                token_file: file.to_owned(),
                session: self.setting("role_session_name").map(str::to_owned),
            }));
        }
        match foreign.iter().find(|name| self.setting(name).is_some()) {
            Some(name) if self.setting("aws_access_key_id").is_none() => {
                Err(Error::invalid(format!("keyfold takes no credentials by {name} of a profile")))
            }
            _ => Ok(None),
        }
    }
}

/// Takes the settings of the sections that fit, and tells whether there is one.
fn collect(
    text: &str,
    settings: &mut BTreeMap<String, Zeroizing<String>>,
    mut fits: impl FnMut(&str) -> bool,
) -> bool {
    let (mut found, mut inside) = (false, false);
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
        if line.starts_with(['#', ';']) || line.trim().is_empty() {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            inside = section.split_once(']').is_some_and(|(name, _)| fits(name.trim()));
            found |= inside;
            continue;
        }
        // What is indented belongs to the setting above it.
        if !inside || line.starts_with([' ', '\t']) {
            continue;
        }
        if let Some((name, value)) = line.split_once('=') {
            let value = uncommented(value).trim();
            settings.insert(name.trim().to_ascii_lowercase(), Zeroizing::new(value.to_owned()));
        }
    }
    found
}

/// A comment within a line starts after a blank.
fn uncommented(value: &str) -> &str {
    let start = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| value.find(mark)).min();
    start.map_or(value, |at| &value[..at])
}

fn unquoted(name: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| name.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "\u{feff}# people\n[default]\naws_access_key_id=AKIDDEFAULT\n\
        aws_secret_access_key = a=b/c+d== # not the secret\n\n[ work ]\r\n\
        AWS_ACCESS_KEY_ID = AKIDWORK\r\naws_secret_access_key=s\r\naws_session_token = t\r\n\
        [half]\naws_access_key_id = AKIDHALF\n[empty]\n";
    const CONFIG: &str = "[default]\nregion = us-west-2\ns3 =\n  aws_access_key_id = AKIDNESTED\n\
        [profile work]\nregion = eu-west-1\n[profile \"two words\"]\nrole_arn = arn:aws:iam::1:role/r\n\
        web_identity_token_file = /token\n[profile sso]\nsso_session = x\n[work]\nregion = no\n\
        [broken\nregion = no\n";

    fn read(name: &str) -> Option<Profile> {
        Profile::read(CREDENTIALS, CONFIG, name)
    }

    #[test]
    fn both_files_are_read_as_the_aws_tools_do() {
        let default = read("default").expect("a profile");
        assert_eq!(default.region(), Some("us-west-2"));
        assert_eq!(default.setting("aws_access_key_id"), Some("AKIDDEFAULT"));
        assert_eq!(default.setting("aws_secret_access_key"), Some("a=b/c+d=="));
        assert!(default.credentials().expect("credentials").is_some());
        assert_eq!(default.web_identity(), Ok(None));

        let work = read("work").expect("a profile");
        assert_eq!(
            (work.region(), work.setting("aws_session_token")),
            (Some("eu-west-1"), Some("t"))
        );
        assert_eq!(work.setting("aws_access_key_id"), Some("AKIDWORK"));

        let role = read("two words").expect("a profile").web_identity().expect("a role");
        assert_eq!(role.expect("a role").token_file, "/token");
        assert!(read("sso").expect("a profile").web_identity().is_err());
        assert!(read("half").expect("a profile").credentials().is_err());
        let empty = read("empty").expect("a profile");
        assert!(empty.credentials().expect("nothing wrong").is_none());
        assert!(read("nobody").is_none() && read("profile work").is_none());
    }

    #[test]
    fn any_text_is_read_without_a_panic() {
        for text in ["", "[", "[]", "=", "[a]\n=", "[a]\n=b", "[a]\n\u{0}", "]", "[profile", "[\n]"]
        {
            for name in ["", "a", "default"] {
                let _ = Profile::read(text, text, name);
            }
        }
    }
}
