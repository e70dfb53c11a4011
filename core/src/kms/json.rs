//! JSON as the services answer it: an object, of which single members are looked up.
//!
//! Not with serde: what reads any type into any other weighs more than all the rest of the
//! protocol, and every page that opens an envelope loads it.

use std::borrow::Cow;

use base64ct::{Base64, Encoding};
use hifijson::num::Lex as _;
use hifijson::str::{Lex as _, LexAlloc as _};
use hifijson::token::Lex as _;
use hifijson::{Expect, SliceLexer};
use zeroize::Zeroizing;

use super::wire::not_understood;
use crate::error::Result;

/// How deep a value may be nested that nobody looks at.
const MAX_DEPTH: u8 = 64;

/// An object as it came. It is checked as a whole whenever a member is looked up; a member that is
/// `null` is none.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a>(pub(crate) &'a [u8]);

/// It is no JSON. What exactly is wrong with it could show a value.
struct Malformed;

impl From<Expect> for Malformed {
    fn from(_: Expect) -> Self {
        Malformed
    }
}

impl<'a> Object<'a> {
    /// Text, where it is there.
    pub(crate) fn maybe_text(self, name: &str) -> Result<Option<Cow<'a, str>>> {
        match self.find(name)? {
            None => Ok(None),
            Some([b'"', text @ ..]) => {
                let text = SliceLexer::new(text).str_string();
                text.map(Some).map_err(|_| not_understood())
            }
            Some(_) => Err(not_understood()),
        }
    }

    /// Text.
    pub(crate) fn text(self, name: &str) -> Result<Cow<'a, str>> {
        self.maybe_text(name)?.ok_or_else(not_understood)
    }

    /// Bytes in base64, where they are there.
    pub(crate) fn maybe_bytes(self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(text) = self.maybe_text(name)? else { return Ok(None) };
        let bytes = Base64::decode_vec(&text).map_err(|_| not_understood());
        if let Cow::Owned(text) = text {
            // Text with an escape is a copy, perhaps of a secret.
            drop(Zeroizing::new(text));
        }
        bytes.map(Some)
    }

    /// Bytes in base64.
    pub(crate) fn bytes(self, name: &str) -> Result<Vec<u8>> {
        self.maybe_bytes(name)?.ok_or_else(not_understood)
    }

    /// A truth value.
    pub(crate) fn is_true(self, name: &str) -> Result<bool> {
        match self.find(name)? {
            Some(b"true") => Ok(true),
            Some(b"false") => Ok(false),
            _ => Err(not_understood()),
        }
    }

    /// An object within.
    pub(crate) fn object(self, name: &str) -> Result<Object<'a>> {
        self.find(name)?.map(Object).ok_or_else(not_understood)
    }

    /// An object within, where it is there.
    pub(crate) fn maybe_object(self, name: &str) -> Result<Option<Object<'a>>> {
        Ok(self.find(name)?.map(Object))
    }

    /// The elements of an array; none where it is `null`.
    pub(crate) fn array(self, name: &str) -> Result<Vec<Object<'a>>> {
        match self.search(name) {
            Ok(Some(b"null")) => Ok(Vec::new()),
            Ok(Some(array)) => elements(array).map_err(|Malformed| not_understood()),
            Ok(None) | Err(Malformed) => Err(not_understood()),
        }
    }

    /// A whole number, written as a number or, as some services do, as text; where it is there.
    pub(crate) fn maybe_number(self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.maybe_scalar(name)? else { return Ok(None) };
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| not_understood())
    }

    /// A truth value, written as such or as text; where it is there.
    pub(crate) fn maybe_flag(self, name: &str) -> Result<Option<bool>> {
        match self.maybe_scalar(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(not_understood()),
        }
    }

    /// Text, or the digits of a number, or a truth value as a word; where it is there.
    pub(crate) fn maybe_scalar(self, name: &str) -> Result<Option<Cow<'a, str>>> {
        match self.find(name)? {
            Some([b'"', ..]) => self.maybe_text(name),
            Some(value @ [b'0'..=b'9' | b'-' | b't' | b'f', ..]) => std::str::from_utf8(value)
                .map(|text| Some(text.into()))
                .map_err(|_| not_understood()),
            None => Ok(None),
            Some(_) => Err(not_understood()),
        }
    }

    /// What stands here itself, where that is text: an element of an array.
    pub(crate) fn as_text(self) -> Result<Cow<'a, str>> {
        let [b'"', text @ ..] = self.0 else { return Err(not_understood()) };
        let mut lexer = SliceLexer::new(text);
        let text = lexer.str_string().map_err(|_| not_understood())?;
        if lexer.as_slice().is_empty() { Ok(text) } else { Err(not_understood()) }
    }

    fn find(self, name: &str) -> Result<Option<&'a [u8]>> {
        let found = self.search(name).map_err(|Malformed| not_understood())?;
        Ok(found.filter(|value| *value != b"null"))
    }

    fn search(self, name: &str) -> Result<Option<&'a [u8]>, Malformed> {
        let mut lexer = SliceLexer::new(self.0);
        let mut found = None;
        lexer.expect(SliceLexer::ws_peek, b'{').ok_or(Malformed)?;
        lexer.seq(b'}', SliceLexer::ws_peek, |next, lexer| {
            let known = read_name(next, lexer)?;
            let next = lexer.ws_peek().ok_or(Malformed)?;
            let value = lexer.as_slice();
            skip(next, lexer, MAX_DEPTH)?;
            if known == name {
                let value = &value[..value.len() - lexer.as_slice().len()];
                // Two members of one name: nobody knows which is meant.
                if found.replace(value).is_some() {
                    return Err(Malformed);
                }
            }
            Ok(())
        })?;
        match lexer.ws_peek() {
            None => Ok(found),
            Some(_) => Err(Malformed),
        }
    }
}

