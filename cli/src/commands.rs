//! The commands, one file for each verb or group of verbs.

pub(crate) mod access_key;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod decrypt;
pub(crate) mod encrypt;
pub(crate) mod grant;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod migrate;
pub(crate) mod provider;
pub(crate) mod public_key;
pub(crate) mod recipient;
pub(crate) mod restore;
pub(crate) mod rewrap;
pub(crate) mod root;
pub(crate) mod secret;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod store;
pub(crate) mod token;
pub(crate) mod verify;
