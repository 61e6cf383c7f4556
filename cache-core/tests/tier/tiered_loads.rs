//! The way of a load through the tiers.

use std::time::{Duration, UNIX_EPOCH};

use cache_core::tier::{TierError, TieredCache};
use cache_core::{Cache, Clock};

use crate::common::tasks::Polled;
use crate::tiered::{By, MINUTE, SECOND, World};

#[test]
fn the_second_process_starts_warm_and_memory_is_asked_first() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "one");
        assert_eq!(second.hit(1), "one");
        let asked = second.tier.operations().leases;
        assert_eq!((second.hit(1), second.in_memory(1).as_deref()), ("one".into(), Some("one")));
        assert_eq!(second.tier.operations().leases, asked, "a hit in memory asks nobody");
        let stats = second.cache.stats();
        assert_eq!((stats.remote.hits, stats.remote.leases_won, stats.memory.hits), (1, 0, 1));
        assert_eq!((first.remote().fills, first.remote().leases_won), (1, 1));
    });
}

#[test]
fn a_value_lives_in_memory_for_its_memory_life_and_no_longer_than_remotely() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "one");
        world.clock.advance(5 * SECOND - Duration::from_nanos(1));
        assert!(first.in_memory(1).is_some());
        world.clock.advance(Duration::from_nanos(1));
        assert_eq!(first.in_memory(1), None);
        assert_eq!(first.hit(1), "one");
        // Two seconds before the end of its life.
        world.clock.advance(53 * SECOND);
        assert_eq!(second.hit(1), "one");
        world.clock.advance(2 * SECOND);
        assert_eq!(second.in_memory(1), None);
        second.miss(1, "two");
    });
}

#[test]
fn of_the_two_memory_lives_the_earlier_counts() {
    World::each(|world| {
        let short = Cache::builder().time_to_live(SECOND);
        let by_memory = world.process_of(short, |builder| builder.memory_time_to_live(3 * SECOND));
        let long = Cache::builder().time_to_live(30 * SECOND);
        let by_tier = world.process_of(long, |builder| builder.memory_time_to_live(3 * SECOND));
        by_memory.miss(1, "one");
        by_tier.miss(2, "two");
        by_memory.insert(3, "three").unwrap();
        world.clock.advance(SECOND);
        assert_eq!((by_memory.in_memory(1), by_memory.in_memory(3)), (None, None));
        world.clock.advance(2 * SECOND - Duration::from_nanos(1));
        assert!(by_tier.in_memory(2).is_some());
        world.clock.advance(Duration::from_nanos(1));
        assert_eq!(by_tier.in_memory(2), None);
    });
}

#[test]
fn an_error_is_stored_nowhere_and_gives_the_lease_back() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        let failed = first.try_load(1, || Err::<String, _>("no"));
        assert_eq!(*failed.unwrap_err(), "no");
        assert_eq!(first.in_memory(1), None);
        // Without waiting for the end of the first one's lease, and with a lease of its own.
        second.miss(1, "one");
        assert_eq!((second.remote().leases_won, second.remote().fills), (1, 1));
        assert_eq!(first.try_load(1, || Err::<String, _>("no")), Ok("one".to_owned()));
    });
}

#[test]
fn absence_is_stored_for_the_negative_ttl_only() {
    World::each(|world| {
        let keeping = |builder: crate::tiered::Builder| builder.negative_ttl(10 * SECOND);
        let (first, second) = (world.process_with(keeping), world.process_with(keeping));
        assert_eq!(first.find(1, || None), None);
        assert_eq!(second.find(1, || panic!("that is known")), None);
        world.clock.advance(10 * SECOND);
        assert_eq!(second.find(1, || Some("one".to_owned())).as_deref(), Some("one"));

        let forgetful = world.process();
        assert_eq!(forgetful.find(2, || None), None);
        assert_eq!(forgetful.find(2, || Some("two".to_owned())).as_deref(), Some("two"));
        assert_eq!(forgetful.remote().fills, 1);
    });
}

#[test]
fn a_load_that_must_have_a_value_does_not_believe_in_absence() {
    World::each(|world| {
        let process = world.process_with(|builder| builder.negative_ttl(10 * SECOND));
        assert_eq!(process.find(1, || None), None);
        process.miss(1, "one");
        assert_eq!(world.process().hit(1), "one");
    });
}

