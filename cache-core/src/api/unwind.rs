//! Unwind safety: why a panic leaves nothing broken.
//!
//! The compiler derives neither [`UnwindSafe`] nor [`RefUnwindSafe`] for the types below, because
//! they contain cells and trait objects. They are both, whatever the types of keys and values:
//!
//! * *The cache's own state.* All user code (`Hash`, `Eq`, `Clone`, `Drop`, loaders, listeners,
//!   weighers, predicates, wakers) runs without a lock, between two consistent states, and what a
//!   call has begun is undone by a guard: the epoch guard, the reservation of weight, the guard of
//!   a flight. Tests panic in each of these places and check the cache.
//! * *Keys and values.* A cache gives clones and shared references, never a `&mut`. So only a value
//!   that can be changed through a shared reference can be left half changed by a panic; and other
//!   threads may read such a value at any time, panic or not: it must be consistent for them
//!   already. The standard library's channels are unwind safe for the same reason, whatever they
//!   carry.
//! * *Closures* in a builder, a [`LoadingCache`] or [`LoadTimeouts`] are `Fn` and shared by
//!   threads: the same is true of what they capture.
//!
//! An [`Iter`] whose `K::clone` or `V::clone` panics has returned nothing of that shard, and starts
//! with the shard again.
//!
//! The other public types are plain data, for which the compiler's own rule is right.

use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::api::builder::CacheBuilder;
use crate::api::cache::Cache;
use crate::api::entry_selector::EntrySelector;
use crate::api::iter::Iter;
use crate::api::load_guard::LoadGuard;
use crate::api::loading::LoadingCache;
use crate::types::timeouts::LoadTimeouts;

impl<K, V, S> UnwindSafe for Cache<K, V, S> {}
impl<K, V, S> RefUnwindSafe for Cache<K, V, S> {}

impl<K, V, E, S> UnwindSafe for LoadingCache<K, V, E, S> {}
impl<K, V, E, S> RefUnwindSafe for LoadingCache<K, V, E, S> {}

impl<K, V, S> UnwindSafe for EntrySelector<'_, K, V, S> {}
impl<K, V, S> RefUnwindSafe for EntrySelector<'_, K, V, S> {}

// A guard that a panic drops hands its load to a waiter.
impl<K: Eq, V: Clone + 'static, S> UnwindSafe for LoadGuard<'_, K, V, S> {}
impl<K: Eq, V: Clone + 'static, S> RefUnwindSafe for LoadGuard<'_, K, V, S> {}

impl<K, V, S> UnwindSafe for Iter<K, V, S> {}
impl<K, V, S> RefUnwindSafe for Iter<K, V, S> {}

impl<K, V> UnwindSafe for CacheBuilder<K, V> {}
impl<K, V> RefUnwindSafe for CacheBuilder<K, V> {}

impl UnwindSafe for LoadTimeouts {}
impl RefUnwindSafe for LoadTimeouts {}
