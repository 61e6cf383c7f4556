//! `refresh_if`, and `get_with_status` of the companion.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cache_core::{Status, cached, macro_caches};

use crate::common::runs::{run, runs};

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}

#[test]
fn refresh_if_replaces_the_stored_value() {
    #[cached(refresh_if = fresh, skip(fresh))]
    fn report(day: u64, fresh: bool) -> u64 {
        let _ = fresh;
        100 * day + run()
    }
    assert_eq!((report(1, false), report(1, false)), (101, 101));
    assert_eq!((report(1, true), report(1, false), report(1, true)), (102, 102, 103));
    // Without a stored value it is a load.
    assert_eq!((report(2, true), report(2, false)), (204, 204));
    assert_eq!(report::stats().hits, 3, "a refresh looks nothing up");
}

#[test]
fn refresh_if_sees_all_arguments_and_self() {
    struct Shop {
        id: u64,
    }
    impl Shop {
        #[cached(key(self.id, n), refresh_if = self.id + n > 5)]
        fn price(&self, n: u64) -> u64 {
            let _ = n;
            run()
        }
    }
    let shop = Shop { id: 1 };
    assert_eq!((shop.price(2), shop.price(2), shop.price(5), shop.price(5)), (1, 1, 2, 3));
}

#[test]
fn refresh_that_fails_leaves_the_old_value() {
    #[cached(refresh_if = n == 0, skip(..))]
    fn maybe(n: u64) -> Option<u64> {
        run();
        n.checked_sub(1)
    }
    #[cached(refresh_if = fail, skip(fail))]
    fn fallible(fail: bool) -> Result<u64, String> {
        if fail { Err(format!("{}", run())) } else { Ok(run()) }
    }
    assert_eq!((maybe(1), maybe(0), maybe(7)), (Some(0), None, Some(0)));
    assert_eq!(runs(), 2);
    assert_eq!((fallible(false), fallible(true)), (Ok(3), Err("4".to_owned())));
    assert_eq!((fallible(false), runs()), (Ok(3), 4));
}

#[test]
fn refresh_if_in_a_task_replaces_the_stored_value() {
    #[cached(refresh_if = fresh, skip(fresh), single_flight = false)]
    async fn report(day: u64, fresh: bool) -> Option<u64> {
        let _ = (day, fresh);
        Some(run())
    }
    assert_eq!((now(report(1, false)), now(report(1, true))), (Some(1), Some(2)));
    assert_eq!((now(report(1, false)), report::get(1, true)), (Some(2), Some(2)));
}

#[test]
fn refresh_if_with_many_loads_all_keys_anew() {
    #[cached(many = ids, refresh_if = fresh, skip(fresh))]
    fn names(ids: &[u64], fresh: bool) -> BTreeMap<u64, u64> {
        let _ = fresh;
        let number = run();
        ids.iter().map(|id| (*id, 10 * id + number)).collect()
    }
    #[cached(many = ids, refresh_if = fresh, skip(fresh))]
    async fn later(ids: &[u64], fresh: bool) -> Vec<(u64, u64)> {
        let _ = fresh;
        let number = run();
        ids.iter().map(|id| (*id, 10 * id + number)).collect()
    }
    assert_eq!(names(&[1, 2], false), [(1, 11), (2, 21)].into());
    assert_eq!(names(&[2, 3], true), [(2, 22), (3, 32)].into());
    assert_eq!(names(&[1, 2, 3], false), [(1, 11), (2, 22), (3, 32)].into());
    assert_eq!(now(later(&[1], false)), [(1, 13)]);
    assert_eq!(now(later(&[1, 2], true)), [(1, 14), (2, 24)]);
    assert_eq!((now(later(&[1, 2], false)).len(), runs()), (2, 4));
}

#[test]
fn bypass_goes_before_refresh_if() {
    #[cached(refresh_if = n > 0, bypass = n > 1, skip(..))]
    fn last(n: u64) -> u64 {
        run();
        n
    }
    assert_eq!((last(0), last(2), last(0), last(1), last(0)), (0, 2, 0, 1, 1));
    let _guard = macro_caches::bypass();
    assert_eq!((last(1), last::get(0)), (1, Some(1)));
}

