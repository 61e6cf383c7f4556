//! Every kind of `#[cached]` in a crate that has cache-core under another name. Nothing here is
//! called `cache_core`, so an expansion that ignored `crate = ..` would not compile: that it
//! compiles is the test.

#![deny(warnings, clippy::pedantic, missing_debug_implementations, unused_qualifications)]

use std::collections::BTreeMap;
use std::sync::Arc;

use kept::cached;

/// What a key may be made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User {
    /// A part of it.
    pub id: u64,
}

/// A free function.
#[cached(crate = kept, ttl = 60, weigher = |_, text| text.len() as u32, max_capacity = 1_000)]
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "short texts")]
pub fn free(user: &User, tag: Option<&str>) -> Arc<str> {
    format!("{} {tag:?}", user.id).into()
}

/// One that may fail.
///
/// # Errors
///
/// When `text` is no number.
#[cached(crate = kept, refresh_after = 30, ttl = 60, stale_if_error = 60)]
pub async fn later(text: &str) -> Result<u64, std::num::ParseIntError> {
    std::future::ready(()).await;
    text.parse()
}

/// One over many keys.
#[cached(crate = kept, many = ids)]
#[must_use]
pub fn several(ids: &[u64]) -> BTreeMap<u64, u64> {
    ids.iter().map(|id| (*id, 2 * id)).collect()
}

/// A generic one, for each thread.
#[cached(crate = kept, thread_local, negative_ttl = 5)]
#[must_use]
pub fn generic<T: 'static>(number: u64) -> Option<u64> {
    number.checked_sub(size_of::<T>() as u64)
}

/// With methods.
#[derive(Debug)]
pub struct Shop {
    /// A part of keys.
    pub id: u64,
    /// A cache of its own.
    pub cache: kept::Cache<(u64,), u64>,
}

impl Shop {
    /// The body is inside.
    #[cached(crate = kept, key(self.id, user))]
    #[must_use]
    pub fn inside(&self, user: &User) -> u64 {
        self.id + user.id
    }

    /// In a cache of its own.
    #[cached(crate = kept, cache = self.cache)]
    pub async fn within(&self, number: u64) -> u64 {
        self.id + number
    }

    /// With methods beside it.
    #[cached(crate = kept, companion = true, skip(self))]
    #[must_use]
    pub fn beside(&self, number: u64) -> u64 {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn now<T>(call: impl Future<Output = T>) -> T {
        match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("nothing here waits"),
        }
    }

    #[test]
    fn every_shape_works_under_another_name() {
        let user = User { id: 3 };
        assert_eq!(free(&user, Some("a")), free(&user, Some("a")));
        assert_eq!(free::get(&user, Some("a")).as_deref(), Some("3 Some(\"a\")"));
        assert_eq!((now(later("7")), later::get("7")), (Ok(7), Some(7)));
        assert_eq!((several(&[1, 2]).len(), several::get(&2)), (2, Some(4)));
        assert_eq!((generic::<u8>(0), generic::get::<u8>(0)), (None, Some(None)));
        let shop = Shop { id: 10, cache: kept::Cache::new(5) };
        assert_eq!((shop.inside(&user), now(shop.within(1)), shop.beside(2)), (13, 11, 2));
        assert_eq!((shop.cache.get(&(1,)), shop.beside_get(2)), (Some(11), Some(2)));
    }
}
