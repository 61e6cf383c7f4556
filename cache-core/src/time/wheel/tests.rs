use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{LEVELS, NEVER, Wheel};

/// The wheel beside the simplest thing that does the same.
struct Pair {
    wheel: Wheel,
    model: BTreeMap<u32, u64>,
    now: u64,
}

#[derive(Clone, Debug)]
enum Step {
    ScheduleAhead(u32, u64),
    ScheduleAt(u32, u64),
    Cancel(u32),
    Renumber(u32, Option<u32>),
    Shrink,
    Advance(u64),
    AdvanceToNextDue,
    PopStale(u64),
    Pop(usize),
    PopAll,
    Clear,
}

impl Pair {
    fn new() -> Self {
        Self { wheel: Wheel::new(), model: BTreeMap::new(), now: 0 }
    }

    fn schedule(&mut self, id: u32, at: u64) {
        self.wheel.schedule(id, at);
        self.model.remove(&id);
        if at != NEVER {
            self.model.insert(id, at);
        }
    }

    /// One call, compared with the model.
    fn pop(&mut self, steps: &mut usize) -> Option<u32> {
        let before = *steps;
        let popped = self.wheel.pop_due(self.now, steps);
        match popped {
            Some(id) => {
                assert!(*steps < before, "a pop costs a step");
                let at = self.model.remove(&id).expect("popped, but never scheduled");
                assert!(at <= self.now, "popped {} ns early", at - self.now);
            }
            None if *steps > 0 => {
                let late = self.model.iter().find(|&(_, &at)| at <= self.now);
                assert_eq!(late, None, "overlooked");
                assert!(self.wheel.next_due() > self.now || self.model.is_empty());
            }
            None => {}
        }
        popped
    }

    fn pop_all(&mut self, budget: usize) -> Vec<u32> {
        // A timer moves at most once per level, and is returned once.
        let limit = self.model.len() * (LEVELS + 1) / budget + 2;
        let mut found = Vec::new();
        let mut exhausted = 0;
        loop {
            let mut steps = budget;
            while let Some(id) = self.pop(&mut steps) {
                found.push(id);
            }
            self.check();
            if steps > 0 {
                return found;
            }
            exhausted += 1;
            assert!(exhausted <= limit + found.len(), "no progress");
        }
    }

    fn check(&self) {
        self.wheel.validate();
        assert_eq!(self.wheel.len, self.model.len());
        for id in 0..70 {
            let expected = self.model.get(&id).copied().unwrap_or(NEVER);
            assert_eq!(self.wheel.deadline(id), expected);
        }
        let earliest = self.model.values().min().copied().unwrap_or(NEVER);
        assert_eq!(self.wheel.earliest(), earliest);
        assert!(self.wheel.next_due() <= earliest);
        assert_eq!(self.wheel.next_due() == NEVER, self.model.is_empty());
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::ScheduleAhead(id, by) => self.schedule(id, self.now.saturating_add(by)),
            Step::ScheduleAt(id, at) => self.schedule(id, at),
            Step::Cancel(id) => {
                self.wheel.cancel(id);
                self.model.remove(&id);
            }
            Step::Renumber(id, new) => {
                self.wheel.renumber(id, new);
                let at = self.model.remove(&id);
                if let Some(new) = new {
                    self.model.remove(&new);
                    self.model.extend(at.map(|at| (new, at)));
                }
            }
            Step::Shrink => {
                let ids = self.model.last_key_value().map_or(0, |(&id, _)| id as usize + 1);
                self.wheel.shrink(ids);
                assert!(self.wheel.timers.capacity() <= 2 * ids);
            }
            Step::Advance(by) => self.now = self.now.saturating_add(by),
            Step::AdvanceToNextDue => self.now = self.now.max(self.wheel.next_due().min(NEVER - 1)),
            Step::PopStale(by) => {
                let stale = self.now.saturating_sub(by);
                if let Some(id) = self.wheel.pop_due(stale, &mut 3) {
                    assert!(self.model.remove(&id).expect("scheduled") <= stale);
                }
            }
            Step::Pop(mut steps) => drop(self.pop(&mut steps)),
            Step::PopAll => drop(self.pop_all(7)),
            Step::Clear => {
                self.wheel.clear();
                self.model.clear();
            }
        }
    }
}

/// Durations of every magnitude, so that every level takes part.
fn span() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => (0u32..64, any::<u64>()).prop_map(|(bits, raw)| raw >> bits),
        2 => (0u32..64).prop_map(|bits| 1 << bits),
        1 => (0u32..64).prop_map(|bits| (1 << bits) - 1),
    ]
}

