//! Tags of keys.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::authorize::Ask;
use super::resolve::Names;
use super::{Call, Operation, pages};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::damaged;
use crate::store::{Table, Txn as _, scan_prefix};
use crate::types::{
    Empty, ListResourceTagsRequest, ListResourceTagsResponse, Tag, TagResourceRequest,
    UntagResourceRequest, check,
};

/// How many tags a key has at most.
const MAX_TAGS: usize = 50;

/// Checks tags: lengths by shape, then what is reserved.
pub(crate) fn validate(tags: &[Tag]) -> Result<()> {
    check::items("tags", tags, 0..=200)?;
    let mut seen = BTreeSet::new();
    for tag in tags {
        check::chars("tagKey", &tag.tag_key, 1..=128)?;
        check::chars("tagValue", &tag.tag_value, 0..=256)?;
        if tag.tag_key.starts_with("aws:") {
            return Err(KmsError::new(KmsErrorCode::Tag, "tags that begin with aws: are reserved"));
        }
        if !seen.insert(&tag.tag_key) {
            return Err(KmsError::new(KmsErrorCode::Tag, "a tag key stands twice"));
        }
    }
    Ok(())
}

fn row_key(key_id: Uuid, tag_key: &str) -> Vec<u8> {
    [key_id.as_bytes(), tag_key.as_bytes()].concat()
}

impl Call<'_> {
    /// Adds tags, or replaces those of the same key, within the limit.
    pub(crate) fn put_tags(&mut self, key_id: Uuid, tags: &[Tag]) -> Result<()> {
        for tag in tags {
            let key = row_key(key_id, &tag.tag_key);
            self.txn.put(Table::Tags, &key, tag.tag_value.as_bytes())?;
        }
        let prefix = key_id.as_bytes();
        if scan_prefix(&mut self.txn, Table::Tags, prefix, None, MAX_TAGS + 1)?.len() > MAX_TAGS {
            return Err(KmsError::new(KmsErrorCode::LimitExceeded, "a key has at most 50 tags"));
        }
        Ok(())
    }
}

impl Operation for TagResourceRequest {
    type Response = Empty;
    const NAME: &'static str = "TagResource";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        validate(&self.tags)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        let key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:TagResource"))?;
        call.require_staying(&key)?;
        call.put_tags(key.id, &self.tags)?;
        Ok(Empty {})
    }
}

impl Operation for UntagResourceRequest {
    type Response = Empty;
    const NAME: &'static str = "UntagResource";
    const READ_ONLY: bool = false;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        check::items("tagKeys", &self.tag_keys, 0..=200)?;
        self.tag_keys.iter().try_for_each(|key| check::chars("tagKeys", key, 1..=128))
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        let key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:UntagResource"))?;
        call.require_staying(&key)?;
        for tag_key in &self.tag_keys {
            call.txn.delete(Table::Tags, &row_key(key.id, tag_key))?;
        }
        Ok(Empty {})
    }
}

impl Operation for ListResourceTagsRequest {
    type Response = ListResourceTagsResponse;
    const NAME: &'static str = "ListResourceTags";
    const READ_ONLY: bool = true;

    fn validate(&self) -> Result<()> {
        check::key_id("keyId", &self.key_id)?;
        pages::validate(self.limit, self.marker.as_deref(), 50)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<ListResourceTagsResponse> {
        let key = call.key(&self.key_id, Names::Keys)?;
        call.authorize(&key, &Ask::policy("kms:ListResourceTags"))?;
        let prefix = key.id.as_bytes();
        let list: &[&[u8]] = &[b"ListResourceTags", prefix];
        let after = self.marker.as_deref().map(|m| call.read_marker(list, m)).transpose()?;
        let size = pages::size(self.limit, 50);
        let mut rows = scan_prefix(&mut call.txn, Table::Tags, prefix, after.as_deref(), size + 1)?;
        let truncated = pages::cut(&mut rows, size);
        let next_marker =
            rows.last().filter(|_| truncated).map(|(last, _)| call.make_marker(list, last));
        let tags = rows
            .into_iter()
            .map(|(key, value)| {
                let tag_key = String::from_utf8(key.get(16..).unwrap_or_default().to_vec());
                let tag_value = String::from_utf8(value);
                match (tag_key, tag_value) {
                    (Ok(tag_key), Ok(tag_value)) => Ok(Tag { tag_key, tag_value }),
                    _ => Err(damaged("a tag")),
                }
            })
            .collect::<Result<_>>()?;
        Ok(ListResourceTagsResponse { tags, truncated, next_marker })
    }
}
