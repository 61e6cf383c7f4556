//! What must hold at a barrier, when no worker runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;

use cache_core::__private::testing::validate;

use crate::faults;
use crate::random::Random;
use crate::tracked::{ERRORS, Id, KEYS, VALUES};
use crate::world::{self, COUNTERS, LONGEST_TTL, Shelf, World};

/// Checks everything.
pub(crate) fn verify(world: &World, random: &mut Random) {
    let jumped = random.one_in(4);
    if jumped {
        pass_all_deadlines(world);
    }
    for shelf in &world.shelves {
        let validated = catch_unwind(AssertUnwindSafe(|| validate(&shelf.cache)));
        faults::expect(validated.is_ok(), || format!("cache {} is not whole", shelf.name));
        if jumped && shelf.expires {
            verify_expired(shelf);
        }
        shelf.cache.run_pending_tasks();
        verify_shelf(shelf);
    }
    faults::expect(ERRORS.alive() == 0, || format!("{} errors are leaked", ERRORS.alive()));
    verify_counters(world);
}

/// Advances the clock beyond every deadline.
fn pass_all_deadlines(world: &World) {
    world.clock.advance(LONGEST_TTL + world::TTL);
}

/// Before anything is freed: expired entries are not served.
fn verify_expired(shelf: &Shelf) {
    let served = (0..world::KEYS).filter(|&key| shelf.cache.get(&Id(key)).is_some()).count();
    faults::expect(served == 0, || {
        format!("{served} expired entries of {} are served", shelf.name)
    });
    shelf.cache.run_pending_tasks();
    let left = shelf.cache.entry_count();
    faults::expect(left == 0, || format!("{left} expired entries of {} are not freed", shelf.name));
}

/// After everything that can be freed is freed.
fn verify_shelf(shelf: &Shelf) {
    let Shelf { name, number, cache, truth, most, .. } = shelf;
    let (entries, size) = (cache.entry_count(), cache.weighted_size());
    let alive = (KEYS[*number].alive(), VALUES[*number].alive());
    faults::expect(alive == (entries as i64, entries as i64), || {
        format!("cache {name} has {entries} entries; keys and values alive: {alive:?}")
    });
    faults::expect(size <= *most, || format!("cache {name} weighs {size} of at most {most}"));
    let (mut count, mut weight) = (0, 0);
    for (key, value) in cache {
        shelf.check(key.id, truth.floor(key.id), &value, "at the barrier");
        count += 1;
        weight += if *name == "weight" { u64::from(value.weight) } else { 1 };
    }
    // An entry that may still be served stale is counted, and not shown. How many of those there
    // are depends on how long it took to get here; but time stands still now.
    let shown = match shelf.expires {
        true => (0..world::KEYS).filter(|&key| cache.contains_key(&Id(key))).count() as u64,
        false => entries,
    };
    let weighs = if shelf.expires { shown } else { size };
    faults::expect((count, weight) == (shown, weighs) && shown <= entries, || {
        format!("cache {name}: iter finds {count} weighing {weight}, not {shown}, {weighs}")
    });
    let stats = cache.stats();
    let removed = stats.removed_expired
        + stats.removed_explicit
        + stats.removed_replaced
        + stats.removed_size;
    let notified = truth.notifications.load(SeqCst);
    faults::expect(removed == notified && stats.listener_panics == 0, || {
        format!("cache {name}: {notified} notifications, but the statistics say {stats:?}")
    });
}

fn verify_counters(world: &World) {
    validate(&world.counters);
    world.counters.run_pending_tasks();
    for key in 0..COUNTERS {
        let counted = world.counted[key as usize].load(SeqCst);
        let shown = world.counters.get(&key).unwrap_or(0);
        faults::expect(shown == counted, || {
            format!("counter {key} shows {shown} after {counted} increments")
        });
    }
}

/// Drops the caches. No key and no value may remain.
pub(crate) fn drop_all(world: World) {
    // An entry that may still be served stale is not shown, so it could not be excused: it is
    // removed before, and the listener is notified.
    pass_all_deadlines(&world);
    for shelf in &world.shelves {
        shelf.cache.run_pending_tasks();
        for key in 0..world::KEYS {
            shelf.cache.view(&Id(key), |value| value.excuse());
        }
    }
    drop(world);
    let left = |censuses: &[crate::tracked::Census]| -> i64 {
        censuses.iter().map(|census| census.alive()).sum()
    };
    let left = (left(&KEYS), left(&VALUES));
    faults::expect(left == (0, 0), || format!("keys and values outlive the caches: {left:?}"));
}
