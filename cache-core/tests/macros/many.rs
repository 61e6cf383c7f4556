//! `many = ids`: a function over many keys, each of which is cached separately.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use cache_core::{Cache, FakeClock, cached, macro_caches};

use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::tasks::{Gate, Polled};
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

thread_local! {
    /// What the bodies on this thread were asked for.
    static ASKED: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

fn ask(ids: &[u64]) {
    ASKED.with_borrow_mut(|asked| asked.push(ids.to_vec()));
}

/// What the bodies were asked for since the last time.
fn asked() -> Vec<Vec<u64>> {
    ASKED.take()
}

fn map<const N: usize>(pairs: [(u64, &str); N]) -> HashMap<u64, String> {
    pairs.into_iter().map(|(id, name)| (id, name.to_owned())).collect()
}

#[cached(many = ids, ttl = 60)]
fn names(ids: &[u64]) -> HashMap<u64, String> {
    ask(ids);
    ids.iter().filter(|id| **id < 100).map(|id| (*id, format!("n{id}"))).collect()
}

#[test]
fn each_missing_key_is_loaded_once() {
    assert_eq!(names(&[1, 2]), map([(1, "n1"), (2, "n2")]));
    assert_eq!(names(&[2, 3, 3, 1]), map([(1, "n1"), (2, "n2"), (3, "n3")]));
    assert_eq!(names(&[1, 3]), map([(1, "n1"), (3, "n3")]));
    assert_eq!(names(&[]), map([]));
    assert_eq!(asked(), [vec![1, 2], vec![3]]);
    // Keys that the body does not answer are asked for again.
    for _ in 0..2 {
        assert_eq!(names(&[500, 1]), map([(1, "n1")]));
    }
    assert_eq!(asked(), [[500], [500]]);
    let stats = names::stats();
    assert_eq!((stats.loads, stats.load_failures), (2, 2), "a batch is one load");
    let _: &'static Cache<(u64,), String> = names::cache();
}

#[cached(many = ids)]
fn by_one(ids: &[u64]) -> HashMap<u64, String> {
    ask(ids);
    ids.iter().map(|id| (*id, format!("n{id}"))).collect()
}

#[test]
fn companion_takes_one_element() {
    by_one(&[1, 2, 3]);
    assert_eq!((by_one::get(&1).as_deref(), by_one::get(&9)), (Some("n1"), None));
    by_one::insert(&1, "other".to_owned());
    assert!(by_one::invalidate(&2) && !by_one::invalidate(&2));
    asked();
    assert_eq!(by_one(&[1, 2]), map([(1, "other"), (2, "n2")]));
    assert_eq!(asked(), [[2]]);
    assert_eq!(by_one::uncached(&[1]), map([(1, "n1")]));
    assert_eq!(by_one::get(&1).as_deref(), Some("other"));
    by_one::clear();
    assert_eq!(by_one::cache().entry_count(), 0);
}

#[cached(many = ids)]
fn reloaded(ids: &[u64]) -> BTreeMap<u64, u64> {
    ask(ids);
    ids.iter().filter(|id| **id != 7).map(|id| (*id, *id + asked_so_far())).collect()
}

fn asked_so_far() -> u64 {
    ASKED.with_borrow(|asked| 10 * asked.len() as u64)
}

#[test]
fn refresh_replaces_what_the_body_answers_and_leaves_the_rest() {
    reloaded::insert(&7, 70);
    assert_eq!(reloaded(&[1, 2]), BTreeMap::from([(1, 11), (2, 12)]));
    assert_eq!(reloaded::refresh(&[1, 7, 3, 1]), BTreeMap::from([(1, 21), (3, 23)]));
    assert_eq!(reloaded(&[1, 2, 3, 7]), BTreeMap::from([(1, 21), (2, 12), (3, 23), (7, 70)]));
    assert_eq!(asked(), [vec![1, 2], vec![1, 7, 3, 1]]);
}

/// Answers in any order, twice, and for keys that were not asked for.
#[cached(many = ids)]
fn muddled(ids: &[u64]) -> Vec<(u64, u64)> {
    ask(ids);
    let pairs = ids.iter().rev().map(|id| (*id, 10 * id));
    pairs.chain([(ids[0], 1), (77, 770)]).collect()
}

#[test]
fn answers_are_matched_by_key() {
    assert_eq!(muddled(&[1, 2, 3, 2]), [(1, 10), (2, 20), (3, 30), (2, 20)]);
    assert_eq!(muddled::get(&77), None, "it may be of any age");
    assert_eq!(asked(), [[1, 2, 3]]);
}

#[derive(Clone, Debug, PartialEq)]
struct Failed(u64);

/// With other arguments of every kind, in the key and out of it. It fails if 13 is among the keys.
#[cached(many = ids, skip(log, tag))]
fn prices(
    region: &str,
    ids: &[String],
    qty: u64,
    suffix: Option<&str>,
    log: &mut Vec<usize>,
    tag: String,
) -> Result<HashMap<String, Arc<str>>, Failed> {
    log.push(ids.len());
    if ids.iter().any(|id| id == "13") {
        return Err(Failed(13));
    }
    let price = |id: &String| format!("{region}{id}{qty}{}{tag}", suffix.unwrap_or("-")).into();
    Ok(ids.iter().map(|id| (id.clone(), price(id))).collect())
}

#[test]
fn other_arguments_are_part_of_the_key_or_left_out() {
    let (ids, mut log) = (["a".to_owned(), "b".to_owned()], Vec::new());
    let mut call = |region: &str, ids: &[String], qty, suffix, tag: &str| {
        prices(region, ids, qty, suffix, &mut log, tag.to_owned())
            .map(|found| found.get("a").map(|price| price.to_string()))
    };
    assert_eq!(call("x", &ids, 1, None, "!"), Ok(Some("xa1-!".to_owned())));
    assert_eq!(call("x", &ids, 1, None, "?"), Ok(Some("xa1-!".to_owned())));
    assert_eq!(call("y", &ids[..1], 1, None, "?"), Ok(Some("ya1-?".to_owned())));
    assert_eq!(call("x", &ids[..1], 2, Some("s"), ""), Ok(Some("xa2s".to_owned())));
    let with_13 = ["a".to_owned(), "13".to_owned()];
    assert_eq!(call("x", &with_13, 1, None, ""), Err(Failed(13)));
    assert_eq!(log, [2, 1, 1, 1]);
    let _: &'static Cache<(String, String, u64, Option<String>), Arc<str>> = prices::cache();
    let mut log = Vec::new();
    let got = prices::get("x", &ids[1], 1, None, &mut log, String::new());
    assert_eq!(got.as_deref(), Some("xb1-!"));
    let failed = prices::refresh("x", &with_13, 1, None, &mut log, String::new());
    assert_eq!(failed, Err(Failed(13)));
    assert_eq!(prices("x", &ids[..1], 1, None, &mut log, String::new()).unwrap().len(), 1);
}

struct Shop {
    id: u64,
    cache: Cache<(u64,), u64>,
}

impl Shop {
    #[cached(many = ids, key(self.id, ids))]
    fn inside(&self, ids: &[u64], (a, mut b): (u64, u64)) -> std::io::Result<BTreeMap<u64, u64>> {
        ask(ids);
        b += a;
        let first = ids.first().ok_or_else(|| std::io::Error::other("none"))?;
        if *first == 13 {
            return Err(std::io::Error::other("13"));
        }
        Ok(ids.iter().map(|id| (*id, self.id + id + b)).collect())
    }

    #[cached(many = ids, cache = self.cache)]
    async fn later(&self, ids: &[u64]) -> Result<BTreeMap<u64, u64>, Failed> {
        let first = ids.first().copied().ok_or(Failed(0))?;
        tokio::task::yield_now().await;
        ask(ids);
        if first == 13 {
            return Err(Failed(13));
        }
        Ok(ids.iter().map(|id| (*id, self.id + id)).collect())
    }

    #[cached(many = ids, companion = true, key(shop: u64 = self.id, ids))]
    fn beside(&self, ids: &[u64]) -> Vec<(u64, u64)> {
        ask(ids);
        ids.iter().map(|id| (*id, self.id + id)).collect()
    }
}

#[test]
fn methods_with_self_decided() {
    let shop = |id| Shop { id, cache: Cache::new(10) };
    let (one, two) = (shop(100), shop(200));
    assert_eq!(one.inside(&[1, 2], (1, 2)).unwrap(), BTreeMap::from([(1, 104), (2, 105)]));
    assert_eq!(one.inside(&[2, 3], (5, 5)).unwrap(), BTreeMap::from([(2, 105), (3, 113)]));
    assert_eq!(two.inside(&[2], (1, 2)).unwrap(), BTreeMap::from([(2, 205)]));
    assert!(one.inside(&[13, 1], (1, 2)).is_err());
    assert_eq!(asked(), [vec![1, 2], vec![3], vec![2], vec![13]]);
    assert_eq!(one.beside(&[1, 2]), [(1, 101), (2, 102)]);
    assert_eq!((one.beside_get(&1), two.beside_get(&1)), (Some(101), None));
    assert_eq!(one.beside_refresh(&[2]), [(2, 102)]);
    Shop::beside_clear();
    assert_eq!(one.beside_get(&1), None);
}

#[test]
fn methods_in_tasks() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let shop = Shop { id: 100, cache: Cache::new(10) };
    fn send<T: Send>(future: T) -> T {
        future
    }
    runtime.block_on(async {
        assert_eq!(send(shop.later(&[1, 2])).await, Ok(BTreeMap::from([(1, 101), (2, 102)])));
        assert_eq!(shop.later(&[2, 3]).await, Ok(BTreeMap::from([(2, 102), (3, 103)])));
        assert_eq!(shop.later(&[13, 1]).await, Err(Failed(13)));
        assert_eq!(shop.later(&[1]).await, Ok(BTreeMap::from([(1, 101)])));
    });
    assert_eq!(asked(), [vec![1, 2], vec![3], vec![13]]);
    assert_eq!(shop.cache.get(&(3,)), Some(103));
}

