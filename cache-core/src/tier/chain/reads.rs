//! Reading a chain: the way down, and copies up.

use std::time::Duration;

use crate::tier::chain::tiers::{ChainedTier, Tiers};
use crate::tier::error::TierError;
use crate::tier::link::{Filled, Lease, LeaseTerms, Leased, TierItem};
use crate::util::sync::atomic::Ordering::Relaxed;

type Read = Result<Option<TierItem>, TierError>;

/// How long a copy may take; the shortest lease that there is.
const COPY_LEASE: Duration = Duration::from_secs(2);

/// A key on its way down.
#[derive(Default)]
struct Descent {
    /// The first tier that works. It has not found the key.
    missed: Option<usize>,
    error: Option<TierError>,
    /// What was found, and in which tier.
    found: Option<(TierItem, usize)>,
}

impl Descent {
    fn note(&mut self, place: usize, read: Read) {
        match read {
            Ok(Some(item)) => self.found = Some((item, place)),
            Ok(None) => _ = self.missed.get_or_insert(place),
            Err(error) => _ = self.error.get_or_insert(error),
        }
    }

    /// Returns what the tiers together say of a key that none has.
    fn not_found(self) -> Read {
        match (self.missed, self.error) {
            (None, Some(error)) => Err(error),
            _ => Ok(None),
        }
    }
}

/// The item that a key has after a copy; it was there before, so it may have gone. As an error, the
/// item that was read before, because a tier has failed.
type Copied = Result<Option<TierItem>, TierItem>;

/// Returns `true` if an item may be stored in another tier. One that a server does not vouch for
/// must not look there as if it did; one whose time is over would have none.
fn may_be_copied(item: &TierItem) -> bool {
    item.distrusted_before.is_none() && item.life != Some(Duration::ZERO)
}

impl Tiers {
    pub(super) fn get(&self, key: &[u8]) -> Read {
        let mut descent = Descent::default();
        for (place, chained) in self.chained().iter().enumerate() {
            if !self.goes_on(key, &descent) {
                break;
            }
            let read = chained.tier.get(key);
            chained.count_read(read.as_ref().map(Option::is_some));
            descent.note(place, read);
        }
        match (descent.missed, descent.found.take()) {
            (Some(upper), Some((item, lower))) => {
                Ok(self.copy_up(key, upper, lower, item).unwrap_or_else(Some))
            }
            (None, Some((item, _))) => Ok(Some(item)),
            (_, None) => descent.not_found(),
        }
    }

    /// Returns `true` if the next tier is to be asked for a key.
    fn goes_on(&self, key: &[u8], descent: &Descent) -> bool {
        descent.found.is_none() && (descent.missed.is_none() || !self.was_deleted(key))
    }

    pub(super) fn get_many(&self, keys: &[&[u8]]) -> Vec<Read> {
        let mut descents: Vec<Descent> = keys.iter().map(|_| Descent::default()).collect();
        for (place, chained) in self.chained().iter().enumerate() {
            let open = |at: &usize| self.goes_on(keys[*at], &descents[*at]);
            let open: Vec<usize> = (0..keys.len()).filter(open).collect();
            if open.is_empty() {
                break;
            }
            let asked: Vec<&[u8]> = open.iter().map(|at| keys[*at]).collect();
            for (at, read) in open.into_iter().zip(chained.tier.get_many(&asked)) {
                chained.count_read(read.as_ref().map(Option::is_some));
                descents[at].note(place, read);
            }
        }
        let mut copies = true;
        let read = |(key, mut descent): (&&[u8], Descent)| {
            let Some((item, lower)) = descent.found.take() else { return descent.not_found() };
            let Some(upper) = descent.missed.filter(|_| copies) else { return Ok(Some(item)) };
            Ok(self.copy_up(key, upper, lower, item).unwrap_or_else(|item| {
                // Each further copy of the batch would wait for the same tier.
                copies = false;
                Some(item)
            }))
        };
        keys.iter().zip(descents).map(read).collect()
    }

