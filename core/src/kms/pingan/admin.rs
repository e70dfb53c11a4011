//! Administration of keys.

use std::time::Duration;

use super::{PingAnConfig, needed, text};
use crate::error::{Error, Result};
use crate::keys::KeyUri;
use crate::kms::admin::{AdminRequest, AdminResponse, KeyInfo, KeyKind, KeyState, KeyUse};
use crate::kms::cloud::{Link, Service, name_of, not_understood, uri_of};
use crate::kms::json::Object;
use crate::kms::moment;

impl PingAnConfig {
    pub(super) async fn administer_all(
        &self,
        link: Link<'_>,
        request: &AdminRequest,
    ) -> Result<AdminResponse> {
        match request {
            AdminRequest::CreateKey { kind, usage, alias, description } => {
                if (*kind, *usage) != (KeyKind::Symmetric, KeyUse::EncryptDecrypt) {
                    return Err(Error::invalid("Ping An's KMS has symmetric keys only"));
                }
                let mut parameters = vec![("keyUsage", "0"), ("origin", "0")];
                parameters.extend(alias.as_deref().map(|alias| ("alias", alias)));
                parameters.extend(description.as_deref().map(|text| ("description", text)));
                let ask = self.ask(Service::Keys, "CreateCmk", &parameters);
                let response = link.ask(ask).await?;
                self.key(Object(&response.body))
            }
            AdminRequest::DescribeKey { key } => {
                let response = self.describe(link, name_of(self, key)?).await?;
                self.key(Object(&response.body))
            }
            AdminRequest::EnableKey { key } => self.on_key(link, "EnableKey", key, &[]).await,
            AdminRequest::DisableKey { key } => self.on_key(link, "DisableKey", key, &[]).await,
            AdminRequest::ScheduleKeyDeletion { key, days } => {
                let days = days.to_string();
                let window = [("pendingWindowInDays", days.as_str())];
                self.on_key(link, "ScheduleKeyDeletion", key, &window).await?;
                Ok(AdminResponse::Deletion { at: None })
            }
            AdminRequest::CancelKeyDeletion { key } => {
                self.on_key(link, "CancelKeyDeletion", key, &[]).await
            }
            // The capabilities have refused them already.
            _ => Err(not_understood()),
        }
    }

    async fn on_key(
        &self,
        link: Link<'_>,
        action: &'static str,
        key: &KeyUri,
        others: &[(&str, &str)],
    ) -> Result<AdminResponse> {
        let of_key = [("keyId", name_of(self, key)?)];
        let ask = self.ask(Service::Keys, action, &[&of_key, others].concat());
        let response = link.ask(ask).await?;
        needed(Object(&response.body), "code").map(|_| AdminResponse::Done)
    }

    fn key(&self, answer: Object<'_>) -> Result<AdminResponse> {
        let key = answer.object("keyMetadata")?;
        let word = needed(key, "keyState")?;
        let mut info = KeyInfo::new(uri_of(self, &needed(key, "keyId")?)?);
        info.state = Some(match word.as_str() {
            "0" => KeyState::Enabled,
            "1" => KeyState::Disabled,
            "2" => KeyState::PendingDeletion,
            "PENDING_IMPORT" => KeyState::PendingImport,
            _ => KeyState::Unavailable,
        });
        info.raw_state = Some(word);
        info.kind = Some(KeyKind::Symmetric);
        info.usage = text(key, "keyUsage")?.and_then(|usage| usage.parse().ok());
        info.alias = text(key, "alias")?.filter(|text| !text.is_empty());
        info.description = text(key, "description")?.filter(|text| !text.is_empty());
        info.created = self.date(key, "creationDate")?;
        info.deletion = self.date(key, "deleteDate")?;
        info.origin = text(key, "origin")?;
        Ok(AdminResponse::Key(Box::new(info)))
    }

    /// A date in the form `2018-09-14 10:24:00`, in the service's local time.
    fn date(&self, key: Object<'_>, name: &str) -> Result<Option<Duration>> {
        let Some(text) = text(key, name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
        let (day, time) = text.split_once(' ').ok_or_else(not_understood)?;
        let local = moment::rfc_3339(&format!("{day}T{time}Z")).ok_or_else(not_understood)?;
        Ok(Some(local.saturating_sub(self.utc_offset)))
    }
}
