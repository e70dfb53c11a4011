//! Where a provider's services answer.

use super::Service;
use super::places::Place;
use crate::error::Result;
use crate::kms::endpoint::Endpoint;
use crate::kms::skew::Skew;

/// The addresses of a provider's services, and the place that keys are named by there.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    place: String,
    keys: Endpoint,
    secrets: Endpoint,
    /// Shared by all calls, so that only one of them is sent twice.
    skew: Skew,
}

impl Site {
    pub(crate) fn new(place: &str, keys: Endpoint, secrets: Endpoint) -> Self {
        Site { place: place.to_owned(), keys, secrets, skew: Skew::default() }
    }

    /// The same under a name of the configuration, at the addresses that it gives.
    pub(crate) fn configured(mut self, name: &str, place: &Place) -> Result<Self> {
        name.clone_into(&mut self.place);
        for (service, url) in [(Service::Keys, &place.keys), (Service::Secrets, &place.secrets)] {
            if let Some(url) = url {
                self = self.with_endpoint(service, url)?;
            }
        }
        Ok(self)
    }

    /// # Errors
    /// `invalid_argument` unless the URL is `https://HOST[:PORT]`, or `http` for this machine.
    pub(crate) fn with_endpoint(mut self, service: Service, url: &str) -> Result<Self> {
        let endpoint = Endpoint::parse(url)?;
        match service {
            Service::Keys => self.keys = endpoint,
            Service::Secrets => self.secrets = endpoint,
        }
        Ok(self)
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn endpoint(&self, service: Service) -> &Endpoint {
        match service {
            Service::Keys => &self.keys,
            Service::Secrets => &self.secrets,
        }
    }

    pub(crate) fn skew(&self) -> &Skew {
        &self.skew
    }
}
