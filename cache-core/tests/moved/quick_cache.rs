//! Programs for `quick_cache::sync::Cache`.

#[test]
fn values_are_inserted_read_and_removed() {
    use cache_core::Cache; // was: use quick_cache::sync::Cache;

    let cache: Cache<String, u64> = Cache::new(5);
    cache.insert("square".to_string(), 4);
    cache.insert("cube".to_string(), 8);
    assert_eq!(cache.get("square"), Some(4));
    assert_eq!(cache.get("circle"), None);
    assert_eq!(cache.peek("cube"), Some(8));
    assert!(cache.remove("cube").is_some());
    assert_eq!(cache.entry_count(), 1); // was: cache.len()
}

#[test]
fn a_missing_value_is_made_once() {
    use cache_core::Cache; // was: use quick_cache::sync::Cache;

    let cache: Cache<String, usize> = Cache::new(100);
    type Length = Result<usize, std::sync::Arc<std::io::Error>>; // was: Result<usize, io::Error>
    let length = |path: &str| -> Length {
        let read = || std::fs::read(path).map(|bytes| bytes.len());
        cache.try_get_with_by_ref(path, read) // was: cache.get_or_insert_with(path, read)
    };
    assert!(length("no such file").is_err());
    assert!(length(file!().trim_start_matches("cache-core/")).unwrap() > 0);
}

#[test]
fn a_guard_is_filled_by_its_caller() {
    use cache_core::Cache; // was: use quick_cache::sync::{Cache, GuardResult};

    fn square_root(cache: &Cache<u64, f64>, number: u64) -> Option<f64> {
        // was: if let GuardResult::Guard(guard) = cache.get_value_or_guard(&number, None) {
        if let Err(guard) = cache.get_or_guard(&number) {
            let _ = guard.insert((number as f64).sqrt());
        }
        cache.get(&number)
    }

    let cache = Cache::new(100);
    assert_eq!(square_root(&cache, 81), Some(9.0));
    assert_eq!(cache.get(&81), Some(9.0));
}

#[test]
fn a_caller_waits_for_another_guard_until_a_timeout() {
    use cache_core::Cache; // was: use quick_cache::sync::{Cache, GuardResult};
    use std::time::Duration;

    let cache: Cache<u32, u32> = Cache::new(10);
    // was: let GuardResult::Guard(guard) = cache.get_value_or_guard(&1, None) else { panic!() };
    let Err(guard) = cache.get_or_guard(&1) else { panic!() };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // was: let waited = cache.get_value_or_guard(&1, Some(Duration::from_millis(1)));
            let waited = cache.get_or_guard_timeout(&1, Duration::from_millis(1));
            assert!(format!("{waited:?}").contains("Time"));
        });
    });
    let _ = guard.insert(10);
    assert_eq!(cache.get(&1), Some(10));
}

#[test]
fn tasks_wait_for_a_guard() {
    use cache_core::Cache; // was: use quick_cache::sync::Cache;

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let cache: Cache<String, String> = Cache::new(10);
        let get = async |own: &str| {
            let got = cache.get_or_guard_async("key").await; // was: .get_value_or_guard_async(
            if let Err(guard) = got {
                tokio::task::yield_now().await;
                let _ = guard.insert(own.to_string());
            }
            cache.get("key").unwrap()
        };
        let (first, second) = tokio::join!(get("first"), get("second"));
        assert_eq!((first.as_str(), second.as_str()), ("first", "first"));
    });
}
