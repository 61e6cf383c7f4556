//! What the entry interface speaks of: an [`Entry`], what to do with it ([`Op`]), and what became of
//! it ([`CompResult`]).

/// A copy of an entry of a cache, as [`Cache::entry`](crate::Cache::entry) gives and shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<K, V> {
    key: K,
    value: V,
    is_fresh: bool,
    is_old_value_replaced: bool,
}

impl<K, V> Entry<K, V> {
    pub(crate) fn found(key: K, value: V) -> Self {
        Entry { key, value, is_fresh: false, is_old_value_replaced: false }
    }

    pub(crate) fn stored(key: K, value: V, replaced: bool) -> Self {
        Entry { key, value, is_fresh: true, is_old_value_replaced: replaced }
    }

    /// The key.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The value: a clone of what is in the cache.
    pub fn value(&self) -> &V {
        &self.value
    }

    /// The value.
    pub fn into_value(self) -> V {
        self.value
    }

    /// Was the value made by this call, rather than found or taken from another caller's load?
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Did the value take the place of one that was in the cache?
    #[must_use]
    pub fn is_old_value_replaced(&self) -> bool {
        self.is_old_value_replaced
    }
}

/// What is to be done with an entry: the answer of a closure given to
/// [`and_compute_with`](crate::EntrySelector::and_compute_with).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<V> {
    /// Leave things as they are.
    Nop,
    /// Store this value, in the place of one that is there.
    Put(V),
    /// Remove the entry, if there is one. Where there is none, nothing is written: a load of the key
    /// that began before may still be stored. [`invalidate`](crate::Cache::invalidate) is for what
    /// must not be.
    Remove,
}

/// What became of an entry: the answer of
/// [`and_compute_with`](crate::EntrySelector::and_compute_with).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompResult<K, V> {
    /// There was none, and a value was stored, which the entry holds.
    Inserted(Entry<K, V>),
    /// A new value, which the entry holds, took the place of the old one.
    ReplacedWith(Entry<K, V>),
    /// It was removed; the entry holds what it was.
    Removed(Entry<K, V>),
    /// It was left as it was.
    Unchanged(Entry<K, V>),
    /// There was none, and there is none. The key comes back.
    StillNone(K),
}

impl<K, V> CompResult<K, V> {
    /// The entry, unless there was none and is none.
    pub fn into_entry(self) -> Option<Entry<K, V>> {
        match self {
            CompResult::Inserted(entry)
            | CompResult::ReplacedWith(entry)
            | CompResult::Removed(entry)
            | CompResult::Unchanged(entry) => Some(entry),
            CompResult::StillNone(_) => None,
        }
    }

    /// The entry.
    ///
    /// # Panics
    /// If there was none and is none.
    #[track_caller]
    pub fn unwrap(self) -> Entry<K, V> {
        self.into_entry().expect("`CompResult::unwrap` on `StillNone`: there is no entry")
    }
}
