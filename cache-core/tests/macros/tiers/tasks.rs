//! `async fn` with a tier.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cache_core::cached;
use cache_core::tier::{
    AsyncTier, FakeTier, Filled, Lease, LeaseTerms, Leased, Raw, Tier, TierError, TierFuture,
    TierItem,
};

use super::{keys, tier};
use crate::common::tasks::{Polled, block_on};

/// Its future may go to any thread.
fn send<F: Future + Send>(future: F) -> F {
    future
}

tier!(SHARED);

mod here {
    #[cache_core::cached(tier = &*super::SHARED, ttl = 60, name = "shared", codec = super::Raw)]
    pub(super) async fn price(sku: &str, qty: u64) -> String {
        super::RUNS.fetch_add(1, super::SeqCst);
        format!("{qty} of {sku}")
    }

    /// A thread of another process.
    #[cache_core::cached(tier = &*super::SHARED, ttl = 60, name = "shared", codec = super::Raw)]
    pub(super) fn elsewhere(sku: &str, qty: u64) -> String {
        format!("{qty} of {sku}, elsewhere")
    }
}

static RUNS: AtomicU64 = AtomicU64::new(0);

#[test]
fn call_is_loaded_once_and_the_tier_is_awaited() {
    block_on(async {
        let sku = "tea".to_owned();
        for _ in 0..2 {
            assert_eq!(send(here::price(&sku, 2)).await, "2 of tea");
        }
        assert_eq!((RUNS.load(SeqCst), here::elsewhere("tea", 2)), (1, "2 of tea".to_owned()));
        // All that asks the tier is awaited.
        assert_eq!(send(here::price::insert("milk", 1, "milk".to_owned())).await, Ok(()));
        assert_eq!(here::elsewhere("milk", 1), "milk");
        here::price::cache().invalidate_all();
        assert_eq!(send(here::price::get(&sku, 2)).await.as_deref(), Some("2 of tea"));
        assert_eq!(send(here::price::get("milk", 7)).await, None);
        assert_eq!(send(here::price::invalidate(&sku, 2)).await, Ok(true));
        assert_eq!(send(here::price::invalidate(&sku, 2)).await, Ok(false));
        assert_eq!(send(here::price::refresh("milk", 1)).await, "1 of milk");
        here::elsewhere::cache().invalidate_all();
        assert_eq!(here::elsewhere("milk", 1), "1 of milk");
        assert_eq!(send(here::price::clear()).await, Ok(()));
        assert_eq!(here::price::get("milk", 1).await, None);
        assert_eq!(here::price::uncached("milk", 1).await, "1 of milk");
    });
}

#[test]
fn what_could_not_be_told_to_the_tier_is_an_error() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "errors", codec = Raw, ttl = 60)]
    async fn price(n: u64) -> Result<String, String> {
        Ok(n.to_string())
    }
    block_on(async {
        price(1).await.expect("a value");
        TIER.go_down();
        price::insert(1, "one".to_owned()).await.expect_err("out of reach");
        price::invalidate(1).await.expect_err("out of reach");
        price::clear().await.expect_err("out of reach");
        assert_eq!(price::get(1).await, None);
        assert_eq!(price(1).await.as_deref(), Ok("1"));
    });
}

#[test]
fn task_waits_for_the_tier_without_its_thread() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "pending", codec = Raw, ttl = 60)]
    async fn price(n: u64) -> String {
        n.to_string()
    }
    let held = TIER.hold_requests();
    let mut call = Polled::pending(price(1));
    let mut get = Polled::pending(price::get(1));
    let mut clear = Polled::pending(price::clear());
    held.release();
    assert_eq!(call.poll().as_deref(), Some("1"));
    assert!(get.poll().is_some() && clear.poll().is_some());
}

#[test]
fn call_whose_future_is_dropped_leaves_the_key_to_others() {
    tier!(TIER);
    #[cached(tier = &*TIER, name = "dropped", codec = Raw, ttl = 60)]
    async fn price(n: u64) -> String {
        n.to_string()
    }
    let held = TIER.hold_requests();
    let first = Polled::pending(price(1));
    let second = Polled::pending(price(1));
    drop(first);
    held.release();
    assert_eq!(second.finish(), "1");
    assert_eq!(keys(&TIER, "dropped"), ["0:1:1"]);
}

