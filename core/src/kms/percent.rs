//! Percent-encoding (RFC 3986): what is not unreserved is encoded.

use zeroize::Zeroizing;

/// Text for a segment of a path, or for a name or value of a query. Zeroized, for some services
/// want secrets there.
pub(crate) fn encode(text: &str) -> Zeroizing<String> {
    // Room for everything, so that no copy is left behind by growth.
    let mut out = Zeroizing::new(String::with_capacity(text.len() * 3));
    encode_into(&mut out, text);
    out
}

/// The same, appended.
pub(crate) fn encode_into(out: &mut String, text: &str) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte.into());
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend(['%', DIGITS[high], DIGITS[low]]);
        }
    }
}

/// `name=value&…` of pairs in their order.
pub(crate) fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Zeroizing<String> {
    let pairs: Vec<_> = pairs.into_iter().collect();
    let len = pairs.iter().map(|(name, value)| (name.len() + value.len()) * 3 + 2).sum();
    let mut out = Zeroizing::new(String::with_capacity(len));
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        encode_into(&mut out, name);
        out.push('=');
        encode_into(&mut out, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stand_for_themselves() {
        assert_eq!(*encode("aZ09-_.~"), "aZ09-_.~");
        assert_eq!(*encode("a b+/=*:\u{e9}"), "a%20b%2B%2F%3D%2A%3A%C3%A9");
        assert_eq!(*form([("a", "1&2"), ("b", "")]), "a=1%262&b=");
    }
}
