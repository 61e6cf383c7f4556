//! The other caches as subjects, each built the way its users get it.
//!
//! Those whose default hasher is SipHash have ahash instead, as ours does: SipHash would say more
//! about hashing than about caches. quick_cache (foldhash), cached and TinyUFO (ahash) keep theirs.

mod bounds;
mod foyer;
mod locked;
mod mini_moka;
mod moka;
mod quick_cache;
mod scc;
mod tinyufo;

pub use self::{
    bounds::{BareMap, ShardedMap},
    foyer::Foyer,
    locked::{Cached, LruMutex},
    mini_moka::MiniMoka,
    moka::{Moka, MokaBuilder, MokaDefault, MokaTexts, MokaVariant},
    quick_cache::{Dated, QuickCache},
    scc::Scc,
    tinyufo::TinyUfo,
};
