//! What the handles of a tiered cache share, and its small decisions: routes, lives, what an item
//! of the tier is worth.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::codec::{Codec, CodecError, Framing};
use super::envelope::{Envelope, Rejected};
use super::error::TierError;
use super::generation::{Generation, Heard};
use super::invalidations::Subscription;
use super::link::{AsyncTier, TierItem};
use super::lock::ForkMutex;
use super::names::{NameIndex, NotedLoad};
use super::pending::{PendingRemovals, Queued};
use super::remote_key::{RemoteKey, TierKey, tier_key};
use super::stats::{RemoteCounters, count};
use crate::api::cache::Cache;
use crate::flight::wait_graph;
use crate::time::source::ClockSource;
use crate::util::hash::KeyHash;

/// A codec of which only the value's type is known.
pub(crate) trait AnyCodec<V>: Send + Sync {
    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError>;
    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError>;
    fn framing(&self) -> Framing;
}

impl<V, C: Codec<V>> AnyCodec<V> for C {
    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        Codec::encode(self, value, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        Codec::decode(self, bytes)
    }

    fn framing(&self) -> Framing {
        Codec::framing(self)
    }
}

/// How long values live, and how long a call waits.
#[derive(Clone, Debug)]
pub(super) struct Lives {
    /// In the tier; `None`: without end.
    pub(super) remote: Option<Duration>,
    /// In memory, at most.
    pub(super) memory: Duration,
    /// Of the knowledge that a key has no value; `None`: that is not stored.
    pub(super) negative: Option<Duration>,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    /// How long a call waits for the holder of a lease.
    pub(super) lease_wait: Duration,
}

impl Lives {
    /// How long the tier keeps a value after its life.
    pub(super) fn grace(&self) -> Duration {
        self.stale_while_revalidate.max(self.stale_if_error)
    }
}

/// How long a lease is held at least: servers count whole seconds, and not from their beginning.
pub(super) const SHORTEST_LEASE: Duration = Duration::from_secs(2);
const LONGEST_LEASE: Duration = Duration::from_secs(600);

/// How long a stale value is served from memory: at most one attempt in this time to load it.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// How often a write reads the generation before it gives up.
const MOST_READINGS: u32 = 16;

pub(super) type KeepRemotely<K, V> = Box<dyn Fn(&K, &V) -> bool + Send + Sync>;
pub(super) type WallClock = Box<dyn Fn() -> SystemTime + Send + Sync>;

pub(super) struct Shared<K, V> {
    pub(super) memory: Cache<K, V>,
    /// As threads use it, and as tasks do.
    pub(super) threads: Arc<dyn AsyncTier>,
    pub(super) tasks: Arc<dyn AsyncTier>,
    pub(super) codec: Box<dyn AnyCodec<V>>,
    pub(super) lives: Lives,
    pub(super) keep_remotely: Option<KeepRemotely<K, V>>,
    /// The name and the schema, as keys begin.
    pub(super) prefix: String,
    pub(super) schema: u32,
    pub(super) clock: ClockSource,
    pub(super) wall_clock: WallClock,
    pub(super) generation: Generation,
    pub(super) pending: PendingRemovals,
    pub(super) counters: RemoteCounters,
    pub(super) load_times: LoadTimes,
    /// If the tier tells of others' writes.
    pub(super) names: Option<NameIndex>,
    pub(super) subscription: ForkMutex<Option<Subscription>>,
}

/// What an item of the tier holds.
pub(super) struct RemoteEntry<V> {
    /// `None`: there is no value, and that is known.
    pub(super) value: Option<V>,
    /// How much longer it is fresh; `None`: without end.
    pub(super) fresh_for: Option<Duration>,
    /// For how long it has not been fresh any more; zero if it is.
    pub(super) stale_for: Duration,
    /// When that was so, by the wall clock.
    read_at: Duration,
}

impl<V> RemoteEntry<V> {
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh_for != Some(Duration::ZERO)
    }
}

/// A value's life as bytes.
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    /// How long the tier is to keep it; `None`: without end.
    pub(super) life: Option<Duration>,
}

