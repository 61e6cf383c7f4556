//! Writes, invalidations and flushes: what each process sees after them.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;

use cache_core::Cache;
use cache_core::tier::{Event, TierError};

use crate::tiered::{By, SECOND, World};

#[test]
fn an_insert_is_seen_by_others_and_supersedes_their_loads() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        let loaded = second.load(1, || {
            first.insert(1, "inserted").unwrap();
            "loaded".to_owned()
        });
        assert_eq!(loaded, "loaded", "it is given what it has loaded");
        assert_eq!((second.in_memory(1), second.remote().fills_refused), (None, 1));
        assert_eq!((second.hit(1), first.hit(1)), ("inserted".into(), "inserted".into()));
    });
}

#[test]
fn an_invalidation_is_seen_at_once_here_and_after_a_memory_life_elsewhere() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "old");
        assert_eq!(second.hit(1), "old");
        first.invalidate(1).unwrap();
        assert_eq!((first.in_memory(1), first.get(1)), (None, None));
        assert_eq!(second.hit(1), "old", "bounded by its memory life");
        world.clock.advance(5 * SECOND);
        second.miss(1, "new");
        assert_eq!(first.hit(1), "new");
    });
}

#[test]
fn an_invalidation_during_a_load_leaves_nothing_of_it_anywhere() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        let loaded = first.load(1, || {
            second.invalidate(1).unwrap();
            "old".to_owned()
        });
        assert_eq!((loaded.as_str(), first.in_memory(1)), ("old", None));
        assert_eq!((first.remote().fills_refused, first.get(1)), (1, None));
        // By the same process, which supersedes the flight, too.
        first.load(1, || {
            first.invalidate(1).unwrap();
            "old".to_owned()
        });
        assert_eq!((first.in_memory(1), second.get(1)), (None, None));
        let many = first.load_many(&[1, 2], |missing| {
            second.invalidate(1).unwrap();
            missing.iter().map(|key| (*key, "old".to_owned())).collect()
        });
        assert_eq!(many, [Some("old".to_owned()), Some("old".to_owned())]);
        assert_eq!((first.in_memory(1), second.get(1)), (None, None));
        assert_eq!(second.hit(2), "old");
    });
}

#[test]
fn a_flush_is_heard_at_the_next_poll() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "old");
        assert_eq!(second.hit(1), "old");
        first.flush().unwrap();
        assert_eq!((first.in_memory(1), first.get(1)), (None, None));
        assert_eq!(second.hit(1), "old");
        second.cache.poll().unwrap();
        assert_eq!((second.in_memory(1), second.get(1)), (None, None));
        second.miss(1, "new");
        assert_eq!(first.hit(1), "new");
        assert_eq!(world.process().hit(1), "new", "also a process that begins now");
    });
}

#[test]
fn a_flush_during_a_load_leaves_nothing_of_it() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.load(1, || {
            first.flush().unwrap();
            "old".to_owned()
        });
        assert_eq!((first.in_memory(1), first.get(1), second.get(1)), (None, None, None));
        second.load(2, || {
            first.flush().unwrap();
            second.cache.poll().unwrap();
            "old".to_owned()
        });
        assert_eq!((second.in_memory(2), second.get(2), first.get(2)), (None, None, None));
    });
}

#[test]
fn a_server_that_starts_empty_is_a_flush() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "old");
        world.clock.advance(SECOND);
        world.tier.flush();
        first.cache.poll().unwrap();
        assert_eq!(first.in_memory(1), None);
        second.miss(1, "new");
        assert_eq!(first.hit(1), "new");
    });
}

/// What it had when the snapshot was made was flushed since, and must not come back.
#[test]
fn a_server_that_starts_with_old_data_is_a_flush() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "old");
        let snapshot = world.tier.snapshot();
        world.clock.advance(SECOND);
        second.flush().unwrap();
        first.cache.poll().unwrap();
        first.miss(1, "new");
        world.tier.restore(&snapshot);
        world.clock.advance(SECOND);
        first.cache.poll().unwrap();
        assert_eq!((first.in_memory(1), first.get(1)), (None, None));
        second.cache.poll().unwrap();
        assert_eq!((second.in_memory(1), second.get(1)), (None, None));
        first.miss(1, "newer");
        assert_eq!(second.hit(1), "newer");
    });
}

#[test]
fn a_removal_that_fails_is_told_keeps_the_key_out_and_is_made_later() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "old");
        first.tier.fail_next(1, TierError::TimedOut);
        assert_eq!(first.invalidate(1), Err(TierError::TimedOut));
        assert_eq!((first.in_memory(1), first.remote().pending_removals), (None, 1));
        assert_eq!(first.get(1), None, "what the tier has is known to be old");
        first.miss(1, "unstored");
        assert_eq!(first.remote().bypasses, 2);
        first.cache.poll().unwrap();
        assert_eq!(first.remote().pending_removals, 0);
        second.miss(1, "new");
        world.clock.advance(2 * SECOND);
        assert_eq!(first.hit(1), "new");
    });
}

