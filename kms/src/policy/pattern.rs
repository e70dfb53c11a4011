//! Wildcard patterns of `StringLike`: `*` for any characters, `?` for one. Matching takes time
//! linear in pattern and text together, so that no policy and no request can stall the engine.

/// The longest stretch between two `*` that has a `?` in it, in characters: it is searched for
/// with one machine word of state.
const MAX_HOLED: usize = 64;

/// A parsed pattern.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    first: Piece,
    /// What follows the first `*`: pieces to be found in order, and the one the text ends with.
    rest: Option<(Vec<Piece>, Piece)>,
}

/// A stretch of a pattern without `*`.
#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// Characters, or `None` for `?`.
    Holed(Vec<Option<char>>),
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut pieces: Vec<Piece> = text.split('*').map(Piece::parse).collect();
        // `split` yields at least one piece; two or more where there is a `*`.
        let last = if pieces.len() > 1 { pieces.pop() } else { None };
        let middle: Vec<Piece> = pieces.split_off(pieces.len().min(1));
        let first = pieces.pop().unwrap_or(Piece::Literal(String::new()));
        let too_long = |piece: &Piece| matches!(piece, Piece::Holed(p) if p.len() > MAX_HOLED);
        if middle.iter().any(too_long) {
            return Err("a pattern has more than 64 characters with a ? between two *");
        }
        Ok(Pattern { first, rest: last.map(|last| (middle, last)) })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(text) = self.first.strip_from_start(text) else { return false };
        let Some((middle, last)) = &self.rest else { return text.is_empty() };
        let Some(mut text) = last.strip_from_end(text) else { return false };
        // The leftmost place of each piece leaves the most for those after it.
        for piece in middle {
            match piece.after_first_in(text) {
                Some(rest) => text = rest,
                None => return false,
            }
        }
        true
    }
}

impl Piece {
    fn parse(text: &str) -> Self {
        if text.contains('?') {
            Piece::Holed(text.chars().map(|c| (c != '?').then_some(c)).collect())
        } else {
            Piece::Literal(text.to_owned())
        }
    }

    fn strip_from_start<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Piece::Literal(literal) => text.strip_prefix(literal.as_str()),
            Piece::Holed(holed) => {
                let mut chars = text.chars();
                holed
                    .iter()
                    .all(|&h| chars.next().is_some_and(|c| fits(h, c)))
                    .then_some(chars.as_str())
            }
        }
    }

    fn strip_from_end<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Piece::Literal(literal) => text.strip_suffix(literal.as_str()),
            Piece::Holed(holed) => {
                let mut chars = text.chars();
                holed
                    .iter()
                    .rev()
                    .all(|&h| chars.next_back().is_some_and(|c| fits(h, c)))
                    .then_some(chars.as_str())
            }
        }
    }

    /// What follows the leftmost occurrence.
    fn after_first_in<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Piece::Literal(literal) => text.split_once(literal.as_str()).map(|(_, rest)| rest),
            Piece::Holed(holed) => {
                // Shift-and: bit i of `state` says that the last i + 1 characters fit the first
                // i + 1 of the piece.
                let bits = || holed.iter().enumerate();
                let any = bits().filter(|(_, h)| h.is_none()).fold(0u64, |m, (i, _)| m | (1 << i));
                let mut masks: Vec<(char, u64)> =
                    bits().filter_map(|(i, h)| h.map(|c| (c, 1u64 << i))).collect();
                masks.sort_unstable();
                masks.dedup_by(|later, kept| {
                    let same = later.0 == kept.0;
                    if same {
                        kept.1 |= later.1;
                    }
                    same
                });
                let done = 1u64 << (holed.len() - 1);
                let mut state = 0u64;
                let mut chars = text.chars();
                while let Some(c) = chars.next() {
                    let of_c = masks.binary_search_by_key(&c, |m| m.0).map_or(0, |i| masks[i].1);
                    state = ((state << 1) | 1) & (any | of_c);
                    if state & done != 0 {
                        return Some(chars.as_str());
                    }
                }
                None
            }
        }
    }
}

fn fits(hole: Option<char>, c: char) -> bool {
    hole.is_none_or(|expected| expected == c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Pattern;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).is_ok_and(|p| p.matches(text))
    }

    /// The textbook definition, by dynamic programming.
    fn reference(pattern: &str, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let mut row = vec![false; text.len() + 1];
        row[0] = true;
        for p in pattern.chars() {
            let mut next = vec![false; text.len() + 1];
            next[0] = p == '*' && row[0];
            for (i, &c) in text.iter().enumerate() {
                next[i + 1] = match p {
                    '*' => row[i + 1] || next[i],
                    '?' => row[i],
                    p => p == c && row[i],
                };
            }
            row = next;
        }
        row[text.len()]
    }

    #[test]
    fn wildcards() {
        assert!(matches("", "") && !matches("", "a"));
        assert!(matches("*", "") && matches("*", "anything") && matches("**", ""));
        assert!(matches("?", "ä") && !matches("?", "") && !matches("?", "ab"));
        assert!(matches("a*b", "ab") && !matches("ab*b", "ab"));
        assert!(matches("*é?z*", "xxéézz") && !matches("*é?z", "éz"));
        assert!(!matches("Tenant-*", "tenant-1"));
    }

    #[test]
    fn a_long_piece_with_holes_is_refused_only_in_the_middle() {
        let holed = "?".repeat(65);
        assert!(Pattern::parse(&format!("*{holed}*")).is_err());
        assert!(Pattern::parse(&format!("{holed}*{holed}")).is_ok());
        assert!(matches(&format!("*{}*", "?".repeat(64)), &"x".repeat(64)));
        assert!(!matches(&format!("*{}*", "?".repeat(64)), &"x".repeat(63)));
    }

    #[test]
    fn hostile_patterns_finish() {
        // Backtracking matchers take exponential or quadratic time here.
        let text = "a".repeat(30_000);
        assert!(!matches(&format!("{}b", "a*".repeat(15_000)), &text));
        assert!(!matches(&format!("*{}b*", "a".repeat(15_000)), &text));
        assert!(!matches(&format!("*{}b*", "?a".repeat(31)), &text));
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[abé*?]{0,12}", text in "[abé]{0,14}") {
            prop_assert_eq!(matches(&pattern, &text), reference(&pattern, &text));
        }
    }
}
