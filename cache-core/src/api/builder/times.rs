//! The options of time: how long entries live, and what happens then.

use std::sync::Arc;
use std::time::Duration;

use super::CacheBuilder;
use crate::shard::lifetimes::Lifetimes;
use crate::store::config::OwnTtl;
use crate::store::deadlines::nanos;
use crate::table::NEVER;
use crate::types::expiry::{Expiry, Negative};

impl<K, V: 'static> CacheBuilder<K, V> {
    /// Sets how long an entry lives after it was stored, by the cache's [`clock`](Self::clock).
    /// Each store, an update too, starts it again. A look-up at or after the deadline is a miss,
    /// exactly; the memory is freed in small steps by later writes and loads, whether they store
    /// something or not, by [`Cache::run_pending_tasks`] or by a [`janitor`](Self::janitor). A
    /// duration beyond the range of the clock (584 years) means "never". With zero the cache is
    /// off: see [`Cache::disabled`].
    ///
    /// If an entry has several deadlines (this one, that of [`time_to_idle`](Self::time_to_idle),
    /// of [`expire_after`](Self::expire_after), of [`Cache::insert_with_ttl`]), the earliest
    /// counts.
    ///
    /// [`Cache::run_pending_tasks`]: crate::Cache::run_pending_tasks
    /// [`Cache::insert_with_ttl`]: crate::Cache::insert_with_ttl
    /// [`Cache::disabled`]: crate::Cache::disabled
    pub fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.config.time_to_live = Some(time_to_live);
        self
    }

    /// Sets how long an entry lives after it was last used: stored, or found by
    /// [`get`](crate::Cache::get), [`view`](crate::Cache::view), a load or a computation. `peek`,
    /// `contains_key`, `entry_info` and `iter` are not uses. It costs each hit a read of the clock,
    /// and once per tick a store of 8 bytes, without a lock.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, FakeClock};
    ///
    /// let clock = FakeClock::new();
    /// let minute = Duration::from_secs(60);
    /// let sessions = Cache::builder().time_to_idle(minute).clock(clock.clone()).build();
    /// sessions.insert("a", 1);
    /// clock.advance(minute / 2);
    /// assert!(sessions.get("a").is_some());
    /// clock.advance(minute / 2);
    /// assert!(sessions.get("a").is_some());
    /// clock.advance(minute);
    /// assert!(sessions.get("a").is_none());
    /// ```
    pub fn time_to_idle(mut self, time_to_idle: Duration) -> Self {
        self.config.time_to_idle = Some(time_to_idle);
        self
    }

    /// Lets an [`Expiry`] set how long each entry lives. It runs without any lock of the cache
    /// held.
    pub fn expire_after(mut self, expiry: impl Expiry<K, V> + Send + Sync + 'static) -> Self {
        self.config.expiry = Some(Arc::new(expiry));
        self
    }

    /// Sets how long a [negative](Negative) value lives, `None` or an `Err`: a result such as
    /// "there is none" or "not now" is kept, so that it is not loaded all the time, but not for as
    /// long as others. The earliest of all deadlines counts.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, FakeClock};
    ///
    /// let (clock, second) = (FakeClock::new(), Duration::from_secs(1));
    /// let users: Cache<u32, Option<&str>> = Cache::builder()
    ///     .time_to_live(60 * second)
    ///     .negative_ttl(5 * second)
    ///     .clock(clock.clone())
    ///     .build();
    /// assert_eq!(users.get_with(1, || None), None);
    /// assert_eq!(users.get_with(1, || Some("Ann")), None);
    /// clock.advance(5 * second);
    /// assert_eq!(users.get_with(1, || Some("Ann")), Some("Ann"));
    /// ```
    pub fn negative_ttl(mut self, negative_ttl: Duration) -> Self
    where
        V: Negative,
    {
        self.negative_ttl = Some(negative_ttl);
        self.own_ttl(move |value| value.is_negative().then_some(negative_ttl))
    }

    /// Shortens each time to live by a random part of it, up to `jitter` (from 0.0 to below 1.0),
    /// so that entries that were stored together do not expire together. It applies to
    /// [`time_to_live`](Self::time_to_live), [`Cache::insert_with_ttl`] and [`Cache::set_ttl`]; no
    /// entry lives longer than it would without.
    ///
    /// The part follows from the hash of the key and the tick at which the entry was written. With
    /// a hasher of fixed seeds and a [`FakeClock`](crate::FakeClock) it is the same in each run.
    ///
    /// [`Cache::insert_with_ttl`]: crate::Cache::insert_with_ttl
    /// [`Cache::set_ttl`]: crate::Cache::set_ttl
    pub fn ttl_jitter(mut self, jitter: f64) -> Self {
        self.ttl_jitter = Some(jitter);
        self
    }

    /// Refreshes an entry of this age when a call that can load it asks for it: one caller loads it
    /// again, while the others are served the old value until it expires. With a time to live this
    /// keeps what is in use from expiring, so that no caller waits for it.
    ///
    /// A [`LoadingCache`](crate::LoadingCache) runs the refresh on the
    /// [`executor`](Self::executor), and all callers are served at once. In a
    /// [`Cache`](crate::Cache) the loader belongs to the call; there the one caller runs it and
    /// waits.
    ///
    /// If the refresh fails, the old value stays, and the next attempt is made a second later at
    /// the earliest. A write to the key, its invalidation or a flush supersedes a refresh, as it
    /// does any load.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, FakeClock, Status};
    ///
    /// let clock = FakeClock::new();
    /// let cache = Cache::builder()
    ///     .time_to_live(Duration::from_secs(60))
    ///     .refresh_after(Duration::from_secs(40))
    ///     .clock(clock.clone())
    ///     .build();
    /// cache.insert("a", 1);
    /// assert_eq!(cache.get_with_status("a", || 2), (1, Status::Hit));
    /// clock.advance(Duration::from_secs(40));
    /// assert_eq!(cache.get_with_status("a", || 2), (2, Status::Loaded));
    /// ```
    pub fn refresh_after(mut self, age: Duration) -> Self {
        self.refresh_after = Some(age);
        self
    }

    /// Refreshes entries at random a little before they expire, in the way of
    /// [`refresh_after`](Self::refresh_after): the earlier, the longer they took to load and the
    /// more often they are asked for. `beta` is a factor: 1.0 is the optimum under the assumptions
    /// of the source; a larger one refreshes earlier.
    ///
    /// Source: A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal Probabilistic Cache Stampede
    /// Prevention", VLDB 2015. For a call that can load, the deadline comes earlier by the time
    /// that the last load of the entry took, times `beta`, times a random number of the exponential
    /// distribution of mean 1. The time of loads is measured by the cache's clock. Entries that
    /// were stored rather than loaded are not refreshed early.
    pub fn refresh_early(mut self, beta: f64) -> Self {
        self.refresh_early = Some(beta);
        self
    }

    /// Sets how long after its deadline an entry may still be served to a call that can load it
    /// ([`Status::Stale`](crate::Status::Stale)) while one caller loads it again, in the way of
    /// [`refresh_after`](Self::refresh_after). To calls that cannot load, such as
    /// [`get`](crate::Cache::get), it is a miss.
    ///
    /// Default: off. The time counts from the deadline, however often the load fails. What was
    /// removed, invalidated or flushed is not served; nor is a value for which the loader has
    /// returned `None` (`optionally_get_with`). Entries stay in memory for that much longer, and
    /// count towards the bound.
    ///
    /// Source: RFC 5861, section 3.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, FakeClock, Status};
    ///
    /// let (clock, minute) = (FakeClock::new(), Duration::from_secs(60));
    /// let prices = Cache::builder()
    ///     .time_to_live(minute)
    ///     .stale_while_revalidate(minute)
    ///     .clock(clock.clone())
    ///     // Runs jobs at once, on the calling thread.
    ///     .executor(|job: cache_core::Job| job())
    ///     .build_with_loader(|sku: &u32| Ok::<u32, String>(sku * 100));
    /// prices.cache().insert(7, 1);
    /// clock.advance(minute);
    /// assert_eq!(prices.get_with_status(&7), Ok((1, Status::Stale)));
    /// assert_eq!(prices.get_with_status(&7), Ok((700, Status::Hit)));
    /// ```
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.stale_while_revalidate = Some(window);
        self
    }

    /// Sets how long after its deadline an entry may still be served if a load of it fails
    /// ([`Status::Fallback`](crate::Status::Fallback)). For a second after a failure, callers are
    /// served without another attempt.
    ///
    /// Default: off. The time counts from the deadline: a failure does not extend it. What was
    /// removed, invalidated or flushed is not served. A panic of the loader goes to its caller; the
    /// others are served. A loader that returns `None` (`optionally_get_with`) has not failed: the
    /// entry is removed.
    ///
    /// Source: RFC 5861, section 4.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cache_core::{Cache, FakeClock};
    ///
    /// let (clock, minute) = (FakeClock::new(), Duration::from_secs(60));
    /// let rates = Cache::builder()
    ///     .time_to_live(minute)
    ///     .stale_if_error(10 * minute)
    ///     .clock(clock.clone())
    ///     .build();
    /// rates.insert("EUR", 1.1);
    /// let ask = || rates.try_get_with("EUR", || Err("the bank is closed"));
    /// clock.advance(11 * minute - Duration::from_nanos(1));
    /// assert_eq!(ask(), Ok(1.1));
    /// clock.advance(Duration::from_nanos(1));
    /// assert!(ask().is_err());
    /// ```
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = Some(window);
        self
    }

    /// Returns the options of time in nanoseconds.
    pub(super) fn lifetimes(&self) -> Lifetimes {
        let ticks = |duration: Option<Duration>, otherwise| duration.map_or(otherwise, nanos);
        if self.is_off() {
            // No entry is stored, so none is refreshed, used, or served stale. Only a time to live
            // of zero matters: it is the cause with which values are rejected.
            let ttl = if self.config.time_to_live == Some(Duration::ZERO) { 0 } else { NEVER };
            return Lifetimes { ttl, ..Lifetimes::default() };
        }
        Lifetimes {
            ttl: ticks(self.config.time_to_live, NEVER),
            idle: ticks(self.config.time_to_idle, NEVER),
            jitter: self.ttl_jitter.unwrap_or(0.0),
            refresh_after: ticks(self.refresh_after, NEVER),
            while_revalidate: ticks(self.stale_while_revalidate, 0),
            if_error: ticks(self.stale_if_error, 0),
            early: self.refresh_early.unwrap_or(0.0),
        }
    }

    /// Sets a time to live that follows from the value. The earliest of all deadlines counts.
    pub(crate) fn own_ttl(
        mut self,
        ttl: impl Fn(&V) -> Option<Duration> + Send + Sync + 'static,
    ) -> Self {
        let own_ttl: OwnTtl<V> = match self.config.own_ttl {
            None => Arc::new(ttl),
            Some(other) => Arc::new(move |value| other(value).into_iter().chain(ttl(value)).min()),
        };
        self.config.own_ttl = Some(own_ttl);
        self
    }
}
