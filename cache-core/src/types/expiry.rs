//! Deadlines that the user's code decides.

use std::time::{Duration, Instant};

/// How long each entry lives, decided by the user's code: given to
/// [`CacheBuilder::expire_after`](crate::CacheBuilder::expire_after). The methods have the signatures
/// of moka's trait of the same name.
///
/// Each method answers how long the entry is to live from now on; `None` is "for ever", as far as this
/// trait goes. Where the cache also has a time to live or a time to idle, the earliest deadline wins.
/// `Some(Duration::ZERO)`: the entry is dead at once. It is not stored, or not served again.
///
/// The methods run on the calling thread, without any lock of the cache held, just before the value is
/// stored or just after it is found. They may be slow and may call the cache again. A panic goes to the
/// caller: nothing is stored, or nothing is changed.
///
/// ```
/// use std::time::{Duration, Instant};
/// use cache_core::{Cache, Expiry, FakeClock};
///
/// /// Errors are forgotten sooner than answers.
/// struct ByKind;
///
/// impl Expiry<String, Result<u32, String>> for ByKind {
///     fn expire_after_create(
///         &self,
///         _key: &String,
///         value: &Result<u32, String>,
///         _created_at: Instant,
///     ) -> Option<Duration> {
///         Some(Duration::from_secs(if value.is_ok() { 60 } else { 1 }))
///     }
/// }
///
/// let clock = FakeClock::new();
/// let cache = Cache::builder().expire_after(ByKind).clock(clock.clone()).build();
/// cache.insert("a".to_owned(), Ok(1));
/// cache.insert("b".to_owned(), Err("not now".to_owned()));
/// clock.advance(Duration::from_secs(1));
/// assert!(cache.contains_key("a") && !cache.contains_key("b"));
/// ```
pub trait Expiry<K, V> {
    /// A key that has no live entry is stored. Unless overridden: for ever.
    #[allow(unused_variables, reason = "names are part of the documentation")]
    fn expire_after_create(&self, key: &K, value: &V, created_at: Instant) -> Option<Duration> {
        None
    }

    /// A look-up that counts as a use has found the entry. `duration_until_expiry` is the time it has
    /// left by all its deadlines, `last_modified_at` when its value was stored. Unless overridden, or if
    /// the answer is the very time it has left, nothing changes.
    ///
    /// Whether a look-up at the same time sees the old or the new deadline is open.
    #[allow(unused_variables, reason = "names are part of the documentation")]
    fn expire_after_read(
        &self,
        key: &K,
        value: &V,
        read_at: Instant,
        duration_until_expiry: Option<Duration>,
        last_modified_at: Instant,
    ) -> Option<Duration> {
        duration_until_expiry
    }

    /// A new value takes the place of a live one. Unless overridden, or if the answer is the very time
    /// that the old one had left by all its deadlines, the deadline that this trait gave to the old one
    /// holds for the new.
    ///
    /// Which of the two, this or a creation, a store is, is looked up just before it takes its lock.
    #[allow(unused_variables, reason = "names are part of the documentation")]
    fn expire_after_update(
        &self,
        key: &K,
        value: &V,
        updated_at: Instant,
        duration_until_expiry: Option<Duration>,
    ) -> Option<Duration> {
        duration_until_expiry
    }
}

/// A value that may say that there is none: see
/// [`CacheBuilder::negative_ttl`](crate::CacheBuilder::negative_ttl).
pub trait Negative {
    /// Does it? Runs on the storing thread, without a lock.
    fn is_negative(&self) -> bool;
}

/// `None` is negative.
impl<T> Negative for Option<T> {
    fn is_negative(&self) -> bool {
        self.is_none()
    }
}

/// `Err` is negative.
impl<T, E> Negative for Result<T, E> {
    fn is_negative(&self) -> bool {
        self.is_err()
    }
}
