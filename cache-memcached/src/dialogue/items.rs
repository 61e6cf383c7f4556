//! Operations on items.
//!
//! A missing key that gives a lease gets an empty *placeholder* on the server, which holds the
//! lease's CAS. So an item without bytes that says `W` (the lease is yours) or `Z` (another's) is
//! no item. An empty value that somebody has stored says neither, unless it is being refreshed.
//!
//! A reader of an item that is marked as stale is given its lease, whether it wants one or not.
//! A plain `get` returns it at once, as long as its CAS is still that of the item.

use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};

use cache_core::tier::{Filled, Lease, LeaseTerms, Leased, TierError, TierItem};

use super::{Dialogue, Step};
use crate::server::link::Outcome;
use crate::wire::batch::{Batch, Condition, GetFlags, Removal};
use crate::wire::key::WireKey;
use crate::wire::life::{lease_seconds, seconds, window_seconds};
use crate::wire::reply::{Reply, Status};

/// Seconds that a tombstone stays.
const TOMBSTONE_LIFE: u64 = 60;

/// Returns the item of a reply to a read, if it is one.
pub(crate) fn item(reply: Reply, distrusted_before: Option<SystemTime>) -> Option<TierItem> {
    let is_placeholder = reply.value.is_empty() && (reply.is_won || reply.is_lost);
    if reply.status != Status::Value || is_placeholder {
        return None;
    }
    let mut item = TierItem::new(reply.value);
    item.life = u64::try_from(reply.life).ok().map(Duration::from_secs);
    item.distrusted_before = distrusted_before;
    Some(item)
}

/// Writes the tombstone that tells other processes of a write, after the write.
pub(super) fn tell(batch: &mut Batch, tombstone: Option<&WireKey>) {
    if let Some(tombstone) = tombstone {
        batch.set(tombstone, b"", TOMBSTONE_LIFE, Condition::Always);
    }
}

fn unexpected(reply: &Reply) -> TierError {
    TierError::Protocol(format!("an unexpected reply: {:?}", reply.status))
}

/// [`Tier::get`](cache_core::tier::Tier::get).
pub(crate) struct Get {
    key: WireKey,
    /// A lease that nobody has asked for, and what was found.
    returning: Option<(u64, Option<TierItem>)>,
}

impl Get {
    pub(crate) fn new(key: WireKey) -> Self {
        Get { key, returning: None }
    }
}

impl Dialogue for Get {
    type Output = Option<TierItem>;

    fn key(&self) -> &WireKey {
        &self.key
    }

    fn ask(&self, batch: &mut Batch) {
        match &self.returning {
            None => batch.get(&self.key, GetFlags::default()),
            Some((cas, _)) => batch.delete(&self.key, Removal::ReturnLease(*cas)),
        }
    }

    fn answer(&mut self, outcome: Outcome) -> Result<Step<Option<TierItem>>, TierError> {
        if let Some((_, item)) = self.returning.take() {
            // If the lease could not be returned, it ends with the item.
            return Ok(Step::Done(item));
        }
        let distrusted_before = outcome.distrusted_before;
        let reply = outcome.into_first()?;
        let lease = reply.is_won.then_some(reply.cas);
        let item = item(reply, distrusted_before);
        Ok(match lease {
            Some(cas) => {
                self.returning = Some((cas, item));
                Step::Again
            }
            None => Step::Done(item),
        })
    }
}

/// [`Tier::lease`](cache_core::tier::Tier::lease).
pub(crate) struct TakeLease {
    key: WireKey,
    flags: GetFlags,
}

impl TakeLease {
    /// `least`: no lease is shorter.
    pub(crate) fn new(key: WireKey, terms: LeaseTerms, least: Duration) -> Self {
        let flags = GetFlags {
            lease: Some(lease_seconds(terms.lease.max(least))),
            refresh_within: terms.refresh_within.map(window_seconds),
        };
        TakeLease { key, flags }
    }
}

impl Dialogue for TakeLease {
    type Output = Leased;

    fn key(&self) -> &WireKey {
        &self.key
    }

    fn ask(&self, batch: &mut Batch) {
        batch.get(&self.key, self.flags);
    }

    fn answer(&mut self, outcome: Outcome) -> Result<Step<Leased>, TierError> {
        let distrusted_before = outcome.distrusted_before;
        let reply = outcome.into_first()?;
        let is_stale = reply.is_stale;
        let lease = reply.is_won.then(|| NonZeroU64::new(reply.cas).map(Lease::new)).flatten();
        let leased = match (item(reply, distrusted_before), lease) {
            (Some(item), lease) => Leased::Found { item, lease, is_stale },
            (None, Some(lease)) => Leased::Won(lease),
            (None, None) => Leased::Lost,
        };
        Ok(Step::Done(leased))
    }
}

/// [`Tier::fill`](cache_core::tier::Tier::fill).
pub(crate) struct Fill<'v> {
    key: WireKey,
    value: &'v [u8],
    seconds: u64,
    lease: Lease,
}

impl<'v> Fill<'v> {
    pub(crate) fn new(key: WireKey, lease: Lease, value: &'v [u8], life: Option<Duration>) -> Self {
        Fill { key, value, seconds: seconds(life, SystemTime::now()), lease }
    }
}

