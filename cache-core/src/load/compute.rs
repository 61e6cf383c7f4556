//! Computing an entry from what is there: read, decide, write, as if at one instant.
//!
//! A computation is a flight of its own kind ([`FlightKind::Compute`]). It registers under the same
//! lock under which it reads the entry, so the rule of flights says what it needs: registered means
//! that nothing was written to the key since. Its closure runs without a lock. Other computations
//! and loads of the key wait for it, and it waits for them, so of all these one runs at a time.
//! `insert`, `remove` and the other plain writes do not wait. They deregister the computation, and
//! what it decides is then not carried out: it counts as made just before that write, which was the
//! first since it read the entry, and as overwritten before anybody has seen it. So the results are
//! always those of some order of all calls (`tests/load/linearizability.rs` looks for one).
//! Eviction and expiry may still come in between, as they may at any time.
//!
//! A computation cannot run beside another, as a load can. If one would have to wait for itself
//! (because its closure, or a loader that it is inside of, computes the same key) it panics.
//!
//! [`Store::compute`] and [`Store::compute_async`] differ in how they wait and how they call the
//! closure.

use std::future::Future;
use std::sync::Arc;

use crate::flight::flight::{Flight, FlightKind};
use crate::flight::wait::WaitResult;
use crate::flight::wait_graph::{self, LoadScope};
use crate::load::attempt::Acquired;
use crate::load::guard::FlightGuard;
use crate::store::store::Store;
use crate::table::Retries;
use crate::types::entry::{CompResult, Entry, Op};
use crate::util::hash::Hashed;

/// A computation that has begun, with the value of the entry; or the flight to wait for first.
type Begun<'s, K, V> = Result<(FlightGuard<'s, K, V>, Option<V>), Arc<Flight<V>>>;

impl<K: Eq + Clone, V: Clone> Store<K, V> {
    /// Shows `decide` the entry and does what it returns. An error changes nothing.
    pub(crate) fn compute<E>(
        &self,
        key: Hashed<K>,
        decide: impl FnOnce(Option<Entry<K, V>>) -> Result<Op<V>, E>,
    ) -> Result<CompResult<K, V>, E> {
        let retries = Retries::default();
        let (guard, old) = loop {
            let flight = match self.begin_computation(&key, &retries) {
                Ok(begun) => break begun,
                Err(flight) => flight,
            };
            let deadline = self.wait_deadline();
            let mut waited = flight.wait(deadline);
            if waited == WaitResult::OwnThread && flight.kind == FlightKind::Compute {
                // It cannot go ahead of another computation. Perhaps another thread of the runtime
                // polls that one; if not, the wait times out.
                waited = flight.block(deadline);
            }
            self.check_wait(&flight, waited);
        };
        let key = key.key;
        // Cloned inside of the computation, like all user code while it is registered.
        let decided = wait_graph::run(guard.node(), || decide(shown(&key, &old)));
        carry_out(guard, key, old, decided)
    }

    /// As [`compute`](Self::compute), as a task.
    pub(crate) async fn compute_async<F: Future<Output = Result<Op<V>, E>>, E>(
        &self,
        key: Hashed<K>,
        decide: impl FnOnce(Option<Entry<K, V>>) -> F,
    ) -> Result<CompResult<K, V>, E> {
        let retries = Retries::default();
        let (guard, old) = loop {
            let flight = match self.begin_computation(&key, &retries) {
                Ok(begun) => break begun,
                Err(flight) => flight,
            };
            let waited = flight.wait_async(self.wait_deadline()).await;
            self.check_wait(&flight, waited);
        };
        let key = key.key;
        // As in `compute`.
        let (own_key, own) = (&key, &old);
        let deciding = async move { decide(shown(own_key, own)).await };
        let decided = wait_graph::run_async(guard.node(), deciding).await;
        carry_out(guard, key, old, decided)
    }