/// As in a cache: up to some minutes.
fn short_span() -> impl Strategy<Value = u64> {
    (0u32..38).prop_flat_map(|bits| 0u64..(1 << bits))
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 0u32..70;
    prop_oneof![
        10 => (id(), short_span()).prop_map(|(id, by)| Step::ScheduleAhead(id, by)),
        4 => (id(), span()).prop_map(|(id, by)| Step::ScheduleAhead(id, by)),
        3 => (id(), span()).prop_map(|(id, at)| Step::ScheduleAt(id, at)),
        1 => (id(), prop_oneof![Just(0), Just(NEVER - 1), Just(NEVER)])
            .prop_map(|(id, at)| Step::ScheduleAt(id, at)),
        3 => id().prop_map(Step::Cancel),
        3 => (id(), prop::option::of(id())).prop_map(|(id, new)| Step::Renumber(id, new)),
        1 => Just(Step::Shrink),
        6 => short_span().prop_map(Step::Advance),
        1 => (0u64..1 << 57).prop_map(Step::Advance),
        3 => Just(Step::AdvanceToNextDue),
        1 => short_span().prop_map(Step::PopStale),
        8 => (0usize..6).prop_map(Step::Pop),
        2 => Just(Step::PopAll),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 400 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_history_agrees_with_an_ordered_map(steps in prop::collection::vec(step(), 1..300)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.apply(step);
            pair.check();
        }
        pair.now = NEVER;
        pair.pop_all(1);
        prop_assert_eq!(pair.wheel.len, 0);
    }

    #[test]
    fn pop_due_with_one_step_per_call_loses_nothing(
        start in span(),
        ahead in prop::collection::vec(span(), 1..60),
        strides in prop::collection::vec(span(), 1..20),
    ) {
        let mut pair = Pair::new();
        pair.now = start;
        pair.pop(&mut 1);
        for (id, by) in ahead.into_iter().enumerate() {
            pair.schedule(id as u32, start.saturating_add(by).min(NEVER - 1));
        }
        for by in strides {
            pair.now = pair.now.saturating_add(by);
            pair.pop_all(1);
        }
        pair.now = NEVER - 1;
        pair.pop_all(1);
        prop_assert_eq!(pair.wheel.len, 0);
    }
}

/// With its type: `serde_json`, where it is linked, has values that compare with `u32`, too.
const NONE: [u32; 0] = [];

fn drain(wheel: &mut Wheel, now: u64) -> Vec<u32> {
    let mut steps = usize::MAX;
    let mut found: Vec<u32> = std::iter::from_fn(|| wheel.pop_due(now, &mut steps)).collect();
    found.sort_unstable();
    wheel.validate();
    found
}

#[test]
fn new_allocates_nothing_until_the_first_schedule() {
    let mut wheel = Wheel::new();
    assert_eq!((wheel.pop_due(5, &mut 9), wheel.pop_due(NEVER, &mut 9)), (None, None));
    wheel.cancel(3);
    wheel.schedule(4, NEVER);
    wheel.validate();
    assert_eq!((wheel.heap_bytes(), wheel.next_due(), wheel.deadline(7)), (0, NEVER, NEVER));
    wheel.schedule(0, 1);
    assert!(wheel.heap_bytes() > 0);
    wheel.clear();
    assert_eq!((wheel.heap_bytes(), wheel.len, wheel.next_due()), (0, 0, NEVER));
}

#[test]
fn deadline_is_exact_also_for_neighbours_within_a_microsecond() {
    let noon = 43_200_000_000_000;
    let mut wheel = Wheel::new();
    assert_eq!(drain(&mut wheel, noon), NONE);
    for id in 0..1_000 {
        wheel.schedule(id, noon + 500 + u64::from(id));
    }
    for id in 0..1_000 {
        let at = noon + 500 + u64::from(id);
        assert_eq!(wheel.deadline(id), at);
        assert_eq!(drain(&mut wheel, at - 1), NONE);
        assert!(wheel.next_due() == at);
        assert_eq!(drain(&mut wheel, at), [id]);
    }
}

#[test]
fn schedule_in_the_past_is_due_at_once() {
    let mut wheel = Wheel::new();
    assert_eq!(drain(&mut wheel, 1_000_000), NONE);
    wheel.schedule(1, 0);
    wheel.schedule(2, 999_999);
    wheel.schedule(3, 1_000_000);
    wheel.schedule(4, 1_000_001);
    wheel.validate();
    assert_eq!(wheel.next_due(), 0);
    assert_eq!(drain(&mut wheel, 1_000_000), [1, 2, 3]);
    assert_eq!(drain(&mut wheel, 1_000_001), [4]);
}

#[test]
fn schedule_again_moves_earlier_and_later() {
    let mut wheel = Wheel::new();
    wheel.schedule(9, 5_000_000_000);
    wheel.schedule(9, 70);
    wheel.validate();
    assert_eq!((wheel.len, drain(&mut wheel, 69)), (1, vec![]));
    wheel.schedule(9, 1 << 50);
    assert_eq!(drain(&mut wheel, 5_000_000_000), NONE);
    wheel.schedule(9, NEVER);
    assert_eq!((wheel.len, wheel.next_due()), (0, NEVER));
    assert_eq!(drain(&mut wheel, 1 << 51), NONE);
}

