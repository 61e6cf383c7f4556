//! What a simulation is made with.

use std::time::Duration;

use crate::args::{Fault, Options};
use crate::promise::Promise;

/// Which tiers the processes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tiers {
    /// Memory alone, each process its own.
    Memory,
    /// Memory, unless its capacity is zero, and the servers.
    Both,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) processes: usize,
    pub(crate) keys: usize,
    pub(crate) exponent: f64,
    /// Of each process.
    pub(crate) reads_a_second: f64,
    /// Of all processes together.
    pub(crate) writes_a_second: f64,
    pub(crate) tiers: Tiers,
    /// Entries.
    pub(crate) memory: u64,
    pub(crate) memory_life: Duration,
    pub(crate) remote_life: Duration,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) poll_period: Duration,
    pub(crate) lease_wait: Duration,
    /// How long a load takes.
    pub(crate) load: [Duration; 2],
    pub(crate) is_watching: bool,
    /// There are ten more servers, for the keys of those that are lost.
    pub(crate) has_gutter: bool,
    pub(crate) seed: u64,
    pub(crate) fault: Option<Fault>,
}

const SECOND: Duration = Duration::from_secs(1);
/// How long a process keeps what it has loaded without a lease.
const UNLEASED_LIFE: Duration = Duration::from_secs(2);
/// What the exchanges of one load take at most, those included that time out.
const EXCHANGES: Duration = Duration::from_millis(200);

impl Settings {
    /// The defaults of a tiered cache with a time to live of a minute.
    pub(crate) fn new(options: &Options) -> Self {
        Settings {
            processes: if options.quick { 20 } else { 100 },
            keys: if options.quick { 300 } else { 2_000 },
            exponent: 0.99,
            reads_a_second: if options.quick { 30.0 } else { 20.0 },
            writes_a_second: 0.0,
            tiers: Tiers::Both,
            memory: 1_000_000,
            memory_life: 5 * SECOND,
            remote_life: 60 * SECOND,
            stale_while_revalidate: Duration::ZERO,
            poll_period: SECOND,
            lease_wait: SECOND,
            load: [Duration::from_millis(10), Duration::from_millis(30)],
            is_watching: false,
            has_gutter: false,
            seed: options.seed,
            fault: options.fault,
        }
    }

    pub(crate) fn promise(&self) -> Promise {
        // A load that began before reads what was there then.
        let (of_others, remote) = match self.tiers {
            Tiers::Memory => (self.memory_life + self.load[1], Duration::ZERO),
            Tiers::Both => {
                let unleased = self.lease_wait + self.load[1] + EXCHANGES + UNLEASED_LIFE;
                let remote = self.remote_life + self.stale_while_revalidate;
                (self.memory_life.max(unleased), remote)
            }
        };
        Promise::new((self.processes, self.keys), of_others, remote + of_others + UNLEASED_LIFE)
    }
}
