//! What the expansion of `#[cached]` calls; no part of the public interface.
//!
//! The attribute writes as little code as it can: a wrapper that borrows the arguments and calls
//! [`CacheValue::find`], and a companion whose methods are one line each. The logic stands here,
//! where it is compiled, tested and read like any other code:
//!
//! * [`View`] and [`Part`]: the arguments of a call as a key that borrows, which hashes and
//!   compares like the tuple of owned values kept in the cache;
//! * [`CacheValue`]: all functions that an expansion calls;
//! * [`KeyPart`], and `Way`: what keys and values must be, and how a violation is reported;
//! * [`OneThread`], and [`LocalPart`]: functions with a cache for each thread, whose keys and
//!   values need not leave it;
//! * [`OptionPart`] and [`CowPart`]: arguments that are taken for an `Option` or a `Cow`;
//! * [`Settings`] and [`TieredSettings`]: the options, under the names that they have in the
//!   attribute;
//! * [`TieredValue`] and [`RemotePart`]: as [`CacheValue`] and [`KeyPart`], for functions with a
//!   remote tier; [`TierOf`] finds out whether that serves threads, tasks or both;
//! * [`Miss`] and [`BatchLookup`]: what a look-up that found nothing, or not all, hands to the
//!   load;
//! * [`Whole`], [`OkOnly`] and [`SomeOnly`]: the part of a return value that is cached;
//! * [`StaticCache`], [`CacheByType`] and [`ThreadCaches`]: where the cache of a function is
//!   stored, one per function, or one per instance of a generic function or method, or one per
//!   thread;
//! * [`Fallible`], [`Optional`], [`TypeProbe`], [`ErrorOf`] and [`Bare`]: what can be learnt of a
//!   type by its name alone;
//! * [`macro_caches`]: the caches of all functions together, for users.
//!
//! Nothing here is stable: an expansion and this module are always of one version.
#![allow(missing_debug_implementations, reason = "expansions print no value of these types")]

mod borrowed;
mod bounds;
mod diagnostics;
mod loads;
pub mod macro_caches;
mod many;
mod once;
mod place;
mod runtime;
mod settings;
mod storage;
pub mod testing;
mod tier_names;
mod tier_parts;
mod tier_settings;
mod tiered;
mod type_probe;
mod view;

pub use crate::flight::share_error::{CloneError, ErrorSharing, KeepError};
pub use crate::tier::Postcard;
pub use crate::types::status::Status;
pub use borrowed::{Bare, BareValue, CowPart, OptionPart};
pub use bounds::{Clonable, Fits, HashBuilder, Impossible, Key, Never, Shareable};
pub use diagnostics::{Arg, KeyPart, LocalPart};
pub use loads::Miss;
pub use many::{BatchLookup, Pairing, Pairs};
pub use place::{AllThreads, OneThread, PlacedKey, PlacedPart, SharedPart};
pub use runtime::CacheValue;
pub use settings::{DEFAULT_CAPACITY, Set, Settings, method_name};
pub use storage::{CacheByType, StaticCache, ThreadCaches};
pub use tier_parts::{RemotePart, TierOwned, TierPart};
pub use tier_settings::{
    BothSides, TaskSide, ThreadSide, TierOf, TierSides, TieredSet, TieredSettings,
};
pub use tiered::{Looked, TieredValue};
pub use type_probe::{
    CloneShared, ErrorOf, Fallible, KeepOwn, OkOnly, Optional, OtherType, ReturnKind, SomeOnly,
    TypeProbe, Whole, typed,
};
pub use view::{Leaf, OwnKey, Owned, Part, View, key_of, keys_of};
