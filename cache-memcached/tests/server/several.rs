//! Several servers.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_core::tier::Tier;

use crate::harness::cases;
use crate::memcached::Server;
use crate::tiers::{bounded, patient, strict, value};

cases![
    keys_are_spread_and_found_by_every_process,
    get_many_is_in_order_however_many,
    a_dead_server_fails_its_own_keys_only,
    a_server_that_is_added_takes_only_its_share,
];

fn keys(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("key:{number}").into_bytes()).collect()
}

fn keys_are_spread_and_found_by_every_process() {
    let servers: Vec<_> = (0..3).map(|_| Server::start()).collect();
    let addresses: Vec<_> = servers.iter().map(Server::address).collect();
    let one = patient(addresses.clone()).build();
    let other = patient(addresses.into_iter().rev()).build();
    for key in keys(90) {
        one.put(&key, &key, None).expect("stored");
        assert_eq!(value(&other, &key).as_ref(), Some(&key));
    }
    for server in &servers {
        let items = server.say("stats");
        let count = items.split("STAT curr_items ").nth(1).expect("a count");
        let count: u32 = count.split('\r').next().expect("a line").parse().expect("a number");
        assert!((10..60).contains(&count), "{count} of 90");
    }
}

fn get_many_is_in_order_however_many() {
    let servers: Vec<_> = (0..3).map(|_| Server::start()).collect();
    let tier = patient(servers.iter().map(Server::address)).build();
    let keys = keys(2_000);
    for key in keys.iter().step_by(3) {
        tier.put(key, &[&key[..], &[b'.'; 1_000]].concat(), None).expect("stored");
    }
    let names: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let found = tier.get_many(&names);
    assert_eq!(found.len(), keys.len());
    for (number, (found, key)) in found.into_iter().zip(&keys).enumerate() {
        let item = found.expect("an answer");
        assert_eq!(item.is_some(), number % 3 == 0);
        assert!(item.is_none_or(|item| item.value.starts_with(key)));
    }
    assert!(tier.get_many(&[]).is_empty());
}

fn a_dead_server_fails_its_own_keys_only() {
    let mut servers: Vec<_> = (0..3).map(|_| Server::start()).collect();
    let tier = strict(servers.iter().map(Server::address))
        .exchange_timeout(Duration::from_secs(2))
        .build();
    let keys = keys(60);
    let names: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    names.iter().for_each(|key| tier.put(key, key, None).expect("stored"));
    for failure in ["killed", "hung"] {
        let limit = if failure == "killed" {
            servers[0].kill();
            Duration::from_millis(100)
        } else {
            servers[1].hang();
            Duration::from_secs(2)
        };
        let found = bounded(limit, || tier.get_many(&names));
        let failed = found.iter().filter(|found| found.is_err()).count();
        assert!((5..55).contains(&failed), "{failure}: {failed} of 60");
        for (found, key) in found.iter().zip(&names) {
            let item = found.as_ref().ok().and_then(Option::as_ref);
            assert!(item.is_none_or(|item| item.value == *key), "{failure}");
            assert!(found.is_err() || item.is_some(), "{failure}: an item was lost");
        }
    }
    servers[1].go_on();
    // The keys of the dead servers stay theirs, so nothing moves to the living one.
    let living = names.iter().filter(|key| tier.get(key).is_ok_and(|it| it.is_some())).count();
    assert!((5..55).contains(&living), "{living} of 60");
}

fn a_server_that_is_added_takes_only_its_share() {
    let servers: Vec<_> = (0..4).map(|_| Server::start()).collect();
    let before = patient(servers[..3].iter().map(Server::address)).build();
    let after = patient(servers.iter().map(Server::address)).build();
    let mut counts = BTreeMap::new();
    for key in keys(400) {
        before.put(&key, &key, None).expect("stored");
        *counts.entry(value(&after, &key).is_some()).or_insert(0) += 1;
    }
    let moved = counts[&false];
    assert!((60..140).contains(&moved), "{moved} of 400");
}
