//! What a thread does to a cache, and what it expects in return.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use cache_core::{CompResult, Op};

use crate::actor::{Actor, keys};
use crate::faults;
use crate::kinds::Kind;
use crate::loaders::{linger, trip};
use crate::tracked::{Failure, Id, Key, Origin, OtherFailure, Value};
use crate::world::{COUNTERS, KEYS, LONGEST_TTL};

impl Actor {
    /// Performs one operation.
    pub(crate) fn act(&mut self, kind: Kind) {
        let at = self.aim();
        match kind {
            Kind::Get => self.get(at),
            Kind::View => self.view(at),
            Kind::Iter => self.iter(at.0),
            Kind::GetWith => self.get_with(at.0, at.1),
            Kind::TryGetWith => self.try_get_with(at),
            Kind::OptionallyGetWith => self.optionally_get_with(at),
            Kind::LoadingGet => self.loading_get(at.1),
            Kind::LoadingRefresh => self.loading_refresh(at.1),
            Kind::LoadingGetAll => self.loading_get_all(),
            Kind::GetMany => self.get_many(),
            Kind::GetManyWith => self.get_many_with(),
            Kind::OrInsertWith => self.or_insert_with(at),
            Kind::AndUpsertWith => self.and_upsert_with(at),
            Kind::AndComputeWith => self.and_compute_with(at),
            Kind::Count => self.count(),
            _ => self.write(kind, at),
        }
        self.world.shelves[at.0].check_bound();
    }

    fn get(&mut self, (n, key): (usize, u32)) {
        let shelf = &self.world.shelves[n];
        let floor = shelf.truth.floor(key);
        if let Some(value) = shelf.cache.get(&Id(key)) {
            shelf.check(key, floor, &value, "get");
        }
    }

    fn view(&mut self, (n, key): (usize, u32)) {
        let shelf = &self.world.shelves[n];
        let floor = shelf.truth.floor(key);
        shelf.cache.view(&Id(key), |value| {
            value.see();
            shelf.check(key, floor, value, "view");
        });
    }

    fn iter(&mut self, n: usize) {
        let shelf = &self.world.shelves[n];
        let floors = shelf.truth.floors();
        for (key, value) in &shelf.cache {
            shelf.check(key.id, floors[key.id as usize], &value, "iter");
        }
    }

    pub(crate) fn get_with(&mut self, n: usize, key: u32) {
        let inner = self.inner();
        let shelf = &self.world.shelves[n];
        let floor = shelf.truth.floor(key);
        let load = || inner.make(n, key);
        let (value, status) = shelf.cache.get_with_status(Key::new(n, key), load);
        self.world.tally.status(status);
        shelf.check(key, floor, &value, "get_with");
    }

    fn try_get_with(&mut self, (n, key): (usize, u32)) {
        let (inner, fails) = (self.inner(), self.random.one_in(4));
        let other = self.random.one_in(2);
        let shelf = &self.world.shelves[n];
        let floor = shelf.truth.floor(key);
        let load = || match inner.make(n, key) {
            _ if fails => Err(Failure::new()),
            value => Ok(value),
        };
        let got = if other {
            let load = || load().map_err(OtherFailure);
            let got = shelf.cache.try_get_with(Key::new(n, key), load);
            got.map_err(|error| self.note_failure(&error.0))
        } else {
            let got = shelf.cache.try_get_with(Key::new(n, key), load);
            got.map_err(|error| self.note_failure(&error))
        };
        if let Ok(value) = got {
            shelf.check(key, floor, &value, "try_get_with");
        }
    }

    fn optionally_get_with(&mut self, (n, key): (usize, u32)) {
        let (inner, nothing) = (self.inner(), self.random.one_in(4));
        let shelf = &self.world.shelves[n];
        let floor = shelf.truth.floor(key);
        let load = || Some(inner.make(n, key)).filter(|_| !nothing);
        if let Some(value) = shelf.cache.optionally_get_with(Key::new(n, key), load) {
            shelf.check(key, floor, &value, "optionally_get_with");
        }
    }

    fn loading_get(&mut self, key: u32) {
        let shelf = &self.world.shelves[0];
        let floor = shelf.truth.floor(key);
        match self.world.loading.get(&Key::new(0, key)) {
            Ok(value) => shelf.check(key, floor, &value, "LoadingCache::get"),
            Err(error) => error.failure().into_iter().for_each(|error| self.note_failure(error)),
        }
    }

