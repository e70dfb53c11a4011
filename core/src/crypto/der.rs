//! Reading DER (X.690, clauses 8 and 10), as far as public keys and ECDSA signatures go: each is a
//! few values one within the other, and has exactly one encoding.

/// Universal tags.
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
/// The whole value.
pub(super) const NULL: &[u8] = &[0x05, 0x00];

/// The contents of a value with this tag, and what follows it. None has 64 KiB.
pub(super) fn value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk()?;
    let (len, shortest, rest) = match first {
        0..=0x7f => (usize::from(first), 0, rest),
        0x81 => rest.split_first().map(|(len, rest)| (usize::from(*len), 0x80, rest))?,
        0x82 => {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*len)), 0x100, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(len).filter(|_| found == tag && len >= shortest)
}

/// The contents of the one value with this tag that is everything.
pub(super) fn only(tag: u8, der: &[u8]) -> Option<&[u8]> {
    value(tag, der).filter(|(_, rest)| rest.is_empty()).map(|(contents, _)| contents)
}

/// An integer that is not negative, big-endian without leading zeros (but for zero itself), and
/// what follows it.
pub(super) fn unsigned(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (number, rest) = value(INTEGER, der)?;
    match number {
        [] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => None,
        [0, number @ ..] if !number.is_empty() => Some((number, rest)),
        number => Some((number, rest)),
    }
}

#[cfg(test)]
mod tests {
    use pkcs8::der::asn1::{AnyRef, UintRef};
    use pkcs8::der::{Decode, Encode, Tag, Tagged};
    use proptest::prelude::*;

    use super::*;

    const TAGS: [(u8, Tag); 4] = [
        (INTEGER, Tag::Integer),
        (BIT_STRING, Tag::BitString),
        (OBJECT_IDENTIFIER, Tag::ObjectIdentifier),
        (SEQUENCE, Tag::Sequence),
    ];

    proptest! {
        /// What is read is what a library of the whole of DER reads.
        #[test]
        fn it_reads_as_a_library_does(
            (number, tag) in prop::sample::select(&TAGS[..]),
            contents in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..5),
                prop::collection::vec(any::<u8>(), 120..140),
                prop::collection::vec(any::<u8>(), 250..260),
            ],
            at: prop::sample::Index,
            flip in prop_oneof![Just(0u8), any::<u8>()],
        ) {
            let mut der = AnyRef::new(tag, &contents).and_then(|any| any.to_der()).expect("a value");
            prop_assert_eq!(only(number, &der), Some(&contents[..]));
            // At the front, where the tag and the length are.
            let at = at.index(der.len().min(6));
            der[at] ^= flip;
            for (number, tag) in TAGS {
                let theirs = AnyRef::from_der(&der).ok();
                let theirs = theirs.filter(|any| any.tag() == tag);
                prop_assert_eq!(only(number, &der), theirs.map(AnyRef::value));
            }
            let theirs = UintRef::from_der(&der).ok();
            let ours = unsigned(&der).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number);
            prop_assert_eq!(ours, theirs.as_ref().map(UintRef::as_bytes));
        }
    }
}
