//! Unwind safety: what stays whole when something panics.
//!
//! The compiler finds the types below neither [`UnwindSafe`] nor [`RefUnwindSafe`], because there
//! are cells and trait objects in them. They are both, whatever the types of keys and values:
//!
//! * *The cache's own state.* All code of the user's (`Hash`, `Eq`, `Clone`, `Drop`, loaders,
//!   listeners, weighers, predicates, wakers) runs without a lock, between two states that are
//!   whole, and whatever a call has begun is taken back by a guard: the pin, the reservation of
//!   room, the leader of a flight. `tests/core_panics.rs` and `tests/core_panicking_drops.rs` panic
//!   in each of these places, and look.
//! * *Keys and values.* A cache gives clones and shared references, never a `&mut`. So only a value
//!   that can be changed through a shared reference can be left half changed by a panic; and such a
//!   value is seen by other threads at any time, which a panic on this one does not stop: it has to
//!   be whole for them already. The standard library's channels are unwind safe for the same
//!   reason, whatever they carry.
//! * *Closures* in a builder, a [`LoadingCache`] or [`LoadTimeouts`] are `Fn` and shared by
//!   threads: the same holds of what they capture.
//!
//! An [`Iter`] whose `K::clone` or `V::clone` panics has handed out nothing of that shard, and
//! begins with the shard again.
//!
//! The other public types are unwind safe as far as what they hold is, by the compiler's own rule:
//! they are plain data.

use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::api::builder::CacheBuilder;
use crate::api::cache::Cache;
use crate::api::entry_selector::EntrySelector;
use crate::api::iter::Iter;
use crate::api::loading::LoadingCache;
use crate::types::timeouts::LoadTimeouts;

impl<K, V, S> UnwindSafe for Cache<K, V, S> {}
impl<K, V, S> RefUnwindSafe for Cache<K, V, S> {}

impl<K, V, E, S> UnwindSafe for LoadingCache<K, V, E, S> {}
impl<K, V, E, S> RefUnwindSafe for LoadingCache<K, V, E, S> {}

impl<K, V, S> UnwindSafe for EntrySelector<'_, K, V, S> {}
impl<K, V, S> RefUnwindSafe for EntrySelector<'_, K, V, S> {}

impl<K, V, S> UnwindSafe for Iter<K, V, S> {}
impl<K, V, S> RefUnwindSafe for Iter<K, V, S> {}

impl<K, V> UnwindSafe for CacheBuilder<K, V> {}
impl<K, V> RefUnwindSafe for CacheBuilder<K, V> {}

impl UnwindSafe for LoadTimeouts {}
impl RefUnwindSafe for LoadTimeouts {}
