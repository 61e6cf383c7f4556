//! What a fake tier keeps: memcached's items and leases, with the time as an argument.
//!
//! As in memcached, a lease is the number of an item: each item has one that no other had before, a
//! lease for a missing key makes an item without a value, and a fill succeeds if the item that is
//! there has the number of the lease. Whatever changes the item gives it another number, or takes
//! it away, and so ends the lease.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::tier::link::{Filled, Lease, LeaseTerms, Leased, TierItem};
use crate::time::clock::Tick;

const SHORTEST_LEASE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct FakeStore {
    items: BTreeMap<Vec<u8>, FakeItem>,
    counters: BTreeMap<Vec<u8>, u64>,
    last_number: u64,
}

/// What a [`FakeTier`](super::FakeTier) kept at one time: its items and its counters.
#[derive(Clone, Debug, Default)]
pub struct FakeSnapshot {
    items: BTreeMap<Vec<u8>, FakeItem>,
    counters: BTreeMap<Vec<u8>, u64>,
}

#[derive(Clone, Debug)]
struct FakeItem {
    number: NonZeroU64,
    /// `None` while the key is missing, and one caller has the lease.
    value: Option<Vec<u8>>,
    until: Option<Tick>,
    is_stale: bool,
    /// A caller has the lease to replace the value.
    is_claimed: bool,
}

impl FakeItem {
    fn new(number: NonZeroU64, value: Option<Vec<u8>>, until: Option<Tick>) -> Self {
        FakeItem { number, value, until, is_stale: false, is_claimed: false }
    }

    /// Returns what a caller sees of it, if it has a value.
    fn seen(&self, now: Tick) -> Option<TierItem> {
        let life = self.until.map(|until| until.saturating_duration_since(now));
        let value = self.value.clone()?;
        Some(TierItem { life, ..TierItem::new(value) })
    }
}

impl FakeStore {
    pub(super) fn get(&mut self, key: &[u8], now: Tick) -> Option<TierItem> {
        self.live(key, now)?.seen(now)
    }

    pub(super) fn lease(&mut self, key: &[u8], terms: LeaseTerms, now: Tick) -> Leased {
        let Some(found) = self.live(key, now) else {
            let number = self.next_number();
            let until = now.saturating_add(lease_time(terms.lease));
            self.items.insert(key.to_vec(), FakeItem::new(number, None, Some(until)));
            return Leased::Won(Lease::new(number));
        };
        let Some(item) = found.seen(now) else { return Leased::Lost };
        let is_old = item.life.is_some_and(|life| Some(life) <= terms.refresh_within);
        let wins = (found.is_stale || is_old) && !found.is_claimed;
        found.is_claimed |= wins;
        let lease = wins.then(|| Lease::new(found.number));
        Leased::Found { item, lease, is_stale: found.is_stale }
    }

    pub(super) fn fill(
        &mut self,
        key: &[u8],
        lease: Lease,
        (value, life): (&[u8], Option<Duration>),
        now: Tick,
    ) -> Filled {
        match self.live(key, now) {
            Some(found) if found.number == lease.number() => {
                self.put(key, (value, life), now);
                Filled::Stored
            }
            _ => Filled::Refused,
        }
    }

    pub(super) fn put(&mut self, key: &[u8], (value, life): (&[u8], Option<Duration>), now: Tick) {
        let until = life.map(|life| now.saturating_add(life));
        let item = FakeItem::new(self.next_number(), Some(value.to_vec()), until);
        self.items.insert(key.to_vec(), item);
    }

    pub(super) fn remove(&mut self, key: &[u8], now: Tick) -> bool {
        let was_there = self.get(key, now).is_some();
        self.items.remove(key);
        was_there
    }

    pub(super) fn mark_stale(&mut self, key: &[u8], life: Duration, now: Tick) -> bool {
        let number = self.next_number();
        match self.live(key, now) {
            Some(found) if found.value.is_some() => {
                let until = Some(now.saturating_add(life));
                let value = found.value.take();
                *found = FakeItem { is_stale: true, ..FakeItem::new(number, value, until) };
                true
            }
            // At most a lease, which ends.
            _ => self.remove(key, now),
        }
    }

    pub(super) fn generation(&mut self, name: &[u8], if_absent: u64) -> u64 {
        *self.counters.entry(name.to_vec()).or_insert(if_absent)
    }

    pub(super) fn bump(&mut self, name: &[u8], at_least: u64) -> u64 {
        let counter = self.counters.entry(name.to_vec()).or_default();
        *counter = at_least.max(counter.saturating_add(1));
        *counter
    }

    /// Returns the keys that have a value.
    pub(super) fn keys(&mut self, now: Tick) -> Vec<Vec<u8>> {
        self.items.retain(|_, item| !has_ended(item, now));
        let with_value = self.items.iter().filter(|(_, item)| item.value.is_some());
        with_value.map(|(key, _)| key.clone()).collect()
    }

    /// Changes a value, and nothing else of its item.
    pub(super) fn corrupt(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut Vec<u8>),
        now: Tick,
    ) -> bool {
        match self.live(key, now).and_then(|found| found.value.as_mut()) {
            Some(value) => {
                change(value);
                true
            }
            None => false,
        }
    }

    pub(super) fn snapshot(&self) -> FakeSnapshot {
        FakeSnapshot { items: self.items.clone(), counters: self.counters.clone() }
    }

    /// Keeps what a snapshot has, and nothing else. Every lease has ended.
    pub(super) fn restore(&mut self, snapshot: &FakeSnapshot) {
        self.items.clear();
        self.counters.clone_from(&snapshot.counters);
        for (key, item) in &snapshot.items {
            if item.value.is_some() {
                let number = self.next_number();
                let item = FakeItem { number, is_claimed: false, ..item.clone() };
                self.items.insert(key.clone(), item);
            }
        }
    }

    /// Returns the item of a key, if its time has not ended.
    fn live(&mut self, key: &[u8], now: Tick) -> Option<&mut FakeItem> {
        if self.items.get(key).is_some_and(|item| has_ended(item, now)) {
            self.items.remove(key);
        }
        self.items.get_mut(key)
    }

    fn next_number(&mut self) -> NonZeroU64 {
        self.last_number += 1;
        NonZeroU64::new(self.last_number).expect("it has not wrapped")
    }
}

fn has_ended(item: &FakeItem, now: Tick) -> bool {
    item.until.is_some_and(|until| until <= now)
}

/// Returns the time of a lease: whole seconds, as memcached counts them, and no fewer than two.
fn lease_time(asked: Duration) -> Duration {
    let seconds = asked.as_secs() + u64::from(asked.subsec_nanos() > 0);
    Duration::from_secs(seconds).max(SHORTEST_LEASE)
}
