//! No process reads from a chain what was written before a write that succeeded.
//!
//! Values are the versions that the origin had when they were loaded. Each write makes a new
//! version, and once it has succeeded, every read by every process is of that version or a later
//! one: whatever tier loses an item, or is out of reach of whichever process, and however long a
//! load takes.

use std::time::Duration;

use cache_core::FakeClock;
use cache_core::tier::{Lease, LeaseTerms, Leased, Tier};
use proptest::prelude::*;

use crate::chain_support::Process;

#[derive(Clone, Copy, Debug)]
enum Act {
    Get,
    GetMany,
    /// Takes a lease, with which a later `Fill` stores the version that the origin has now.
    Lease,
    Fill {
        load: usize,
    },
    Put,
    Remove,
    /// A tier loses the key: 0 is the first.
    Evict {
        tier: u8,
    },
    /// A tier goes out of this process's reach, or comes back.
    Reach {
        tier: u8,
        down: bool,
    },
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Get),
        2 => Just(Act::GetMany),
        4 => Just(Act::Lease),
        4 => (0..3_usize).prop_map(|load| Act::Fill { load }),
        2 => Just(Act::Put),
        2 => Just(Act::Remove),
        3 => (0..2_u8).prop_map(|tier| Act::Evict { tier }),
        2 => (0..2_u8, any::<bool>()).prop_map(|(tier, down)| Act::Reach { tier, down }),
    ]
}

const KEYS: [&[u8]; 2] = [b"a", b"b"];

struct Run {
    clock: FakeClock,
    processes: [Process; 2],
    /// The origin's version of each key, and that of the last write that succeeded.
    versions: [(u64, u64); 2],
    loads: Vec<(usize, usize, Lease, u64)>,
}

impl Run {
    fn new() -> Self {
        let (clock, first) = Process::first();
        let second = first.peer(&clock);
        Run { clock, processes: [first, second], versions: [(1, 0); 2], loads: Vec::new() }
    }

    fn check(&self, key: usize, value: &[u8]) {
        let version = u64::from_le_bytes(value.try_into().unwrap());
        let (_, written) = self.versions[key];
        assert!(version >= written, "read version {version} after version {written}");
    }

    fn act(&mut self, process: usize, key: usize, act: Act) {
        let Process { chain, new, old } = &self.processes[process];
        let name = KEYS[key];
        match act {
            Act::Get => {
                if let Ok(Some(item)) = chain.get(name) {
                    self.check(key, &item.value);
                }
            }
            Act::GetMany => {
                for (key, read) in chain.get_many(&KEYS).into_iter().enumerate() {
                    if let Ok(Some(item)) = read {
                        self.check(key, &item.value);
                    }
                }
            }
            Act::Lease => match chain.lease(name, LeaseTerms::new(Duration::from_secs(4))) {
                Ok(Leased::Won(lease)) => {
                    self.loads.push((process, key, lease, self.versions[key].0));
                }
                Ok(Leased::Found { item, .. }) => self.check(key, &item.value),
                _ => {}
            },
            Act::Fill { load } => {
                let Some(at) = self.loads.len().checked_sub(load + 1) else { return };
                let (process, key, lease, version) = self.loads.remove(at);
                let chain = &self.processes[process].chain;
                let life = Some(Duration::from_secs(9));
                let _ = chain.fill(KEYS[key], lease, &version.to_le_bytes(), life);
            }
            Act::Put | Act::Remove => {
                self.versions[key].0 += 1;
                let (version, _) = self.versions[key];
                let done = match act {
                    Act::Put => chain.put(name, &version.to_le_bytes(), None),
                    _ => chain.remove(name).map(drop),
                };
                if done.is_ok() {
                    self.versions[key].1 = version;
                }
            }
            Act::Evict { tier } => {
                // By a view that reaches it.
                let _ = [new, old][usize::from(tier)].peer().remove(name);
            }
            Act::Reach { tier, down: true } => [new, old][usize::from(tier)].go_down(),
            Act::Reach { tier, down: false } => [new, old][usize::from(tier)].come_back(),
        }
    }
}

proptest! {
    #[test]
    fn nothing_comes_back_that_a_write_has_replaced(
        steps in prop::collection::vec((0..1_500_u64, 0..2_usize, 0..2_usize, acts()), 1..80),
    ) {
        let mut run = Run::new();
        for (millis, process, key, act) in steps {
            run.clock.advance(Duration::from_millis(millis));
            run.act(process, key, act);
        }
    }
}
