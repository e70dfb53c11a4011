//! Where a service is: addresses that are configured, never ones that are read from an envelope.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{Error, Result};

/// Scheme, host and port, in the one form that every HTTP client sends as `Host`: that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    protected: bool,
    authority: String,
    host: Host,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Name(String),
    Ip(IpAddr),
}

impl Endpoint {
    /// An endpoint with TLS, or one of this machine.
    ///
    /// # Errors
    /// `invalid_argument` for anything but scheme, host and port, and without TLS for anything
    /// but this machine: credentials and plaintext travel here.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let endpoint = Self::parse_any(url)?;
        if !endpoint.protected && !endpoint.is_loopback() {
            return Err(Error::invalid(
                "an endpoint without TLS must be on this machine: use https",
            ));
        }
        Ok(endpoint)
    }

    /// An endpoint, with TLS or without.
    pub(crate) fn parse_any(url: &str) -> Result<Self> {
        let wrong = || Error::invalid("an endpoint has the form https://HOST or https://HOST:PORT");
        let (scheme, rest) = split_scheme(url).ok_or_else(wrong)?;
        let (protected, default_port) = match scheme {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return Err(wrong()),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
        // A port follows the last colon, unless that is within the brackets of an IPv6 address.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                let port: u16 = if digits { port.parse().map_err(|_| wrong())? } else { 0 };
                (host, if port == 0 { return Err(wrong()) } else { port })
            }
            _ => (authority.as_str(), default_port),
        };
        let host = Host::parse(host).ok_or_else(wrong)?;
        let shown = match &host {
            Host::Name(name) => name.clone(),
            Host::Ip(IpAddr::V4(ip)) => ip.to_string(),
            Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        };
        let authority = if port == default_port { shown } else { format!("{shown}:{port}") };
        Ok(Endpoint { protected, authority, host })
    }

    /// The URL of a path here.
    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.protected { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.authority)
    }

    /// Whether it is spoken to with TLS.
    pub(crate) fn is_protected(&self) -> bool {
        self.protected
    }

    /// Its address, where it is named by one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self.host {
            Host::Ip(ip) => Some(ip),
            Host::Name(_) => None,
        }
    }

    pub(crate) fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Name(name) => name == "localhost",
            Host::Ip(ip) => ip.is_loopback(),
        }
    }
}

impl Host {
    /// What HTTP clients would write in another way is refused: the signature covers the name.
    fn parse(text: &str) -> Option<Self> {
        if let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            let ip: Ipv6Addr = inside.parse().ok()?;
            // Two ways to write these are in use.
            return ip.to_ipv4().is_none_or(|_| ip.is_loopback()).then_some(Host::Ip(ip.into()));
        }
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Some(Host::Ip(ip.into()));
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with("xn--")
        };
        let last = text.rsplit('.').next().unwrap_or_default();
        // `1`, `127.1` and `0x7f.1` are addresses to some.
        let numeric = last.starts_with(|first: char| first.is_ascii_digit());
        (text.len() <= 253 && !numeric && text.split('.').all(label))
            .then(|| Host::Name(text.to_owned()))
    }
}

/// The scheme of a URL, and what follows `://`. (By bytes: searching for text in text is a kilobyte
/// of code.)
pub(crate) fn split_scheme(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    Some((scheme, rest.strip_prefix("//")?))
}

/// A region is part of host names and of what is signed.
pub(crate) fn check_region(region: &str) -> Result<()> {
    let of_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=40).contains(&region.len())
        && region.bytes().all(of_region)
        && !region.starts_with('-')
        && !region.ends_with('-')
    {
        return Ok(());
    }
    Err(Error::invalid("a region is named by lowercase letters, digits and hyphens"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_have_one_form() {
        for (text, url) in [
            ("https://kms.example.com", "https://kms.example.com/"),
            ("https://KMS.example.com:443/", "https://kms.example.com/"),
            ("https://kms.example.com:8443", "https://kms.example.com:8443/"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("http://localhost:80", "http://localhost/"),
            ("http://[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080/"),
            ("https://[2001:DB8::1]", "https://[2001:db8::1]/"),
        ] {
            assert_eq!(Endpoint::parse(text).expect(text).url("/"), url);
        }
        for text in [
            "kms.example.com",
            "ftp://kms.example.com",
            "https://",
            "https://:443",
            "https://user@kms.example.com",
            "https://kms.example.com/path",
            "https://kms.example.com?x",
            "https://kms.example.com#x",
            "https://kms.example.com:0",
            "https://kms.example.com:65536",
            "https://kms.example.com:+1",
            "https://kms..example.com",
            "https://127.1",
            "https://0x7f.0.0.1",
            "https://2130706433",
            "https://[::ffff:1.2.3.4]",
            "https://caf\u{e9}.example",
            "https://a b",
            "https://a\r\nb",
            // Without TLS, only this machine.
            "http://kms.example.com",
            "http://10.0.0.1",
            "http://169.254.169.254",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
