//! A build with clouds.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyfold::credentials::{
    AzureAuthority, AzureClientCredentials, CachedCredentials, CredentialsProvider,
    GoogleServiceAccount, GoogleServiceAccountCredentials,
};
use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyInfo, KeyKind, KeyUse, KmsAdmin};
use keyfold::kms::azure::{self, AzureConfig};
use keyfold::kms::cloud::{self, Capabilities, Capability, CloudUri, ConnectedCloud, Support};
use keyfold::kms::remote::RemoteOptions;
use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::{Error, ErrorCode, KeyUri, Result, SystemRng};
use keyfold_transport::{
    CloudChoice, Environment, Network, aws_credentials, cloud_credentials, complete_place,
    keyfold_credentials,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::caller::{AzureProof, Caller};
use crate::error::{invalid, unsupported};
use crate::foreign::HostTransport;
use crate::manage::strange;
use crate::service::Places;
use crate::time::HostClock;

/// A KMS of a cloud.
pub(crate) struct Cloud(ConnectedCloud);

pub(crate) fn connect(
    url: &str,
    places: &Places,
    credentials: Arc<dyn CredentialsProvider>,
    transport: Arc<HostTransport>,
    clock: &HostClock,
    options: &RemoteOptions,
) -> Result<Cloud> {
    cloud::connect(url, places, credentials, transport, clock, options).map(Cloud)
}

impl Kms for Cloud {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        self.0.call(request)
    }
}

/// Credentials that are looked for, or exchanged for others over the network.
pub(crate) fn login(
    caller: Caller,
    url: &str,
    places: &mut Places,
    transport: &Arc<HostTransport>,
    clock: &HostClock,
) -> Result<Arc<dyn CredentialsProvider>> {
    let network = || Network::new(transport.clone(), clock.clone());
    match caller {
        Caller::Environment { variables, file, profile } => {
            let environment = variables.map_or_else(Environment::of_process, of_variables);
            let choice = CloudChoice { file: file.map(PathBuf::from), profile };
            found(&environment, url, places, &choice, network())
        }
        Caller::GoogleServiceAccount { file } => {
            let account = GoogleServiceAccount::parse(&file.copy()?)?;
            let (transport, of_source) = (transport.clone(), clock.clone());
            let source = GoogleServiceAccountCredentials::new(transport, of_source, account);
            Ok(Arc::new(CachedCredentials::new(source, clock.clone())))
        }
        Caller::AzureClient { tenant, client, proof, authority } => {
            let uri = CloudUri::parse(url)?;
            if uri.scheme() != azure::SCHEME {
                return Err(invalid("an application of Azure's is known at Azure alone"));
            }
            let place = places.get(&place_of(uri)).cloned().unwrap_or_default();
            let config = AzureConfig::of_place(uri.place(), &place)?;
            let resource = config.resource();
            let authority = match authority {
                Some(url) => AzureAuthority::at(url.trim_end_matches('/'), &tenant, resource),
                None => AzureAuthority::new(&tenant, resource),
            }?;
            let (transport, of_source) = (transport.clone(), clock.clone());
            let source = match proof {
                AzureProof::Secret { secret } => AzureClientCredentials::with_secret(
                    transport,
                    of_source,
                    authority,
                    &client,
                    secret.copy()?,
                ),
                AzureProof::Certificate { pem } => AzureClientCredentials::with_certificate(
                    transport,
                    of_source,
                    authority,
                    &client,
                    &pem.copy()?,
                    SystemRng,
                ),
            }?;
            Ok(Arc::new(CachedCredentials::new(source, clock.clone())))
        }
        // They are there already.
        Caller::Fixed { .. } | Caller::Asked { .. } => {
            Err(Error::new(ErrorCode::Internal, "nothing to look for"))
        }
    }
}

fn of_variables(variables: HashMap<String, String>) -> Environment {
    let kept: HashMap<String, Zeroizing<String>> =
        variables.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect();
    Environment::new(move |name| kept.get(name).map(|value| value.to_string()))
}

/// How places are named.
fn place_of(uri: CloudUri<'_>) -> String {
    format!("{}://{}", uri.scheme(), uri.place())
}

