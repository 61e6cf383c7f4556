//! The two clients of memcached, and tiered caches over ours.

use benches::subject::TTL;
use cache_core::{Cache, CacheBuilder, tier::TieredCache};
use cache_memcached::{Memcached, MemcachedBuilder};
pub(crate) use memcache::exp::Memcache as Client;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// No exchange of a benchmark is given up because the machine is busy: what the server had before
/// that would be distrusted, and the rest measured on an empty one.
const PATIENCE: Duration = Duration::from_secs(60);

/// Text, as a program would share it.
pub(crate) type Tiered = TieredCache<String, Arc<str>>;

/// Returns our client.
pub(crate) fn patient(server: SocketAddr) -> MemcachedBuilder {
    let builder = Memcached::builder().server(server.to_string());
    builder.connect_timeout(PATIENCE).exchange_timeout(PATIENCE)
}

/// Returns the other client.
pub(crate) fn peer(server: SocketAddr, connections: usize) -> Client {
    Client::builder()
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .max_connections(connections)
        .connect([server])
        .expect("an address needs no lookup")
}

/// Returns a builder's cache over our client. `memory_life`: for how long memory may serve what
/// another process has invalidated. `poll`: how often it asks whether all was flushed.
pub(crate) fn tiered(
    name: &str,
    memory: CacheBuilder<String, Arc<str>>,
    tier: Memcached,
    (memory_life, poll): (Duration, Duration),
) -> Tiered {
    TieredCache::builder(name)
        .memory(memory)
        .tier(tier)
        .time_to_live(TTL)
        .memory_time_to_live(memory_life)
        .poll_period(poll)
        .build()
}

/// Returns a cache whose memory holds so many entries, for as long as the tier does.
pub(crate) fn bounded(name: &str, entries: u64, tier: Memcached) -> Tiered {
    let memory = Cache::builder().max_capacity(entries);
    tiered(name, memory, tier, (TTL, Duration::from_secs(1)))
}
