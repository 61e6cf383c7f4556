//! The three functions behind two tiers: this process's memory, and a memcached that several runs
//! share (`--tier`).
//!
//! What one run has looked up, the next finds there; two runs at the same time share their work.
//! Each cache is a [`TieredCache`], and its loader is the body of the function, `plane::uncached`.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cache_core::Cache;
use cache_core::tier::{RemoteKey, Tier, TieredCache};
use cache_memcached::Memcached;
use serde::{Serialize, de::DeserializeOwned};

use crate::database;
use crate::functions::{self, Plane, Weather, night_share, plane, weather};
use crate::problem::{Problem, quoted};

/// What was true of 2013 stays true; so the server need not forget it soon, and nor need memory.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// The default is 50 ms: a program that has somebody waiting rather loads by itself than waits for
/// a server. This one has nobody waiting.
const PATIENCE: Duration = Duration::from_secs(1);

/// The caches of the three functions.
pub struct Tiers {
    planes: Tiered<String, Option<Arc<Plane>>>,
    weather: Tiered<(String, i64), Option<Weather>>,
    night_shares: Tiered<(String, String, u8, u8), Option<f64>>,
}

impl fmt::Debug for Tiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiers").field("counters", &self.counters()).finish()
    }
}

impl Tiers {
    /// Makes caches over the memcached at this address. It is not asked before it is needed, and
    /// need not run: then all is looked up here.
    pub fn connect(address: &str) -> Result<Tiers, Problem> {
        let server = Memcached::builder().server(address).namespace("flights");
        let server = server.connect_timeout(PATIENCE).exchange_timeout(PATIENCE).build();
        server.check().map_err(|why| Problem::new(format!("--tier {}: {why}", quoted(address))))?;
        Tiers::over(&server)
    }

    /// Makes caches over any tier; all three share it.
    pub fn over(tier: &(impl Tier + Clone)) -> Result<Tiers, Problem> {
        Ok(Tiers {
            planes: Tiered::over("plane", tier.clone())?,
            weather: Tiered::over("weather", tier.clone())?,
            night_shares: Tiered::over("night_share", tier.clone())?,
        })
    }

    /// As [`functions::plane`].
    pub fn plane(&self, tail: &str) -> Result<Option<Arc<Plane>>, Problem> {
        self.planes.get(tail.to_owned(), || plane::uncached(tail))
    }

    /// As [`functions::weather`].
    pub fn weather(&self, origin: &str, hour: i64) -> Result<Option<Weather>, Problem> {
        self.weather.get((origin.to_owned(), hour), || weather::uncached(origin, hour))
    }

    /// As [`functions::night_share`].
    pub fn night_share(
        &self,
        origin: &str,
        dest: &str,
        week: u8,
        hour: u8,
    ) -> Result<Option<f64>, Problem> {
        let key = (origin.to_owned(), dest.to_owned(), week, hour);
        self.night_shares.get(key, || night_share::uncached(origin, dest, week, hour))
    }

    /// Returns what the three caches have counted.
    pub fn counters(&self) -> [TierCounters; 3] {
        [self.planes.counters(), self.weather.counters(), self.night_shares.counters()]
    }
}

/// The cache of one function.
struct Tiered<K, V> {
    function: &'static str,
    cache: TieredCache<K, V>,
    loads: AtomicU64,
}