#[test]
fn method_of_a_task() {
    tier!(TIER);
    struct Shop {
        region: String,
    }
    impl Shop {
        #[cached(tier = &*TIER, codec = Raw, companion = true, key(region: &str = &self.region, n))]
        async fn price(&self, n: u64) -> Option<String> {
            Some(format!("{n} in {}", self.region))
        }
    }
    block_on(async {
        let shop = Shop { region: "north".to_owned() };
        assert_eq!(send(shop.price(1)).await.as_deref(), Some("1 in north"));
        assert_eq!(send(shop.price_get(1)).await.as_deref(), Some("1 in north"));
        assert_eq!(send(shop.price_insert(1, "one".to_owned())).await, Ok(()));
        assert_eq!(send(shop.price(1)).await.as_deref(), Some("one"));
        assert_eq!(send(shop.price_invalidate(1)).await, Ok(true));
        assert_eq!(Shop::price_clear().await, Ok(()));
    });
}

/// A tier for threads alone.
#[derive(Clone)]
struct Blocking(FakeTier);

impl Tier for Blocking {
    fn get(&self, key: &[u8]) -> Result<Option<TierItem>, TierError> {
        Tier::get(&self.0, key)
    }
    fn lease(&self, key: &[u8], terms: LeaseTerms) -> Result<Leased, TierError> {
        Tier::lease(&self.0, key, terms)
    }
    fn fill(
        &self,
        key: &[u8],
        lease: Lease,
        value: &[u8],
        life: Option<Duration>,
    ) -> Result<Filled, TierError> {
        Tier::fill(&self.0, key, lease, value, life)
    }
    fn put(&self, key: &[u8], value: &[u8], life: Option<Duration>) -> Result<(), TierError> {
        Tier::put(&self.0, key, value, life)
    }
    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        Tier::remove(&self.0, key)
    }
    fn mark_stale(&self, key: &[u8], life: Duration) -> Result<bool, TierError> {
        Tier::mark_stale(&self.0, key, life)
    }
    fn generation(&self, name: &[u8], if_absent: u64) -> Result<u64, TierError> {
        Tier::generation(&self.0, name, if_absent)
    }
    fn bump(&self, name: &[u8], at_least: u64) -> Result<u64, TierError> {
        Tier::bump(&self.0, name, at_least)
    }
}

/// A tier for tasks alone.
#[derive(Clone)]
struct Awaited(FakeTier);

impl AsyncTier for Awaited {
    fn get<'a>(&'a self, key: &'a [u8]) -> TierFuture<'a, Result<Option<TierItem>, TierError>> {
        AsyncTier::get(&self.0, key)
    }
    fn lease<'a>(
        &'a self,
        key: &'a [u8],
        terms: LeaseTerms,
    ) -> TierFuture<'a, Result<Leased, TierError>> {
        AsyncTier::lease(&self.0, key, terms)
    }
    fn fill<'a>(
        &'a self,
        key: &'a [u8],
        lease: Lease,
        value: &'a [u8],
        life: Option<Duration>,
    ) -> TierFuture<'a, Result<Filled, TierError>> {
        AsyncTier::fill(&self.0, key, lease, value, life)
    }
    fn put<'a>(
        &'a self,
        key: &'a [u8],
        value: &'a [u8],
        life: Option<Duration>,
    ) -> TierFuture<'a, Result<(), TierError>> {
        AsyncTier::put(&self.0, key, value, life)
    }
    fn remove<'a>(&'a self, key: &'a [u8]) -> TierFuture<'a, Result<bool, TierError>> {
        AsyncTier::remove(&self.0, key)
    }
    fn mark_stale<'a>(
        &'a self,
        key: &'a [u8],
        life: Duration,
    ) -> TierFuture<'a, Result<bool, TierError>> {
        AsyncTier::mark_stale(&self.0, key, life)
    }
    fn generation<'a>(
        &'a self,
        name: &'a [u8],
        if_absent: u64,
    ) -> TierFuture<'a, Result<u64, TierError>> {
        AsyncTier::generation(&self.0, name, if_absent)
    }
    fn bump<'a>(&'a self, name: &'a [u8], at_least: u64) -> TierFuture<'a, Result<u64, TierError>> {
        AsyncTier::bump(&self.0, name, at_least)
    }
}

#[test]
fn tier_serves_threads_or_tasks_or_both() {
    tier!(TIER);
    #[cached(tier = Arc::new(Blocking(TIER.peer())), name = "sides", codec = Raw, ttl = 60)]
    async fn by_jobs(n: u64) -> String {
        n.to_string()
    }
    #[cached(tier = Awaited(TIER.peer()), name = "sides", codec = Raw, ttl = 60)]
    async fn by_tasks(n: u64) -> String {
        n.to_string()
    }
    block_on(async {
        assert_eq!((by_jobs(1).await, by_tasks(1).await), ("1".to_owned(), "1".to_owned()));
        assert_eq!(by_tasks::tiered().stats().remote.hits, 1);
        // What serves tasks alone is not asked by jobs: its future is pending.
        assert_eq!(by_jobs::get(2).await, None);
    });
    let _: fn() = || drop(by_tasks::tiered().get(&(1,)));
}
