//! Moving to another memcached cluster without a cold start.
//!
//! A new cluster is empty. Switched to at once, every process would miss every key, and all of it
//! would fall on the database. With a `Chain` the old cluster stands behind the new one: what the
//! new one misses comes from the old one and is copied up, writes go to both, and when the old one
//! is hardly asked any more it is switched off.
//!
//! ```text
//! cargo run --example fallback_chain                         # starts two memcached, if it can
//! cargo run --example fallback_chain -- OLD:11211 NEW:11211
//! ```

mod server;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cache_core::tier::{Chain, FakeTier, Tier, TieredCache};
use cache_core::{Cache, FakeClock};
use cache_memcached::Memcached;
use server::Server;

const ARTICLES: u64 = 1_000;
const REQUESTS: u64 = 2_000;

/// How many requests the database had to answer.
static DATABASE: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("fallback_chain: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    match addresses.as_slice() {
        [old, new] => move_over(&memcached(old), &memcached(new)),
        [] => match Server::start().and_then(|old| Ok((old, Server::start()?))) {
            Ok((old, new)) => {
                println!(
                    "two memcached: the old one at {}, the new at {}",
                    old.address(),
                    new.address()
                );
                move_over(&memcached(old.address()), &memcached(new.address()))
            }
            Err(why) => {
                println!("memcached cannot be started ({why}): two tiers in this process stand in");
                let clock = FakeClock::new();
                move_over(&FakeTier::new(&clock), &FakeTier::new(&clock))
            }
        },
        _ => Err("give the addresses of the old and the new memcached, or none".into()),
    }
}

/// A cluster may have several servers; here it is one.
fn memcached(address: &str) -> Memcached {
    // Twenty times the default, so that the example shows the same on a machine that is busy.
    Memcached::builder().server(address).exchange_timeout(Duration::from_secs(1)).build()
}

fn move_over(old: &(impl Tier + Clone), new: &(impl Tier + Clone)) -> Result<(), Box<dyn Error>> {
    println!(
        "\n{:<28}{:>8}{:>8}{:>8}{:>10}",
        "requests answered by", "memory", "new", "old", "database"
    );
    let mut random = Random(0x9E37_79B9_7F4A_7C15);

    // Until today: the old cluster alone, which has every article.
    let before = articles(old.clone())?;
    (0..ARTICLES).for_each(|number| _ = article(&before, number));
    let counts = || answers(&before, 0, before.stats().remote.hits);
    an_hour("the old one alone", &before, &mut random, counts);

    // Both, the newer one first. A tier may be shared by `Arc`, so that its counters can be read.
    let chain = Arc::new(Chain::new(new.clone()).then(old.clone()));
    let moving = articles(Arc::clone(&chain))?;
    let counts = || answers(&moving, chain.stats()[0].hits, chain.stats()[1].hits);
    for hour in 1..=5 {
        an_hour(&format!("new before old, hour {hour}"), &moving, &mut random, counts);
    }
    println!("of {ARTICLES} articles {} were copied into the new one", chain.stats()[0].copies);

    // A removal goes to both: the old one does not bring the article back.
    moving.invalidate("article 7")?;
    println!("after its removal, article 7 is {:?}", moving.get("article 7"));

    // The old one is switched off. What nobody has asked for meanwhile is in the database only.
    let after = articles(new.clone())?;
    let counts = || answers(&after, after.stats().remote.hits, 0);
    an_hour("the new one alone", &after, &mut random, counts);
    Ok(())
}

/// The cache of one process, over one cluster or both. The name is the same in each case, so what
/// was written through one cache is found through the others.
fn articles(tier: impl Tier) -> Result<TieredCache<String, String>, Box<dyn Error>> {
    // With this process's number in the name each run begins with empty clusters. A program would
    // have a plain name here, because all of its processes share the values.
    let name = format!("articles-{}", std::process::id());
    let cache = TieredCache::builder(&name)
        // Small, so that the clusters have something to do.
        .memory(Cache::builder().max_capacity(50).record_stats())
        .tier(tier)
        .time_to_live(Duration::from_secs(3600))
        .try_build()?;
    Ok(cache)
}

fn article(articles: &TieredCache<String, String>, number: u64) -> String {
    articles.get_with_by_ref(&*format!("article {number}"), || {
        DATABASE.fetch_add(1, Relaxed);
        format!("the text of article {number}")
    })
}

/// Returns how many requests were answered by memory, the new cluster, the old one, the database.
fn answers(articles: &TieredCache<String, String>, new: u64, old: u64) -> [u64; 4] {
    [articles.stats().memory.hits, new, old, DATABASE.load(Relaxed)]
}

/// Makes some requests, and prints what has answered them.
fn an_hour(
    label: &str,
    articles: &TieredCache<String, String>,
    random: &mut Random,
    answers: impl Fn() -> [u64; 4],
) {
    let before = answers();
    for _ in 0..REQUESTS {
        article(articles, random.article());
    }
    let after = answers();
    let [memory, new, old, database] = std::array::from_fn(|at| after[at] - before[at]);
    println!("{label:<28}{memory:>8}{new:>8}{old:>8}{database:>10}");
}

/// Xorshift: the same requests in each run.
struct Random(u64);

impl Random {
    /// Returns an article, low numbers more often: one request in ten is for the first hundredth.
    fn article(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let part = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        (part * part * ARTICLES as f64) as u64
    }
}
