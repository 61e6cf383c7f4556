//! The tiered cache: its handle, reading without loading, writing.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::TierError;
use super::fetch::{Way, life_left};
use super::pending::AddedBefore;
use super::poll::PollRegistration;
use super::remote_key::RemoteKey;
use super::shared::Shared;
use super::stats::{TierStats, count};
use crate::api::cache::Cache;
use crate::types::removal::RemovalCause;
use crate::util::hash::KeyHash;
use crate::util::signal::block_on;
use equivalent::Equivalent;

/// A [`Cache`] in this process in front of a [`Tier`](super::Tier) that several processes share.
/// Made by [`TieredCache::builder`].
///
/// It is a handle: a clone is another handle to the same tiers.
///
/// A hit in memory costs what a hit of a [`Cache`] costs, and acquires no lock. A call that misses
/// there asks the remote tier, within the time limits of that, and then the function that makes the
/// value. Reads do not fail because the remote tier does. Writes say so: what could not be done
/// remotely is a [`TierError`], the key is dropped from memory in any case, and the removal is
/// tried again behind, at every poll.
///
/// ```
/// use std::time::{Duration, Instant};
/// use cache_core::tier::{FakeTier, Raw, TieredCache};
/// use cache_core::{Cache, FakeClock};
///
/// let clock = FakeClock::new();
/// let tier = FakeTier::new(&clock);
/// let process = || -> TieredCache<String, String> {
///     TieredCache::builder("greetings")
///         .memory(Cache::builder().max_capacity(1_000).clock(clock.clone()))
///         .tier(tier.clone())
///         .time_to_live(Duration::from_secs(60))
///         .codec(Raw)
///         .build()
/// };
/// let (here, elsewhere) = (process(), process());
/// assert_eq!(here.get_with_by_ref("de", || "Guten Tag".to_owned()), "Guten Tag");
/// assert_eq!(elsewhere.get_with_by_ref("de", || unreachable!()), "Guten Tag");
/// ```
pub struct TieredCache<K, V> {
    pub(super) shared: Arc<Shared<K, V>>,
    pub(super) _polls: Option<Arc<PollRegistration>>,
}

impl<K, V> Clone for TieredCache<K, V> {
    /// Returns another handle to the same tiers.
    fn clone(&self) -> Self {
        TieredCache { shared: Arc::clone(&self.shared), _polls: self._polls.clone() }
    }
}

impl<K, V> fmt::Debug for TieredCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredCache")
            .field("prefix", &self.shared.prefix)
            .field("memory", &self.shared.memory)
            .finish_non_exhaustive()
    }
}

impl<K, V> TieredCache<K, V> {
    /// Returns the memory tier. What is written there is not written to the remote one.
    #[must_use]
    pub fn memory(&self) -> &Cache<K, V> {
        &self.shared.memory
    }
}

impl<K, V: Clone + Send + Sync + 'static> TieredCache<K, V> {
    /// Removes all keys of this cache from both tiers, in O(1) there: the generation is raised.
    /// Other processes hear of it within the period of their polls, or as soon as the tier tells
    /// them.
    ///
    /// # Errors
    /// If the remote tier could not be told. Memory is emptied all the same, this process does
    /// without the tier until it could be told, and tries at every poll.
    pub fn invalidate_all(&self) -> Result<(), TierError> {
        block_on(self.on_thread().flush())
    }

    /// As [`invalidate_all`](Self::invalidate_all), as a task.
    ///
    /// # Errors
    /// As there.
    pub async fn invalidate_all_async(&self) -> Result<(), TierError> {
        self.on_task().flush().await
    }

    pub(super) fn on_thread(&self) -> Way<'_, K, V> {
        Way { shared: &self.shared, tier: &*self.shared.threads }
    }

    pub(super) fn on_task(&self) -> Way<'_, K, V> {
        Way { shared: &self.shared, tier: &*self.shared.tasks }
    }
}

