//! A hit in caches that differ in what they know of time. Nothing expires, is refreshed or is stale while
//! it is measured: this is what asking costs.

use ahash::RandomState;
use benches::{
    keys::{self, Popularity},
    runner::Source,
    subject::{self, Subject, TTL},
    suite::{Case, Suite},
    workload::Plan,
};
use cache_core::{Cache, CacheBuilder, Expiry};
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
        suite.group(case("hit"), || hit_subjects(entries));
        suite.group(case("load"), || load_subjects(entries));
        suite.group(
            vec![Case::new(format!("insert/{size}/1t"), 1, || Plan::Churn).after(entries)],
            || insert_subjects(entries),
        );
    }
}

fn present<S: Subject>(entries: u64) -> Box<dyn Source> {
    let mut subject = S::with_capacity(2 * entries);
    subject::fill(&mut subject, keys::population(entries));
    Box::new(subject)
}

fn full<S: Subject>(entries: u64) -> Box<dyn Source> {
    let mut subject = S::with_capacity(entries);
    subject::fill(&mut subject, keys::population(entries));
    Box::new(subject)
}

fn hit_subjects(entries: u64) -> Vec<Box<dyn Source>> {
    vec![
        present::<Timeless>(entries),
        present::<Ttl>(entries),
        present::<OwnTtl>(entries),
        present::<Idle>(entries),
        present::<TtlAndIdle>(entries),
        present::<ByExpiry>(entries),
        present::<MokaTimeless>(entries),
        present::<MokaTtl>(entries),
        present::<MokaIdle>(entries),
        present::<MokaExpiry>(entries),
    ]
}

fn load_subjects(entries: u64) -> Vec<Box<dyn Source>> {
    vec![
        present::<LoadTtl>(entries),
        present::<LoadRefresh>(entries),
        present::<LoadEarly>(entries),
        present::<LoadStale>(entries),
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

/// A subject that is a cache of ours, built and used in one way.
macro_rules! ours {
    ($name:ident, $title:literal, $ours:literal, $build:expr, $get:expr, $insert:expr) => {
        #[derive(Clone)]
        struct $name(Cache<u64, u64>);

        impl Subject for $name {
            const NAME: &'static str = $title;
            const LACKS: &'static str = "";
            const OURS: bool = $ours;

            fn with_capacity(capacity: u64) -> Self {
                let build: fn(CacheBuilder<u64, u64>) -> CacheBuilder<u64, u64> = $build;
                $name(build(Cache::builder().max_capacity(capacity)).build())
            }
            #[inline]
            fn get(&self, key: u64) -> Option<u64> {
                $get(&self.0, key)
            }
            #[inline]
            fn insert(&mut self, key: u64, value: u64) {
                $insert(&self.0, key, value);
            }
            fn entries(&self) -> u64 {
                self.0.entry_count()
            }
            fn clear(&mut self) {
                self.0.invalidate_all();
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

/// By a load, so that it knows what it took.
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

type MokaCache = moka::sync::Cache<u64, u64, RandomState>;
type MokaBuilder = moka::sync::CacheBuilder<u64, u64, moka::sync::Cache<u64, u64>>;

macro_rules! mokas {
    ($name:ident, $title:literal, $build:expr) => {
        #[derive(Clone)]
        struct $name(MokaCache);

        impl Subject for $name {
            const NAME: &'static str = $title;
            const LACKS: &'static str = "";

            fn with_capacity(capacity: u64) -> Self {
                let build: fn(MokaBuilder) -> MokaBuilder = $build;
                let builder = build(moka::sync::Cache::builder().max_capacity(capacity));
                $name(builder.build_with_hasher(RandomState::new()))
            }
            #[inline]
            fn get(&self, key: u64) -> Option<u64> {
                self.0.get(&key)
            }
            #[inline]
            fn insert(&mut self, key: u64, value: u64) {
                self.0.insert(key, value);
            }
            fn entries(&self) -> u64 {
                self.0.entry_count()
            }
            fn clear(&mut self) {
                self.0.invalidate_all();
            }
            fn settle(&self) {
                self.0.run_pending_tasks();
            }
        }
    };
}

mokas!(MokaTimeless, "moka, no time", |builder| builder);
mokas!(MokaTtl, "moka, ttl", |builder| builder.time_to_live(TTL));
mokas!(MokaIdle, "moka, tti", |builder| builder.time_to_idle(TTL));
mokas!(MokaExpiry, "moka, Expiry", |builder| builder.expire_after(Trivial));
