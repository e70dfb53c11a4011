//! The life of KMS keys, in the operations of the AWS KMS API, at any KMS that has them.

use std::collections::HashMap;

use keyfold::{Error, ErrorCode, KeyUri, Result};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::error::{Answer, invalid};
use crate::service::KeyService;

/// What kind of key is made.
#[derive(Clone, Debug, uniffi::Record)]
pub struct NewKey {
    /// Another name for it: `alias/` and letters, digits, `/`, `_`, `-`.
    pub alias: Option<String>,
    /// Such as `SYMMETRIC_DEFAULT`, `RSA_3072`, `ECC_NIST_P256`, `ECC_NIST_EDWARDS25519`.
    pub spec: String,
    /// `ENCRYPT_DECRYPT` or `SIGN_VERIFY`; needed for RSA only.
    pub usage: Option<String>,
    /// What people should know about it.
    pub description: Option<String>,
    /// Names and values.
    pub tags: HashMap<String, String>,
    /// The key policy, in JSON.
    pub policy: Option<String>,
}

/// The properties of a KMS key.
#[derive(Clone, Debug, uniffi::Record)]
pub struct KeyDescription {
    /// Its full name, as a key URI.
    pub key: String,
    /// The bare id.
    pub key_id: String,
    /// What kind of key, such as `SYMMETRIC_DEFAULT`.
    pub spec: String,
    /// `ENCRYPT_DECRYPT` or `SIGN_VERIFY`.
    pub usage: String,
    /// Such as `Enabled`, `Disabled`, `PendingDeletion`.
    pub state: String,
    /// What people should know about it.
    pub description: String,
    /// When it was made, in milliseconds since 1970.
    pub created_millis: u64,
    /// When it ends, in milliseconds since 1970.
    pub deletion_millis: Option<u64>,
}

pub(crate) fn strange() -> Error {
    Error::new(ErrorCode::KmsProtocol, "the KMS answered something else")
}

fn string(value: &Value, name: &str) -> Result<String> {
    value[name].as_str().map(str::to_owned).ok_or_else(strange)
}

/// A moment in seconds since 1970, as milliseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
fn millis(value: &Value) -> Option<u64> {
    value.as_f64().map(|seconds| (seconds * 1000.0).round() as u64)
}

fn tags(tags: &HashMap<String, String>) -> Value {
    tags.iter().map(|(name, value)| json!({"TagKey": name, "TagValue": value})).collect()
}