impl<K, V> TieredCache<K, V>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Returns what has been counted.
    #[must_use]
    pub fn stats(&self) -> TierStats {
        let shared = &self.shared;
        let mut remote = shared.counters.read();
        remote.pending_removals = shared.pending.len() as u64;
        remote.health = shared.threads.health();
        TierStats { memory: shared.memory.stats(), remote }
    }

    /// Returns the key's value from memory or from the remote tier. A tier that fails is a miss.
    ///
    /// A value from the remote tier is not put into memory, because that would need an owned key:
    /// for this there is [`optionally_get_with_by_ref`](Self::optionally_get_with_by_ref) with a
    /// loader that returns `None`.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ?Sized,
    {
        let found = self.shared.memory.get(key);
        found.or_else(|| block_on(self.on_thread().get(key)))
    }

    /// As [`get`](Self::get), as a task.
    pub async fn get_async<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ?Sized,
    {
        match self.shared.memory.get(key) {
            Some(value) => Some(value),
            None => self.on_task().get(key).await,
        }
    }

    /// Stores a value in both tiers. A load of the key that runs, in whichever process, is not
    /// stored any more. The generation is read first: an exchange more than the write itself.
    ///
    /// # Errors
    /// If the remote tier has not stored it, or has not said that it has. Then the key is in
    /// neither tier: it is dropped from memory, and its removal from the remote tier is pending.
    pub fn insert(&self, key: K, value: V) -> Result<(), TierError> {
        block_on(self.on_thread().insert(key, value))
    }

    /// As [`insert`](Self::insert), as a task.
    ///
    /// # Errors
    /// As there.
    pub async fn insert_async(&self, key: K, value: V) -> Result<(), TierError> {
        self.on_task().insert(key, value).await
    }

    /// Removes a key from both tiers. Other processes may serve what they have in memory for the
    /// rest of its memory life, unless the tier tells them. The generation is read first, as by
    /// [`insert`](Self::insert).
    ///
    /// # Errors
    /// If the remote tier has not removed it, or has not said that it has. It is dropped from
    /// memory all the same, this process does not read it from the tier, and the removal is tried
    /// again at every poll.
    pub fn invalidate<Q>(&self, key: &Q) -> Result<(), TierError>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ?Sized,
    {
        self.withdraw(key).map(|_| ())
    }

    /// As [`invalidate`](Self::invalidate), as a task.
    ///
    /// # Errors
    /// As there.
    pub async fn invalidate_async<Q>(&self, key: &Q) -> Result<(), TierError>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ?Sized,
    {
        self.withdraw_async(key).await.map(|_| ())
    }

    /// As [`invalidate`](Self::invalidate); returns `true` if one of the tiers had a value.
    pub(crate) fn withdraw<Q>(&self, key: &Q) -> Result<bool, TierError>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ?Sized,
    {
        block_on(self.on_thread().invalidate(key))
    }

    /// As [`withdraw`](Self::withdraw), as a task.
    pub(crate) async fn withdraw_async<Q>(&self, key: &Q) -> Result<bool, TierError>
    where
        Q: Hash + Equivalent<K> + RemoteKey + ?Sized,
    {
        self.on_task().invalidate(key).await
    }

    /// Does what is otherwise done once in each period: reads the generation, which empties memory
    /// if another process has flushed, and makes removals and flushes that are pending.
    ///
    /// # Errors
    /// If the remote tier fails.
    pub fn poll(&self) -> Result<(), TierError> {
        block_on(self.on_thread().poll())
    }
}

/// The most removals that one poll makes.
const REMOVALS_A_POLL: usize = 1_000;

/// When a poll makes no more removals after one that fails. Until then it goes on: one server that
/// is out of reach does not keep removals from the others.
const MOST_WAITED: Duration = Duration::from_millis(100);

impl<K, V: Clone + Send + Sync + 'static> Way<'_, K, V> {
    async fn flush(&self) -> Result<(), TierError> {
        let shared = self.shared;
        let flush = shared.generation.flush(self.tier, shared.now(), shared.unix_millis());
        // Whatever becomes of the flush, and if the caller does not wait for it.
        let emptied = Emptied(&shared.memory);
        let flushed = flush.await;
        drop(emptied);
        let counter = flushed.map_err(|error| shared.counters.error(error))?;
        shared.generation.emptied(counter);
        Ok(())
    }
}

