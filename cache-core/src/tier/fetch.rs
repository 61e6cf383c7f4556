//! One load's way through the tiers: for threads and tasks alike.
//!
//! A caller that misses in memory leads the memory tier's flight of its key, so that there is one
//! such way per key and process. It asks the remote tier for the value *or a lease*; with a lease
//! it runs the origin and stores what comes of it, on condition that the lease still holds.
//!
//! ```text
//!            ┌─ fresh ─────────────────────▶ the value
//!  lease ────┼─ stale, another refreshes ──▶ the old value, for a second
//!            ├─ won ───▶ origin ──▶ fill ──▶ stored: the value, kept in memory too
//!            │                        └────▶ refused: the value, kept nowhere
//!            ├─ lost ──▶ wait, ask again; in the end: origin without a lease
//!            └─ failed ────────────────────▶ origin without a lease
//! ```
//! What was loaded without a lease is not stored remotely, because it may be older than a write of
//! another process, and is kept in memory for no longer than a lease.
//!
//! Until when the value may be in memory is told to the flight beside it ([`Lived`]). A memory life
//! begins before the exchange that has brought or stored the value: an invalidation by another
//! process may come just after the server has replied, however late that is noticed here.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::error::TierError;
use super::link::{AsyncTier, Filled, Lease, LeaseTerms, Leased, TierItem};
use super::names::NotedLoad;
use super::remote_key::{RemoteKey, TierKey};
use super::shared::{RETRY, RemoteEntry, Shared};
use super::stats::count;
use super::wait::sleep;
use crate::flight::share_error::{ErrorSharing, SharedError};
use crate::time::source::ClockSource;
use crate::util::hash::KeyHash;
use crate::util::random;

/// The first and the longest time between two questions of a caller that waits for the holder of a
/// lease. In between it doubles; each is shortened by up to a half at random, so that callers do
/// not ask in step.
const POLLS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(80)];

/// How the error of a load travels, and which of them says that there is no value.
pub(crate) struct Failure<E, S> {
    pub(crate) share: S,
    pub(crate) nothing: Option<fn() -> E>,
}

/// What a load of both tiers knows beside its value: its key, and how long the value may be kept in
/// memory.
pub(super) struct Lived<'l, E, S> {
    hash: KeyHash,
    /// The key, as [`RemoteKey`] writes it.
    key: Vec<u8>,
    failure: Failure<E, S>,
    clock: &'l ClockSource,
    /// Until when the value may be in memory, set by the load. Relaxed: the load itself reads it.
    until: AtomicU64,
    /// Kept until the value is in memory.
    noted: OnceLock<NotedLoad<'l>>,
}

impl<'l, E, S> Lived<'l, E, S> {
    /// `clock` is the memory tier's.
    pub(super) fn new(
        (hash, key): (KeyHash, Vec<u8>),
        failure: Failure<E, S>,
        clock: &'l ClockSource,
    ) -> Self {
        let (until, noted) = (AtomicU64::new(u64::MAX), OnceLock::new());
        Lived { hash, key, failure, clock, until, noted }
    }

    fn set_until(&self, tick: u64) {
        self.until.store(tick, Relaxed);
    }
}

/// Returns the life that is left of a value that may be in memory until this tick; `None`: without
/// end.
pub(super) fn life_left(until: u64, clock: &ClockSource) -> Option<Duration> {
    (until != u64::MAX).then(|| Duration::from_nanos(until.saturating_sub(clock.now())))
}

impl<E, S: ErrorSharing<E>> ErrorSharing<E> for Lived<'_, E, S> {
    fn to_shared(&self, error: &E) -> Option<SharedError> {
        self.failure.share.to_shared(error)
    }

    fn recover(&self, shared: &SharedError) -> Option<E> {
        self.failure.share.recover(shared)
    }

    fn is_absence(&self, error: &E) -> bool {
        self.failure.share.is_absence(error)
    }

    fn life(&self) -> Option<Duration> {
        life_left(self.until.load(Relaxed), self.clock)
    }
}

/// What the remote tier has brought.
enum Sought<V, E> {
    /// A value, and until when it may be in memory.
    Value(V, u64),
    /// There is none, and that is known.
    Absent(E),
    /// Nothing that may be served as it is.
    Missing { lease: Option<Lease>, old: Option<Old<V>> },
}

