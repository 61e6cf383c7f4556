//! What a task does to a cache. Some of its futures are dropped halfway.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::Poll;
use std::time::Duration;

use cache_core::{CompResult, LoadTimeouts, Op};

use crate::actor::{Actor, keys};
use crate::kinds::Kind;
use crate::loaders::{linger_as_task, trip};
use crate::tracked::{Failure, Key, OtherFailure};
use crate::world::{COUNTERS, is_calm, wait_limit};

/// Polls a future to its end, or to its panic.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(payload) => Poll::Ready(Err(payload)),
    })
    .await
}

/// Polls a future at most `polls` times and drops it. If `stalls`, it lies unpolled before that for
/// longer than the wait limit of the callers that wait for it.
async fn abandon<F: Future>(future: F, polls: u64, stalls: bool) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    let done = poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if polled.is_pending() {
            context.waker().wake_by_ref();
        }
        polled
    })
    .await;
    if done.is_none() && stalls && !is_calm() {
        tokio::time::sleep(wait_limit() * 5 / 4).await;
    }
    done
}

/// The timeouts of loads, whose timer counts polls instead of time.
const SOFT: Duration = Duration::from_secs(1);

async fn yield_for(polls: u64) {
    for _ in 0..polls {
        tokio::task::yield_now().await;
    }
}