/// The elements of an array.
fn elements(array: &[u8]) -> Result<Vec<Object<'_>>, Malformed> {
    let mut lexer = SliceLexer::new(array);
    let mut found = Vec::new();
    lexer.expect(SliceLexer::ws_peek, b'[').ok_or(Malformed)?;
    lexer.seq(b']', SliceLexer::ws_peek, |next, lexer| {
        let value = lexer.as_slice();
        skip(next, lexer, MAX_DEPTH)?;
        found.push(Object(&value[..value.len() - lexer.as_slice().len()]));
        Ok::<_, Malformed>(())
    })?;
    if lexer.ws_peek().is_none() { Ok(found) } else { Err(Malformed) }
}

/// The name of a member, and its colon.
fn read_name<'a>(next: u8, lexer: &mut SliceLexer<'a>) -> Result<Cow<'a, str>, Malformed> {
    if next != b'"' {
        return Err(Malformed);
    }
    let name = lexer.discarded().str_string().map_err(|_| Malformed)?;
    lexer.expect(SliceLexer::ws_peek, b':').ok_or(Malformed)?;
    Ok(name)
}

/// Goes past a value of any type.
fn skip(next: u8, lexer: &mut SliceLexer<'_>, depth: u8) -> Result<(), Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed)?;
    match next {
        b'"' => lexer.discarded().str_ignore().map_err(|_| Malformed),
        b'0'..=b'9' | b'-' => match lexer.num_ignore().validate() {
            Ok(_) => Ok(()),
            Err(_) => Err(Malformed),
        },
        b'[' => {
            lexer.discarded().seq(b']', SliceLexer::ws_peek, |next, lexer| skip(next, lexer, depth))
        }
        b'{' => lexer.discarded().seq(b'}', SliceLexer::ws_peek, |next, lexer| {
            read_name(next, lexer)?;
            skip(lexer.ws_peek().ok_or(Malformed)?, lexer, depth)
        }),
        _ => match lexer.null_or_bool() {
            Some(_) => Ok(()),
            None => Err(Malformed),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const BODY: &str = r#" { "a" : "x\"\u00e9\ud83d\ude00" , "b":"AQID","c":true,
        "d":{"e":"y","f":[1,-2.5e3,{"g":null}]},"h":null,"\u0069":"z" } "#;

    #[test]
    fn members_are_found_by_name() {
        let object = Object(BODY.as_bytes());
        assert_eq!(object.text("a").as_deref(), Ok("x\"\u{e9}\u{1f600}"));
        assert_eq!(object.bytes("b"), Ok(vec![1, 2, 3]));
        assert_eq!(object.is_true("c"), Ok(true));
        assert_eq!(object.object("d").and_then(|d| d.text("e")).as_deref(), Ok("y"));
        assert_eq!(object.text("i").as_deref(), Ok("z"));
        assert_eq!(object.maybe_text("h"), Ok(None));
        assert_eq!(object.maybe_bytes("absent"), Ok(None));
        // Of another type.
        assert!(object.maybe_text("c").is_err() && object.is_true("a").is_err());
        assert!(object.maybe_bytes("a").is_err() && object.text("h").is_err());
        assert!(object.object("a").and_then(|a| a.maybe_text("e")).is_err());
    }

    #[test]
    fn arrays_and_loose_scalars_are_read() {
        let body =
            br#"{"l":[ {"a":1} ,"x\u0041", 2],"n":7,"t":"8","e":"","b":"true","f":false,"m":-1}"#;
        let object = Object(body);
        let list = object.array("l").expect("an array");
        assert_eq!(list.len(), 3);
        assert_eq!(list[0].maybe_number("a"), Ok(Some(1)));
        assert_eq!(list[1].as_text().as_deref(), Ok("xA"));
        assert!(list[2].as_text().is_err() && list[1].text("a").is_err());
        assert!(Object(b"{\"l\":null}").array("l").is_ok_and(|none| none.is_empty()));
        assert!(object.array("n").is_err() && object.array("absent").is_err());
        for (name, number) in [("n", Some(7)), ("t", Some(8)), ("e", None), ("absent", None)] {
            assert_eq!(object.maybe_number(name), Ok(number), "{name}");
        }
        assert!(object.maybe_number("b").is_err() && object.maybe_number("m").is_err());
        assert_eq!(object.maybe_flag("b"), Ok(Some(true)));
        assert_eq!(object.maybe_flag("f"), Ok(Some(false)));
        assert!(object.maybe_flag("n").is_err() && object.maybe_scalar("l").is_err());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(64), "]".repeat(64));
        let wrong = [
            "",
            "[]",
            "\"a\"",
            "{",
            "{}}",
            "{} 1",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":01}",
            "{\"a\":nul}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\n\"}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":[1,]}",
            &deep,
        ];
        for body in wrong {
            assert!(Object(body.as_bytes()).maybe_text("a").is_err(), "{body:.40}");
        }
        assert!(Object(b"{\"\xff\":1}").maybe_text("a").is_err());
        let flat = deep.replacen('[', "", 1).replacen(']', "", 1);
        assert_eq!(Object(flat.as_bytes()).maybe_text("a"), Ok(None));
    }

    proptest! {
        /// Whatever comes, the answer is the one of a parser that others have tested.
        #[test]
        fn it_reads_as_serde_does(
            pairs in prop::collection::btree_map(".{0,8}", "\\PC{0,12}|[\u{0}-\u{20}]{0,4}", 0..5),
            cut in 0usize..400,
            flip: u8,
        ) {
            let mut body = serde_json::to_vec(&pairs).expect("an object");
            for (name, value) in &pairs {
                let read = Object(&body).text(name);
                prop_assert_eq!(read.as_deref(), Ok(value.as_str()));
            }
            let at = cut % body.len();
            body[at] = flip;
            let ours = Object(&body).search("a").is_ok();
            if let Ok(Value::Object(object)) = serde_json::from_slice(&body) {
                prop_assert!(ours || object.len() < pairs.len(), "refused what is an object");
            } else if let Ok(text) = std::str::from_utf8(&body) {
                prop_assert!(!ours || text.contains("\\u"), "took what is none");
            }
        }
    }
}
