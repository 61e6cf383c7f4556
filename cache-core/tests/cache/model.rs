//! Random sequences of operations, against a map that does the same in the simplest way.
//!
//! If the cache has room for all keys, each result has to be the model's. If not, an entry may be
//! missing, but what is found has to be right and the bound has to hold. Values have several sizes,
//! on which the length of a block of slots depends. Keys are of two types: one whose `Eq` is known
//! to the cache, and a foreign one.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use cache_core::Cache;
use cache_core::{FakeClock, RandomState};
use proptest::prelude::*;

use super::support::occurrences;
use crate::common::configurations::Way;
use crate::common::hashers::{Constant, Identity, TestHasher};
use cache_core::__private::testing::validate;

const TTL: u64 = 1000;
const TTI: u64 = 1000 / 2;

#[derive(Clone, Debug)]
enum Step {
    Get(u8),
    View(u8),
    Peek(u8),
    Contains(u8),
    Insert(u8, u32),
    InsertWithTtl(u8, u32, u64),
    SetTtl(u8, u64),
    Info(u8),
    Remove(u8),
    Invalidate(u8),
    InvalidateAll,
    InvalidateIf(u32),
    GetWith(u8, u32),
    TryGetWith(u8, Result<u32, u8>),
    OptionallyGetWith(u8, Option<u32>),
    Iterate,
    Tick(u64),
    RunPendingTasks,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ttl = prop_oneof![Just(0), 1..3000u64, 1..100_000u64, Just(u64::MAX)];
    let new_ttl = ttl.clone();
    let step = prop_oneof![
        4 => any::<u8>().prop_map(Step::Get),
        1 => any::<u8>().prop_map(Step::View),
        1 => any::<u8>().prop_map(Step::Peek),
        1 => any::<u8>().prop_map(Step::Contains),
        8 => (any::<u8>(), any::<u32>()).prop_map(|(k, v)| Step::Insert(k, v)),
        3 => (any::<u8>(), any::<u32>(), ttl).prop_map(|(k, v, t)| Step::InsertWithTtl(k, v, t)),
        2 => (any::<u8>(), new_ttl).prop_map(|(k, t)| Step::SetTtl(k, t)),
        1 => any::<u8>().prop_map(Step::Info),
        2 => any::<u8>().prop_map(Step::Remove),
        1 => any::<u8>().prop_map(Step::Invalidate),
        1 => Just(Step::InvalidateAll),
        1 => (1..5u32).prop_map(Step::InvalidateIf),
        2 => (any::<u8>(), any::<u32>()).prop_map(|(k, v)| Step::GetWith(k, v)),
        1 => (any::<u8>(), any::<Result<u32, u8>>()).prop_map(|(k, v)| Step::TryGetWith(k, v)),
        1 => (any::<u8>(), any::<Option<u32>>()).prop_map(|(k, v)| Step::OptionallyGetWith(k, v)),
        1 => Just(Step::Iterate),
        2 => prop_oneof![0..50u64, 0..2000u64, 0..200_000u64].prop_map(Step::Tick),
        1 => Just(Step::RunPendingTasks),
    ];
    prop::collection::vec(step, 1..150)
}

/// What lives in the model: a value with its deadlines, in ticks; `None` is never.
#[derive(Clone, Copy)]
struct Life {
    value: u32,
    written: u64,
    ttl_deadline: Option<u64>,
    entry_deadline: Option<u64>,
    idle_deadline: Option<u64>,
}

impl Life {
    fn deadline(&self) -> Option<u64> {
        [self.ttl_deadline, self.entry_deadline, self.idle_deadline].into_iter().flatten().min()
    }
}

/// What the cache should be: values with their deadlines.
#[derive(Default)]
struct Model {
    entries: HashMap<u8, Life>,
    now: u64,
    ttl: Option<u64>,
    tti: Option<u64>,
}

impl Model {
    fn live_entry(&mut self, key: u8) -> Option<&mut Life> {
        let now = self.now;
        self.entries.get_mut(&key).filter(|life| life.deadline().is_none_or(|end| now < end))
    }

    fn get(&self, key: u8) -> Option<u32> {
        let life = self.entries.get(&key)?;
        life.deadline().is_none_or(|end| self.now < end).then_some(life.value)
    }

    /// A deadline at the last tick, or beyond it, is never.
    fn after(&self, ttl: Option<u64>) -> Option<u64> {
        self.now.checked_add(ttl?).filter(|&tick| tick != u64::MAX)
    }

