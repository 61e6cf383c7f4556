//! One server that works.

use std::time::{Duration, SystemTime};

use cache_core::tier::{Filled, Tier, TierError};

use crate::harness::cases;
use crate::memcached::Server;
use crate::tiers::{MINUTE, patient, value, won};

cases![
    what_is_put_is_found_until_it_is_removed,
    lives_are_kept_up_to_forty_days,
    a_short_life_ends,
    hostile_keys_are_keys_like_others,
    the_wire_key_is_readable,
    values_may_be_any_bytes,
    an_oversized_value_keeps_the_old_one,
    the_largest_value_fits,
    foreign_values_are_given_out,
    a_larger_foreign_value_is_an_error_and_no_outage,
    namespaces_are_apart,
];

fn what_is_put_is_found_until_it_is_removed() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    assert_eq!(tier.get(b"key"), Ok(None));
    assert_eq!(tier.remove(b"key"), Ok(false));
    tier.put(b"key", b"value", None).expect("stored");
    let item = tier.get(b"key").expect("an answer").expect("an item");
    assert_eq!((&item.value[..], item.life, item.distrusted_before), (&b"value"[..], None, None));
    assert_eq!(value(&tier.clone(), b"key").as_deref(), Some(&b"value"[..]));
    assert_eq!(tier.remove(b"key"), Ok(true));
    assert_eq!(tier.get(b"key"), Ok(None));
    assert_eq!(tier.health(), Default::default());
}

fn lives_are_kept_up_to_forty_days() {
    const DAY: u64 = 86_400;
    let server = Server::start();
    let tier = patient([server.address()]).build();
    for days in [1, 30, 31, 40, 400] {
        let life = Duration::from_secs(days * DAY);
        let key = format!("days:{days}");
        tier.put(key.as_bytes(), b"value", Some(life)).expect("stored");
        let lease = won(&tier, format!("lease:{days}").as_bytes());
        let filled = tier.fill(format!("lease:{days}").as_bytes(), lease, b"value", Some(life));
        assert_eq!(filled, Ok(Filled::Stored));
        for key in [key, format!("lease:{days}")] {
            let item = tier.get(key.as_bytes()).expect("an answer").expect("an item");
            let left = item.life.expect("an end");
            assert!(left <= life + Duration::from_secs(2), "{days} days: {left:?}");
            assert!(left + MINUTE >= life, "{days} days: {left:?}");
        }
    }
    tier.put(b"ever", b"value", Some(Duration::MAX)).expect("stored");
    let life = tier.get(b"ever").expect("an answer").expect("an item").life.expect("an end");
    assert!(life >= Duration::from_secs(30 * DAY - 60), "{life:?}");
}

fn a_short_life_ends() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    let start = SystemTime::now();
    tier.put(b"key", b"value", Some(Duration::from_millis(1))).expect("stored");
    crate::harness::wait_until(|| value(&tier, b"key").is_none());
    assert!(start.elapsed().expect("later") < Duration::from_secs(20));
}

fn hostile_keys_are_keys_like_others() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    let long = [b'k'; 300];
    let longer = [&long[..], b"!"].concat();
    let keys: [&[u8]; 14] = [
        b"",
        b" ",
        b"a b",
        b"x\r\nflush_all\r\n",
        b"x 0 0 1\r\n1\r\nmd y",
        b"\0",
        b"\0\0",
        b"\xff\xfe",
        "schl\u{fc}ssel".as_bytes(),
        b"~h:0123",
        b"~g:counter",
        b"~i:0123456789abcdef:key",
        &long,
        &longer,
    ];
    tier.put(b"innocent", b"stays", None).expect("stored");
    for (number, key) in keys.iter().enumerate() {
        tier.put(key, &[number as u8], Some(MINUTE)).expect("stored");
    }
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(value(&tier, key), Some(vec![number as u8]), "{key:?}");
        // Of these keys, too, an empty one may be on the server that holds the lease.
        let other = [b"x", *key].concat();
        let lease = won(&tier, &other);
        assert_eq!(tier.get(&other), Ok(None), "{key:?}");
        assert_eq!(tier.fill(&other, lease, b"v", None), Ok(Filled::Stored), "{key:?}");
        assert_eq!(value(&tier, &other).as_deref(), Some(&b"v"[..]));
    }
    let found = tier.get_many(&keys);
    for (number, found) in found.into_iter().enumerate() {
        assert_eq!(found.expect("an answer").expect("an item").value, [number as u8]);
    }
    for key in keys {
        assert_eq!(tier.remove(key), Ok(true), "{key:?}");
        assert_eq!(tier.get(key), Ok(None), "{key:?}");
    }
    assert_eq!(value(&tier, b"innocent").as_deref(), Some(&b"stays"[..]));
}

