//! The system's monotonic clock, as nanoseconds since an origin that all its readings share.
//!
//! Linux has two readings of it: the kernel's last tick, which is cheap, and the exact time.
//! Elsewhere there is one, the standard library's.

pub(in crate::time) use self::reading::{coarse_nanos, fine_nanos};

/// `true` if the platform has a clock. Bare WebAssembly (`wasm32-unknown-unknown`) has none that
/// the standard library knows: there, reading the system's clock panics.
pub(crate) const SYSTEM_HAS_CLOCK: bool =
    cfg!(not(all(target_family = "wasm", target_os = "unknown")));

/// Not for Miri, which has no vDSO for rustix to call.
#[cfg(all(target_os = "linux", not(miri)))]
mod reading {
    use rustix::time::{ClockId, clock_gettime};

    /// Returns the time of the kernel's last tick: cheap.
    #[inline]
    pub(in crate::time) fn coarse_nanos() -> u64 {
        nanos(ClockId::MonotonicCoarse)
    }

    /// Returns the exact time. Never behind a coarse reading made before.
    pub(in crate::time) fn fine_nanos() -> u64 {
        nanos(ClockId::Monotonic)
    }

    #[inline]
    fn nanos(id: ClockId) -> u64 {
        let now = clock_gettime(id);
        // Neither part of a monotonic clock's time is negative, and 584 years fit.
        (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod reading {
    use std::sync::OnceLock;
    use std::time::Instant;

    /// An `Instant` is not a number, so the origin is the first reading in the process.
    static ORIGIN: OnceLock<Instant> = OnceLock::new();

    #[inline]
    pub(in crate::time) fn coarse_nanos() -> u64 {
        let origin = ORIGIN.get().unwrap_or_else(|| {
            // Else a child that is forked meanwhile would wait for ever for the thread that sets
            // it.
            let _gate = crate::util::fork::gate();
            ORIGIN.get_or_init(Instant::now)
        });
        u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(in crate::time) use self::coarse_nanos as fine_nanos;
}
