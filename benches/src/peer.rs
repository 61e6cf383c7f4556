//! The interface of a peer for any keys and values.
//!
//! The timed loops know only caches of numbers. What is generic over its keys implements [`Peer`]
//! once, and is a subject with numbers by itself, with texts within [`crate::texts::Texts`].

use crate::subject::Subject;
use std::{borrow::Borrow, hash::Hash};

/// What the benchmarks need of a cache, for any keys and values: one of numbers is a [`Subject`],
/// one of texts is a subject within [`crate::texts::Texts`].
pub trait Peer<K, V>: Clone + Send + 'static {
    /// For tables.
    const NAME: &'static str;
    /// What it does not do that ours does.
    const LACKS: &'static str;
    /// `true` if the other subjects are compared with it.
    const OURS: bool = false;
    /// `true` if it evicts.
    const BOUNDED: bool = true;

    /// Makes an empty one.
    fn sized(capacity: u64) -> Self;
    /// Looks up a key, counting as a use.
    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>;
    /// Adds or replaces an entry.
    fn store(&mut self, key: K, value: V);
    /// Removes an entry.
    fn discard<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>;
    /// Returns the number of entries that it says it holds.
    fn count(&self) -> u64;
    /// Drops all entries.
    fn empty(&mut self);
    /// Runs one step of the housekeeping that it leaves to its user, if any.
    fn tidy(&self) {}
}

impl<P: Peer<u64, u64>> Subject for P {
    const NAME: &'static str = P::NAME;
    const LACKS: &'static str = P::LACKS;
    const OURS: bool = P::OURS;
    const BOUNDED: bool = P::BOUNDED;

    fn with_capacity(capacity: u64) -> Self {
        P::sized(capacity)
    }
    #[inline]
    fn get(&self, key: u64) -> Option<u64> {
        self.find(&key)
    }
    #[inline]
    fn insert(&mut self, key: u64, value: u64) {
        self.store(key, value);
    }
    #[inline]
    fn remove(&mut self, key: u64) {
        self.discard(&key);
    }
    fn entries(&self) -> u64 {
        self.count()
    }
    fn clear(&mut self) {
        self.empty();
    }
    fn settle(&self) {
        self.tidy();
    }
}
