//! Values that are served after their life, and refreshed by one process.

use cache_core::Cache;

use crate::tiered::{Builder, MINUTE, Process, SECOND, World};

fn stale(builder: Builder) -> Builder {
    builder.stale_while_revalidate(10 * SECOND).stale_if_error(20 * SECOND)
}

#[test]
fn one_process_refreshes_and_the_others_are_served_the_old_value() {
    World::each(|world| {
        let (first, second) = (world.process_with(stale), world.process_with(stale));
        first.miss(1, "old");
        world.clock.advance(MINUTE);
        let mut loads = 0;
        let loaded = first.load(1, || {
            loads += 1;
            assert_eq!(second.hit(1), "old");
            "new".to_owned()
        });
        assert_eq!((loaded.as_str(), loads), ("new", 1));
        // The old value is served for a second at most.
        assert_eq!(second.hit(1), "old");
        world.clock.advance(SECOND);
        assert_eq!(second.hit(1), "new");
        assert_eq!(second.remote().stale, 1);
    });
}

#[test]
fn a_failed_load_is_answered_with_the_old_value_within_its_window() {
    World::each(|world| {
        let first = world.process_with(stale);
        first.miss(1, "old");
        world.clock.advance(MINUTE + 5 * SECOND);
        let fail = || first.try_load(1, || Err::<String, _>("no"));
        assert_eq!(fail(), Ok("old".to_owned()));
        // From memory for a second, without an attempt.
        let again = first.try_load(1, || -> Result<String, &str> { panic!("throttled") });
        assert_eq!(again, Ok("old".to_owned()));
        world.clock.advance(15 * SECOND);
        assert_eq!(*fail().unwrap_err(), "no");
    });
}

#[test]
fn what_was_invalidated_is_never_served_stale() {
    World::each(|world| {
        let (first, second) = (world.process_with(stale), world.process_with(stale));
        first.miss(1, "old");
        first.miss(2, "old");
        second.invalidate(1).unwrap();
        world.clock.advance(MINUTE + SECOND);
        assert_eq!(*first.try_load(1, || Err::<String, _>("no")).unwrap_err(), "no");
        second.flush().unwrap();
        first.cache.poll().unwrap();
        assert_eq!(*first.try_load(2, || Err::<String, _>("no")).unwrap_err(), "no");
    });
}

#[test]
fn without_windows_nothing_is_stale() {
    World::each(|world| {
        let first = world.process();
        first.miss(1, "old");
        world.clock.advance(MINUTE);
        assert_eq!(*first.try_load(1, || Err::<String, _>("no")).unwrap_err(), "no");
    });
}

#[test]
fn a_marked_item_is_refreshed_by_one_and_served_to_the_others() {
    World::each(|world| {
        let (first, second) = (world.process_with(stale), world.process_with(stale));
        first.miss(1, "old");
        let name = first.only_name();
        cache_core::tier::Tier::mark_stale(&first.tier, &name, MINUTE).unwrap();
        world.clock.advance(5 * SECOND);
        let loaded = first.load(1, || {
            assert_eq!(second.hit(1), "old");
            "new".to_owned()
        });
        assert_eq!(loaded, "new");
        world.clock.advance(SECOND);
        assert_eq!(second.hit(1), "new");
    });
}

#[test]
fn absence_that_a_refresh_finds_ends_the_old_value() {
    World::each(|world| {
        let first = world.process_with(stale);
        first.miss(1, "old");
        world.clock.advance(MINUTE);
        assert_eq!(first.find(1, || None), None);
        assert_eq!((first.in_memory(1), first.get(1)), (None, None));
        first.miss(1, "new");
    });
}

#[test]
fn a_refresh_that_fails_gives_the_lease_back() {
    World::each(|world| {
        let (first, second) = (world.process_with(stale), world.process_with(stale));
        first.miss(1, "old");
        world.clock.advance(MINUTE + SECOND);
        assert_eq!(first.try_load(1, || Err::<String, _>("no")), Ok("old".to_owned()));
        assert_eq!(second.load(1, || "new".to_owned()), "new");
        assert_eq!((second.remote().leases_won, second.remote().fills), (1, 1));
        // The old value lives as long as it would have: not again after this failure.
        world.clock.advance(2 * MINUTE);
        first.miss(1, "newer");
    });
}

/// The load takes so long that the window has passed when it fails.
#[test]
fn the_window_of_a_failed_load_is_that_of_its_end() {
    World::each(|world| {
        let first = world.process_with(stale);
        first.miss(1, "old");
        world.clock.advance(MINUTE + 5 * SECOND);
        let failed = first.try_load(1, || {
            world.clock.advance(15 * SECOND);
            Err::<String, _>("no")
        });
        assert_eq!(*failed.unwrap_err(), "no");
    });
}

/// It knows nothing of what others have invalidated; that of the tiered cache does.
#[test]
fn a_stale_window_of_the_memory_tier_comes_after_the_memory_life() {
    World::each(|world| {
        let window = |builder: Builder| builder.stale_if_error(MINUTE);
        let (first, of_both) = (world.process_with(window), world.process_with(window));
        let memory = Cache::builder().record_stats().stale_if_error(MINUTE);
        let of_memory = world.process_of(memory, |builder| builder);
        first.miss(1, "one");
        assert_eq!((of_memory.hit(1), of_both.hit(1)), ("one".into(), "one".into()));
        first.invalidate(1).unwrap();
        world.clock.advance(5 * SECOND);
        let down = |process: &Process| process.try_load(1, || Err("down"));
        assert_eq!(down(&of_memory), Ok("one".to_owned()));
        assert_eq!(down(&of_both), Err("down".into()));
        world.clock.advance(MINUTE);
        assert_eq!(down(&of_memory), Err("down".into()));
    });
}
