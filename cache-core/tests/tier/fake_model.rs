//! A fake tier against a model of its leases: what ended a lease, told event by event.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_core::FakeClock;
use cache_core::tier::{FakeTier, Filled, Lease, LeaseTerms, Leased, Tier};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Act {
    Lease {
        millis: u64,
        refresh_within: Option<u64>,
    },
    /// With one of the leases that were ever given for the key.
    Fill {
        lease: usize,
        life: Option<u64>,
    },
    Put {
        life: Option<u64>,
    },
    Remove,
    MarkStale {
        life: u64,
    },
    Flush,
    Restart,
}

fn acts() -> impl Strategy<Value = Act> {
    let life = || prop::option::of(0..20_000_u64);
    prop_oneof![
        6 => (0..5_000_u64, life())
            .prop_map(|(millis, refresh_within)| Act::Lease { millis, refresh_within }),
        6 => (0..4_usize, life()).prop_map(|(lease, life)| Act::Fill { lease, life }),
        2 => life().prop_map(|life| Act::Put { life }),
        1 => Just(Act::Remove),
        4 => (0..20_000_u64).prop_map(|life| Act::MarkStale { life }),
        1 => Just(Act::Flush),
        2 => Just(Act::Restart),
    ]
}

/// An item, as a model has it.
#[derive(Clone, Copy)]
struct Kept {
    value: u8,
    until: Option<u64>,
    is_stale: bool,
    /// A lease to refresh it was given.
    is_claimed: bool,
}

/// A key: its item, and every lease that was given for it, with its end and whether it still holds.
#[derive(Default)]
struct KeyModel {
    item: Option<Kept>,
    leases: Vec<(Lease, Option<u64>, bool)>,
}

impl KeyModel {
    fn end_leases(&mut self) {
        self.leases.iter_mut().for_each(|(.., holds)| *holds = false);
    }

    /// What has ended by now.
    fn expire(&mut self, now: u64) {
        if self.item.is_some_and(|item| item.until.is_some_and(|until| until <= now)) {
            self.item = None;
            self.end_leases();
        }
        for (_, until, holds) in &mut self.leases {
            *holds &= until.is_none_or(|until| now < until);
        }
    }

    fn store(&mut self, item: Option<Kept>) {
        self.end_leases();
        self.item = item;
    }
}

struct Run {
    clock: FakeClock,
    tier: FakeTier,
    now: u64,
    keys: BTreeMap<u8, KeyModel>,
    last_value: u8,
}

impl Run {
    fn new() -> Self {
        let clock = FakeClock::new();
        let tier = FakeTier::new(&clock);
        Run { clock, tier, now: 0, keys: BTreeMap::new(), last_value: 0 }
    }

    fn advance(&mut self, millis: u64) {
        self.now += millis;
        self.clock.advance(Duration::from_millis(millis));
        self.keys.values_mut().for_each(|key| key.expire(self.now));
    }

    fn act(&mut self, key: u8, act: Act) {
        match act {
            Act::Lease { millis, refresh_within } => self.lease(key, millis, refresh_within),
            Act::Fill { lease, life } => self.fill(key, lease, life),
            Act::Put { life } => {
                let item = self.new_item(life);
                self.tier.put(&[key], &[item.value], life.map(Duration::from_millis)).unwrap();
                self.store(key, Some(item));
            }
            Act::Remove => {
                let was_there = self.model(key).item.is_some();
                assert_eq!(self.tier.remove(&[key]), Ok(was_there));
                self.store(key, None);
            }
            Act::MarkStale { life } => {
                let item = self.model(key).item;
                let marked = self.tier.mark_stale(&[key], Duration::from_millis(life));
                assert_eq!(marked, Ok(item.is_some()));
                let until = Some(self.now + life);
                let stale = |item| Kept { until, is_stale: true, is_claimed: false, ..item };
                self.store(key, item.map(stale));
            }
            Act::Flush => {
                self.tier.flush();
                self.keys.values_mut().for_each(|key| key.store(None));
            }
            Act::Restart => {
                self.tier.restore(&self.tier.snapshot());
                for key in self.keys.values_mut() {
                    let item = key.item.map(|item| Kept { is_claimed: false, ..item });
                    key.store(item);
                }
            }
        }
    }

    fn lease(&mut self, key: u8, millis: u64, refresh_within: Option<u64>) {
        let terms = LeaseTerms::new(Duration::from_millis(millis));
        let terms = refresh_within
            .map_or(terms, |window| terms.refresh_within(Duration::from_millis(window)));
        let found = self.tier.lease(&[key], terms).unwrap();
        let now = self.now;
        let model = self.model(key);
        let Some(item) = &mut model.item else {
            let is_taken = model.leases.iter().any(|(.., holds)| *holds);
            match found {
                Leased::Won(lease) if !is_taken => {
                    let until = now + (millis.div_ceil(1_000) * 1_000).max(2_000);
                    model.leases.push((lease, Some(until), true));
                }
                Leased::Lost if is_taken => {}
                other => panic!("{other:?}, and another has the lease: {is_taken}"),
            }
            return;
        };
        let left = item.until.map(|until| until - now);
        let is_due = item.is_stale || left.is_some_and(|left| refresh_within >= Some(left));
        let wins = is_due && !item.is_claimed;
        item.is_claimed |= wins;
        let Leased::Found { item: seen, lease, is_stale } = found else { panic!("{found:?}") };
        assert_eq!((&seen.value[..], is_stale), (&[item.value][..], item.is_stale));
        assert_eq!(seen.life, left.map(Duration::from_millis));
        assert_eq!(lease.is_some(), wins);
        model.leases.extend(lease.map(|lease| (lease, None, true)));
    }

    fn fill(&mut self, key: u8, lease: usize, life: Option<u64>) {
        let leases = &self.model(key).leases;
        let Some(&(lease, _, holds)) = leases.iter().rev().nth(lease) else { return };
        let item = self.new_item(life);
        let life = life.map(Duration::from_millis);
        let filled = self.tier.fill(&[key], lease, &[item.value], life);
        assert_eq!(filled, Ok(if holds { Filled::Stored } else { Filled::Refused }));
        if holds {
            self.store(key, Some(item));
        }
    }

    fn new_item(&mut self, life: Option<u64>) -> Kept {
        self.last_value = self.last_value.wrapping_add(1);
        let until = life.map(|life| self.now + life);
        Kept { value: self.last_value, until, is_stale: false, is_claimed: false }
    }

    fn store(&mut self, key: u8, item: Option<Kept>) {
        let now = self.now;
        let model = self.model(key);
        model.store(item);
        model.expire(now);
    }

    fn model(&mut self, key: u8) -> &mut KeyModel {
        self.keys.entry(key).or_default()
    }

    fn compare(&mut self) {
        let with_value = self.keys.iter().filter(|(_, model)| model.item.is_some());
        let keys: Vec<Vec<u8>> = with_value.map(|(key, _)| vec![*key]).collect();
        assert_eq!(self.tier.keys(), keys);
        for (key, model) in &self.keys {
            let item = self.tier.get(&[*key]).unwrap();
            assert_eq!(item.map(|item| item.value), model.item.map(|item| vec![item.value]));
        }
    }
}

proptest! {
    #[test]
    fn a_fake_tier_does_what_the_model_does(
        steps in prop::collection::vec((0..900_u64, 0..2_u8, acts()), 1..150),
    ) {
        let mut run = Run::new();
        for (millis, key, act) in steps {
            run.advance(millis);
            run.act(key, act);
            run.compare();
        }
    }
}