#[cached(many = ids, skip(gate, fails))]
async fn gated(gate: &Gate, ids: &[u64], fails: bool) -> Result<BTreeMap<u64, u64>, Failed> {
    gate.passed().await;
    if fails {
        return Err(Failed(ids[0]));
    }
    Ok(ids.iter().map(|id| (*id, 10 * id)).collect())
}

#[test]
fn batches_that_overlap_wait_for_each_other() {
    let (shut, open) = (Gate::default(), Gate::default());
    open.open();
    let first = Polled::pending(gated(&shut, &[1, 2], false));
    let mut second = Polled::pending(gated(&open, &[2, 3], false));
    // What it leads is there before it has all.
    assert_eq!((gated::get(&open, &3, false), gated::get(&open, &2, false)), (Some(30), None));
    assert_eq!(second.poll(), None);
    shut.open();
    assert_eq!(first.finish(), Ok(BTreeMap::from([(1, 10), (2, 20)])));
    assert_eq!(second.finish(), Ok(BTreeMap::from([(2, 20), (3, 30)])));
}

#[test]
fn failure_is_shared_and_a_dropped_batch_is_taken_over() {
    let (shut, open) = (Gate::default(), Gate::default());
    open.open();
    let first = Polled::pending(gated(&shut, &[21, 22], true));
    let second = Polled::pending(gated(&open, &[22, 23], false));
    shut.open();
    assert_eq!(first.finish(), Err(Failed(21)));
    assert_eq!(second.finish(), Err(Failed(21)), "a clone of the error");
    assert_eq!(gated::get(&open, &23, false), Some(230), "loaded all the same");

    let shut = Gate::default();
    let first = Polled::pending(gated(&shut, &[31, 32], false));
    let second = Polled::pending(gated(&open, &[32, 33], false));
    drop(first);
    assert_eq!(second.finish(), Ok(BTreeMap::from([(32, 320), (33, 330)])));
    validate(gated::cache());
}

