//! One second after the other: all workers run, all stop, everything is checked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::actor::Actor;
use crate::cli::Options;
use crate::kinds::Kind;
use crate::random::Random;
use crate::tasks::caught;
use crate::watch::{Watch, sort_panic};
use crate::world::World;

const ROUND: Duration = Duration::from_secs(1);

/// All workers, and where they run.
pub(crate) struct Crew {
    threads: usize,
    seed: u64,
    watch: Arc<Watch>,
    /// A runtime of two threads, with twice as many tasks as there are worker threads.
    many: Runtime,
    /// A runtime of one thread, with as many tasks as there are worker threads.
    single: Runtime,
}

impl Crew {
    pub(crate) fn new(options: Options) -> std::io::Result<Crew> {
        let threads = options.threads;
        let name = |worker: usize| match worker / threads {
            0 => format!("thread {worker}"),
            1 | 2 => format!("task {}", worker - threads),
            _ => format!("local task {}", worker - 3 * threads),
        };
        let watch = Arc::new(Watch::new((0..4 * threads).map(name)));
        Arc::clone(&watch).guard(options.seed);
        let many = Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
        let single = Builder::new_current_thread().enable_time().build()?;
        Ok(Crew { threads, seed: options.seed, watch, many, single })
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Runs all workers for a second; returns when all have stopped.
    pub(crate) fn work(&self, world: &Arc<World>, round: u64) {
        let until = Instant::now() + ROUND;
        let over = AtomicBool::new(false);
        let actor = |worker: usize| {
            let mut seeds = Random::seeded(self.seed ^ (round << 20) ^ worker as u64);
            Actor::new(world, seeds.next())
        };
        let task = |worker| task(actor(worker), Arc::clone(&self.watch), worker, until);
        thread::scope(|scope| {
            scope.spawn(|| pass_time(world, &over));
            let work = |worker| {
                let actor = actor(worker);
                scope.spawn(move || thread(actor, &self.watch, worker, until))
            };
            let threads: Vec<_> = (0..self.threads).map(work).collect();
            let spawn = |worker| self.many.spawn(task(worker));
            let tasks: Vec<_> = (self.threads..3 * self.threads).map(spawn).collect();
            self.single.block_on(async {
                let spawn = |worker| tokio::spawn(task(worker));
                let tasks: Vec<_> = (3 * self.threads..4 * self.threads).map(spawn).collect();
                join_all(tasks).await;
            });
            self.many.block_on(join_all(tasks));
            threads.into_iter().for_each(|thread| thread.join().expect("it catches its panics"));
            over.store(true, SeqCst);
        });
    }
}

async fn join_all(tasks: Vec<tokio::task::JoinHandle<()>>) {
    for task in tasks {
        task.await.expect("it catches its panics");
    }
}

/// Advances the fake clock about as fast as a real one, by uneven steps.
fn pass_time(world: &World, over: &AtomicBool) {
    let mut random = Random::seeded(1);
    while !over.load(SeqCst) {
        world.clock.advance(Duration::from_micros(random.below(2_000)));
        thread::sleep(Duration::from_millis(1));
    }
}

fn thread(mut actor: Actor, watch: &Watch, worker: usize, until: Instant) {
    while Instant::now() < until {
        let kind = Kind::of_thread(&mut actor.random);
        let began = watch.enter(worker, kind);
        let done = catch_unwind(AssertUnwindSafe(|| actor.act(kind)));
        watch.leave(worker);
        actor.world.tally.note(kind, began.elapsed());
        done.unwrap_or_else(|payload| sort_panic(payload, &actor.world.tally, &kind));
    }
}

async fn task(mut actor: Actor, watch: Arc<Watch>, worker: usize, until: Instant) {
    while Instant::now() < until {
        let (kind, at) = (Kind::of_task(&mut actor.random), actor.aim());
        let began = watch.enter(worker, kind);
        let done = caught(actor.task(kind, at)).await;
        watch.leave(worker);
        actor.world.tally.note(kind, began.elapsed());
        done.unwrap_or_else(|payload| sort_panic(payload, &actor.world.tally, &kind));
        if actor.random.one_in(8) {
            tokio::task::yield_now().await;
        }
    }
}