impl Dialogue for Fill<'_> {
    type Output = Filled;

    fn key(&self) -> &WireKey {
        &self.key
    }

    fn ask(&self, batch: &mut Batch) {
        let condition = Condition::Cas(self.lease.number().get());
        batch.set(&self.key, self.value, self.seconds, condition);
    }

    fn answer(&mut self, outcome: Outcome) -> Result<Step<Filled>, TierError> {
        let reply = outcome.into_first()?;
        Ok(Step::Done(match reply.status {
            Status::Done => Filled::Stored,
            Status::Exists | Status::NotFound | Status::NotStored => Filled::Refused,
            _ => return Err(unexpected(&reply)),
        }))
    }
}

/// Other processes can get in between so often.
const MOST_CLAIMS: u32 = 32;

/// Seconds for which a key that is missing is claimed.
const CLAIM: u64 = 2;

/// [`Tier::put`](cache_core::tier::Tier::put).
///
/// It stores on condition that nobody has written since it began. A command whose reply has not
/// come in time may still reach the server, after later writes to the key have been made: without
/// the condition it would replace them by what is older than they are.
pub(crate) struct Put<'v> {
    key: WireKey,
    value: &'v [u8],
    seconds: u64,
    tombstone: Option<WireKey>,
    /// The CAS of what it replaces, once that is known.
    replaced: Option<u64>,
    claims: u32,
}

impl<'v> Put<'v> {
    pub(crate) fn new(
        key: WireKey,
        value: &'v [u8],
        life: Option<Duration>,
        tombstone: Option<WireKey>,
    ) -> Self {
        let seconds = seconds(life, SystemTime::now());
        Put { key, value, seconds, tombstone, replaced: None, claims: 0 }
    }
}

impl Dialogue for Put<'_> {
    type Output = ();

    fn key(&self) -> &WireKey {
        &self.key
    }

    fn ask(&self, batch: &mut Batch) {
        let Some(cas) = self.replaced else { return batch.claim(&self.key, CLAIM) };
        batch.set(&self.key, self.value, self.seconds, Condition::Cas(cas));
        tell(batch, self.tombstone.as_ref());
    }

    fn answer(&mut self, outcome: Outcome) -> Result<Step<()>, TierError> {
        let reply = outcome.into_first()?;
        match (self.replaced.take(), reply.status) {
            (None, Status::Done) => {
                self.replaced = Some(reply.cas);
                self.claims += 1;
                Ok(Step::Again)
            }
            (Some(_), Status::Done) => Ok(Step::Done(())),
            // It was written, or has ended, in between.
            (Some(_), Status::Exists | Status::NotFound) if self.claims < MOST_CLAIMS => {
                Ok(Step::Again)
            }
            (Some(_), Status::Exists | Status::NotFound) => {
                Err(TierError::Protocol("a key that never stays the same".into()))
            }
            _ => Err(unexpected(&reply)),
        }
    }
}

/// [`Tier::remove`](cache_core::tier::Tier::remove), and
/// [`Tier::mark_stale`](cache_core::tier::Tier::mark_stale).
pub(crate) struct Remove {
    key: WireKey,
    what: Removal,
    tombstone: Option<WireKey>,
}

impl Remove {
    pub(crate) fn whole(key: WireKey, tombstone: Option<WireKey>) -> Self {
        Remove { key, what: Removal::Remove, tombstone }
    }

    pub(crate) fn softly(key: WireKey, life: Duration, tombstone: Option<WireKey>) -> Self {
        let seconds = seconds(Some(life), SystemTime::now());
        Remove { key, what: Removal::MarkStale(seconds), tombstone }
    }
}

impl Dialogue for Remove {
    type Output = bool;

    fn key(&self) -> &WireKey {
        &self.key
    }

    fn ask(&self, batch: &mut Batch) {
        batch.delete(&self.key, self.what);
        tell(batch, self.tombstone.as_ref());
    }

    fn answer(&mut self, outcome: Outcome) -> Result<Step<bool>, TierError> {
        let reply = outcome.into_first()?;
        match reply.status {
            Status::Done => Ok(Step::Done(true)),
            Status::NotFound => Ok(Step::Done(false)),
            _ => Err(unexpected(&reply)),
        }
    }
}

/// One server's part of [`Tier::get_many`](cache_core::tier::Tier::get_many): some keys, with
/// their places among all.
pub(crate) struct GetSome<'k> {
    keys: &'k [(usize, WireKey)],
}

impl<'k> GetSome<'k> {
    pub(crate) fn new(keys: &'k [(usize, WireKey)]) -> Self {
        GetSome { keys }
    }

    pub(crate) fn ask(&self, batch: &mut Batch) {
        self.keys.iter().for_each(|(_, key)| batch.get(key, GetFlags::default()));
    }

    /// Gives what came to `put`, with its place, and returns the leases that nobody has asked for.
    pub(crate) fn answer(
        &self,
        outcome: Outcome,
        mut put: impl FnMut(usize, Result<Option<TierItem>, TierError>),
    ) -> Vec<(WireKey, u64)> {
        let distrusted_before = outcome.distrusted_before;
        let mut leases = Vec::new();
        for ((place, key), reply) in self.keys.iter().zip(outcome.into_replies()) {
            let found = reply.map(|reply| {
                if reply.is_won {
                    leases.push((key.clone(), reply.cas));
                }
                item(reply, distrusted_before)
            });
            put(*place, found);
        }
        leases
    }
}

/// Writes the return of leases.
pub(crate) fn return_leases(batch: &mut Batch, leases: &[(WireKey, u64)]) {
    leases.iter().for_each(|(key, cas)| batch.delete(key, Removal::ReturnLease(*cas)));
}
