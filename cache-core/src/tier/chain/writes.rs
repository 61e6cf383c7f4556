//! Writing a chain: to every tier, the lowest first.

use std::time::Duration;

use crate::tier::chain::tiers::{ChainedTier, Tiers};
use crate::tier::error::TierError;
use crate::tier::link::{Filled, Lease};

impl Tiers {
    pub(super) fn fill(
        &self,
        key: &[u8],
        lease: Lease,
        value: &[u8],
        life: Option<Duration>,
    ) -> Result<Filled, TierError> {
        let Some((chained, lease)) = self.giver(lease) else { return Ok(Filled::Refused) };
        chained.checked(chained.tier.fill(key, lease, value, life))
    }

    pub(super) fn put(
        &self,
        key: &[u8],
        value: &[u8],
        life: Option<Duration>,
    ) -> Result<(), TierError> {
        let result = self.write_all(|_, chained| {
            let put = chained.tier.put(key, value, life);
            if let Err(TierError::TooLarge { .. }) = put {
                // It has sent nothing, and would keep an older value.
                let _ = chained.checked(chained.tier.remove(key));
            }
            put
        });
        if result.is_err() {
            self.note_delete(key);
        }
        result.map(drop)
    }

    pub(super) fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        self.delete(key, |_, chained| chained.tier.remove(key))
    }

    /// In a lower tier a mark would not do: an item that is copied up is not known to be marked.
    pub(super) fn mark_stale(&self, key: &[u8], life: Duration) -> Result<bool, TierError> {
        self.delete(key, |place, chained| match place {
            0 => chained.tier.mark_stale(key, life),
            _ => chained.tier.remove(key),
        })
    }

    fn delete(
        &self,
        key: &[u8],
        delete: impl Fn(usize, &ChainedTier) -> Result<bool, TierError>,
    ) -> Result<bool, TierError> {
        self.note_delete(key);
        let result = self.write_all(delete);
        // The two seconds begin when the last tier has answered.
        self.note_delete(key);
        Ok(result?.contains(&true))
    }

    /// Writes to every tier, the lowest first: see the head of `chain.rs`. Returns what they say in
    /// that order, or the error of the highest that fails.
    fn write_all<T>(
        &self,
        write: impl Fn(usize, &ChainedTier) -> Result<T, TierError>,
    ) -> Result<Vec<T>, TierError> {
        let mut error = None;
        let mut all = Vec::with_capacity(self.chained().len());
        for (place, chained) in self.chained().iter().enumerate().rev() {
            match chained.checked(write(place, chained)) {
                Ok(done) => all.push(done),
                Err(failed) => error = Some(failed),
            }
        }
        error.map_or(Ok(all), Err)
    }
}
