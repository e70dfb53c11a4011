//! The keys and secrets of a cloud, for the commands that look after them.

use std::sync::Arc;
use std::time::Duration;

use keyfold::kms::admin::{
    AdminRequest, AdminResponse, KeyInfo, KmsAdmin, SecretInfo, SecretVersionInfo,
};
use keyfold::kms::cloud::{Capabilities, ConnectedCloud};
use keyfold::{Error, ErrorCode, KeyUri};
use keyfold_kms::clock::Timestamp;
use pollster::block_on;
use serde_json::{Map, Value, json};

use crate::fault::Result;
use crate::names::KeyName;
use crate::session::Session;

/// A cloud, asked for one thing after the other.
pub(crate) struct Cloud(Arc<ConnectedCloud>);

impl Cloud {
    /// The cloud of this key or, where none is named, of this run; `None` where that is none.
    pub(crate) fn of(session: &Session, key: Option<&KeyName>) -> Result<Option<Self>> {
        Ok(session.cloud_of(key)?.map(Cloud))
    }

    /// What it can.
    pub(crate) fn capabilities(&self) -> &'static Capabilities {
        self.0.kms().config().capabilities()
    }

    /// One operation.
    pub(crate) fn ask(&self, request: &AdminRequest) -> Result<AdminResponse> {
        block_on(self.0.administer(request))
    }

    /// An operation that only changes something.
    pub(crate) fn change(&self, request: &AdminRequest) -> Result<()> {
        match self.ask(request)? {
            AdminResponse::Done | AdminResponse::Deletion { .. } => Ok(()),
            _ => Err(wrong_answer()),
        }
    }

    /// What is known of a key, by any of its names.
    pub(crate) fn key(&self, key: KeyUri) -> Result<KeyInfo> {
        match self.ask(&AdminRequest::DescribeKey { key })? {
            AdminResponse::Key(key) => Ok(*key),
            _ => Err(wrong_answer()),
        }
    }

    /// The full name of a key that may be named by its alias.
    pub(crate) fn full_name(&self, key: KeyUri) -> Result<KeyUri> {
        if key.is_alias() { Ok(self.key(key)?.key) } else { Ok(key) }
    }

    /// All keys, page after page.
    pub(crate) fn keys(&self) -> Result<Vec<KeyInfo>> {
        let (mut all, mut page) = (Vec::new(), None);
        loop {
            match self.ask(&AdminRequest::ListKeys { page })? {
                AdminResponse::Keys { keys, next } => {
                    all.extend(keys);
                    page = next;
                }
                _ => return Err(wrong_answer()),
            }
            if page.is_none() {
                return Ok(all);
            }
        }
    }

    /// All secrets, by name.
    pub(crate) fn secrets(&self) -> Result<Vec<SecretInfo>> {
        let (mut all, mut page) = (Vec::new(), None);
        loop {
            match self.ask(&AdminRequest::ListSecrets { page })? {
                AdminResponse::Secrets { secrets, next } => {
                    all.extend(secrets);
                    page = next;
                }
                _ => return Err(wrong_answer()),
            }
            if page.is_none() {
                all.sort_by(|a, b| a.name.cmp(&b.name));
                return Ok(all);
            }
        }
    }

    /// All versions of a secret.
    pub(crate) fn versions(&self, name: &str) -> Result<Vec<SecretVersionInfo>> {
        let (mut all, mut page) = (Vec::new(), None);
        loop {
            match self.ask(&AdminRequest::ListSecretVersions { name: name.to_owned(), page })? {
                AdminResponse::SecretVersions { versions, next } => {
                    all.extend(versions);
                    page = next;
                }
                _ => return Err(wrong_answer()),
            }
            if page.is_none() {
                return Ok(all);
            }
        }
    }

    /// Ends a key or a secret; when, where the service tells.
    pub(crate) fn end(&self, request: &AdminRequest) -> Result<Option<Timestamp>> {
        match self.ask(request)? {
            AdminResponse::Deletion { at } => Ok(at.map(time)),
            _ => Err(wrong_answer()),
        }
    }
}

/// The service's answer is of another kind than the request.
pub(crate) fn wrong_answer() -> Error {
    Error::new(ErrorCode::KmsProtocol, "the KMS answered something else")
}

/// A moment as the commands show it.
pub(crate) fn time(since_1970: Duration) -> Timestamp {
    Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// Members that are there, under the names of the AWS APIs.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    members.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

/// A key in JSON.
pub(crate) fn key_json(key: &KeyInfo) -> Value {
    let aliases: Vec<&str> = key.alias.iter().map(String::as_str).collect();
    object([
        ("KeyId", key.id().into()),
        ("KeyUri", key.key.as_str().into()),
        ("Aliases", aliases.into()),
        ("KeySpec", key.spec().into()),
        ("KeyUsage", key.usage.map(keyfold::kms::admin::KeyUse::as_str).into()),
        ("KeyState", key.state.map(keyfold::kms::admin::KeyState::as_str).into()),
        ("ServiceState", key.raw_state.as_deref().into()),
        ("ServiceSpec", key.raw_kind.as_deref().into()),
        ("CreationDate", json!(key.created.map(time))),
        ("DeletionDate", json!(key.deletion.map(time))),
        ("Description", key.description.as_deref().into()),
        ("KeyRotationEnabled", key.rotates.into()),
        ("Version", key.version.as_deref().into()),
        ("Origin", key.origin.as_deref().into()),
    ])
}
