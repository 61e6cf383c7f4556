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

    /// Returns the highest counter of this name. A tier that fails is left out: a flush that did
    /// not reach every tier was an error to its caller, so any tier knows of all others.
    pub(super) fn generation(&self, name: &[u8], at_least: u64) -> Result<u64, TierError> {
        let ask = |chained: &ChainedTier| chained.checked(chained.tier.generation(name, at_least));
        let answers: Vec<_> = self.chained().iter().map(ask).collect();
        // If it cannot be raised now, then at the next call.
        let (highest, _) = self.level(name, &answers)?;
        Ok(highest)
    }

    pub(super) fn bump(&self, name: &[u8], at_least: u64) -> Result<u64, TierError> {
        let before = self.generation(name, at_least)?;
        let target = at_least.max(before.saturating_add(1));
        let raise = |chained: &ChainedTier| chained.checked(chained.tier.bump(name, target));
        let answers: Vec<_> = self.chained().iter().map(raise).collect();
        let (highest, leveled) = self.level(name, &answers)?;
        for answer in answers {
            answer?;
        }
        leveled.map(|()| highest)
    }

    /// Returns the highest of the counters that the tiers have answered, and whether the others of
    /// them could be raised to it.
    fn level(
        &self,
        name: &[u8],
        answers: &[Result<u64, TierError>],
    ) -> Result<(u64, Result<(), TierError>), TierError> {
        let Some(highest) = answers.iter().flatten().copied().max() else {
            return Err(answers[0].clone().expect_err("there is a tier, and it has failed"));
        };
        let mut leveled = Ok(());
        for (chained, answer) in self.chained().iter().zip(answers) {
            if answer.as_ref().is_ok_and(|answer| *answer < highest) {
                let raised = chained.checked(chained.tier.generation(name, highest));
                leveled = leveled.and(raised.map(drop));
            }
        }
        Ok((highest, leveled))
    }
}
