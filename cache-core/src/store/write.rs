//! Writing one key: what a call does before it acquires the lock, and after.
//!
//! A call that writes has three parts. *Before the lock*: the user's weigher and clock run, and the
//! key is looked up without a lock. *Under the lock* of one shard: see `shard.rs`. *After it*: the
//! listener is notified, with references that the epoch guard keeps valid (or, if it is the
//! listener that writes, the call that notified it is left to do so); the guard is dropped; then a
//! step of garbage collection drops what no thread can reach any more.

use std::time::Duration;

use crate::flight::in_flight::KeyComparisons;
use crate::shard::shard::{NewEntry, Shard, cause_or_expired};
use crate::store::store::Store;
use crate::store::txn::{LockKey, TxnLocks, WriteTxn};
use crate::table::{Due, Live, Retries, SlotId};
use crate::types::removal::RemovalCause;
use crate::util::fork;
use crate::util::hash::{Hashed, KeyHash};
use crate::util::known_eq;
use crate::util::panics::DeferredPanic;

impl<K, V> Store<K, V> {
    /// Runs a transaction. Then, in this order: the listener is notified (the guard keeps its
    /// references valid), what was retired is dropped if no other thread can be reading it, the
    /// guard is dropped, garbage is collected (which could not be freed before).
    pub(crate) fn write<R>(
        &self,
        now: u64,
        work: impl FnOnce(&mut WriteTxn<'_, '_, K, V>) -> R,
    ) -> R {
        fork::catch_up();
        let (guard, mut due) = (self.pin(), Due::default());
        let mut panics = DeferredPanic::default();
        let result = work(&mut WriteTxn::new(self, &guard, now, &mut due));
        guard.drop_retired(&due, &mut panics);
        self.collect(&due, &mut panics);
        panics.resume();
        result
    }

    /// Does what a call has to do about garbage after it has dropped its guard.
    #[inline]
    pub(super) fn collect(&self, due: &Due, panics: &mut DeferredPanic) {
        if !due.is_empty() {
            let used = self.budget.used();
            let weighted = self.config.weigher.is_some();
            let live = if weighted { Live::Weight(used) } else { Live::Entries(used) };
            self.shards.collect_due(&self.table, due, live, panics);
        }
    }

    /// Returns the reason why a value cannot be stored, if there is one: it expires at once, or is
    /// heavier than the whole cache.
    pub(crate) fn refuses(&self, new: &NewEntry<V>, now: u64) -> Option<RemovalCause> {
        match () {
            () if new.times.deadline <= now => Some(RemovalCause::Expired),
            () if u64::from(new.weight) > self.budget.max => Some(RemovalCause::Size),
            () => None,
        }
    }

    /// Removes a key's entry. If it was fresh, returns what `f` makes of its value; `f` runs
    /// without the lock.
    #[inline]
    pub(crate) fn remove_as<R>(
        &self,
        hash: KeyHash,
        cause: RemovalCause,
        eq: impl Fn(&K) -> bool + Copy,
        f: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        let f = if self.plain {
            match self.remove_plain(hash, cause, eq, f) {
                Ok(removed) => return removed,
                Err(f) => f,
            }
        } else {
            f
        };
        let (mut f, mut removed) = (Some(f), None);
        let mut once = |value: &V| removed = f.take().map(|f| f(value));
        self.remove_in_general(hash, cause, &eq, &mut once);
        removed
    }

    /// As `remove_as`, whatever the cache is like. (One function for all comparisons and all `f`,
    /// which is called once at most.)
    #[inline(never)]
    fn remove_in_general(
        &self,
        hash: KeyHash,
        cause: RemovalCause,
        eq: &dyn Fn(&K) -> bool,
        f: &mut dyn FnMut(&V),
    ) {
        let now = self.now();
        self.write(now, |txn| {
            let mut compared = KeyComparisons::new();
            let (mut shard, found) = txn.locks.lock_to_write(hash, eq, &mut compared);
            let removed = found.map(|id| {
                let cause = cause_or_expired(shard.entry(id), cause, now);
                shard.remove(id, cause, &mut txn.ledger)
            });
            shard.loads().supersede(hash.low(), &compared);
            txn.expire_and_unlock(shard);
            if let Some(entry) = removed.filter(|entry| entry.deadline() > now) {
                f(entry.value());
            }
        });
    }
}

/// The most rounds of [`Store::remove_key_if`] that follow writes of the predicate's own. A
/// predicate that always writes the key would make it ask for ever.
const MOST_OWN_ROUNDS: u32 = 16;

/// One round of [`Store::remove_key_if`].
enum RemovalRound<R> {
    Done(Option<R>),
    /// The value was replaced while the predicate looked at it. `own`: by the calling thread.
    Replaced {
        own: bool,
    },
}

