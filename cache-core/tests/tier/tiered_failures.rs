//! The remote tier fails, is slow, or another process holds the lease: no call fails for it.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use cache_core::Cache;
use cache_core::tier::{
    FakeTier, Filled, Lease, LeaseTerms, Leased, Tier, TierError, TierItem, TieredCache,
};

use crate::tiered::{By, MINUTE, SECOND, World};

#[test]
fn a_tier_that_is_down_from_the_start_is_a_miss() {
    World::each(|world| {
        let process = world.process();
        process.tier.go_down();
        process.miss(1, "one");
        assert_eq!((process.hit(1), process.get(2)), ("one".into(), None));
        assert_eq!(process.remote().fills, 0);
        // Kept for two seconds: an invalidation of another process is not known here.
        world.clock.advance(2 * SECOND);
        assert_eq!(process.in_memory(1), None);
        process.tier.come_back();
        process.miss(1, "eins");
        assert_eq!(world.process().hit(1), "eins");
    });
}

#[test]
fn every_operation_may_fail_at_any_place_of_a_load() {
    World::each(|world| {
        for (key, failing) in (0..).zip(0..6) {
            let process = world.process();
            // Some succeed before: the failure comes at another place each time.
            for _ in 0..failing {
                process.miss(100 + key * 10 + failing, "before");
                process.invalidate(100 + key * 10 + failing).unwrap();
            }
            process.tier.fail_next(1, TierError::Unreachable("on purpose".to_owned()));
            process.miss(key, "one");
            assert_eq!(process.hit(key), "one");
            assert!(process.remote().errors >= 1);
        }
    });
}

#[test]
fn a_fill_whose_reply_is_lost_is_not_repeated_and_kept_for_two_seconds() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.miss(1, "one");
        first.tier.lose_reply_of_next_write();
        first.miss(2, "two");
        assert_eq!((first.remote().timeouts, first.tier.operations().fills), (1, 2));
        assert_eq!(second.hit(2), "two", "it was made");
        world.clock.advance(2 * SECOND);
        assert_eq!((first.in_memory(1).is_some(), first.in_memory(2)), (true, None));
    });
}

#[test]
fn a_process_that_cannot_read_the_generation_does_without_the_tier() {
    World::each(|world| {
        let (first, second) = (
            world.process_with(|builder| builder.poll_period(3600 * SECOND)),
            world.process_with(|builder| builder.poll_period(3600 * SECOND)),
        );
        first.miss(1, "old");
        assert_eq!(second.hit(1), "old");
        // Within three periods what it has read is good.
        world.clock.advance(40 * SECOND);
        assert_eq!(second.hit(1), "old");
        world.clock.advance(3 * 3600 * SECOND);
        first.miss(2, "two");
        second.tier.go_down();
        second.miss(2, "zwei");
        assert_eq!(second.remote().bypasses, 1);
        second.tier.come_back();
        world.clock.advance(2 * SECOND);
        assert_eq!(second.hit(2), "two");
    });
}

#[test]
fn a_load_without_the_lease_is_served_and_kept_for_two_seconds() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.load(1, || {
            // Its lease wait is zero.
            second.miss(1, "zwei");
            "one".to_owned()
        });
        assert_eq!((second.remote().leases_lost, second.remote().unleased_loads), (1, 1));
        assert_eq!(second.hit(1), "zwei");
        world.clock.advance(2 * SECOND);
        assert_eq!(second.hit(1), "one", "what the holder of the lease has stored");
    });
}

#[test]
fn of_processes_that_load_one_key_at_once_one_runs_its_loader() {
    World::each(|world| {
        let patient = |builder: crate::tiered::Builder| builder.lease_wait(MINUTE);
        let processes: Vec<_> = (0..4).map(|_| world.process_with(patient)).collect();
        let (loads, together) = (AtomicU32::new(0), Barrier::new(processes.len()));
        std::thread::scope(|scope| {
            for process in &processes {
                scope.spawn(|| {
                    together.wait();
                    let loaded = process.load(1, || {
                        loads.fetch_add(1, SeqCst);
                        // Until all others have been refused the lease.
                        let lost =
                            || processes.iter().map(|it| it.remote().leases_lost).sum::<u64>();
                        while lost() < 3 {
                            std::thread::yield_now();
                        }
                        "one".to_owned()
                    });
                    assert_eq!(loaded, "one");
                });
            }
        });
        assert_eq!(loads.load(SeqCst), 1);
    });
}

/// The holder of a lease dies: its fill never comes.
#[test]
fn a_lease_ends_by_itself() {
    World::each(|world| {
        let (first, second) = (world.process(), world.process());
        first.tier.fail_next(0, TierError::TimedOut);
        let dead = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            first.load(1, || panic!("on purpose"))
        }));
        assert!(dead.is_err());
        second.miss(1, "unleased");
        assert_eq!(second.remote().leases_lost, 1);
        world.clock.advance(2 * SECOND);
        second.miss(1, "one");
        assert_eq!((second.remote().leases_won, first.hit(1)), (1, "one".into()));
    });
}

