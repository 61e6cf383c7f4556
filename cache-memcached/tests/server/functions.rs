//! `#[cached(tier = ..)]` over a real server: a function of this process, and one of the same name
//! that stands for another process. What the attribute promises is tested in cache-core.

use std::sync::{LazyLock, OnceLock};

use cache_core::cached;
use cache_memcached::Memcached;

use crate::harness::cases;
use crate::memcached::Server;
use crate::tiers::patient;

cases![
    processes_share_what_a_function_has_returned,
    a_refresh_replaces_what_lives_without_end,
    #[cfg(feature = "tokio")]
    tasks_share_it_with_threads,
];

fn processes_share_what_a_function_has_returned() {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    static TIER: LazyLock<Memcached> =
        LazyLock::new(|| patient([ADDRESS.get().expect("a server").clone()]).build());

    #[cached(tier = &*TIER, ttl = "10m", name = "prices")]
    fn price(sku: &str, qty: u64) -> Result<(String, u64), std::io::Error> {
        Ok((sku.to_owned(), qty))
    }
    #[cached(tier = &*TIER, ttl = "10m", name = "prices")]
    fn elsewhere(sku: &str, qty: u64) -> Option<(String, u64)> {
        (sku != "tea").then(|| (sku.to_owned(), 100 * qty))
    }

    let server = Server::start();
    ADDRESS.set(server.address()).expect("set once");
    assert_eq!(price("tea", 2).expect("a price"), ("tea".to_owned(), 2));
    assert_eq!(elsewhere("tea", 2), Some(("tea".to_owned(), 2)));
    assert_eq!(price::tiered().stats().remote.fills, 1);
    assert_eq!(elsewhere::tiered().stats().remote.hits, 1);
    assert_eq!(elsewhere("tea", 3), None);
    price::insert("tea", 3, ("TEA".to_owned(), 3)).expect("stored");
    assert_eq!(elsewhere("tea", 3), Some(("TEA".to_owned(), 3)));
    assert!(price::invalidate("tea", 2).expect("removed"));
    elsewhere::cache().invalidate_all();
    assert_eq!(elsewhere::get("tea", 2), None);
    price::clear().expect("flushed");
    elsewhere::tiered().poll().expect("it hears of it");
    assert_eq!(elsewhere::get("tea", 3), None);
}

fn a_refresh_replaces_what_lives_without_end() {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    static TIER: LazyLock<Memcached> =
        LazyLock::new(|| patient([ADDRESS.get().expect("a server").clone()]).build());
    static RATE: std::sync::Mutex<Option<u64>> = std::sync::Mutex::new(Some(1));

    #[cached(tier = &*TIER, name = "rates")]
    fn endless(_town: &str) -> Option<u64> {
        *RATE.lock().expect("no panic")
    }
    #[cached(tier = &*TIER, name = "rates.of.an.hour", ttl = "1h")]
    fn mortal(_town: &str) -> Option<u64> {
        *RATE.lock().expect("no panic")
    }

    let server = Server::start();
    ADDRESS.set(server.address()).expect("set once");
    assert_eq!((endless("Bergen"), mortal("Bergen")), (Some(1), Some(1)));
    for (rate, stored) in [(Some(2), Some(2)), (None, Some(2)), (Some(3), Some(3))] {
        *RATE.lock().expect("no panic") = rate;
        assert_eq!((endless::refresh("Bergen"), mortal::refresh("Bergen")), (rate, rate));
        endless::cache().invalidate_all();
        mortal::cache().invalidate_all();
        assert_eq!((endless::get("Bergen"), mortal::get("Bergen")), (stored, stored));
    }
}

#[cfg(feature = "tokio")]
fn tasks_share_it_with_threads() {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    static TIER: LazyLock<Memcached> =
        LazyLock::new(|| patient([ADDRESS.get().expect("a server").clone()]).build());

    #[cached(tier = &*TIER, ttl = "10m", name = "pages")]
    async fn page(path: &str) -> Result<String, std::io::Error> {
        tokio::task::yield_now().await;
        Ok(format!("the page {path}"))
    }
    #[cached(tier = &*TIER, ttl = "10m", name = "pages")]
    fn elsewhere(path: &str) -> String {
        format!("{path}, elsewhere")
    }

    let server = Server::start();
    ADDRESS.set(server.address()).expect("set once");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let call = tokio::spawn(page("/a"));
        assert_eq!(call.await.expect("no panic").expect("a page"), "the page /a");
        assert_eq!(page::tiered().stats().remote.fills, 1);
        assert_eq!(elsewhere("/a"), "the page /a");
        page::insert("/b", "b".to_owned()).await.expect("stored");
        assert_eq!(elsewhere("/b"), "b");
        assert!(page::invalidate("/b").await.expect("removed"));
        assert_eq!(page::get("/b").await, None);
        page::clear().await.expect("flushed");
        assert_eq!(page::get("/a").await, None);
        let many = (0..20).map(|n| tokio::spawn(async move { page(&n.to_string()).await }));
        for (n, call) in many.collect::<Vec<_>>().into_iter().enumerate() {
            let page = call.await.expect("no panic").expect("a page");
            assert_eq!(page, format!("the page {n}"));
        }
    });
}
