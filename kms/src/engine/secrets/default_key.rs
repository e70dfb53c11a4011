//! The KMS key of secrets that name none.

use serde_json::json;

use crate::engine::Call;
use crate::error::Result;
use crate::rows::AliasRow;
use crate::types::CreateKeyRequest;

/// The alias of the key; nobody else can make or move it.
pub(super) const ALIAS: &str = "alias/aws/secretsmanager";

impl Call<'_> {
    /// The name of the key, which is made on first use.
    pub(super) fn secrets_key(&mut self) -> Result<String> {
        if self.find_alias(ALIAS)?.is_none() {
            let request = CreateKeyRequest {
                description: Some("Protects secrets that name no other key".into()),
                policy: Some(self.secrets_key_policy()),
                bypass_policy_lockout_safety_check: Some(true),
                ..CreateKeyRequest::default()
            };
            let key = self.create_key(&request, true)?;
            let row = AliasRow { target: key.id, created: self.now, updated: self.now };
            self.put_alias(ALIAS, &row)?;
            self.record_own("CreateKey", &key)?;
        }
        Ok(ALIAS.to_owned())
    }

    /// The account may do everything, as with every key. Beyond that, whoever may use the safe
    /// may use the key through it, and only through it.
    fn secrets_key_policy(&self) -> String {
        let realm = self.realm();
        json!({
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "Enable IAM User Permissions",
                    "Effect": "Allow",
                    "Principal": {"AWS": realm.account_root()},
                    "Action": "kms:*",
                    "Resource": "*",
                },
                {
                    "Sid": "Use through the password safe",
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
                    "Resource": "*",
                    "Condition": {"StringEquals": {
                        "kms:CallerAccount": realm.account,
                        "kms:ViaService": realm.service(super::SERVICE),
                    }},
                },
            ],
        })
        .to_string()
    }
}
