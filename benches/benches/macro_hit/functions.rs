//! The functions: three signatures, each written for every way to cache it.
//!
//! All caches hold more entries than there are keys and let them live for an hour. A way without a
//! bound or without time says so in `LACKS`. Ways that cannot borrow their arguments receive owned
//! ones, made from the borrowed ones by the call that is timed: that is what they cost.

use benches::{keys, subject::TTL};
use cache_core::cached;
use equivalent::Equivalent;
use std::sync::{Arc, LazyLock};

/// One function, cached in one way.
pub(crate) trait Function: Clone + Send + 'static {
    /// The name of the way.
    const NAME: &'static str;
    /// What it does not do that ours does.
    const LACKS: &'static str;
    /// `true` if it is ours.
    const OURS: bool = false;
    /// `true` if a hit may allocate more than the value takes.
    const ALLOCATES: bool = true;
    /// What a call needs: the arguments of the function, or the key of a look-up.
    type Arguments: Clone + Send + Sync + 'static;

    /// Makes the arguments of a rank.
    fn args(rank: u64) -> Self::Arguments;
    /// Calls it and consumes the value.
    fn call(args: &Self::Arguments) -> u64;
}

/// What the functions return.
pub(crate) trait ReturnValue: Clone + Send + Sync + 'static {
    /// The number of allocations of a clone.
    const ALLOCATES: usize;
    /// The name of the signature.
    const NAME: &'static str;
    /// Makes a value of a text and a number.
    fn make(sku: &str, quantity: u64) -> Self;
    /// Consumes it.
    fn digest(self) -> u64;
}

impl ReturnValue for String {
    const ALLOCATES: usize = 1;
    const NAME: &'static str = "str+u64-to-string";
    fn make(sku: &str, quantity: u64) -> Self {
        format!("{quantity} of {sku}")
    }
    fn digest(self) -> u64 {
        self.len() as u64
    }
}

impl ReturnValue for Arc<str> {
    const ALLOCATES: usize = 0;
    const NAME: &'static str = "str+u64-to-arc";
    fn make(sku: &str, quantity: u64) -> Self {
        format!("{quantity} of {sku}").into()
    }
    fn digest(self) -> u64 {
        self.len() as u64
    }
}

/// 23 bytes: a text as long as names and identifiers are.
fn sku(rank: u64) -> String {
    format!("article {:015x}", keys::key(rank) >> 3)
}

const CAPACITY: u64 = 10_000;

/// A text and a number, to look an owned pair up with; what a careful user writes by hand.
#[derive(Hash)]
struct Pair<'a>(&'a str, u64);

impl Equivalent<(String, u64)> for Pair<'_> {
    fn equivalent(&self, key: &(String, u64)) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}

/// Ways as types, each with its name, what it lacks, whether it is ours, whether a hit may allocate
/// more than its value, and how it is called.
macro_rules! ways {
    ($args:ty, $make:expr; $($way:ident $name:literal, $lacks:literal, $ours:literal,
      $allocates:literal, |$arg:ident| $call:expr;)*) => {
        $(
            #[derive(Clone)]
            pub(crate) struct $way;

            impl Function for $way {
                const NAME: &'static str = $name;
                const LACKS: &'static str = $lacks;
                const OURS: bool = $ours;
                const ALLOCATES: bool = $allocates;
                type Arguments = $args;

                fn args(rank: u64) -> $args {
                    ($make)(rank)
                }
                #[inline]
                fn call($arg: &$args) -> u64 {
                    $call
                }
            }
        )*

        /// All of them, to be prepared and timed.
        pub(crate) const WAYS: &[fn() -> crate::Ready] = &[$(crate::way::<$way>),*];
    };
}

/// `fn(u64) -> u64`.
pub(crate) mod number {
    use super::{CAPACITY, Function, LazyLock, TTL, cached, keys};
    use std::time::Instant;

    #[cached(ttl = 3600)]
    pub(crate) fn ours(id: u64) -> u64 {
        !id
    }

    #[::cached::macros::concurrent_cached(max_size = 10_000, ttl_secs = 3600)]
    fn sharded(id: u64) -> u64 {
        !id
    }

    #[::cached::macros::cached(max_size = 10_000, ttl_secs = 3600, sync_writes = "by_key")]
    fn by_key(id: u64) -> u64 {
        !id
    }

    #[memoize::memoize(SharedCache, Capacity: 10_000, TimeToLive: TTL)]
    fn memoized(id: u64) -> u64 {
        !id
    }

    static MOKA: LazyLock<moka::sync::Cache<u64, u64>> = LazyLock::new(|| {
        moka::sync::Cache::builder().max_capacity(CAPACITY).time_to_live(TTL).build()
    });

    static QUICK: LazyLock<quick_cache::sync::Cache<u64, u64>> =
        LazyLock::new(|| quick_cache::sync::Cache::new(10_000));

    static DATED: LazyLock<quick_cache::sync::Cache<u64, (Instant, u64)>> =
        LazyLock::new(|| quick_cache::sync::Cache::new(10_000));

