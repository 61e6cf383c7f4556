//! The operations whose instructions are counted.
//!
//! Each is a program by itself: it makes a full cache, `u64` to `u64` unless its name says
//! otherwise, and repeats the operation. The preparation does the same work whatever the rounds,
//! so that it cancels out between two numbers of rounds. Hashers have fixed seeds, so that every
//! run takes the same path.

use ahash::RandomState;
use benches::{instructions::MOST, keys, subject::TTL};
use cache_core::{Cache, CacheBuilder, TickingClock};
use std::{hint::black_box, sync::Arc, thread};

/// The capacity of each cache.
const CAPACITY: usize = 10_000;
/// The new keys that go through a cache before the first round of an operation that evicts: the
/// ghosts and the memory of evicted entries are then in their steady state.
const BEFORE: usize = 2 * CAPACITY;

/// An operation to be counted.
pub(crate) struct Operation {
    /// Its name in the file of figures.
    pub(crate) name: &'static str,
    /// What one round does.
    pub(crate) about: &'static str,
    /// Prepares, and does that many rounds.
    pub(crate) run: fn(usize),
}

/// All of them, in the order of the table.
pub(crate) const ALL: [Operation; 10] = [
    Operation { name: "hit", about: "get of a present key", run: |n| hits(builder(), n) },
    Operation {
        name: "hit_ticking",
        about: "the same with TickingClock",
        run: |n| hits(builder().clock(TickingClock::new()), n),
    },
    Operation { name: "hit_str", about: "get by &str of an Arc<str>", run: text_hits },
    Operation { name: "get_with_hit", about: "get_with of a present key", run: loading_hits },
    Operation { name: "get_with_miss", about: "get_with of a new key, evicts", run: misses },
    Operation {
        name: "insert_replaces",
        about: "insert of a present key",
        run: |n| replaces(alone, n),
    },
    Operation {
        name: "insert_evicts",
        about: "insert of a new key, evicts",
        run: |n| evicts(alone, n),
    },
    Operation {
        name: "invalidate_insert",
        about: "invalidate, and insert of the same key",
        run: invalidates,
    },
    Operation {
        name: "replaces_shared",
        about: "insert of a present key, not alone",
        run: |n| replaces(beside_another, n),
    },
    Operation {
        name: "evicts_shared",
        about: "insert of a new key, evicts, not alone",
        run: |n| evicts(beside_another, n),
    },
];

/// Returns the operation of this name.
pub(crate) fn named(name: &str) -> Option<&'static Operation> {
    ALL.iter().find(|operation| operation.name == name)
}

type Numbers = Cache<u64, u64, RandomState>;

fn hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}

fn builder() -> CacheBuilder<u64, u64> {
    Cache::builder().max_capacity(CAPACITY as u64).time_to_live(TTL)
}

/// Returns a full cache, and the keys that it was filled with.
fn full(builder: CacheBuilder<u64, u64>) -> (Numbers, Vec<u64>) {
    let (cache, keys) = (builder.build_with_hasher(hasher()), keys::population(CAPACITY as u64));
    keys.iter().for_each(|&key| cache.insert(key, key));
    (cache, keys)
}

/// Returns a cache that has evicted for a while, and keys that it has never seen.
fn churned() -> (Numbers, Vec<u64>) {
    let (cache, _) = full(builder());
    let mut keys = keys::population((CAPACITY + 2 * BEFORE + MOST) as u64);
    keys[CAPACITY..CAPACITY + BEFORE].iter().for_each(|&key| cache.insert(key, key));
    keys.drain(..CAPACITY + BEFORE);
    (cache, keys)
}

fn hits(builder: CacheBuilder<u64, u64>, rounds: usize) {
    let (cache, keys) = full(builder);
    for key in keys.iter().cycle().take(rounds) {
        black_box(cache.get(key));
    }
}

fn text_hits(rounds: usize) {
    let builder = Cache::builder().max_capacity(CAPACITY as u64).time_to_live(TTL);
    let cache: Cache<String, Arc<str>, RandomState> = builder.build_with_hasher(hasher());
    let keys: Vec<String> = (0..CAPACITY).map(|number| format!("article-{number:08}")).collect();
    keys.iter().for_each(|key| cache.insert(key.clone(), key.as_str().into()));
    for key in keys.iter().cycle().take(rounds) {
        black_box(cache.get(key.as_str()));
    }
}

fn loading_hits(rounds: usize) {
    let (cache, keys) = full(builder());
    for &key in keys.iter().cycle().take(rounds) {
        black_box(cache.get_with(key, || key));
    }
}

fn misses(rounds: usize) {
    let (cache, keys) = churned();
    for &key in &keys[..rounds] {
        black_box(cache.get_with(key, || key));
    }
}

/// Leaves the thread the only one that has ever used the cache: it writes in place.
fn alone(_: &Numbers) {}

/// Lets another thread use the cache: no write is made in place any more.
fn beside_another(cache: &Numbers) {
    thread::scope(|scope| _ = scope.spawn(|| black_box(cache.get(&0))));
}

fn replaces(prepare: fn(&Numbers), rounds: usize) {
    let (cache, keys) = full(builder());
    prepare(&cache);
    for &key in keys.iter().cycle().take(rounds) {
        cache.insert(key, !key);
    }
}

fn evicts(prepare: fn(&Numbers), rounds: usize) {
    let (cache, mut keys) = churned();
    prepare(&cache);
    // What was written in place until now has left no garbage.
    keys.drain(..BEFORE).for_each(|key| cache.insert(key, key));
    for &key in &keys[..rounds] {
        cache.insert(key, key);
    }
}

fn invalidates(rounds: usize) {
    let (cache, keys) = full(builder());
    for &key in keys.iter().cycle().take(rounds) {
        cache.invalidate(&key);
        cache.insert(key, key);
    }
}