    /// A look-up that counts as a use.
    fn touch(&mut self, key: u8) {
        let idle_deadline = self.after(self.tti);
        if let Some(life) = self.live_entry(key) {
            life.idle_deadline = idle_deadline;
        }
    }

    fn insert(&mut self, key: u8, value: u32, ttl: Option<u64>) {
        let (ttl_deadline, entry_deadline, idle_deadline) =
            (self.after(self.ttl), self.after(ttl), self.after(self.tti));
        self.entries.insert(
            key,
            Life { value, written: self.now, ttl_deadline, entry_deadline, idle_deadline },
        );
    }

    fn set_ttl(&mut self, key: u8, ttl: u64) -> bool {
        let entry_deadline = self.after(Some(ttl));
        self.live_entry(key).map(|life| life.entry_deadline = entry_deadline).is_some()
    }

    fn remove(&mut self, key: u8) -> Option<u32> {
        let value = self.get(key);
        self.entries.remove(&key);
        value
    }

    fn live(&self) -> HashMap<u8, u32> {
        self.entries.keys().filter_map(|&key| Some((key, self.get(key)?))).collect()
    }
}

/// A number, as a value of some size.
trait Value: Clone + Send + Sync + 'static {
    fn of(number: u32) -> Self;
    fn number(&self) -> u32;
}

impl Value for u32 {
    fn of(number: u32) -> Self {
        number
    }
    fn number(&self) -> u32 {
        *self
    }
}

/// The number in each of many words.
#[derive(Clone)]
struct Wide<const WORDS: usize>([u32; WORDS]);

impl<const WORDS: usize> Value for Wide<WORDS> {
    fn of(number: u32) -> Self {
        Wide([number; WORDS])
    }
    fn number(&self) -> u32 {
        assert!(self.0.iter().all(|word| *word == self.0[0]), "a torn value");
        self.0[0]
    }
}

/// The cache's key for a key of the model.
trait Key: Hash + Eq + Clone + Send + Sync + Into<u8> + From<u8> + 'static {}

impl Key for u8 {}

/// A key whose `Eq` the cache does not know, and so does not run under a lock.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Foreign(u8);

impl From<u8> for Foreign {
    fn from(key: u8) -> Self {
        Foreign(key)
    }
}

impl From<Foreign> for u8 {
    fn from(Foreign(key): Foreign) -> Self {
        key
    }
}

impl Key for Foreign {}

/// A cache beside its model.
struct Pair<K, S, V> {
    cache: Cache<K, V, S>,
    model: Model,
    clock: FakeClock,
    /// Nothing is ever evicted.
    exact: bool,
}

#[derive(Clone, Copy)]
struct Bound {
    max: Option<u64>,
    weigher: Option<fn(u32) -> u32>,
    exact: bool,
}

impl<K: Key, S: TestHasher, V: Value> Pair<K, S, V> {
    fn new(bound: Bound, ttl: Option<u64>, tti: Option<u64>, way: Way) -> Self {
        let clock = FakeClock::new();
        let mut builder = Cache::builder().clock(clock.clone());
        if let Some(max) = bound.max {
            builder = builder.max_capacity(max);
        }
        if let Some(weigher) = bound.weigher {
            builder = builder.weigher(move |_, value: &V| weigher(value.number()));
        }
        if let Some(ttl) = ttl {
            builder = builder.time_to_live(Duration::from_nanos(ttl));
        }
        if let Some(tti) = tti {
            builder = builder.time_to_idle(Duration::from_nanos(tti));
        }
        let cache = way.prepare(builder).build_with_hasher(S::default());
        way.begin(&cache);
        Pair { cache, model: Model { ttl, tti, ..Model::default() }, clock, exact: bound.exact }
    }

    /// The cache's result is the model's, or nothing if the entry may have been evicted; then the
    /// model forgets it too.
    fn agree(&mut self, key: u8, result: Option<u32>) {
        let expected = self.model.get(key);
        if result.is_none() && !self.exact {
            self.model.entries.remove(&key);
        } else {
            assert_eq!(result, expected, "key {key}");
        }
    }