#[test]
fn a_value_that_is_not_kept_remotely_stays_in_memory() {
    World::each(|world| {
        let picky = |builder: crate::tiered::Builder| {
            builder.keep_remotely_if(|key, value| *key != 1 && value != "private")
        };
        let (first, second) = (world.process_with(picky), world.process_with(picky));
        first.miss(1, "one");
        first.miss(2, "private");
        first.miss(3, "three");
        assert_eq!((first.hit(1), first.hit(2)), ("one".into(), "private".into()));
        second.miss(1, "uno");
        second.miss(2, "due");
        assert_eq!(second.hit(3), "three");
        first.insert(3, "private").unwrap();
        assert_eq!(first.hit(3), "private");
        world.clock.advance(5 * SECOND);
        second.miss(3, "tre");
    });
}

#[test]
fn a_schema_and_a_name_have_keys_of_their_own() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process_with(|builder| builder.schema(1)));
        first.miss(1, "one");
        second.miss(1, "uno");
        world.clock.advance(10 * SECOND);
        assert_eq!((first.hit(1), second.hit(1)), ("one".into(), "uno".into()));
    });
}

#[test]
fn what_does_not_check_is_a_miss_and_goes() {
    World::each(|world| {
        let changes: [fn(&mut Vec<u8>); 4] = [
            |bytes| *bytes = b"from elsewhere".to_vec(),
            |bytes| bytes.truncate(20),
            |bytes| *bytes.last_mut().unwrap() ^= 1,
            Vec::clear,
        ];
        for (key, change) in (1..).zip(changes) {
            let (first, second) = (world.process(), world.process());
            first.miss(key, "one");
            let name =
                first.tier.keys().into_iter().find(|it| it.ends_with(format!(":{key}").as_bytes()));
            assert!(first.tier.corrupt(&name.expect("its name"), change));
            second.miss(key, "two");
            let stats = second.remote();
            assert_eq!(stats.rejected_foreign + stats.rejected_corrupt, 1, "{stats:?}");
            assert_eq!((stats.leases_won, stats.fills), (1, 1));
            assert_eq!(world.process().hit(key), "two");
        }
    });
}

#[test]
fn the_item_of_another_key_is_a_miss() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "one");
        let item = first.tier.item(&first.only_name()).expect("it is there").value;
        first.miss(2, "two");
        let name = first.tier.keys().into_iter().find(|name| name.ends_with(b":2"));
        first.tier.corrupt(&name.expect("its name"), |bytes| *bytes = item);
        second.miss(2, "zwei");
        assert_eq!(second.remote().rejected_key, 1);
    });
}

#[test]
fn an_item_from_before_the_end_of_an_outage_is_not_used() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "old");
        world.clock.advance(SECOND);
        let now = UNIX_EPOCH + 1_000_000 * MINUTE + world.clock.now().as_duration();
        second.tier.distrust_before(now);
        world.clock.advance(SECOND);
        second.miss(1, "new");
        assert_eq!(second.remote().rejected_distrusted, 1);
        world.clock.advance(5 * SECOND);
        assert_eq!(second.hit(1), "new", "made after the outage");
    });
}

#[test]
fn values_that_cannot_be_written_are_served_and_kept_for_two_seconds() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "unwritable");
        assert_eq!(first.hit(1), "unwritable");
        assert_eq!(first.remote().not_storable, 1);
        // The lease was given back.
        second.miss(1, "one");
        assert_eq!(second.remote().fills, 1);
        world.clock.advance(2 * SECOND);
        assert_eq!(first.hit(1), "one");
        assert!(matches!(first.insert(1, "unwritable"), Err(TierError::Codec(_))));
    });
}

#[test]
fn many_keys_take_one_exchange_and_only_what_is_missing_is_loaded() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        let text = |keys: &[u32]| keys.iter().map(|key| (*key, format!("n{key}"))).collect();
        first.miss(2, "two");
        let loaded = first.load_many(&[1, 2, 3, 1], |missing| {
            assert_eq!(missing, [1, 3]);
            let mut pairs: Vec<_> = text(missing);
            pairs.push((9, "nobody asked".to_owned()));
            pairs
        });
        let texts = |values: &[Option<String>]| -> Vec<String> {
            values.iter().map(|value| value.clone().unwrap_or_default()).collect()
        };
        assert_eq!(texts(&loaded), ["n1", "two", "n3", "n1"]);
        assert_eq!((first.in_memory(9), first.remote().fills), (None, 3));
        let before = second.tier.operations().gets;
        let loaded = second.load_many(&[3, 2, 1, 4], |missing| {
            assert_eq!(missing, [4]);
            Vec::new()
        });
        assert_eq!(texts(&loaded), ["n3", "two", "n1", ""]);
        assert!(second.tier.operations().gets <= before + 4, "{:?}", second.tier.operations());
        assert_eq!(second.in_memory(3).as_deref(), Some("n3"));
        // What nobody returned was not left with a lease.
        world.process().miss(4, "four");
    });
}

