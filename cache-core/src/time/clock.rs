//! The [`Clock`] trait, and the clocks that come with it.
//!
//! An entry is served exactly until its deadline *by the cache's clock*, so a cache is as exact as
//! its clock, and a hit on an entry with a deadline is as slow as its clock: reading it is most of
//! what such a hit costs. The built-in clocks are therefore recognised once, when the cache is
//! built (`source.rs`), and read without a dynamic call.

use std::sync::Arc;
use std::time::Duration;

use crate::time::system;
use crate::util::sync::atomic::{AtomicU64, Ordering};

/// A moment: nanoseconds since the origin of the clock that gave it.
///
/// Ticks of one clock can be compared and subtracted; between different clocks the numbers mean
/// nothing. The origin is arbitrary (for the system's clocks usually the start of the machine),
/// and 64 bits hold 584 years from there. Arithmetic never wraps: it saturates, or returns `None`.
///
/// ```
/// use std::time::Duration;
/// use cache_core::Tick;
///
/// let noon = Tick::from_nanos(500);
/// let later = noon.saturating_add(Duration::from_nanos(20));
/// assert!(later > noon);
/// assert_eq!(later.saturating_duration_since(noon), Duration::from_nanos(20));
/// assert_eq!(noon.saturating_duration_since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);

    /// The end of time, 584 years after the origin. As a deadline it means "never".
    pub const MAX: Self = Self(u64::MAX);

    /// Returns the moment `nanos` nanoseconds after the clock's origin.
    #[inline]
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds since the clock's origin.
    #[inline]
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the time since the clock's origin.
    #[inline]
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Returns the moment `by` later, or `None` if 64 bits cannot hold it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cache_core::Tick;
    ///
    /// let tick = Tick::from_nanos(1);
    /// assert_eq!(tick.checked_add(Duration::from_nanos(2)), Some(Tick::from_nanos(3)));
    /// assert_eq!(tick.checked_add(Duration::MAX), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn checked_add(self, by: Duration) -> Option<Self> {
        let nanos = u64::try_from(by.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Self)
    }

    /// Returns the moment `by` later, or [`Tick::MAX`] if 64 bits cannot hold it.
    #[inline]
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        self.checked_add(by).unwrap_or(Self::MAX)
    }

    /// Returns the time from `earlier` to this moment, zero if `earlier` is later.
    #[inline]
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The moment that long after the clock's origin; [`Tick::MAX`] if 64 bits cannot hold it.
impl From<Duration> for Tick {
    #[inline]
    fn from(since_origin: Duration) -> Self {
        Self::ZERO.saturating_add(since_origin)
    }
}

/// A source of time for a cache: [`CacheBuilder::clock`](crate::CacheBuilder::clock).
///
/// | clock | granularity | cost of a read | for |
/// |---|---|---|---|
/// | [`MonotonicClock`] (default) | Linux: 1-4 ms, else as [`Instant`] | 5 ns, else 20-30 | all |
/// | [`TickingClock`] | 1 ms if its thread runs | under 1 ns | hot paths with late expiry |
/// | [`FakeClock`] | 1 ns | under 1 ns | tests |
///
/// # Implementing it
/// `now` is called by many threads at once, by each hit on an entry with a deadline and by each
/// write to a cache whose entries expire: it should be quick. No lock of the cache is held while it
/// runs. A panic goes to the caller of the cache, which is left whole.
///
/// The time should not go backwards, as seen by one thread. If it does, entries live longer than
/// they should; nothing worse happens. Choose the origin so that the clock does not reach
/// [`Tick::MAX`].
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use cache_core::{Clock, Tick};
///
/// /// Time that passes with each request served rather than with the sun.
/// struct RequestClock(AtomicU64);
///
/// impl Clock for RequestClock {
///     fn now(&self) -> Tick {
///         Tick::from_nanos(self.0.load(Ordering::Relaxed))
///     }
/// }
///
/// let clock = RequestClock(AtomicU64::new(7));
/// assert_eq!(clock.now(), Tick::from_nanos(7));
/// ```
///
/// [`Instant`]: std::time::Instant
/// [`TickingClock`]: crate::TickingClock
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no clock of a cache",
    label = "no `Clock`",
    note = "a clock is a `FakeClock`, for tests, a `TickingClock`, a `MonotonicClock`, which is the \
            default, your own, or an `Arc` of one"
)]
pub trait Clock: Send + Sync + 'static {
    /// Returns the present moment.
    fn now(&self) -> Tick;
}

/// A clock can be shared with a cache and still be used beside it.
impl<C: Clock + ?Sized> Clock for Arc<C> {
    #[inline]
    fn now(&self) -> Tick {
        (**self).now()
    }
}

/// The system's monotonic clock: the default.
///
/// On Linux this is `CLOCK_MONOTONIC_COARSE`: the time of the kernel's last timer tick, read in
/// about 5 ns without a system call. Its granularity is one such tick, 1 to 4 ms depending on how
/// the kernel was built. It is no further behind in any circumstance, not even at the first read
/// after the process was stopped and continued. Elsewhere it is [`Instant`](std::time::Instant).
///
/// It never goes backwards, in one thread or between threads, and does not follow changes of the
/// wall clock. On `wasm32-unknown-unknown`, which has no clock, reading it panics, and a cache that
/// needs a clock must be given another. Whether it advances while the machine is suspended is up to
/// the system; on Linux it does not. All values of this type, and
/// [`TickingClock`](crate::TickingClock), share one origin.
///
/// ```
/// use cache_core::{Clock, MonotonicClock};
///
/// let clock = MonotonicClock::new();
/// let before = clock.now();
/// assert!(clock.now() >= before);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MonotonicClock(());

impl MonotonicClock {
    /// Returns the system's monotonic clock.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Clock for MonotonicClock {
    #[inline]
    fn now(&self) -> Tick {
        Tick(system::coarse_nanos())
    }
}

/// A clock that stands still until [`advance`](Self::advance) is called: for tests of code that
/// caches, without sleeping.
///
/// It starts at zero. Clones share the time, so keep one and give one to the cache. A thread that
/// reads the new time also sees what the advancing thread did before.
///
/// ```
/// use std::time::Duration;
/// use cache_core::{Clock, FakeClock, Tick};
///
/// let clock = FakeClock::new();
/// let shared = clock.clone();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(shared.now(), Tick::from(Duration::from_secs(60)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct FakeClock {
    nanos: Arc<AtomicU64>,
}

impl FakeClock {
    /// Returns a clock that shows zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the time forward for all clones. It stops at [`Tick::MAX`], 584 years.
    pub fn advance(&self, by: Duration) {
        let later = |nanos| Some(Tick(nanos).saturating_add(by).as_nanos());
        // Release: pairs with the load in `now`. A thread that reads the new time there also sees
        // what this thread did before. The update itself reads nothing but the time, so its own
        // load may be relaxed.
        let _ = self.nanos.fetch_update(Ordering::Release, Ordering::Relaxed, later);
    }
}

impl Clock for FakeClock {
    #[inline]
    fn now(&self) -> Tick {
        // Acquire: pairs with the update in `advance`.
        Tick(self.nanos.load(Ordering::Acquire))
    }
}
