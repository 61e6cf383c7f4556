//! The tier as tasks on tokio see it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use cache_core::tier::{
    AsyncTier, Filled, Invalidations, Lease, LeaseTerms, Leased, TierError, TierFuture, TierHealth,
    TierItem,
};

use crate::dialogue::items::{GetSome, return_leases};
use crate::dialogue::{Dialogue, Step};
use crate::memcached::{AT_ONCE, Memcached};
use crate::server::link::Server;
use crate::server::task_link::exchange;
use crate::wire::batch::Batch;
use crate::wire::key::WireKey;

type Placed = (usize, Result<Option<TierItem>, TierError>);

impl Memcached {
    /// Runs a dialogue to its end.
    async fn run_task<D: Dialogue>(&self, dialogue: Result<D, TierError>) -> Outputs<D> {
        let mut dialogue = dialogue?;
        let server = self.server(dialogue.key())?;
        loop {
            let mut batch = Batch::default();
            dialogue.ask(&mut batch);
            if let Step::Done(output) = dialogue.answer(exchange(server, &batch).await)? {
                return Ok(output);
            }
        }
    }
}

type Outputs<D> = Result<<D as Dialogue>::Output, TierError>;

/// Asks a server for some keys.
async fn get_group(server: &Server, keys: &[(usize, WireKey)]) -> Vec<Placed> {
    let mut found = Vec::with_capacity(keys.len());
    for keys in keys.chunks(AT_ONCE) {
        let question = GetSome::new(keys);
        let mut batch = Batch::default();
        question.ask(&mut batch);
        let outcome = exchange(server, &batch).await;
        let leases = question.answer(outcome, |place, item| found.push((place, item)));
        if !leases.is_empty() {
            let mut batch = Batch::default();
            return_leases(&mut batch, &leases);
            // If they could not be returned, they end with their items.
            drop(exchange(server, &batch).await);
        }
    }
    found
}

/// Runs futures at the same time, in this task. A server more or less is a future more or less, so
/// all are polled when one is woken.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut outputs: Vec<_> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, output) in running.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

impl AsyncTier for Memcached {
    fn get<'a>(&'a self, key: &'a [u8]) -> TierFuture<'a, Result<Option<TierItem>, TierError>> {
        Box::pin(self.run_task(Ok(self.to_get(key))))
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a [u8]],
    ) -> TierFuture<'a, Vec<Result<Option<TierItem>, TierError>>> {
        Box::pin(async move {
            let mut places = self.unasked(keys.len());
            let groups = self.grouped(keys);
            let groups = groups.iter().map(|(server, keys)| get_group(server, keys));
            for (place, item) in all(groups).await.into_iter().flatten() {
                places[place] = item;
            }
            places
        })
    }

    fn lease<'a>(
        &'a self,
        key: &'a [u8],
        terms: LeaseTerms,
    ) -> TierFuture<'a, Result<Leased, TierError>> {
        Box::pin(self.run_task(Ok(self.to_lease(key, terms))))
    }

    fn fill<'a>(
        &'a self,
        key: &'a [u8],
        lease: Lease,
        value: &'a [u8],
        life: Option<Duration>,
    ) -> TierFuture<'a, Result<Filled, TierError>> {
        Box::pin(self.run_task(self.to_fill(key, lease, value, life)))
    }

    fn put<'a>(
        &'a self,
        key: &'a [u8],
        value: &'a [u8],
        life: Option<Duration>,
    ) -> TierFuture<'a, Result<(), TierError>> {
        Box::pin(self.run_task(self.to_put(key, value, life)))
    }

    fn remove<'a>(&'a self, key: &'a [u8]) -> TierFuture<'a, Result<bool, TierError>> {
        Box::pin(self.run_task(Ok(self.to_remove(key))))
    }

    fn mark_stale<'a>(
        &'a self,
        key: &'a [u8],
        life: Duration,
    ) -> TierFuture<'a, Result<bool, TierError>> {
        Box::pin(self.run_task(Ok(self.to_mark_stale(key, life))))
    }

    fn generation<'a>(
        &'a self,
        name: &'a [u8],
        if_absent: u64,
    ) -> TierFuture<'a, Result<u64, TierError>> {
        Box::pin(self.run_task(Ok(self.to_read_counter(name, if_absent))))
    }

    fn bump<'a>(&'a self, name: &'a [u8], at_least: u64) -> TierFuture<'a, Result<u64, TierError>> {
        Box::pin(self.run_task(Ok(self.to_raise_counter(name, at_least))))
    }

    fn max_key_len(&self) -> usize {
        self.most_of_a_key()
    }

    fn invalidations(&self) -> Option<&dyn Invalidations> {
        self.way_to_hear()
    }

    fn health(&self) -> TierHealth {
        self.all_health()
    }

    fn check(&self) -> Result<(), String> {
        self.verdict()
    }
}
