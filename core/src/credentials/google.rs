//! Who calls Google: a service account by its key, a workload by the token of another issuer, a
//! machine by its metadata service. All of them end in a bearer token; put them behind
//! [`CachedCredentials`](super::CachedCredentials).

mod external_account;
mod metadata;
mod service_account;

pub use external_account::{GoogleExternalAccount, GoogleFederatedCredentials};
pub use metadata::GoogleMetadataCredentials;
pub use service_account::{
    GoogleSelfSignedCredentials, GoogleServiceAccount, GoogleServiceAccountCredentials,
};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::keys::SecretBytes;
use crate::kms::json::Object;

/// A member of a file of Google's.
///
/// # Errors
/// `invalid_argument` where it is not there, without a word of what the file holds.
fn member(file: &SecretBytes, name: &'static str) -> Result<Zeroizing<String>> {
    let text = maybe_member(file, name)?;
    text.ok_or_else(|| Error::invalid(format!("a file of credentials for Google has no {name}")))
}

fn maybe_member(file: &SecretBytes, name: &'static str) -> Result<Option<Zeroizing<String>>> {
    let text = Object(file.expose()).maybe_text(name);
    let text = text.map_err(|_| Error::invalid("a file of credentials for Google is no JSON"))?;
    Ok(text.map(|text| Zeroizing::new(text.into_owned())))
}

/// # Errors
/// `invalid_argument` for a file of another kind.
fn check_kind(file: &SecretBytes, kind: &str) -> Result<()> {
    if *member(file, "type")? == kind {
        return Ok(());
    }
    Err(Error::invalid(format!("a file of credentials for Google is not of the type {kind}")))
}
