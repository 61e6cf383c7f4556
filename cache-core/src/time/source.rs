//! A cache's clock, recognised once, so that a hit reads it without a dynamic call.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::time::clock::{Clock, FakeClock, MonotonicClock};
use crate::time::system;
use crate::time::ticking::TickingClock;

/// A cache's clock. The built-in ones are variants, so that reading them is no dynamic call and can
/// be inlined into the hit path.
#[derive(Clone, Default)]
pub(crate) enum ClockSource {
    #[default]
    Monotonic,
    Ticking(TickingClock),
    Fake(FakeClock),
    Custom(Arc<dyn Clock>),
}

impl ClockSource {
    /// Recognises the built-in clocks by their type.
    pub(crate) fn new(clock: impl Clock) -> Self {
        let any: &dyn Any = &clock;
        if any.is::<MonotonicClock>() {
            Self::Monotonic
        } else if let Some(ticking) = any.downcast_ref::<TickingClock>() {
            Self::Ticking(ticking.clone())
        } else if let Some(fake) = any.downcast_ref::<FakeClock>() {
            Self::Fake(fake.clone())
        } else {
            Self::Custom(Arc::new(clock))
        }
    }

    /// Returns the nanoseconds since the clock's origin.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        // Comparisons before the fastest two: a match of four would be a jump through a table.
        match self {
            Self::Ticking(clock) => clock.now().as_nanos(),
            Self::Monotonic => system::coarse_nanos(),
            _ => self.now_otherwise(),
        }
    }

    /// Returns `true` if this tick of the clock has not come yet. For hits: one comparison more
    /// than a reading, and only if the tick has come.
    #[inline]
    pub(crate) fn is_before(&self, tick: u64) -> bool {
        match self {
            // In a forked child a ticking clock may show the end of time; then no tick is before
            // it.
            Self::Ticking(clock) if clock.hasty_nanos() < tick => true,
            Self::Monotonic => system::coarse_nanos() < tick,
            _ => self.now_otherwise() < tick,
        }
    }

    /// As `now`, at the finest resolution that the clock has, for measuring short times.
    pub(crate) fn fine_now(&self) -> u64 {
        match self {
            Self::Monotonic | Self::Ticking(_) => system::fine_nanos(),
            Self::Fake(_) | Self::Custom(_) => self.now(),
        }
    }

    #[inline(never)]
    fn now_otherwise(&self) -> u64 {
        match self {
            Self::Monotonic => system::coarse_nanos(),
            Self::Ticking(clock) => clock.now().as_nanos(),
            Self::Fake(clock) => clock.now().as_nanos(),
            Self::Custom(clock) => clock.now().as_nanos(),
        }
    }
}

impl fmt::Debug for ClockSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monotonic => "MonotonicClock",
            Self::Ticking(_) => "TickingClock",
            Self::Fake(_) => "FakeClock",
            Self::Custom(_) => "dyn Clock",
        })
    }
}