#[cached(many = ids, bypass = fresh, skip(fresh))]
fn bypassed(ids: &[u64], fresh: bool) -> Vec<(u64, u64)> {
    ask(ids);
    ids.iter().map(|id| (*id, *id)).collect()
}

#[test]
fn bypass_runs_the_body_for_all() {
    bypassed(&[1], false);
    assert_eq!(bypassed(&[1, 2], true), [(1, 1), (2, 2)]);
    assert_eq!(bypassed::get(&2, false), None);
    {
        let _guard = macro_caches::bypass();
        assert_eq!(bypassed(&[1, 2], false), [(1, 1), (2, 2)]);
    }
    assert_eq!(bypassed(&[1, 2], false), [(1, 1), (2, 2)]);
    assert_eq!(asked(), [vec![1], vec![1, 2], vec![1, 2], vec![2]]);
}

#[cached(many = ids, thread_local, max_capacity = 2)]
fn panicking(ids: &[u64]) -> Vec<(u64, u64)> {
    ask(ids);
    assert!(ids[0] != 13, "on purpose");
    ids.iter().map(|id| (*id, *id)).collect()
}

#[test]
fn panicking_body_reaches_its_caller_and_leaves_the_cache_whole() {
    silence_panics_on_purpose();
    assert_eq!(panicking(&[1]), [(1, 1)]);
    assert!(panics(|| panicking(&[1, 13])));
    panicking::with(validate);
    assert_eq!(panicking(&[2, 3, 4]).len(), 3, "more than the cache has room for");
    assert!(panicking::with(Cache::entry_count) <= 2);
    assert!(panics(|| panicking::refresh(&[13])));
    panicking::with(validate);
}

