//! Who calls Azure: an application by its secret, its certificate or the token of another issuer,
//! a machine by its identity. All of them end in a bearer token; put them behind
//! [`CachedCredentials`](super::CachedCredentials).

mod authority;
mod client;
mod managed_identity;

pub use authority::AzureAuthority;
pub use client::AzureClientCredentials;
pub use managed_identity::AzureManagedIdentityCredentials;
