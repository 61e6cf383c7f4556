//! The caches under test behind one face, `u64 -> u64`.
//!
//! A clone is what a second thread works with. For a cache that is another handle to the same
//! cache; for the bare map, which has no lock, it is a private copy. Everything is resolved at
//! compile time: the timed loops call the cache itself, not through a table of functions.
//!
//! Each peer is built the way its users get it: quick_cache with its own default hasher
//! (foldhash), moka with ahash, as we have it, because its default (SipHash) would say more
//! about hashing than about caches.

use ahash::RandomState;
use cache_core::__private::testing::memory;
use cache_core::{Cache, TickingClock};
use std::{convert::Infallible, sync::Arc, time::Duration};

/// How long entries live where a cache has a time to live: longer than any benchmark, so that
/// every hit compares deadlines and none has passed.
pub const TTL: Duration = Duration::from_secs(3600);

/// A cache (or what comes closest) under test.
pub trait Subject: Clone + Send + 'static {
    /// For tables.
    const NAME: &'static str;
    /// What it does not do that ours does: the price that is not in its figures.
    const LACKS: &'static str;
    /// Ours, hence one of the subjects that the others are compared with.
    const OURS: bool = false;
    /// Whether it evicts. What does not cannot take part in churn.
    const BOUNDED: bool = true;

    /// An empty one.
    fn with_capacity(capacity: u64) -> Self;
    /// Looks a key up, counting as a use.
    fn get(&self, key: u64) -> Option<u64>;
    /// Adds or replaces.
    fn insert(&mut self, key: u64, value: u64);
    /// How many entries it says it holds.
    fn entries(&self) -> u64;
    /// Drops all entries.
    fn clear(&mut self);
    /// One step of the housekeeping that it leaves to its user, if any.
    fn settle(&self) {}
    /// Where its bytes lie, if it can tell: name and bytes of each part.
    fn breakdown(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// A cache that can load what is missing.
pub trait Loads: Subject {
    /// The value of a key; if it is missing, `load` makes it, and it is stored.
    fn get_with(&self, key: u64, load: impl FnOnce() -> u64) -> u64;
}

/// Puts every key in, each as its own value.
pub fn fill(subject: &mut impl Subject, keys: impl IntoIterator<Item = u64>) {
    keys.into_iter().for_each(|key| subject.insert(key, key));
    settle_fully(subject);
}

/// Repeats the housekeeping until it changes nothing more; moka, for one, removes in batches.
pub fn settle_fully(subject: &impl Subject) {
    let mut before = u64::MAX;
    for _ in 0..10_000 {
        subject.settle();
        let now = subject.entries();
        if now == before {
            return;
        }
        before = now;
    }
}

/// Our cache as it is by default: exact by its clock, with a time to live.
#[derive(Clone)]
pub struct Ours(Cache<u64, u64>);

impl Subject for Ours {
    const NAME: &'static str = "cache-core";
    const LACKS: &'static str = "nothing: exact clock, TTL";
    const OURS: bool = true;

    fn with_capacity(capacity: u64) -> Self {
        Ours(Cache::builder().max_capacity(capacity).time_to_live(TTL).build())
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&key)
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        self.0.insert(key, value);
    }
    fn entries(&self) -> u64 {
        self.0.entry_count()
    }
    fn clear(&mut self) {
        self.0.invalidate_all();
    }
    fn breakdown(&self) -> Vec<(&'static str, u64)> {
        memory(&self.0).into_iter().map(|(part, bytes)| (part, bytes as u64)).collect()
    }
    fn settle(&self) {
        self.0.run_pending_tasks();
    }
}

impl Loads for Ours {
    #[inline]
    fn get_with(&self, key: u64, load: impl FnOnce() -> u64) -> u64 {
        self.0.get_with(key, load)
    }
}

/// Our cache with the clock that a thread advances each millisecond, with a time to live.
#[derive(Clone)]
pub struct OursTicking(Cache<u64, u64>);

impl Subject for OursTicking {
    const NAME: &'static str = "cache-core-tick";
    const LACKS: &'static str = "exactness: its clock moves once a millisecond; TTL";
    const OURS: bool = true;