    /// Copies what was found in a lower tier.
    fn copy_up(&self, key: &[u8], upper: usize, lower: usize, item: TierItem) -> Copied {
        let (upper, lower) = (&self.chained()[upper], &self.chained()[lower]);
        if !may_be_copied(&item) {
            return Ok(Some(item));
        }
        let lease = match upper.checked(upper.tier.lease(key, LeaseTerms::new(COPY_LEASE))) {
            Ok(Leased::Won(lease)) => lease,
            Ok(Leased::Found { item: newer, .. }) => return Ok(Some(newer)),
            // Another caller copies or loads it.
            Ok(Leased::Lost) => return Ok(Some(item)),
            Err(_) => return Err(item),
        };
        // Now, as below in `won`: a delete that this process notes later also reaches the upper
        // tier later, and ends the lease.
        if self.was_deleted(key) {
            return Ok(None);
        }
        // A second time, under the lease: see the head of `chain.rs`. If it has gone, nothing is
        // filled, and the lease ends with its time.
        let again = match lower.checked(lower.tier.get(key)) {
            Ok(Some(again)) if may_be_copied(&again) => again,
            Ok(again) => return Ok(again),
            Err(_) => return Err(item),
        };
        match self.fill_up(key, upper, lease, &again) {
            Ok(Filled::Stored) => Ok(Some(again)),
            // Written or removed meanwhile.
            Ok(Filled::Refused) => Ok(None),
            Err(_) => Err(again),
        }
    }

    /// Stores an item of a lower tier that was read under the lease.
    fn fill_up(
        &self,
        key: &[u8],
        upper: &ChainedTier,
        lease: Lease,
        item: &TierItem,
    ) -> Result<Filled, TierError> {
        let filled = upper.checked(upper.tier.fill(key, lease, &item.value, item.life))?;
        if filled == Filled::Stored {
            upper.copies.fetch_add(1, Relaxed);
        }
        Ok(filled)
    }

    pub(super) fn lease(&self, key: &[u8], terms: LeaseTerms) -> Result<Leased, TierError> {
        let mut error = None;
        for (place, chained) in self.chained().iter().enumerate() {
            let leased = chained.tier.lease(key, terms);
            chained.count_read(leased.as_ref().map(is_found));
            match leased {
                Ok(Leased::Found { item, lease, is_stale }) => {
                    let lease = lease.and_then(|lease| self.mark_lease(place, lease));
                    return Ok(Leased::Found { item, lease, is_stale });
                }
                Ok(Leased::Won(lease)) => return Ok(self.won(key, place, lease)),
                Ok(Leased::Lost) => return Ok(Leased::Lost),
                Err(failed) => _ = error.get_or_insert(failed),
            }
        }
        Err(error.expect("there is a tier, and it has failed"))
    }

    /// What a caller finds that has won the lease of the first tier that works: what the tiers
    /// below have, or that it is to load.
    fn won(&self, key: &[u8], place: usize, lease: Lease) -> Leased {
        let upper = &self.chained()[place];
        let marked = self.mark_lease(place, lease);
        for lower in &self.chained()[place + 1..] {
            if self.was_deleted(key) {
                break;
            }
            let read = lower.tier.get(key);
            lower.count_read(read.as_ref().map(Option::is_some));
            let Ok(Some(item)) = read else { continue };
            if !may_be_copied(&item) {
                // The caller knows its age, and may load it anew.
                return Leased::Found { item, lease: marked, is_stale: false };
            }
            return match self.fill_up(key, upper, lease, &item) {
                // Written or removed meanwhile: the item is old, and the lease has ended.
                Ok(Filled::Refused) => Leased::Lost,
                _ => Leased::Found { item, lease: None, is_stale: false },
            };
        }
        marked.map_or(Leased::Lost, Leased::Won)
    }
}

fn is_found(leased: &Leased) -> bool {
    matches!(leased, Leased::Found { .. })
}
