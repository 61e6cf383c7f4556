//! Key types whose `Eq` is the standard library's alone.
//!
//! The user's `Eq` must not run under a lock: it may wait for another thread, or call the cache. So
//! a writer compares its key before it acquires the lock, and looks again after. Where `Eq` is
//! known to do nothing but compare, one search under the lock is enough. The types are told by
//! their ids, at compile time, for a trait would need specialisation.

use std::any::TypeId;
use std::sync::Arc;

/// Returns `true` if comparing two keys runs no code but the standard library's.
///
/// Tuples and other types with parameters are not among them: an id tells a type only whole.
#[inline]
pub(crate) fn is_known<K: 'static>() -> bool {
    macro_rules! any_of {
        ($($known:ty),+ $(,)?) => {
            $(TypeId::of::<K>() == TypeId::of::<$known>())||+
        };
    }
    // The models of shuttle look at what is hard: comparing without the lock.
    if cfg!(shuttle) {
        return false;
    }
    any_of![u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool, char]
        || any_of![String, &'static str, Box<str>, Arc<str>, Vec<u8>]
        || any_of![(u32, u32), (u64, u64), (u32, u64), (u64, u32), (usize, usize), [u8; 16]]
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::is_known;

    #[derive(PartialEq, Eq)]
    struct Own(u64);

    #[test]
    fn only_types_of_the_standard_library_are_known() {
        assert!(is_known::<u64>() && is_known::<String>() && is_known::<&'static str>());
        assert!(!is_known::<Own>() && !is_known::<(Own, u64)>() && !is_known::<Box<Own>>());
        assert!(!is_known::<Vec<Own>>() && !is_known::<std::sync::Arc<Own>>());
    }
}
