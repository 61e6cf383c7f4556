//! Programs for `mini_moka`.

#[test]
fn threads_share_a_bounded_cache() {
    use cache_core::Cache; // was: use mini_moka::sync::Cache;
    use std::thread;

    let cache = Cache::new(10_000);
    let threads: Vec<_> = (0..4_u32)
        .map(|thread| {
            let cache = cache.clone();
            thread::spawn(move || {
                for key in thread * 50..thread * 50 + 50 {
                    cache.insert(key, format!("value {key}"));
                    assert_eq!(cache.get(&key), Some(format!("value {key}")));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    cache.invalidate(&7);
    assert!(!cache.contains_key(&7) && cache.contains_key(&8));
}

#[test]
fn one_thread_has_a_cache_with_a_weigher_and_times() {
    use cache_core::Cache; // was: use mini_moka::unsync::Cache;
    use std::time::Duration;

    let cache = Cache::builder() // was: let mut cache = Cache::builder()
        .weigher(|_key, value: &String| value.len() as u32)
        .max_capacity(1_000)
        .time_to_live(Duration::from_secs(60))
        .time_to_idle(Duration::from_secs(10))
        .build();
    cache.insert(1, "one".to_string());
    assert_eq!(cache.get(&1), Some("one".to_string())); // was: .., Some(&"one".to_string()));
    assert_eq!(cache.weighted_size(), 3);
}
