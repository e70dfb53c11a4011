//! The host's clocks and timers.

use std::cell::RefCell;
use std::time::Duration;

use js_sys::{Date, Function};
use keyfold::maybe_send::BoxFuture;
use keyfold::{Clock, WallClock};
use wasm_bindgen::prelude::*;

use crate::errors::milliseconds;
use crate::foreign::Foreign;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

thread_local! {
    static SLEEP: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Names the function that waits for so many milliseconds: see [`Foreign`].
#[wasm_bindgen(js_name = onSleep)]
pub fn on_sleep(sleep: Function) {
    SLEEP.set(Some(sleep));
}

/// The host's clocks and timers.
#[derive(Clone, Copy, Default)]
pub(crate) struct HostClock;

impl Clock for HostClock {
    fn now(&self) -> Duration {
        milliseconds(performance_now())
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(sleep) = SLEEP.with_borrow(Clone::clone) {
                // The promise is never rejected.
                let _ = Foreign(sleep).ask((time.as_secs_f64() * 1000.0).into()).await;
            }
        })
    }
}

impl WallClock for HostClock {
    fn unix_time(&self) -> Duration {
        milliseconds(Date::now())
    }
}
