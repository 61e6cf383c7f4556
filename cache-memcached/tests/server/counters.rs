//! Counters, as several processes raise them.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use cache_core::tier::Tier;

use crate::harness::cases;
use crate::memcached::Server;
use crate::tiers::patient;

cases![
    a_counter_is_read_and_raised,
    a_lost_counter_begins_with_what_it_is_to_be_at_least,
    concurrent_bumps_are_all_counted,
    concurrent_bumps_of_a_missing_or_low_counter_all_differ,
    a_foreign_value_does_not_stop_flushes,
];

fn a_counter_is_read_and_raised() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    assert_eq!(tier.generation(b"name", 100), Ok(100));
    assert_eq!(tier.generation(b"name", 50), Ok(100));
    // Reading it raises nothing: it is read with the time of each look.
    assert_eq!(tier.generation(b"name", 200), Ok(100));
    assert_eq!(tier.bump(b"name", 0), Ok(101));
    assert_eq!(tier.bump(b"name", 300), Ok(300));
    assert_eq!(tier.bump(b"name", 300), Ok(301));
    assert_eq!(tier.bump(b"name", 302), Ok(302));
    assert_eq!(tier.bump(b"other", 7), Ok(7));
    assert_eq!(server.say("mg test:~g:name v t"), "VA 3 t-1\r\n302");
    assert_eq!(tier.generation(b"a name that no key may have\r\n", 1), Ok(1));
    assert_eq!(tier.generation(&[b'n'; 400], 1), Ok(1));
}

fn a_lost_counter_begins_with_what_it_is_to_be_at_least() {
    let mut server = Server::start();
    let tier = patient([server.address()]).build();
    assert_eq!(tier.generation(b"name", 1_000), Ok(1_000));
    server.restart();
    assert_eq!(tier.generation(b"name", 2_000), Ok(2_000));
    server.restart();
    assert_eq!(tier.bump(b"name", 3_000), Ok(3_000));
}

fn concurrent_bumps_are_all_counted() {
    const PROCESSES: u64 = 4;
    const BUMPS: u64 = 200;
    let server = Server::start();
    let address = server.address();
    patient([address.clone()]).build().generation(b"name", 1_000).expect("an answer");
    let bumped: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..PROCESSES)
            .map(|_| {
                let tier = patient([address.clone()]).build();
                scope.spawn(move || {
                    let bumps = (0..BUMPS).map(|_| tier.bump(b"name", 0).expect("an answer"));
                    bumps.collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let different: BTreeSet<_> = bumped.iter().collect();
    assert_eq!(different.len() as u64, PROCESSES * BUMPS);
    let tier = patient([address]).build();
    assert_eq!(tier.generation(b"name", 0), Ok(1_000 + PROCESSES * BUMPS));
}

fn concurrent_bumps_of_a_missing_or_low_counter_all_differ() {
    let server = Server::start();
    for round in 0..80_u64 {
        let name = format!("name:{round}");
        if round % 2 == 0 {
            assert_eq!(server.say(&format!("ms test:~g:{name} 1\r\n7")), "HD");
        }
        let together = Barrier::new(4);
        let bumped: Vec<u64> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let tier = patient([server.address()]).build();
                    let (name, together) = (name.as_bytes(), &together);
                    // Connected before.
                    assert_eq!(tier.get(b"key"), Ok(None));
                    scope.spawn(move || {
                        together.wait();
                        tier.bump(name, 500).expect("an answer")
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let different: BTreeSet<_> = bumped.iter().copied().collect();
        assert_eq!(different, (500..504).collect(), "{bumped:?}");
    }
}

fn a_foreign_value_does_not_stop_flushes() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    for foreign in ["nonsense", "-5", "", "99999999999999999999999", "18446744073709551615"] {
        let store = format!("ms test:~g:name {}\r\n{foreign}", foreign.len());
        assert_eq!(server.say(&store), "HD");
        assert_eq!(tier.generation(b"name", 1_000), Ok(1_000), "{foreign}");
        assert_eq!(server.say(&store), "HD");
        assert_eq!(tier.bump(b"name", 2_000), Ok(2_000), "{foreign}");
        assert_eq!(tier.bump(b"name", 2_000), Ok(2_001), "{foreign}");
    }
}
