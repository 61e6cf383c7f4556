//! Hearing of others' invalidations, where the tier can tell.
//!
//! An event for a key that is in memory removes the entry, and supersedes a load that runs. It is
//! found by its hash (`names.rs`) and compared by its whole name, so that a collision costs a
//! comparison.
//!
//! An event that may be of the counter of generations has it read at once, by the thread that polls
//! (`poll.rs`). Events come from a thread of the tier's, which must not wait for an exchange: while
//! one hangs it would hear nothing. Nothing is concluded from the event itself, and the counter is
//! read in each period all the same.

use std::hash::Hash;
use std::sync::Arc;

use super::invalidations::Event;
use super::poll::PollRegistration;
use super::remote_key::RemoteKey;
use super::shared::Shared;
use super::stats::count;
use crate::types::removal::RemovalCause;

impl<K, V> Shared<K, V>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Does to the memory tier what others have done to the remote one.
    pub(super) fn hear(&self, event: &Event) {
        count(&self.counters.events_heard);
        match event {
            Event::Key(name) => self.forget(name),
            Event::Prefix(prefix) => {
                let is_meant =
                    |key: &K| self.wire_key(key).is_some_and(|it| it.starts_with(prefix));
                self.memory.invalidate_entries_if(|key, _| is_meant(key));
            }
            Event::Everything | Event::Lost => self.memory.invalidate_all(),
        }
    }

    /// Returns `true` if another process may have raised the counter. Not if events were lost: what
    /// they told is found by polling, in any case.
    fn may_be_flush(&self, event: &Event) -> bool {
        match event {
            Event::Key(name) => name == self.generation.name(),
            Event::Prefix(prefix) => self.generation.name().starts_with(prefix),
            Event::Everything => true,
            Event::Lost => false,
        }
    }

    fn forget(&self, name: &[u8]) {
        let hash = self.names.as_ref().and_then(|names| names.hash_of(name));
        let Some(hash) = hash else { return };
        let is_meant = |key: &K| self.wire_key(key).is_some_and(|wire| wire == name);
        self.memory.store().remove_as(hash, RemovalCause::Explicit, is_meant, |_| ());
    }

    /// The name of a key by the generation seen last. Without one nothing is in memory that has a
    /// name.
    fn wire_key(&self, key: &K) -> Option<Vec<u8>> {
        Some(self.key_of(self.generation.seen()?, key).wire)
    }
}

/// Subscribes a cache to the events of its tier. The sink holds no handle to the cache, nor to its
/// place with the thread that polls.
pub(super) fn listen<K, V>(shared: &Arc<Shared<K, V>>, polls: &Arc<PollRegistration>)
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    let Some(source) = shared.threads.invalidations() else { return };
    let (weak, polls) = (Arc::downgrade(shared), Arc::downgrade(polls));
    let subscription = source.subscribe(Arc::new(move |event| {
        let Some(shared) = weak.upgrade() else { return };
        shared.hear(&event);
        if shared.may_be_flush(&event)
            && let Some(polls) = polls.upgrade()
        {
            polls.hasten();
        }
    }));
    *shared.subscription.lock() = Some(subscription);
}
