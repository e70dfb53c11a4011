//! The encryption context in the forms that providers bind (docs/spec/providers.md, section 3).

use crate::context::EncryptionContext;
use crate::crypto::hash::Sha256;
use crate::error::{Error, Result};
use crate::keys::ProviderParams;
use crate::kms::wire::hex;

/// The parameter that says how the context was bound, where not in the provider's own form.
pub(crate) const BINDING: &str = "binding";
const DIGEST: &[u8] = b"digest";

/// The context as JSON text: names sorted by their UTF-8 bytes, no blanks, nothing escaped that
/// need not be. Providers may compare the text and not what it means.
pub(crate) fn json(context: &EncryptionContext) -> String {
    let mut text = String::new();
    for (name, value) in context.iter() {
        text.push(if text.is_empty() { '{' } else { ',' });
        for (part, after) in [(name, ":"), (value, "")] {
            // Text has a form in JSON.
            text.push_str(&serde_json::to_string(part).unwrap_or_default());
            text.push_str(after);
        }
    }
    text.push_str(if text.is_empty() { "{}" } else { "}" });
    text
}

/// The same for what is too long: JSON too, for some providers demand it.
fn digest(context: &EncryptionContext) -> Result<String> {
    Ok(format!(r#"{{"kf":"{}"}}"#, hex(&Sha256::digest(&context.to_canonical()?))))
}

/// The text to bind; nothing for the empty context. Notes in `params` that it is a digest where
/// the context has more than `max` bytes in JSON.
pub(crate) fn bind(
    context: &EncryptionContext,
    max: usize,
    params: &mut ProviderParams,
) -> Result<Option<String>> {
    if context.is_empty() {
        return Ok(None);
    }
    let text = json(context);
    if text.len() <= max {
        return Ok(Some(text));
    }
    params.insert(BINDING.to_owned(), DIGEST.to_vec());
    digest(context).map(Some)
}

/// The text that a record says was bound.
///
/// # Errors
/// `authentication_failed` where the record names no form that this provider writes.
pub(crate) fn bound(
    context: &EncryptionContext,
    params: &ProviderParams,
) -> Result<Option<String>> {
    match params.get(BINDING).map(Vec::as_slice) {
        _ if context.is_empty() => Ok(None),
        None => Ok(Some(json(context))),
        Some(DIGEST) => digest(context).map(Some),
        Some(_) => Err(Error::authentication()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_have_one_text() {
        let context = EncryptionContext::from([("tenant", "acme"), ("app", "keyfold")]);
        assert_eq!(json(&context), r#"{"app":"keyfold","tenant":"acme"}"#);
        let odd = EncryptionContext::from([("\u{e9}\"", "a\\/\n\u{1}\u{1f600}")]);
        assert_eq!(json(&odd), "{\"\u{e9}\\\"\":\"a\\\\/\\n\\u0001\u{1f600}\"}");
        assert_eq!(json(&EncryptionContext::new()), "{}");
    }

    #[test]
    fn what_is_too_long_is_bound_by_its_digest() {
        let context = EncryptionContext::from([("app", "keyfold")]);
        let text = r#"{"app":"keyfold"}"#;
        let mut params = ProviderParams::new();
        assert_eq!(bind(&context, text.len(), &mut params), Ok(Some(text.to_owned())));
        assert!(params.is_empty());
        assert_eq!(bound(&context, &params), Ok(Some(text.to_owned())));

        let digest = r#"{"kf":"17201a78dcdbf256456a5b36c86ca7a55189b20679a248e7ddb0e7616dca4dc4"}"#;
        assert_eq!(bind(&context, text.len() - 1, &mut params), Ok(Some(digest.to_owned())));
        assert_eq!(bound(&context, &params), Ok(Some(digest.to_owned())));
        params.insert(BINDING.to_owned(), b"none".to_vec());
        assert_eq!(bound(&context, &params), Err(Error::authentication()));
        let none = EncryptionContext::new();
        assert_eq!(bind(&none, 0, &mut ProviderParams::new()), Ok(None));
        assert_eq!(bound(&none, &params), Ok(None));
    }
}