impl KeyService {
    /// One operation; members that are null are left out.
    async fn ask(&self, operation: &str, request: Value) -> Result<Value> {
        let members: Map<String, Value> = match request {
            Value::Object(members) => {
                members.into_iter().filter(|(_, value)| !value.is_null()).collect()
            }
            _ => Map::new(),
        };
        let body = Zeroizing::new(serde_json::to_vec(&members).map_err(|_| strange())?);
        let answer = self.operation(operation, body).await?;
        // An operation without an answer answers nothing.
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer).map_err(|_| strange())
    }

    /// The lists of all pages.
    async fn pages(&self, operation: &str, mut request: Value, list: &str) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        loop {
            let mut page = self.ask(operation, request.clone()).await?;
            if let Value::Array(entries) = page[list].take() {
                found.extend(entries);
            }
            match page["NextMarker"].take() {
                Value::String(marker) if !marker.is_empty() => request["Marker"] = marker.into(),
                _ => return Ok(found),
            }
        }
    }

    /// The key's name at this KMS.
    fn name(&self, key: &str) -> Result<String> {
        let key = KeyUri::new(key)?;
        if key.scheme() != self.scheme()? {
            return Err(invalid("the key is of another KMS than the one that is asked"));
        }
        Ok(key.rest().to_owned())
    }

    /// The key as management takes it, which is not by its alias.
    async fn id(&self, key: &str) -> Result<String> {
        if KeyUri::new(key)?.is_alias() {
            return Ok(self.describe(key).await?.key_id);
        }
        self.name(key)
    }

    async fn describe(&self, key: &str) -> Result<KeyDescription> {
        let answer = self.ask("DescribeKey", json!({"KeyId": self.name(key)?})).await?;
        self.description(&answer["KeyMetadata"])
    }

    fn description(&self, about: &Value) -> Result<KeyDescription> {
        Ok(KeyDescription {
            key: self.uri(&string(about, "Arn")?)?,
            key_id: string(about, "KeyId")?,
            spec: string(about, "KeySpec")?,
            usage: string(about, "KeyUsage")?,
            state: string(about, "KeyState")?,
            description: about["Description"].as_str().unwrap_or_default().to_owned(),
            created_millis: millis(&about["CreationDate"]).unwrap_or_default(),
            deletion_millis: millis(&about["DeletionDate"]),
        })
    }

    fn uri(&self, arn: &str) -> Result<String> {
        Ok(format!("{}:{arn}", self.scheme()?))
    }

    /// An operation on one key, with no answer.
    async fn change(&self, operation: &str, key: &str, more: Value) -> Result<Value> {
        let mut request = json!({"KeyId": self.id(key).await?});
        if let (Value::Object(all), Value::Object(more)) = (&mut request, more) {
            all.extend(more);
        }
        self.ask(operation, request).await
    }

    async fn make_key(&self, new: NewKey) -> Result<String> {
        // A cloud makes both at once, in the form that it takes.
        let is_cloud = self.is_cloud()?;
        if let Some(alias) = new.alias.as_ref().filter(|_| !is_cloud) {
            if !alias.starts_with("alias/") {
                return Err(invalid("an alias has the form alias/NAME"));
            }
            // Before the key is made: one without the alias that was asked for helps nobody.
            match self.describe(&self.uri(alias)?).await {
                Ok(_) => {
                    let detail = format!("{alias} names another key already");
                    return Err(Error::new(ErrorCode::VersionConflict, detail));
                }
                Err(error) if error.code() == ErrorCode::KmsKeyUnavailable => {}
                Err(error) => return Err(error),
            }
        }
        let usage =
            new.usage.or_else(|| new.spec.starts_with("ECC_").then(|| "SIGN_VERIFY".into()));
        let request = json!({
            "KeySpec": new.spec,
            "KeyUsage": usage,
            "Description": new.description,
            "Tags": tags(&new.tags),
            "Policy": new.policy,
            "AliasName": new.alias.as_ref().filter(|_| is_cloud),
        });
        let made = self.ask("CreateKey", request).await?;
        let made = self.description(&made["KeyMetadata"])?;
        if let Some(alias) = new.alias.filter(|_| !is_cloud) {
            let request = json!({"AliasName": alias, "TargetKeyId": made.key_id});
            self.ask("CreateAlias", request).await?;
        }
        Ok(made.key)
    }
}

#[uniffi::export]
impl KeyService {
    /// Makes a KMS key, and a name for it; answers its full name.
    ///
    /// # Errors
    /// `version_conflict` where the alias names another key already.
    pub async fn create_key(&self, new: NewKey) -> Answer<String> {
        Ok(self.make_key(new).await?)
    }

    /// The properties of a key, by any of its names.
    ///
    /// # Errors
    /// `kms_key_unavailable` where there is none.
    pub async fn describe_key(&self, key: String) -> Answer<KeyDescription> {
        Ok(self.describe(&key).await?)
    }

