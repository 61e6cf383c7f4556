//! Ten servers that keep items in memory, and what can become of them.
//!
//! What a server does is [`FakeTier`]'s: leases, lives, counters. Here is which server has a key,
//! whether it can be reached, and what it has after a restart.

use std::hash::Hasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cache_core::tier::{FakeSnapshot, FakeTier};

use crate::random::mixed;
use crate::time::Time;

pub(crate) const SERVERS: usize = 10;

/// How a server reacts to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Answers,
    /// It is not there: an error comes at once.
    Refuses,
    /// It is cut off: nothing comes, and a caller waits for its time limit.
    IsSilent,
}

pub(crate) struct Servers {
    servers: Vec<Server>,
}

struct Server {
    store: FakeTier,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) reach: Reach,
    /// How often it has started: connections of before break.
    pub(crate) start: u64,
}

impl Servers {
    pub(crate) fn new(time: &Time) -> Self {
        let server = || Server {
            store: FakeTier::new(&time.clock),
            state: Mutex::new(State { reach: Reach::Answers, start: 1 }),
        };
        Servers { servers: (0..SERVERS).map(|_| server()).collect() }
    }

    /// Returns the store of a server as another process sees it.
    pub(crate) fn peer(&self, server: usize) -> FakeTier {
        self.servers[server].store.peer()
    }

    pub(crate) fn state(&self, server: usize) -> State {
        *self.lock(server)
    }

    pub(crate) fn set_reach(&self, server: usize, reach: Reach) {
        self.lock(server).reach = reach;
    }

    pub(crate) fn snapshot(&self, server: usize) -> FakeSnapshot {
        self.servers[server].store.snapshot()
    }

    /// Has a server start anew with these data: an empty snapshot, or one of before.
    pub(crate) fn restart(&self, server: usize, data: &FakeSnapshot) {
        self.servers[server].store.restore(data);
        let mut state = self.lock(server);
        state.reach = Reach::Answers;
        state.start += 1;
    }

    fn lock(&self, server: usize) -> MutexGuard<'_, State> {
        self.servers[server].state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a message takes from a process to a server, or back.
pub(crate) const ONE_WAY: [Duration; 2] = [Duration::from_micros(100), Duration::from_micros(300)];

/// Returns the server that has a key: rendezvous hashing, as cache-memcached does it. Each server
/// has a weight for each key, and the one with the greatest has it.
pub(crate) fn server_of(key: &[u8]) -> usize {
    let mut hasher = Fnv(0xCBF2_9CE4_8422_2325);
    hasher.write(key);
    let hash = hasher.finish();
    let weight = |server: &usize| mixed(hash ^ mixed(*server as u64 + 1));
    (0..SERVERS).max_by_key(weight).unwrap_or(0)
}

/// FNV-1a, the same in every run.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