impl<K, V> Shared<K, V> {
    fn unix_time(&self) -> Duration {
        (self.wall_clock)().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    pub(super) fn unix_millis(&self) -> u64 {
        millis(self.unix_time())
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Returns the tick at which a life ends that began at this one.
    pub(super) fn until(&self, since: u64, life: Duration) -> u64 {
        since.saturating_add(u64::try_from(life.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Reads the generation, and drops what is in memory if it has changed.
    pub(super) async fn read_generation(&self, tier: &dyn AsyncTier) -> Result<(), TierError>
    where
        K: std::hash::Hash + Eq + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        let read = self.generation.read(tier, self.now(), self.unix_millis()).await;
        let (heard, counter) = read.map_err(|error| self.counters.error(error))?;
        match heard {
            Heard::Nothing | Heard::First => return Ok(()),
            Heard::Flush => count(&self.counters.flushes_heard),
            Heard::Known => {}
        }
        self.memory.invalidate_all();
        self.generation.emptied(counter);
        Ok(())
    }

    /// Returns the generation of the keys; reads it first, if what is known of it is too old.
    ///
    /// # Errors
    /// If the tier fails.
    pub(super) async fn current_generation(&self, tier: &dyn AsyncTier) -> Result<u64, TierError>
    where
        K: std::hash::Hash + Eq + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        if let Some(generation) = self.generation.known(self.now()) {
            return Ok(generation);
        }
        self.read_generation(tier).await?;
        self.generation.known(self.now()).ok_or(TierError::UnknownGeneration)
    }

    /// Returns the generation of the keys as the tier has it now: for writes. Under one that was
    /// read before the write began, they would miss what others read after a flush since. If this
    /// process asks for a flush while the generation is read, it is read once more, and the write
    /// comes after the flush.
    ///
    /// # Errors
    /// If the tier fails, or the process flushes again and again.
    pub(super) async fn newest_generation(&self, tier: &dyn AsyncTier) -> Result<u64, TierError>
    where
        K: std::hash::Hash + Eq + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        for _ in 0..MOST_READINGS {
            self.read_generation(tier).await?;
            if let Some(generation) = self.generation.just_read() {
                return Ok(generation);
            }
        }
        Err(TierError::UnknownGeneration)
    }

    /// Returns a key's name in the tier.
    pub(super) fn key_of<Q: RemoteKey + ?Sized>(&self, generation: u64, key: &Q) -> TierKey {
        let prefix = format!("{}{generation}:", self.prefix);
        tier_key(&prefix, key, self.threads.max_key_len())
    }

    /// Whether the tier may hold the value of a key. Not if its name is a hash and the value has no
    /// envelope: nothing would tell whose it is.
    pub(super) fn may_hold(&self, key: &TierKey) -> bool {
        self.codec.framing() == Framing::Envelope || key.wire == key.full
    }

    /// Remembers a removal that could not be made.
    pub(super) fn remove_later(&self, key: &[u8]) {
        if self.pending.add(key) == Queued::Overflow {
            // The flush first: else a load might find neither, and read what is out of date.
            let before = self.pending.begin();
            self.generation.flush_later();
            self.pending.forget(before);
        }
    }

    /// How long a lease is to be held: three times what loads take.
    pub(super) fn lease_time(&self) -> Duration {
        self.load_times.lease()
    }

    /// Returns until when a value may be in memory that was loaded without the protection of a
    /// lease: its load ends now.
    pub(super) fn unleased_until(&self) -> u64 {
        self.until(self.now(), self.lives.memory.min(SHORTEST_LEASE))
    }

    /// Returns until when a value may be in memory that was stored remotely. `since` is a tick
    /// before that.
    pub(super) fn stored_until(&self, since: u64) -> u64 {
        let memory = self.lives.memory;
        self.until(since, self.lives.remote.map_or(memory, |life| life.min(memory)))
    }

    /// Returns what an item holds.
    pub(super) fn read_item(
        &self,
        item: &TierItem,
        key: &TierKey,
    ) -> Result<RemoteEntry<V>, Rejected> {
        let now = self.unix_time();
        let (value, created, times) = match self.codec.framing() {
            Framing::Bare => {
                let times = self.times_of_bare(item);
                // Without an envelope its age follows from how long it was to live.
                let age =
                    times.0.zip(self.lives.remote).map(|(left, life)| life.saturating_sub(left));
                (Some(item.value.as_slice()), age.map(|age| now.saturating_sub(age)), times)
            }
            Framing::Envelope => {
                let (envelope, payload) = Envelope::read(&item.value, self.schema, &key.full)?;
                let value = (!envelope.is_negative).then(|| &item.value[payload]);
                // A clock that is ahead elsewhere does not make an item younger than now.
                let created = Duration::from_millis(envelope.created).min(now);
                let fresh_until = Duration::from_millis(envelope.fresh_until);
                let is_endless = envelope.fresh_until == u64::MAX;
                let fresh_for = (!is_endless).then(|| fresh_until.saturating_sub(now));
                (value, Some(created), (fresh_for, now.saturating_sub(fresh_until)))
            }
        };
        if let Some(trusted_since) = item.distrusted_before {
            let trusted_since = trusted_since.duration_since(UNIX_EPOCH).unwrap_or_default();
            if created.is_none_or(|created| created <= trusted_since) {
                return Err(Rejected::Distrusted);
            }
        }
        let decode = |bytes| self.codec.decode(bytes).map_err(|_| Rejected::Corrupt);
        let (fresh_for, stale_for) = times;
        let value = value.map(decode).transpose()?;
        Ok(RemoteEntry { value, fresh_for, stale_for, read_at: now })
    }

    /// How much longer an item without an envelope is fresh, and for how long it has not been: the
    /// tier keeps it for the grace longer than it is fresh.
    fn times_of_bare(&self, item: &TierItem) -> (Option<Duration>, Duration) {
        let grace = self.lives.grace();
        let life = item.life.map(|life| life.saturating_sub(grace));
        (life, item.life.map_or(Duration::ZERO, |life| grace.saturating_sub(life)))
    }

    /// Returns the value that may be served because a newer one could not be loaded, which may have
    /// taken a while.
    pub(super) fn value_after_failure(&self, old: RemoteEntry<V>) -> Option<V> {
        let waited = self.unix_time().saturating_sub(old.read_at);
        let is_fresh = old.fresh_for.is_none_or(|left| left > waited);
        let since_read = waited.saturating_sub(old.fresh_for.unwrap_or_default());
        let stale_for = old.stale_for.saturating_add(since_read);
        old.value.filter(|_| is_fresh || stale_for < self.lives.grace())
    }

    /// Whether the value of the load that the calling thread is inside of is to be stored remotely.
    pub(super) fn keeps_remotely(&self, value: &V) -> bool {
        let Some(keep) = &self.keep_remotely else { return true };
        let (store, load) = (self.memory.store(), wait_graph::current_load());
        let (guard, mut keeps) = (store.pin(), true);
        let load = load.expect("it is asked from inside of a load of the memory tier");
        load.for_each_key(&mut |at| {
            if at.cache == store.address()
                && let Some(key) = guard.key_of(&at.slot)
            {
                keeps &= keep(key, value);
            }
        });
        keeps
    }

    /// Notes the name of a key that is about to be in memory, so that events for it are heard.
    /// Also of one that the tier is not asked for. Without a generation there are no names.
    pub(super) fn note(&self, key: &[u8], hash: KeyHash) -> Option<NotedLoad<'_>> {
        let names = self.names.as_ref()?;
        let name = self.key_of(self.generation.seen()?, key);
        // Before the lock is acquired.
        let guard = self.memory.store().pin();
        Some(names.note(&name.wire, hash, |hash| guard.find(hash, |_| true).is_some()))
    }

    /// Returns the knowledge that a key has no value as bytes, if there is a way to write it.
    pub(super) fn encode_absence(&self, key: &TierKey, took: Duration) -> Option<Encoded> {
        let has_envelope = self.codec.framing() == Framing::Envelope;
        has_envelope.then(|| self.encode(key, None, took).ok()).flatten()
    }

    /// Makes bytes of a value, or of the knowledge that there is none.
    ///
    /// # Errors
    /// If the codec fails.
    pub(super) fn encode(
        &self,
        key: &TierKey,
        value: Option<&V>,
        load_time: Duration,
    ) -> Result<Encoded, TierError> {
        let mut payload = Vec::new();
        if let Some(value) = value {
            let encoded = self.codec.encode(value, &mut payload);
            encoded.map_err(|error| TierError::Codec(error.to_string()))?;
        }
        let life = if value.is_some() { self.lives.remote } else { self.lives.negative };
        let kept = life.map(|life| life.saturating_add(self.lives.grace()));
        if self.codec.framing() == Framing::Bare {
            return Ok(Encoded { bytes: payload, life: kept });
        }
        let now = self.unix_time();
        let end =
            |life: Option<Duration>| life.map_or(u64::MAX, |life| millis(now.saturating_add(life)));
        let envelope = Envelope {
            is_negative: value.is_none(),
            schema: self.schema,
            // The beginning of its load: it is as old as what the origin read then.
            created: millis(now.saturating_sub(load_time)),
            fresh_until: end(life),
            stale_until: end(kept),
            load_time,
        };
        Ok(Encoded { bytes: envelope.write(&key.full, &payload), life: kept })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How long loads take, in nanoseconds: about the longest of the last few dozen.
#[derive(Default)]
pub(super) struct LoadTimes(AtomicU64);

impl LoadTimes {
    /// Notes a load. Relaxed, and not exact if two end at once: it is an estimate.
    pub(super) fn note(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let before = self.0.load(Relaxed);
        self.0.store(took.max(before - before / 16), Relaxed);
    }

    fn lease(&self) -> Duration {
        let nanos = self.0.load(Relaxed).saturating_mul(3);
        Duration::from_nanos(nanos).clamp(SHORTEST_LEASE, LONGEST_LEASE)
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_three_times_what_the_longest_of_the_last_loads_took() {
        let (times, second) = (LoadTimes::default(), Duration::from_secs(1));
        assert_eq!(times.lease(), 2 * second);
        times.note(second / 2);
        assert_eq!(times.lease(), 2 * second);
        times.note(4 * second);
        assert_eq!(times.lease(), 12 * second);
        times.note(second);
        assert!(times.lease() > 11 * second, "one that took less says little");
        (0..100).for_each(|_| times.note(second));
        assert_eq!(times.lease(), 3 * second);
        times.note(Duration::MAX);
        assert_eq!(times.lease(), LONGEST_LEASE);
    }
}
