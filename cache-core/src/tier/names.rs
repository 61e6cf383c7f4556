//! The names of keys that are in memory, or about to be, by which events are heard.
//!
//! An event names a key of the tier, as bytes; in memory entries are found by the hash of a `K`. So
//! the hashes are kept here by the hash of the names: a few words for each. An event for a key that
//! this process does not have costs a look-up here.
//!
//! A name is noted *before* its load begins, and stays for as long as an entry with that hash may
//! be in memory. Nothing tells when one leaves: a bucket that has filled up asks the cache which of
//! its hashes are still there. A hash whose load runs is kept in any case.

use std::collections::HashMap;

use super::lock::ForkMutex;
use crate::util::hash::KeyHash;
use ahash::RandomState;

/// Locks of the index: one for each few threads is plenty, next to an exchange with a server.
const BUCKETS: usize = 64;

/// Which names are in memory.
pub(super) struct NameIndex {
    hasher: RandomState,
    buckets: [ForkMutex<NameBucket>; BUCKETS],
}

#[derive(Default)]
struct NameBucket {
    /// By the hash of the name.
    names: HashMap<u64, NotedName>,
    /// How many there may be before it is tidied.
    limit: usize,
}

#[derive(Clone, Copy)]
struct NotedName {
    hash: KeyHash,
    loads: u32,
}

/// A load of a key whose name is noted. The name stays while this lives.
pub(super) struct NotedLoad<'h> {
    bucket: &'h ForkMutex<NameBucket>,
    name: u64,
}

impl Drop for NotedLoad<'_> {
    fn drop(&mut self) {
        if let Some(noted) = self.bucket.lock().names.get_mut(&self.name) {
            noted.loads -= 1;
        }
    }
}

impl NameIndex {
    pub(super) fn new() -> Self {
        NameIndex {
            hasher: RandomState::new(),
            buckets: std::array::from_fn(|_| ForkMutex::new(NameBucket::default())),
        }
    }

    fn bucket(&self, name: &[u8]) -> (u64, &ForkMutex<NameBucket>) {
        let hash = self.hasher.hash_one(name);
        (hash, &self.buckets[(hash >> 32) as usize % BUCKETS])
    }

    /// Notes the name of a key that is about to be loaded. `is_held` says whether an entry with a
    /// hash is in memory; it runs under the lock.
    pub(super) fn note(
        &self,
        name: &[u8],
        hash: KeyHash,
        is_held: impl Fn(KeyHash) -> bool,
    ) -> NotedLoad<'_> {
        let (name, bucket) = self.bucket(name);
        let mut locked = bucket.lock();
        if locked.names.len() >= locked.limit.max(64) {
            locked.names.retain(|_, noted| noted.loads > 0 || is_held(noted.hash));
            locked.limit = 2 * locked.names.len();
        }
        locked.names.entry(name).or_insert(NotedName { hash, loads: 0 }).loads += 1;
        drop(locked);
        NotedLoad { bucket, name }
    }

    /// Returns the hash of the key with this name, if it may be in memory.
    pub(super) fn hash_of(&self, name: &[u8]) -> Option<KeyHash> {
        let (name, bucket) = self.bucket(name);
        bucket.lock().names.get(&name).map(|noted| noted.hash)
    }
}