#[test]
fn values_of_a_batch_have_the_lives_of_values() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "one");
        world.clock.advance(58 * SECOND);
        let loaded = second.load_many(&[1], |_| panic!("it is there"));
        assert_eq!(loaded[0].as_deref(), Some("one"));
        world.clock.advance(2 * SECOND);
        assert_eq!(second.in_memory(1), None);
    });
}

#[test]
fn a_look_up_by_a_borrowed_form_is_remote_too() {
    World::each(|world| {
        if world.by != By::Threads {
            return;
        }
        let process = || -> TieredCache<(String, u32), String> {
            TieredCache::builder("pairs")
                .memory(Cache::builder().clock(world.clock.clone()))
                .tier(world.tier.clone())
                .codec(crate::tiered::Text)
                .build()
        };
        let (first, second) = (process(), process());
        assert_eq!(first.get_with(("a".to_owned(), 1), || "x".to_owned()), "x");
        assert_eq!(second.get(&("a".to_owned(), 1)).as_deref(), Some("x"));
        assert_eq!(second.get(&("a".to_owned(), 2)), None);
    });
}

/// Two keys may have one hash, and the item of a bare codec does not say whose it is.
#[test]
fn a_bare_codec_keeps_keys_that_are_hashed_out_of_the_tier() {
    let clock = cache_core::FakeClock::new();
    let tier = cache_core::tier::FakeTier::new(&clock);
    let process = || -> TieredCache<String, String> {
        TieredCache::builder("bare")
            .memory(Cache::builder().clock(clock.clone()))
            .tier(tier.clone())
            .codec(cache_core::tier::Raw)
            .build()
    };
    let (first, second) = (process(), process());
    for key in ["two words", &"long".repeat(100)] {
        assert_eq!(first.get_with_by_ref(key, || "first".to_owned()), "first");
        assert_eq!(first.memory().get(key).as_deref(), Some("first"));
        assert_eq!(second.get_with_by_ref(key, || "second".to_owned()), "second");
    }
    assert_eq!(first.get_with_by_ref("word", || "first".to_owned()), "first");
    assert_eq!(second.get_with_by_ref("word", || unreachable!()), "first");
    assert_eq!(first.insert("two words".to_owned(), "x".to_owned()), Ok(()));
}

/// Another process may have invalidated it in the meantime.
#[test]
fn a_memory_life_begins_when_the_tier_is_asked() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "one");
        let loaded = second.load_many(&[1, 2], |missing| {
            assert_eq!(missing, [2]);
            world.clock.advance(SECOND);
            vec![(2, "two".to_owned())]
        });
        assert_eq!(loaded, [Some("one".to_owned()), Some("two".to_owned())]);
        world.clock.advance(4 * SECOND);
        assert_eq!((second.in_memory(1), second.in_memory(2).is_some()), (None, true));
        if world.by == By::Tasks {
            let held = second.tier.hold_replies();
            let mut hit = Polled::pending(second.cache.get_with_async(1, async { unreachable!() }));
            world.clock.advance(4 * SECOND);
            drop(held);
            assert_eq!(hit.poll().as_deref(), Some("one"));
            world.clock.advance(SECOND);
            assert_eq!(second.in_memory(1), None);
        }
    });
}

#[test]
fn a_look_up_is_a_hit_or_a_miss_or_has_failed() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        let counted = |process: &crate::tiered::Process| {
            let stats = process.remote();
            (stats.hits, stats.misses, stats.errors, stats.unleased_loads)
        };
        first.load(1, || {
            second.miss(1, "without the lease");
            "one".to_owned()
        });
        assert_eq!((counted(&first), counted(&second)), ((0, 1, 0, 0), (0, 1, 0, 1)));
        world.clock.advance(2 * SECOND);
        assert_eq!(second.hit(1), "one");
        second.tier.fail_next(1, TierError::TimedOut);
        second.load_many(&[2], |_| vec![(2, "two".to_owned())]);
        assert_eq!(counted(&second), (1, 1, 1, 2));
    });
}
