//! The administration of a cloud in the words of the AWS APIs, for bindings: they have one way to
//! every KMS then.

use std::time::Duration;

use zeroize::Zeroizing;

use super::capabilities::{Capability, Unsupported};
use super::connect::ConnectedCloud;
use super::not_understood;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::KeyUri;
use crate::kms::admin::{
    AdminRequest, AdminResponse, KeyInfo, KeyKind, KeyState, KeyUse, KmsAdmin, SecretInfo,
    SecretVersionInfo,
};
use crate::kms::json::Object;
use crate::kms::wire::Members;

/// How long a rotation period is where none is named, in days.
const PERIOD: u64 = 365;
/// The waiting period of deletions where none is named, in days.
const WAIT: u64 = 30;

impl ConnectedCloud {
    /// Performs an operation that manages keys or secrets, by its name in the AWS APIs: JSON in,
    /// JSON out, with the members that they have. What differs:
    ///
    /// - `KeyId` and `TargetKeyId` are key URIs, with or without their scheme, also of an alias
    ///   where the cloud can be asked by it; answers have `KeyUri`, and as `Arn` (in lists `KeyArn`)
    ///   the same without its scheme, beside `KeyId`, which is the service's own name;
    /// - `CreateKey` takes the `AliasName` too, for some clouds demand one;
    /// - a `KeyState` or `KeySpec` that keyfold has no name for is in the service's own words, and
    ///   members that a service does not tell are absent;
    /// - `ListAliases` without a `KeyId` looks at every key.
    ///
    /// [`KmsAdmin`] is the same in types.
    ///
    /// ```
    /// use keyfold::kms::cloud::ConnectedCloud;
    ///
    /// async fn disable(kms: &ConnectedCloud) -> keyfold::Result<()> {
    ///     let body = br#"{"KeyId":"tencent://ap-guangzhou/23e80852-1e38"}"#;
    ///     kms.operation("DisableKey", body).await.map(|_| ())
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`KmsAdmin::administer`]; `invalid_argument` for a body of another form, and with
    /// [`Unsupported`] as its source for what the cloud does not have: nothing is sent then.
    pub async fn operation(&self, operation: &str, body: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let asked = Asked { kms: self, body: Object(body) };
        match operation {
            "CreateKey" => asked.create_key().await,
            "DescribeKey" => {
                let key = self.describe(asked.key("KeyId")?).await?;
                Ok(within("KeyMetadata", &key_json("Arn", &key)))
            }
            "ListKeys" => asked.list_keys().await,
            "EnableKey" => asked.change("KeyId", |key| AdminRequest::EnableKey { key }).await,
            "DisableKey" => asked.change("KeyId", |key| AdminRequest::DisableKey { key }).await,
            "RotateKeyOnDemand" => {
                asked.change("KeyId", |key| AdminRequest::RotateKey { key }).await
            }
            "EnableKeyRotation" => {
                let every_days = Some(asked.days("RotationPeriodInDays", PERIOD)?);
                asked.change("KeyId", |key| AdminRequest::SetRotation { key, every_days }).await
            }
            "DisableKeyRotation" => {
                let every_days = None;
                asked.change("KeyId", |key| AdminRequest::SetRotation { key, every_days }).await
            }
            "GetKeyRotationStatus" => asked.rotation().await,
            "ScheduleKeyDeletion" => {
                let days = asked.days("PendingWindowInDays", WAIT)?;
                asked.change("KeyId", |key| AdminRequest::ScheduleKeyDeletion { key, days }).await
            }
            "CancelKeyDeletion" => {
                asked.change("KeyId", |key| AdminRequest::CancelKeyDeletion { key }).await
            }
            "CreateAlias" | "UpdateAlias" => {
                let alias = asked.text("AliasName")?;
                let request = |key| AdminRequest::SetAlias { key, alias: alias.clone() };
                asked.change("TargetKeyId", request).await
            }
            "DeleteAlias" => asked.delete_alias().await,
            "ListAliases" => asked.list_aliases().await,
            "GenerateRandom" => asked.random().await,
            "DescribeSecret" => {
                let name = asked.text("SecretId")?;
                match self.ask(AdminRequest::DescribeSecret { name }).await? {
                    AdminResponse::Secret(secret) => Ok(secret_json(&secret)),
                    _ => Err(not_understood()),
                }
            }
            "ListSecrets" => asked.list_secrets().await,
            "ListSecretVersionIds" => asked.secret_versions().await,
            "DeleteSecret" => {
                let now = asked.flag("ForceDeleteWithoutRecovery")?;
                let days = if now { 0 } else { asked.days("RecoveryWindowInDays", WAIT)? };
                let name = asked.text("SecretId")?;
                done(&self.ask(AdminRequest::DeleteSecret { name, days }).await?)
            }
            "RestoreSecret" => {
                let name = asked.text("SecretId")?;
                done(&self.ask(AdminRequest::RestoreSecret { name }).await?)
            }
            "TagResource" | "UntagResource" | "ListResourceTags" => {
                Err(self.nowhere("tag keys").into())
            }
            "GetKeyPolicy" | "PutKeyPolicy" => Err(self.nowhere("set key policies").into()),
            "UpdateKeyDescription" => Err(self.nowhere("change descriptions").into()),
            _ => Err(self.nowhere("do this").into()),
        }
    }

    async fn ask(&self, request: AdminRequest) -> Result<AdminResponse> {
        self.administer(&request).await
    }

    fn nowhere(&self, what: &'static str) -> Unsupported {
        Unsupported::anywhere(self.kms().config().capabilities().scheme, what)
    }

    /// The full name of a key that may be named by its alias. What the cloud does not have is
    /// refused before it is asked for the name.
    async fn full_name(&self, key: KeyUri, request: Capability) -> Result<KeyUri> {
        self.kms().config().capabilities().check(request)?;
        if !key.is_alias() {
            return Ok(key);
        }
        self.describe(key).await.map(|key| key.key)
    }

    async fn describe(&self, key: KeyUri) -> Result<KeyInfo> {
        match self.ask(AdminRequest::DescribeKey { key }).await? {
            AdminResponse::Key(key) => Ok(*key),
            _ => Err(not_understood()),
        }
    }
}

