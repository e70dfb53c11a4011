//! One run of the command: where it speaks to, and the KMS once it is needed.

use std::cell::OnceCell;

use keyfold::kms::aws::Service;
use keyfold::kms::{Request, Response, make_token};
use keyfold::{Client, Error, ErrorCode, KeyUri, Kms, SecretBytes, SystemRng};
use keyfold_kms::EmbeddedKms;
use keyfold_kms::engine::Operation;
use keyfold_kms::types::{
    DescribeKeyRequest, GetRandomPasswordRequest, KeyMetadata, PutSecretValueRequest,
    PutSecretValueResponse, SecretText, Sensitive,
};
use keyfold_transport::RemoteKms;
use pollster::block_on;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::console::Console;
use crate::fault::Result;
use crate::home::Home;
use crate::kms::{Target, not_remote, remote};
use crate::names::KeyName;

/// What every command gets.
pub(crate) struct Session {
    pub(crate) console: Console,
    pub(crate) home: Home,
    target: Target,
    embedded: OnceCell<EmbeddedKms>,
    remote: OnceCell<RemoteKms>,
}

/// A client of whatever KMS this run works with.
pub(crate) type SessionClient<'a> = Client<&'a dyn Kms>;

/// The KMS of a run.
enum Backend<'a> {
    Embedded(&'a EmbeddedKms),
    Remote(&'a RemoteKms),
}

impl Session {
    pub(crate) fn new(console: Console, home: Home, target: Target) -> Self {
        let (embedded, remote) = (OnceCell::new(), OnceCell::new());
        Session { console, home, target, embedded, remote }
    }

    /// Refuses what only the machine of the KMS can do, where a KMS elsewhere is asked for. One
    /// that is only the default gives way to the folder.
    pub(crate) fn local(&self) -> Result<()> {
        match self.target {
            Target::Remote { named: true, .. } => Err(not_remote()),
            Target::Home | Target::Remote { .. } => Ok(()),
        }
    }

    /// The embedded KMS, opened when it is first asked for: commands that need none work without
    /// a store.
    ///
    /// # Errors
    /// `invalid_argument` where this run works with a remote one.
    pub(crate) fn kms(&self) -> Result<&EmbeddedKms> {
        self.local()?;
        if let Some(kms) = self.embedded.get() {
            return Ok(kms);
        }
        let kms = self.home.open()?;
        Ok(self.embedded.get_or_init(|| kms))
    }

    fn backend(&self) -> Result<Backend<'_>> {
        let Target::Remote { uri, profile, .. } = &self.target else {
            return self.kms().map(Backend::Embedded);
        };
        if let Some(kms) = self.remote.get() {
            return Ok(Backend::Remote(kms));
        }
        let kms = remote(uri, profile)?;
        Ok(Backend::Remote(self.remote.get_or_init(|| kms)))
    }

    /// The core's client over the KMS.
    pub(crate) fn client(&self) -> Result<SessionClient<'_>> {
        Ok(match self.backend()? {
            Backend::Embedded(kms) => Client::new(kms),
            Backend::Remote(kms) => Client::new(kms),
        })
    }

    /// The scheme of the keys of this KMS.
    pub(crate) fn scheme(&self) -> &'static str {
        self.target.scheme()
    }

    /// The URI of a key that was named on the command line.
    pub(crate) fn uri(&self, key: &KeyName) -> Result<KeyUri> {
        key.uri(self.scheme())
    }

    /// The URIs of several keys, in their order.
    pub(crate) fn uris(&self, keys: &[KeyName]) -> Result<Vec<KeyUri>> {
        keys.iter().map(|key| self.uri(key)).collect()
    }

    /// Performs an operation of the API: as the owner of the embedded KMS, or as whoever the
    /// credentials stand for at a remote one.
    pub(crate) fn call<O>(&self, request: &O) -> Result<O::Response>
    where
        O: Operation<Response: DeserializeOwned> + Serialize,
    {
        let kms = match self.backend()? {
            Backend::Embedded(kms) => {
                return Ok(kms.engine().call(&kms.engine().owner(), request)?);
            }
            Backend::Remote(kms) => kms,
        };
        block_on(kms.ask(service(O::NAME), O::NAME, request))
    }

    /// Performs an operation that only the embedded KMS has, as its owner.
    pub(crate) fn call_local<O: Operation>(&self, request: &O) -> Result<O::Response> {
        let engine = self.kms()?.engine();
        Ok(engine.call(&engine.owner(), request)?)
    }

    /// The properties of a key, by any of its names.
    pub(crate) fn describe(&self, key: &KeyName) -> Result<KeyMetadata> {
        let key_id = self.uri(key)?.rest().to_owned();
        let request = DescribeKeyRequest { key_id, ..DescribeKeyRequest::default() };
        Ok(self.call(&request)?.key_metadata)
    }

    /// A key as management operations take it, which is not by its alias.
    pub(crate) fn key_id(&self, key: &KeyName) -> Result<String> {
        let uri = self.uri(key)?;
        if uri.is_alias() {
            return Ok(self.describe(key)?.arn);
        }
        Ok(uri.rest().to_owned())
    }

    /// Stores a secret's value, and answers the version's id.
    pub(crate) fn put_secret(
        &self,
        name: &str,
        value: &SecretBytes,
        key: Option<&KeyName>,
    ) -> Result<String> {
        let key = key.map(|key| self.uri(key)).transpose()?;
        match self.backend()? {
            Backend::Embedded(kms) => {
                let (engine, key) = (kms.engine(), key.as_ref().map(KeyUri::rest));
                Ok(engine.put_secret(&engine.owner(), name, value, key)?)
            }
            Backend::Remote(kms) => {
                let value = SecretBytes::from(value.expose());
                block_on(Client::new(kms).secrets().put(name, value, key.as_ref()))
            }
        }
    }

    /// Reads a secret's value and its version's id.
    pub(crate) fn get_secret(
        &self,
        name: &str,
        version: Option<&str>,
        stage: Option<&str>,
    ) -> Result<(SecretBytes, String)> {
        let kms = match self.backend()? {
            Backend::Embedded(kms) => {
                let engine = kms.engine();
                return Ok(engine.get_secret(&engine.owner(), name, version, stage)?);
            }
            Backend::Remote(kms) => kms,
        };
        let request = Request::GetSecret {
            name: name.to_owned(),
            version: version.map(str::to_owned),
            stage: stage.map(str::to_owned),
        };
        match block_on(kms.call(&request))? {
            Response::Secret { value, version } => Ok((value, version)),
            _ => Err(Error::new(ErrorCode::KmsProtocol, "the KMS answered something else")),
        }
    }

    /// Gives a secret a new current value: this one, or a random password.
    pub(crate) fn rotate_secret(
        &self,
        name: &str,
        value: Option<&SecretBytes>,
        password: &GetRandomPasswordRequest,
    ) -> Result<PutSecretValueResponse> {
        if let Backend::Embedded(kms) = self.backend()? {
            let engine = kms.engine();
            return Ok(engine.rotate_secret(&engine.owner(), name, value, password)?);
        }
        let (secret_string, secret_binary) = match value {
            None => (Some(self.call(password)?.random_password), None),
            Some(value) => match std::str::from_utf8(value.expose()) {
                Ok(text) => (Some(SecretText::from(text)), None),
                Err(_) => (None, Some(Sensitive::from(value.expose()))),
            },
        };
        self.call(&PutSecretValueRequest {
            secret_id: name.to_owned(),
            client_request_token: Some(make_token(&SystemRng)?),
            secret_string,
            secret_binary,
            ..PutSecretValueRequest::default()
        })
    }
}

/// The service that has an operation.
fn service(operation: &str) -> Service {
    // The names of the secrets' operations are disjoint from those of the keys'.
    if operation.contains("Secret") || operation == "GetRandomPassword" {
        Service::Secrets
    } else {
        Service::Kms
    }
}
