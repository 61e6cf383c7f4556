//! Tiers for tests, and what they all need.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use cache_core::tier::{Lease, LeaseTerms, Leased, Tier, TierItem};
use cache_memcached::{Memcached, MemcachedBuilder};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// A tier that waits for longer than any machine takes.
pub(crate) fn patient(addresses: impl IntoIterator<Item = String>) -> MemcachedBuilder {
    let builder = Memcached::builder()
        .namespace("test")
        .connect_timeout(Duration::from_secs(20))
        .exchange_timeout(Duration::from_secs(20));
    addresses.into_iter().fold(builder, MemcachedBuilder::server)
}

/// A tier with the time limits that it has by default.
pub(crate) fn strict(addresses: impl IntoIterator<Item = String>) -> MemcachedBuilder {
    addresses.into_iter().fold(Memcached::builder().namespace("test"), MemcachedBuilder::server)
}

/// The value of a key.
pub(crate) fn value(tier: &Memcached, key: &[u8]) -> Option<Vec<u8>> {
    Tier::get(tier, key).expect("the server answers").map(|item: TierItem| item.value)
}

/// Takes the lease of a key that is missing.
pub(crate) fn won(tier: &Memcached, key: &[u8]) -> Lease {
    match leased(tier, key) {
        Leased::Won(lease) => lease,
        other => panic!("no lease: {other:?}"),
    }
}

pub(crate) fn leased(tier: &Memcached, key: &[u8]) -> Leased {
    let terms = LeaseTerms::new(Duration::from_secs(30));
    Tier::lease(tier, key, terms).expect("the server answers")
}

/// A lease that nobody has given.
pub(crate) fn made_up() -> Lease {
    Lease::new(NonZeroU64::new(u64::MAX - 7).expect("not zero"))
}

/// Runs this, and fails if it takes longer than ten times the limit.
pub(crate) fn bounded<T>(limit: Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    let took = start.elapsed();
    assert!(took < limit * 10, "it took {took:?}, and {limit:?} were promised");
    result
}
