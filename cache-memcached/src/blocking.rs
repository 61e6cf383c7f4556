//! The tier as threads see it.

use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use cache_core::tier::{
    Filled, Invalidations, Lease, LeaseTerms, Leased, Tier, TierError, TierHealth, TierItem,
};

use crate::dialogue::items::{GetSome, return_leases};
use crate::dialogue::{Dialogue, Step};
use crate::memcached::{AT_ONCE, Memcached};
use crate::server::link::{Outcome, Sent, Server};
use crate::wire::batch::Batch;
use crate::wire::key::WireKey;

/// Each server is given this part of an exchange's time at least, when others of a call have used
/// it up.
const LEAST_SHARE: u32 = 4;

impl Memcached {
    /// Runs a dialogue to its end.
    fn run<D: Dialogue>(&self, mut dialogue: D) -> Result<D::Output, TierError> {
        let server = self.server(dialogue.key())?;
        loop {
            let mut batch = Batch::default();
            dialogue.ask(&mut batch);
            if let Step::Done(output) = dialogue.answer(server.exchange(&batch))? {
                return Ok(output);
            }
        }
    }

    /// Asks each server for some keys, all servers at once.
    fn get_round(parts: &[Part<'_>], places: &mut [Result<Option<TierItem>, TierError>]) {
        for asked in ask(parts) {
            asked.receive(places);
        }
    }
}

/// A server, and keys to ask it for.
type Part<'a> = (&'a Server, &'a [(usize, WireKey)]);

/// Sends the commands to all servers. Those to which a connection must be opened are each given a
/// thread, if there are others: one that cannot be reached is not to keep the others waiting.
fn ask<'a>(parts: &[Part<'a>]) -> Vec<Asked<'a>> {
    let are_connected = parts.iter().all(|(server, _)| server.has_connection());
    if parts.len() == 1 || are_connected {
        return parts.iter().map(|part| Asked::new(*part)).collect();
    }
    thread::scope(|scope| {
        let threads: Vec<_> = parts
            .iter()
            .map(|part| {
                let thread = thread::Builder::new().name("cache-memcached-connect".into());
                thread.spawn_scoped(scope, || Asked::new(*part))
            })
            .collect();
        let asked = threads.into_iter().zip(parts).map(|(thread, part)| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // The system has no thread left.
            Err(_) => Asked::new(*part),
        });
        asked.collect()
    })
}

/// A server that was asked for some keys.
struct Asked<'a> {
    server: &'a Server,
    question: GetSome<'a>,
    batch: Batch,
    sent: Result<Sent<'a>, TierError>,
}

impl<'a> Asked<'a> {
    fn new((server, keys): Part<'a>) -> Self {
        let question = GetSome::new(keys);
        let mut batch = Batch::default();
        question.ask(&mut batch);
        let sent = server.send(&batch);
        Asked { server, question, batch, sent }
    }

    fn receive(self, places: &mut [Result<Option<TierItem>, TierError>]) {
        let outcome = match self.sent {
            Ok(sent) => {
                let share = self.server.limits().exchange / LEAST_SHARE;
                let deadline = sent.deadline().max(Instant::now() + share);
                sent.receive(&self.batch, deadline)
            }
            Err(error) => Outcome::failed(error),
        };
        let leases = self.question.answer(outcome, |place, item| places[place] = item);
        if !leases.is_empty() {
            let mut batch = Batch::default();
            return_leases(&mut batch, &leases);
            // If they could not be returned, they end with their items.
            drop(self.server.exchange(&batch));
        }
    }
}

impl Tier for Memcached {
    fn get(&self, key: &[u8]) -> Result<Option<TierItem>, TierError> {
        self.run(self.to_get(key))
    }

    fn get_many(&self, keys: &[&[u8]]) -> Vec<Result<Option<TierItem>, TierError>> {
        let mut places = self.unasked(keys.len());
        let groups = self.grouped(keys);
        let most = groups.iter().map(|(_, keys)| keys.len()).max().unwrap_or(0);
        for start in (0..most).step_by(AT_ONCE) {
            let parts = groups.iter().filter_map(|(server, keys)| {
                let rest = keys.get(start..).filter(|rest| !rest.is_empty())?;
                Some((*server, &rest[..rest.len().min(AT_ONCE)]))
            });
            Self::get_round(&parts.collect::<Vec<_>>(), &mut places);
        }
        places
    }

    fn lease(&self, key: &[u8], terms: LeaseTerms) -> Result<Leased, TierError> {
        self.run(self.to_lease(key, terms))
    }

    fn fill(
        &self,
        key: &[u8],
        lease: Lease,
        value: &[u8],
        life: Option<Duration>,
    ) -> Result<Filled, TierError> {
        self.run(self.to_fill(key, lease, value, life)?)
    }

    fn put(&self, key: &[u8], value: &[u8], life: Option<Duration>) -> Result<(), TierError> {
        self.run(self.to_put(key, value, life)?)
    }

    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        self.run(self.to_remove(key))
    }

    fn mark_stale(&self, key: &[u8], life: Duration) -> Result<bool, TierError> {
        self.run(self.to_mark_stale(key, life))
    }

    fn generation(&self, name: &[u8], if_absent: u64) -> Result<u64, TierError> {
        self.run(self.to_read_counter(name, if_absent))
    }

    fn bump(&self, name: &[u8], at_least: u64) -> Result<u64, TierError> {
        self.run(self.to_raise_counter(name, at_least))
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
