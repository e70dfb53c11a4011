//! Where places are that configuration names: private clouds, other sites of a vendor, dialects.

use std::collections::BTreeMap;

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