    fn loading_refresh(&mut self, key: u32) {
        let shelf = &self.world.shelves[0];
        let floor = shelf.truth.floor(key);
        match self.world.loading.refresh(&Key::new(0, key)) {
            Ok(value) => shelf.check(key, floor, &value, "LoadingCache::refresh"),
            Err(error) => error.failure().into_iter().for_each(|error| self.note_failure(error)),
        }
    }

    fn loading_get_all(&mut self) {
        let (_, ids) = self.aim_at_many();
        let shelf = &self.world.shelves[0];
        let floors = shelf.truth.floors();
        let all = self.world.loading.get_all(&keys(0, &ids));
        faults::expect(all.len() == ids.len(), || format!("get_all: {} results", all.len()));
        for (&key, got) in ids.iter().zip(&all) {
            let value = got.iter();
            value.for_each(|value| shelf.check(key, floors[key as usize], value, "get_all"));
        }
    }

    fn get_many(&mut self) {
        let (n, ids) = self.aim_at_many();
        let shelf = &self.world.shelves[n];
        let floors = shelf.truth.floors();
        let borrowed: Vec<Id> = ids.iter().map(|&id| Id(id)).collect();
        self.check_many((n, &ids), &floors, &shelf.cache.get_many(&borrowed), "get_many");
    }

    pub(crate) fn check_many(
        &self,
        (n, ids): (usize, &[u32]),
        floors: &[u64],
        values: &[Option<Value>],
        call: &str,
    ) {
        let shelf = &self.world.shelves[n];
        faults::expect(values.len() == ids.len(), || format!("{call}: {} results", values.len()));
        for (&key, value) in ids.iter().zip(values) {
            value.iter().for_each(|value| shelf.check(key, floors[key as usize], value, call));
        }
    }

    pub(crate) fn get_many_with(&mut self) {
        let (n, ids) = self.aim_at_many();
        let mut inner = self.inner();
        let shelf = &self.world.shelves[n];
        let floors = shelf.truth.floors();
        let load = |missing: &[Key]| {
            let versions: Vec<u64> = missing.iter().map(|key| shelf.truth.now(key.id)).collect();
            let unasked = inner.unasked(n, missing);
            inner.toil((n, missing[0].id));
            inner.loaded_pairs(n, missing, &versions, unasked)
        };
        let values = shelf.cache.get_many_with(&keys(n, &ids), load);
        self.check_many((n, &ids), &floors, &values, "get_many_with");
    }

    /// Returns, at times, a key that the loader of a batch is not asked for, with its version when
    /// the load begins. If the key is written meanwhile, that version must not be found in the
    /// cache.
    pub(crate) fn unasked(&mut self, n: usize, missing: &[Key]) -> Option<(u32, u64)> {
        if !self.random.one_in(4) {
            return None;
        }
        let id = self.random.below(u64::from(KEYS)) as u32;
        let version = self.world.shelves[n].truth.now(id);
        missing.iter().all(|key| key.id != id).then_some((id, version))
    }

    /// Returns what the loader of a batch gives: not all that it is asked for, in another order,
    /// and something that it is not asked for.
    pub(crate) fn loaded_pairs(
        &mut self,
        n: usize,
        missing: &[Key],
        versions: &[u64],
        unasked: Option<(u32, u64)>,
    ) -> Vec<(Key, Value)> {
        let mut pairs = Vec::new();
        for (key, &version) in missing.iter().zip(versions) {
            if !self.random.one_in(10) {
                let value = self.value((n, key.id), version, Origin::Loaded);
                pairs.push((key.clone(), value));
            }
        }
        if let Some((id, version)) = unasked {
            pairs.push((Key::new(n, id), self.value((n, id), version, Origin::Loaded)));
        }
        pairs.reverse();
        pairs
    }

    fn or_insert_with(&mut self, (n, key): (usize, u32)) {
        let inner = self.inner();
        let shelf = &self.world.shelves[n];
        let floor = shelf.truth.floor(key);
        let entry = shelf.cache.entry(Key::new(n, key)).or_insert_with(|| inner.make(n, key));
        shelf.check(key, floor, entry.value(), "or_insert_with");
    }

