//! Which subjects take part: ours and the peers, in the order of the tables.

use crate::{
    args::Args,
    ours::{Ours, Ticking},
    peers::{
        BareMap, Cached, Dated, Foyer, LruMutex, MiniMoka, Moka, MokaTexts, QuickCache, Scc,
        ShardedMap, TinyUfo,
    },
    runner::Source,
    subject::Subject,
    texts::{OursTexts, Texts, Vocabulary},
};
use std::sync::Arc;

/// Subjects in the making: those that `--subjects` leaves out are never made.
pub struct List<'a> {
    args: &'a Args,
    capacity: u64,
    sources: Vec<Box<dyn Source>>,
}

impl<'a> List<'a> {
    /// Begins a list of subjects of this capacity.
    pub fn new(args: &'a Args, capacity: u64) -> List<'a> {
        List { args, capacity, sources: Vec::new() }
    }

    /// Adds a subject.
    pub fn with<S: Subject>(self) -> Self {
        let capacity = self.capacity;
        self.made::<S>(|| S::with_capacity(capacity))
    }

    /// Adds a subject that is made in another way.
    pub fn made<S: Subject>(mut self, make: impl FnOnce() -> S) -> Self {
        if self.args.takes(S::NAME) {
            self.sources.push(Box::new(make()));
        }
        self
    }

    /// Returns the subjects, each filled with the keys of the first `entries` ranks.
    pub fn filled(mut self, entries: u64) -> Vec<Box<dyn Source>> {
        self.sources.iter_mut().for_each(|source| source.fill(entries));
        self.sources
    }

    /// Adds those that evict.
    pub fn bounded(self) -> Self {
        self.with::<Ours>()
            .with::<Ours<Ticking>>()
            .with::<Moka>()
            .with::<QuickCache>()
            .with::<Dated>()
            .with::<Foyer>()
            .with::<MiniMoka>()
            .with::<Scc>()
            .with::<Cached>()
            .with::<LruMutex>()
            .with::<TinyUfo>()
    }

    /// Adds those that evict, and the maps that are the bounds.
    pub fn every(self) -> Self {
        self.bounded().with::<ShardedMap>().with::<BareMap>()
    }

    /// Adds those that evict and hold texts.
    pub fn bounded_texts(self, table: &Arc<Vocabulary>) -> Self {
        let capacity = self.capacity;
        macro_rules! add {
            ($list:expr, $($peer:ty),*) => {
                $list$(.made(|| Texts::<$peer>::new(table, capacity)))*
            };
        }
        add!(
            self,
            OursTexts<false>,
            OursTexts<true>,
            MokaTexts,
            QuickCache<String, Arc<str>>,
            Dated<String, Arc<str>>,
            Foyer<String, Arc<str>>,
            Scc<String, Arc<str>>,
            Cached<String, Arc<str>>,
            LruMutex<String, Arc<str>>
        )
    }

    /// Adds all that hold texts.
    pub fn every_text(self, table: &Arc<Vocabulary>) -> Self {
        let capacity = self.capacity;
        self.bounded_texts(table)
            .made(|| Texts::<ShardedMap<String, Arc<str>>>::new(table, capacity))
            .made(|| Texts::<BareMap<String, Arc<str>>>::new(table, capacity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sources: Vec<Box<dyn Source>>) -> Vec<&'static str> {
        sources.iter().map(|source| source.label().name).collect()
    }

    #[test]
    fn only_the_bounded_take_part_in_churn() {
        let args = Args::default();
        let bounded = names(List::new(&args, 10).bounded().filled(0));
        let every = names(List::new(&args, 10).every().filled(0));
        assert_eq!(every.len(), bounded.len() + 2);
        assert!(!bounded.contains(&"hashbrown") && every.ends_with(&["rwlock-map", "hashbrown"]));
    }

    #[test]
    fn texts_are_held_by_all_but_two() {
        let (args, table) = (Args::default(), Vocabulary::new(16));
        let numbers = names(List::new(&args, 10).every().filled(0));
        let texts = names(List::new(&args, 10).every_text(&table).filled(0));
        let others = numbers.into_iter().filter(|name| !["TinyUFO", "mini-moka"].contains(name));
        assert_eq!(texts, others.collect::<Vec<_>>());
    }

    #[test]
    fn the_others_are_never_made() {
        let subjects = Some(vec!["quick_cache".to_owned()]);
        let args = Args { subjects, ..Args::default() };
        let list = List::new(&args, 10).every().made::<BareMap>(|| panic!("made for nothing"));
        assert_eq!(names(list.filled(5)), ["quick_cache"]);
    }
}