impl<K, V> Way<'_, K, V>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    async fn get<Q: RemoteKey + ?Sized>(&self, key: &Q) -> Option<V> {
        let (shared, counters) = (self.shared, &self.shared.counters);
        let key = self.key(&bytes_of(key)).await?;
        let item = match self.tier.get(&key.wire).await {
            Ok(item) => item,
            Err(error) => {
                counters.error(error);
                return None;
            }
        };
        let entry = item.map(|item| shared.read_item(&item, &key));
        let entry = entry.and_then(|read| read.map_err(|why| counters.rejected(why)).ok());
        let value = entry.filter(|entry| entry.is_fresh()).and_then(|entry| entry.value);
        count(if value.is_some() { &counters.hits } else { &counters.misses });
        value
    }

    async fn insert(&self, key: K, value: V) -> Result<(), TierError> {
        let shared = self.shared;
        let key = shared.memory.hashed(key);
        let (hash, doubt) = (key.hash, Doubt::new(shared, key.hash, &key.key));
        let is_kept = shared.keep_remotely.as_ref().is_none_or(|keep| keep(&key.key, &value));
        // In memory it is a load that began before the remote write: an invalidation of the key
        // that comes meanwhile supersedes it.
        let flight = shared.memory.store().lead_reload(key);
        let write = async {
            let generation = shared.newest_generation(self.tier).await?;
            let key = shared.key_of(generation, doubt.key.as_slice());
            let (noted, since) = (shared.note(&doubt.key, hash), shared.now());
            match is_kept {
                true if !shared.may_hold(&key) => {}
                true => {
                    let encoded = shared.encode(&key, Some(&value), Duration::ZERO)?;
                    self.tier.put(&key.wire, &encoded.bytes, encoded.life).await?;
                }
                false => _ = self.tier.remove(&key.wire).await?,
            }
            Ok((noted, shared.stored_until(since)))
        };
        let (noted, until) = write.await.map_err(|error| shared.counters.error(error))?;
        if flight.is_shared() {
            drop(flight.publish_for(value, life_left(until, &shared.clock), 0));
        } else {
            // Superseded, by a flush that was heard of, or given up by a caller that has timed out.
            // What was loaded since may be what the tier had before.
            drop(flight);
            doubt.forget();
        }
        drop(noted);
        doubt.settle();
        Ok(())
    }

    /// Returns `true` if one of the tiers had the key.
    async fn invalidate<Q>(&self, key: &Q) -> Result<bool, TierError>
    where
        Q: Hash + RemoteKey + ?Sized,
    {
        let shared = self.shared;
        let hash = shared.memory.hash(key);
        let doubt = Doubt::new(shared, hash, key);
        let remove = async {
            let generation = shared.newest_generation(self.tier).await?;
            self.tier.remove(&shared.key_of(generation, key).wire).await
        };
        let was_stored = remove.await.map_err(|error| shared.counters.error(error))?;
        // After the remote removal: what is loaded from now on is not the old value.
        let was_in_memory = doubt.forget();
        doubt.settle();
        Ok(was_stored || was_in_memory)
    }

    pub(super) async fn poll(&self) -> Result<(), TierError> {
        let shared = self.shared;
        // Before the generation is read, under which the keys are removed.
        let (before, keys) = (shared.pending.begin(), shared.pending.snapshot());
        shared.read_generation(self.tier).await?;
        let (began, mut failed) = (Instant::now(), None);
        for key in keys.into_iter().take(REMOVALS_A_POLL) {
            let remove = async {
                let generation = shared.current_generation(self.tier).await?;
                self.tier.remove(&shared.key_of(generation, key.as_slice()).wire).await
            };
            match remove.await {
                Ok(_) => shared.pending.settle(&key, before),
                Err(error) => {
                    failed = Some(shared.counters.error(error));
                    shared.pending.put_back(&key);
                    if began.elapsed() >= MOST_WAITED {
                        break;
                    }
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// A write to a key that may or may not be made remotely. Dropped without having been settled, by
/// an error or with its caller's future, it drops the key from memory, and its remote removal is
/// pending.
struct Doubt<'w, K, V>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    shared: &'w Shared<K, V>,
    hash: KeyHash,
    /// As [`RemoteKey`] writes it.
    key: Vec<u8>,
    /// Pending removals of the key that this write makes as well.
    earlier: AddedBefore,
    is_settled: bool,
}

impl<'w, K, V> Doubt<'w, K, V>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn new<Q: RemoteKey + ?Sized>(shared: &'w Shared<K, V>, hash: KeyHash, key: &Q) -> Self {
        let earlier = shared.pending.begin();
        Doubt { shared, hash, key: bytes_of(key), earlier, is_settled: false }
    }

    /// Drops the key from memory, and supersedes its load. Returns `true` if it was there.
    fn forget(&self) -> bool {
        let (store, is_meant) =
            (self.shared.memory.store(), |other: &K| bytes_of(other) == self.key);
        store.remove_as(self.hash, RemovalCause::Explicit, is_meant, |_| ()).is_some()
    }

    /// It was made.
    fn settle(mut self) {
        self.is_settled = true;
        self.shared.pending.settle(&self.key, self.earlier);
    }
}

impl<K, V> Drop for Doubt<'_, K, V>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        if !self.is_settled {
            // Before: a load that begins after this does not read the tier.
            self.shared.remove_later(&self.key);
            self.forget();
        }
    }
}

/// Empties the memory tier when it is dropped.
struct Emptied<'w, K, V: Clone + Send + Sync + 'static>(&'w Cache<K, V>);

impl<K, V: Clone + Send + Sync + 'static> Drop for Emptied<'_, K, V> {
    fn drop(&mut self) {
        self.0.store().remove_all();
    }
}

pub(super) fn bytes_of<Q: RemoteKey + ?Sized>(key: &Q) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.write(&mut bytes);
    bytes
}
