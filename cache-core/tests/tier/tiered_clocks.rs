//! Processes whose clocks differ.

use std::time::{Duration, UNIX_EPOCH};

use cache_core::Clock;

use crate::tiered::{MINUTE, Process, SECOND, World};

const HOUR: Duration = Duration::from_secs(3600);

impl World {
    /// Starts a process whose wall clock is ahead of the others' by this.
    fn process_ahead(&self, by: Duration) -> Process {
        let clock = self.clock.clone();
        let now = move || UNIX_EPOCH + 1_000_000 * MINUTE + by + clock.now().as_duration();
        self.process_with(|builder| builder.wall_clock(now))
    }
}

/// The server counts a value's life by itself; the process that reads adds a memory life at most.
#[test]
fn a_value_of_a_clock_that_is_ahead_lives_a_memory_life_longer_at_most() {
    World::each(|world| {
        let (ahead, other) = (world.process_ahead(HOUR), world.process());
        ahead.miss(1, "one");
        world.clock.advance(MINUTE - SECOND);
        assert_eq!(other.hit(1), "one");
        world.clock.advance(5 * SECOND);
        other.miss(1, "two");
    });
}

#[test]
fn a_value_of_a_clock_that_is_behind_is_a_miss() {
    World::each(|world| {
        let (ahead, behind) = (world.process_ahead(HOUR), world.process());
        behind.miss(1, "one");
        ahead.miss(1, "two");
        world.clock.advance(10 * SECOND);
        assert_eq!(behind.hit(1), "one", "it was not replaced: it is as old as it is there");
        world.clock.advance(MINUTE);
        ahead.miss(1, "three");
        assert_eq!(behind.hit(1), "three");
    });
}

/// Else it would count as newer than the outage that it was written before.
#[test]
fn a_value_of_a_clock_that_is_ahead_is_not_younger_than_now() {
    World::each(|world| {
        let (ahead, other) = (world.process_ahead(HOUR), world.process());
        ahead.miss(1, "old");
        world.clock.advance(SECOND);
        let now = UNIX_EPOCH + 1_000_000 * MINUTE + world.clock.now().as_duration();
        other.tier.distrust_before(now);
        other.miss(1, "new");
        assert_eq!(other.remote().rejected_distrusted, 1);
    });
}