impl<K, V> Tiered<K, V>
where
    K: RemoteKey + Hash + Eq + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    fn over(function: &'static str, tier: impl Tier) -> Result<Self, Problem> {
        let cache = TieredCache::builder(function)
            .memory(Cache::builder().max_capacity(functions::capacity()).record_stats())
            .tier(tier)
            .time_to_live(LIFE)
            .memory_time_to_live(LIFE)
            // A version of this program with other tables does not meet what this one has stored.
            .schema(database::version().cast_unsigned())
            .try_build()
            .map_err(|error| Problem::new(error.to_string()))?;
        Ok(Tiered { function, cache, loads: AtomicU64::new(0) })
    }

    /// Returns the value from memory, from the server, or from `body`. "There is none" is a value
    /// like any other.
    fn get(&self, key: K, body: impl FnOnce() -> Result<V, Problem>) -> Result<V, Problem> {
        let counted = || {
            self.loads.fetch_add(1, Relaxed);
            body()
        };
        self.cache.try_get_with(key, counted).map_err(|problem| (*problem).clone())
    }

    fn counters(&self) -> TierCounters {
        let stats = self.cache.stats();
        TierCounters {
            function: self.function,
            memory: stats.memory.hits + stats.memory.coalesced,
            remote: stats.remote.hits,
            loads: self.loads.load(Relaxed),
            failures: stats.remote.errors,
            entries: self.cache.memory().entry_count(),
        }
    }
}

/// Where the values of one function came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierCounters {
    /// The name of the function.
    pub function: &'static str,
    /// Calls that memory has served, those included that waited for another thread's look-up.
    pub memory: u64,
    /// Calls that the server has served.
    pub remote: u64,
    /// Runs of the body.
    pub loads: u64,
    /// What the server was asked for in vain, because it was out of reach or too slow.
    pub failures: u64,
    /// Entries held in memory now.
    pub entries: u64,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cache_core::FakeClock;
    use cache_core::tier::FakeTier;

    use super::Tiers;
    use crate::functions::Plane;
    use crate::problem::Problem;

    fn a_plane() -> Option<Arc<Plane>> {
        let (manufacturer, model) = ("BOEING".to_owned(), "737-824".to_owned());
        Some(Arc::new(Plane { year: Some(1999), manufacturer, model, seats: None }))
    }

    fn not_asked<T>() -> Result<T, Problem> {
        Err(Problem::new("the body runs although the server has the value"))
    }

    /// Each kind of key and value is read from the server as it was written.
    #[test]
    fn what_one_run_has_looked_up_the_next_finds_at_the_server() {
        let server = FakeTier::new(&FakeClock::new());
        let (first, second) = (Tiers::over(&server).unwrap(), Tiers::over(&server.peer()).unwrap());
        let (tail, hour) = ("N14228".to_owned(), ("EWR".to_owned(), 376_000));
        let route = ("EWR".to_owned(), "IAH".to_owned(), 0, 10);
        assert_eq!(first.planes.get(tail.clone(), || Ok(a_plane())), Ok(a_plane()));
        assert_eq!(first.weather.get(hour.clone(), || Ok(None)), Ok(None));
        assert_eq!(first.night_shares.get(route.clone(), || Ok(Some(0.829))), Ok(Some(0.829)));

        assert_eq!(second.planes.get(tail.clone(), not_asked), Ok(a_plane()));
        assert_eq!(second.weather.get(hour, not_asked), Ok(None));
        assert_eq!(second.night_shares.get(route, not_asked), Ok(Some(0.829)));
        second.planes.get(tail, not_asked).unwrap();

        let counted = |tiers: &Tiers| {
            tiers.counters().map(|one| (one.memory, one.remote, one.loads, one.failures))
        };
        assert_eq!(counted(&first), [(0, 0, 1, 0); 3]);
        assert_eq!(counted(&second), [(1, 1, 0, 0), (0, 1, 0, 0), (0, 1, 0, 0)]);
    }

    #[test]
    fn an_error_of_the_body_is_returned_and_not_stored() {
        let server = FakeTier::new(&FakeClock::new());
        let tiers = Tiers::over(&server).unwrap();
        let failed = tiers.planes.get("N1".to_owned(), || Err(Problem::new("no database")));
        assert_eq!(failed, Err(Problem::new("no database")));
        assert_eq!(tiers.planes.get("N1".to_owned(), || Ok(None)), Ok(None));
    }
}
