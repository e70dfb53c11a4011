//! The host's clocks and timers.

use std::time::Duration;

use js_sys::{Date, Function, Promise};
use keyfold::maybe_send::BoxFuture;
use keyfold::{Clock, WallClock};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::errors::milliseconds;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(function: &Function, milliseconds: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);
}

/// The host's clocks and timers.
#[derive(Clone, Copy, Default)]
pub(crate) struct HostClock;

/// A timer that ends with whoever waits for it: one that is forgotten keeps Node.js alive.
struct Timer(JsValue);

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.0);
    }
}

impl Clock for HostClock {
    fn now(&self) -> Duration {
        milliseconds(performance_now())
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut timer = JsValue::UNDEFINED;
            let rung = Promise::new(&mut |ring, _| {
                timer = set_timeout(&ring, time.as_secs_f64() * 1000.0);
            });
            let _timer = Timer(timer);
            // The promise is never rejected.
            let _ = JsFuture::from(rung).await;
        })
    }
}

impl WallClock for HostClock {
    fn unix_time(&self) -> Duration {
        milliseconds(Date::now())
    }
}