    pub(crate) fn and_upsert_with(&mut self, (n, key): (usize, u32)) {
        let inner = self.inner();
        let shelf = &self.world.shelves[n];
        let floor = shelf.truth.floor(key);
        let entry = shelf.cache.entry(Key::new(n, key)).and_upsert_with(|old| {
            old.iter().for_each(|old| shelf.check(key, floor, old.value(), "and_upsert_with"));
            inner.make(n, key)
        });
        shelf.check(key, floor, entry.value(), "and_upsert_with");
    }

    fn and_compute_with(&mut self, (n, key): (usize, u32)) {
        let (inner, what) = (self.inner(), self.random.below(3));
        let shelf = &self.world.shelves[n];
        let (floor, version) = (shelf.truth.floor(key), shelf.truth.raise(key));
        let result = shelf.cache.entry(Key::new(n, key)).and_compute_with(|old| {
            old.iter().for_each(|old| shelf.check(key, floor, old.value(), "and_compute_with"));
            match what {
                0 => Op::Put(inner.make(n, key)),
                1 => Op::Remove,
                _ => Op::Nop,
            }
        });
        if matches!(result, CompResult::Removed(_)) {
            shelf.truth.settle(key, version, Kind::AndComputeWith);
        }
    }

    /// Adds one to a counter, which must not get lost.
    pub(crate) fn count(&mut self) {
        let key = self.random.below(u64::from(COUNTERS)) as u32;
        let mut inner = self.inner();
        let (counters, counted) = (&self.world.counters, &self.world.counted[key as usize]);
        let least = counted.load(SeqCst);
        let seen = match self.random.below(3) {
            0 => counters.get(&key).unwrap_or(0),
            1 => counters.get_with(key, || 0),
            _ => u64::MAX,
        };
        faults::expect(seen >= least, || format!("counter {key} was {least} and is {seen}"));
        let mut add = |old: Option<cache_core::Entry<u32, u64>>| {
            linger(&mut inner.random);
            if inner.depth < 3 && inner.random.one_in(20) {
                let (shelf, key) = inner.aim();
                inner.get_with(shelf, key);
            }
            trip(&mut inner.random);
            old.map_or(0, |old| old.into_value()) + 1
        };
        if self.random.one_in(4) {
            let changed = self.random.one_in(2);
            let put = |old| if changed { Op::Put(add(old)) } else { Op::Nop };
            counters.entry(key).and_compute_with(put);
            counted.fetch_add(u64::from(changed), SeqCst);
        } else {
            counters.entry(key).and_upsert_with(add);
            counted.fetch_add(1, SeqCst);
        }
    }

    fn write(&mut self, kind: Kind, (n, key): (usize, u32)) {
        let shelf = &self.world.shelves[n];
        let (truth, cache, number) = (&shelf.truth, &shelf.cache, self.random.next());
        match kind {
            Kind::Insert | Kind::InsertWithTtl => self.insert(kind, (n, key)),
            Kind::Remove => {
                let (floor, version) = (truth.floor(key), truth.raise(key));
                let removed = cache.remove(&Id(key));
                truth.settle(key, version, kind);
                removed.iter().for_each(|value| shelf.check(key, floor, value, "remove"));
            }
            Kind::Invalidate => {
                truth.flush(kind, std::iter::once(key), || cache.invalidate(&Id(key)))
            }
            Kind::InvalidateAll => truth.flush(kind, 0..KEYS, || cache.invalidate_all()),
            Kind::InvalidateIf => {
                let (every, rest) = (2 + (number % 4) as u32, (number >> 32) as u32);
                let picks = move |key: u32| key % every == rest % every;
                truth.flush(kind, (0..KEYS).filter(|&key| picks(key)), || {
                    cache.invalidate_entries_if(|key, value| {
                        value.see();
                        picks(key.id)
                    });
                });
            }
            _ => cache.run_pending_tasks(),
        }
    }

    fn insert(&mut self, kind: Kind, (n, key): (usize, u32)) {
        let version = self.world.shelves[n].truth.raise(key);
        let value = self.value((n, key), version, Origin::Inserted);
        let ttl = self.random.below(1 + LONGEST_TTL.as_micros() as u64);
        let ttl = Duration::from_micros(if self.random.one_in(10) { 0 } else { ttl });
        let shelf = &self.world.shelves[n];
        if kind == Kind::Insert {
            shelf.cache.insert(Key::new(n, key), value);
        } else {
            shelf.cache.insert_with_ttl(Key::new(n, key), value, ttl);
        }
        shelf.truth.settle(key, version, kind);
    }
}