#[test]
fn get_with_status_says_how_the_value_was_obtained() {
    #[cached]
    fn plain(n: u64) -> u64 {
        run();
        n
    }
    #[cached]
    fn fallible(n: u64) -> Result<u64, String> {
        if n == 0 { Err("zero".to_owned()) } else { Ok(n) }
    }
    #[cached(thread_local)]
    fn optional(n: u64) -> Option<u64> {
        n.checked_sub(1)
    }
    #[cached]
    async fn task(text: &str) -> std::io::Result<usize> {
        Ok(text.len())
    }
    let stated: (u64, Status) = plain::get_with_status(1);
    assert_eq!((stated, plain::get_with_status(1)), ((1, Status::Loaded), (1, Status::Hit)));
    assert_eq!((plain(1), runs()), (1, 1));
    let stated: Result<(u64, Status), String> = fallible::get_with_status(0);
    assert_eq!(stated, Err("zero".to_owned()));
    assert_eq!(fallible::get_with_status(2), Ok((2, Status::Loaded)));
    assert_eq!(fallible::get_with_status(2), Ok((2, Status::Hit)));
    let stated: Option<(u64, Status)> = optional::get_with_status(0);
    assert_eq!((stated, optional::get_with_status(3)), (None, Some((2, Status::Loaded))));
    assert_eq!(optional::get_with_status(3), Some((2, Status::Hit)));
    assert_eq!(optional::with(|cache| cache.entry_count()), 1);
    let stated: std::io::Result<(usize, Status)> = now(task::get_with_status("ab"));
    assert_eq!(stated.expect("no error"), (2, Status::Loaded));
    assert_eq!(now(task::get_with_status("ab")).expect("no error"), (2, Status::Hit));
}

#[test]
fn get_with_status_of_what_is_kept_in_full_holds_all_of_it() {
    #[cached(cache_errors)]
    fn fallible(n: u64) -> Result<u64, String> {
        if n == 0 { Err("zero".to_owned()) } else { Ok(n) }
    }
    let stated: (Result<u64, String>, Status) = fallible::get_with_status(0);
    assert_eq!(stated, (Err("zero".to_owned()), Status::Loaded));
    assert_eq!(fallible::get_with_status(0).1, Status::Hit);
}

#[test]
fn get_with_status_follows_the_options_of_calls() {
    #[cached(refresh_if = n == 1, bypass = n == 2, skip(..))]
    fn value(n: u64) -> u64 {
        let _ = n;
        run()
    }
    let status = |n| value::get_with_status(n);
    assert_eq!((status(0), status(0)), ((1, Status::Loaded), (1, Status::Hit)));
    assert_eq!((status(1), status(0)), ((2, Status::Loaded), (2, Status::Hit)));
    assert_eq!((status(2), status(0)), ((3, Status::Loaded), (2, Status::Hit)));
}

#[test]
fn get_with_status_beside_a_method_has_its_name() {
    struct Shop(u64);
    impl Shop {
        #[cached(companion = true, key(id: u64 = self.0, n))]
        fn price(&self, n: u64) -> u64 {
            self.0 * n
        }
    }
    assert_eq!(Shop(2).price_get_with_status(3), (6, Status::Loaded));
    assert_eq!(Shop(2).price_get_with_status(3), (6, Status::Hit));
}

#[test]
fn get_with_status_of_an_instance_of_a_generic_function() {
    #[cached]
    fn parse<T, E>(text: &str) -> Result<T, E>
    where
        T: std::str::FromStr<Err = E> + Clone + Send + Sync + 'static,
    {
        text.parse()
    }
    assert_eq!(parse::get_with_status::<u8, _>("5"), Ok((5, Status::Loaded)));
    assert_eq!(parse::get_with_status::<u8, std::num::ParseIntError>("5"), Ok((5, Status::Hit)));
}