#[test]
fn a_removal_whose_reply_is_lost_is_told_and_made_again() {
    World::each(|world| {
        let first = world.process();
        first.miss(1, "old");
        first.tier.lose_reply_of_next_write();
        assert_eq!(first.invalidate(1), Err(TierError::TimedOut));
        first.cache.poll().unwrap();
        assert_eq!((first.remote().pending_removals, first.get(1)), (0, None));
    });
}

#[test]
fn an_insert_that_fails_leaves_neither_the_old_value_nor_the_new_one() {
    World::each(|world| {
        for lost_reply in [false, true] {
            let (first, second) = (world.process(), world.process());
            first.insert(1, "old").unwrap();
            match lost_reply {
                true => first.tier.lose_reply_of_next_write(),
                false => first.tier.fail_next(1, TierError::TimedOut),
            }
            assert_eq!(first.insert(1, "new"), Err(TierError::TimedOut));
            assert_eq!((first.in_memory(1), first.get(1)), (None, None));
            first.cache.poll().unwrap();
            assert_eq!(second.get(1), None);
            first.insert(1, "newer").unwrap();
            assert_eq!((first.hit(1), second.hit(1)), ("newer".into(), "newer".into()));
        }
    });
}

#[test]
fn an_insert_that_succeeds_ends_a_pending_removal() {
    World::each(|world| {
        let first = world.process();
        first.miss(1, "old");
        first.tier.fail_next(1, TierError::TimedOut);
        first.invalidate(1).unwrap_err();
        first.insert(1, "new").unwrap();
        first.cache.poll().unwrap();
        world.clock.advance(5 * SECOND);
        assert_eq!(first.hit(1), "new");
    });
}

#[test]
fn a_flush_that_fails_is_told_and_the_tier_is_not_used_until_it_is_made() {
    World::each(|world| {
        for lost_reply in [false, true] {
            let (first, second) = (world.process(), world.process());
            first.insert(1, "old").unwrap();
            match lost_reply {
                true => first.tier.lose_reply_of_next_write(),
                false => first.tier.fail_next(1, TierError::TimedOut),
            }
            assert_eq!(first.flush(), Err(TierError::TimedOut));
            assert_eq!(first.in_memory(1), None);
            first.tier.go_down();
            first.miss(1, "unstored");
            assert!(first.cache.poll().is_err());
            assert_eq!(first.in_memory(1).as_deref(), Some("unstored"));
            first.tier.come_back();
            first.cache.poll().unwrap();
            assert_eq!((first.in_memory(1), first.get(1)), (None, None));
            second.miss(1, "new");
            assert_eq!(first.hit(1), "new");
            second.flush().unwrap();
        }
    });
}

#[test]
fn many_removals_that_fail_become_one_flush() {
    World::each(|world| {
        if world.by != crate::tiered::By::Threads {
            return;
        }
        let (first, second) = (world.process(), world.process());
        first.insert(1, "old").unwrap();
        first.tier.go_down();
        for key in 0..=10_000 {
            first.invalidate(key).unwrap_err();
        }
        first.tier.come_back();
        assert!(first.remote().pending_removals < 10_000);
        first.cache.poll().unwrap();
        assert_eq!(first.get(1), None);
        second.cache.poll().unwrap();
        assert_eq!(second.get(1), None);
    });
}

#[test]
fn others_writes_are_heard_where_the_tier_tells() {
    World::each(|world| {
        world.tier.tell_writes();
        let (first, second) = (world.process(), world.process());
        first.miss(1, "old");
        first.miss(2, "two");
        assert_eq!((second.hit(1), second.hit(2)), ("old".into(), "two".into()));
        first.invalidate(1).unwrap();
        assert_eq!((second.in_memory(1), second.in_memory(2).as_deref()), (None, Some("two")));
        first.insert(2, "deux").unwrap();
        assert_eq!((second.in_memory(2), second.hit(2)), (None, "deux".into()));
        // During a load: what is loaded is not kept, although nobody has a lease for it.
        second.tier.fail_next(1, TierError::TimedOut);
        let loaded = second.load(3, || {
            first.insert(3, "new").unwrap();
            "old".to_owned()
        });
        assert_eq!((loaded.as_str(), second.in_memory(3)), ("old", None));
    });
}

