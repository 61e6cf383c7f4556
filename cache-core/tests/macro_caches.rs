//! The caches of all functions together: emptied, looked at, and bypassed. A binary of its own,
//! because they are all those of the process.

#![cfg(feature = "macros")]

mod common {
    pub(crate) mod panics;
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod runs;
}

use std::sync::{Mutex, MutexGuard, PoisonError};

use cache_core::{cached, macro_caches};

use cache_core::__private::testing::validate;
use common::panics::{panics, silence_panics_on_purpose};
use common::runs::run;

/// `clear_all` empties the caches of the other tests too, so they take turns.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn bypass_concerns_its_own_thread_only() {
    let _turn = one_at_a_time();
    #[cached]
    fn next(_n: u64) -> u64 {
        run()
    }
    struct Shop;
    impl Shop {
        #[cached(skip(self))]
        fn price(&self, _n: u64) -> Result<u64, String> {
            Ok(run())
        }
    }
    assert_eq!((next(1), Shop.price(1)), (1, Ok(2)));
    {
        let _guard = macro_caches::bypass();
        assert_eq!((next(1), next(2), Shop.price(1)), (3, 4, Ok(5)));
        // Nothing was stored, and the companion works.
        assert_eq!((next::get(1), next::get(2)), (Some(1), None));
        let elsewhere = std::thread::spawn(|| next(1)).join();
        assert_eq!(elsewhere.expect("no panic"), 1);
        let inner = macro_caches::bypass();
        drop(inner);
        assert_eq!(next(1), 6);
    }
    assert_eq!((next(1), Shop.price(1)), (1, Ok(2)));
}

#[test]
fn bypass_guards_end_in_any_order() {
    let _turn = one_at_a_time();
    #[cached]
    fn next(_n: u64) -> u64 {
        run()
    }
    assert_eq!(next(1), 1);
    let (first, second) = (macro_caches::bypass(), macro_caches::bypass());
    drop(first);
    assert_eq!(next(1), 2);
    drop(second);
    assert_eq!(next(1), 1);
}

#[test]
fn bypass_concerns_a_task_when_it_is_first_polled() {
    let _turn = one_at_a_time();
    #[cached]
    async fn next(_n: u64) -> u64 {
        run()
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert_eq!(runtime.block_on(next(1)), 1);
    let made_before = next(1);
    let guard = macro_caches::bypass();
    assert_eq!(runtime.block_on(made_before), 2);
    let made_meanwhile = next(1);
    drop(guard);
    assert_eq!(runtime.block_on(made_meanwhile), 1);
}

#[test]
fn clear_all_empties_the_caches_of_all_functions() {
    let _turn = one_at_a_time();
    #[cached]
    fn one(_n: u64) -> u64 {
        run()
    }
    #[cached]
    fn generic<T: 'static>(_n: u64) -> u64 {
        run() + size_of::<T>() as u64
    }
    #[cached(thread_local)]
    fn mine(_n: u64) -> u64 {
        run()
    }
    let all = || (one(1), generic::<u8>(1), generic::<u16>(1), mine(1));
    assert_eq!((all(), all()), ((1, 3, 5, 4), (1, 3, 5, 4)));
    macro_caches::clear_all();
    assert_eq!(all(), (5, 7, 9, 8));
    // Of thread-local caches, only those of the calling thread.
    std::thread::spawn(macro_caches::clear_all).join().expect("no panic");
    assert_eq!((one(1), mine(1)), (9, 8));
}

