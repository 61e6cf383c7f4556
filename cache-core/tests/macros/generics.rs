//! Generic functions under `#[cached]`: each instance has a cache of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::{Cache, cached};

use crate::common::runs::{run, runs};

#[test]
fn generic_instances_have_caches_of_their_own() {
    trait Unit: 'static {
        const NAME: &'static str;
    }
    struct Metre;
    struct Foot;
    impl Unit for Metre {
        const NAME: &'static str = "m";
    }
    impl Unit for Foot {
        const NAME: &'static str = "ft";
    }
    // `U` and `N` are in neither argument nor value: only the instance distinguishes the calls.
    #[cached]
    fn show<U: Unit, const N: usize>(n: u64) -> String {
        run();
        format!("{n:0N$} {}", U::NAME)
    }
    assert_eq!(show::<Metre, 2>(1), "01 m");
    assert_eq!(show::<Foot, 2>(1), "01 ft");
    assert_eq!(show::<Foot, 3>(1), "001 ft");
    assert_eq!(show::<Metre, 2>(1), "01 m");
    assert_eq!(runs(), 3);
    assert_eq!(show::get::<Foot, 3>(1).as_deref(), Some("001 ft"));
    assert!(show::invalidate::<Foot, 3>(1));
    assert_eq!(show::get::<Foot, 2>(1).as_deref(), Some("01 ft"));
    assert!(std::ptr::eq(show::cache::<Foot, 2>(), show::cache::<Foot, 2>()));
}

#[test]
fn generic_key_and_value_follow_the_parameters() {
    use std::hash::Hash;
    #[cached(skip(seen))]
    fn wrap<'a, T, E>(value: &'a T, seen: &mut Vec<&'a T>, fail: Option<E>) -> Result<Vec<T>, E>
    where
        T: Hash + Eq + Clone + Send + Sync + 'static,
        E: Hash + Eq + Clone + Send + Sync + 'static,
    {
        run();
        seen.push(value);
        fail.map_or_else(|| Ok(vec![value.clone()]), Err)
    }
    let (text, mut texts) = ("a".to_owned(), Vec::new());
    assert_eq!(wrap::<_, u8>(&text, &mut texts, None), Ok(vec![text.clone()]));
    assert_eq!(wrap::<_, u8>(&text, &mut texts, None), Ok(vec![text.clone()]));
    assert_eq!((texts.len(), runs()), (1, 1));
    assert_eq!(wrap(&1_u8, &mut Vec::new(), Some(2_u8)), Err(2));
    let _: &Cache<(String, Option<u8>), Vec<String>> = wrap::cache::<String, u8>();
}

#[test]
fn generic_first_use_from_many_threads_agrees() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[cached]
    fn size<T: 'static>(_n: u8) -> usize {
        BODIES.fetch_add(1, Ordering::Relaxed);
        size_of::<T>()
    }
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                assert_eq!((size::<u8>(0), size::<u16>(0), size::<u32>(0)), (1, 2, 4));
            });
        }
    });
    let before = BODIES.load(Ordering::Relaxed);
    assert_eq!((size::<u8>(0), size::<u16>(0), size::<u32>(0)), (1, 2, 4));
    assert_eq!(BODIES.load(Ordering::Relaxed), before);
    let entries = size::cache::<u8>().entry_count() + size::cache::<u16>().entry_count();
    assert_eq!(entries, 2);
}

#[test]
fn lifetime_parameters_are_no_obstacle() {
    #[cached]
    fn longer<'a, 'b: 'a>(a: &'a str, b: &'b str) -> String {
        run();
        if a.len() > b.len() { a.to_owned() } else { b.to_owned() }
    }
    assert_eq!((longer("a", "bb"), longer("a", "bb")), ("bb".to_owned(), "bb".to_owned()));
    assert_eq!(runs(), 1);
}

/// An `impl Trait` is a type parameter without a name. A cache beside the function cannot depend on
/// it; one inside always does.
#[test]
fn impl_trait_arguments_are_parameters_where_the_body_is_inside() {
    #[cached(skip(log))]
    fn beside(n: u64, log: impl Fn(u64)) -> u64 {
        log(n);
        run()
    }
    #[cached(skip(log), companion = false)]
    fn inside(n: u64, log: impl Fn(u64)) -> u64 {
        log(n);
        run()
    }
    #[cached(skip(log), companion = false)]
    fn dynamic(n: u64, log: &dyn Fn(u64)) -> u64 {
        log(n);
        run()
    }
    let (one, two) = (|n| assert_eq!(n, 1), drop::<u64>);
    assert_eq!((beside(1, one), beside(1, two)), (1, 1));
    assert_eq!((inside(1, one), inside(1, two), inside(1, one)), (2, 3, 2));
    assert_eq!((dynamic(1, &one), dynamic(1, &two)), (4, 4));
}
