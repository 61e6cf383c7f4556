//! A hit of a `#[cached]` function beside a plain `get` of the same key on the very same cache.
//!
//! Three signatures: a number; a text and a number; a text that gives an `Arc<str>`. Both ways
//! walk one table of 1000 owned keys in the same order. `macro` borrows the arguments out of a key
//! and calls the function; `get` is what a user without the macro would write,
//! `f::cache().get(&key)`, with its key made beforehand. So the ratio of the two is the price of
//! the function's own part: a view of the arguments, hashed and compared in place of the key.
//!
//! Before the rounds each key is asked for once each way with an allocator that watches. The
//! program ends with status 1 if any of these hits allocates, or if a body runs while hits are
//! measured.
#![deny(unsafe_code)]

// Shared with `memory`: one allocator, each program its own copy.
#[path = "memory/counting.rs"]
mod counting;

use benches::{
    args::Args,
    keys::{self, Popularity},
    lane::Source,
    subject::Subject,
    suite::{Case, Suite},
    workload::Plan,
};
use cache_core::cached;
use std::{hint::black_box, process::ExitCode, sync::Arc};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const ENTRIES: u64 = 1_000;

#[cached(ttl = 3600)]
fn number(id: u64) -> u64 {
    !id
}

#[cached(ttl = 3600)]
fn text_number(sku: &str, quantity: u64) -> u64 {
    sku.len() as u64 + quantity
}

#[cached(ttl = 3600)]
fn text(sku: &str) -> Arc<str> {
    sku.into()
}

/// One of the functions above, both ways.
trait Function: Clone + Send + 'static {
    /// For the names of cases.
    const NAME: &'static str;
    /// What its cache has as key.
    type Key: Clone + Send + Sync;

    /// The key of a rank.
    fn key(rank: u64) -> Self::Key;
    /// The function itself.
    fn call(key: &Self::Key) -> u64;
    /// Its cache, asked directly.
    fn get(key: &Self::Key) -> Option<u64>;
    /// How often the body has run.
    fn loads() -> u64;
}

/// 23 bytes: a text as long as names and identifiers are.
fn sku(rank: u64) -> String {
    format!("article {:015x}", keys::key(rank) >> 3)
}

#[derive(Clone)]
struct Number;

impl Function for Number {
    const NAME: &'static str = "u64";
    type Key = (u64,);

    fn key(rank: u64) -> Self::Key {
        (keys::key(rank),)
    }
    #[inline]
    fn call(key: &Self::Key) -> u64 {
        number(key.0)
    }
    #[inline]
    fn get(key: &Self::Key) -> Option<u64> {
        number::cache().get(key)
    }
    fn loads() -> u64 {
        number::stats().loads
    }
}

#[derive(Clone)]
struct TextNumber;

impl Function for TextNumber {
    const NAME: &'static str = "str+u64";
    type Key = (String, u64);

    fn key(rank: u64) -> Self::Key {
        (sku(rank), rank)
    }
    #[inline]
    fn call(key: &Self::Key) -> u64 {
        text_number(&key.0, key.1)
    }
    #[inline]
    fn get(key: &Self::Key) -> Option<u64> {
        text_number::cache().get(key)
    }
    fn loads() -> u64 {
        text_number::stats().loads
    }
}

#[derive(Clone)]
struct Text;

impl Function for Text {
    const NAME: &'static str = "str-to-arc";
    type Key = (String,);

    fn key(rank: u64) -> Self::Key {
        (sku(rank),)
    }
    #[inline]
    fn call(key: &Self::Key) -> u64 {
        text(&key.0).len() as u64
    }
    #[inline]
    fn get(key: &Self::Key) -> Option<u64> {
        text::cache().get(key).map(|shared| shared.len() as u64)
    }
    fn loads() -> u64 {
        text::stats().loads
    }
}

/// One way to a hit: the call if `CALL`, else the plain get. Keys go by their rank.
#[derive(Clone)]
struct Way<F: Function, const CALL: bool> {
    keys: Arc<[F::Key]>,
}

impl<F: Function, const CALL: bool> Subject for Way<F, CALL> {
    const NAME: &'static str = if CALL { "macro" } else { "get" };
    const LACKS: &'static str =
        if CALL { "nothing: the call of the function" } else { "the call: its key is ready" };
    const OURS: bool = CALL;

    fn with_capacity(capacity: u64) -> Self {
        Way { keys: (0..capacity).map(F::key).collect() }
    }
    #[inline]
    fn get(&self, rank: u64) -> Option<u64> {
        let key = &self.keys[rank as usize];
        if CALL { Some(F::call(key)) } else { F::get(key) }
    }
    /// The cache belongs to the function, which fills it itself.
    fn insert(&mut self, rank: u64, _: u64) {
        F::call(&self.keys[rank as usize]);
    }
    fn entries(&self) -> u64 {
        self.keys.len() as u64
    }
    /// Nothing of its own to drop, and nobody asks.
    fn clear(&mut self) {}
}

fn main() -> ExitCode {
    let args = Args::from_env();
    let stream = args.pick(1 << 16, keys::STREAM);
    let mut faults = Vec::new();
    let mut suite = Suite::start("macro_hit", args);
    measure::<Number>(&mut suite, stream, &mut faults);
    measure::<TextNumber>(&mut suite, stream, &mut faults);
    measure::<Text>(&mut suite, stream, &mut faults);
    suite.finish();
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One function: fills its cache, watches a pass of hits each way, then times both in turns.
fn measure<F: Function>(suite: &mut Suite, stream: usize, faults: &mut Vec<String>) {
    let name = format!("macro_hit/1k/{}/1t", F::NAME);
    let plan = move || {
        Plan::Read(keys::ranks(Popularity::Uniform, ENTRIES, stream, 1).into_iter().collect())
    };
    let mut allocating = None;
    suite.group(vec![Case::new(name, 1, plan)], || {
        let mut call = Way::<F, true>::with_capacity(ENTRIES);
        let ranks: Vec<u64> = (0..ENTRIES).collect();
        call.fill(&ranks);
        let get = Way::<F, false> { keys: Arc::clone(&call.keys) };
        allocating = Some([allocating_hits(&call), allocating_hits(&get)]);
        vec![Box::new(call), Box::new(get)]
    });
    let Some([call, get]) = allocating else { return };
    println!("  hits that allocate, of {ENTRIES}: macro {call}, get {get}");
    if call + get > 0 {
        faults.push(format!("{}: hits allocate", F::NAME));
    }
    if F::loads() != ENTRIES {
        faults.push(format!("{}: {} loads for {ENTRIES} keys", F::NAME, F::loads()));
    }
}

/// How many hits of one pass take memory, be it given back at once.
fn allocating_hits(subject: &impl Subject) -> usize {
    let allocates = |rank: &u64| {
        let before = counting::live();
        counting::forget_peak();
        black_box(subject.get(*rank));
        counting::peak() > before
    };
    (0..ENTRIES).filter(allocates).count()
}
