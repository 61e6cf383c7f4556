//! Servers and networks that fail.

use std::time::{Duration, SystemTime};

use cache_core::FakeClock;
use cache_core::tier::{Filled, LeaseTerms, Leased, Tier, TierError};
use cache_memcached::Memcached;

use crate::harness::{cases, wait_until};
use crate::memcached::{Server, free_port};
use crate::proxy::{Fate, Proxy};
use crate::tiers::{MINUTE, bounded, patient, strict, value, won};

cases![
    a_tier_is_made_while_the_server_is_down,
    every_call_to_a_hung_server_ends_in_time,
    every_call_to_a_dead_server_ends_in_time,
    the_breaker_opens_and_closes,
    the_breaker_is_probed_by_one_call,
    a_restarted_server_is_empty_and_used_at_once,
    what_is_from_before_an_outage_is_distrusted,
    a_restart_while_idle_is_an_outage,
    what_comes_back_with_old_data_is_distrusted,
    a_write_that_arrives_late_replaces_no_later_one,
    a_late_reply_answers_no_other_request,
    a_reply_that_trickles_in_is_bounded_as_a_whole,
    half_a_reply_is_an_error,
    broken_replies_are_errors,
    a_reply_to_another_request_is_an_error,
    an_unknown_outcome_is_an_error,
    threads_share_a_tier,
];

const CONNECT: Duration = Duration::from_millis(100);
const EXCHANGE: Duration = Duration::from_millis(50);

/// Every operation, each of which must fail.
fn all_fail(tier: &Memcached) {
    let terms = LeaseTerms::new(Duration::from_secs(2));
    let limit = CONNECT + EXCHANGE;
    bounded(limit, || tier.get(b"key")).expect_err("get");
    bounded(limit, || tier.lease(b"key", terms)).expect_err("lease");
    bounded(limit, || tier.fill(b"key", crate::tiers::made_up(), b"v", None)).expect_err("fill");
    bounded(limit, || tier.put(b"key", b"value", None)).expect_err("put");
    bounded(limit, || tier.remove(b"key")).expect_err("remove");
    bounded(limit, || tier.mark_stale(b"key", limit)).expect_err("mark_stale");
    bounded(limit, || tier.generation(b"key", 1)).expect_err("generation");
    bounded(limit, || tier.bump(b"key", 1)).expect_err("bump");
    let many = bounded(limit, || tier.get_many(&[b"a", b"b"]));
    assert!(many.len() == 2 && many.iter().all(Result::is_err));
}

fn a_tier_is_made_while_the_server_is_down() {
    let address = format!("127.0.0.1:{}", free_port());
    let tier = strict([address.clone()]).build();
    assert_eq!(tier.check(), Ok(()));
    let failed = bounded(CONNECT, || tier.get(b"key")).expect_err("nobody is there");
    assert!(matches!(&failed, TierError::Unreachable(why) if why.contains(&address)), "{failed}");
    let named = Memcached::connect(["no-such-host.invalid:11211"]);
    assert_eq!(named.check(), Ok(()));
    bounded(CONNECT, || named.get(b"key")).expect_err("no such host");
}

fn every_call_to_a_hung_server_ends_in_time() {
    let server = Server::start();
    let clock = FakeClock::new();
    let tier = strict([server.address()]).clock(clock.clone()).build();
    tier.put(b"key", b"value", None).or_else(|_| tier.put(b"key", b"value", None)).expect("stored");
    server.hang();
    assert_eq!(bounded(EXCHANGE, || tier.get(b"key")), Err(TierError::TimedOut));
    all_fail(&tier);
    assert_eq!(tier.get(b"key"), Err(TierError::BreakerOpen));
    assert_eq!(tier.health().servers_out, 1);
    server.go_on();
    wait_until(|| {
        clock.advance(Duration::from_secs(30));
        tier.get(b"key").is_ok_and(|item| item.is_some())
    });
    assert_eq!(tier.health().servers_out, 0);
}

fn every_call_to_a_dead_server_ends_in_time() {
    let mut server = Server::start();
    let tier = strict([server.address()]).build();
    wait_until(|| tier.put(b"key", b"value", None).is_ok());
    server.kill();
    all_fail(&tier);
    assert_eq!(tier.health().servers_out, 1);
}

fn the_breaker_opens_and_closes() {
    let mut server = Server::start();
    let clock = FakeClock::new();
    let tier = patient([server.address()]).clock(clock.clone()).build();
    tier.put(b"key", b"value", None).expect("stored");
    server.kill();
    for _ in 0..5 {
        let failed = tier.get(b"key").expect_err("it is dead");
        assert!(matches!(failed, TierError::Unreachable(_)), "{failed}");
    }
    for rest in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(tier.get(b"key"), Err(TierError::BreakerOpen));
        clock.advance(Duration::from_secs(rest));
        let failed = tier.get(b"key").expect_err("it is dead");
        assert!(matches!(failed, TierError::Unreachable(_)), "{failed}");
    }
    server.restart();
    assert_eq!(tier.get(b"key"), Err(TierError::BreakerOpen));
    clock.advance(Duration::from_secs(30));
    assert_eq!(tier.get(b"key"), Ok(None));
    assert_eq!(tier.get(b"key"), Ok(None));
    let health = tier.health();
    assert_eq!((health.breaker_openings, health.servers_out), (8, 0));
}

