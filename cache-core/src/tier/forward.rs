//! A tier behind a pointer is a tier.

use std::sync::Arc;
use std::time::Duration;

use super::error::TierError;
use super::invalidations::Invalidations;
use super::link::{
    AsyncTier, Filled, Lease, LeaseTerms, Leased, Tier, TierFuture, TierHealth, TierItem,
};

/// Implements both traits for a pointer to what implements them.
macro_rules! forward {
    ($pointer:ty) => {
        impl<T: Tier + ?Sized> Tier for $pointer {
            fn get(&self, key: &[u8]) -> Result<Option<TierItem>, TierError> {
                (**self).get(key)
            }

            fn get_many(&self, keys: &[&[u8]]) -> Vec<Result<Option<TierItem>, TierError>> {
                (**self).get_many(keys)
            }

            fn lease(&self, key: &[u8], terms: LeaseTerms) -> Result<Leased, TierError> {
                (**self).lease(key, terms)
            }

            fn fill(
                &self,
                key: &[u8],
                lease: Lease,
                value: &[u8],
                life: Option<Duration>,
            ) -> Result<Filled, TierError> {
                (**self).fill(key, lease, value, life)
            }

            fn put(
                &self,
                key: &[u8],
                value: &[u8],
                life: Option<Duration>,
            ) -> Result<(), TierError> {
                (**self).put(key, value, life)
            }

            fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
                (**self).remove(key)
            }

            fn mark_stale(&self, key: &[u8], life: Duration) -> Result<bool, TierError> {
                (**self).mark_stale(key, life)
            }

            fn generation(&self, name: &[u8], if_absent: u64) -> Result<u64, TierError> {
                (**self).generation(name, if_absent)
            }

            fn bump(&self, name: &[u8], at_least: u64) -> Result<u64, TierError> {
                (**self).bump(name, at_least)
            }

            fn max_key_len(&self) -> usize {
                (**self).max_key_len()
            }

            fn invalidations(&self) -> Option<&dyn Invalidations> {
                (**self).invalidations()
            }

            fn health(&self) -> TierHealth {
                (**self).health()
            }

            fn check(&self) -> Result<(), String> {
                (**self).check()
            }
        }

        impl<T: AsyncTier + ?Sized> AsyncTier for $pointer {
            fn get<'a>(
                &'a self,
                key: &'a [u8],
            ) -> TierFuture<'a, Result<Option<TierItem>, TierError>> {
                (**self).get(key)
            }

            fn get_many<'a>(
                &'a self,
                keys: &'a [&'a [u8]],
            ) -> TierFuture<'a, Vec<Result<Option<TierItem>, TierError>>> {
                (**self).get_many(keys)
            }

            fn lease<'a>(
                &'a self,
                key: &'a [u8],
                terms: LeaseTerms,
            ) -> TierFuture<'a, Result<Leased, TierError>> {
                (**self).lease(key, terms)
            }

            fn fill<'a>(
                &'a self,
                key: &'a [u8],
                lease: Lease,
                value: &'a [u8],
                life: Option<Duration>,
            ) -> TierFuture<'a, Result<Filled, TierError>> {
                (**self).fill(key, lease, value, life)
            }

            fn put<'a>(
                &'a self,
                key: &'a [u8],
                value: &'a [u8],
                life: Option<Duration>,
            ) -> TierFuture<'a, Result<(), TierError>> {
                (**self).put(key, value, life)
            }

            fn remove<'a>(&'a self, key: &'a [u8]) -> TierFuture<'a, Result<bool, TierError>> {
                (**self).remove(key)
            }

            fn mark_stale<'a>(
                &'a self,
                key: &'a [u8],
                life: Duration,
            ) -> TierFuture<'a, Result<bool, TierError>> {
                (**self).mark_stale(key, life)
            }

            fn generation<'a>(
                &'a self,
                name: &'a [u8],
                if_absent: u64,
            ) -> TierFuture<'a, Result<u64, TierError>> {
                (**self).generation(name, if_absent)
            }

            fn bump<'a>(
                &'a self,
                name: &'a [u8],
                at_least: u64,
            ) -> TierFuture<'a, Result<u64, TierError>> {
                (**self).bump(name, at_least)
            }

            fn max_key_len(&self) -> usize {
                (**self).max_key_len()
            }

            fn invalidations(&self) -> Option<&dyn Invalidations> {
                (**self).invalidations()
            }

            fn health(&self) -> TierHealth {
                (**self).health()
            }

            fn check(&self) -> Result<(), String> {
                (**self).check()
            }
        }
    };
}

forward!(Arc<T>);
forward!(&'static T);
