//! What no cache can be built from.

use std::time::Duration;

use super::CacheBuilder;
use crate::BuildError;
use crate::store::MOST_ENTRIES;

impl<K, V> CacheBuilder<K, V> {
    /// The first thing that is wrong.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        self.check_sizes()?;
        self.check_lives()?;
        self.check_refreshes()?;
        not_zero(
            "coalesce_timeout",
            Some(self.coalesce_timeout),
            "no caller would wait for another's load, and each would load by itself; give more than \
             zero",
        )?;
        not_zero(
            "janitor",
            self.janitor,
            "the janitor would never rest; give more than zero, or leave it out for a cache without",
        )
    }

    fn check_sizes(&self) -> Result<(), BuildError> {
        if self.initial_capacity as u64 > MOST_ENTRIES {
            return Err(BuildError::new(
                "initial_capacity",
                format!("a cache holds at most {MOST_ENTRIES} entries; give less"),
            ));
        }
        Ok(())
    }

    fn check_lives(&self) -> Result<(), BuildError> {
        not_zero(
            "time_to_idle",
            self.time_to_idle,
            "entries would be dead before they could be used; give more than zero, or leave it out for \
             entries that need not be used",
        )?;
        not_zero(
            "negative_ttl",
            self.negative_ttl,
            "nothing negative would be stored; give more than zero, or use the loads that do not store it \
             (`optionally_get_with`, `try_get_with`)",
        )?;
        if self.ttl_jitter.is_some_and(|jitter| !(0.0..1.0).contains(&jitter)) {
            return Err(BuildError::new(
                "ttl_jitter",
                "it is the part of its life that an entry may lose: give a number from 0.0 to below 1.0, \
                 say 0.1",
            ));
        }
        Ok(())
    }

    fn check_refreshes(&self) -> Result<(), BuildError> {
        not_zero(
            "refresh_after",
            self.refresh_after,
            "every look-up would load anew; give more than zero, or leave it out",
        )?;
        if let (Some(refresh), Some(live)) = (self.refresh_after, self.time_to_live)
            && refresh >= live
            && !self.is_off()
        {
            return Err(BuildError::new(
                "refresh_after",
                format!(
                    "an entry would expire, after a time_to_live of {live:?}, before its refresh is due, \
                     after {refresh:?}; give less than time_to_live, or see stale_while_revalidate for \
                     refreshes after the deadline"
                ),
            ));
        }
        if self.refresh_early.is_some_and(|beta| !(beta > 0.0 && beta.is_finite())) {
            return Err(BuildError::new(
                "refresh_early",
                "it is a factor: give a number above 0.0; 1.0 is a good one",
            ));
        }
        not_zero(
            "stale_while_revalidate",
            self.stale_while_revalidate,
            "nothing stale would be served; give more than zero, or leave it out",
        )?;
        not_zero(
            "stale_if_error",
            self.stale_if_error,
            "nothing stale would be served; give more than zero, or leave it out",
        )
    }
}

fn not_zero(
    option: &'static str,
    duration: Option<Duration>,
    text: &str,
) -> Result<(), BuildError> {
    if duration == Some(Duration::ZERO) { Err(BuildError::new(option, text)) } else { Ok(()) }
}