#[test]
fn losing_events_empties_memory() {
    World::each(|world| {
        world.tier.tell_writes();
        let (first, second) = (world.process(), world.process());
        for event in [Event::Lost, Event::Everything] {
            first.miss(1, "one");
            assert_eq!(second.hit(1), "one");
            second.tier.hear(event);
            assert_eq!((second.in_memory(1), first.in_memory(1).is_some()), (None, true));
            first.invalidate(1).unwrap();
        }
        first.miss(1, "one");
        first.miss(2, "two");
        let name = second.tier.keys().into_iter().find(|name| name.ends_with(b":1")).unwrap();
        assert_eq!((second.hit(1), second.hit(2)), ("one".into(), "two".into()));
        second.tier.hear(Event::Prefix(name));
        assert_eq!((second.in_memory(1), second.in_memory(2).is_some()), (None, true));
        assert!(second.remote().events_heard >= 3);
    });
}

/// The index of names is tidied while keys come and go, and loses none that is in memory.
#[test]
fn no_name_of_a_key_in_memory_is_forgotten() {
    World::each(|world| {
        world.tier.tell_writes();
        let (first, second) = (world.process(), world.process());
        for key in 0..3_000 {
            second.insert(key, "new").unwrap();
            assert_eq!(first.hit(key), "new");
            if key % 3 == 0 {
                first.cache.memory().invalidate(&key);
            }
        }
        for key in 0..3_000 {
            second.invalidate(key).unwrap();
            assert_eq!(first.in_memory(key), None, "{key}");
        }
    });
}

/// The writer has not heard of another process's flush. By the names of before it would not reach
/// what was loaded since.
#[test]
fn a_write_reaches_what_was_loaded_after_a_flush_that_the_writer_has_not_heard_of() {
    World::each(|world| {
        for is_insert in [false, true] {
            let (first, second) = (world.process(), world.process());
            first.cache.poll().unwrap();
            second.flush().unwrap();
            second.miss(1, "old");
            match is_insert {
                true => first.insert(1, "new").unwrap(),
                false => first.invalidate(1).unwrap(),
            }
            let new = is_insert.then(|| "new".to_owned());
            assert_eq!(first.get(1), new);
            first.cache.poll().unwrap();
            assert_eq!(first.get(1), new);
            world.clock.advance(5 * SECOND);
            assert_eq!(second.get(1), new);
        }
    });
}

#[test]
fn what_was_inserted_or_loaded_without_the_tier_is_heard_of_too() {
    World::each(|world| {
        world.tier.tell_writes();
        let (first, second) = (world.process(), world.process());
        first.insert(1, "old").unwrap();
        second.invalidate(1).unwrap();
        assert_eq!(first.in_memory(1), None);
        for by_batch in [false, true] {
            first.tier.go_down();
            first.invalidate(2).unwrap_err();
            match by_batch {
                true => drop(first.load_many(&[2], |_| vec![(2, "old".to_owned())])),
                false => first.miss(2, "old"),
            }
            assert!(first.in_memory(2).is_some());
            second.invalidate(2).unwrap();
            assert_eq!(first.in_memory(2), None);
            first.tier.come_back();
        }
    });
}

/// The load has gone on without the tier, because that failed, and is from before a flush for all
/// that is known.
#[test]
fn the_first_reading_of_the_generation_after_failures_is_a_flush() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.tier.fail_next(1, TierError::TimedOut);
        let loaded = first.load(1, || {
            second.flush().unwrap();
            first.cache.poll().unwrap();
            "old".to_owned()
        });
        assert_eq!((loaded.as_str(), first.in_memory(1)), ("old", None));
    });
}

/// Of two threads that read the counter after a flush one is the first to know. The other one does
/// not return while the first has yet to empty memory.
#[test]
fn a_poll_returns_with_memory_emptied_whichever_thread_has_heard_first() {
    let world = World::new(By::Threads);
    let (held, release) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (held_by_first, release_of_first) = (Arc::clone(&held), Arc::clone(&release));
    let is_first = AtomicBool::new(true);
    let memory = Cache::builder().eviction_listener(move |_, _, _| {
        if is_first.swap(false, SeqCst) {
            held_by_first.wait();
            release_of_first.wait();
        }
    });
    let (first, second) = (world.process_of(memory, |builder| builder), world.process());
    (0..100).for_each(|key| first.miss(key, "old"));
    second.flush().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| first.cache.poll().unwrap());
        held.wait();
        // One shard is empty, and the listener is told of that.
        assert!((0..100).any(|key| first.in_memory(key).is_some()));
        first.cache.poll().unwrap();
        let left = (0..100).filter(|key| first.in_memory(*key).is_some()).count();
        release.wait();
        assert_eq!((left, first.remote().flushes_heard), (0, 1));
    });
}
