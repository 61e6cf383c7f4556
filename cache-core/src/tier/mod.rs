//! In-process first, a remote cache behind it, the origin last.
//!
//! A tiered cache is a [`Cache`](crate::Cache) in this process, the *memory tier*, in front of a
//! [`Tier`] that several processes share, in front of the function that makes a value, the
//! *origin*. This module knows no network: a tier is a trait over bytes. The crate
//! `cache-memcached` has one; [`FakeTier`] is one for tests; [`Chain`] makes one of several.
//!
//! # The promise
//! * A key that this process has invalidated is not served by this process as it was before.
//! * Another process serves it for no longer than its memory life, and usually for less: as
//!   soon as its tier's [`Invalidations`] tell it. Three cases may last longer. A load that had
//!   begun and has no lease is kept for two seconds from its end. A process that has not yet heard
//!   of a flush asks the tier by the names of before, until it hears. Stale windows of the memory
//!   tier's own, if it is given any, come after the memory life.
//! * Processes of another schema keep items of their own. A flush reaches them, an invalidation of
//!   a key does not.
//! * A flush is heard by every process within the period at which it reads the generation, and as
//!   soon as a key's invalidation where the tier tells of it; a process that cannot read the
//!   generation does without the remote tier.
//! * What was loaded before an invalidation, in whichever process, is not stored after it: the
//!   tier's *lease* is dead (Nishtala and others, "Scaling Memcache at Facebook", NSDI 2013).
//! * No call fails because a tier does, but for those that say so: a write that could not be made
//!   remotely is an error, and is tried again behind.

// The files: `link` is the seam (the traits over bytes), `error` what goes wrong there;
// `remote_key`, `codec` and `envelope` make bytes of keys and values, and refuse bytes that are not
// theirs; `fake` and `chain` are tiers; `cache` and `builder` are the tiered cache, `fetch` the way
// of one load through the tiers, for threads and tasks alike, `many` that of several, `reload` that
// of one whatever they have; `generation` and `hearing` are how a process learns what others have
// done.

mod adapt;
mod builder;
mod cache;
mod chain;
mod codec;
mod envelope;
mod error;
mod fake;
mod fetch;
mod forward;
mod generation;
mod hearing;
mod invalidations;
mod link;
mod loads;
mod lock;
mod many;
mod names;
mod pending;
mod poll;
mod reload;
mod remote_key;
mod shared;
mod stats;
mod wait;

pub use builder::TieredCacheBuilder;
pub use cache::TieredCache;
pub use chain::{Chain, ChainStats};
pub use codec::{Codec, CodecError, Framing, Json, Postcard, Raw};
pub use error::TierError;
pub use fake::{FakeHold, FakeOperations, FakeSnapshot, FakeTier};
pub use invalidations::{Event, EventSink, Invalidations, Subscription};
pub use link::{
    AsyncTier, Filled, Lease, LeaseTerms, Leased, Tier, TierFuture, TierHealth, TierItem,
};
pub use remote_key::RemoteKey;
pub use stats::{RemoteStats, TierStats};

// For the runtime of `#[cached]`.
pub(crate) use fetch::Failure;
pub(crate) use remote_key::{hashed, is_readable};
pub(crate) use shared::AnyCodec;
