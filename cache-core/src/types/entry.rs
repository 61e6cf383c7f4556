//! The types of the entry interface: an [`Entry`], what to do with it ([`Op`]), and what was done
//! ([`CompResult`]).

/// A copy of an entry, as the methods of [`Cache::entry`](crate::Cache::entry) return and show it.
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

    /// Returns the key.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// Returns the value: a clone of what is in the cache.
    pub fn value(&self) -> &V {
        &self.value
    }

    /// Returns the value.
    pub fn into_value(self) -> V {
        self.value
    }

    /// Returns `true` if this call made the value, rather than found it or took it from another
    /// caller's load.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Returns `true` if the value replaced one that was in the cache.
    #[must_use]
    pub fn is_old_value_replaced(&self) -> bool {
        self.is_old_value_replaced
    }
}

/// What to do with an entry: returned by the closure given to
/// [`and_compute_with`](crate::EntrySelector::and_compute_with).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<V> {
    /// Leave it as it is.
    Nop,
    /// Store this value, in the place of the old one if there is one.
    Put(V),
    /// Remove the entry, if there is one. If there is none, nothing is written: a load of the key
    /// that began before may still be stored. To prevent that, call
    /// [`invalidate`](crate::Cache::invalidate).
    Remove,
}

/// What was done with an entry: returned by
/// [`and_compute_with`](crate::EntrySelector::and_compute_with).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompResult<K, V> {
    /// There was no entry, and a value was stored, which this one holds.
    Inserted(Entry<K, V>),
    /// A new value, which this entry holds, replaced the old one.
    ReplacedWith(Entry<K, V>),
    /// The entry was removed; this is what it held.
    Removed(Entry<K, V>),
    /// The entry was left as it was.
    Unchanged(Entry<K, V>),
    /// There was no entry, and there is none. Holds the key.
    StillNone(K),
}

impl<K, V> CompResult<K, V> {
    /// Returns the entry; `None` if there was none and is none.
    pub fn into_entry(self) -> Option<Entry<K, V>> {
        match self {
            CompResult::Inserted(entry)
            | CompResult::ReplacedWith(entry)
            | CompResult::Removed(entry)
            | CompResult::Unchanged(entry) => Some(entry),
            CompResult::StillNone(_) => None,
        }
    }

    /// Returns the entry.
    ///
    /// # Panics
    /// If there was none and is none.
    #[track_caller]
    pub fn unwrap(self) -> Entry<K, V> {
        self.into_entry().expect("`CompResult::unwrap` on `StillNone`: there is no entry")
    }
}