#[test]
fn clear_by_name_empties_every_instance() {
    let _turn = one_at_a_time();
    #[cached(name = "sizes")]
    fn size<T: 'static>(_n: u64) -> u64 {
        run() + size_of::<T>() as u64
    }
    #[cached]
    fn other(_n: u64) -> u64 {
        run()
    }
    assert_eq!(macro_caches::clear("sizes"), 0);
    assert_eq!((size::<u8>(1), size::<u16>(1), other(1)), (2, 4, 3));
    assert_eq!(macro_caches::clear("sizes"), 2);
    assert_eq!((size::get::<u8>(1), size::get::<u16>(1), other(1)), (None, None, 3));
    assert_eq!(macro_caches::clear("macro_caches::other"), 1);
    assert_eq!((other::get(1), macro_caches::clear("nobody")), (None, 0));
}

#[test]
fn stats_name_each_cache_once_it_is_built() {
    let _turn = one_at_a_time();
    #[cached(name = "counted")]
    fn counted(n: u64) -> u64 {
        n
    }
    let counts = || {
        let stats = macro_caches::stats();
        let found = stats.iter().find(|(name, _)| name == "counted");
        found.map(|(_, stats)| (stats.hits, stats.misses))
    };
    assert_eq!(counts(), None);
    assert_eq!((counted(1), counted(1), counted(1)), (1, 1, 1));
    assert_eq!(counts(), Some((2, 1)));
}

/// Values may call functions as they are dropped, and those build caches of their own.
#[test]
fn clear_all_lets_values_build_caches() {
    let _turn = one_at_a_time();
    #[derive(Clone)]
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            last_words(1);
        }
    }
    #[cached]
    fn last_words(n: u64) -> u64 {
        n
    }
    #[cached]
    fn make(_n: u64) -> std::sync::Arc<Last> {
        std::sync::Arc::new(Last)
    }
    drop(make(1));
    macro_caches::clear_all();
    make::cache().run_pending_tasks();
    assert_eq!(last_words::get(1), Some(1));
}

/// A value that panics when it is dropped, if its flag is set.
#[derive(Clone)]
struct Touchy(bool);

impl Drop for Touchy {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "on purpose");
    }
}

#[test]
fn clear_all_gets_past_a_drop_that_panics() {
    let _turn = one_at_a_time();
    silence_panics_on_purpose();
    #[cached(companion = First)]
    fn first(n: u64) -> std::sync::Arc<Touchy> {
        std::sync::Arc::new(Touchy(n == 13))
    }
    #[cached]
    fn second(n: u64) -> u64 {
        n
    }
    drop(first(13));
    second(1);
    assert!(panics(macro_caches::clear_all));
    assert_eq!((First::get(13).is_none(), second::get(1)), (true, None));
    validate(First::cache());
}

/// Threads call a generic function for the first time, all at once: each instance has one cache,
/// which is listed once.
#[test]
fn caches_made_by_many_at_once_are_listed_once() {
    let _turn = one_at_a_time();
    #[cached(name = "raced")]
    fn raced<const N: u64>(n: u64) -> u64 {
        n + N
    }
    const THREADS: usize = 8;
    let barrier = std::sync::Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!((raced::<0>(1), raced::<1>(1), raced::<2>(1)), (1, 2, 3));
            });
        }
    });
    assert_eq!(macro_caches::clear("raced"), 3);
}

#[test]
fn clear_all_leaves_a_tier_as_it_is() {
    use cache_core::FakeClock;
    use cache_core::tier::{FakeTier, Raw};
    use std::sync::LazyLock;

    static TIER: LazyLock<FakeTier> = LazyLock::new(|| FakeTier::new(&FakeClock::new()));
    let _turn = one_at_a_time();
    #[cached(tier = &*TIER, codec = Raw, name = "tiered")]
    fn next(_n: u64) -> String {
        run().to_string()
    }
    assert_eq!(next(1), "1");
    macro_caches::clear_all();
    assert_eq!((next::cache().entry_count(), TIER.keys().len()), (0, 1));
    // The tier still has it.
    assert_eq!((next(1), next::stats().misses), ("1".to_owned(), 2));
    assert!(
        macro_caches::stats().iter().any(|(name, stats)| name == "tiered" && stats.misses == 2)
    );
}
