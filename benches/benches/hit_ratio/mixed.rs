//! Reads with writes among them: 95 % get, with an insertion on a miss, and 5 % insert, Zipf keys
//! out of ten times the capacity. As the first case of
//! `mixed`, with more operations and more capacities, and not timed.

use crate::{
    cli::Options,
    earlier::Earlier,
    parallel::parallel,
    subjects::{ALL, Job, Subject},
};
use benches::keys::{self, Popularity};
use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};
use serde_json::{Value, json};
use traces::{
    min::Future,
    replay::{Held, Store},
    trace::{Trace, Unit},
};

const HELD: Held = Held { weight: 1, until: u32::MAX };
/// This share of all numbers of 64 bits is 5 %.
const WRITES: u64 = u64::MAX / 20;

/// The outcome for one capacity.
pub(crate) struct Mixed {
    pub(crate) capacity: u64,
    /// Those that are counted; as many come before, to fill the cache.
    pub(crate) operations: usize,
    percents: Vec<(&'static str, f64)>,
}

impl Mixed {
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.percents.iter().map(|(name, _)| *name)
    }

    pub(crate) fn percents(&self) -> impl Iterator<Item = f64> {
        self.percents.iter().map(|(_, percent)| *percent)
    }

    pub(crate) fn json(&self) -> Value {
        let subject =
            |(name, percent): &(&str, f64)| json!({ "name": name, "hit_percent": percent });
        json!({
            "capacity": self.capacity,
            "operations": self.operations,
            "subjects": self.percents.iter().map(subject).collect::<Vec<_>>(),
        })
    }
}

pub(crate) fn run(options: &Options, earlier: &Earlier) -> Vec<Mixed> {
    let capacities: &[u64] =
        if options.quick { &[500] } else { &[1_000, 10_000, 100_000, 1_000_000] };
    capacities.iter().map(|capacity| at(*capacity, options, earlier)).collect()
}

fn at(capacity: u64, options: &Options, earlier: &Earlier) -> Mixed {
    let least = if options.quick { 0 } else { 1_000_000 };
    let operations = (5 * capacity as usize).max(least);
    let ranks = keys::ranks(Popularity::Zipf, 10 * capacity, 2 * operations, 9);
    let trace = Trace::of_keys("mixed", ranks);
    let future = Future::of(&trace);
    let job = Job { trace: &trace, future: &future, unit: Unit::Entries, capacity };
    let known = |name| earlier.mixed(capacity, operations, name);
    let percents = parallel(options.threads, &ALL, |subject| {
        let Subject { name, make, .. } = subject;
        if !options.replays(name, known(name).is_some()) {
            return known(name).map(|percent| (*name, percent));
        }
        make.map(|make| (*name, hit_percent(&mut *make(&job), &trace.ids, operations)))
    });
    let percents = percents.into_iter().flatten().collect();
    Mixed { capacity, operations, percents }
}

/// Does all operations; counts from number `warm` on.
fn hit_percent(store: &mut dyn Store, ids: &[u32], warm: usize) -> f64 {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(10);
    let (mut gets, mut hits) = (0_u64, 0_u64);
    for (at, &id) in ids.iter().enumerate() {
        if random.next_u64() < WRITES {
            store.insert(id, HELD);
            continue;
        }
        let hit = store.get(id).is_some();
        if at >= warm {
            gets += 1;
            hits += u64::from(hit);
        }
        if !hit {
            store.insert(id, HELD);
        }
    }
    100.0 * hits as f64 / gets.max(1) as f64
}