/// With a cache of the test. From the second run on, it fails if 13 is among the keys.
struct Timed {
    cache: Cache<(u64,), Option<u64>>,
    runs: Mutex<u64>,
}

impl Timed {
    #[cached(many = ids, cache = self.cache)]
    fn get(&self, ids: &[u64]) -> Result<BTreeMap<u64, Option<u64>>, Failed> {
        let mut runs = self.runs.lock().unwrap();
        *runs += 1;
        if ids.contains(&13) && *runs > 1 {
            return Err(Failed(13));
        }
        Ok(ids.iter().map(|id| (*id, id.checked_sub(10).map(|_| *runs))).collect())
    }
}

#[test]
fn times_go_by_for_each_key() {
    let clock = FakeClock::new();
    let seconds = Duration::from_secs;
    let builder = Cache::builder().clock(clock.clone()).time_to_live(seconds(60));
    let cache = builder.negative_ttl(seconds(5)).stale_if_error(seconds(600)).build();
    let timed = Timed { cache, runs: Mutex::new(0) };
    let both = |low, high| Ok(BTreeMap::from([(1, low), (20, high)]));
    assert_eq!(timed.get(&[1, 20]), both(None, Some(1)));
    clock.advance(seconds(4));
    assert_eq!(timed.get(&[1, 20]), both(None, Some(1)));
    clock.advance(seconds(1));
    // That 1 has no value is forgotten; 20 has one.
    assert_eq!(timed.get(&[1, 20]), both(None, Some(1)));
    assert_eq!(*timed.runs.lock().unwrap(), 2);
    clock.advance(seconds(55));
    assert_eq!(timed.get(&[1, 20]), both(None, Some(3)));
}

#[test]
fn old_values_are_served_when_the_body_fails_if_there_are_some_for_all() {
    let clock = FakeClock::new();
    let seconds = Duration::from_secs;
    let builder = Cache::builder().clock(clock.clone()).time_to_live(seconds(60));
    let cache = builder.stale_if_error(seconds(600)).build();
    let timed = Timed { cache, runs: Mutex::new(0) };
    let first = timed.get(&[13, 20]).unwrap();
    clock.advance(seconds(60));
    assert_eq!(timed.get(&[13, 20]), Ok(first), "both are old");
    clock.advance(seconds(2));
    assert_eq!(timed.get(&[13, 21]), Err(Failed(13)), "21 has never been there");
    clock.advance(seconds(600));
    assert_eq!(timed.get(&[13, 20]), Err(Failed(13)));
    validate(&timed.cache);
}

