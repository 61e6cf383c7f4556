//! What a key is made of: what the pattern of an argument binds, `skip(..)`, one type twice.

use std::sync::Arc;

use cache_core::{Cache, cached};

use crate::common::runs::{run, runs};

/// As web frameworks hand over what a handler asks for.
struct State<T>(T);
#[derive(Clone, PartialEq, Eq, Hash)]
struct Path<T>(T);

/// No part of a key.
struct App {
    tenant: u64,
}

#[test]
fn skip_leaves_out_what_a_pattern_binds() {
    #[cached(skip(app))]
    fn page(State(app): State<Arc<App>>, Path(id): Path<u64>) -> u64 {
        run();
        app.tenant + id
    }
    let app = |tenant| State(Arc::new(App { tenant }));
    assert_eq!((page(app(10), Path(1)), page(app(20), Path(1)), runs()), (11, 11, 1));
    assert_eq!(page::get(app(0), Path(1)), Some(11));
    let _: &Cache<(Path<u64>,), u64> = page::cache();
}

#[test]
fn skip_of_one_name_leaves_the_others_of_its_pattern() {
    #[cached(skip(flag))]
    fn sum((a, flag): (u64, bool), [b, _]: [u64; 2]) -> u64 {
        run();
        a + b + u64::from(flag)
    }
    assert_eq!((sum((1, true), [2, 3]), sum((1, false), [2, 3]), runs()), (4, 4, 1));
    assert_eq!((sum((1, true), [2, 4]), runs()), (4, 2));
    let _: &Cache<(u64, [u64; 2]), u64> = sum::cache();
}

#[test]
fn key_names_what_a_pattern_binds() {
    #[cached(key(id, tenant: u64 = app.tenant))]
    fn page(State(app): State<Arc<App>>, Path((id, _)): Path<(u64, f64)>) -> u64 {
        run();
        app.tenant + id
    }
    let app = |tenant| State(Arc::new(App { tenant }));
    assert_eq!(page(app(10), Path((1, 0.5))), 11);
    assert_eq!((page(app(10), Path((1, 0.7))), page(app(20), Path((1, 0.5)))), (11, 21));
    assert_eq!(runs(), 2);
    let _: &Cache<(u64, u64), u64> = page::cache();
}

#[test]
fn key_with_a_type_takes_the_value_of_a_binding() {
    struct User {
        id: u64,
        name: String,
    }
    #[cached(key(id: u64 = id, name: &str = name))]
    fn greeting(User { id, mut name }: User) -> String {
        run();
        name.push('!');
        format!("{id} {name}")
    }
    let user = || User { id: 1, name: "ann".to_owned() };
    assert_eq!((greeting(user()), greeting(user()), runs()), ("1 ann!".into(), "1 ann!".into(), 1));
    let _: &Cache<(u64, String), String> = greeting::cache();
}

#[test]
fn bypass_sees_what_a_pattern_binds() {
    #[cached(skip(fresh), bypass = *fresh)]
    fn report(day: u64, State(fresh): State<bool>) -> u64 {
        run();
        let _ = fresh;
        day
    }
    assert_eq!((report(1, State(true)), report(1, State(true)), runs()), (1, 1, 2));
    assert_eq!((report(1, State(false)), report(1, State(false)), runs()), (1, 1, 3));
}

#[test]
fn patterns_in_a_method_bind_the_same() {
    struct Shop {
        rate: u64,
    }
    impl Shop {
        #[cached(key(self.rate, id))]
        fn price(&self, Path(id): Path<u64>, State(app): State<App>) -> u64 {
            run();
            self.rate + id + app.tenant
        }
        #[cached(skip(self, app))]
        async fn task(&self, &(id, app): &(u64, u64)) -> u64 {
            run();
            id + app
        }
    }
    let (shop, app) = (Shop { rate: 100 }, |tenant| State(App { tenant }));
    assert_eq!((shop.price(Path(1), app(10)), shop.price(Path(1), app(20))), (111, 111));
    assert_eq!((Shop { rate: 200 }.price(Path(1), app(10)), runs()), (211, 2));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for app in [10, 20] {
        let pair = (1, app);
        let task = std::pin::pin!(shop.task(&pair));
        assert_eq!(task.poll(&mut context), std::task::Poll::Ready(11));
    }
    assert_eq!(runs(), 3);
}

#[test]
fn skip_of_all_keeps_one_value() {
    #[cached(skip(..))]
    fn settings(path: &str, State(app): State<App>) -> String {
        run();
        format!("{path} {}", app.tenant)
    }
    struct Shop;
    impl Shop {
        #[cached(skip(self, ..))]
        fn name(&self, n: u64) -> u64 {
            run();
            n
        }
    }
    let app = |tenant| State(App { tenant });
    assert_eq!((settings("a", app(1)), settings("b", app(2))), ("a 1".into(), "a 1".into()));
    assert_eq!((Shop.name(1), Shop.name(2), runs()), (1, 1, 2));
    let _: &Cache<(), String> = settings::cache();
}

#[test]
fn one_type_by_value_and_by_reference_is_two_parts() {
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct User(u64);
    #[cached]
    fn sum(a: User, b: &User, c: Option<&User>, list: &[User]) -> u64 {
        run();
        a.0 + b.0 + c.map_or(0, |user| user.0) + list.len() as u64
    }
    let user = User(2);
    assert_eq!(sum(User(1), &user, Some(&user), &[User(7)]), 6);
    assert_eq!(sum(User(1), &user, Some(&user), &[User(7)]), 6);
    assert_eq!(runs(), 1);
    type Key = (User, User, Option<User>, Vec<User>);
    let cache: fn() -> &'static Cache<Key, u64> = sum::cache;
    assert_eq!(cache().entry_count(), 1);
}