fn the_breaker_is_probed_by_one_call() {
    let server = Server::start();
    let clock = FakeClock::new();
    let tier = strict([server.address()])
        .exchange_timeout(Duration::from_millis(500))
        .connect_timeout(Duration::from_secs(5))
        .clock(clock.clone())
        .build();
    server.hang();
    (0..5).for_each(|_| drop(tier.get(b"key").expect_err("it hangs")));
    clock.advance(Duration::from_secs(1));
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| tier.get(b"key"))).collect();
        calls.into_iter().map(|call| call.join().expect("no panic")).collect()
    });
    let probes = outcomes.iter().filter(|it| **it == Err(TierError::TimedOut)).count();
    let refused = outcomes.iter().filter(|it| **it == Err(TierError::BreakerOpen)).count();
    assert_eq!((probes, refused), (1, 3), "{outcomes:?}");
    server.go_on();
}

fn a_restarted_server_is_empty_and_used_at_once() {
    let mut server = Server::start();
    let tier = patient([server.address()]).build();
    tier.put(b"key", b"value", None).expect("stored");
    let lease = won(&tier, b"other");
    server.restart();
    // No call fails: the connection that waited is seen to be closed.
    assert_eq!(tier.get(b"key"), Ok(None));
    assert_eq!(tier.fill(b"other", lease, b"old", None), Ok(Filled::Refused));
    assert_eq!(tier.health().breaker_openings, 0);
}

fn what_is_from_before_an_outage_is_distrusted() {
    let server = Server::start();
    let tier = strict([server.address()]).connect_timeout(Duration::from_secs(5)).build();
    wait_until(|| tier.put(b"key", b"old", None).is_ok());
    let before = SystemTime::now();
    server.hang();
    tier.get(b"key").expect_err("it hangs");
    server.go_on();
    let mut found = None;
    wait_until(|| {
        found = tier.get(b"key").ok().flatten();
        found.is_some()
    });
    let distrusted = found.expect("an item").distrusted_before.expect("there was an outage");
    assert!(distrusted > before);
    assert!(distrusted <= SystemTime::now() + Duration::from_millis(1));
    let again = tier.get_many(&[b"key"]).remove(0).expect("an answer").expect("an item");
    assert!(again.distrusted_before >= Some(distrusted));
    let terms = LeaseTerms::new(Duration::from_secs(2));
    let Ok(Leased::Found { item, .. }) = tier.lease(b"key", terms) else { panic!("an item") };
    assert!(item.distrusted_before >= Some(distrusted));
}

fn a_restart_while_idle_is_an_outage() {
    let mut server = Server::start();
    let tier = patient([server.address()]).build();
    tier.put(b"key", b"value", None).expect("stored");
    let before = SystemTime::now();
    server.restart();
    // As if it had come back with old data.
    assert_eq!(server.say("set test:key 0 0 3\r\nold"), "STORED");
    let item = tier.get(b"key").expect("an answer").expect("an item");
    assert!(item.distrusted_before.is_some_and(|end| end > before), "{item:?}");
}

fn what_comes_back_with_old_data_is_distrusted() {
    let folder = std::env::temp_dir().join(format!("cache-memcached-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut server = Server::keeping(&folder);
    let tier = patient([server.address()]).clock(FakeClock::new()).build();
    let other = patient([server.address()]).clock(FakeClock::new()).build();
    tier.put(b"key", b"old", Some(MINUTE)).expect("stored");
    server.end_in_order();
    let end = SystemTime::now();
    other.remove(b"key").expect_err("the server is down");
    server.restart();
    // This process has seen nothing of it but that its connection has ended.
    let item = tier.get(b"key").expect("an answer");
    std::fs::remove_dir_all(&folder).expect("it is ours");
    let item = item.expect("the server has kept it");
    assert_eq!(item.value, b"old");
    assert!(item.distrusted_before.is_some_and(|before| before > end), "{item:?}");
}

/// Packets are lost, and are sent again when the call has long returned an error.
fn a_write_that_arrives_late_replaces_no_later_one() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let other = patient([server.address()]).build();
    for (round, is_removed) in [false, true, false, true].into_iter().enumerate() {
        if round < 2 {
            other.put(b"key", b"old", None).expect("stored");
        }
        let limit = Duration::from_millis(300);
        let tier = patient([proxy.address()]).clock(FakeClock::new()).exchange_timeout(limit);
        let tier = tier.build();
        proxy.hold(b"late");
        wait_until(|| tier.put(b"key", b"late", None).is_err() && proxy.is_holding());
        let later = match is_removed {
            true => other.remove(b"key").map(|_| None),
            false => other.put(b"key", b"later", None).map(|()| Some(&b"later"[..])),
        };
        proxy.deliver();
        assert_eq!(value(&other, b"key").as_deref(), later.expect("an answer"), "{is_removed}");
    }
}

fn a_late_reply_answers_no_other_request() {
    let limit = Duration::from_millis(200);
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let put = patient([server.address()]).build();
    put.put(b"one", b"1", None).expect("stored");
    put.put(b"two", b"2", None).expect("stored");
    for _ in 0..3 {
        let tier = patient([proxy.address()]).exchange_timeout(limit).build();
        wait_until(|| tier.get(b"two").is_ok());
        proxy.next(Fate::Late(4 * limit));
        assert_eq!(tier.get(b"one"), Err(TierError::TimedOut));
        let has_two = || tier.get(b"two").map(|item| item.expect("an item").value);
        wait_until(|| has_two().is_ok_and(|value| value == b"2"));
        std::thread::sleep(4 * limit);
        wait_until(|| has_two().is_ok_and(|value| value == b"2"));
    }
}

fn a_reply_that_trickles_in_is_bounded_as_a_whole() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let tier = strict([proxy.address()]).build();
    wait_until(|| tier.put(b"key", &[b'x'; 2_000], None).is_ok());
    // Each byte comes in time, all of them in two seconds.
    proxy.next(Fate::Trickled(Duration::from_millis(1)));
    assert_eq!(bounded(EXCHANGE, || tier.get(b"key")), Err(TierError::TimedOut));
}

