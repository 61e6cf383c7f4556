//! The interface of a cache under test, `u64 -> u64`. [`crate::ours`] and [`crate::peers`]
//! implement it.
//!
//! A second thread works with a clone. For a cache that is another handle to the same cache; for
//! the bare map, which has no lock, it is a private copy. Everything is resolved at compile time:
//! the timed loops call the cache itself, not through a table of functions.

use crate::keys;
use std::time::Duration;

/// The time to live of a cache that has one: longer than any benchmark, so that every hit compares
/// deadlines and none has passed.
pub const TTL: Duration = Duration::from_secs(3600);

/// A cache (or what comes closest) under test.
pub trait Subject: Clone + Send + 'static {
    /// For tables.
    const NAME: &'static str;
    /// What it does not do that ours does: the price that is not in its figures.
    const LACKS: &'static str;
    /// Ours, hence one of the subjects that the others are compared with.
    const OURS: bool = false;
    /// `true` if it evicts. A subject that does not cannot take part in churn.
    const BOUNDED: bool = true;

    /// Makes an empty one.
    fn with_capacity(capacity: u64) -> Self;
    /// Returns the key of a rank.
    #[inline]
    fn key(rank: u64) -> u64 {
        keys::key(rank)
    }
    /// Looks up a key, counting as a use.
    fn get(&self, key: u64) -> Option<u64>;
    /// Adds or replaces an entry.
    fn insert(&mut self, key: u64, value: u64);
    /// Removes an entry.
    fn remove(&mut self, key: u64);
    /// Returns the number of entries that it says it holds.
    fn entries(&self) -> u64;
    /// Drops all entries.
    fn clear(&mut self);
    /// Runs one step of the housekeeping that it leaves to its user, if any.
    fn settle(&self) {}
    /// Returns the name and the bytes of each of its parts, if it knows them.
    fn breakdown(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// How a subject is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it does not do.
    pub lacks: &'static str,
    /// `true` if the others are compared with it.
    pub ours: bool,
}

impl Label {
    /// Returns the label of a subject.
    pub const fn of<S: Subject>() -> Label {
        Label { name: S::NAME, lacks: S::LACKS, ours: S::OURS }
    }
}

/// A cache that can load what is missing.
pub trait Loads: Subject {
    /// Returns the value of a key; if it is missing, `load` makes it, and it is stored.
    fn get_with(&self, key: u64, load: impl FnOnce() -> u64) -> u64;
}

/// Inserts every key, with itself as its value.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ours::{Ours, Ticking},
        peers::{
            BareMap, Cached, Dated, Foyer, LruMutex, MiniMoka, Moka, QuickCache, Scc, ShardedMap,
            TinyUfo,
        },
    };

    fn holds_what_was_put<S: Subject>() {
        let mut subject = S::with_capacity(1000);
        fill(&mut subject, 0..100);
        subject.insert(7, 70);
        let shared = subject.clone();
        assert_eq!((shared.get(7), shared.get(8)), (Some(70), Some(8)), "{}", S::NAME);
        assert_eq!(shared.get(1000), None, "{}", S::NAME);
        subject.remove(7);
        assert_eq!((subject.get(7), subject.get(8)), (None, Some(8)), "{}", S::NAME);
        subject.clear();
        settle_fully(&subject);
        assert_eq!((subject.get(7), subject.entries()), (None, 0), "{}", S::NAME);
    }

    #[test]
    fn the_bare_map_holds_what_was_put() {
        holds_what_was_put::<BareMap>();
    }

    #[test]
    fn every_subject_holds_what_was_put() {
        holds_what_was_put::<Ours>();
        holds_what_was_put::<Ours<Ticking>>();
        holds_what_was_put::<Moka>();
        holds_what_was_put::<QuickCache>();
        holds_what_was_put::<Dated>();
        holds_what_was_put::<Foyer>();
        holds_what_was_put::<MiniMoka>();
        holds_what_was_put::<Scc>();
        holds_what_was_put::<Cached>();
        holds_what_was_put::<LruMutex>();
        holds_what_was_put::<TinyUfo>();
        holds_what_was_put::<ShardedMap>();
    }
}
