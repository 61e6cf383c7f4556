//! The tiers of a chain, what they count, and which keys were deleted lately.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use crate::api::cache::Cache;
use crate::tier::error::TierError;
use crate::tier::link::{Lease, Tier};
use crate::time::clock::Clock;
use crate::util::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// For how long after a delete nothing of its key is taken from a lower tier.
const AFTER_DELETE: Duration = Duration::from_secs(2);
/// The most keys that this is remembered of: with the longest keys about 4 MB.
const MOST_DELETED: u64 = 10_000;

pub(super) struct Tiers {
    /// Newest first; at least one.
    tiers: Vec<ChainedTier>,
    deleted: Cache<Vec<u8>, ()>,
}

/// What one tier of a [`Chain`](super::Chain) has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainStats {
    /// Keys that were found in it.
    pub hits: u64,
    /// Keys that were not.
    pub misses: u64,
    /// Calls that failed, of reads and writes; in a batch, keys.
    pub errors: u64,
    /// Values that were copied into it from a tier below.
    pub copies: u64,
}

pub(super) struct ChainedTier {
    pub(super) tier: Arc<dyn Tier>,
    hits: AtomicU64,
    misses: AtomicU64,
    errors: AtomicU64,
    pub(super) copies: AtomicU64,
}

impl ChainedTier {
    fn new(tier: Arc<dyn Tier>) -> Self {
        let zero = || AtomicU64::new(0);
        ChainedTier { tier, hits: zero(), misses: zero(), errors: zero(), copies: zero() }
    }

    /// Counts whether a key was found, or could not be asked for.
    pub(super) fn count_read<E>(&self, is_found: Result<bool, E>) {
        let counter = match is_found {
            Ok(true) => &self.hits,
            Ok(false) => &self.misses,
            Err(_) => &self.errors,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Counts a call that has failed.
    pub(super) fn checked<T>(&self, result: Result<T, TierError>) -> Result<T, TierError> {
        if result.is_err() {
            self.errors.fetch_add(1, Relaxed);
        }
        result
    }

    fn stats(&self) -> ChainStats {
        ChainStats {
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            errors: self.errors.load(Relaxed),
            copies: self.copies.load(Relaxed),
        }
    }
}

impl Tiers {
    pub(super) fn new(newest: Arc<dyn Tier>, clock: impl Clock) -> Self {
        let deleted = Cache::builder().max_capacity(MOST_DELETED).time_to_live(AFTER_DELETE);
        let deleted = deleted.clock(clock).build();
        Tiers { tiers: vec![ChainedTier::new(newest)], deleted }
    }

    pub(super) fn push(&mut self, older: Arc<dyn Tier>) {
        self.tiers.push(ChainedTier::new(older));
    }

    pub(super) fn stats(&self) -> Vec<ChainStats> {
        self.tiers.iter().map(ChainedTier::stats).collect()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &dyn Tier> {
        self.tiers.iter().map(|chained| &*chained.tier)
    }

    /// Returns the tiers, newest first.
    pub(super) fn chained(&self) -> &[ChainedTier] {
        &self.tiers
    }

    /// Notes that a key is being deleted, or has just been.
    pub(super) fn note_delete(&self, key: &[u8]) {
        self.deleted.insert(key.to_vec(), ());
    }

    pub(super) fn was_deleted(&self, key: &[u8]) -> bool {
        self.deleted.contains_key(key)
    }

    /// Returns the chain's lease for that of a tier; none if its number leaves no room for the
    /// tier's place.
    pub(super) fn mark_lease(&self, place: usize, lease: Lease) -> Option<Lease> {
        let tiers = self.tiers.len() as u64;
        let number = lease.number().get().checked_mul(tiers)?.checked_add(place as u64)?;
        NonZeroU64::new(number).map(Lease::new)
    }

    /// Returns the tier that gave a lease, and its own lease.
    pub(super) fn giver(&self, lease: Lease) -> Option<(&ChainedTier, Lease)> {
        let (number, tiers) = (lease.number().get(), self.tiers.len() as u64);
        let own = NonZeroU64::new(number / tiers)?;
        Some((&self.tiers[(number % tiers) as usize], Lease::new(own)))
    }
}
