//! Deadlines set by the user's code.

use std::time::{Duration, Instant};

/// Sets how long each entry lives: given to
/// [`CacheBuilder::expire_after`](crate::CacheBuilder::expire_after). The methods have the
/// signatures of moka's trait of the same name.
///
/// Each method returns how long the entry lives from now on; `None` sets no deadline. If the cache
/// also has a time to live or a time to idle, the earliest deadline counts. With
/// `Some(Duration::ZERO)` the entry expires at once: it is not stored, or not served again.
///
/// The methods run on the calling thread, without any lock of the cache held, just before the value
/// is stored or just after it is found. They may be slow and may call the cache again. A panic goes
/// to the caller; then nothing is stored or changed.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` gives no lives to entries of keys `{K}` and values `{V}`",
    label = "no `Expiry`",
    note = "implement `cache_core::Expiry<{K}, {V}>` for a type of yours; a life that is the same \
            for all entries is set by `time_to_live`"
)]
pub trait Expiry<K, V> {
    /// Called when a key that has no live entry is stored. Default: no deadline.
    #[allow(unused_variables, reason = "names are part of the documentation")]
    fn expire_after_create(&self, key: &K, value: &V, created_at: Instant) -> Option<Duration> {
        None
    }

    /// Called when a look-up that counts as a use has found the entry. `duration_until_expiry` is
    /// the time that is left by all its deadlines, `last_modified_at` the moment its value was
    /// stored. If the result equals `duration_until_expiry`, which is the default, nothing changes.
    ///
    /// A concurrent look-up may see the old or the new deadline.
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

    /// Called when a new value replaces a live one. If the result equals `duration_until_expiry`,
    /// the time that was left by all deadlines, which is the default, the new value keeps the
    /// deadline that this trait gave to the old one.
    ///
    /// Whether a store creates or updates is determined just before it acquires its lock.
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

/// A value that may mean "there is none": see
/// [`CacheBuilder::negative_ttl`](crate::CacheBuilder::negative_ttl).
#[diagnostic::on_unimplemented(
    message = "a value of type `{Self}` does not say whether it is negative",
    label = "no `Negative`",
    note = "`negative_ttl` is for values that are an `Option` or a `Result`, or of a type for which \
            you implement `cache_core::Negative`; for lives that follow from other values, see \
            `expire_after`"
)]
pub trait Negative {
    /// Returns `true` if the value is negative. Runs on the storing thread, without any lock.
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
