//! Programs for `lru::LruCache`, which one thread has for itself.

#[test]
fn values_are_put_and_got() {
    let cache = cache_core::Cache::new(4); // was: let mut cache = lru::LruCache::new(FOUR);
    for (fruit, pieces) in [("apple", 3), ("banana", 2), ("banana", 4)] {
        cache.insert(fruit, pieces); // was: cache.put(fruit, pieces);
    }
    assert_eq!(cache.get("apple"), Some(3)); // was: ..get(&"apple"), Some(&3));
    assert!(cache.get("pear").is_none() && cache.contains_key("banana"));
}

#[test]
fn values_are_popped() {
    let cache = cache_core::Cache::new(4); // was: let mut cache = lru::LruCache::new(FOUR);
    cache.insert("apple", 3); // was: cache.put("apple", 3);
    let popped = cache.remove("apple"); // was: cache.pop("apple");
    assert_eq!(popped, Some(3));
}

#[test]
fn the_capacity_is_never_exceeded() {
    let cache = cache_core::Cache::new(3); // was: let mut cache = lru::LruCache::new(THREE);
    for number in 0..10 {
        cache.insert(number, number * number); // was: cache.put(number, number * number);
        assert!(cache.entry_count() <= 3); // was: assert!(cache.len() <= 3);
    }
}

#[test]
fn a_missing_value_is_inserted() {
    let cache = cache_core::Cache::new(9); // was: let mut cache = lru::LruCache::new(NINE);
    for word in ["one", "three", "one"] {
        let length = cache.get_with(word, || word.len()); // was: *cache.get_or_insert(word, ..);
        assert_eq!(length, word.len());
    }
}

#[test]
fn all_entries_are_visited_and_cleared() {
    let cache = cache_core::Cache::new(9); // was: let mut cache = lru::LruCache::unbounded();
    for number in 0..3 {
        cache.insert(number, 10 * number); // was: cache.put(number, 10 * number);
    }
    let sum: i32 = cache.iter().map(|(_, value)| value).sum();
    assert_eq!(sum, 30);
    cache.invalidate_all(); // was: cache.clear();
    assert!(cache.iter().next().is_none());
}
