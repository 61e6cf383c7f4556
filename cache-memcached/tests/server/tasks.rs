//! The tier as tasks see it. What is said to the server is the same as for threads, so these are
//! about futures and runtimes.

use std::future::Future;
use std::time::Duration;

use cache_core::tier::{AsyncTier, Filled, LeaseTerms, Leased, Tier, TierError};
use cache_memcached::Memcached;
use tokio::runtime::{Builder, Runtime};

use crate::harness::{cases, wait_until};
use crate::memcached::Server;
use crate::proxy::{Fate, Proxy};
use crate::tiers::{MINUTE, bounded, patient, strict, value};

cases![
    each_operation_does_what_it_does_for_threads,
    get_many_asks_all_servers_at_once,
    a_dropped_future_takes_its_connection_with_it,
    a_dropped_probe_lets_another_through,
    calls_to_a_hung_server_end_in_time,
    a_late_reply_answers_no_other_request,
    runtimes_and_threads_share_connections,
    names_are_looked_up,
];

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn each_operation_does_what_it_does_for_threads() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    let tier = &tier;
    runtime().block_on(async move {
        let terms = LeaseTerms::new(Duration::from_secs(30));
        assert_eq!(AsyncTier::get(tier, b"key").await, Ok(None));
        let Ok(Leased::Won(lease)) = AsyncTier::lease(tier, b"key", terms).await else {
            panic!("no lease");
        };
        assert_eq!(AsyncTier::lease(tier, b"key", terms).await, Ok(Leased::Lost));
        let fill = || AsyncTier::fill(tier, b"key", lease, b"value", Some(MINUTE));
        assert_eq!(fill().await, Ok(Filled::Stored));
        assert_eq!(fill().await, Ok(Filled::Refused));
        let item = AsyncTier::get(tier, b"key").await.expect("an answer").expect("an item");
        assert_eq!(item.value, b"value");
        assert_eq!(AsyncTier::mark_stale(tier, b"key", MINUTE).await, Ok(true));
        let item = AsyncTier::get(tier, b"key").await.expect("an answer").expect("an item");
        assert_eq!(item.value, b"value");
        let found = AsyncTier::lease(tier, b"key", terms).await;
        assert!(matches!(found, Ok(Leased::Found { lease: Some(_), is_stale: true, .. })));
        assert_eq!(AsyncTier::remove(tier, b"key").await, Ok(true));
        AsyncTier::put(tier, b"key", b"new", None).await.expect("stored");
        let large = vec![0; 1_024 * 1_024];
        let refused = AsyncTier::put(tier, b"key", &large, None).await;
        assert!(matches!(refused, Err(TierError::TooLarge { .. })));
        assert_eq!(AsyncTier::generation(tier, b"name", 7).await, Ok(7));
        assert_eq!(AsyncTier::bump(tier, b"name", 7).await, Ok(8));
        assert_eq!(AsyncTier::check(tier), Ok(()));
    });
    assert_eq!(value(tier, b"key").as_deref(), Some(&b"new"[..]));
}

fn get_many_asks_all_servers_at_once() {
    let mut servers: Vec<_> = (0..3).map(|_| Server::start()).collect();
    let limit = Duration::from_secs(1);
    let tier = strict(servers.iter().map(Server::address)).exchange_timeout(limit).build();
    let keys: Vec<_> = (0..1_500).map(|number| format!("key:{number}").into_bytes()).collect();
    let names: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    names.iter().for_each(|key| Tier::put(&tier, key, key, None).expect("stored"));
    let runtime = runtime();
    let found = runtime.block_on(AsyncTier::get_many(&tier, &names));
    for (found, key) in found.into_iter().zip(&names) {
        assert_eq!(found.expect("an answer").expect("an item").value, *key);
    }
    servers[0].kill();
    servers[1].hang();
    let found = bounded(limit, || runtime.block_on(AsyncTier::get_many(&tier, &names)));
    let failed = found.iter().filter(|found| found.is_err()).count();
    assert!((500..1_490).contains(&failed), "{failed} of 1,500");
    assert!(found.iter().all(|found| found.as_ref().map_or(true, Option::is_some)));
}

