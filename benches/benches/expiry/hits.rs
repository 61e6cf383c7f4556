//! A hit in caches that differ in their options of time. Nothing expires, is refreshed or is stale
//! while it is measured: the figures are the cost of the check.

use benches::{
    keys::{self, Popularity},
    ours::{Builder, Ours, Variant},
    peers::{Moka, MokaBuilder, MokaVariant},
    runner::{self, Source},
    subject::{Subject, TTL},
    suite::{Case, Suite},
    workload::Plan,
};
use cache_core::{Cache, Expiry};
use std::time::{Duration, Instant};

pub(crate) fn groups(suite: &mut Suite, quick: bool) {
    let sizes: &[(u64, &str)] =
        if quick { &[(1_000, "1k")] } else { &[(1_000, "1k"), (100_000, "100k")] };
    let stream = if quick { 1 << 16 } else { keys::STREAM };
    for &(entries, size) in sizes {
        let case = |kind: &str| {
            let plan = move || Plan::Read(keys::stream(Popularity::Uniform, entries, stream));
            vec![Case::new(format!("{kind}/{size}/1t"), 1, plan)]
        };
        suite.group(case("hit"), |_| hit_subjects(entries));
        suite.group(case("load"), |_| load_subjects(entries));
        suite.group(
            vec![Case::new(format!("insert/{size}/1t"), 1, || Plan::Churn).after(entries)],
            |_| insert_subjects(entries),
        );
    }
}

/// Twice the room that the entries take, so that nothing is evicted.
fn present<S: Subject>(entries: u64) -> Box<dyn Source> {
    runner::filled::<S>(2 * entries, entries)
}

/// No room left: each insert evicts.
fn full<V: Variant>(entries: u64) -> Box<dyn Source> {
    runner::filled::<Ours<V>>(entries, entries)
}

fn hit_subjects(entries: u64) -> Vec<Box<dyn Source>> {
    vec![
        present::<Ours<Timeless>>(entries),
        present::<Ours<Ttl>>(entries),
        present::<Ours<OwnTtl>>(entries),
        present::<Ours<Idle>>(entries),
        present::<Ours<TtlAndIdle>>(entries),
        present::<Ours<ByExpiry>>(entries),
        present::<Moka<MokaTimeless>>(entries),
        present::<Moka<MokaTtl>>(entries),
        present::<Moka<MokaIdle>>(entries),
        present::<Moka<MokaExpiry>>(entries),
    ]
}

fn load_subjects(entries: u64) -> Vec<Box<dyn Source>> {
    vec![
        present::<Ours<LoadTtl>>(entries),
        present::<Ours<LoadRefresh>>(entries),
        present::<Ours<LoadEarly>>(entries),
        present::<Ours<LoadStale>>(entries),
    ]
}

fn insert_subjects(entries: u64) -> Vec<Box<dyn Source>> {
    vec![
        full::<Timeless>(entries),
        full::<Ttl>(entries),
        full::<OwnTtl>(entries),
        full::<Idle>(entries),
        full::<ByExpiry>(entries),
    ]
}

struct Trivial;

impl Expiry<u64, u64> for Trivial {
    fn expire_after_create(&self, _: &u64, _: &u64, _: Instant) -> Option<Duration> {
        Some(TTL)
    }
}

impl moka::Expiry<u64, u64> for Trivial {
    fn expire_after_create(&self, _: &u64, _: &u64, _: Instant) -> Option<Duration> {
        Some(TTL)
    }
}

/// A variant of our cache: its title, whether the others are compared with it, its options, and the
/// calls that a get and an insert are.
macro_rules! ours {
    ($name:ident, $title:literal, $ours:literal, $configure:expr, $get:expr, $insert:expr) => {
        struct $name;

        impl Variant for $name {
            const NAME: &'static str = $title;
            const LACKS: &'static str = "";
            const OURS: bool = $ours;

            fn configure(builder: Builder) -> Builder {
                let configure: fn(Builder) -> Builder = $configure;
                configure(builder)
            }
            #[inline]
            fn get(cache: &Cache<u64, u64>, key: u64) -> Option<u64> {
                $get(cache, key)
            }
            #[inline]
            fn insert(cache: &Cache<u64, u64>, key: u64, value: u64) {
                $insert(cache, key, value);
            }
        }
    };
}

fn get(cache: &Cache<u64, u64>, key: u64) -> Option<u64> {
    cache.get(&key)
}

fn get_with(cache: &Cache<u64, u64>, key: u64) -> Option<u64> {
    Some(cache.get_with(key, || key))
}

fn insert(cache: &Cache<u64, u64>, key: u64, value: u64) {
    cache.insert(key, value);
}

fn insert_own(cache: &Cache<u64, u64>, key: u64, value: u64) {
    cache.insert_with_ttl(key, value, TTL);
}

/// By a load, so that the entry has a load time.
fn load(cache: &Cache<u64, u64>, key: u64, value: u64) {
    cache.get_with(key, || value);
}

ours!(Timeless, "no time", true, |builder| builder, get, insert);
ours!(Ttl, "ttl", false, |builder| builder.time_to_live(TTL), get, insert);
ours!(OwnTtl, "own ttl", false, |builder| builder, get, insert_own);
ours!(Idle, "tti", false, |builder| builder.time_to_idle(TTL), get, insert);
ours!(TtlAndIdle, "ttl and tti", false, |b| b.time_to_live(TTL).time_to_idle(TTL), get, insert);
ours!(ByExpiry, "Expiry", false, |builder| builder.expire_after(Trivial), get, insert);
ours!(LoadTtl, "ttl", true, |builder| builder.time_to_live(TTL), get_with, load);
ours!(
    LoadRefresh,
    "refresh_after",
    false,
    |builder| builder.time_to_live(TTL).refresh_after(TTL / 2),
    get_with,
    load
);
ours!(
    LoadEarly,
    "refresh_early",
    false,
    |builder| builder.time_to_live(TTL).refresh_early(1.0),
    get_with,
    load
);
ours!(
    LoadStale,
    "stale windows",
    false,
    |b| b.time_to_live(TTL).stale_while_revalidate(TTL).stale_if_error(TTL),
    get_with,
    load
);

/// A variant of moka's cache: its title and its options.
macro_rules! mokas {
    ($name:ident, $title:literal, $configure:expr) => {
        struct $name;

        impl MokaVariant for $name {
            const NAME: &'static str = $title;
            const LACKS: &'static str = "";

            fn configure(builder: MokaBuilder) -> MokaBuilder {
                let configure: fn(MokaBuilder) -> MokaBuilder = $configure;
                configure(builder)
            }
        }
    };
}

mokas!(MokaTimeless, "moka, no time", |builder| builder);
mokas!(MokaTtl, "moka, ttl", |builder| builder.time_to_live(TTL));
mokas!(MokaIdle, "moka, tti", |builder| builder.time_to_idle(TTL));
mokas!(MokaExpiry, "moka, Expiry", |builder| builder.expire_after(Trivial));
