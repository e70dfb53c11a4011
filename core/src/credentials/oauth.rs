//! Tokens in exchange for something else, as OAuth 2.0 (RFC 6749) has it.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{Credentials, parse};
use crate::clock::WallClock;
use crate::error::{Error, Result};
use crate::keys::SecretBytes;
use crate::kms::endpoint::{Endpoint, split_scheme};
use crate::kms::json::Object;
use crate::kms::percent;
use crate::kms::skew::Skew;
use crate::transport::{HttpRequest, Transport};

/// The longest that a token is believed to be good, whatever its issuer says.
const MAX_LIFETIME: Duration = Duration::from_hours(24 * 7);

/// An address of a token endpoint, with its path.
///
/// # Errors
/// `invalid_argument` for anything but `https://HOST[:PORT]/PATH`, or `http` for this machine.
pub(super) fn check_url(url: &str) -> Result<String> {
    let wrong = || Error::invalid("a source of tokens has the form https://HOST/PATH");
    let (scheme, rest) = split_scheme(url).ok_or_else(wrong)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let endpoint = Endpoint::parse(&format!("{scheme}://{authority}"))?;
    let of_path = |byte: u8| byte.is_ascii_graphic() && !b"?#\\\"".contains(&byte);
    if !path.bytes().all(of_path) || path.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(wrong());
    }
    Ok(endpoint.url(if path.is_empty() { "/" } else { path }))
}

/// A form for a token endpoint: what is secret in it is in its body.
pub(super) fn form<'a>(
    url: &str,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> HttpRequest {
    let content_type = ("content-type", "application/x-www-form-urlencoded");
    let accept = ("accept", "application/json");
    let headers = [content_type, accept];
    HttpRequest {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: percent::form(pairs).as_bytes().to_vec(),
    }
}

/// Sends a request to a token endpoint and takes the token of its answer.
pub(super) async fn token<T: Transport>(
    transport: &T,
    request: HttpRequest,
    now: Duration,
) -> Result<Credentials> {
    let response = parse::fetch(transport, request).await?;
    from_json(&response.body, now)
}

/// The same with a request that is dated: one that is refused because our clock is wrong is made
/// anew once, by the time in the answer.
pub(super) async fn token_at<T: Transport>(
    transport: &T,
    clock: &dyn WallClock,
    skew: &Skew,
    make: impl Fn(Duration) -> Result<HttpRequest>,
) -> Result<Credentials> {
    let now = clock.unix_time();
    let at = skew.corrected(now);
    let mut response = transport.send(make(at)?).await?;
    if matches!(response.status, 400 | 401) && skew.learn(&response, Some(at), now) {
        response = transport.send(make(skew.corrected(now))?).await?;
    }
    // How long a token is good is told from now on, whatever the clock of its issuer.
    from_json(&parse::check(response)?.body, now)
}

/// The token in an answer, which says for how many seconds it is good.
pub(super) fn from_json(body: &[u8], now: Duration) -> Result<Credentials> {
    let answer = Object(body);
    let read = || {
        let lifetime = answer.maybe_number("expires_in")?.map(Duration::from_secs);
        let kind = answer.maybe_text("token_type")?;
        Ok::<_, Error>((answer.text("access_token")?, lifetime, kind))
    };
    let (token, lifetime, kind) = read().map_err(|_| parse::not_understood())?;
    let lifetime = lifetime.ok_or_else(parse::not_understood)?;
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(parse::not_understood());
    }
    build(&Zeroizing::new(token.into_owned()), now.saturating_add(lifetime.min(MAX_LIFETIME)))
}

/// A token that ends at a time.
pub(super) fn build(token: &str, end: Duration) -> Result<Credentials> {
    let token = SecretBytes::from(token.as_bytes());
    let made = Credentials::bearer(&token).map_err(|_| parse::not_understood())?;
    Ok(made.expiring(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_token_endpoints_are_checked() {
        for (url, checked) in [
            ("https://oauth2.googleapis.com/token", "https://oauth2.googleapis.com/token"),
            ("https://sts.example.com", "https://sts.example.com/"),
            ("http://127.0.0.1:8080/a:b", "http://127.0.0.1:8080/a:b"),
        ] {
            assert_eq!(check_url(url).as_deref(), Ok(checked));
        }
        for url in [
            "http://oauth2.googleapis.com/token",
            "oauth2.googleapis.com/token",
            "https:///token",
            "https://user@example.com/token",
            "https://example.com/a/../b",
            "https://example.com/token?x=1",
            "https://example.com/token#x",
            "https://example.com/a b",
        ] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }
}
