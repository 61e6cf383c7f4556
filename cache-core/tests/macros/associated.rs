//! Functions without `self` in an `impl` or a `trait`, and methods under `#[async_trait]`.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use cache_core::cached;

use crate::common::runs::{run, runs};

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}

struct Shop<T>(T);

impl<T> Shop<T> {
    #[cached]
    fn price(qty: u64) -> u64 {
        run();
        qty + size_of::<T>() as u64
    }

    #[cached(ttl = 60)]
    async fn later(sku: &str) -> Option<u64> {
        run();
        sku.parse().ok()
    }
}

#[test]
fn function_without_self_in_an_impl_is_cached_for_each_type() {
    assert_eq!((Shop::<u8>::price(1), Shop::<u8>::price(1), runs()), (2, 2, 1));
    assert_eq!((Shop::<u64>::price(1), runs()), (9, 2));
    assert_eq!(
        (now(Shop::<u8>::later("5")), now(Shop::<u8>::later("5")), runs()),
        (Some(5), Some(5), 3)
    );
}

trait Square {
    #[cached]
    fn of(n: u64) -> u64 {
        run();
        n * n
    }
}

impl Square for Shop<u8> {}
impl Square for Shop<u16> {
    #[cached]
    fn of(n: u64) -> u64 {
        run();
        n * n + 1
    }
}

#[test]
fn function_without_self_in_a_trait_is_cached_for_each_implementation() {
    assert_eq!((Shop::<u8>::of(3), Shop::<u8>::of(3), runs()), (9, 9, 1));
    assert_eq!((Shop::<u16>::of(3), Shop::<u16>::of(3), runs()), (10, 10, 2));
}

/// In a function inside of an `impl`, a function is free again.
impl Shop<()> {
    fn outer() -> Option<u64> {
        #[cached]
        fn inner(n: u64) -> u64 {
            n
        }
        inner(1);
        inner::get(1)
    }
}

#[test]
fn function_inside_of_a_method_has_its_companion() {
    assert_eq!(Shop::outer(), Some(1));
}

#[async_trait]
trait Source: Sync {
    async fn name(&self, id: u64, tag: &str) -> Result<Arc<str>, String>;

    #[cached(skip(self))]
    async fn length(&self, text: &str) -> usize {
        run();
        std::future::ready(()).await;
        text.len()
    }

    #[cached]
    async fn half(n: u64) -> Option<u64> {
        run();
        n.is_multiple_of(2).then_some(n / 2)
    }
}

struct Table {
    id: u64,
}

#[async_trait]
impl Source for Table {
    #[cached(key(self.id, id, tag), ttl = 60)]
    async fn name(&self, id: u64, tag: &str) -> Result<Arc<str>, String> {
        run();
        let name = std::future::ready(format!("{} {id} {tag}", self.id)).await;
        if id == 0 {
            return Err(name);
        }
        Ok(name.into())
    }
}

#[test]
fn async_trait_methods_are_cached() {
    let (first, second): (Box<Table>, Table) = (Box::new(Table { id: 1 }), Table { id: 2 });
    let name = now(first.name(7, "a")).expect("a name");
    assert!(Arc::ptr_eq(&name, &now(first.name(7, "a")).expect("a name")));
    assert_eq!((&*name, runs()), ("1 7 a", 1));
    assert_eq!((now(second.name(7, "a")).as_deref(), runs()), (Ok("2 7 a"), 2));
    assert_eq!(now(first.name(0, "b")), Err("1 0 b".to_owned()));
    assert_eq!((now(first.name(0, "b")).is_err(), runs()), (true, 4));
    assert_eq!((now(first.length("abc")), now(second.length("abc")), runs()), (3, 3, 5));
    assert_eq!(
        (now(Table::half(4)), now(Table::half(4)), now(Table::half(3))),
        (Some(2), Some(2), None)
    );
    assert_eq!(runs(), 7);
}

#[test]
fn async_trait_futures_are_send() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    assert_eq!(now(is_send(Table { id: 1 }.length("ab"))), 2);
}

#[test]
fn boxed_future_of_a_free_function_has_a_companion() {
    #[cached]
    fn twice(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
        Box::pin(async move {
            run();
            2 * n
        })
    }
    assert_eq!((now(twice(3)), twice::get(3), now(twice::uncached(3)), runs()), (6, Some(6), 6, 2));
}