fn the_wire_key_is_readable() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    tier.put(b"users:1:7:42", b"value", None).expect("stored");
    assert_eq!(server.say("mg test:users:1:7:42 v"), "VA 5\r\nvalue");
    assert_eq!(server.say("get test:users:1:7:42"), "VALUE test:users:1:7:42 0 5\r\nvalue\r\nEND");
}

fn values_may_be_any_bytes() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    let all: Vec<u8> = (0..=255).collect();
    for bytes in [&b""[..], b"\r\n", b"END\r\nVA 1\r\n", &all, &all.repeat(300)] {
        tier.put(b"key", bytes, None).expect("stored");
        assert_eq!(value(&tier, b"key").as_deref(), Some(bytes));
        assert!(matches!(
            crate::tiers::leased(&tier, b"key"),
            cache_core::tier::Leased::Found { item, lease: None, is_stale: false }
                if item.value == bytes
        ));
    }
}

fn an_oversized_value_keeps_the_old_one() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    tier.put(b"key", b"old", None).expect("stored");
    let large = vec![b'x'; 1_024 * 1_024];
    let refused = tier.put(b"key", &large, None).expect_err("too large");
    let TierError::TooLarge { size, limit } = refused else { panic!("{refused}") };
    assert_eq!((size, limit), (large.len(), 1_024 * 1_024 - 512));
    let lease = won(&tier, b"other");
    assert!(matches!(tier.fill(b"other", lease, &large, None), Err(TierError::TooLarge { .. })));
    assert_eq!(value(&tier, b"key").as_deref(), Some(&b"old"[..]));
    assert_eq!(tier.fill(b"other", lease, b"small", None), Ok(Filled::Stored));
}

fn the_largest_value_fits() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    let key = vec![b'k'; tier.max_key_len()];
    let large: Vec<u8> = (0..1_024 * 1_024 - 512).map(|at| (at % 251) as u8).collect();
    tier.put(&key, &large, None).expect("it is what a server takes by default");
    assert_eq!(value(&tier, &key), Some(large));
}

fn foreign_values_are_given_out() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    assert_eq!(server.say("set test:key 5 0 7\r\nforeign"), "STORED");
    assert_eq!(value(&tier, b"key").as_deref(), Some(&b"foreign"[..]));
    assert_eq!(server.say("set test:key 0 0 0\r\n"), "STORED");
    assert_eq!(value(&tier, b"key").as_deref(), Some(&b""[..]));
}

fn a_larger_foreign_value_is_an_error_and_no_outage() {
    let server = Server::start();
    let tier = patient([server.address()]).max_value_size(100).build();
    tier.put(b"key", b"value", None).expect("stored");
    assert_eq!(server.say(&format!("set test:big 0 0 101\r\n{:101}", 0)), "STORED");
    for _ in 0..20 {
        let refused = tier.get(b"big").expect_err("too large");
        assert!(matches!(&refused, TierError::Protocol(why) if why.contains("101")), "{refused}");
    }
    let item = tier.get(b"key").expect("no breaker is open").expect("an item");
    assert_eq!(item.distrusted_before, None);
    assert_eq!(tier.health(), Default::default());
    assert_eq!(tier.remove(b"big"), Ok(true));
}

fn namespaces_are_apart() {
    let server = Server::start();
    let one = patient([server.address()]).build();
    let other = patient([server.address()]).namespace("other").build();
    one.put(b"key", b"one", None).expect("stored");
    assert_eq!(value(&other, b"key"), None);
    assert_eq!(one.bump(b"counter", 5), Ok(5));
    assert_eq!(other.generation(b"counter", 3), Ok(3));
}
