//! The checks of the options' values.

use std::time::Duration;

use super::CacheBuilder;
use crate::store::config::MOST_ENTRIES;
use crate::time::source::ClockSource;
use crate::time::system::SYSTEM_HAS_CLOCK;
use crate::types::error::BuildError;

impl<K, V: 'static> CacheBuilder<K, V> {
    /// Returns the first error.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        reject_if(
            self.config.initial_capacity as u64 > MOST_ENTRIES,
            "initial_capacity",
            format!("a cache holds at most {MOST_ENTRIES} entries; give less"),
        )?;
        self.check_lives()?;
        self.check_refreshes()?;
        self.check_clock(SYSTEM_HAS_CLOCK)?;
        reject_if(
            Some(self.config.coalesce_timeout) == ZERO,
            "coalesce_timeout",
            "no caller would wait for another's load, and each would load by itself; give more \
             than zero",
        )?;
        reject_if(
            self.janitor == ZERO,
            "janitor",
            "the janitor would never rest; give more than zero, or leave it out for a cache \
             without",
        )
    }

    /// Rejects options that need a clock on a platform without one, rather than panic in some later
    /// call.
    fn check_clock(&self, system_has_clock: bool) -> Result<(), BuildError> {
        if system_has_clock || self.is_off() {
            return Ok(());
        }
        reject_if(
            self.config.expiry.is_some(),
            "expire_after",
            "it is given moments as `std::time::Instant`, which this platform does not have; give \
             the entries their times by `time_to_live` or `insert_with_ttl`",
        )?;
        let lifetimes = self.lifetimes();
        let timed =
            lifetimes.limited() || lifetimes.serves_old_values() || self.config.own_ttl.is_some();
        reject_if(
            timed && matches!(self.clock, ClockSource::Monotonic),
            "clock",
            "this platform has no clock that the standard library knows; give one by `clock`",
        )
    }

    fn check_lives(&self) -> Result<(), BuildError> {
        reject_if(
            self.config.time_to_idle == ZERO,
            "time_to_idle",
            "entries would be dead before they could be used; give more than zero, or leave it out \
             for entries that need not be used",
        )?;
        reject_if(
            self.negative_ttl == ZERO,
            "negative_ttl",
            "nothing negative would be stored; give more than zero, or use the loads that do not \
             store it (`optionally_get_with`, `try_get_with`)",
        )?;
        reject_if(
            self.ttl_jitter.is_some_and(|jitter| !(0.0..1.0).contains(&jitter)),
            "ttl_jitter",
            "it is the part of its life that an entry may lose: give a number from 0.0 to below \
             1.0, say 0.1",
        )
    }

    fn check_refreshes(&self) -> Result<(), BuildError> {
        reject_if(
            self.refresh_after == ZERO,
            "refresh_after",
            "every look-up would load anew; give more than zero, or leave it out",
        )?;
        if let (Some(refresh), Some(live)) = (self.refresh_after, self.config.time_to_live)
            && refresh >= live
            && !self.is_off()
        {
            return Err(BuildError::new(
                "refresh_after",
                format!(
                    "an entry would expire, after a time_to_live of {live:?}, before its refresh is \
                     due, after {refresh:?}; give less than time_to_live, or see \
                     stale_while_revalidate for refreshes after the deadline"
                ),
            ));
        }
        reject_if(
            self.refresh_early.is_some_and(|beta| !(beta > 0.0 && beta.is_finite())),
            "refresh_early",
            "it is a factor: give a number above 0.0; 1.0 is a good one",
        )?;
        reject_if(
            self.stale_while_revalidate == ZERO,
            "stale_while_revalidate",
            "nothing stale would be served; give more than zero, or leave it out",
        )?;
        reject_if(
            self.stale_if_error == ZERO,
            "stale_if_error",
            "nothing stale would be served; give more than zero, or leave it out",
        )
    }
}

const ZERO: Option<Duration> = Some(Duration::ZERO);

fn reject_if(
    is_wrong: bool,
    option: &'static str,
    text: impl Into<String>,
) -> Result<(), BuildError> {
    if is_wrong { Err(BuildError::new(option, text)) } else { Ok(()) }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use crate::api::cache::Cache;
    use crate::time::clock::FakeClock;
    use crate::types::expiry::Expiry;

    type Build = fn(CacheBuilder<u32, Option<u32>>) -> CacheBuilder<u32, Option<u32>>;

    struct Always;
    impl<K, V> Expiry<K, V> for Always {}

    /// Tests do not run on such a platform.
    #[test]
    fn on_a_platform_without_a_clock_options_that_need_one_are_rejected() {
        let second = Duration::from_secs(1);
        let wrong = |build: Build| {
            build(Cache::builder()).check_clock(false).err().map(|error| error.option())
        };
        let timed: [Build; 6] = [
            |builder| builder.time_to_live(Duration::from_secs(1)),
            |builder| builder.time_to_idle(Duration::from_secs(1)),
            |builder| builder.refresh_after(Duration::from_secs(1)),
            |builder| builder.negative_ttl(Duration::from_secs(1)),
            |builder| builder.stale_if_error(Duration::from_secs(1)),
            |builder| builder.refresh_early(1.0),
        ];
        for build in timed {
            assert_eq!(wrong(build), Some("clock"));
            assert!(build(Cache::builder()).check_clock(true).is_ok());
            let with_clock = build(Cache::builder().clock(FakeClock::new()));
            assert!(with_clock.check_clock(false).is_ok());
        }
        assert_eq!(wrong(|builder| builder.expire_after(Always)), Some("expire_after"));
        assert_eq!(wrong(|builder| builder.max_capacity(10).record_stats()), None);
        assert_eq!(
            wrong(|builder| builder.time_to_live(Duration::ZERO).expire_after(Always)),
            None
        );
        let off = Cache::<u32, u32>::builder().max_capacity(0).time_to_live(second);
        assert!(off.check_clock(false).is_ok());
    }
}