impl<K, V> Store<K, V> {
    /// Removes a key's entry if the predicate picks its value; asks again if that was replaced
    /// meanwhile. If the entry was fresh, returns what `f` makes of its value. The predicate and
    /// `f` run without the lock.
    pub(crate) fn remove_key_if<R>(
        &self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        mut picks: impl FnMut(&V) -> bool,
        f: impl Fn(&V) -> R,
    ) -> Option<R> {
        let mut own_rounds = 0;
        loop {
            // A pin of its own for each round: while one lasts, nothing removed can be freed.
            match self.write(self.now(), |txn| txn.remove_picked_key(hash, eq, &mut picks, &f)) {
                RemovalRound::Done(result) => return result,
                RemovalRound::Replaced { own } => own_rounds += u32::from(own),
            }
            if own_rounds == MOST_OWN_ROUNDS {
                return None;
            }
        }
    }
}

impl<K, V> WriteTxn<'_, '_, K, V> {
    fn remove_picked_key<R>(
        &mut self,
        hash: KeyHash,
        eq: impl Fn(&K) -> bool + Copy,
        picks: &mut impl FnMut(&V) -> bool,
        f: &impl Fn(&V) -> R,
    ) -> RemovalRound<R> {
        let TxnLocks { store, guard, .. } = self.locks;
        let own = Retries::new(guard);
        let picked = guard.find(hash, eq).filter(|entry| store.is_kept(*entry));
        let Some(picked) = picked.filter(|entry| picks(entry.value())) else {
            return RemovalRound::Done(None);
        };
        let (now, mut compared) = (self.ledger.now, KeyComparisons::new());
        let (mut shard, found) = self.locks.lock_to_write(hash, eq, &mut compared);
        if found != Some(picked.id()) {
            self.unlock(shard);
            return RemovalRound::Replaced { own: own.has_written(guard) };
        }
        let cause = cause_or_expired(picked, RemovalCause::Explicit, now);
        let removed = shard.remove(picked.id(), cause, &mut self.ledger);
        shard.loads().supersede(hash.low(), &compared);
        self.expire_and_unlock(shard);
        RemovalRound::Done(
            Some(removed).filter(|entry| entry.deadline() > now).map(|it| f(it.value())),
        )
    }
}

impl<K: Eq + 'static, V> Store<K, V> {
    /// Stores a value, in the place of the old one if there is one. Supersedes loads of the key.
    #[inline]
    pub(crate) fn insert(&self, hash: KeyHash, key: K, value: V, ttl: Option<Duration>) {
        if !self.plain || ttl.is_some() {
            return self.insert_in_general(hash, key, value, ttl);
        }
        let mut contents = Some((key, value));
        if !self.insert_plain(hash, &mut contents)
            && let Some((key, value)) = contents
        {
            self.insert_in_general(hash, key, value, ttl);
        }
    }

    /// As `insert`, whatever the cache is like.
    #[inline(never)]
    fn insert_in_general(&self, hash: KeyHash, key: K, value: V, ttl: Option<Duration>) {
        let (new, now) = self.prepare(Hashed { hash, key: &key }, value, ttl, 0);
        if let Some(cause) = self.refuses(&new, now) {
            return self.reject(Hashed { hash, key }, new, cause, now);
        }
        self.write(now, |txn| {
            let mut compared = KeyComparisons::new();
            let mut write = KeyWrite { hash, key: &key, compared: &mut compared };
            let (mut shard, target) = txn.lock_with_room(new.weight, &mut write);
            let target = target.expect("an insert is always wanted");
            let slot = shard.reserve(hash, key);
            shard.store(slot, target, new, &mut txn.ledger);
            shard.loads().supersede(hash.low(), &compared);
            txn.expire_and_unlock(shard);
        });
    }

    /// Ends the insertion of a value that cannot be stored: the old one is removed nevertheless,
    /// and the listener is notified of both.
    fn reject(
        &self,
        Hashed { hash, key }: Hashed<K>,
        new: NewEntry<V>,
        why: RemovalCause,
        now: u64,
    ) {
        self.write(now, |txn| {
            let (eq, mut compared) = (|other: &K| *other == key, KeyComparisons::new());
            let (mut shard, found) = txn.locks.lock_to_write(hash, eq, &mut compared);
            if let Some(id) = found {
                let cause = cause_or_expired(shard.entry(id), RemovalCause::Replaced, now);
                shard.remove(id, cause, &mut txn.ledger);
            }
            shard.loads().supersede(hash.low(), &compared);
            let _not_shown = txn.reject(&mut shard, Hashed { hash, key }, new, why);
            txn.expire_and_unlock(shard);
        });
    }
}

/// A write of the user's to one key.
struct KeyWrite<'k, K, V> {
    hash: KeyHash,
    key: &'k K,
    compared: &'k mut KeyComparisons<V>,
}

impl<'p, K: Eq + 'static, V> LockKey<'p, K, V> for KeyWrite<'_, K, V> {
    fn hash(&self) -> KeyHash {
        self.hash
    }

    #[inline]
    fn lock(&mut self, locks: &TxnLocks<'p, K, V>) -> (Shard<'p, K, V>, Option<SlotId>) {
        let key = self.key;
        let eq = |other: &K| other == key;
        let locked = known_eq::is_known::<K>().then(|| locks.lock_known(self.hash, eq)).flatten();
        locked.unwrap_or_else(|| locks.lock_to_write(self.hash, eq, self.compared))
    }

    fn wants(&mut self, _: &mut Shard<'p, K, V>, _: Option<SlotId>) -> bool {
        true
    }
}
