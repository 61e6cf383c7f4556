//! The caches, each driven through its public interface, and the references.
//!
//! All have hashers with fixed seeds, so that a run repeats exactly; only moka's maintenance, which
//! also goes by the time of day, may move its figures a little.

use ahash::RandomState;
use benches::cells::{Cell, Role};
use cache_core::Cache;
use traces::{
    lru::Lru,
    min::{Future, min},
    replay::{Held, Store, Tally, replay},
    trace::{Trace, Unit, scattered},
};

/// What a subject is to replay.
pub(crate) struct Job<'a> {
    pub(crate) trace: &'a Trace,
    pub(crate) future: &'a Future,
    pub(crate) unit: Unit,
    pub(crate) capacity: u64,
}

impl<'a> Job<'a> {
    pub(crate) fn new(trace: &'a Trace, future: &'a Future, cell: &Cell) -> Job<'a> {
        Job { trace, future, unit: cell.unit, capacity: cell.capacity }
    }

    /// Returns about how many entries the capacity will hold.
    fn entries(&self) -> usize {
        let mean = self.trace.total(self.unit) / u64::from(self.trace.distinct.max(1));
        (self.capacity / mean.max(1)).max(1) as usize
    }
}

/// Makes an empty cache for a job.
type Make = fn(&Job<'_>) -> Box<dyn Store>;

/// A column of the tables.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// What the name stands for.
    pub(crate) about: &'static str,
    /// Makes it, empty; MIN is not made, because it has to see a trace as a whole.
    pub(crate) make: Option<Make>,
}

impl Subject {
    /// Replays a trace; `None` if there is no result, which is the case for MIN by bytes.
    pub(crate) fn run(&self, job: &Job<'_>) -> Option<Tally> {
        match self.make {
            Some(make) => Some(replay(job.trace, job.unit, &mut *make(job))),
            None if job.unit == Unit::Bytes => None,
            None => Some(min(job.trace, job.future, job.capacity)),
        }
    }
}

/// In the order of the columns.
pub(crate) const ALL: [Subject; 9] = [
    Subject {
        name: "MIN",
        role: Role::Bound,
        about: "Belady's MIN with bypass: it knows the future, no cache can beat it",
        make: None,
    },
    Subject {
        name: "cache-core",
        role: Role::Ours,
        about: "ours with its defaults; the number of shards depends on that of the cores",
        make: Some(|job| Box::new(Ours::new(job, false))),
    },
    Subject {
        name: "cache-core-1",
        role: Role::Ours,
        about: "ours with one shard (a weigher of 1 and an initial capacity of 1)",
        make: Some(|job| Box::new(Ours::new(job, true))),
    },
    Subject {
        name: "moka",
        role: Role::Peer,
        about: "0.12 as it comes: maintenance when it likes, until then it may exceed its bound",
        make: Some(|job| Box::new(Moka::new(job, false))),
    },
    Subject {
        name: "moka-tidy",
        role: Role::Peer,
        about: "moka with `run_pending_tasks` after every insertion: its bound holds",
        make: Some(|job| Box::new(Moka::new(job, true))),
    },
    Subject {
        name: "quick_cache",
        role: Role::Peer,
        about: "0.7 with its defaults; the number of shards depends on that of the cores",
        make: Some(|job| Box::new(Quick::new(job, None))),
    },
    Subject {
        name: "quick_cache-1",
        role: Role::Peer,
        about: "quick_cache with one shard",
        make: Some(|job| Box::new(Quick::new(job, Some(1)))),
    },
    Subject {
        name: "foyer",
        role: Role::Peer,
        about: "foyer-memory 0.22 with its w-TinyLFU (its default is LRU) and one shard",
        make: Some(|job| Box::new(Foyer::new(job))),
    },
    Subject {
        name: "LRU",
        role: Role::Reference,
        about: "least recently used, exactly",
        make: Some(|job| Box::new(Lru::new(job.trace, job.capacity))),
    },
];

fn hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}

struct Ours(Cache<u64, Held, RandomState>);

impl Ours {
    /// With a weigher the cache does not know how many entries there will be; one that is told to
    /// expect one entry has one shard.
    fn new(job: &Job<'_>, one_shard: bool) -> Ours {
        let mut builder = Cache::builder().max_capacity(job.capacity);
        if one_shard || job.unit == Unit::Bytes {
            builder = builder.weigher(|_: &u64, held: &Held| held.weight);
        }
        if one_shard {
            builder = builder.initial_capacity(1);
        }
        let cache = builder.build_with_hasher(hasher());
        assert!(!one_shard || cache.policy().num_segments() == 1, "it has one shard");
        Ours(cache)
    }
}

impl Store for Ours {
    fn get(&mut self, id: u32) -> Option<Held> {
        self.0.get(&scattered(id))
    }
    fn insert(&mut self, id: u32, held: Held) {
        self.0.insert(scattered(id), held);
    }
}

struct Moka {
    cache: moka::sync::Cache<u64, Held, RandomState>,
    is_tidy: bool,
}

impl Moka {
    fn new(job: &Job<'_>, is_tidy: bool) -> Moka {
        let mut builder = moka::sync::Cache::builder().max_capacity(job.capacity);
        if job.unit == Unit::Bytes {
            builder = builder.weigher(|_: &u64, held: &Held| held.weight);
        }
        Moka { cache: builder.build_with_hasher(hasher()), is_tidy }
    }
}

impl Store for Moka {
    fn get(&mut self, id: u32) -> Option<Held> {
        self.cache.get(&scattered(id))
    }
    fn insert(&mut self, id: u32, held: Held) {
        self.cache.insert(scattered(id), held);
        if self.is_tidy {
            self.cache.run_pending_tasks();
        }
    }
}

#[derive(Clone)]
struct ByWeight;

impl quick_cache::Weighter<u64, Held> for ByWeight {
    fn weight(&self, _: &u64, held: &Held) -> u64 {
        u64::from(held.weight)
    }
}

struct Quick(quick_cache::sync::Cache<u64, Held, ByWeight, RandomState>);

impl Quick {
    fn new(job: &Job<'_>, shards: Option<usize>) -> Quick {
        let mut options = quick_cache::OptionsBuilder::new();
        options.estimated_items_capacity(job.entries()).weight_capacity(job.capacity);
        if let Some(shards) = shards {
            options.shards(shards);
        }
        let options = options.build().expect("all that it needs is given");
        let lifecycle = quick_cache::sync::DefaultLifecycle::default();
        Quick(quick_cache::sync::Cache::with_options(options, ByWeight, hasher(), lifecycle))
    }
}

impl Store for Quick {
    fn get(&mut self, id: u32) -> Option<Held> {
        self.0.get(&scattered(id))
    }
    fn insert(&mut self, id: u32, held: Held) {
        self.0.insert(scattered(id), held);
    }
}

struct Foyer(foyer_memory::Cache<u64, Held, RandomState>);

impl Foyer {
    fn new(job: &Job<'_>) -> Foyer {
        let builder = foyer_memory::CacheBuilder::new(job.capacity as usize).with_shards(1);
        let builder = builder.with_eviction_config(foyer_memory::LfuConfig::default());
        let builder = builder.with_weighter(|_: &u64, held: &Held| held.weight as usize);
        Foyer(builder.with_hash_builder(hasher()).build())
    }
}

impl Store for Foyer {
    fn get(&mut self, id: u32) -> Option<Held> {
        self.0.get(&scattered(id)).map(|entry| *entry.value())
    }
    fn insert(&mut self, id: u32, held: Held) {
        self.0.insert(scattered(id), held);
    }
}
