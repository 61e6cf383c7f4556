//! The built-in streams: the same on every run.

use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};
use rand_distr::{Distribution, Zipf};
use std::iter::repeat_with;
use traces::{capacity::Capacity, trace::Trace};

/// A trace, and its own capacities if the usual ones would say nothing.
pub(crate) struct Stream {
    pub(crate) trace: Trace,
    pub(crate) capacities: Option<Vec<Capacity>>,
}

/// Keys of other streams start here.
const APART: u64 = 1 << 40;
/// By how much loops are larger than the cache.
const BEYOND: [f64; 4] = [1.05, 1.2, 1.5, 2.0];

/// How long a stream is, and how many keys it has to do with.
#[derive(Clone, Copy)]
struct Scale {
    accesses: usize,
    keys: u64,
    /// Of the pure loops.
    lap: u64,
}

/// Makes one of these streams.
type Make = fn(Scale) -> Stream;

const STREAMS: [(&str, Make); 8] = [
    ("zipf-0.80", |scale| plain("zipf-0.80", zipf(scale, scale.keys, 0.8, 1))),
    ("zipf-0.99", |scale| plain("zipf-0.99", zipf(scale, scale.keys, 0.99, 2))),
    ("zipf-and-scans", zipf_and_scans),
    ("jumping-hot-set", jumping),
    ("loop", pure_loop),
    ("loop-and-once", loop_and_once),
    ("loop-and-zipf", loop_and_zipf),
    ("ttl", ttl),
];

/// Returns the names of the streams.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    STREAMS.iter().map(|(name, _)| *name)
}

/// Makes a stream. Panics if there is none of this name.
pub(crate) fn stream(name: &str, quick: bool) -> Stream {
    let full = Scale { accesses: 1_200_000, keys: 500_000, lap: 20_000 };
    let small = Scale { accesses: 15_000, keys: 5_000, lap: 1_000 };
    let make = STREAMS.iter().find(|(other, _)| *other == name).expect("one of the names").1;
    make(if quick { small } else { full })
}

fn plain(name: &str, keys: impl IntoIterator<Item = u64>) -> Stream {
    Stream { trace: Trace::of_keys(name, keys), capacities: None }
}

fn random(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// Draws ranks from 0.
fn zipf(scale: Scale, keys: u64, skew: f64, seed: u64) -> impl Iterator<Item = u64> {
    let (law, mut random) = (Zipf::new(keys as f64, skew).expect("there are keys"), random(seed));
    repeat_with(move || law.sample(&mut random) as u64 - 1).take(scale.accesses)
}

/// After every 30th of the accesses, which are Zipf, half as many keys in a row, out of a range of
/// four times as many.
fn zipf_and_scans(scale: Scale) -> Stream {
    let part = scale.accesses / 30;
    let popular: Vec<u64> = zipf(scale, scale.keys / 10, 0.99, 3).collect();
    let (mut keys, mut scanned) = (Vec::new(), 0..);
    for calm in popular.chunks(part).take(20) {
        keys.extend_from_slice(calm);
        let scan = scanned.by_ref().take(part / 2);
        keys.extend(scan.map(|key| APART + key % (4 * part as u64)));
    }
    plain("zipf-and-scans", keys)
}

/// Zipf; twelve times on the way the popular keys become others, a fifth of all being new.
fn jumping(scale: Scale) -> Stream {
    let (space, phase) = (scale.keys / 10, scale.accesses / 12);
    let ranks = zipf(scale, space, 0.99, 4).enumerate();
    let moved = ranks.map(|(at, rank)| {
        let jump = (at / phase) as u64;
        // Ranks are scattered over the keys, so that a jump does not move them to neighbours.
        (rank * 7_919 % space) + jump * space / 5
    });
    plain("jumping-hot-set", moved)
}

/// Capacities just below a lap of a loop.
fn just_below(lap: u64) -> Option<Vec<Capacity>> {
    Some(BEYOND.map(|beyond| Capacity::Count((lap as f64 / beyond).round() as u64)).to_vec())
}

fn pure_loop(scale: Scale) -> Stream {
    let keys = (0..scale.accesses as u64).map(|at| at % scale.lap);
    Stream { trace: Trace::of_keys("loop", keys), capacities: just_below(scale.lap) }
}

/// Every seventh key comes this one time.
fn loop_and_once(scale: Scale) -> Stream {
    let mut place = 0;
    let keys = (0..scale.accesses as u64).map(|at| {
        if at % 7 == 0 {
            return APART + at;
        }
        place = (place + 1) % scale.lap;
        place
    });
    Stream { trace: Trace::of_keys("loop-and-once", keys), capacities: just_below(scale.lap) }
}

/// Half a loop, half Zipf, in random order.
fn loop_and_zipf(scale: Scale) -> Stream {
    let (mut place, mut coin) = (0, random(5));
    let popular = zipf(scale, scale.lap, 0.9, 6);
    let keys = popular.map(|rank| {
        if coin.next_u64() & 1 == 0 {
            return APART + rank;
        }
        place = (place + 1) % scale.lap;
        place
    });
    plain("loop-and-zipf", keys.collect::<Vec<_>>())
}

/// Zipf, where entries live for 1, 10, 100 or 1000 times 1 / 1500 of the stream, by the key.
fn ttl(scale: Scale) -> Stream {
    let mut stream = plain("ttl", zipf(scale, scale.keys / 5, 0.9, 7));
    let unit = (scale.accesses / 1500) as u32;
    let mut dice = random(8);
    let lives = repeat_with(|| [1, 10, 100, 1000][(dice.next_u64() >> 62) as usize] * unit);
    stream.trace.lives = Some(lives.take(stream.trace.distinct as usize).collect());
    stream
}