fn half_a_reply_is_an_error() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let tier = patient([proxy.address()]).clock(FakeClock::new()).build();
    tier.put(b"key", b"a value of some length", None).expect("stored");
    for at in [0, 1, 5, 30, 45] {
        let tier = patient([proxy.address()]).build();
        proxy.next(Fate::Cut(at));
        let failed = tier.get(b"key").expect_err("half a reply");
        assert!(matches!(failed, TierError::Unreachable(_)), "{at}: {failed}");
        assert_eq!(value(&tier, b"key").as_deref(), Some(&b"a value of some length"[..]));
    }
}

fn broken_replies_are_errors() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let broken = [
        &b"\0\xff\xfe garbage\r\n"[..],
        b"VA 18446744073709551615 t-1 c1 ktest:key O1\r\n",
        b"VA 4294967295 t-1 c1 ktest:key O1\r\n",
        b"VA 5 t-1\r\nhello\r\n",
        b"HD\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"ERROR\r\n",
        &[b'x'; 60_000],
    ];
    for bytes in broken {
        let tier = patient([proxy.address()]).build();
        tier.put(b"key", b"value", None).expect("stored");
        proxy.next(Fate::Replaced(bytes.to_vec()));
        let failed = tier.get(b"key").expect_err("no reply");
        assert!(matches!(failed, TierError::Protocol(_)), "{failed}");
        assert_eq!(value(&tier, b"key").as_deref(), Some(&b"value"[..]));
    }
}

fn a_reply_to_another_request_is_an_error() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let (one, two) = (patient([proxy.address()]).build(), patient([proxy.address()]).build());
    one.put(b"one", b"1", None).expect("stored");
    one.put(b"two", b"2", None).expect("stored");
    // Of the same connection, and of another's.
    for tier in [&one, &two] {
        assert_eq!(value(&one, b"one").as_deref(), Some(&b"1"[..]));
        proxy.next(Fate::Swapped);
        let failed = tier.get(b"two").expect_err("it is the reply to `one`");
        assert!(matches!(&failed, TierError::Protocol(why) if why.contains("another")), "{failed}");
        assert_eq!(value(tier, b"two").as_deref(), Some(&b"2"[..]));
    }
    // The same key, but an earlier reply.
    assert_eq!(value(&one, b"one").as_deref(), Some(&b"1"[..]));
    proxy.next(Fate::Swapped);
    one.get(b"one").expect_err("it is an earlier reply");
}

fn an_unknown_outcome_is_an_error() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let tier = patient([proxy.address()]).build();
    tier.put(b"key", b"value", None).expect("stored");
    proxy.next(Fate::Cut(0));
    tier.remove(b"key").expect_err("nobody knows");
    assert_eq!(value(&tier, b"key"), None, "it was removed all the same");
    let lease = won(&tier, b"key");
    proxy.next(Fate::Cut(2));
    tier.fill(b"key", lease, b"new", None).expect_err("nobody knows");
    let item = tier.get(b"key").expect("an answer").expect("an item");
    assert!(item.distrusted_before.is_some());
}

fn threads_share_a_tier() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let tier = tier.clone();
            scope.spawn(move || {
                for round in 0..200 {
                    let key = format!("key:{thread}:{}", round % 7);
                    tier.put(key.as_bytes(), key.as_bytes(), None).expect("stored");
                    assert_eq!(value(&tier, key.as_bytes()).as_deref(), Some(key.as_bytes()));
                }
            });
        }
    });
}
