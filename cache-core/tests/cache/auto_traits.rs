//! Handles go where their keys and values may go: a hit shares a value with other threads, and any
//! thread may be the one that drops it. So `Send` and `Sync` of a handle each need both of both.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::MutexGuard;

use cache_core::{Cache, GuardError, Iter, LoadGuard, LoadingCache};

/// Says whether a type is `Send` and `Sync`: an inherent constant hides that of a trait.
struct Probe<T>(PhantomData<T>);

impl<T: Send> Probe<T> {
    const SEND: bool = true;
}

impl<T: Sync> Probe<T> {
    const SYNC: bool = true;
}

trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
}

impl<T> Otherwise for Probe<T> {}

macro_rules! assert_auto {
    ($expected:literal, $key:ty, $value:ty) => {
        assert_auto!($expected: Cache<$key, $value>);
        assert_auto!($expected: &Cache<$key, $value>);
        assert_auto!($expected: LoadGuard<'static, $key, $value>);
        assert_auto!($expected: GuardError<'static, $key, $value>);
        assert_auto!($expected: Iter<$key, $value>);
        assert_auto!($expected: LoadingCache<$key, $value, String>);
    };
    ($expected:literal: $ty:ty) => {
        let found = (Probe::<$ty>::SEND, Probe::<$ty>::SYNC);
        assert_eq!(found, ($expected, $expected), "{}", stringify!($ty));
    };
}

/// `Sync`, and not `Send`.
#[derive(Clone)]
#[allow(dead_code, reason = "there is none")]
struct Held(PhantomData<MutexGuard<'static, u8>>);

/// `Send`, and not `Sync`.
type Changed = Cell<u8>;

#[test]
fn handles_leave_a_thread_with_keys_and_values_that_may() {
    assert_auto!(true, u64, String);
    const { assert!(Probe::<Changed>::SEND && !Probe::<Changed>::SYNC) };
    assert_auto!(false, u64, Changed);
    const { assert!(!Probe::<Held>::SEND && Probe::<Held>::SYNC) };
    assert_auto!(false, u64, Held);
    assert_auto!(false, u64, Rc<str>);
    assert_auto!(false, Rc<str>, u64);
    assert_auto!(false, Rc<str>, Rc<str>);
}
