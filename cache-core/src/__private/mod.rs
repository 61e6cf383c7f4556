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
//! * [`Missed`] and [`Many`]: what a look-up that found nothing, or not all, hands to the load;
//! * [`Whole`], [`OkOnly`] and [`SomeOnly`]: what of a return value is kept;
//! * [`Slot`], [`ByType`] and [`Local`]: where the cache of a function lives, one per function, or one
//!   per instance of a generic function or method, or one per thread;
//! * [`Fallible`], [`Optional`], [`Probe`], [`ErrorOf`] and [`Bare`]: what can be learnt of a type
//!   without knowing more of it than its name.
//!
//! Nothing here is stable: an expansion and this module are always of one version.

mod bare;
mod borrowed;
mod bounds;
mod check;
mod keep;
pub mod macro_caches;
mod many;
mod missed;
mod once;
mod outcome;
mod settings;
mod slot;
pub mod testing;
mod view;

pub use bare::{Bare, BareValue};
pub use borrowed::{CowPart, OptionPart};
pub use bounds::{Fits, Hasher, Impossible, Key, Never};
pub use check::{Arg, CacheValue, KeyPart};
pub use keep::{Absent, Keep, OkOnly, SomeOnly, Whole};
pub use many::{Collected, Many, Pairing, Pairs};
pub use missed::Missed;
pub use outcome::{
    CloneShared, ErrorOf, Fallible, KeepOwn, NotOptional, NotResult, Optional, Probe, typed,
};
pub use settings::{DEFAULT_CAPACITY, Set, Settings, method_name};
pub use slot::{ByType, Local, Slot};
pub use view::{Leaf, OwnKey, Owned, Part, View, key_of, keys_of};
