//! A process: a real cache over the simulated network, with the simulated clocks.

use std::sync::Arc;
use std::time::Duration;

use cache_core::tier::{Chain, Codec, CodecError, TierError, TieredCache};
use cache_core::{Cache, Job};

use crate::network::{Network, Uplink};
use crate::settings::{Settings, Tiers};

/// The name of the cache.
pub(crate) const NAME: &str = "sim";

pub(crate) enum Process {
    Memory(Cache<u32, u64>),
    Both(TieredCache<u32, u64>),
}

/// A version as eight bytes.
struct Version;

impl Codec<u64> for Version {
    fn encode(&self, version: &u64, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(&version.to_le_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<u64, CodecError> {
        bytes.try_into().map(u64::from_le_bytes).map_err(CodecError::new)
    }
}

impl Process {
    pub(crate) fn new(
        number: usize,
        settings: &Settings,
        network: &Arc<Network>,
        gutter: Option<&Arc<Network>>,
    ) -> Self {
        let clock = network.time.clock.clone();
        let memory = Cache::builder().max_capacity(settings.memory).clock(clock);
        if settings.tiers == Tiers::Memory {
            return Process::Memory(memory.time_to_live(settings.memory_life).build());
        }
        let (uplink, time) = (Uplink::new(network, number), network.time.clone());
        let builder = match gutter {
            None => {
                TieredCache::builder(NAME).memory(memory).tier(uplink.clone()).tier_async(uplink)
            }
            // A chain is for threads: what it does for tasks is done at once, by the executor.
            Some(gutter) => {
                TieredCache::builder(NAME).memory(memory.executor(|job: Job| job())).tier(
                    Chain::with_clock(uplink, time.clock.clone()).then(Uplink::new(gutter, number)),
                )
            }
        };
        let builder = builder
            .codec(Version)
            .time_to_live(settings.remote_life)
            .memory_time_to_live(settings.memory_life)
            .stale_while_revalidate(settings.stale_while_revalidate)
            // How long a generation that was read is good, by the simulated clock; the thread that
            // polls in real time is kept out by `network.rs`.
            .poll_period(settings.poll_period)
            // Waited for by `network.rs`, in simulated time.
            .lease_wait(Duration::ZERO)
            .wall_clock(move || time.wall());
        Process::Both(builder.build())
    }

    pub(crate) async fn get(&self, key: u32, load: impl Future<Output = u64>) -> u64 {
        match self {
            Process::Memory(cache) => cache.get_with_async(key, load).await,
            Process::Both(cache) => cache.get_with_async(key, load).await,
        }
    }

    pub(crate) async fn invalidate(&self, key: u32) -> Result<(), TierError> {
        match self {
            Process::Memory(cache) => cache.invalidate(&key),
            Process::Both(cache) => cache.invalidate_async(&key).await?,
        }
        Ok(())
    }

    /// Empties its memory.
    pub(crate) fn empty(&self) {
        match self {
            Process::Memory(cache) => cache.invalidate_all(),
            Process::Both(cache) => cache.memory().invalidate_all(),
        }
    }

    pub(crate) fn tiered(&self) -> Option<&TieredCache<u32, u64>> {
        match self {
            Process::Memory(_) => None,
            Process::Both(cache) => Some(cache),
        }
    }
}
