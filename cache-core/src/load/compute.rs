//! Computing an entry from what is there: read, decide, write, as if at one instant.
//!
//! A computation is a flight of its own kind ([`FlightKind::Compute`]). It registers under the same lock
//! under which it reads the entry, so the rule of flights says what it needs: registered means that
//! nothing was written to the key since. Its closure runs without a lock. Other computations and
//! loads of the key wait for it, and it waits for them, so of all these one runs at a time.
//! `insert`, `remove` and their kin do not wait. They take the computation off the register, and
//! what it decides is then not carried out: it counts as made just before that write, which was the
//! first since it read the entry, and as overwritten before anybody has seen it. So the answers are
//! always those of some order of all calls (`tests/load_histories.rs` looks for one). Eviction and
//! expiry may still come in between, as they may at any time.
//!
//! A computation cannot run beside another, as a load can. If one would have to wait for itself
//! (because its closure, or a loader that it is inside of, computes the same key) it panics.

use std::future::Future;
use std::sync::Arc;

use crate::flight::flight::{Flight, FlightKind, Outcome};
use crate::flight::wait::{Caller, Waited};
use crate::flight::wait_graph::{self, LoadScope};
use crate::load::guard::FlightGuard;
use crate::load::load::{Met, Seek};
use crate::store::store::Store;
use crate::table::Retries;
use crate::types::entry::{CompResult, Entry, Op};
use crate::util::hash::Hashed;

/// What a computation begins with.
enum Begun<'s, K: Eq, V: Clone + Send + Sync + 'static> {
    /// The entry as of now, fresh, and the duty to land the flight.
    With(FlightGuard<'s, K, V>, Option<V>),
    /// Somebody else is at it.
    Wait(Arc<Flight<V>>),
}

impl<K: Eq + Clone, V: Clone + Send + Sync + 'static> Store<K, V> {
    /// Shows `decide` the entry and does what it says. An error changes nothing.
    pub(crate) async fn compute<D, F, E>(
        &self,
        caller: Caller,
        Hashed { hash, key }: Hashed<K>,
        decide: D,
    ) -> Result<CompResult<K, V>, E>
    where
        D: FnOnce(Option<Entry<K, V>>) -> F,
        F: Future<Output = Result<Op<V>, E>>,
    {
        let retries = Retries::default();
        let (leader, old) = loop {
            match self.begin(Hashed { hash, key: &key }, &retries) {
                Begun::With(leader, old) => break (leader, old),
                Begun::Wait(flight) => self.wait_for_turn(caller, &flight).await,
            }
        };
        // Cloned inside of the computation, like all user code while it is registered.
        let own = &old;
        let own_key = &key;
        let deciding = async move {
            let shown = own.clone().map(|value| Entry::found(own_key.clone(), value));
            decide(shown).await
        };
        match leader.run(caller, deciding).await {
            Ok(op) => Ok(carry_out(leader, key, old, op)),
            Err(error) => {
                leader.end(Outcome::Retry);
                Err(error)
            }
        }
    }

    fn begin(&self, Hashed { hash, key }: Hashed<&K>, retries: &Retries) -> Begun<'_, K, V> {
        self.check_levels(hash, key);
        let guard = self.table.pin();
        retries.has_written(&guard);
        let (now, own) = (self.now(), Hashed { hash, key: key.clone() });
        let seek = Seek { entry: false, flight: true };
        match self.meet(&guard, Hashed { hash, key }, seek, retries) {
            Met::Flight(flight) => Begun::Wait(flight),
            Met::Entry(..) => unreachable!("not looked for"),
            Met::Nobody(shard, found) => {
                let entry = found.map(|id| shard.entry(id)).filter(|entry| entry.deadline() > now);
                let leader = self.lead(
                    (shard, entry.is_none()),
                    own,
                    FlightKind::Compute,
                    wait_graph::current_load(),
                );
                if let Some(counters) = self.counting(&guard) {
                    if entry.is_some() { &counters.hits } else { &counters.misses }.add(1);
                }
                let _entered = LoadScope::enter(leader.running());
                let old = entry.map(|entry| {
                    entry.touch();
                    if self.extends_on_read {
                        self.extend(&guard, hash, entry, now);
                    }
                    entry.value().clone()
                });
                Begun::With(leader, old)
            }
        }
    }

    async fn wait_for_turn(&self, caller: Caller, flight: &Arc<Flight<V>>) {
        let name = self.title();
        let deadline = self.wait_deadline();
        let mut waited = flight.wait(caller, deadline).await;
        if waited == Waited::OwnThread && flight.is_compute() {
            // It cannot go ahead of another computation. Perhaps another thread of the runtime polls
            // that one; if not, patience ends.
            waited = flight.block(deadline);
        }
        match waited {
            Waited::Completed => {}
            Waited::Ring => panic!(
                "{name}: an entry is computed from inside a load or a computation of the same key, \
                 or of one that waits for it; it would wait for itself for ever. Do the inner \
                 work first, or with another key"
            ),
            // A load that hangs, or that cannot go on before this call returns, will not be stored
            // over what this computation stores.
            Waited::TimedOut | Waited::OwnThread if !flight.is_compute() => {
                self.stop_sharing(flight)
            }
            Waited::TimedOut | Waited::OwnThread => panic!(
                "{name}: another computation of the same entry has not ended within \
                 `coalesce_timeout`, and two cannot run at once. If it is a future that only this \
                 thread polls, it never will: use the `_async` method here"
            ),
        }
    }
}

/// Does what the closure said.
fn carry_out<K: Eq + Clone, V: Clone + Send + Sync + 'static>(
    leader: FlightGuard<'_, K, V>,
    key: K,
    old: Option<V>,
    op: Op<V>,
) -> CompResult<K, V> {
    match (op, old) {
        (Op::Put(value), old) => {
            let entry = Entry::stored(key, leader.publish(value), old.is_some());
            let result =
                if old.is_some() { CompResult::ReplacedWith } else { CompResult::Inserted };
            result(entry)
        }
        (Op::Remove, Some(old)) => {
            leader.remove();
            CompResult::Removed(Entry::found(key, old))
        }
        (Op::Nop, Some(old)) => {
            leader.end(Outcome::Retry);
            CompResult::Unchanged(Entry::found(key, old))
        }
        (Op::Remove, None) => {
            // There may be one that has expired, and must not be served stale.
            leader.remove_expired();
            CompResult::StillNone(key)
        }
        (Op::Nop, None) => {
            leader.end(Outcome::Retry);
            CompResult::StillNone(key)
        }
    }
}
