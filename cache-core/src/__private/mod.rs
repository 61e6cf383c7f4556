//! What the expansion of `#[cached]` calls; no part of the public interface.
//!
//! The attribute writes as little code as it can: a wrapper that borrows the arguments and asks
//! [`CacheValue::find`], and a companion whose methods are one line each. The thinking stands here, where it
//! is compiled, tested and read like any other code:
//!
//! * [`View`] and [`Part`]: the arguments of a call as a key that borrows, which hashes and
//!   compares like the tuple of owned values kept in the cache;
//! * [`KeyPart`] and [`CacheValue`]: what keys and values must be, and what is done with them;
//! * [`OptionPart`] and [`CowPart`]: arguments that are taken for an `Option` or a `Cow`;
//! * [`Settings`]: the options, under the names that they have in the attribute;
//! * [`Miss`] and [`BatchLookup`]: what a look-up that found nothing, or not all, hands to the load;
//! * [`Whole`], [`OkOnly`] and [`SomeOnly`]: what of a return value is kept;
//! * [`StaticCache`], [`CacheByType`] and [`ThreadCaches`]: where the cache of a function lives, one per function, or one
//!   per instance of a generic function or method, or one per thread;
//! * [`Fallible`], [`Optional`], [`TypeProbe`], [`ErrorOf`] and [`Bare`]: what can be learnt of a type
//!   without knowing more of it than its name.
//!
//! Nothing here is stable: an expansion and this module are always of one version.

mod autoref;
mod borrowed;
mod bounds;
pub mod macro_caches;
mod many;
mod miss;
mod once;
mod return_kind;
mod runtime;
mod settings;
mod storage;
mod type_probe;
mod view;

pub use autoref::{Bare, BareValue};
pub use borrowed::{CowPart, OptionPart};
pub use bounds::{Fits, HashBuilder, Impossible, Key, Never};
pub use many::{BatchLookup, Collected, Pairing, Pairs};
pub use miss::Miss;
pub use return_kind::{Absent, OkOnly, ReturnKind, SomeOnly, Whole};
pub use runtime::{Arg, CacheValue, KeyPart};
pub use settings::{DEFAULT_CAPACITY, Set, Settings, method_name};
pub use storage::{CacheByType, StaticCache, ThreadCaches};
pub use type_probe::{
    CloneShared, ErrorOf, Fallible, KeepOwn, NotOptional, NotResult, Optional, TypeProbe, typed,
};
pub use view::{Leaf, OwnKey, Owned, Part, View, key_of, keys_of};
