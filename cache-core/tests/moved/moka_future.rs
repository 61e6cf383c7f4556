//! Programs for `moka::future::Cache`: what may wait has `_async` added, all else loses `.await`.

#[test]
fn tasks_share_a_cache() {
    use cache_core::Cache; // was: use moka::future::Cache;

    block_on(async {
        let cache = Cache::new(1_000);
        let tasks: Vec<_> = (0..4)
            .map(|task| {
                let cache = cache.clone();
                tokio::spawn(async move {
                    for number in task * 10..task * 10 + 10 {
                        cache.insert(number, number.to_string()); // was: ..).await;
                        let text = cache.get(&number); // was: ..).await;
                        assert_eq!(text, Some(number.to_string()));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!((0..40).all(|number| cache.contains_key(&number)));
    });
}

#[test]
fn one_of_many_tasks_makes_the_value() {
    use cache_core::Cache; // was: use moka::future::Cache;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    block_on(async {
        let (cache, made) = (Cache::new(100), Arc::new(AtomicU32::new(0)));
        let get = |own: u32| {
            let (cache, made) = (cache.clone(), made.clone());
            async move {
                let init = async {
                    tokio::task::yield_now().await;
                    made.fetch_add(1, Ordering::SeqCst);
                    own
                };
                cache.get_with_async("key", init).await // was: cache.get_with(..
            }
        };
        let values = tokio::join!(get(1), get(2), get(3));
        assert!(values.0 == values.1 && values.1 == values.2);
        assert_eq!(made.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_failing_load_is_shared_and_not_stored() {
    use cache_core::Cache; // was: use moka::future::Cache;

    block_on(async {
        let ports: Cache<String, u16> = Cache::new(100);
        let parse = |text: &'static str| async { text.parse::<u16>() };
        let name = "http".to_string();
        let port = ports.try_get_with_async(name, parse("eighty")).await; // was: .._with(
        assert!(port.is_err());
        let port = ports.try_get_with_by_ref_async("http", parse("80")).await; // was: .._by_ref(
        assert_eq!(port, Ok(80));
    });
}

#[test]
fn a_load_may_find_nothing() {
    use cache_core::Cache; // was: use moka::future::Cache;

    block_on(async {
        let names: Cache<u32, String> = Cache::new(100);
        let none = names.optionally_get_with_async(1, async { None }).await; // was: .._with(
        assert_eq!(none, None);
        let found = async { Some("Ann".to_string()) };
        let name = names.optionally_get_with_async(1, found).await; // was: .._with(
        assert_eq!(name.as_deref(), Some("Ann"));
        assert!(names.contains_key(&1));
    });
}

#[test]
fn an_entry_is_upserted_by_a_future() {
    use cache_core::Cache; // was: use moka::future::Cache;
    use std::future::ready;

    block_on(async {
        let counts: Cache<String, u64> = Cache::new(100);
        for expected in [1, 2, 3] {
            let entry = counts
                .entry_by_ref("key")
                // was: .and_upsert_with(|old| ready(old.map_or(1, |entry| entry.into_value() + 1)))
                .and_upsert_with_async(|old| ready(old.map_or(1, |entry| entry.into_value() + 1)))
                .await;
            assert_eq!(*entry.value(), expected);
            assert_eq!(entry.is_old_value_replaced(), expected > 1);
        }
    });
}

#[test]
fn a_computation_awaits_before_it_decides() {
    use cache_core::{Cache, CompResult, Op}; // was: use moka::{future::Cache, ops::compute::*};

    block_on(async {
        let stock: Cache<&'static str, u32> = Cache::new(100);
        let take_one = |item| {
            // was: stock.entry(item).and_compute_with(async |left| {
            stock.entry(item).and_compute_with_async(async |left| {
                tokio::task::yield_now().await;
                match left.map(|entry| entry.into_value()) {
                    None => Op::Put(2),
                    Some(1) => Op::Remove,
                    Some(left) => Op::Put(left - 1),
                }
            })
        };
        assert!(matches!(take_one("tea").await, CompResult::Inserted(_)));
        assert!(matches!(take_one("tea").await, CompResult::ReplacedWith(_)));
        assert!(matches!(take_one("tea").await, CompResult::Removed(_)));
    });
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(future)
}
