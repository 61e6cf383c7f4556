//! Refreshes and stale values beside a model, single-threaded: every load call in every phase of an
//! entry's life, with loaders that succeed, fail, find nothing or panic, on a `Cache` and on a
//! `LoadingCache` whose refreshes an executor runs.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{Cache, FakeClock, Job, LoadingCache, Op, Status};
use proptest::prelude::*;

use crate::common::hashers::{Identity, TestHasher};
use crate::common::panics::{panics, silence_panics_on_purpose};
use cache_core::__private::testing::validate;

const TTL: u64 = 60;
const REFRESH: u64 = 20;
const RETRY: u64 = 1;

/// What a loader does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Load {
    Gives(u32),
    Fails,
    Panics,
}

#[derive(Clone, Debug)]
enum Step {
    Get(u8),
    TryLoad(u8, Load),
    /// With the status: a loader that cannot fail, except by a panic.
    Load(u8, Load),
    Optionally(u8, Option<u32>),
    Many(u8, Option<u32>),
    /// By the loading cache.
    Loading(u8, Load),
    Insert(u8, u32),
    SetTtl(u8, u64),
    Remove(u8),
    ComputeRemove(u8),
    InvalidateIf(u32),
    InvalidateAll,
    Tick(u64),
    Tidy,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || 0..3_u8;
    let load = || {
        prop_oneof![
            3 => any::<u32>().prop_map(Load::Gives),
            2 => Just(Load::Fails),
            1 => Just(Load::Panics),
        ]
    };
    let seconds = prop_oneof![Just(1), 0..5_u64, 15..25_u64, 55..65_u64, 0..100_u64];
    let step = prop_oneof![
        2 => key().prop_map(Step::Get),
        6 => (key(), load()).prop_map(|(key, load)| Step::TryLoad(key, load)),
        3 => (key(), load()).prop_map(|(key, load)| Step::Load(key, load)),
        2 => (key(), any::<Option<u32>>()).prop_map(|(key, load)| Step::Optionally(key, load)),
        2 => (key(), any::<Option<u32>>()).prop_map(|(key, load)| Step::Many(key, load)),
        6 => (key(), load()).prop_map(|(key, load)| Step::Loading(key, load)),
        2 => (key(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
        1 => (key(), 0..100_u64).prop_map(|(key, ttl)| Step::SetTtl(key, ttl)),
        1 => key().prop_map(Step::Remove),
        1 => key().prop_map(Step::ComputeRemove),
        1 => (1..4_u32).prop_map(Step::InvalidateIf),
        1 => Just(Step::InvalidateAll),
        8 => seconds.prop_map(Step::Tick),
        1 => Just(Step::Tidy),
    ];
    prop::collection::vec(step, 1..120)
}

#[derive(Clone, Copy, Debug)]
struct Life {
    value: u32,
    written: u64,
    deadline: u64,
    retry_at: u64,
    failing_until: u64,
}

/// What a load call finds: what it is served at once, if anything; and whether it is to load.
struct Found {
    served: Option<(u32, Status)>,
    loads: bool,
}

#[derive(Default)]
struct Model {
    entries: HashMap<u8, Life>,
    now: u64,
    revalidate: u64,
    if_error: u64,
}

impl Model {
    fn fresh(&self, key: u8) -> Option<u32> {
        let life = self.entries.get(&key)?;
        (self.now < life.deadline).then_some(life.value)
    }

    fn insert(&mut self, key: u8, value: u32) {
        let now = self.now;
        let life = Life { value, written: now, deadline: now + TTL, retry_at: 0, failing_until: 0 };
        self.entries.insert(key, life);
    }

    /// How an entry is served if a load has failed.
    fn after_failure(&self, key: u8) -> Option<(u32, Status)> {
        let life = self.entries.get(&key)?;
        match self.now.checked_sub(life.deadline) {
            None => Some((life.value, Status::Hit)),
            Some(over) if over < self.revalidate => Some((life.value, Status::Stale)),
            Some(over) if over < self.if_error => Some((life.value, Status::Fallback)),
            Some(_) => None,
        }
    }

    /// The first look of a load call.
    fn look(&mut self, key: u8) -> Found {
        let served = self.after_failure(key);
        let (now, life) = (self.now, self.entries.get_mut(&key));
        let Some((served, life)) = served.zip(life) else {
            return Found { served: None, loads: true };
        };
        let due = match served.1 {
            Status::Hit => now - life.written >= REFRESH && now >= life.retry_at,
            Status::Stale => now >= life.retry_at,
            _ if now >= life.failing_until => return Found { served: None, loads: true },
            _ => false,
        };
        if due {
            life.retry_at = now + RETRY;
        }
        Found { served: Some(served), loads: due }
    }

    fn fail(&mut self, key: u8) {
        let until = self.now + RETRY;
        if let Some(life) = self.entries.get_mut(&key) {
            life.retry_at = life.retry_at.max(until);
            life.failing_until = life.failing_until.max(until);
        }
    }
}

struct Pair<S> {
    cache: Cache<u8, u32, S>,
    loading: LoadingCache<u8, u32, &'static str, S>,
    /// What the loader of the loading cache does next.
    next: Arc<AtomicU64>,
    ran: Arc<AtomicUsize>,
    clock: FakeClock,
    model: Model,
    started: Cell<u64>,
}

const FAILS: u64 = u64::MAX;
const PANICS: u64 = u64::MAX - 1;

impl<S: TestHasher> Pair<S> {
    fn new(revalidate: u64, if_error: u64) -> Self {
        let clock = FakeClock::new();
        let mut builder = Cache::builder()
            .time_to_live(Duration::from_secs(TTL))
            .refresh_after(Duration::from_secs(REFRESH))
            .clock(clock.clone())
            .record_stats()
            .executor(|job: Job| job());
        if revalidate > 0 {
            builder = builder.stale_while_revalidate(Duration::from_secs(revalidate));
        }
        if if_error > 0 {
            builder = builder.stale_if_error(Duration::from_secs(if_error));
        }
        let cache = builder.build_with_hasher(S::default());
        let (next, ran) = (Arc::new(AtomicU64::new(FAILS)), Arc::new(AtomicUsize::new(0)));
        let (plan, count) = (Arc::clone(&next), Arc::clone(&ran));
        let loading = LoadingCache::new(cache.clone(), move |_: &u8| {
            count.fetch_add(1, SeqCst);
            match plan.load(SeqCst) {
                FAILS => Err("on purpose"),
                PANICS => panic!("on purpose"),
                value => Ok(value as u32),
            }
        });
        let model = Model { revalidate, if_error, ..Model::default() };
        Pair { cache, loading, next, ran, clock, model, started: Cell::new(0) }
    }

    /// A load that the caller runs. `answer` is what the cache returned; a panic is `None`.
    fn check_load(
        &mut self,
        key: u8,
        load: Load,
        ran: bool,
        answer: Option<Result<(u32, Option<Status>), ()>>,
    ) {
        let found = self.model.look(key);
        assert_eq!(ran, found.loads, "whether the caller loads");
        self.started.set(self.started.get() + u64::from(found.loads && found.served.is_some()));
        let expected = match (ran, load) {
            (false, _) => Some(found.served.ok_or(())),
            (true, Load::Gives(value)) => {
                self.model.insert(key, value);
                Some(Ok((value, Status::Loaded)))
            }
            (true, Load::Fails) => {
                self.model.fail(key);
                Some(self.model.after_failure(key).ok_or(()))
            }
            (true, Load::Panics) => {
                self.model.fail(key);
                None
            }
        };
        match (answer, expected) {
            (None, None) | (Some(Err(())), Some(Err(()))) => {}
            (Some(Ok((value, status))), Some(Ok(expected))) => {
                assert_eq!(value, expected.0);
                assert!(
                    status.is_none_or(|status| status == expected.1),
                    "{status:?} {expected:?}"
                );
            }
            (answer, expected) => panic!("{answer:?} for {expected:?}"),
        }
    }

    /// A load whose loader finds nothing, or something.
    fn check_optional(&mut self, key: u8, load: Option<u32>, ran: bool, answer: Option<u32>) {
        let found = self.model.look(key);
        assert_eq!(ran, found.loads, "whether the caller loads");
        self.started.set(self.started.get() + u64::from(found.loads && found.served.is_some()));
        if !ran {
            assert_eq!(answer, found.served.map(|(value, _)| value));
            return;
        }
        assert_eq!(answer, load);
        match load {
            Some(value) => self.model.insert(key, value),
            None => _ = self.model.entries.remove(&key),
        }
    }

    fn load(&mut self, step: &Step) {
        let mut ran = false;
        match *step {
            Step::TryLoad(key, load) => {
                let mut answer = None;
                _ = panics(|| {
                    answer = Some(self.cache.try_get_with(key, || {
                        ran = true;
                        match load {
                            Load::Gives(value) => Ok(value),
                            Load::Fails => Err("on purpose"),
                            Load::Panics => panic!("on purpose"),
                        }
                    }));
                });
                let answer = answer.map(|given| given.map(|value| (value, None)).map_err(drop));
                self.check_load(key, load, ran, answer);
            }
            Step::Load(key, load) => {
                let load = if load == Load::Fails { Load::Panics } else { load };
                let mut answer = None;
                _ = panics(|| {
                    answer = Some(self.cache.get_with_status(key, || {
                        ran = true;
                        if let Load::Gives(value) = load { value } else { panic!("on purpose") }
                    }));
                });
                let answer = answer.map(|(value, status)| Ok((value, Some(status))));
                self.check_load(key, load, ran, answer);
            }
            Step::Optionally(key, load) => {
                let answer = self.cache.optionally_get_with(key, || {
                    ran = true;
                    load
                });
                self.check_optional(key, load, ran, answer);
            }
            Step::Many(key, load) => {
                let answer = self.cache.get_many_with(&[key], |_| {
                    ran = true;
                    load.into_iter().map(|value| (key, value)).collect()
                });
                self.check_optional(key, load, ran, answer[0]);
            }
            Step::Loading(key, load) => self.load_by_executor(key, load),
            _ => unreachable!("no load"),
        }
    }

    fn load_by_executor(&mut self, key: u8, load: Load) {
        let plan = match load {
            Load::Gives(value) => u64::from(value),
            Load::Fails => FAILS,
            Load::Panics => PANICS,
        };
        self.next.store(plan, SeqCst);
        let before = self.ran.load(SeqCst);
        let mut answer = None;
        let panicked = panics(|| answer = Some(self.loading.get_with_status(&key)));
        let ran = self.ran.load(SeqCst) > before;
        let found = self.model.look(key);
        assert_eq!(ran, found.loads, "whether the caller loads");
        let Some(old) = found.served else {
            assert_eq!(panicked, ran && load == Load::Panics);
            // As if the caller had run it; the look has changed nothing.
            let answer = answer.map(|given| given.map(|(v, s)| (v, Some(s))).map_err(drop));
            return self.check_load(key, load, ran, answer);
        };
        self.started.set(self.started.get() + u64::from(found.loads));
        // Whatever becomes of the refresh, its caller is served the old value.
        assert_eq!(answer, Some(Ok(old)));
        match load {
            Load::Gives(value) if ran => self.model.insert(key, value),
            Load::Fails | Load::Panics if ran => self.model.fail(key),
            _ => {}
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Get(key) => assert_eq!(self.cache.get(&key), self.model.fresh(key)),
            Step::Insert(key, value) => {
                self.cache.insert(key, value);
                self.model.insert(key, value);
            }
            Step::SetTtl(key, ttl) => {
                let done = self.cache.set_ttl(&key, Duration::from_secs(ttl));
                assert_eq!(done, self.model.fresh(key).is_some());
                if let Some(life) = self.model.entries.get_mut(&key).filter(|_| done) {
                    life.deadline = (life.written + TTL).min(self.model.now + ttl);
                }
            }
            Step::Remove(key) => {
                assert_eq!(self.cache.remove(&key), self.model.fresh(key));
                self.model.entries.remove(&key);
            }
            Step::ComputeRemove(key) => {
                self.cache.entry(key).and_compute_with(|_| Op::Remove);
                self.model.entries.remove(&key);
            }
            Step::InvalidateIf(n) => {
                // What is stale counts: it could be served.
                self.cache.invalidate_entries_if(|_, value| value % n == 0);
                self.model.entries.retain(|_, life| life.value % n != 0);
            }
            Step::InvalidateAll => {
                self.cache.invalidate_all();
                self.model.entries.clear();
            }
            Step::Tick(seconds) => {
                self.clock.advance(Duration::from_secs(seconds));
                self.model.now += seconds;
            }
            Step::Tidy => {
                self.cache.run_pending_tasks();
                let grace = self.model.revalidate.max(self.model.if_error);
                let now = self.model.now;
                self.model.entries.retain(|_, life| now < life.deadline + grace);
                assert_eq!(self.cache.entry_count(), self.model.entries.len() as u64);
            }
            _ => self.load(step),
        }
        validate(&self.cache);
        assert_eq!(self.cache.stats().refreshes, self.started.get());
    }
}

fn run<S: TestHasher>(steps: &[Step]) {
    for (revalidate, if_error) in [(0, 0), (30, 0), (0, 30), (30, 90), (90, 30)] {
        let mut pair = Pair::<S>::new(revalidate, if_error);
        steps.iter().for_each(|step| pair.step(step));
    }
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..Default::default() }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn every_call_in_every_phase_returns_what_the_model_does(steps in steps()) {
        silence_panics_on_purpose();
        run::<Identity>(&steps);
    }
}
