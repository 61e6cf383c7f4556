//! While one types an option, it is the only error: the function is there, and what stands beside
//! it.

use std::time::Duration;

use cache_core::{Cache, Stats, cached};

struct Config {
    ttl: Duration,
}

static CFG: Config = Config { ttl: Duration::from_secs(1) };

#[cached(ttl = CFG.)]
fn price(sku: &str, qty: u64) -> Result<u64, String> {
    Ok(qty * sku.len() as u64)
}

#[cached(ttl = CFG.ttl, max_capacity = )]
async fn later(sku: &str) -> Option<u64> {
    Some(sku.len() as u64)
}

#[cached(tt)]
fn generic<T: Clone + Send + Sync + 'static>(value: &T, n: u64) -> (T, u64) {
    (value.clone(), n)
}

#[cached(thread_local, skip(), ttl = Duration::from_)]
fn here(n: u64) -> u64 {
    n
}

#[cached(key(id: u64 = ))]
fn no_key(id: u64) -> u64 {
    id
}

struct Shop;

impl Shop {
    #[cached(companion = true, skip(self), ttl = "5 minuets")]
    fn gross(&self, net: u64) -> u64 {
        net
    }

    #[cached(ttl = Duration::from_secs(60))]
    fn net(gross: u64) -> u64 {
        gross
    }
}

fn main() {
    let _: Result<u64, String> = price("a", 1);
    let _: Option<u64> = price::get("a", 1);
    let _: bool = price::invalidate("a", 1);
    let _: &Cache<(String, u64), u64> = price::cache();
    let _: Result<u64, String> = price::uncached("a", 1);
    let _: Stats = price::stats();
    price::insert("a", 1, 5);
    drop(async {
        let _: Option<u64> = later::refresh("a").await;
        let _: Option<u64> = later::get("a");
    });
    let _: Option<(u8, u64)> = generic::get::<u8>(&1, 2);
    let _: Option<u64> = (here(1), here::get(1), no_key(1)).1;
    let _: Option<u64> = no_key::get(1);
    let _: Option<u64> = Shop.gross_get(1);
    let _: Duration = CFG.ttl;
}
