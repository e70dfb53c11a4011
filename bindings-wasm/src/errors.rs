//! Errors on their way between the core and JavaScript: `js/errors.ts` has the class.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use js_sys::{Array, Reflect};
use keyfold::{Error, ErrorCode, Retry};
use wasm_bindgen::prelude::*;

/// What functions answer: whatever JavaScript gets, or what it is to throw.
pub(crate) type Js<T = JsValue> = Result<T, JsValue>;

thread_local! {
    /// Values of JavaScript that have caused errors of the core, which must be `Send`.
    static CAUSES: RefCell<Vec<Option<JsValue>>> = const { RefCell::new(Vec::new()) };
}

/// What was thrown in JavaScript, as the source of an error.
struct Thrown(usize);

impl Thrown {
    fn keep(value: JsValue) -> Self {
        CAUSES.with_borrow_mut(|causes| {
            if let Some(free) = causes.iter().position(Option::is_none) {
                causes[free] = Some(value);
                return Thrown(free);
            }
            causes.push(Some(value));
            Thrown(causes.len() - 1)
        })
    }

    fn value(&self) -> JsValue {
        CAUSES.with_borrow(|causes| causes.get(self.0).cloned().flatten().unwrap_or_default())
    }
}

impl Drop for Thrown {
    fn drop(&mut self) {
        CAUSES.with_borrow_mut(|causes| {
            if let Some(slot) = causes.get_mut(self.0) {
                *slot = None;
            }
        });
    }
}

impl fmt::Debug for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Thrown(..)")
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an exception of JavaScript")
    }
}

impl std::error::Error for Thrown {}

/// What JavaScript throws: the parts of a `KeyfoldError`, which is made there.
pub(crate) fn to_js(error: &Error) -> JsValue {
    let (retry, after) = match error.retry() {
        Retry::Never => ("never", None),
        Retry::AfterChange => ("after_change", None),
        Retry::Later(after) => ("later", after),
    };
    let after = after.map_or(JsValue::UNDEFINED, |after| (after.as_secs_f64() * 1000.0).into());
    let cause = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<Thrown>())
        .map_or(JsValue::UNDEFINED, Thrown::value);
    let parts = Array::of(&[
        error.code().as_str().into(),
        error.detail().into(),
        retry.into(),
        after,
        cause,
    ]);
    parts.into()
}

/// What a function of the host threw, as an error of the core: what it says itself where it is a
/// `KeyfoldError`, else `code` and `what`.
pub(crate) fn from_js(thrown: JsValue, code: ErrorCode, what: &'static str) -> Error {
    let text = |name: &str| get(&thrown, name).as_string();
    let known = || {
        if text("name")? != "KeyfoldError" {
            return None;
        }
        let code = text("code")?;
        let code = *ErrorCode::ALL.iter().find(|known| known.as_str() == code)?;
        let after = get(&thrown, "retryAfter").as_f64().map(milliseconds);
        let retry = match text("retry")?.as_str() {
            "later" => Retry::Later(after),
            "after_change" => Retry::AfterChange,
            _ => Retry::Never,
        };
        Some(Error::new(code, text("message").unwrap_or_default()).with_retry(retry))
    };
    let error = known().unwrap_or_else(|| Error::new(code, what));
    error.with_source(Thrown::keep(thrown))
}

/// A member of an object; undefined where there is none.
pub(crate) fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or_default()
}

/// Milliseconds of JavaScript; nothing where they are no time.
pub(crate) fn milliseconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number / 1000.0).unwrap_or_default()
}

/// A length or place of JavaScript.
#[cfg(feature = "client")]
pub(crate) fn whole(number: f64) -> Result<u64, Error> {
    // 2^53: beyond it JavaScript cannot count in ones.
    if number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        return Ok(number as u64);
    }
    Err(Error::new(ErrorCode::InvalidArgument, "a length is a whole number from 0 on"))
}

/// A length or place for JavaScript; above 2^53 it is not exact.
#[cfg(feature = "client")]
#[expect(clippy::cast_precision_loss, reason = "no input of JavaScript is that long")]
pub(crate) fn number(length: u64) -> JsValue {
    (length as f64).into()
}
