//! What a newer load has made out of date is not served any more, and what may not be served is not
//! shown to a caller's test.

use std::time::Duration;

use cache_core::{CacheBuilder, Status};

use super::timed::Timed;
use cache_core::__private::testing::validate;

const MINUTE: Duration = Duration::from_secs(60);

type Configure = fn(CacheBuilder<u32, u32>) -> CacheBuilder<u32, u32>;

/// Values that may be served for a minute after their deadline, which is after a minute.
fn windows() -> [Configure; 3] {
    [
        |builder| builder.time_to_live(MINUTE).stale_if_error(MINUTE),
        |builder| builder.time_to_live(MINUTE).stale_while_revalidate(MINUTE),
        |builder| builder.time_to_live(MINUTE).stale_if_error(MINUTE).refresh_after(MINUTE / 2),
    ]
}

#[test]
fn a_value_too_heavy_to_be_stored_ends_the_old_one() {
    for window in windows() {
        let build = |builder| window(builder).max_capacity(10).weigher(|_, value| *value);
        let Timed { cache, clock } = Timed::new(build);
        cache.insert(1, 5);
        clock.advance(MINUTE);
        assert_eq!(cache.get_with_status(1, || 11), (11, Status::Loaded));
        assert_eq!(cache.entry_count(), 0);
        assert_eq!(*cache.try_get_with(1, || Err("down")).unwrap_err(), "down");
        validate(&cache);
    }
}

#[test]
fn a_value_that_may_not_be_served_is_not_tested() {
    for window in windows() {
        let Timed { cache, clock } = Timed::new(window);
        cache.insert(1, 5);
        clock.advance(2 * MINUTE);
        let untested = |_: &u32| -> bool { unreachable!("its time is over") };
        assert_eq!(cache.get_or_revalidate(1, untested, || 6), 6);
        assert_eq!(cache.remove_if(&2, untested), None);
        validate(&cache);
    }
}

/// It may be served only if the load fails, and it has not been tried yet.
#[test]
fn a_value_for_the_failure_of_a_load_is_tested_when_it_has_failed() {
    let build =
        |builder: CacheBuilder<u32, u32>| builder.time_to_live(MINUTE).stale_if_error(MINUTE);
    let Timed { cache, clock } = Timed::new(build);
    cache.insert(1, 5);
    clock.advance(MINUTE);
    let mut tests = 0;
    let mut test = |value: &u32| {
        tests += 1;
        *value == 5
    };
    let failing = cache.try_get_or_revalidate(1, &mut test, || Err("down"));
    assert_eq!((failing, tests), (Ok(5), 1));
    let refused = cache.try_get_or_revalidate(1, |_| false, || Err("down"));
    assert_eq!(*refused.unwrap_err(), "down");
    let untested = |_: &u32| -> bool { unreachable!("the load does not fail") };
    clock.advance(Duration::from_secs(1));
    assert_eq!(cache.get_or_revalidate(1, untested, || 6), 6);
}
