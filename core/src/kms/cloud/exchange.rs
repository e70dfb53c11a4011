//! One request to a cloud on its way: signed, sent, answered, perhaps signed once more.

use std::time::Duration;

use zeroize::Zeroizing;

use super::fault::{Category, Fault};
use super::{Provider, not_understood};
use crate::credentials::Credentials;
use crate::crypto::rng::Rng;
use crate::error::Result;
use crate::kms::driver::{Machine, Turn};
use crate::transport::{HttpRequest, HttpResponse};

/// The longest answer, in bytes: a page of a list, with all that its entries may hold.
const MAX_ANSWER: usize = 4 << 20;

/// Which of a provider's services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Keys.
    Keys,
    /// Secrets.
    Secrets,
}

/// A request before it is signed.
pub(crate) struct Ask {
    pub(crate) service: Service,
    /// The operation's name, where the protocol has one apart from the path.
    pub(crate) operation: &'static str,
    pub(crate) method: &'static str,
    /// Percent-encoded, beginning with `/`.
    pub(crate) path: String,
    /// Not encoded yet.
    pub(crate) query: Vec<(String, Zeroizing<String>)>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Ask {
    /// Without a body.
    pub(crate) fn bare(
        service: Service,
        method: &'static str,
        operation: &'static str,
        path: impl Into<String>,
    ) -> Self {
        let (query, body) = (Vec::new(), Zeroizing::default());
        Ask { service, operation, method, path: path.into(), query, body }
    }

    /// One parameter more.
    pub(crate) fn with_query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), Zeroizing::new(value.to_owned())));
        self
    }

    /// A `POST` with JSON.
    pub(crate) fn post(
        service: Service,
        operation: &'static str,
        path: impl Into<String>,
        body: Zeroizing<Vec<u8>>,
    ) -> Self {
        Ask { service, operation, method: "POST", path: path.into(), query: Vec::new(), body }
    }
}

/// When a request is signed, and a number that is used once.
pub(crate) struct Stamp {
    /// Since 1970, as the service sees it.
    pub(crate) at: Duration,
    pub(crate) nonce: [u8; 16],
}

/// The machine. What it ends with is an answer, or the service's own error.
pub(super) struct Exchange<'a> {
    provider: &'a dyn Provider,
    rng: &'a dyn Rng,
    ask: Ask,
    signed_at: Option<Duration>,
    corrected: bool,
    renewed: bool,
    pub(super) outcome: Option<Result<HttpResponse, Fault>>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(provider: &'a dyn Provider, rng: &'a dyn Rng, ask: Ask) -> Self {
        let (corrected, renewed) = (false, false);
        Exchange { provider, rng, ask, signed_at: None, corrected, renewed, outcome: None }
    }
}

impl Machine for Exchange<'_> {
    fn request(&mut self, credentials: &Credentials, now: Duration) -> Result<HttpRequest> {
        let at = self.provider.site().skew().corrected(now);
        // Another one for each turn: some services take a number once.
        let mut nonce = [0; 16];
        self.rng.fill(&mut nonce)?;
        self.signed_at = credentials.are_signed_with().then_some(at);
        self.provider.sign(&self.ask, credentials, &Stamp { at, nonce })
    }

    fn answer(&mut self, response: HttpResponse, now: Duration) -> Result<Turn<()>> {
        if response.body.len() > MAX_ANSWER {
            return Err(not_understood());
        }
        let Some(fault) = self.provider.fault(&self.ask, &response, now) else {
            self.outcome = Some(Ok(response));
            return Ok(Turn::Done(()));
        };
        match fault.category {
            Category::Clock
                if !self.corrected
                    && self.provider.site().skew().learn(&response, self.signed_at, now) =>
            {
                self.corrected = true;
                return Ok(Turn::Send);
            }
            Category::Clock | Category::Expired if !self.renewed => {
                self.renewed = true;
                let of_secret = self.ask.service == Service::Secrets;
                return Ok(Turn::Renew(fault.into_error(of_secret)));
            }
            _ => {}
        }
        self.outcome = Some(Err(fault));
        Ok(Turn::Done(()))
    }
}
