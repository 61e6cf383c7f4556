//! A blocking tier as an asynchronous one.
//!
//! The way of a load through the tiers is written once, as a future (`fetch.rs`). A thread drives
//! it by blocking, a task by awaiting. So a blocking [`Tier`] has to look like an [`AsyncTier`] to
//! it, in two ways: for a thread each operation runs when it is made ([`Inline`]); for a task it
//! runs as a job of the cache's executor ([`Offloaded`]), because a task must not block. A job
//! whose task has gone before the job begins does nothing: a write that nobody waits for would else
//! come after the writes that follow it.

use std::future::{poll_fn, ready};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::error::TierError;
use super::invalidations::Invalidations;
use super::link::{
    AsyncTier, Filled, Lease, LeaseTerms, Leased, Tier, TierFuture, TierHealth, TierItem,
};
use super::lock::ForkMutex;
use crate::types::executor::Spawn;

/// A blocking tier for a thread: each operation is done when it is made.
pub(super) struct Inline(pub(super) Arc<dyn Tier>);

/// A blocking tier for tasks: each operation is a job of the executor.
pub(super) struct Offloaded {
    pub(super) tier: Arc<dyn Tier>,
    pub(super) executor: Arc<dyn Spawn>,
}

impl Offloaded {
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Tier) -> T + Send + 'static,
        lost: T,
    ) -> TierFuture<'static, T> {
        let (tier, reply) = (Arc::clone(&self.tier), Reply::new());
        let sender = ReplySender { reply: Arc::clone(&reply), lost: Some(lost) };
        self.executor.spawn(Box::new(move || {
            if sender.is_awaited() {
                sender.send(work(&*tier));
            }
        }));
        Box::pin(poll_fn(move |context| reply.poll(context.waker())))
    }

    fn try_run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Tier) -> Result<T, TierError> + Send + 'static,
    ) -> TierFuture<'static, Result<T, TierError>> {
        self.run(work, Err(lost()))
    }
}

fn lost() -> TierError {
    TierError::Unreachable("the cache's executor has dropped the job".to_owned())
}

/// What a job has returned, on its way to the task that waits for it.
struct Reply<T>(ForkMutex<(Option<T>, Option<Waker>)>);

impl<T> Reply<T> {
    fn new() -> Arc<Self> {
        Arc::new(Reply(ForkMutex::new((None, None))))
    }

    fn poll(&self, waker: &Waker) -> Poll<T> {
        // Cloned and dropped without the lock: it is the executor's code.
        let waker = waker.clone();
        let mut state = self.0.lock();
        if let Some(value) = state.0.take() {
            return Poll::Ready(value);
        }
        let old = state.1.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }

    fn set(&self, value: T) {
        let mut state = self.0.lock();
        state.0 = Some(value);
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The duty of a job to reply. Dropped without having done so, it replies with `lost`.
struct ReplySender<T> {
    reply: Arc<Reply<T>>,
    lost: Option<T>,
}

impl<T> ReplySender<T> {
    /// Returns `false` if the future that the reply is for was dropped.
    fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.reply) > 1
    }

    fn send(mut self, value: T) {
        self.lost = None;
        self.reply.set(value);
    }
}

impl<T> Drop for ReplySender<T> {
    fn drop(&mut self) {
        if let Some(lost) = self.lost.take() {
            self.reply.set(lost);
        }
    }
}