/// Polls a future until it waits, and drops it.
fn begin_and_drop(runtime: &Runtime, future: impl Future) {
    runtime.block_on(async {
        let mut future = std::pin::pin!(future);
        for _ in 0..3 {
            let once = std::future::poll_fn(|context| {
                std::task::Poll::Ready(future.as_mut().poll(context).is_ready())
            });
            assert!(!once.await, "the proxy holds its reply back");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

fn a_dropped_future_takes_its_connection_with_it() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let tier = patient([proxy.address()]).build();
    let runtime = runtime();
    Tier::put(&tier, b"one", b"1", None).expect("stored");
    Tier::put(&tier, b"two", b"2", None).expect("stored");
    for _ in 0..5 {
        proxy.next(Fate::Late(Duration::from_millis(100)));
        begin_and_drop(&runtime, AsyncTier::get(&tier, b"one"));
        for _ in 0..3 {
            let two = runtime.block_on(AsyncTier::get(&tier, b"two"));
            assert_eq!(two.expect("an answer").expect("an item").value, b"2");
            assert_eq!(value(&tier, b"two").as_deref(), Some(&b"2"[..]));
        }
    }
    assert_eq!(Tier::health(&tier), Default::default());
}

fn a_dropped_probe_lets_another_through() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let clock = cache_core::FakeClock::new();
    let tier = patient([proxy.address()]).clock(clock.clone()).build();
    for _ in 0..5 {
        proxy.next(Fate::Cut(0));
        Tier::get(&tier, b"key").expect_err("it was cut");
    }
    assert_eq!(Tier::get(&tier, b"key"), Err(TierError::BreakerOpen));
    clock.advance(Duration::from_secs(1));
    proxy.next(Fate::Late(Duration::from_millis(100)));
    begin_and_drop(&runtime(), AsyncTier::get(&tier, b"key"));
    assert_eq!(Tier::get(&tier, b"key"), Ok(None));
    assert_eq!(Tier::health(&tier).servers_out, 0);
}

fn calls_to_a_hung_server_end_in_time() {
    let server = Server::start();
    let tier = strict([server.address()]).build();
    wait_until(|| Tier::put(&tier, b"key", b"value", None).is_ok());
    server.hang();
    let runtime = runtime();
    let limit = Duration::from_millis(50);
    for _ in 0..5 {
        let found = bounded(limit, || runtime.block_on(AsyncTier::get(&tier, b"key")));
        assert!(matches!(found, Err(TierError::TimedOut | TierError::BreakerOpen)), "{found:?}");
    }
    server.go_on();
}

fn a_late_reply_answers_no_other_request() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let tier = strict([proxy.address()]).connect_timeout(Duration::from_secs(5)).build();
    wait_until(|| Tier::put(&tier, b"one", b"1", None).is_ok());
    wait_until(|| Tier::put(&tier, b"two", b"2", None).is_ok());
    let runtime = runtime();
    proxy.next(Fate::Late(Duration::from_millis(200)));
    let late = runtime.block_on(AsyncTier::get(&tier, b"one"));
    assert_eq!(late, Err(TierError::TimedOut));
    wait_until(|| match runtime.block_on(AsyncTier::get(&tier, b"two")) {
        Ok(item) => {
            assert_eq!(item.expect("an item").value, b"2");
            true
        }
        Err(_) => false,
    });
}

fn runtimes_and_threads_share_connections() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    for round in 0..5_u8 {
        let runtime = runtime();
        runtime.block_on(AsyncTier::put(&tier, b"key", &[round], None)).expect("stored");
        assert_eq!(value(&tier, b"key"), Some(vec![round]));
        drop(runtime);
        let single = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let item = single.block_on(AsyncTier::get(&tier, b"key")).expect("an answer");
        assert_eq!(item.expect("an item").value, [round]);
    }
    let stats = server.say("stats");
    // One of the start, one of this question, and one of the tier.
    assert!(stats.contains("STAT total_connections 4"), "{stats}");
}

fn names_are_looked_up() {
    let server = Server::start();
    let port = server.address().rsplit(':').next().expect("a port").to_owned();
    let tier = patient([format!("localhost:{port}")]).build();
    Tier::put(&tier, b"key", b"value", None).expect("stored");
    let other = Memcached::connect([format!("localhost:{port}")]);
    let runtime = runtime();
    wait_until(|| runtime.block_on(AsyncTier::put(&other, b"key", b"value", None)).is_ok());
    let named = Memcached::connect(["no-such-host.invalid:11211"]);
    runtime.block_on(AsyncTier::get(&named, b"key")).expect_err("no such host");
}
