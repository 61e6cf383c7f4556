//! Texts: keys that are looked up as `&str` and values that are `Arc<str>`.
//!
//! The loops of [`crate::workload`] know only numbers. A subject of texts is asked by rank and
//! looks the text up in a table that all subjects share; so reading the table is in each figure
//! alike. An insert makes a `String` of its key and shares the value.

use crate::{
    ours::{DefaultClock, Ticking, Variant},
    peer::Peer,
    subject::{Subject, TTL},
};
use cache_core::{Cache, TickingClock};
use std::{borrow::Borrow, hash::Hash, sync::Arc};

/// The texts: keys of 23 bytes, values of 40.
pub struct Vocabulary {
    texts: Vec<(String, Arc<str>)>,
}

impl Vocabulary {
    /// Makes texts for at least that many ranks. Later ranks begin at the first text again: a
    /// table some times as large as a cache has keys that the cache has forgotten.
    pub fn new(least: u64) -> Arc<Vocabulary> {
        let key = |rank: u64| format!("article {:015x}", crate::keys::key(rank) >> 3);
        let text = |rank| {
            let key = key(rank);
            let value = format!("the value of {key} ...").into();
            (key, value)
        };
        Arc::new(Vocabulary { texts: (0..least.next_power_of_two()).map(text).collect() })
    }

    /// Returns key and value of a rank. Ranks in different regions of 2^40 are a quarter of the
    /// table apart, so that threads that insert new keys do not insert the same.
    #[inline]
    fn at(&self, rank: u64) -> &(String, Arc<str>) {
        let len = self.texts.len() as u64;
        &self.texts[(rank.wrapping_add((rank >> 40) * (len / 4)) & (len - 1)) as usize]
    }
}

/// A cache of texts as a subject.
pub struct Texts<P> {
    table: Arc<Vocabulary>,
    peer: P,
}

impl<P> Texts<P>
where
    P: Peer<String, Arc<str>>,
{
    /// Makes an empty one.
    pub fn new(table: &Arc<Vocabulary>, capacity: u64) -> Self {
        Texts { table: Arc::clone(table), peer: P::sized(capacity) }
    }
}

// By hand, because what is cloned is a handle; `P` is one by itself.
impl<P: Clone> Clone for Texts<P> {
    fn clone(&self) -> Self {
        Texts { table: Arc::clone(&self.table), peer: self.peer.clone() }
    }
}

impl<P: Peer<String, Arc<str>>> Subject for Texts<P> {
    const NAME: &'static str = P::NAME;
    const LACKS: &'static str = P::LACKS;
    const OURS: bool = P::OURS;
    const BOUNDED: bool = P::BOUNDED;

    fn with_capacity(capacity: u64) -> Self {
        Texts::new(&Vocabulary::new(capacity), capacity)
    }
    #[inline]
    fn key(rank: u64) -> u64 {
        rank
    }
    #[inline]
    fn get(&self, rank: u64) -> Option<u64> {
        self.peer.find(self.table.at(rank).0.as_str()).map(|value| value.len() as u64)
    }
    #[inline]
    fn insert(&mut self, rank: u64, _: u64) {
        let (key, value) = self.table.at(rank);
        self.peer.store(key.clone(), Arc::clone(value));
    }
    #[inline]
    fn remove(&mut self, rank: u64) {
        self.peer.discard(self.table.at(rank).0.as_str());
    }
    fn entries(&self) -> u64 {
        self.peer.count()
    }
    fn clear(&mut self) {
        self.peer.empty();
    }
    fn settle(&self) {
        self.peer.tidy();
    }
}

/// Our cache with texts, with its default clock or with a ticking one.
#[derive(Clone)]
pub struct OursTexts<const TICKING: bool>(Cache<String, Arc<str>>);

impl<const TICKING: bool> Peer<String, Arc<str>> for OursTexts<TICKING> {
    const NAME: &'static str = if TICKING { Ticking::NAME } else { DefaultClock::NAME };
    const LACKS: &'static str = if TICKING { Ticking::LACKS } else { DefaultClock::LACKS };
    const OURS: bool = true;

    fn sized(capacity: u64) -> Self {
        let builder = Cache::builder().max_capacity(capacity).time_to_live(TTL);
        let builder = if TICKING { builder.clock(TickingClock::new()) } else { builder };
        OursTexts(builder.build())
    }
    #[inline]
    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<Arc<str>>
    where
        String: Borrow<Q>,
    {
        self.0.get(key)
    }
    #[inline]
    fn store(&mut self, key: String, value: Arc<str>) {
        self.0.insert(key, value);
    }
    #[inline]
    fn discard<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        String: Borrow<Q>,
    {
        self.0.invalidate(key);
    }
    fn count(&self) -> u64 {
        self.0.entry_count()
    }
    fn empty(&mut self) {
        self.0.invalidate_all();
    }
    fn tidy(&self) {
        self.0.run_pending_tasks();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{peers::BareMap, subject::fill};
    use std::collections::HashSet;

    #[test]
    fn a_text_is_found_by_its_rank() {
        let mut subject = Texts::<OursTexts<false>>::with_capacity(100);
        fill(&mut subject, 0..10);
        assert_eq!((subject.get(9), subject.get(10)), (Some(40), None));
        subject.remove(9);
        assert_eq!((subject.get(9), subject.entries()), (None, 9));
    }

    #[test]
    fn threads_that_churn_do_not_insert_the_same() {
        let table = Vocabulary::new(1000);
        let mut map = Texts::<BareMap<String, Arc<str>>>::new(&table, 0);
        (0..100).for_each(|rank| map.insert((1 << 40) + rank, 0));
        (0..100).for_each(|rank| map.insert((2 << 40) + rank, 0));
        assert_eq!(map.entries(), 200);
    }

    #[test]
    fn all_texts_differ() {
        let table = Vocabulary::new(1000);
        let keys: HashSet<&str> = (0..1024).map(|rank| table.at(rank).0.as_str()).collect();
        assert_eq!(keys.len(), 1024);
        assert_eq!(table.at(3).0, table.at(1024 + 3).0);
    }
}
