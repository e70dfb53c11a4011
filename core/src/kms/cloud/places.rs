//! Where places are that configuration names: private clouds, other sites of a vendor, dialects.

use std::collections::BTreeMap;

use super::{CloudUri, SCHEMES};
use crate::error::{Error, Result};

/// What configuration says about a place; everything has a default.
///
/// Only this says where requests go. A key URI names a place, and a place that is not configured
/// is the vendor's region of that name.
///
/// ```
/// use keyfold::kms::cloud::{Place, Places};
///
/// let mut places = Places::new();
/// places.insert("tencent://private".into(), Place {
///     region: Some("ap-guangzhou".into()),
///     keys: Some("https://kms.cloud.example.com".into()),
///     ..Place::default()
/// });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The region that requests name, where it is not the place's own name.
    pub region: Option<String>,
    /// The address of the KMS: `https://HOST[:PORT]`, or `http` for this machine.
    pub keys: Option<String>,
    /// The address of the password safe.
    pub secrets: Option<String>,
    /// What else the provider's configuration has, by name; each provider's page in
    /// docs/providers lists its settings.
    pub settings: BTreeMap<String, String>,
}

impl FromIterator<(String, String)> for Place {
    /// A place out of one table of words, as configurations have them: `region`, `keys`, `secrets`,
    /// and everything else a setting.
    ///
    /// ```
    /// use keyfold::kms::cloud::Place;
    ///
    /// let table = [("region", "cn-north-4"), ("project", "0123456789abcdef")];
    /// let place: Place = table.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    /// assert_eq!(place.region.as_deref(), Some("cn-north-4"));
    /// assert_eq!(place.settings["project"], "0123456789abcdef");
    /// ```
    fn from_iter<I: IntoIterator<Item = (String, String)>>(table: I) -> Self {
        let mut place = Place::default();
        for (name, value) in table {
            match name.as_str() {
                "region" => place.region = Some(value),
                "keys" => place.keys = Some(value),
                "secrets" => place.secrets = Some(value),
                _ => _ = place.settings.insert(name, value),
            }
        }
        place
    }
}

/// Checks what places are called: one under a name that no KMS has would change nothing. What they
/// say is checked by the provider when it is needed.
///
/// ```
/// use keyfold::kms::cloud::{Place, check_places};
///
/// assert!(check_places(&[("tencent://office".into(), Place::default())].into()).is_ok());
/// assert!(check_places(&[("tencent:office".into(), Place::default())].into()).is_err());
/// ```
///
/// # Errors
/// `invalid_argument` for a name that is not `SCHEME://PLACE` of a cloud.
pub fn check_places(places: &Places) -> Result<()> {
    let known = |name: &String| {
        let uri = CloudUri::parse(name).ok();
        uri.is_some_and(|uri| uri.name().is_none() && SCHEMES.contains(&uri.scheme()))
    };
    match places.keys().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => {
            let detail = format!("the place {name} has not the form SCHEME://PLACE of a cloud");
            Err(Error::invalid(detail))
        }
    }
}

impl Place {
    /// # Errors
    /// `invalid_argument` for a setting that the provider does not have: a misspelt one would
    /// otherwise change nothing.
    pub(crate) fn check_settings(&self, known: &[&str]) -> Result<()> {
        match self.settings.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Error::invalid(format!("a place of this provider has no {name}"))),
        }
    }

    /// A setting that is one of a few words; the first of them where it is absent.
    pub(crate) fn choice<V: Copy>(&self, name: &str, values: &[(&str, V)]) -> Result<V> {
        let Some(given) = self.settings.get(name) else { return Ok(values[0].1) };
        let found = values.iter().find(|(word, _)| word == given).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let words: Vec<&str> = values.iter().map(|(word, _)| *word).collect();
            Error::invalid(format!("{name} is one of {}", words.join(", ")))
        })
    }
}

/// Places by their KMS's URI, `SCHEME://PLACE`.
pub type Places = BTreeMap<String, Place>;
