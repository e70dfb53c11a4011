//! Work that waits for the host: polled by JavaScript, which is told when it is worth it.

use std::cell::RefCell;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use js_sys::Function;
use keyfold::kms::Kms;
use wasm_bindgen::prelude::*;

use crate::errors::{Js, to_js};
use crate::wire::{response, to_request};

type Work = Pin<Box<dyn Future<Output = Js>>>;

thread_local! {
    static WAKE: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Names the function that is told the number of a task that can go on.
#[wasm_bindgen(js_name = onWake)]
pub fn on_wake(wake: Function) {
    WAKE.set(Some(wake));
}

struct Bell(u32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let wake = WAKE.with_borrow(Clone::clone);
        if let Some(wake) = wake {
            // The function only schedules; it does not throw.
            let _ = wake.call1(&JsValue::UNDEFINED, &self.0.into());
        }
    }
}

/// Work that was begun. Freeing it ends it: what it waits for is cancelled.
#[wasm_bindgen]
pub struct Task {
    work: Option<Work>,
    answer: Option<Js>,
    waker: Option<Waker>,
}

#[wasm_bindgen]
impl Task {
    /// Goes on; answers whether there is an answer. `number` is what [`on_wake`]'s function is
    /// told.
    pub fn poll(&mut self, number: u32) -> bool {
        let waker = self.waker.get_or_insert_with(|| Waker::from(Arc::new(Bell(number))));
        if let Some(work) = &mut self.work
            && let Poll::Ready(answer) = work.as_mut().poll(&mut Context::from_waker(waker))
        {
            self.work = None;
            self.answer = Some(answer);
        }
        self.answer.is_some()
    }

    /// The answer, once.
    pub fn take(&mut self) -> Js {
        self.answer.take().unwrap_or(Ok(JsValue::UNDEFINED))
    }
}

/// Performs a request of `js/kms.ts`.
pub(crate) fn perform(kms: impl Deref<Target: Kms> + 'static, request: &JsValue) -> Js {
    let request = to_request(request).map_err(|error| to_js(&error))?;
    begin(async move {
        let answer = kms.call(&request).await.map_err(|error| to_js(&error))?;
        response(&answer).map_err(|error| to_js(&error))
    })
}

/// Does at once what needs no waiting, and answers a [`Task`] for the rest.
pub(crate) fn begin(work: impl Future<Output = Js> + 'static) -> Js {
    let mut work: Work = Box::pin(work);
    // JavaScript polls the task once more anyway: this waker is not missed.
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => Ok(Task { work: Some(work), answer: None, waker: None }.into()),
    }
}
