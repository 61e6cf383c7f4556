//! Methods beside a method under `#[cached]`: `companion = true | name`.

use std::sync::Arc;

use cache_core::{Cache, cached};

use crate::common::runs::{run, runs};

#[test]
fn siblings_beside_a_method() {
    struct Tax(u64);
    impl Tax {
        #[cached(companion = price, key(rate: u64 = self.0, net))]
        pub(crate) fn gross(&self, mut net: u64) -> u64 {
            run();
            net += net * self.0 / 100;
            net
        }
        #[cached(companion = true)]
        fn zero(n: u64) -> Result<Arc<Self>, String> {
            run();
            if n == 0 { Ok(Arc::new(Self(n))) } else { Err(n.to_string()) }
        }
    }
    let tax = Tax(20);
    assert_eq!(tax.price_get(100), None);
    assert_eq!((tax.gross(100), tax.gross(100)), (120, 120));
    assert_eq!(tax.price_get(100), Some(120));
    assert_eq!(Tax(10).price_get(100), None);
    tax.price_insert(100, 5);
    assert_eq!((tax.gross(100), tax.price_uncached(100), runs()), (5, 120, 2));
    assert_eq!((tax.price_refresh(100), tax.gross(100)), (120, 120));
    assert!(tax.price_invalidate(100));
    let cache: &'static Cache<(u64, u64), u64> = Tax::price_cache();
    assert_eq!(cache.entry_count(), 0);
    tax.gross(1);
    Tax::price_clear();
    assert_eq!((cache.entry_count(), Tax::price_stats().hits), (0, 4));

    assert!(Tax::zero(0).is_ok() && Tax::zero(1).is_err());
    assert!(Tax::zero_get(0).is_some() && Tax::zero_get(1).is_none());
}

#[test]
fn siblings_of_generic_types_and_given_caches() {
    struct Wrap<T> {
        value: T,
        cache: Cache<(u64,), T>,
    }
    impl<T: Clone + Send + Sync + 'static> Wrap<T> {
        #[cached(companion = true, skip(self))]
        fn size<U>(&self, n: u64) -> usize {
            run();
            let _ = n;
            size_of::<T>() + size_of::<U>()
        }
        #[cached(companion = true, cache = self.cache)]
        fn own(&self, n: u64) -> T {
            run();
            let _ = n;
            self.value.clone()
        }
    }
    let (byte, word) =
        (Wrap { value: 1_u8, cache: Cache::new(9) }, Wrap { value: 2_u64, cache: Cache::new(9) });
    for _ in 0..2 {
        assert_eq!((byte.size::<u8>(0), byte.size::<u16>(0), word.size::<u8>(0)), (2, 3, 9));
    }
    assert_eq!(runs(), 3);
    assert_eq!((byte.size_get::<u8>(0), word.size_get::<u64>(0)), (Some(2), None));
    assert_eq!(Wrap::<u8>::size_cache::<u8>().entry_count(), 1);
    assert_eq!((byte.own(1), byte.own(1), word.own(1)), (1, 1, 2));
    assert_eq!((byte.own_get(1), byte.own_invalidate(1), byte.own_get(1)), (Some(1), true, None));
    word.own_insert(1, 9);
    assert_eq!((word.own(1), word.own_refresh(1), word.own(1)), (9, 2, 2));
}

#[test]
fn cache_of_a_method_is_named_after_its_type() {
    struct Named<T>(T);
    impl<T: 'static> Named<T> {
        #[cached(companion = true, skip(self))]
        fn id(&self, n: u64) -> u64 {
            n
        }
    }
    assert_eq!(Named(1_u8).id(1), 1);
    let name = Named::<u8>::id_cache().name().expect("caches of functions have names");
    assert!(name.ends_with("Named<u8>::id"), "{name}");
}