impl Actor {
    /// As [`task`](Self::task), boxed: the future contains itself, so its size must not depend on
    /// it.
    pub(crate) fn boxed(
        mut self,
        kind: Kind,
        at: (usize, u32),
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { self.task(kind, at).await })
    }

    /// Performs one operation.
    pub(crate) async fn task(&mut self, kind: Kind, at: (usize, u32)) {
        match kind {
            Kind::TaskGetWith => self.task_get_with(at).await,
            Kind::TaskTryGetWith => self.task_try_get_with(at).await,
            Kind::TaskTryGetWithin => self.task_try_get_within(at).await,
            Kind::TaskOptionallyGetWith => self.task_optionally_get_with(at).await,
            Kind::TaskLoadingGet => self.task_loading_get(at.1).await,
            Kind::TaskGetManyWith => self.task_get_many_with().await,
            Kind::TaskOrInsertWith => self.task_or_insert_with(at).await,
            Kind::TaskAndUpsertWith => self.task_and_upsert_with(at).await,
            Kind::TaskAndComputeWith => self.task_and_compute_with(at).await,
            Kind::TaskCount => self.task_count().await,
            _ => {
                let kind = Kind::of_thread(&mut self.random);
                self.act(kind);
            }
        }
        self.world.shelves[at.0].check_bound();
    }

    /// Returns the output of the future, or `None` if it was picked to be dropped halfway.
    async fn maybe<F: Future>(&mut self, future: F) -> Option<F::Output> {
        if !self.random.one_in(5) {
            return Some(future.await);
        }
        let (polls, stalls) = (self.random.below(6), self.random.one_in(20_000));
        let done = abandon(future, polls, stalls).await;
        self.world.tally.cancels.fetch_add(u64::from(done.is_none()), Relaxed);
        done
    }

    async fn task_get_with(&mut self, (n, key): (usize, u32)) {
        let (world, inner) = (self.world.clone(), self.inner());
        let shelf = &world.shelves[n];
        let floor = shelf.truth.floor(key);
        let load = inner.make_as_task(n, key);
        let got = self.maybe(shelf.cache.get_with_status_async(Key::new(n, key), load)).await;
        if let Some((value, status)) = got {
            world.tally.status(status);
            shelf.check(key, floor, &value, "get_with_async");
        }
    }

    async fn task_try_get_with(&mut self, (n, key): (usize, u32)) {
        let (world, inner) = (self.world.clone(), self.inner());
        let (fails, other) = (self.random.one_in(4), self.random.one_in(2));
        let shelf = &world.shelves[n];
        let floor = shelf.truth.floor(key);
        let load = async {
            match inner.make_as_task(n, key).await {
                _ if fails => Err(Failure::new()),
                value => Ok(value),
            }
        };
        let got = if other {
            let load = async { load.await.map_err(OtherFailure) };
            let got = self.maybe(shelf.cache.try_get_with_async(Key::new(n, key), load)).await;
            got.map(|got| got.map_err(|error| self.note_failure(&error.0)))
        } else {
            let got = self.maybe(shelf.cache.try_get_with_async(Key::new(n, key), load)).await;
            got.map(|got| got.map_err(|error| self.note_failure(&error)))
        };
        if let Some(Ok(value)) = got {
            shelf.check(key, floor, &value, "try_get_with_async");
        }
    }

    /// A load with timeouts, which end after a few polls. After the soft one other tasks poll the
    /// rest, or the load is dropped: the caches' executor takes no futures.
    async fn task_try_get_within(&mut self, (n, key): (usize, u32)) {
        let (world, inner) = (self.world.clone(), self.inner());
        let (fails, polls) = (self.random.one_in(4), self.random.below(6));
        let shelf = &world.shelves[n];
        let floor = shelf.truth.floor(key);
        let load = async move {
            match inner.make_as_task(n, key).await {
                _ if fails => Err(Failure::new()),
                value => Ok(value),
            }
        };
        let mut timeouts = LoadTimeouts::new(move |_| yield_for(polls)).soft(SOFT);
        if self.random.one_in(2) {
            timeouts = timeouts.hard(2 * SOFT);
        }
        let call = shelf.cache.try_get_within_async(Key::new(n, key), load, &timeouts);
        match self.maybe(call).await {
            Some(Ok((value, status))) => {
                world.tally.status(status);
                shelf.check(key, floor, &value, "try_get_within_async");
            }
            Some(Err(error)) => {
                error.failure().into_iter().for_each(|error| self.note_failure(error));
            }
            None => {}
        }
    }

    async fn task_optionally_get_with(&mut self, (n, key): (usize, u32)) {
        let (world, inner) = (self.world.clone(), self.inner());
        let nothing = self.random.one_in(4);
        let shelf = &world.shelves[n];
        let floor = shelf.truth.floor(key);
        let load = async { Some(inner.make_as_task(n, key).await).filter(|_| !nothing) };
        let key_of = Key::new(n, key);
        let got = self.maybe(shelf.cache.optionally_get_with_async(key_of, load)).await;
        if let Some(Some(value)) = got {
            shelf.check(key, floor, &value, "optionally_get_with_async");
        }
    }

    async fn task_loading_get(&mut self, key: u32) {
        let world = self.world.clone();
        let floor = world.shelves[0].truth.floor(key);
        let wanted = Key::new(0, key);
        match self.maybe(world.loading.get_async(&wanted)).await {
            Some(Ok(value)) => world.shelves[0].check(key, floor, &value, "get_async"),
            Some(Err(error)) => {
                error.failure().into_iter().for_each(|error| self.note_failure(error));
            }
            None => {}
        }
    }

    async fn task_get_many_with(&mut self) {
        let (n, ids) = self.aim_at_many();
        let (world, mut inner) = (self.world.clone(), self.inner());
        let shelf = &world.shelves[n];
        let floors = shelf.truth.floors();
        let load = |missing: Vec<Key>| {
            let mut actor = inner.sibling();
            let versions: Vec<u64> = missing.iter().map(|key| shelf.truth.now(key.id)).collect();
            let unasked = actor.unasked(n, &missing);
            async move {
                actor.toil_as_task((n, missing[0].id)).await;
                actor.loaded_pairs(n, &missing, &versions, unasked)
            }
        };
        let wanted = keys(n, &ids);
        let values = self.maybe(shelf.cache.get_many_with_async(&wanted, load)).await;
        if let Some(values) = values {
            self.check_many((n, &ids), &floors, &values, "get_many_with_async");
        }
    }

    async fn task_or_insert_with(&mut self, (n, key): (usize, u32)) {
        let (world, inner) = (self.world.clone(), self.inner());
        let shelf = &world.shelves[n];
        let floor = shelf.truth.floor(key);
        let selected = shelf.cache.entry(Key::new(n, key));
        let load = inner.make_as_task(n, key);
        if let Some(entry) = self.maybe(selected.or_insert_with_async(load)).await {
            shelf.check(key, floor, entry.value(), "or_insert_with_async");
        }
    }

    async fn task_and_upsert_with(&mut self, (n, key): (usize, u32)) {
        let (world, inner) = (self.world.clone(), self.inner());
        let shelf = &world.shelves[n];
        let floor = shelf.truth.floor(key);
        let call = "and_upsert_with_async";
        let upsert = shelf.cache.entry(Key::new(n, key)).and_upsert_with_async(|old| async move {
            old.iter().for_each(|old| shelf.check(key, floor, old.value(), call));
            inner.make_as_task(n, key).await
        });
        if let Some(entry) = self.maybe(upsert).await {
            shelf.check(key, floor, entry.value(), call);
        }
    }

    async fn task_and_compute_with(&mut self, (n, key): (usize, u32)) {
        let (world, inner) = (self.world.clone(), self.inner());
        let what = self.random.below(3);
        let shelf = &world.shelves[n];
        let (floor, version) = (shelf.truth.floor(key), shelf.truth.raise(key));
        let call = "and_compute_with_async";
        let compute =
            shelf.cache.entry(Key::new(n, key)).and_compute_with_async(|old| async move {
                old.iter().for_each(|old| shelf.check(key, floor, old.value(), call));
                match what {
                    0 => Op::Put(inner.make_as_task(n, key).await),
                    1 => Op::Remove,
                    _ => Op::Nop,
                }
            });
        let result = self.maybe(compute).await;
        if matches!(result, Some(CompResult::Removed(_))) {
            shelf.truth.settle(key, version, Kind::TaskAndComputeWith);
        }
    }

    /// As [`count`](Self::count). If it is dropped halfway, it must not have counted.
    async fn task_count(&mut self) {
        let key = self.random.below(u64::from(COUNTERS)) as u32;
        let (world, mut inner) = (self.world.clone(), self.inner());
        let counter = world.counters.entry(key);
        let add = counter.and_upsert_with_async(|old| async move {
            linger_as_task(&mut inner.random).await;
            trip(&mut inner.random);
            old.map_or(0, |old| old.into_value()) + 1
        });
        if self.maybe(add).await.is_some() {
            world.counted[key as usize].fetch_add(1, SeqCst);
        }
    }
}