/// An operation with its members.
struct Asked<'a> {
    kms: &'a ConnectedCloud,
    body: Object<'a>,
}

impl Asked<'_> {
    fn maybe_text(&self, name: &str) -> Result<Option<String>> {
        let found = self.body.maybe_text(name).map_err(|_| wrong(name))?;
        Ok(found.map(std::borrow::Cow::into_owned))
    }

    fn text(&self, name: &str) -> Result<String> {
        self.maybe_text(name)?.ok_or_else(|| wrong(name))
    }

    fn key(&self, name: &str) -> Result<KeyUri> {
        self.uri(self.text(name)?)
    }

    /// A key URI that may lack its scheme.
    fn uri(&self, key: String) -> Result<KeyUri> {
        if key.starts_with("//") {
            let scheme = self.kms.kms().config().capabilities().scheme;
            return KeyUri::new(format!("{scheme}:{key}"));
        }
        KeyUri::new(key)
    }

    fn days(&self, name: &str, otherwise: u64) -> Result<u32> {
        let days = self.body.maybe_number(name).map_err(|_| wrong(name))?;
        u32::try_from(days.unwrap_or(otherwise)).map_err(|_| wrong(name))
    }

    fn flag(&self, name: &str) -> Result<bool> {
        let flag = self.body.maybe_flag(name).map_err(|_| wrong(name))?;
        Ok(flag.unwrap_or_default())
    }

    /// Changes something of a key.
    async fn change(
        &self,
        name: &str,
        request: impl Fn(KeyUri) -> AdminRequest,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let named = self.key(name)?;
        let capability = Capability::of_admin(&request(named.clone()));
        let key = self.kms.full_name(named, capability).await?;
        done(&self.kms.ask(request(key)).await?)
    }

    async fn create_key(&self) -> Result<Zeroizing<Vec<u8>>> {
        let tagged = match self.body.maybe_object("Tags").map_err(|_| wrong("Tags"))? {
            None => false,
            Some(_) => !self.body.array("Tags").map_err(|_| wrong("Tags"))?.is_empty(),
        };
        if tagged {
            return Err(self.kms.nowhere("tag keys").into());
        }
        if self.maybe_text("Policy")?.is_some() {
            return Err(self.kms.nowhere("set key policies").into());
        }
        let kind =
            self.maybe_text("KeySpec")?.map_or(Ok(KeyKind::Symmetric), |kind| kind.parse())?;
        let usage = match (self.maybe_text("KeyUsage")?, kind) {
            (Some(usage), _) => usage.parse()?,
            (None, KeyKind::Symmetric | KeyKind::Sm4) => KeyUse::EncryptDecrypt,
            (None, KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 | KeyKind::Sm2) => {
                return Err(Error::invalid("say what the key is for"));
            }
            (None, _) => KeyUse::SignVerify,
        };
        let (alias, description) = (self.maybe_text("AliasName")?, self.maybe_text("Description")?);
        match self.kms.ask(AdminRequest::CreateKey { kind, usage, alias, description }).await? {
            AdminResponse::Key(key) => Ok(within("KeyMetadata", &key_json("Arn", &key))),
            _ => Err(not_understood()),
        }
    }

    /// A page of keys, as they are described, and how the next one is named.
    async fn keys(&self, page: Option<String>) -> Result<(Vec<KeyInfo>, Option<String>)> {
        match self.kms.ask(AdminRequest::ListKeys { page }).await? {
            AdminResponse::Keys { keys, next } => Ok((keys, next)),
            _ => Err(not_understood()),
        }
    }

    async fn list_keys(&self) -> Result<Zeroizing<Vec<u8>>> {
        let (keys, next) = self.keys(self.maybe_text("Marker")?).await?;
        let keys = keys.iter().map(|key| key_json("KeyArn", key));
        Ok(page("Keys", keys, "NextMarker", next.as_deref()))
    }

    async fn rotation(&self) -> Result<Zeroizing<Vec<u8>>> {
        let key = self.kms.full_name(self.key("KeyId")?, Capability::GetRotation).await?;
        let answer = self.kms.ask(AdminRequest::GetRotation { key }).await?;
        let AdminResponse::Rotation { on, every_days, next } = answer else {
            return Err(not_understood());
        };
        let mut members = Members::new(0);
        truth(&mut members, "KeyRotationEnabled", on);
        if let Some(days) = every_days {
            members.number("RotationPeriodInDays", days.into());
        }
        time(&mut members, "NextRotationDate", next);
        Ok(members.finish())
    }

    /// Where aliases cannot be taken away, whose it is is not asked.
    async fn delete_alias(&self) -> Result<Zeroizing<Vec<u8>>> {
        let alias = self.text("AliasName")?;
        let named = match self.maybe_text("TargetKeyId")? {
            Some(key) => self.uri(key)?,
            None => KeyUri::new(format!("{}/{alias}", self.kms.kms().config().uri()))?,
        };
        let key = self.kms.full_name(named, Capability::DeleteAlias).await?;
        done(&self.kms.ask(AdminRequest::DeleteAlias { key, alias }).await?)
    }

    async fn list_aliases(&self) -> Result<Zeroizing<Vec<u8>>> {
        let (keys, next) = match self.maybe_text("KeyId")? {
            Some(key) => (vec![self.kms.describe(self.uri(key)?).await?], None),
            None => self.keys(self.maybe_text("Marker")?).await?,
        };
        let mut aliases = Vec::new();
        for mut key in keys {
            if key.alias.is_none() && key.state.is_none() {
                // The service lists names of keys only.
                key = self.kms.describe(key.key).await?;
            }
            let Some(alias) = &key.alias else { continue };
            let mut members = Members::new(0);
            members.text("AliasName", alias);
            members.text("TargetKeyId", key.id());
            members.text("TargetKeyUri", key.key.as_str());
            aliases.push(members.finish());
        }
        Ok(page("Aliases", aliases, "NextMarker", next.as_deref()))
    }

    async fn random(&self) -> Result<Zeroizing<Vec<u8>>> {
        let len = self.body.maybe_number("NumberOfBytes").ok().flatten();
        let len = len.and_then(|len| len.try_into().ok()).ok_or_else(|| wrong("NumberOfBytes"))?;
        match self.kms.ask(AdminRequest::Random { len }).await? {
            AdminResponse::Random(bytes) => {
                let mut members = Members::new(bytes.len());
                members.bytes("Plaintext", bytes.expose());
                Ok(members.finish())
            }
            _ => Err(not_understood()),
        }
    }

    async fn list_secrets(&self) -> Result<Zeroizing<Vec<u8>>> {
        let all = self.flag("IncludePlannedDeletion")?;
        let asked = AdminRequest::ListSecrets { page: self.maybe_text("NextToken")? };
        let AdminResponse::Secrets { secrets, next } = self.kms.ask(asked).await? else {
            return Err(not_understood());
        };
        let shown = secrets.iter().filter(|secret| all || !secret.deleted).map(secret_json);
        Ok(page("SecretList", shown, "NextToken", next.as_deref()))
    }

    async fn secret_versions(&self) -> Result<Zeroizing<Vec<u8>>> {
        let (name, next) = (self.text("SecretId")?, self.maybe_text("NextToken")?);
        let asked = AdminRequest::ListSecretVersions { name, page: next };
        let AdminResponse::SecretVersions { versions, next } = self.kms.ask(asked).await? else {
            return Err(not_understood());
        };
        let all = self.flag("IncludeDeprecated")?;
        let shown = versions.iter().filter(|version| all || !version.stages.is_empty());
        Ok(page("Versions", shown.map(version_json), "NextToken", next.as_deref()))
    }
}