/// Credentials from where the service's own tools take them.
fn found(
    environment: &Environment,
    url: &str,
    places: &mut Places,
    choice: &CloudChoice,
    network: Network,
) -> Result<Arc<dyn CredentialsProvider>> {
    if super::is_cloud(url) {
        complete_place(environment, &place_of(CloudUri::parse(url)?), places);
        // What is configured wrongly is told before what is not there.
        cloud::config(url, places)?;
        return cloud_credentials(environment, url, places, choice, network);
    }
    if choice.file.is_some() {
        return Err(invalid("a file with credentials is a cloud's"));
    }
    if let Some(region) = url.strip_prefix("aws://") {
        return aws_credentials(environment, choice.profile.as_deref(), region, network);
    }
    keyfold_credentials(environment)?.ok_or_else(|| {
        let detail = "there are no credentials for this KMS: looked for the variables \
                      KEYFOLD_TOKEN, KEYFOLD_TOKEN_FILE, and KEYFOLD_ACCESS_KEY_ID with \
                      KEYFOLD_SECRET_ACCESS_KEY";
        Error::new(ErrorCode::KmsDenied, detail)
    })
}

/// Administration, in the operations of the AWS KMS API, as the rest of the surface speaks it. A
/// key's name is what stands after its scheme.
impl Cloud {
    pub(crate) fn capabilities(&self) -> &'static Capabilities {
        self.0.kms().config().capabilities()
    }

    pub(crate) async fn operation(&self, name: &str, request: &Value) -> Result<Value> {
        let key = || self.key(&request["KeyId"]);
        let text = |name: &str| request[name].as_str().map(str::to_owned);
        let days = |name: &str| request[name].as_u64().and_then(|days| u32::try_from(days).ok());
        let changed = match name {
            "CreateKey" => {
                let members = ["Tags", "Policy"].map(|name| &request[name]);
                let none = |value: &Value| value.is_null() || *value == json!([]);
                if !members.into_iter().all(none) {
                    return Err(self.lacks("tags and policies of keys"));
                }
                let kind: KeyKind = text("KeySpec").unwrap_or_default().parse()?;
                let symmetric = matches!(kind, KeyKind::Symmetric | KeyKind::Sm4);
                let usage = match text("KeyUsage") {
                    Some(usage) => usage.parse()?,
                    None if symmetric => KeyUse::EncryptDecrypt,
                    None => KeyUse::SignVerify,
                };
                let (alias, description) = (text("AliasName"), text("Description"));
                let made = AdminRequest::CreateKey { kind, usage, alias, description };
                return self.described(&made).await;
            }
            "DescribeKey" => {
                return self.described(&AdminRequest::DescribeKey { key: key()? }).await;
            }
            "ListKeys" => {
                let (keys, next) = self.page(text("Marker")).await?;
                let keys: Vec<Value> =
                    keys.iter().map(|key| json!({"KeyArn": key.key.rest()})).collect();
                return Ok(json!({"Keys": keys, "NextMarker": next}));
            }
            "ListAliases" => return self.aliases(&request["KeyId"]).await,
            "ScheduleKeyDeletion" => {
                let days = days("PendingWindowInDays").unwrap_or_default();
                let request = AdminRequest::ScheduleKeyDeletion { key: key()?, days };
                let AdminResponse::Deletion { at } = self.0.administer(&request).await? else {
                    return Err(strange());
                };
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                // Not every service tells.
                let at = at.unwrap_or(now + Duration::from_hours(24) * days);
                return Ok(json!({"DeletionDate": at.as_secs_f64()}));
            }
            "EnableKey" => AdminRequest::EnableKey { key: key()? },
            "DisableKey" => AdminRequest::DisableKey { key: key()? },
            "RotateKeyOnDemand" => AdminRequest::RotateKey { key: key()? },
            "EnableKeyRotation" => {
                AdminRequest::SetRotation { key: key()?, every_days: days("RotationPeriodInDays") }
            }
            "DisableKeyRotation" => AdminRequest::SetRotation { key: key()?, every_days: None },
            "CancelKeyDeletion" => AdminRequest::CancelKeyDeletion { key: key()? },
            "CreateAlias" | "UpdateAlias" => AdminRequest::SetAlias {
                key: self.key(&request["TargetKeyId"])?,
                alias: text("AliasName").unwrap_or_default(),
            },
            "DeleteAlias" => {
                let alias = text("AliasName").unwrap_or_default();
                AdminRequest::DeleteAlias { key: self.whose(&alias).await?, alias }
            }
            _ => return Err(self.lacks(name)),
        };
        match self.0.administer(&changed).await? {
            AdminResponse::Done | AdminResponse::Deletion { .. } => Ok(Value::Null),
            _ => Err(strange()),
        }
    }

    /// What no cloud has that keyfold reaches.
    fn lacks(&self, what: &str) -> Error {
        unsupported(format!("unsupported: {} has no {what} here", self.capabilities().scheme))
    }

    /// A key by what stands after its scheme, or by its bare name.
    fn key(&self, name: &Value) -> Result<KeyUri> {
        let name = name.as_str().unwrap_or_default();
        if name.starts_with("//") {
            return KeyUri::new(format!("{}:{name}", self.capabilities().scheme));
        }
        KeyUri::new(format!("{}/{name}", self.0.kms().config().uri()))
    }

    /// The key that an alias names. Where aliases cannot be taken away the service lacks that, and
    /// is not asked.
    async fn whose(&self, alias: &str) -> Result<KeyUri> {
        let bare = alias.strip_prefix("alias/").unwrap_or(alias);
        let named = self.key(&format!("alias/{bare}").into())?;
        match self.capabilities().support(Capability::DeleteAlias) {
            Support::Absent => Ok(named),
            _ => Ok(self.about(&AdminRequest::DescribeKey { key: named }).await?.key),
        }
    }

    async fn about(&self, request: &AdminRequest) -> Result<KeyInfo> {
        match self.0.administer(request).await? {
            AdminResponse::Key(key) => Ok(*key),
            _ => Err(strange()),
        }
    }

    async fn page(&self, page: Option<String>) -> Result<(Vec<KeyInfo>, Option<String>)> {
        match self.0.administer(&AdminRequest::ListKeys { page }).await? {
            AdminResponse::Keys { keys, next } => Ok((keys, next)),
            _ => Err(strange()),
        }
    }

    async fn described(&self, request: &AdminRequest) -> Result<Value> {
        let key = self.about(request).await?;
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let kind = key.kind.map(|kind| kind.as_str().to_owned());
        Ok(json!({"KeyMetadata": {
            "Arn": key.key.rest(),
            "KeyId": name_of(&key.key),
            "KeySpec": kind.or(key.raw_kind).unwrap_or_default(),
            "KeyUsage": key.usage.map(KeyUse::as_str).unwrap_or_default(),
            "KeyState": key.state.map(|state| state.as_str().to_owned())
                .or(key.raw_state).unwrap_or_default(),
            "Description": key.description,
            "CreationDate": seconds(key.created),
            "DeletionDate": seconds(key.deletion),
        }}))
    }

    /// The alias of one key, or those of all.
    async fn aliases(&self, key: &Value) -> Result<Value> {
        let mut keys = Vec::new();
        if key.is_null() {
            let mut next = None;
            loop {
                let (more, then) = self.page(next).await?;
                keys.extend(more);
                next = then;
                if next.is_none() {
                    break;
                }
            }
        } else {
            keys.push(KeyInfo::new(self.key(key)?));
        }
        let mut aliases = Vec::new();
        for mut key in keys {
            // Some services list names alone.
            if key.state.is_none() {
                key = self.about(&AdminRequest::DescribeKey { key: key.key }).await?;
            }
            if let Some(alias) = key.alias {
                aliases.push(json!({"AliasName": alias, "TargetKeyId": name_of(&key.key)}));
            }
        }
        Ok(json!({"Aliases": aliases}))
    }
}

/// The service's own name of a key.
fn name_of(key: &KeyUri) -> &str {
    CloudUri::parse(key.as_str()).ok().and_then(|uri| uri.name()).unwrap_or_default()
}
