//! The operations of a fake tier, as tasks and as threads see them.

use std::time::Duration;

use crate::tier::error::TierError;
use crate::tier::fake::{Effect, FakeTier};
use crate::tier::invalidations::Invalidations;
use crate::tier::link::{
    AsyncTier, Filled, Lease, LeaseTerms, Leased, Tier, TierFuture, TierHealth, TierItem,
};
use crate::util::signal::block_on;

type Answer<'a, T> = TierFuture<'a, Result<T, TierError>>;
type Items = Vec<Result<Option<TierItem>, TierError>>;

impl AsyncTier for FakeTier {
    fn get<'a>(&'a self, key: &'a [u8]) -> Answer<'a, Option<TierItem>> {
        let get = self.exchange(|of| &mut of.gets, Effect::Reads, |store, now| store.get(key, now));
        Box::pin(async { Ok(get.await?.map(|item| self.trusted(item))) })
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a [u8]]) -> TierFuture<'a, Items> {
        let get = self.exchange(
            |of| &mut of.batches,
            Effect::Reads,
            |store, now| keys.iter().map(|key| store.get(key, now)).collect::<Vec<_>>(),
        );
        Box::pin(async {
            match get.await {
                Ok(items) => {
                    let trusted = |item: Option<TierItem>| item.map(|item| self.trusted(item));
                    items.into_iter().map(|item| Ok(trusted(item))).collect()
                }
                Err(error) => vec![Err(error); keys.len()],
            }
        })
    }

    fn lease<'a>(&'a self, key: &'a [u8], terms: LeaseTerms) -> Answer<'a, Leased> {
        let lease = self.exchange(
            |of| &mut of.leases,
            Effect::Reads,
            move |store, now| store.lease(key, terms, now),
        );
        Box::pin(async {
            Ok(match lease.await? {
                Leased::Found { item, lease, is_stale } => {
                    Leased::Found { item: self.trusted(item), lease, is_stale }
                }
                other => other,
            })
        })
    }

    fn fill<'a>(
        &'a self,
        key: &'a [u8],
        lease: Lease,
        value: &'a [u8],
        life: Option<Duration>,
    ) -> Answer<'a, Filled> {
        Box::pin(self.exchange(
            |of| &mut of.fills,
            Effect::Writes,
            move |store, now| store.fill(key, lease, (value, life), now),
        ))
    }

    fn put<'a>(&'a self, key: &'a [u8], value: &'a [u8], life: Option<Duration>) -> Answer<'a, ()> {
        Box::pin(self.exchange(
            |of| &mut of.puts,
            Effect::Replaces(key),
            move |store, now| store.put(key, (value, life), now),
        ))
    }

    fn remove<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(self.exchange(
            |of| &mut of.removes,
            Effect::Replaces(key),
            |store, now| store.remove(key, now),
        ))
    }

    fn mark_stale<'a>(&'a self, key: &'a [u8], life: Duration) -> Answer<'a, bool> {
        Box::pin(self.exchange(
            |of| &mut of.stale_marks,
            Effect::Replaces(key),
            move |store, now| store.mark_stale(key, life, now),
        ))
    }

    fn generation<'a>(&'a self, name: &'a [u8], if_absent: u64) -> Answer<'a, u64> {
        Box::pin(self.exchange(
            |of| &mut of.generations,
            Effect::Reads,
            move |store, _| store.generation(name, if_absent),
        ))
    }

    fn bump<'a>(&'a self, name: &'a [u8], at_least: u64) -> Answer<'a, u64> {
        Box::pin(self.exchange(
            |of| &mut of.bumps,
            Effect::Writes,
            move |store, _| store.bump(name, at_least),
        ))
    }

    fn invalidations(&self) -> Option<&dyn Invalidations> {
        Some(self)
    }

    fn health(&self) -> TierHealth {
        self.own_health()
    }
}

impl Tier for FakeTier {
    fn get(&self, key: &[u8]) -> Result<Option<TierItem>, TierError> {
        block_on(AsyncTier::get(self, key))
    }

    fn get_many(&self, keys: &[&[u8]]) -> Items {
        block_on(AsyncTier::get_many(self, keys))
    }

    fn lease(&self, key: &[u8], terms: LeaseTerms) -> Result<Leased, TierError> {
        block_on(AsyncTier::lease(self, key, terms))
    }

    fn fill(
        &self,
        key: &[u8],
        lease: Lease,
        value: &[u8],
        life: Option<Duration>,
    ) -> Result<Filled, TierError> {
        block_on(AsyncTier::fill(self, key, lease, value, life))
    }

    fn put(&self, key: &[u8], value: &[u8], life: Option<Duration>) -> Result<(), TierError> {
        block_on(AsyncTier::put(self, key, value, life))
    }

    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        block_on(AsyncTier::remove(self, key))
    }

    fn mark_stale(&self, key: &[u8], life: Duration) -> Result<bool, TierError> {
        block_on(AsyncTier::mark_stale(self, key, life))
    }

    fn generation(&self, name: &[u8], if_absent: u64) -> Result<u64, TierError> {
        block_on(AsyncTier::generation(self, name, if_absent))
    }

    fn bump(&self, name: &[u8], at_least: u64) -> Result<u64, TierError> {
        block_on(AsyncTier::bump(self, name, at_least))
    }

    fn invalidations(&self) -> Option<&dyn Invalidations> {
        Some(self)
    }

    fn health(&self) -> TierHealth {
        self.own_health()
    }
}
