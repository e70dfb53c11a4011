//! The loop around the machines of providers: credentials, transport, clock.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::WallClock;
use crate::credentials::{Credentials, CredentialsProvider, none_found};
use crate::error::{Error, Result};
use crate::maybe_send::{BoxFuture, MaybeSendSync};
use crate::transport::{HttpRequest, HttpResponse, Transport};

/// What comes after an answer.
///
/// There is no waiting here: what may succeed later is an error that says so
/// ([`Retry::Later`](crate::Retry::Later)), with the pause that the service asks for.
#[derive(Debug)]
pub enum Turn<T> {
    /// Take the next request and send it.
    Send,
    /// The credentials have ended: get others and take the next request, or give up with this
    /// error. It comes at most once.
    Renew(Error),
    /// It is done.
    Done(T),
}

/// What the machines of all providers can; the answer stays in them.
pub(crate) trait Machine: MaybeSendSync {
    fn request(&mut self, credentials: &Credentials, now: Duration) -> Result<HttpRequest>;
    fn answer(&mut self, response: HttpResponse, now: Duration) -> Result<Turn<()>>;
}

/// Who calls, when, and over what.
pub(crate) struct Driver<T> {
    transport: T,
    clock: Box<dyn WallClock>,
    credentials: Arc<dyn CredentialsProvider>,
}

impl<T: Transport> Driver<T> {
    pub(crate) fn new(
        transport: T,
        clock: impl WallClock + 'static,
        credentials: Arc<dyn CredentialsProvider>,
    ) -> Self {
        Driver { transport, clock: Box::new(clock), credentials }
    }

    /// Sends what the machine has to send until it is done. Boxed, so that there is one of it for
    /// all machines: what is small beside an exchange with a server is large in a page.
    pub(crate) fn drive<'a>(&'a self, machine: &'a mut dyn Machine) -> BoxFuture<'a, Result<()>> {
        Box::pin(async {
            let mut credentials = self.current_credentials().await?;
            loop {
                let request = machine.request(&credentials, self.clock.unix_time())?;
                let response = self.transport.send(request).await?;
                match machine.answer(response, self.clock.unix_time())? {
                    Turn::Done(()) => return Ok(()),
                    Turn::Send => {}
                    Turn::Renew(refusal) => {
                        self.credentials.refused(&credentials);
                        let others = self.current_credentials().await?;
                        if Arc::ptr_eq(&others, &credentials) {
                            return Err(refusal);
                        }
                        credentials = others;
                    }
                }
            }
        })
    }

    /// Our own clock.
    pub(crate) fn now(&self) -> Duration {
        self.clock.unix_time()
    }

    pub(crate) async fn current_credentials(&self) -> Result<Arc<Credentials>> {
        self.credentials.credentials().await?.ok_or_else(none_found)
    }
}