    fn with_capacity(capacity: u64) -> Self {
        let builder = Cache::builder().max_capacity(capacity).time_to_live(TTL);
        OursTicking(builder.clock(TickingClock::new()).build())
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&key)
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        self.0.insert(key, value);
    }
    fn entries(&self) -> u64 {
        self.0.entry_count()
    }
    fn clear(&mut self) {
        self.0.invalidate_all();
    }
    fn breakdown(&self) -> Vec<(&'static str, u64)> {
        memory(&self.0).into_iter().map(|(part, bytes)| (part, bytes as u64)).collect()
    }
    fn settle(&self) {
        self.0.run_pending_tasks();
    }
}

impl Loads for OursTicking {
    #[inline]
    fn get_with(&self, key: u64, load: impl FnOnce() -> u64) -> u64 {
        self.0.get_with(key, load)
    }
}

/// moka's synchronous cache, with a time to live and ahash.
#[derive(Clone)]
pub struct Moka(moka::sync::Cache<u64, u64, RandomState>);

impl Subject for Moka {
    const NAME: &'static str = "moka";
    const LACKS: &'static str = "a bound at every instant (it is exceeded for a while); has TTL";

    fn with_capacity(capacity: u64) -> Self {
        let builder = moka::sync::Cache::builder().max_capacity(capacity).time_to_live(TTL);
        Moka(builder.build_with_hasher(RandomState::new()))
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&key)
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        self.0.insert(key, value);
    }
    fn entries(&self) -> u64 {
        self.0.entry_count()
    }
    fn clear(&mut self) {
        self.0.invalidate_all();
    }
    fn settle(&self) {
        self.0.run_pending_tasks();
    }
}

impl Loads for Moka {
    #[inline]
    fn get_with(&self, key: u64, load: impl FnOnce() -> u64) -> u64 {
        self.0.get_with(key, load)
    }
}

/// quick_cache's synchronous cache with its defaults.
#[derive(Clone)]
pub struct QuickCache(Arc<quick_cache::sync::Cache<u64, u64>>);

impl Subject for QuickCache {
    const NAME: &'static str = "quick_cache";
    const LACKS: &'static str = "no TTL (never reads a clock)";

    fn with_capacity(capacity: u64) -> Self {
        QuickCache(Arc::new(quick_cache::sync::Cache::new(capacity as usize)))
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&key)
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        self.0.insert(key, value);
    }
    fn entries(&self) -> u64 {
        self.0.len() as u64
    }
    fn clear(&mut self) {
        self.0.clear();
    }
}

impl Loads for QuickCache {
    #[inline]
    fn get_with(&self, key: u64, load: impl FnOnce() -> u64) -> u64 {
        let Ok(value) = self.0.get_or_insert_with(&key, || Ok::<u64, Infallible>(load()));
        value
    }
}

/// A hash map and nothing else: the floor. A second thread gets a copy of its own.
#[derive(Clone)]
pub struct BareMap(hashbrown::HashMap<u64, u64, RandomState>);

impl Subject for BareMap {
    const NAME: &'static str = "hashbrown";
    const LACKS: &'static str = "no lock, no bound, no TTL, private map per thread";
    const BOUNDED: bool = false;

    fn with_capacity(_: u64) -> Self {
        BareMap(hashbrown::HashMap::with_hasher(RandomState::new()))
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&key).copied()
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        self.0.insert(key, value);
    }
    fn entries(&self) -> u64 {
        self.0.len() as u64
    }
    fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds_what_was_put<S: Subject>() {
        let mut subject = S::with_capacity(1000);
        fill(&mut subject, 0..100);
        subject.insert(7, 70);
        let second = subject.clone();
        assert_eq!((second.get(7), second.get(8)), (Some(70), Some(8)), "{}", S::NAME);
        assert_eq!(second.get(1000), None, "{}", S::NAME);
        subject.clear();
        settle_fully(&subject);
        assert_eq!((subject.get(7), subject.entries()), (None, 0), "{}", S::NAME);
    }

    #[test]
    fn every_subject_holds_what_was_put() {
        holds_what_was_put::<Ours>();
        holds_what_was_put::<OursTicking>();
        holds_what_was_put::<Moka>();
        holds_what_was_put::<QuickCache>();
        holds_what_was_put::<BareMap>();
    }
}