    fn dated(id: u64) -> u64 {
        match DATED.get(&id) {
            Some((stored, hit)) if stored.elapsed() < TTL => hit,
            _ => {
                DATED.insert(id, (Instant::now(), !id));
                !id
            }
        }
    }

    ways! { (u64,), |rank| (keys::key(rank),);
        Macro "macro", "nothing: the call of the function", true, false, |args| ours(args.0);
        Get "get", "the call: its key is ready", false, false,
            |args| ours::cache().get(args).unwrap_or_default();
        Sharded "cached", "one load for many callers", false, true, |args| sharded(args.0);
        ByKey "cached-by_key", "hits of many threads at once", false, true, |args| by_key(args.0);
        Memoize "memoize", "hits of many threads at once, one load", false, true,
            |args| memoized(args.0);
        MokaByHand "moka", "an attribute: written by hand", false, true,
            |args| MOKA.get_with(args.0, || !args.0);
        QuickByHand "quick_cache", "an attribute, time to live", false, true,
            |args| QUICK.get_or_insert_with(&args.0, || Ok::<_, std::convert::Infallible>(!args.0))
                .unwrap_or_default();
        QuickDated "quick_cache-ttl", "an attribute, one load: a date beside each value, by hand",
            false, true, |args| dated(args.0);
    }
}

/// `fn(&str, u64) -> V`.
macro_rules! of_text {
    ($module:ident, $value:ty) => {
        pub(crate) mod $module {
            use super::{CAPACITY, Function, LazyLock, Pair, ReturnValue, TTL, cached, sku};
            use std::time::Instant;

            type Returned = $value;

            #[cached(ttl = 3600)]
            pub(crate) fn ours(sku: &str, quantity: u64) -> $value {
                Returned::make(sku, quantity)
            }

            #[::cached::macros::concurrent_cached(max_size = 10_000, ttl_secs = 3600)]
            fn sharded(sku: &str, quantity: u64) -> $value {
                Returned::make(sku, quantity)
            }

            #[::cached::macros::cached(max_size = 10_000, ttl_secs = 3600, sync_writes = "by_key")]
            fn by_key(sku: &str, quantity: u64) -> $value {
                Returned::make(sku, quantity)
            }

            #[memoize::memoize(SharedCache, Capacity: 10_000, TimeToLive: TTL)]
            fn memoized(sku: String, quantity: u64) -> $value {
                Returned::make(&sku, quantity)
            }

            static MOKA: LazyLock<moka::sync::Cache<(String, u64), $value>> = LazyLock::new(|| {
                moka::sync::Cache::builder().max_capacity(CAPACITY).time_to_live(TTL).build()
            });

            static QUICK: LazyLock<quick_cache::sync::Cache<(String, u64), $value>> =
                LazyLock::new(|| quick_cache::sync::Cache::new(10_000));

            static DATED: LazyLock<quick_cache::sync::Cache<(String, u64), (Instant, $value)>> =
                LazyLock::new(|| quick_cache::sync::Cache::new(10_000));

            fn dated(sku: &str, quantity: u64) -> $value {
                match DATED.get(&Pair(sku, quantity)) {
                    Some((stored, hit)) if stored.elapsed() < TTL => hit,
                    _ => {
                        let made = Returned::make(sku, quantity);
                        DATED.insert((sku.to_owned(), quantity), (Instant::now(), made.clone()));
                        made
                    }
                }
            }

            fn moka(sku: &str, quantity: u64) -> $value {
                match MOKA.get(&Pair(sku, quantity)) {
                    Some(hit) => hit,
                    None => {
                        let make = || Returned::make(sku, quantity);
                        MOKA.get_with((sku.to_owned(), quantity), make)
                    }
                }
            }

            fn quick(sku: &str, quantity: u64) -> $value {
                match QUICK.get(&Pair(sku, quantity)) {
                    Some(hit) => hit,
                    None => {
                        let made = Returned::make(sku, quantity);
                        QUICK.insert((sku.to_owned(), quantity), made.clone());
                        made
                    }
                }
            }

            ways! { (String, u64), |rank| (sku(rank), rank);
                Macro "macro", "nothing: the call of the function", true, false,
                    |args| ours(&args.0, args.1).digest();
                Get "get", "the call: its key is ready", false, false,
                    |args| ours::cache().get(args).map_or(0, ReturnValue::digest);
                Sharded "cached", "one load for many callers", false, true,
                    |args| sharded(&args.0, args.1).digest();
                ByKey "cached-by_key", "hits of many threads at once", false, true,
                    |args| by_key(&args.0, args.1).digest();
                Memoize "memoize", "borrowed arguments, hits of many threads", false, true,
                    |args| memoized(args.0.clone(), args.1).digest();
                MokaByHand "moka", "an attribute: written by hand", false, true,
                    |args| moka(&args.0, args.1).digest();
                QuickByHand "quick_cache", "an attribute, time to live", false, true,
                    |args| quick(&args.0, args.1).digest();
                QuickDated "quick_cache-ttl",
                    "an attribute, one load: a date beside each value, by hand", false, true,
                    |args| dated(&args.0, args.1).digest();
            }
        }
    };
}

of_text!(text_to_string, String);
of_text!(text_to_arc, std::sync::Arc<str>);