    /// Registers, unless there is a flight to wait for.
    fn begin_computation(
        &self,
        Hashed { hash, key }: &Hashed<K>,
        retries: &Retries,
    ) -> Begun<'_, K, V> {
        let hash = *hash;
        self.check_levels(hash, key);
        let guard = self.pin();
        retries.has_written(&guard);
        let (now, own) = (self.now(), Hashed { hash, key: key.clone() });
        let (kind, wanted) = (FlightKind::Compute, Hashed { hash, key });
        match self.acquire(&guard, wanted, kind, retries, None) {
            Acquired::Served(..) => unreachable!("a computation is not served a value"),
            Acquired::Running(flight) => Err(flight),
            Acquired::Idle(shard, found) => {
                let (found, outer) = (found.map(|id| shard.entry(id)), wait_graph::current_load());
                let entry = found.filter(|entry| entry.deadline() > now);
                let leads = self.lead((shard, entry.map(|entry| entry.id())), own, kind, outer);
                self.count(&guard, |counters| match entry {
                    Some(_) => &counters.hits,
                    None => &counters.misses,
                });
                let _scope = LoadScope::enter(leads.node());
                let old = entry.map(|entry| {
                    entry.touch();
                    if self.extends_on_read {
                        self.extend(&guard, hash, entry, now);
                    }
                    entry.value().clone()
                });
                Ok((leads, old))
            }
        }
    }

    /// Checks that a computation may begin after a wait for a flight.
    ///
    /// # Panics
    /// If the computation cannot begin before the flight completes, and must not wait for it.
    fn check_wait(&self, flight: &Arc<Flight<V>>, waited: WaitResult) {
        match waited {
            WaitResult::Completed => {}
            WaitResult::Deadlock => panic!(
                "{}: an entry is computed from inside a load or a computation of the same key, or \
                 of one that waits for it; it would wait for itself for ever. Do the inner work \
                 first, or with another key",
                self.title()
            ),
            // A load that hangs, or that cannot go on before this call returns, will not be stored
            // over what this computation stores.
            WaitResult::TimedOut | WaitResult::OwnThread if flight.kind != FlightKind::Compute => {
                self.stop_sharing(flight);
            }
            WaitResult::TimedOut | WaitResult::OwnThread => panic!(
                "{}: another computation of the same entry has not ended within \
                 `coalesce_timeout`, and two cannot run at once. If it is a future that only this \
                 thread polls, it never will: use the `_async` method here",
                self.title()
            ),
        }
    }
}

/// The entry as the closure is shown it.
fn shown<K: Clone, V: Clone>(key: &K, old: &Option<V>) -> Option<Entry<K, V>> {
    old.clone().map(|value| Entry::found(key.clone(), value))
}

/// Does what the closure has returned.
fn carry_out<K: Eq + Clone, V: Clone, E>(
    guard: FlightGuard<'_, K, V>,
    key: K,
    old: Option<V>,
    decided: Result<Op<V>, E>,
) -> Result<CompResult<K, V>, E> {
    // Where nothing is changed, the guard is dropped, and waiters look again: before the result is
    // made, which a panic of that would leak.
    let op = match decided {
        Ok(op) => op,
        Err(error) => {
            drop(guard);
            return Err(error);
        }
    };
    Ok(match (op, old) {
        (Op::Put(value), old) => {
            let entry = Entry::stored(key, guard.publish(value, 0), old.is_some());
            match old {
                Some(_) => CompResult::ReplacedWith(entry),
                None => CompResult::Inserted(entry),
            }
        }
        (Op::Remove, Some(old)) => {
            guard.remove();
            CompResult::Removed(Entry::found(key, old))
        }
        (Op::Nop, old) => {
            drop(guard);
            match old {
                Some(old) => CompResult::Unchanged(Entry::found(key, old)),
                None => CompResult::StillNone(key),
            }
        }
        (Op::Remove, None) => {
            // There may be one that has expired, and must not be served stale.
            guard.remove_expired();
            CompResult::StillNone(key)
        }
    })
}
