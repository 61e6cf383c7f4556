//! The tiered cache over a real server: that the two go together. What a tiered cache promises is
//! tested in cache-core.

use std::time::Duration;

use cache_core::tier::{TieredCache, TieredCacheBuilder};
use cache_memcached::{Hearing, Memcached};

use crate::harness::{cases, wait_until};
use crate::memcached::Server;
use crate::tiers::{MINUTE, patient};

cases![
    processes_share_what_one_has_loaded,
    an_invalidation_is_heard_by_another_process,
    a_flush_is_heard_by_another_process,
    a_flush_is_heard_by_the_watch_without_a_poll,
    a_dead_server_fails_no_load,
];

type Users = TieredCache<u64, String>;

/// A cache as a process of its own would have it.
fn users(tier: Memcached) -> TieredCacheBuilder<u64, String> {
    let builder = Users::builder("users").tier(tier);
    builder.time_to_live(10 * MINUTE).memory_time_to_live(10 * MINUTE)
}

fn must_not_load() -> String {
    panic!("it is there")
}

fn processes_share_what_one_has_loaded() {
    let server = Server::start();
    let [one, other] = [(); 2].map(|()| users(patient([server.address()]).build()).build());
    assert_eq!(one.get_with(7, || "seven".into()), "seven");
    assert_eq!(other.get_with(7, must_not_load), "seven");
    assert_eq!(other.stats().remote.hits, 1);
    other.insert(8, "eight".into()).expect("stored");
    assert_eq!(one.get(&8).as_deref(), Some("eight"));
    one.invalidate(&8).expect("removed");
    assert_eq!(one.get(&8), None);
}

fn an_invalidation_is_heard_by_another_process() {
    let server = Server::start();
    let tiers = [(); 2].map(|()| patient([server.address()]).watch().build());
    let [one, other] = tiers.clone().map(|tier| users(tier).build());
    wait_until(|| tiers.iter().all(|tier| tier.hearing() == Hearing::Listening));
    for round in 0..20 {
        let old = format!("old {round}");
        one.insert(7, old.clone()).expect("stored");
        wait_until(|| other.get_with(7, must_not_load) == old);
        one.invalidate(&7).expect("removed");
        // Its memory would keep it for ten minutes.
        wait_until(|| other.memory().get(&7).is_none());
        assert_eq!(other.get_with(7, || "new".into()), "new");
    }
}

fn a_flush_is_heard_by_another_process() {
    let server = Server::start();
    let [one, other] = [(); 2].map(|()| {
        let builder = users(patient([server.address()]).build());
        builder.poll_period(Duration::from_millis(20)).build()
    });
    assert_eq!(one.get_with(7, || "old".into()), "old");
    assert_eq!(other.get_with(7, must_not_load), "old");
    one.invalidate_all().expect("flushed");
    wait_until(|| other.get(&7).is_none());
    assert_eq!(other.get_with(7, || "new".into()), "new");
    assert_eq!(one.get_with(7, must_not_load), "new");
}

fn a_flush_is_heard_by_the_watch_without_a_poll() {
    let server = Server::start();
    let tiers = [(); 2].map(|()| patient([server.address()]).watch().build());
    let [one, other] = tiers.clone().map(|tier| {
        let builder = users(tier).poll_period(Duration::from_secs(1_000));
        builder.build()
    });
    wait_until(|| tiers.iter().all(|tier| tier.hearing() == Hearing::Listening));
    for round in 1..=20 {
        assert_eq!(one.get_with(7, || "old".into()), "old");
        // The beginning of the watch, which empties memory, may come in between.
        wait_until(|| other.get_with(7, must_not_load) == "old");
        one.invalidate_all().expect("flushed");
        wait_until(|| other.stats().remote.flushes_heard == round);
        wait_until(|| other.memory().get(&7).is_none());
        assert_eq!(other.get(&7), None, "it asks by the names of after the flush");
    }
}

fn a_dead_server_fails_no_load() {
    let mut server = Server::start();
    let cache = users(Memcached::connect([server.address()])).build();
    server.kill();
    for key in 0..20 {
        assert_eq!(cache.get_with(key, || key.to_string()), key.to_string());
        assert_eq!(cache.get_with(key, must_not_load), key.to_string());
    }
    cache.invalidate(&3).expect_err("nobody knows whether others have it");
    assert_eq!(cache.get(&3), None);
    let wrong = users(Memcached::connect(["127.0.0.1"])).try_build().expect_err("no port");
    assert!(wrong.to_string().contains("write `host:port`"), "{wrong}");
}
