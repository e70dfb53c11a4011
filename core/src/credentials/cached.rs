//! Keeps short-lived credentials until they are about to end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Credentials, CredentialsProvider};
use crate::clock::WallClock;
use crate::error::Result;
use crate::maybe_send::BoxFuture;

/// How long before their end credentials are replaced.
const REFRESH: Duration = Duration::from_mins(5);
/// How long the old ones go on where new ones cannot be had, before these are asked for again.
const PAUSE: Duration = Duration::from_secs(30);

/// Keeps what another source gives, and replaces it five minutes before it ends. However many
/// requests wait, the source is asked once. Where it fails while the old credentials are still
/// good, these go on.
///
/// ```
/// use keyfold::credentials::{CachedCredentials, CredentialsProvider};
/// # use keyfold::{WallClock, credentials::{Credentials, StaticCredentials}};
/// # struct HostTime;
/// # impl WallClock for HostTime {
/// #     fn unix_time(&self) -> std::time::Duration { std::time::Duration::ZERO }
/// # }
/// # let token = b"token".to_vec().into();
/// # let source = StaticCredentials::new(Credentials::bearer(&token)?);
/// let provider = CachedCredentials::new(source, HostTime);
/// assert!(pollster::block_on(provider.credentials())?.is_some());
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct CachedCredentials<P, C> {
    source: P,
    clock: C,
    kept: Mutex<Kept>,
    fetching: async_lock::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    credentials: Option<Arc<Credentials>>,
    /// Before this time nothing new is asked for.
    good_until: Duration,
}

impl<P: CredentialsProvider, C: WallClock> CachedCredentials<P, C> {
    /// Keeps what `source` gives.
    pub fn new(source: P, clock: C) -> Self {
        let (kept, fetching) = (Mutex::default(), async_lock::Mutex::new(()));
        CachedCredentials { source, clock, kept, fetching }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // What is kept is replaced as a whole: no panic leaves half of it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self) -> Option<Arc<Credentials>> {
        let kept = self.kept();
        kept.credentials.clone().filter(|_| self.clock.unix_time() < kept.good_until)
    }

    async fn fetch(&self) -> Result<Option<Arc<Credentials>>> {
        if let Some(fresh) = self.fresh() {
            return Ok(Some(fresh));
        }
        let _one_at_a_time = self.fetching.lock().await;
        // Another request may have fetched them meanwhile.
        if let Some(fresh) = self.fresh() {
            return Ok(Some(fresh));
        }
        let fetched = self.source.credentials().await;
        let now = self.clock.unix_time();
        let mut kept = self.kept();
        match fetched {
            Ok(Some(new)) => {
                kept.good_until = match new.expires() {
                    // What ends sooner than that is asked for again soon, not for each request.
                    Some(end) => end.saturating_sub(REFRESH).max(end.min(now + PAUSE)),
                    None => Duration::MAX,
                };
                kept.credentials = Some(new.clone());
                Ok(Some(new))
            }
            Ok(None) => {
                kept.credentials = None;
                Ok(None)
            }
            Err(error) => {
                let still_good =
                    |old: &Arc<Credentials>| old.expires().is_some_and(|end| now < end);
                match kept.credentials.clone().filter(still_good) {
                    Some(old) => {
                        kept.good_until = now + PAUSE;
                        Ok(Some(old))
                    }
                    None => Err(error),
                }
            }
        }
    }
}

impl<P: CredentialsProvider, C: WallClock> CredentialsProvider for CachedCredentials<P, C> {
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
        Box::pin(self.fetch())
    }

    fn refused(&self, credentials: &Arc<Credentials>) {
        let mut kept = self.kept();
        if kept.credentials.as_ref().is_some_and(|known| Arc::ptr_eq(known, credentials)) {
            kept.credentials = None;
        }
        drop(kept);
        self.source.refused(credentials);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use super::*;
    use crate::error::{Error, ErrorCode};
    use crate::keys::SecretBytes;

    #[derive(Default)]
    struct World {
        now: AtomicU64,
        asked: AtomicUsize,
        fails: std::sync::atomic::AtomicBool,
    }

    /// Gives credentials for an hour, and lets others run before it answers.
    struct Hourly(Arc<World>);
    struct Time(Arc<World>);

    impl WallClock for Time {
        fn unix_time(&self) -> Duration {
            Duration::from_secs(self.0.now.load(Ordering::Relaxed))
        }
    }

    impl CredentialsProvider for Hourly {
        fn credentials(&self) -> BoxFuture<'_, Result<Option<Arc<Credentials>>>> {
            Box::pin(async {
                self.0.asked.fetch_add(1, Ordering::Relaxed);
                let mut yielded = false;
                std::future::poll_fn(|context| {
                    if std::mem::replace(&mut yielded, true) {
                        return std::task::Poll::Ready(());
                    }
                    context.waker().wake_by_ref();
                    std::task::Poll::Pending
                })
                .await;
                if self.0.fails.load(Ordering::Relaxed) {
                    return Err(Error::new(ErrorCode::KmsUnavailable, "no answer"));
                }
                let end = Time(self.0.clone()).unix_time() + Duration::from_hours(1);
                let token = SecretBytes::from(&b"token"[..]);
                Ok(Some(Arc::new(Credentials::bearer(&token)?.expiring(end))))
            })
        }
    }

    #[test]
    fn they_are_fetched_once_and_replaced_before_they_end() {
        let world = Arc::new(World::default());
        let cached = CachedCredentials::new(Hourly(world.clone()), Time(world.clone()));
        let ask = || pollster::block_on(cached.credentials()).map(|found| found.expect("some"));
        let asked = || world.asked.load(Ordering::Relaxed);

        let many = futures_util::future::join_all((0..8).map(|_| cached.credentials()));
        let all = pollster::block_on(many);
        let first = all[0].as_ref().expect("credentials").clone().expect("some");
        assert!(all.iter().flatten().flatten().all(|one| Arc::ptr_eq(one, &first)));
        assert_eq!((all.len(), asked()), (8, 1));

        world.now.store(3299, Ordering::Relaxed);
        assert!(Arc::ptr_eq(&ask().expect("credentials"), &first));
        world.now.store(3300, Ordering::Relaxed);
        let second = ask().expect("credentials");
        assert!(!Arc::ptr_eq(&second, &first));
        assert_eq!(asked(), 2);

        // Refused ones are not given again; others' refusals count for nothing.
        cached.refused(&first);
        assert!(Arc::ptr_eq(&ask().expect("credentials"), &second));
        cached.refused(&second);
        let third = ask().expect("credentials");
        assert!(!Arc::ptr_eq(&third, &second));
        assert_eq!(asked(), 3);

        // The old ones go on while they are good, and the source is left alone for a while.
        world.fails.store(true, Ordering::Relaxed);
        world.now.store(3300 + 3400, Ordering::Relaxed);
        assert!(Arc::ptr_eq(&ask().expect("credentials"), &third));
        assert!(Arc::ptr_eq(&ask().expect("credentials"), &third));
        assert_eq!(asked(), 4);
        world.now.store(3300 + 3600, Ordering::Relaxed);
        assert_eq!(ask().expect_err("they have ended").code(), ErrorCode::KmsUnavailable);
    }
}
