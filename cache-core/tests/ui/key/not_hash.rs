//! The compiler finds what the text does not show: a part of a key that is no key. Each says so once, at
//! its place, whatever the function and its companion do with it.

use cache_core::cached;
use std::borrow::Cow;

#[derive(Clone, PartialEq, Eq)]
struct Opaque;

#[cached]
fn reference(value: &Opaque) -> u64 {
    let _ = value;
    1
}

#[cached(ttl = 60, weigher = |_, _| 1, max_capacity = 10)]
fn value(text: &str, value: Opaque) -> Option<u64> {
    let _ = (text, value);
    Some(1)
}

#[cached(thread_local)]
fn nested(pair: (Option<&Opaque>, u64), list: &[Opaque]) -> Result<u64, String> {
    let _ = (pair, list);
    Ok(1)
}

#[cached]
async fn later(value: Opaque, number: u64) -> u64 {
    let _ = value;
    number
}

#[cached]
fn generic<T: Clone + Send + Sync + 'static>(value: T, cow: Cow<'_, [Opaque]>) -> u64 {
    let _ = (value, cow);
    1
}

#[cached(key(id: Opaque = Opaque, number))]
fn named(number: u64) -> u64 {
    number
}

struct Shop(Opaque);

impl Shop {
    #[cached(key(self.0, number, opaque))]
    fn inside(&self, number: u64, opaque: Opaque) -> u64 {
        let _ = opaque;
        number
    }

    #[cached(companion = true, skip(self))]
    async fn beside(&self, opaque: Opaque) -> u64 {
        let _ = opaque;
        1
    }
}

fn main() {
    let shop = Shop(Opaque);
    let _ = (reference(&Opaque), value("", Opaque), shop.inside(1, Opaque));
    let _ = (reference::cache(), value::get("", Opaque), Shop::beside_stats());
}