    fn look(&mut self, step: &Step) {
        let (key, result) = match *step {
            Step::Get(key) => (key, self.cache.get(&K::from(key)).map(|value| value.number())),
            Step::View(key) => (key, self.cache.view(&K::from(key), V::number)),
            Step::Peek(key) => (key, self.cache.peek(&K::from(key)).map(|value| value.number())),
            Step::Contains(key) => {
                let there = self.cache.contains_key(&K::from(key));
                (key, if there { self.model.get(key).or(Some(0)) } else { None })
            }
            _ => unreachable!("not a look-up"),
        };
        self.agree(key, result);
        if matches!(step, Step::Get(_) | Step::View(_)) {
            self.model.touch(key);
        }
    }

    fn info(&mut self, key: u8) {
        let info = self.cache.entry_info(&K::from(key));
        self.agree(key, info.and(self.model.get(key)));
        if let (Some(info), Some(life)) = (info, self.model.entries.get(&key)) {
            let now = self.model.now;
            let left = life.deadline().map(|end| Duration::from_nanos(end - now));
            assert_eq!(info.time_left(), left);
            let has_age = self.model.ttl.or(self.model.tti).is_some();
            assert_eq!(info.age(), has_age.then(|| Duration::from_nanos(now - life.written)));
        }
    }

    /// A load: `given` is what the cache returned, `loaded` what its loader gives.
    fn load(&mut self, key: u8, given: Option<u32>, loaded: Option<u32>, ran: bool) {
        let before = self.model.get(key);
        if self.exact {
            assert_eq!(ran, before.is_none(), "the loader of key {key}");
        }
        assert_eq!(given, if ran { loaded } else { before }, "key {key}");
        if let (true, Some(value)) = (ran, loaded) {
            self.model.insert(key, value, None);
        } else if !ran {
            self.model.touch(key);
        } else {
            self.model.entries.remove(&key);
        }
    }

    fn write(&mut self, step: &Step) {
        match *step {
            Step::Insert(key, value) => {
                self.cache.insert(key.into(), V::of(value));
                self.model.insert(key, value, None);
            }
            Step::InsertWithTtl(key, value, ttl) => {
                self.cache.insert_with_ttl(key.into(), V::of(value), Duration::from_nanos(ttl));
                self.model.insert(key, value, Some(ttl));
            }
            Step::SetTtl(key, ttl) => {
                let done = self.cache.set_ttl(&K::from(key), Duration::from_nanos(ttl));
                self.agree(key, if done { self.model.get(key).or(Some(0)) } else { None });
                assert_eq!(self.model.set_ttl(key, ttl), done);
            }
            Step::Remove(key) => {
                let result = self.cache.remove(&K::from(key)).map(|value| value.number());
                self.agree(key, result);
                self.model.remove(key);
            }
            Step::Invalidate(key) => {
                self.cache.invalidate(&K::from(key));
                self.model.remove(key);
            }
            Step::InvalidateAll => {
                self.cache.invalidate_all();
                self.model.entries.clear();
                assert_eq!(self.cache.entry_count(), 0);
            }
            Step::InvalidateIf(n) => {
                let count = self.cache.invalidate_entries_if(|_, value| value.number() % n == 0);
                let condemned = self.model.live().into_values().filter(|v| v % n == 0).count();
                self.model.entries.retain(|_, life| life.value % n != 0);
                assert!(count == condemned as u64 || (!self.exact && count < condemned as u64));
            }
            _ => unreachable!("not a write"),
        }
    }

    fn iterate(&self) {
        let entries = self.cache.iter().map(|(key, value)| (key.into(), value));
        let entries: Vec<(u8, V)> = entries.collect();
        let live = self.model.live();
        assert!(entries.iter().all(|(key, value)| live.get(key) == Some(&value.number())));
        let times = occurrences(entries.iter().map(|entry| entry.0));
        assert!(times.values().all(|&times| times == 1));
        assert!(entries.len() == live.len() || (!self.exact && entries.len() < live.len()));
    }

