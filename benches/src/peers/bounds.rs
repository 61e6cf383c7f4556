//! Maps that are no caches: what a look-up and a store cost at least.

use crate::peer::Peer;
use ahash::RandomState;
use hashbrown::{HashMap, HashTable, hash_table::Entry};
use parking_lot::RwLock;
use std::{borrow::Borrow, hash::Hash, sync::Arc};

/// A hash map and nothing else: the floor. A second thread gets a private copy.
#[derive(Clone)]
pub struct BareMap<K = u64, V = u64>(HashMap<K, V, RandomState>);

impl<K: Hash + Eq + Clone + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Peer<K, V>
    for BareMap<K, V>
{
    const NAME: &'static str = "hashbrown";
    const LACKS: &'static str = "no lock, no bound, no TTL, private map per thread";
    const BOUNDED: bool = false;

    fn sized(capacity: u64) -> Self {
        let _ = capacity;
        BareMap(HashMap::with_hasher(RandomState::new()))
    }
    #[inline]
    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key).cloned()
    }
    #[inline]
    fn store(&mut self, key: K, value: V) {
        self.0.insert(key, value);
    }
    #[inline]
    fn discard<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.0.remove(key);
    }
    fn count(&self) -> u64 {
        self.0.len() as u64
    }
    fn empty(&mut self) {
        self.0.clear();
    }
}

/// The number of shards of a [`ShardedMap`].
const SHARDS: usize = 64;

/// A shard on cache lines of its own.
#[repr(align(128))]
struct Shard<K, V> {
    table: RwLock<HashTable<(K, V)>>,
}

/// Maps in locks for readers and writers, the simplest thing that threads can share.
#[derive(Clone)]
pub struct ShardedMap<K = u64, V = u64> {
    shards: Arc<[Shard<K, V>]>,
    hasher: RandomState,
}

impl<K, V> ShardedMap<K, V> {
    /// Returns the shard of a hash: by its upper bits, because tables use the others. The topmost
    /// seven are a table's tags.
    fn shard(&self, hash: u64) -> &RwLock<HashTable<(K, V)>> {
        &self.shards[(hash >> 51) as usize % SHARDS].table
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Peer<K, V>
    for ShardedMap<K, V>
{
    const NAME: &'static str = "rwlock-map";
    const LACKS: &'static str = "no bound, no TTL: 64 maps, each in a lock for readers and writers";
    const BOUNDED: bool = false;

    fn sized(capacity: u64) -> Self {
        let _ = capacity;
        let shard = |_| Shard { table: RwLock::new(HashTable::new()) };
        let shards = (0..SHARDS).map(shard).collect();
        ShardedMap { shards, hasher: RandomState::new() }
    }
    #[inline]
    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let table = self.shard(hash).read();
        table.find(hash, |entry| entry.0.borrow() == key).map(|entry| entry.1.clone())
    }
    #[inline]
    fn store(&mut self, key: K, value: V) {
        let hash = self.hasher.hash_one(&key);
        let mut table = self.shard(hash).write();
        let rehash = |entry: &(K, V)| self.hasher.hash_one(&entry.0);
        match table.entry(hash, |entry| entry.0 == key, rehash) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = value,
            Entry::Vacant(entry) => drop(entry.insert((key, value))),
        }
    }
    #[inline]
    fn discard<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let mut table = self.shard(hash).write();
        if let Ok(entry) = table.find_entry(hash, |entry| entry.0.borrow() == key) {
            drop(entry.remove());
        }
    }
    fn count(&self) -> u64 {
        self.shards.iter().map(|shard| shard.table.read().len() as u64).sum()
    }
    fn empty(&mut self) {
        self.shards.iter().for_each(|shard| shard.table.write().clear());
    }
}