impl AsyncTier for Inline {
    fn get<'a>(&'a self, key: &'a [u8]) -> TierFuture<'a, Result<Option<TierItem>, TierError>> {
        Box::pin(ready(self.0.get(key)))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a [u8]],
    ) -> TierFuture<'a, Vec<Result<Option<TierItem>, TierError>>> {
        Box::pin(ready(self.0.get_many(keys)))
    }

    fn lease<'a>(
        &'a self,
        key: &'a [u8],
        terms: LeaseTerms,
    ) -> TierFuture<'a, Result<Leased, TierError>> {
        Box::pin(ready(self.0.lease(key, terms)))
    }

    fn fill<'a>(
        &'a self,
        key: &'a [u8],
        lease: Lease,
        value: &'a [u8],
        life: Option<Duration>,
    ) -> TierFuture<'a, Result<Filled, TierError>> {
        Box::pin(ready(self.0.fill(key, lease, value, life)))
    }

    fn put<'a>(
        &'a self,
        key: &'a [u8],
        value: &'a [u8],
        life: Option<Duration>,
    ) -> TierFuture<'a, Result<(), TierError>> {
        Box::pin(ready(self.0.put(key, value, life)))
    }

    fn remove<'a>(&'a self, key: &'a [u8]) -> TierFuture<'a, Result<bool, TierError>> {
        Box::pin(ready(self.0.remove(key)))
    }

    fn mark_stale<'a>(
        &'a self,
        key: &'a [u8],
        life: Duration,
    ) -> TierFuture<'a, Result<bool, TierError>> {
        Box::pin(ready(self.0.mark_stale(key, life)))
    }

    fn generation<'a>(
        &'a self,
        name: &'a [u8],
        if_absent: u64,
    ) -> TierFuture<'a, Result<u64, TierError>> {
        Box::pin(ready(self.0.generation(name, if_absent)))
    }

    fn bump<'a>(&'a self, name: &'a [u8], at_least: u64) -> TierFuture<'a, Result<u64, TierError>> {
        Box::pin(ready(self.0.bump(name, at_least)))
    }

    fn max_key_len(&self) -> usize {
        self.0.max_key_len()
    }

    fn invalidations(&self) -> Option<&dyn Invalidations> {
        self.0.invalidations()
    }

    fn health(&self) -> TierHealth {
        self.0.health()
    }

    fn check(&self) -> Result<(), String> {
        self.0.check()
    }
}

impl AsyncTier for Offloaded {
    fn get<'a>(&'a self, key: &'a [u8]) -> TierFuture<'a, Result<Option<TierItem>, TierError>> {
        let key = key.to_vec();
        self.try_run(move |tier| tier.get(&key))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a [u8]],
    ) -> TierFuture<'a, Vec<Result<Option<TierItem>, TierError>>> {
        let lost = vec![Err(lost()); keys.len()];
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
        let work = move |tier: &dyn Tier| {
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            tier.get_many(&keys)
        };
        self.run(work, lost)
    }

    fn lease<'a>(
        &'a self,
        key: &'a [u8],
        terms: LeaseTerms,
    ) -> TierFuture<'a, Result<Leased, TierError>> {
        let key = key.to_vec();
        self.try_run(move |tier| tier.lease(&key, terms))
    }

    fn fill<'a>(
        &'a self,
        key: &'a [u8],
        lease: Lease,
        value: &'a [u8],
        life: Option<Duration>,
    ) -> TierFuture<'a, Result<Filled, TierError>> {
        let (key, value) = (key.to_vec(), value.to_vec());
        self.try_run(move |tier| tier.fill(&key, lease, &value, life))
    }

    fn put<'a>(
        &'a self,
        key: &'a [u8],
        value: &'a [u8],
        life: Option<Duration>,
    ) -> TierFuture<'a, Result<(), TierError>> {
        let (key, value) = (key.to_vec(), value.to_vec());
        self.try_run(move |tier| tier.put(&key, &value, life))
    }

    fn remove<'a>(&'a self, key: &'a [u8]) -> TierFuture<'a, Result<bool, TierError>> {
        let key = key.to_vec();
        self.try_run(move |tier| tier.remove(&key))
    }

    fn mark_stale<'a>(
        &'a self,
        key: &'a [u8],
        life: Duration,
    ) -> TierFuture<'a, Result<bool, TierError>> {
        let key = key.to_vec();
        self.try_run(move |tier| tier.mark_stale(&key, life))
    }

    fn generation<'a>(
        &'a self,
        name: &'a [u8],
        if_absent: u64,
    ) -> TierFuture<'a, Result<u64, TierError>> {
        let name = name.to_vec();
        self.try_run(move |tier| tier.generation(&name, if_absent))
    }

    fn bump<'a>(&'a self, name: &'a [u8], at_least: u64) -> TierFuture<'a, Result<u64, TierError>> {
        let name = name.to_vec();
        self.try_run(move |tier| tier.bump(&name, at_least))
    }

    fn max_key_len(&self) -> usize {
        self.tier.max_key_len()
    }

    fn invalidations(&self) -> Option<&dyn Invalidations> {
        self.tier.invalidations()
    }

    fn health(&self) -> TierHealth {
        self.tier.health()
    }

    fn check(&self) -> Result<(), String> {
        self.tier.check()
    }
}