fn wrong(name: &str) -> Error {
    Error::new(
        ErrorCode::InvalidArgument,
        format!("the member {name} is missing or of another form"),
    )
}

/// What only changes something answers; when it takes effect, where the service tells.
fn done(answer: &AdminResponse) -> Result<Zeroizing<Vec<u8>>> {
    let mut members = Members::new(0);
    match answer {
        AdminResponse::Done => {}
        AdminResponse::Deletion { at } => time(&mut members, "DeletionDate", *at),
        _ => return Err(not_understood()),
    }
    Ok(members.finish())
}

fn within(name: &str, object: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut members = Members::new(0);
    members.json(name, object);
    members.finish()
}

fn page(
    name: &str,
    entries: impl IntoIterator<Item = Zeroizing<Vec<u8>>>,
    next_name: &str,
    next: Option<&str>,
) -> Zeroizing<Vec<u8>> {
    let mut array = vec![b'['];
    for entry in entries {
        if array.len() > 1 {
            array.push(b',');
        }
        array.extend_from_slice(&entry);
    }
    array.push(b']');
    let mut members = Members::new(0);
    members.json(name, &array);
    members.maybe_text(next_name, next);
    members.finish()
}

fn truth(members: &mut Members, name: &str, value: bool) {
    members.json(name, if value { b"true" } else { b"false" });
}