struct Late(Cache<(u64,), u64>);

impl Late {
    #[cached(many = ids, cache = self.0, skip(gate, fails))]
    async fn get(
        &self,
        gate: &Gate,
        ids: &[u64],
        fails: bool,
    ) -> Result<BTreeMap<u64, u64>, Failed> {
        gate.passed().await;
        if fails {
            return Err(Failed(ids[0]));
        }
        Ok(ids.iter().map(|id| (*id, 10 * id)).collect())
    }
}

#[test]
fn waiters_for_a_batch_that_fails_are_served_the_old_value_too() {
    let clock = FakeClock::new();
    let seconds = Duration::from_secs;
    let builder = Cache::builder().clock(clock.clone()).time_to_live(seconds(60));
    let late = Late(builder.stale_if_error(seconds(600)).build());
    let (shut, open) = (Gate::default(), Gate::default());
    open.open();
    Polled::new(late.get(&open, &[1, 2], false)).finish().unwrap();
    clock.advance(seconds(60));
    let fails = Polled::pending(late.get(&shut, &[1, 2], true));
    let waits = Polled::pending(late.get(&open, &[2, 3], false));
    shut.open();
    assert_eq!(fails.finish(), Ok(BTreeMap::from([(1, 10), (2, 20)])));
    assert_eq!(waits.finish(), Ok(BTreeMap::from([(2, 20), (3, 30)])));
    assert_eq!((late.0.get(&(2,)), late.0.get(&(3,))), (None, Some(30)), "2 is still an old one");
}

/// 1 refreshes 2, which asks for 3, which asks for 1 as the last.
#[cached(many = ids, skip(gate, last))]
async fn cycle(gate: &Gate, ids: &[u64], last: bool) -> Vec<(u64, u64)> {
    match (ids[0], last) {
        (1, false) => drop(Box::pin(cycle::refresh(gate, &[2], false)).await),
        (2, false) => drop(Box::pin(cycle(gate, &[3], false)).await),
        (3, false) => {
            gate.passed().await;
            drop(Box::pin(cycle(gate, &[1], true)).await);
        }
        _ => {}
    }
    ids.iter().map(|id| (*id, *id)).collect()
}

/// A refresh inside a load is part of it, and so is what it waits for: a caller that would wait for
/// that load in turn does not.
#[test]
fn cycles_through_a_refresh_are_detected() {
    let gate = Gate::default();
    let mut third = Polled::pending(cycle(&gate, &[3], false));
    let first = Polled::pending(cycle(&gate, &[1], false));
    gate.open();
    assert_eq!(third.poll(), Some(vec![(3, 3)]));
    assert_eq!(first.finish(), [(1, 1)]);
    assert_eq!([1, 2, 3].map(|id| cycle::get(&gate, &id, false)), [Some(1), Some(2), Some(3)]);
}

#[test]
fn threads_share_loads() {
    must_end(|| {
        #[cached(many = ids)]
        fn slow(ids: &[u64]) -> HashMap<u64, u64> {
            std::thread::yield_now();
            RUNS.fetch_add(ids.len(), std::sync::atomic::Ordering::Relaxed);
            ids.iter().map(|id| (*id, 3 * id)).collect()
        }
        static RUNS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                scope.spawn(move || {
                    for round in 0..50 {
                        let mut ids: Vec<u64> = (round..round + 20).collect();
                        ids.rotate_left((5 * thread) as usize);
                        let found = slow(&ids);
                        assert!(ids.iter().all(|id| found[id] == 3 * id));
                    }
                });
            }
        });
        assert_eq!(RUNS.load(std::sync::atomic::Ordering::Relaxed), 69, "each key once");
    });
}