    /// The full names of all keys.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn list_keys(&self) -> Answer<Vec<String>> {
        let entries = self.pages("ListKeys", json!({"Limit": 1000}), "Keys").await?;
        let keys = entries.iter().map(|entry| self.uri(&string(entry, "KeyArn")?));
        Ok(keys.collect::<Result<_>>()?)
    }

    /// Makes a disabled key usable again.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn enable_key(&self, key: String) -> Answer<()> {
        Ok(self.change("EnableKey", &key, Value::Null).await.map(drop)?)
    }

    /// Makes a key unusable until it is enabled again.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn disable_key(&self, key: String) -> Answer<()> {
        Ok(self.change("DisableKey", &key, Value::Null).await.map(drop)?)
    }

    /// Gives a symmetric key a new version; what older versions encrypted still opens.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn rotate_key(&self, key: String) -> Answer<()> {
        Ok(self.change("RotateKeyOnDemand", &key, Value::Null).await.map(drop)?)
    }

    /// Has a symmetric key rotate by itself every 90 to 2560 days; no more where absent.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn set_rotation(&self, key: String, days: Option<u32>) -> Answer<()> {
        let done = match days {
            Some(days) => {
                let more = json!({"RotationPeriodInDays": days});
                self.change("EnableKeyRotation", &key, more).await
            }
            None => self.change("DisableKeyRotation", &key, Value::Null).await,
        };
        Ok(done.map(drop)?)
    }

    /// Replaces what people should know about a key.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn set_description(&self, key: String, description: String) -> Answer<()> {
        let more = json!({"Description": description});
        Ok(self.change("UpdateKeyDescription", &key, more).await.map(drop)?)
    }

    /// Ends a key after a waiting period of 7 to 30 days; answers when, in milliseconds since 1970.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn schedule_key_deletion(&self, key: String, days: u32) -> Answer<u64> {
        let more = json!({"PendingWindowInDays": days});
        let answer = self.change("ScheduleKeyDeletion", &key, more).await?;
        Ok(millis(&answer["DeletionDate"]).ok_or_else(strange)?)
    }

    /// Keeps a key whose deletion is scheduled; it is disabled afterwards.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn cancel_key_deletion(&self, key: String) -> Answer<()> {
        Ok(self.change("CancelKeyDeletion", &key, Value::Null).await.map(drop)?)
    }

    /// Gives a key another name, `alias/NAME`.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn create_alias(&self, alias: String, key: String) -> Answer<()> {
        let request = json!({"AliasName": alias, "TargetKeyId": self.id(&key).await?});
        Ok(self.ask("CreateAlias", request).await.map(drop)?)
    }

    /// Moves a name to another key of the same kind.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn update_alias(&self, alias: String, key: String) -> Answer<()> {
        let request = json!({"AliasName": alias, "TargetKeyId": self.id(&key).await?});
        Ok(self.ask("UpdateAlias", request).await.map(drop)?)
    }

    /// Takes a name away; its key stays.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn delete_alias(&self, alias: String) -> Answer<()> {
        Ok(self.ask("DeleteAlias", json!({"AliasName": alias})).await.map(drop)?)
    }

    /// The names of one key, or all of them, each with the id of its key.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn list_aliases(&self, key: Option<String>) -> Answer<HashMap<String, String>> {
        let id = match &key {
            Some(key) => Some(self.id(key).await?),
            None => None,
        };
        let request = json!({"KeyId": id, "Limit": 100});
        let entries = self.pages("ListAliases", request, "Aliases").await?;
        let names = entries.iter().filter_map(|entry| {
            let target = entry["TargetKeyId"].as_str()?;
            Some((entry["AliasName"].as_str()?.to_owned(), target.to_owned()))
        });
        Ok(names.collect())
    }

    /// Sets tags of a key.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn tag_key(&self, key: String, tags: HashMap<String, String>) -> Answer<()> {
        let more = json!({"Tags": self::tags(&tags)});
        Ok(self.change("TagResource", &key, more).await.map(drop)?)
    }

    /// Removes tags of a key.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn untag_key(&self, key: String, names: Vec<String>) -> Answer<()> {
        Ok(self.change("UntagResource", &key, json!({"TagKeys": names})).await.map(drop)?)
    }

    /// The tags of a key.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn list_tags(&self, key: String) -> Answer<HashMap<String, String>> {
        let request = json!({"KeyId": self.id(&key).await?});
        let entries = self.pages("ListResourceTags", request, "Tags").await?;
        let tags = entries.iter().filter_map(|entry| {
            let value = entry["TagValue"].as_str()?;
            Some((entry["TagKey"].as_str()?.to_owned(), value.to_owned()))
        });
        Ok(tags.collect())
    }

    /// The policy of a key, in JSON.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn get_key_policy(&self, key: String) -> Answer<String> {
        let answer = self.change("GetKeyPolicy", &key, Value::Null).await?;
        Ok(string(&answer, "Policy")?)
    }

    /// Replaces the policy of a key.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn put_key_policy(&self, key: String, policy: String) -> Answer<()> {
        Ok(self.change("PutKeyPolicy", &key, json!({"Policy": policy})).await.map(drop)?)
    }
}