/// Seconds since 1970.
fn time(members: &mut Members, name: &str, at: Option<Duration>) {
    if let Some(at) = at {
        members.number(name, at.as_secs());
    }
}

/// `arn` is what the AWS APIs call the full name there.
fn key_json(arn: &str, key: &KeyInfo) -> Zeroizing<Vec<u8>> {
    let mut members = Members::new(0);
    members.text("KeyId", key.id());
    members.text("KeyUri", key.key.as_str());
    members.text(arn, key.key.rest());
    members.maybe_text("AliasName", key.alias.as_deref());
    members.maybe_text("KeySpec", key.spec());
    members.maybe_text("KeyUsage", key.usage.map(KeyUse::as_str));
    let state = key.state.map(KeyState::as_str);
    members.maybe_text("KeyState", state.or(key.raw_state.as_deref()));
    members.maybe_text("Description", key.description.as_deref());
    members.maybe_text("Version", key.version.as_deref());
    time(&mut members, "CreationDate", key.created);
    time(&mut members, "DeletionDate", key.deletion);
    if let Some(rotates) = key.rotates {
        truth(&mut members, "KeyRotationEnabled", rotates);
    }
    members.maybe_text("Origin", key.origin.as_deref());
    members.finish()
}

fn secret_json(secret: &SecretInfo) -> Zeroizing<Vec<u8>> {
    let mut members = Members::new(0);
    members.text("Name", &secret.name);
    members.maybe_text("Description", secret.description.as_deref());
    members.maybe_text("KmsKeyId", secret.key.as_ref().map(KeyUri::as_str));
    members.maybe_text("ServiceState", secret.raw_state.as_deref());
    time(&mut members, "CreatedDate", secret.created);
    time(&mut members, "DeletedDate", secret.deletion);
    members.finish()
}

fn version_json(version: &SecretVersionInfo) -> Zeroizing<Vec<u8>> {
    let mut members = Members::new(0);
    members.text("VersionId", &version.id);
    let stages: Vec<&str> = version.stages.iter().map(String::as_str).collect();
    members.texts("VersionStages", &stages);
    time(&mut members, "CreatedDate", version.created);
    members.finish()
}