    fn step(&mut self, step: &Step) {
        let mut ran = false;
        match *step {
            Step::GetWith(key, value) => {
                let load = || {
                    ran = true;
                    V::of(value)
                };
                let given = self.cache.get_with(key.into(), load).number();
                self.load(key, Some(given), Some(value), ran);
            }
            Step::TryGetWith(key, result) => {
                let load = || {
                    ran = true;
                    result.map(V::of)
                };
                let given = self.cache.try_get_with(key.into(), load);
                self.load(key, given.ok().map(|value| value.number()), result.ok(), ran);
            }
            Step::OptionallyGetWith(key, option) => {
                let load = || {
                    ran = true;
                    option.map(V::of)
                };
                let given = self.cache.optionally_get_with_by_ref(&K::from(key), load);
                self.load(key, given.map(|value| value.number()), option, ran);
            }
            Step::Iterate => self.iterate(),
            Step::Tick(by) => {
                self.clock.advance(Duration::from_nanos(by));
                self.model.now += by;
            }
            Step::RunPendingTasks => {
                self.cache.run_pending_tasks();
                let live = self.model.live().len() as u64;
                let count = self.cache.entry_count();
                assert!(count == live || (!self.exact && count < live));
            }
            Step::Info(key) => self.info(key),
            Step::Get(_) | Step::View(_) | Step::Peek(_) | Step::Contains(_) => self.look(step),
            _ => self.write(step),
        }
        validate(&self.cache);
    }
}

fn run<S: TestHasher>(steps: &[Step], bound: Bound) {
    run_with::<S, u32>(steps, bound);
}

fn run_with<S: TestHasher, V: Value>(steps: &[Step], bound: Bound) {
    run_keyed::<u8, S, V>(steps, bound);
    run_keyed::<Foreign, S, V>(steps, bound);
}

fn run_keyed<K: Key, S: TestHasher, V: Value>(steps: &[Step], bound: Bound) {
    // Those without a time to idle may go the short way; which one, chance decides.
    let way = |turn: usize| Way::ALL[(steps.len() + turn) % Way::ALL.len()];
    let lives = [(None, None), (Some(TTL), None), (None, Some(TTI)), (Some(TTL), Some(TTI))];
    for (turn, (ttl, tti)) in lives.into_iter().enumerate() {
        let mut pair = Pair::<K, S, V>::new(bound, ttl, tti, way(turn));
        for step in steps {
            pair.step(step);
            let (count, size) = (pair.cache.entry_count(), pair.cache.weighted_size());
            let max = bound.max.unwrap_or(u64::MAX);
            assert!(size <= max);
            assert!(bound.weigher.is_some() || count == size);
        }
        for key in 0..=u8::MAX {
            pair.step(&Step::Get(key));
        }
    }
}

fn by_value(value: u32) -> u32 {
    value % 40
}

/// A bound that is never reached.
fn far(max: u64) -> Bound {
    Bound { max: Some(max), weigher: None, exact: true }
}

/// A bound that is reached.
fn near(max: u64) -> Bound {
    Bound { max: Some(max), weigher: None, exact: false }
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..Default::default() }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn results_are_exact_if_the_bound_is_far(steps in steps()) {
        run::<RandomState>(&steps, far(5000));
        run::<Identity>(&steps, far(256));
        run::<Constant>(&steps, far(300));
        run::<RandomState>(&steps, Bound { weigher: Some(by_value), ..far(10_000) });
    }

    #[test]
    fn hits_are_right_and_the_bound_holds_in_small_caches(steps in steps()) {
        for max in [1, 2, 10, 50] {
            run::<RandomState>(&steps, near(max));
            run::<Constant>(&steps, near(max));
        }
        for max in [1, 30, 100, 1000] {
            run::<Identity>(&steps, Bound { weigher: Some(by_value), ..near(max) });
        }
    }
}

proptest! {
    #![proptest_config(cases(2))]

    #[test]
    fn results_do_not_depend_on_the_size_of_values(steps in steps()) {
        // Slots of 480, 1,232 and 3,224 bytes: in blocks of eight, of two and of one.
        run_with::<RandomState, Wide<114>>(&steps, far(5000));
        run_with::<Constant, Wide<303>>(&steps, far(300));
        run_with::<RandomState, Wide<801>>(&steps, far(5000));
        run_with::<Identity, Wide<801>>(&steps, Bound { weigher: Some(by_value), ..far(10_000) });
        for max in [1, 10, 50] {
            run_with::<RandomState, Wide<114>>(&steps, near(max));
            run_with::<RandomState, Wide<303>>(&steps, near(max));
            run_with::<Constant, Wide<801>>(&steps, near(max));
        }
    }

    /// Few cases: an unbounded cache has many shards to check after each step.
    #[test]
    fn results_are_exact_in_an_unbounded_cache(steps in steps()) {
        run::<RandomState>(&steps, Bound { max: None, weigher: None, exact: true });
    }
}
