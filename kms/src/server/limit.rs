//! How often somebody may call.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::config::{Rate, RateConfig};
use super::observe;
use super::reply::Refusal;

/// Operations that share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Symmetric,
    Asymmetric,
    KeyGeneration,
    SecretsRead,
    Management,
}

impl Class {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Symmetric => "symmetric",
            Class::Asymmetric => "asymmetric",
            Class::KeyGeneration => "key_generation",
            Class::SecretsRead => "secrets_read",
            Class::Management => "management",
        }
    }
}

/// One token bucket for each principal and class, and for each address.
pub(crate) struct Rates {
    symmetric: Buckets<String>,
    asymmetric: Buckets<String>,
    key_generation: Buckets<String>,
    secrets_read: Buckets<String>,
    management: Buckets<String>,
    address: Buckets<IpAddr>,
}

impl Rates {
    pub(crate) fn new(config: &RateConfig) -> Self {
        Rates {
            symmetric: Buckets::new(config.symmetric),
            asymmetric: Buckets::new(config.asymmetric),
            key_generation: Buckets::new(config.key_generation),
            secrets_read: Buckets::new(config.secrets_read),
            management: Buckets::new(config.management),
            address: Buckets::new(config.address),
        }
    }

    /// Counts a call of a principal.
    pub(crate) fn check(&self, principal: &str, class: Class) -> Result<(), Refusal> {
        let buckets = match class {
            Class::Symmetric => &self.symmetric,
            Class::Asymmetric => &self.asymmetric,
            Class::KeyGeneration => &self.key_generation,
            Class::SecretsRead => &self.secrets_read,
            Class::Management => &self.management,
        };
        buckets.check(|| principal.to_owned()).map_err(|seconds| {
            observe::throttled(class.name());
            Refusal::throttled("the rate of this principal's requests is too high", seconds)
        })
    }

    /// Counts a request of an address, before anybody knows who it is.
    pub(crate) fn check_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Ok(());
        }
        self.address.check(|| network(address)).map_err(|seconds| {
            observe::throttled("address");
            Refusal::throttled("the rate of requests from this address is too high", seconds)
        })
    }

    /// Forgets whoever has not called for a while.
    pub(crate) fn forget_idle(&self) {
        for buckets in [
            &self.symmetric,
            &self.asymmetric,
            &self.key_generation,
            &self.secrets_read,
            &self.management,
        ] {
            buckets.forget_idle();
        }
        self.address.forget_idle();
    }
}

/// The part of an address that stands for one customer: all of IPv4, a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

struct Buckets<K: Hash + Eq + Clone>(Option<DefaultKeyedRateLimiter<K>>);

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(rate: Rate) -> Self {
        let per_second = NonZeroU32::new(rate.per_second);
        Buckets(per_second.map(|per_second| {
            let burst = NonZeroU32::new(rate.burst).unwrap_or(per_second.saturating_mul(TWO));
            RateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst))
        }))
    }

    /// Takes a token, or says in how many seconds there is one.
    fn check(&self, key: impl FnOnce() -> K) -> Result<(), u64> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check_key(&key()).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
        })
    }

    fn forget_idle(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

const TWO: NonZeroU32 = NonZeroU32::new(2).expect("two is not zero");

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(rate: Rate) -> Rates {
        Rates::new(&RateConfig { symmetric: rate, address: rate, ..RateConfig::default() })
    }

    #[test]
    fn each_principal_and_class_has_a_bucket_of_its_own() {
        let rates = rates(Rate::new(1, 3));
        let calls =
            |who: &str| (0..10).filter(|_| rates.check(who, Class::Symmetric).is_ok()).count();
        // A second may pass meanwhile.
        assert!((3..=4).contains(&calls("alice")));
        assert!((3..=4).contains(&calls("bob")));
        assert!(rates.check("alice", Class::Management).is_ok());
        let refused = (0..10).find_map(|_| rates.check("alice", Class::Symmetric).err());
        let refused = refused.expect("the bucket is empty");
        assert_eq!(refused.name, "ThrottlingException");
        assert_eq!(refused.retry_after, Some(1));
    }

    #[test]
    fn nothing_is_counted_where_there_is_no_limit() {
        let rates = rates(Rate::OFF);
        assert!((0..10_000).all(|_| rates.check("alice", Class::Symmetric).is_ok()));
    }

    #[test]
    fn neighbours_in_ipv6_share_a_bucket_and_loopback_has_none() {
        let rates = rates(Rate::new(1, 1));
        let refused = |addresses: [&str; 8]| {
            addresses
                .iter()
                .filter(|address| {
                    rates.check_address(address.parse().expect("an address")).is_err()
                })
                .count()
        };
        let near = std::array::from_fn(|_| "2001:db8::1");
        assert!(refused(near) >= 6);
        assert!(refused(std::array::from_fn(|_| "2001:db8::2")) >= 6);
        assert_eq!(refused(std::array::from_fn(|_| "::1")), 0);
        assert_eq!(refused(std::array::from_fn(|_| "::ffff:127.0.0.1")), 0);
        rates.forget_idle();
    }
}