#[test]
fn extremes_of_u64_are_ordinary_deadlines() {
    let mut wheel = Wheel::new();
    wheel.schedule(0, 0);
    wheel.schedule(1, NEVER - 1);
    wheel.schedule(2, 1 << 63);
    wheel.schedule(3, (1 << 63) - 1);
    assert_eq!(drain(&mut wheel, 0), [0]);
    assert_eq!(drain(&mut wheel, (1 << 63) - 1), [3]);
    assert_eq!(drain(&mut wheel, NEVER - 2), [2]);
    assert_eq!(drain(&mut wheel, NEVER - 1), [1]);
    wheel.schedule(4, NEVER - 1);
    assert_eq!(drain(&mut wheel, NEVER), [4]);
    assert_eq!(drain(&mut wheel, NEVER), NONE);
}

#[test]
fn far_jump_costs_no_steps_for_empty_time() {
    const YEAR: u64 = 365 * 24 * 3_600 * 1_000_000_000;
    let mut wheel = Wheel::new();
    assert_eq!(drain(&mut wheel, 1_234_567_890), NONE);
    for id in 0..100 {
        wheel.schedule(id, 1_300_000_000 + u64::from(id) * 77_777);
    }
    wheel.schedule(100, 500 * YEAR);
    // All in one slot or another that has passed: each pop is one step, nothing is moved.
    let mut steps = 100;
    while wheel.pop_due(400 * YEAR, &mut steps).is_some() {}
    assert_eq!((steps, wheel.len), (0, 1));
    assert_eq!(drain(&mut wheel, 500 * YEAR - 1), NONE);
    assert_eq!(drain(&mut wheel, 500 * YEAR), [100]);
}

#[test]
fn pop_due_returns_nothing_early_to_a_thread_whose_time_is_old() {
    let mut wheel = Wheel::new();
    assert_eq!(drain(&mut wheel, 1_000), NONE);
    wheel.schedule(1, 900);
    assert_eq!(drain(&mut wheel, 899), NONE);
    assert_eq!(drain(&mut wheel, 950), NONE, "older than what the wheel has seen: not now");
    assert_eq!(drain(&mut wheel, 1_000), [1]);
}

/// A mark left behind by a cascade whose timers were all cancelled must not spoil a later one.
#[test]
fn cancel_of_all_timers_of_an_unfinished_cascade_ends_it() {
    for keep in [false, true] {
        let mut wheel = Wheel::new();
        for id in 0..8 {
            wheel.schedule(id, (1 << 30) + 1_000 * u64::from(id) + 1_000);
        }
        if keep {
            wheel.schedule(8, 1 << 40);
        }
        assert_eq!(wheel.pop_due(1 << 30, &mut 3), None);
        wheel.validate();
        (0..8).for_each(|id| wheel.cancel(id));
        wheel.validate();
        assert_eq!(drain(&mut wheel, 1 << 31), NONE);
        wheel.schedule(0, (1 << 36) + 5);
        assert_eq!(drain(&mut wheel, 1 << 36), NONE);
        assert_eq!(drain(&mut wheel, (1 << 36) + 5), [0]);
        assert_eq!(wheel.len, usize::from(keep));
    }
}

/// What is scheduled while a cascade is unfinished is placed by an `elapsed` that is already there.
#[test]
fn schedule_during_an_unfinished_cascade_is_exact() {
    let mut pair = Pair::new();
    for id in 0..60 {
        pair.schedule(id, (1 << 36) + (1 << 20) * u64::from(id) + 100);
    }
    pair.now = 1 << 36;
    assert_eq!(pair.pop(&mut 2), None);
    for id in 60..70 {
        pair.schedule(id, pair.now + 1);
        pair.schedule(id - 60, pair.now + 2);
        pair.check();
        pair.now += 1;
        pair.pop(&mut 2);
        pair.check();
    }
    let found = pair.pop_all(usize::MAX);
    assert!(pair.wheel.next_due() > pair.now && !found.is_empty());
    pair.now = 1 << 37;
    pair.pop_all(1);
    assert!(pair.model.is_empty());
}

#[test]
fn million_ids_at_one_instant_cost_one_step_each() {
    let count: u32 = if cfg!(miri) { 1_000 } else { 1_000_000 };
    let (start, ttl) = (987_654_321_987, 60_000_000_000);
    let mut wheel = Wheel::new();
    assert_eq!(drain(&mut wheel, start), NONE);
    for id in 0..count {
        wheel.schedule(id, start + ttl);
    }
    // Time goes by in small steps: all timers sink through the levels, a few with each call.
    let mut now = start;
    let mut moved = 0;
    while now < start + ttl - 1 {
        now = (now + 4_000_000).min(start + ttl - 1);
        let mut steps = 1_000;
        assert_eq!(wheel.pop_due(now, &mut steps), None);
        moved += 1_000 - steps;
    }
    assert!(moved <= count as usize * LEVELS);
    wheel.validate();
    let mut seen = vec![false; count as usize];
    let (mut left, mut calls) = (count, 0);
    while left > 0 {
        let mut steps = 64;
        while let Some(id) = wheel.pop_due(start + ttl, &mut steps) {
            assert!(!std::mem::replace(&mut seen[id as usize], true));
            left -= 1;
        }
        calls += 1;
    }
    assert!(calls <= count as usize * (LEVELS + 1) / 64 + 1, "{calls} calls");
    wheel.validate();
    assert_eq!((wheel.len, wheel.next_due()), (0, NEVER));
}
