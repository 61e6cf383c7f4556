//! The words of other caches: each is told what does the same here, or that it happens anyway.

use cache_core::cached;

#[cached(result = true, time = 60)]
fn only_ok(n: u64) -> Result<u64, String> {
    Ok(n)
}

#[cached(option = true, size = 100)]
fn only_some(n: u64) -> Option<u64> {
    Some(n)
}

#[cached(time = 60, time_refresh = true, refresh = true)]
fn begun_anew(n: u64) -> u64 {
    n
}

#[cached(sync_writes = "by_key", sync_writes_buckets = 64, sync_lock = "mutex")]
fn shared(n: u64) -> u64 {
    n
}

#[cached(ty = "SizedCache<u64, u64>", create = "{ SizedCache::with_size(100) }")]
fn own_cache(n: u64) -> u64 {
    n
}

#[cached(key = "String", convert = r#"{ format!("{a}{b}") }"#)]
fn converted(a: &str, b: &str) -> String {
    format!("{a}{b}")
}

#[cached(result_fallback = true, with_cached_flag = true, unbound)]
fn fallback(n: u64) -> Result<u64, String> {
    Ok(n)
}

#[cached(ttl = "Duration::from_secs(60)", force_refresh = { n == 0 }, in_impl = true)]
fn forced(n: u64) -> u64 {
    n
}

#[cached(disk = true, map_error = r#"|e| e.to_string()"#, redis = true)]
fn persistent(n: u64) -> Result<u64, String> {
    Ok(n)
}

#[cached(Capacity: 123, TimeToLive: Duration::from_secs(2), SharedCache, Ignore: db)]
fn memoized(n: u64, db: &u64) -> u64 {
    n + db
}

#[cached(maxsize = None, typed = False)]
fn lru_cache(n: u64) -> u64 {
    n
}

#[cached(condition = n > 1, unless = |value| *value > 1)]
fn cacheable(n: u64) -> u64 {
    n
}

fn main() {}