/// What there is until a newer value is loaded.
struct Old<V> {
    entry: RemoteEntry<V>,
    /// What the lease is to replace, unless it was marked as stale; and a tick at which it was
    /// there.
    item: Option<(TierItem, u64)>,
}

/// A load on its way: the key, and the side of the tier that it uses.
pub(super) struct Way<'w, K, V> {
    pub(super) shared: &'w Shared<K, V>,
    pub(super) tier: &'w dyn AsyncTier,
}

impl<'w, K, V> Way<'w, K, V>
where
    K: RemoteKey + std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Returns a key's name in the tier; `None` if the tier is not to be asked for it: it does not
    /// say whether it was flushed, or a removal of the key is still to be made.
    pub(super) async fn key(&self, key: &[u8]) -> Option<TierKey> {
        let shared = self.shared;
        let generation = shared.current_generation(self.tier).await.ok();
        let usable = generation.filter(|_| !shared.pending.contains(key));
        if usable.is_none() {
            count(&shared.counters.bypasses);
        }
        let key = usable.map(|generation| shared.key_of(generation, key));
        key.filter(|key| shared.may_hold(key))
    }

    /// Returns the value from the tier, or from the origin. It runs inside of the memory tier's
    /// load, and tells that by `lived` how long the value may be kept.
    pub(super) async fn load<E, S>(
        &self,
        lived: &Lived<'w, E, S>,
        origin: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E> {
        let (shared, nothing) = (self.shared, lived.failure.nothing);
        let key = self.key(&lived.key).await;
        if let Some(noted) = shared.note(&lived.key, lived.hash) {
            let _ = lived.noted.set(noted);
        }
        let Some(key) = key else {
            let loaded = origin.await;
            lived.set_until(shared.unleased_until());
            return loaded;
        };
        let (lease, old) = match self.find(&key, nothing).await {
            Sought::Value(value, until) => {
                lived.set_until(until);
                return Ok(value);
            }
            Sought::Absent(nothing) => return Err(nothing),
            Sought::Missing { lease, old } => (lease, old),
        };
        if lease.is_none() {
            count(&shared.counters.unleased_loads);
        }
        let began = Instant::now();
        let loaded = origin.await;
        let took = began.elapsed();
        match loaded {
            Ok(value) => {
                shared.load_times.note(took);
                lived.set_until(self.keep((&key, lease), &value, took).await);
                Ok(value)
            }
            Err(error) if nothing.is_some() => {
                self.store_absence((&key, lease), took).await;
                Err(error)
            }
            Err(error) => {
                let Some(old) = self.old_after_failure((&key, lease), old).await else {
                    self.give_up(&key, lease).await;
                    return Err(error);
                };
                lived.set_until(shared.until(shared.now(), shared.lives.memory.min(RETRY)));
                Ok(old)
            }
        }
    }

    /// Returns the old value of a load that has failed, if it may be served; then others may try to
    /// replace it.
    async fn old_after_failure(
        &self,
        (key, lease): (&TierKey, Option<Lease>),
        old: Option<Old<V>>,
    ) -> Option<V> {
        let Old { entry, item } = old?;
        let value = self.shared.value_after_failure(entry)?;
        count(&self.shared.counters.stale);
        if let (Some(lease), Some(item)) = (lease, item) {
            self.give_back(key, lease, item).await;
        }
        Some(value)
    }

    /// Looks in the tier until there is a value, a lease, or no hope of either.
    async fn find<E>(&self, key: &TierKey, nothing: Option<fn() -> E>) -> Sought<V, E> {
        let counters = &self.shared.counters;
        let (mut old, mut has_discarded, mut waiting) = (None, false, None);
        let missing = |lease, old| {
            count(&counters.misses);
            Sought::Missing { lease, old }
        };
        loop {
            match self.ask(key, nothing.is_some()).await {
                Asked::Won { lease, old: with } => return missing(Some(lease), with.or(old)),
                Asked::Failed => return Sought::Missing { lease: None, old },
                Asked::Unusable(Unusable::Discard) if !has_discarded => {
                    has_discarded = true;
                    if let Err(error) = self.tier.remove(&key.wire).await {
                        counters.error(error);
                        return missing(None, None);
                    }
                    continue;
                }
                Asked::Unusable(_) => return missing(None, None),
                Asked::Entry { entry, is_stale, since } => {
                    if let Some(found) = self.serve(&entry, (is_stale, since), nothing) {
                        return found;
                    }
                    old = Some(Old { entry, item: None });
                }
                Asked::Lost => {}
            }
            if !self.wait(&mut waiting).await {
                return missing(None, old);
            }
        }
    }

    /// Asks the tier once.
    async fn ask(&self, key: &TierKey, may_be_absent: bool) -> Asked<V> {
        let (shared, counters, since) = (self.shared, &self.shared.counters, self.shared.now());
        let mut terms = LeaseTerms::new(shared.lease_time());
        terms.refresh_within = Some(shared.lives.grace()).filter(|grace| !grace.is_zero());
        let (item, lease, is_stale) = match self.tier.lease(&key.wire, terms).await {
            Ok(Leased::Found { item, lease, is_stale }) => (item, lease, is_stale),
            Ok(Leased::Won(lease)) => {
                count(&counters.leases_won);
                return Asked::Won { lease, old: None };
            }
            Ok(Leased::Lost) => return Asked::Lost,
            Err(error) => {
                counters.error(error);
                return Asked::Failed;
            }
        };
        let entry = self.read(&item, key, may_be_absent);
        match (lease, entry) {
            (Some(lease), entry) => {
                count(&counters.leases_won);
                let item = (!is_stale).then_some((item, since));
                Asked::Won { lease, old: entry.ok().map(|entry| Old { entry, item }) }
            }
            (None, Ok(entry)) => Asked::Entry { entry, is_stale, since },
            (None, Err(unusable)) => Asked::Unusable(unusable),
        }
    }

    /// Returns what an entry is served as, if it is, to a caller that is not to refresh it. `since`
    /// is a tick before the tier was asked.
    fn serve<E>(
        &self,
        entry: &RemoteEntry<V>,
        (is_stale, since): (bool, u64),
        nothing: Option<fn() -> E>,
    ) -> Option<Sought<V, E>> {
        let (lives, counters) = (&self.shared.lives, &self.shared.counters);
        let is_fresh = entry.is_fresh() && !is_stale;
        if !is_fresh && !is_stale && entry.stale_for >= lives.stale_while_revalidate {
            return None;
        }
        count(&counters.hits);
        let Some(value) = entry.value.clone() else {
            return nothing.map(|nothing| Sought::Absent(nothing()));
        };
        let life = if is_fresh {
            entry.fresh_for.map_or(lives.memory, |left| left.min(lives.memory))
        } else {
            count(&counters.stale);
            lives.memory.min(RETRY)
        };
        Some(Sought::Value(value, self.shared.until(since, life)))
    }

    /// Reads an item, and counts it if it cannot be used.
    fn read(
        &self,
        item: &TierItem,
        key: &TierKey,
        may_be_absent: bool,
    ) -> Result<RemoteEntry<V>, Unusable> {
        match self.shared.read_item(item, key) {
            // That there was no value was found out by a call that may find none.
            Ok(entry) if entry.value.is_none() && !may_be_absent => Err(Unusable::Discard),
            Ok(entry) => Ok(entry),
            Err(why) => {
                self.shared.counters.rejected(why);
                Err(if why.is_to_be_discarded() { Unusable::Discard } else { Unusable::Keep })
            }
        }
    }

    /// Waits a little for the holder of the lease. Returns `false` if that has taken too long.
    async fn wait(&self, waiting: &mut Option<(Instant, Duration)>) -> bool {
        let lease_wait = self.shared.lives.lease_wait;
        let (began, pause) = waiting.unwrap_or_else(|| {
            count(&self.shared.counters.leases_lost);
            (Instant::now(), POLLS[0])
        });
        let Some(left) = lease_wait.checked_sub(began.elapsed()).filter(|left| !left.is_zero())
        else {
            return false;
        };
        *waiting = Some((began, POLLS[1].min(pause * 2)));
        let part = 0.5 + 0.5 * random::uniform();
        sleep(pause.mul_f64(part).min(left)).await;
        true
    }

    /// Stores a loaded value, if it is to be stored remotely. Returns until when it may be in
    /// memory.
    async fn keep(
        &self,
        (key, lease): (&TierKey, Option<Lease>),
        value: &V,
        took: Duration,
    ) -> u64 {
        if self.shared.keeps_remotely(value) {
            return self.store((key, lease), value, took).await;
        }
        self.give_up(key, lease).await;
        self.shared.until(self.shared.now(), self.shared.lives.memory)
    }

    /// Stores a loaded value under its lease. Returns until when it may be in memory; zero: it may
    /// not.
    pub(super) async fn store(
        &self,
        (key, lease): (&TierKey, Option<Lease>),
        value: &V,
        took: Duration,
    ) -> u64 {
        let (shared, counters, since) = (self.shared, &self.shared.counters, self.shared.now());
        let Some(lease) = lease else { return shared.unleased_until() };
        let stored = match shared.encode(key, Some(value), took) {
            Ok(encoded) => self.tier.fill(&key.wire, lease, &encoded.bytes, encoded.life).await,
            Err(error) => Err(error),
        };
        match stored {
            Ok(Filled::Stored) => {
                count(&counters.fills);
                shared.stored_until(since)
            }
            Ok(Filled::Refused) => {
                count(&counters.fills_refused);
                0
            }
            Err(TierError::TooLarge { .. } | TierError::Codec(_)) => {
                count(&counters.not_storable);
                self.give_up(key, Some(lease)).await;
                shared.unleased_until()
            }
            // It is not known whether it is stored. To try again might replace a newer value.
            Err(error) => {
                counters.error(error);
                shared.unleased_until()
            }
        }
    }

    /// Stores that there is no value, if that is to be stored; else gives the lease back.
    pub(super) async fn store_absence(
        &self,
        (key, lease): (&TierKey, Option<Lease>),
        took: Duration,
    ) {
        let (shared, counters) = (self.shared, &self.shared.counters);
        let Some(lease) = lease else { return };
        let encoded = shared.lives.negative.and_then(|_| shared.encode_absence(key, took));
        let Some(encoded) = encoded else { return self.give_up(key, Some(lease)).await };
        match self.tier.fill(&key.wire, lease, &encoded.bytes, encoded.life).await {
            Ok(Filled::Stored) => count(&counters.fills),
            Ok(Filled::Refused) => count(&counters.fills_refused),
            Err(error) => _ = counters.error(error),
        }
    }

    /// Lets others have the lease, and leaves what it was to replace: stores that once more, if the
    /// lease still holds. Without this nobody would get a lease until it is gone.
    pub(super) async fn give_back(
        &self,
        key: &TierKey,
        lease: Lease,
        (item, since): (TierItem, u64),
    ) {
        let passed = Duration::from_nanos(self.shared.now().saturating_sub(since));
        let life = item.life.map(|life| life.saturating_sub(passed));
        if life.is_none_or(|life| !life.is_zero())
            && let Err(error) = self.tier.fill(&key.wire, lease, &item.value, life).await
        {
            self.shared.counters.error(error);
        }
    }

    /// Lets others have the lease, and removes what it was to replace. Without this they would wait
    /// until it ends.
    pub(super) async fn give_up(&self, key: &TierKey, lease: Option<Lease>) {
        if lease.is_some()
            && let Err(error) = self.tier.remove(&key.wire).await
        {
            self.shared.counters.error(error);
        }
    }
}

/// What the tier says to one question.
enum Asked<V> {
    /// The value is to be loaded by this caller; until then there may be an old one.
    Won {
        lease: Lease,
        old: Option<Old<V>>,
    },
    /// Another caller has the lease.
    Lost,
    /// An entry, whether it was marked as stale, and a tick before it was read.
    Entry {
        entry: RemoteEntry<V>,
        is_stale: bool,
        since: u64,
    },
    /// An item, and what to do with it.
    Unusable(Unusable),
    Failed,
}

/// What to do with an item that cannot be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unusable {
    /// It goes, so that there can be a lease.
    Discard,
    /// It stays: another version of the program uses it.
    Keep,
}
