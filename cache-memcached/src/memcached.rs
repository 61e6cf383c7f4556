//! The handle, and what both of its traits share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::tier::{Invalidations, Lease, LeaseTerms, TierError, TierHealth, TierItem};

use crate::dialogue::counter::Counter;
use crate::dialogue::items::{Fill, Get, Put, Remove, TakeLease};
use crate::process::{Config, Process, Watching};
use crate::route;
use crate::server::link::Server;
use crate::watch::Hearing;
use crate::wire::key::{Told, WireKey};

/// Keys that are asked for at once. Their commands, up to 64 KiB with keys of the greatest length,
/// fit into the buffers of the socket, so that they are sent without waiting for the server to read
/// them, which it does not do while its replies are not read.
pub(crate) const AT_ONCE: usize = 200;

/// A tier over memcached servers. A handle: clones share the connections.
///
/// It implements [`Tier`](cache_core::tier::Tier), and with the feature `tokio` also
/// [`AsyncTier`](cache_core::tier::AsyncTier), for tasks of a tokio runtime with input, output and
/// timers (`enable_all`). Threads and tasks share the connections.
///
/// To the server a lease for a missing key is an item without bytes. So `remove` and `mark_stale`
/// return `true` for it as well, and an empty value that is being refreshed looks like no item.
#[derive(Clone)]
pub struct Memcached {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: Config,
    /// The shortest lease.
    pub(crate) lease: Duration,
    /// What is wrong with the options.
    pub(crate) wrong: Option<String>,
    pub(crate) first: Process,
}

impl fmt::Debug for Memcached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = &self.shared.config.servers;
        let names: Vec<_> = servers.iter().map(|known| known.address.text()).collect();
        f.debug_struct("Memcached").field("servers", &names).finish_non_exhaustive()
    }
}

impl Memcached {
    /// Returns whether this process hears of others' writes at present.
    #[must_use]
    pub fn hearing(&self) -> Hearing {
        self.process().watch.as_ref().map_or(Hearing::Off, |watch| watch.hearing())
    }

    pub(crate) fn process(&self) -> &Process {
        self.shared.first.current(&self.shared.config)
    }

    /// Returns the server that has a key.
    ///
    /// # Errors
    /// If there is none at all.
    pub(crate) fn server(&self, key: &WireKey) -> Result<&Server, TierError> {
        self.process().servers.get(self.place(key)).ok_or_else(|| self.no_server())
    }

    fn no_server(&self) -> TierError {
        TierError::Unreachable(self.shared.wrong.clone().unwrap_or_default())
    }

    /// Returns what is found of keys if there is no server.
    pub(crate) fn unasked(&self, count: usize) -> Vec<Result<Option<TierItem>, TierError>> {
        (0..count).map(|_| Err(self.no_server())).collect()
    }

    /// Returns the place of the server that has a key.
    fn place(&self, key: &WireKey) -> usize {
        let servers = &self.shared.config.servers;
        route::choose(servers.iter().map(|known| known.address.text()), key.bytes())
    }

    /// Groups keys by their servers, each with its place among all.
    pub(crate) fn grouped(&self, keys: &[&[u8]]) -> Vec<(&Server, Vec<(usize, WireKey)>)> {
        let servers = &self.process().servers;
        let mut groups: Vec<_> = servers.iter().map(|server| (server, Vec::new())).collect();
        for (place, key) in keys.iter().enumerate() {
            let key = self.item(key);
            let server = self.place(&key);
            if let Some((_, group)) = groups.get_mut(server) {
                group.push((place, key));
            }
        }
        groups.retain(|(_, group)| !group.is_empty());
        groups
    }

    fn item(&self, key: &[u8]) -> WireKey {
        self.shared.config.space.item(key)
    }

    /// Returns the key that tells others of a write, if they are told.
    fn tombstone(&self, told: &Told<'_>) -> Option<WireKey> {
        let config = &self.shared.config;
        let is_told = config.watching == Watching::On;
        is_told.then(|| config.space.tombstone(self.process().id, told))
    }

    fn check_size(&self, value: &[u8]) -> Result<(), TierError> {
        let limit = self.shared.config.limits.value;
        if value.len() > limit {
            return Err(TierError::TooLarge { size: value.len(), limit });
        }
        Ok(())
    }

    pub(crate) fn to_get(&self, key: &[u8]) -> Get {
        Get::new(self.item(key))
    }

    pub(crate) fn to_lease(&self, key: &[u8], terms: LeaseTerms) -> TakeLease {
        TakeLease::new(self.item(key), terms, self.shared.lease)
    }

    /// # Errors
    /// If the value is too large.
    pub(crate) fn to_fill<'v>(
        &self,
        key: &[u8],
        lease: Lease,
        value: &'v [u8],
        life: Option<Duration>,
    ) -> Result<Fill<'v>, TierError> {
        self.check_size(value)?;
        Ok(Fill::new(self.item(key), lease, value, life))
    }

    /// # Errors
    /// If the value is too large.
    pub(crate) fn to_put<'v>(
        &self,
        key: &[u8],
        value: &'v [u8],
        life: Option<Duration>,
    ) -> Result<Put<'v>, TierError> {
        self.check_size(value)?;
        Ok(Put::new(self.item(key), value, life, self.tombstone(&Told::Key(key))))
    }

    pub(crate) fn to_remove(&self, key: &[u8]) -> Remove {
        Remove::whole(self.item(key), self.tombstone(&Told::Key(key)))
    }

    pub(crate) fn to_mark_stale(&self, key: &[u8], life: Duration) -> Remove {
        Remove::softly(self.item(key), life, self.tombstone(&Told::Key(key)))
    }

    pub(crate) fn to_read_counter(&self, name: &[u8], if_absent: u64) -> Counter {
        Counter::read(self.shared.config.space.counter(name), if_absent)
    }

    pub(crate) fn to_raise_counter(&self, name: &[u8], at_least: u64) -> Counter {
        let tombstone = self.tombstone(&Told::Counter(name));
        Counter::raise(self.shared.config.space.counter(name), at_least, tombstone)
    }

    pub(crate) fn most_of_a_key(&self) -> usize {
        self.shared.config.space.max_key_len()
    }

    pub(crate) fn way_to_hear(&self) -> Option<&dyn Invalidations> {
        self.process().watch.as_ref().map(|watch| watch as &dyn Invalidations)
    }

    pub(crate) fn all_health(&self) -> TierHealth {
        let process = self.process();
        let mut health = TierHealth::default();
        for server in &process.servers {
            health.breaker_openings += server.breaker().openings();
            health.servers_out += u64::from(server.breaker().is_open());
        }
        health.hearing_losses = process.watch.as_ref().map_or(0, |watch| watch.losses());
        health
    }

    pub(crate) fn verdict(&self) -> Result<(), String> {
        self.shared.wrong.clone().map_or(Ok(()), Err)
    }
}
