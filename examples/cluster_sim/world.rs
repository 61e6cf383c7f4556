//! A simulation: the processes, what they do all the time, and what can be done to them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cache_core::tier::{RemoteStats, Tier, TierError};

use crate::args::Fault;
use crate::network::{Network, Uplink};
use crate::origin::Origin;
use crate::process::{NAME, Process};
use crate::promise::{Promise, ReadMade};
use crate::random::Dice;
use crate::servers::Servers;
use crate::settings::{Settings, Tiers};
use crate::tally::Tally;
use crate::tasks::Tasks;
use crate::time::Time;
use crate::watch::Watch;
use crate::workload::Zipf;

pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) time: Time,
    pub(crate) network: Arc<Network>,
    pub(crate) origin: Origin,
    pub(crate) promise: RefCell<Promise>,
    pub(crate) tally: RefCell<Tally>,
    reads: Cell<u64>,
    processes: Vec<Process>,
    tasks: Tasks,
    keys: Zipf,
}

impl World {
    /// Makes the processes, and has them begin.
    pub(crate) fn start(settings: Settings) -> Rc<Self> {
        let time = Time::new();
        let mut dice = Dice::seeded(settings.seed);
        let mut fork = || Dice::seeded(dice.next());
        let watch = settings.is_watching.then(|| Watch::new(settings.processes, fork()));
        let mut network = |watch| {
            Arc::new(Network {
                time: time.clone(),
                servers: Servers::new(&time),
                watch,
                dice: Mutex::new(fork()),
                lease_wait: settings.lease_wait,
                fault: settings.fault,
                thread: thread::current().id(),
                requests: AtomicU64::new(0),
            })
        };
        let gutter = settings.has_gutter.then(|| network(None));
        let network = network(watch);
        let process = |number| Process::new(number, &settings, &network, gutter.as_ref());
        let world = Rc::new(World {
            origin: Origin::new(&time, settings.keys, settings.load, fork()),
            promise: RefCell::new(settings.promise()),
            tally: RefCell::default(),
            reads: Cell::new(0),
            processes: (0..settings.processes).map(process).collect(),
            tasks: Tasks::new(time.clone()),
            keys: Zipf::new(settings.keys, settings.exponent),
            time,
            network,
            settings,
        });
        for process in 0..settings.processes {
            world.tasks.spawn(Rc::clone(&world).reads(process, fork()));
            if settings.tiers == Tiers::Both {
                world.tasks.spawn(Rc::clone(&world).polls(process, fork()));
            }
        }
        if settings.writes_a_second > 0.0 {
            world.tasks.spawn(Rc::clone(&world).writes(fork()));
        }
        world
    }

    /// Lets so much time pass.
    pub(crate) fn run(&self, length: Duration) {
        self.tasks.run_until(self.time.now() + length);
    }

    /// Begins to count anew, and returns what was counted.
    pub(crate) fn take_tally(&self) -> Tally {
        self.origin.forget_most_running();
        self.tally.take()
    }

    /// Returns the sum of what the caches have counted by this figure.
    pub(crate) fn sum(&self, figure: impl Fn(&RemoteStats) -> u64) -> u64 {
        let caches = self.processes.iter().filter_map(Process::tiered);
        caches.map(|cache| figure(&cache.stats().remote)).sum()
    }

    /// Returns how many reads there were from the beginning on.
    pub(crate) fn reads_in_all(&self) -> u64 {
        self.reads.get()
    }

    /// Ends the simulation.
    pub(crate) fn end(&self) {
        self.tasks.end();
    }

    async fn reads(self: Rc<Self>, process: usize, mut dice: Dice) {
        loop {
            self.time.sleep(dice.gap(self.settings.reads_a_second)).await;
            let key = self.keys.draw(&mut dice);
            self.tasks.spawn(Rc::clone(&self).read(process, key));
        }
    }

    async fn read(self: Rc<Self>, process: usize, key: u32) {
        let (began, has_loaded) = (self.time.now(), Cell::new(false));
        let load = async {
            has_loaded.set(true);
            self.origin.load(key).await
        };
        let version = self.processes[process].get(key, load).await;
        self.reads.set(self.reads.get() + 1);
        let mut tally = self.tally.borrow_mut();
        tally.read(began, self.time.now(), has_loaded.get());
        let read = ReadMade { process, key, began, version };
        let replaced = self.origin.replaced(key, version);
        if replaced.is_some_and(|replaced| replaced < began) {
            tally.old += 1;
            let mut promise = self.promise.borrow_mut();
            promise.check(&read, &self.origin);
            if let Some(announced) = promise.announced(&read) {
                tally.stale(began, announced);
            }
        }
    }

    async fn polls(self: Rc<Self>, process: usize, mut dice: Dice) {
        let period = self.settings.poll_period;
        self.time.sleep(period.mul_f64(dice.part())).await;
        loop {
            self.poll(process);
            self.time.sleep(period).await;
        }
    }

    fn poll(&self, process: usize) {
        let Some(cache) = self.processes[process].tiered() else { return };
        let is_deaf = self.settings.fault == Some(Fault::Deaf);
        // Deaf: as if all was read.
        let polled = if is_deaf { Ok(()) } else { cache.poll() };
        if polled.is_ok() {
            let has_pending = cache.stats().remote.pending_removals > 0;
            self.promise.borrow_mut().polled(process, has_pending, self.time.now());
        }
    }

    async fn writes(self: Rc<Self>, mut dice: Dice) {
        loop {
            self.time.sleep(dice.gap(self.settings.writes_a_second)).await;
            let (process, key) = (dice.below(self.processes.len()), self.keys.draw(&mut dice));
            self.tasks.spawn(Rc::clone(&self).write(process, key));
        }
    }

    /// A process writes to the origin, and says so.
    async fn write(self: Rc<Self>, process: usize, key: u32) {
        let version = self.origin.write(key);
        let ok = self.processes[process].invalidate(key).await.is_ok();
        self.tally.borrow_mut().invalidated(ok);
        self.promise.borrow_mut().told(process, (key, version), ok, self.time.now());
    }

    /// All keys are written, and a process flushes; without servers, each process does.
    pub(crate) fn flush(self: &Rc<Self>, process: usize) {
        let world = Rc::clone(self);
        self.tasks.spawn(async move {
            let keys = 0..world.settings.keys as u32;
            let versions: Vec<u64> = keys.map(|key| world.origin.write(key)).collect();
            let Some(cache) = world.processes[process].tiered() else {
                return world.processes.iter().for_each(Process::empty);
            };
            if cache.invalidate_all_async().await.is_ok() {
                world.promise.borrow_mut().flushed(process, versions, world.time.now());
            }
        });
    }

    /// Marks every key as stale in the remote tier, as a program beside the processes might do. The
    /// processes promise nothing of this.
    ///
    /// # Errors
    /// If a server fails.
    pub(crate) fn mark_all_stale(&self, life: Duration) -> Result<(), TierError> {
        let uplink = Uplink::new(&self.network, usize::MAX);
        let generation = format!("{NAME}:generation");
        let generation = Tier::generation(&uplink, generation.as_bytes(), 0)?;
        for key in 0..self.settings.keys {
            let name = format!("{NAME}:0:{generation}:{key}");
            Tier::mark_stale(&uplink, name.as_bytes(), life)?;
        }
        Ok(())
    }
}
