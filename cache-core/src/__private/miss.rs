//! What a look-up that found nothing hands to the load.

use crate::flight::flight::FlightKind;
use crate::load::attempt::Lookup;
use crate::util::hash::{Hashed, KeyHash};

use super::view::{Owned, Part, View};

/// A call that has no value yet. `None` if it bypasses the cache.
pub struct Miss<O: Owned, V>(pub(super) Option<PendingLoad<O::Key, V>>);

/// The load of one key, and what the look-up saw of it.
pub(super) struct PendingLoad<K, V> {
    pub(super) key: Hashed<K>,
    pub(super) looked_up: Lookup<V>,
    /// Unshared: joins no other run, and no other call joins it.
    pub(super) kind: FlightKind,
}

impl<O: Owned, V> Miss<O, V> {
    /// Only here, on a miss, an owned key is made.
    #[cold]
    pub(super) fn new<P>(hash: KeyHash, view: View<P>, looked_up: Lookup<V>) -> Self
    where
        P: Part<Key = O::Key>,
    {
        let key = Hashed { hash, key: view.0.to_key() };
        Self(Some(PendingLoad { key, looked_up, kind: FlightKind::Shared }))
    }

    /// Returns the same call, with an unshared load.
    pub fn unshared(self) -> Self {
        Self(self.0.map(|load| PendingLoad { kind: FlightKind::Unshared, ..load }))
    }
}
