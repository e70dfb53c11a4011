//! The clouds' own KMS: reached here where this build has them, and told about everywhere.
//!
//! Nothing but this module and what it is made of knows whether it has them. What it lacks is a
//! KMS that cannot be made; all that would be done with it then falls away.

use std::collections::HashMap;

use keyfold::kms::cloud::{self, Capability, ContextForm, SCHEMES, Support};

#[cfg(not(feature = "clouds"))]
mod absent;
#[cfg(feature = "clouds")]
mod present;

#[cfg(not(feature = "clouds"))]
pub(crate) use absent::{Cloud, connect, login};
#[cfg(feature = "clouds")]
pub(crate) use present::{Cloud, connect, login};

/// Whether a URL names a KMS of a cloud.
pub(crate) fn is_cloud(url: &str) -> bool {
    scheme(url).is_some_and(|scheme| SCHEMES.contains(&scheme))
}

fn scheme(url: &str) -> Option<&str> {
    url.split_once("://").map(|(scheme, _)| scheme)
}

/// How a service offers something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Offer {
    /// The service has it.
    Native,
    /// keyfold makes it of what the service has.
    Composed,
    /// Not at all: it is refused, and nothing is sent.
    Absent,
}

/// How a service binds the encryption context, beside the envelope, which binds it in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ContextBinding {
    /// As pairs of text.
    Pairs,
    /// As one text; what is longer goes as its digest.
    Text {
        /// The most bytes.
        max: u64,
    },
    /// As bytes, whole.
    Bytes,
    /// Not at all.
    Never,
}

/// What a cloud's KMS and password safe can, and within which limits.
#[derive(Clone, Debug, uniffi::Record)]
pub struct CloudCapabilities {
    /// The scheme of its URIs.
    pub scheme: String,
    /// The service's name, for people.
    pub title: String,
    /// Every operation there is at any cloud, such as `generate data key`.
    pub operations: HashMap<String, Offer>,
    /// How the context is bound.
    pub context: ContextBinding,
    /// The longest small plaintext, in bytes.
    pub max_plaintext: u64,
    /// The longest value of a secret, in bytes; 0 where there is no safe.
    pub max_secret: u64,
    /// The shortest waiting period before a key is gone, in days.
    pub min_deletion_days: u32,
    /// The longest.
    pub max_deletion_days: u32,
    /// Whether a key can be asked for by its alias.
    pub alias_is_name: bool,
    /// Calls for one new envelope without a data-key cache.
    pub seal_calls: u32,
    /// Calls for opening one.
    pub open_calls: u32,
}

impl From<&cloud::Capabilities> for CloudCapabilities {
    fn from(of: &cloud::Capabilities) -> Self {
        let offer = |capability: &Capability| match of.support(*capability) {
            Support::Native => Offer::Native,
            Support::Composed => Offer::Composed,
            Support::Absent => Offer::Absent,
        };
        let name = |capability: &Capability| capability.as_str().to_owned();
        CloudCapabilities {
            scheme: of.scheme.to_owned(),
            title: of.title.to_owned(),
            operations: Capability::ALL.iter().map(|each| (name(each), offer(each))).collect(),
            context: match of.context {
                ContextForm::Map => ContextBinding::Pairs,
                ContextForm::Text { max } => ContextBinding::Text { max: max as u64 },
                ContextForm::Bytes => ContextBinding::Bytes,
                ContextForm::Never => ContextBinding::Never,
            },
            max_plaintext: of.max_plaintext as u64,
            max_secret: of.max_secret as u64,
            min_deletion_days: of.key_deletion_days.0,
            max_deletion_days: of.key_deletion_days.1,
            alias_is_name: of.alias_is_a_name,
            seal_calls: of.calls.0,
            open_calls: of.calls.1,
        }
    }
}

/// The schemes of all clouds, such as `tencent`.
#[uniffi::export]
pub fn cloud_schemes() -> Vec<String> {
    SCHEMES.iter().map(|&scheme| scheme.to_owned()).collect()
}

/// What the cloud of a scheme can, before anything of it is configured; nothing for a scheme that
/// is no cloud's.
#[uniffi::export]
pub fn cloud_capabilities(scheme: &str) -> Option<CloudCapabilities> {
    cloud::capabilities(scheme).map(CloudCapabilities::from)
}