#[test]
fn a_task_that_is_dropped_halfway_leaves_a_write_in_doubt() {
    World::each(|world| {
        if world.by != By::Tasks {
            return;
        }
        let (first, second) = (world.process(), world.process());
        first.insert(1, "old").unwrap();
        let held = first.tier.hold_replies();
        let mut insert = Box::pin(first.cache.insert_async(1, "new".to_owned()));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(insert.as_mut().poll(&mut context).is_pending());
        drop(insert);
        drop(held);
        assert_eq!((first.in_memory(1), first.remote().pending_removals), (None, 1));
        first.cache.poll().unwrap();
        assert_eq!((first.get(1), second.get(1)), (None, None));
        let held = first.tier.hold_requests();
        let mut flush = Box::pin(first.cache.invalidate_all_async());
        assert!(flush.as_mut().poll(&mut context).is_pending());
        drop(flush);
        drop(held);
        first.cache.poll().unwrap();
        second.cache.poll().unwrap();
        assert_eq!(second.remote().flushes_heard, 1);
    });
}

/// One thread per process makes the polls; a cache that is dropped is polled no more.
#[test]
fn a_flush_is_heard_without_being_asked_for() {
    let clock = cache_core::FakeClock::new();
    let tier = FakeTier::new(&clock);
    let process = |tier: FakeTier| -> TieredCache<u32, String> {
        TieredCache::builder("polled")
            .memory(Cache::builder().clock(clock.clone()))
            .tier(tier)
            .poll_period(Duration::from_millis(5))
            .codec(crate::tiered::Text)
            .build()
    };
    let (first, second) = (process(tier.peer()), process(tier.peer()));
    first.get_with(1, || "old".to_owned());
    second.get_with(1, || unreachable!("it is there"));
    first.invalidate_all().unwrap();
    while second.memory().contains_key(&1) {
        std::thread::yield_now();
    }
    drop((first, second));
    let asked = tier.operations().generations;
    assert_eq!(tier.operations().generations, asked);
}

/// The caller is not told whether it was made, so it was not.
#[test]
fn an_insert_that_panics_leaves_neither_the_old_value_nor_the_new_one() {
    World::each(|world| {
        let first = world.process_with(|builder| {
            builder.keep_remotely_if(|_, value| value != "new" || panic!("on purpose"))
        });
        first.insert(1, "old").unwrap();
        let insert = std::panic::AssertUnwindSafe(|| first.insert(1, "new"));
        assert!(std::panic::catch_unwind(insert).is_err());
        assert_eq!((first.in_memory(1), first.get(1)), (None, None));
        first.cache.poll().unwrap();
        first.miss(1, "newer");
    });
}

/// A tier that removes no key whose name ends like this.
struct Refusing {
    tier: FakeTier,
    suffix: &'static [u8],
}

impl Tier for Refusing {
    fn get(&self, key: &[u8]) -> Result<Option<TierItem>, TierError> {
        Tier::get(&self.tier, key)
    }

    fn lease(&self, key: &[u8], terms: LeaseTerms) -> Result<Leased, TierError> {
        Tier::lease(&self.tier, key, terms)
    }

    fn fill(
        &self,
        key: &[u8],
        lease: Lease,
        value: &[u8],
        life: Option<Duration>,
    ) -> Result<Filled, TierError> {
        Tier::fill(&self.tier, key, lease, value, life)
    }

    fn put(&self, key: &[u8], value: &[u8], life: Option<Duration>) -> Result<(), TierError> {
        Tier::put(&self.tier, key, value, life)
    }

    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        match key.ends_with(self.suffix) {
            true => Err(TierError::BreakerOpen),
            false => Tier::remove(&self.tier, key),
        }
    }

    fn mark_stale(&self, key: &[u8], life: Duration) -> Result<bool, TierError> {
        Tier::mark_stale(&self.tier, key, life)
    }

    fn generation(&self, name: &[u8], if_absent: u64) -> Result<u64, TierError> {
        Tier::generation(&self.tier, name, if_absent)
    }

    fn bump(&self, name: &[u8], at_least: u64) -> Result<u64, TierError> {
        Tier::bump(&self.tier, name, at_least)
    }
}

#[test]
fn one_server_that_is_out_of_reach_does_not_keep_removals_from_the_others() {
    let clock = cache_core::FakeClock::new();
    let tier = FakeTier::new(&clock);
    let cache: TieredCache<u32, String> = TieredCache::builder("partial")
        .memory(Cache::builder().clock(clock.clone()))
        .tier(Refusing { tier: tier.clone(), suffix: b":1" })
        .poll_period(Duration::MAX)
        .codec(crate::tiered::Text)
        .build();
    tier.go_down();
    for key in 0..20 {
        cache.invalidate(&key).unwrap_err();
    }
    tier.come_back();
    assert_eq!(cache.poll(), Err(TierError::BreakerOpen));
    assert_eq!(cache.stats().remote.pending_removals, 1);
}
