//! Futures that are dropped halfway, at each of their steps, and writes that run beside each other.
//!
//! Each operation of the tier is a job here, which a test does by hand.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::tier::TierError;
use cache_core::{Cache, Job, Spawn};

use crate::common::tasks::{Gate, Polled};
use crate::tiered::{By, Process, SECOND, World};

/// Keeps jobs until a test does them.
#[derive(Clone, Default)]
struct Jobs(Arc<Mutex<VecDeque<Job>>>);

impl Spawn for Jobs {
    fn spawn(&self, job: Job) {
        self.0.lock().unwrap().push_back(job);
    }
}

impl Jobs {
    /// Does the next one.
    fn step(&self) {
        let job = self.0.lock().unwrap().pop_front();
        job.expect("a job")();
    }

    fn finish<T>(&self, mut future: Polled<'_, T>) -> T {
        loop {
            match future.poll() {
                Some(output) => return output,
                None => self.step(),
            }
        }
    }
}

/// Two processes, of which the first one's tasks wait for jobs.
fn processes(world: &World) -> (Jobs, Process, Process) {
    let jobs = Jobs::default();
    let memory = Cache::builder().executor(jobs.clone());
    (jobs, world.process_of(memory, |builder| builder), world.process())
}

/// Drops a future after so many steps. Returns `false` if it has come to its end before.
fn drop_after<T>(steps: usize, jobs: &Jobs, future: impl Future<Output = T>) -> bool {
    let mut future = Polled::new(future);
    for _ in 0..steps {
        if future.poll().is_some() {
            return false;
        }
        jobs.step();
    }
    let is_pending = future.poll().is_none();
    drop(future);
    // Whatever it has begun comes late.
    while !jobs.0.lock().unwrap().is_empty() {
        jobs.step();
    }
    is_pending
}

#[test]
fn a_write_that_is_dropped_at_any_step_is_in_doubt() {
    for is_insert in [false, true] {
        let mut steps = 0;
        loop {
            let world = World::new(By::Jobs);
            let (jobs, first, second) = processes(&world);
            second.insert(1, "old").unwrap();
            assert_eq!(first.cache.get_with(1, || unreachable!()), "old");
            let puts = first.tier.operations().puts;
            let is_dropped = match is_insert {
                true => drop_after(steps, &jobs, first.cache.insert_async(1, "new".to_owned())),
                false => drop_after(steps, &jobs, first.cache.invalidate_async(&1)),
            };
            if !is_dropped {
                break;
            }
            assert_eq!((first.in_memory(1), first.remote().pending_removals), (None, 1));
            assert!(first.tier.operations().puts - puts <= steps.saturating_sub(1) as u64);
            assert_eq!(first.cache.get(&1), None);
            first.cache.poll().unwrap();
            assert_eq!((first.cache.get(&1), first.remote().pending_removals), (None, 0));
            world.clock.advance(5 * SECOND);
            assert_eq!(second.get(1), None);
            // No flight is left behind.
            assert_eq!(first.cache.get_with(1, || "newer".to_owned()), "newer");
            steps += 1;
        }
        assert_eq!(steps, 2, "the generation, and the write");
    }
}

#[test]
fn a_flush_that_is_dropped_at_any_step_is_made_later() {
    let world = World::new(By::Jobs);
    let (jobs, first, second) = processes(&world);
    second.insert(1, "old").unwrap();
    assert_eq!(first.cache.get_with(1, || unreachable!()), "old");
    assert!(drop_after(0, &jobs, first.cache.invalidate_all_async()));
    assert_eq!(first.in_memory(1), None);
    assert_eq!(first.cache.get_with(1, || "new".to_owned()), "new");
    assert_eq!(second.remote().flushes_heard, 0);
    second.cache.poll().unwrap();
    assert_eq!((second.remote().flushes_heard, first.remote().flushes_heard), (1, 0));
}

#[test]
fn a_load_that_is_dropped_at_any_step_leaves_no_flight() {
    for is_batch in [false, true] {
        let mut steps = 0;
        loop {
            let world = World::new(By::Jobs);
            let (jobs, first, second) = processes(&world);
            let one = || async { "one".to_owned() };
            let load = async || match is_batch {
                false => drop(first.cache.get_with_async(1, one()).await),
                true => {
                    let pairs = |_| async { vec![(1, one().await)] };
                    drop(first.cache.get_many_with_async(&[1], pairs).await);
                }
            };
            if !drop_after(steps, &jobs, load()) {
                break;
            }
            assert_eq!(first.cache.get_with(1, || "two".to_owned()), "two", "after {steps} steps");
            // At most a lease, which ends.
            world.clock.advance(2 * SECOND);
            let third = second.load(1, || "three".to_owned());
            assert_eq!(first.cache.get_with(1, || unreachable!()), third);
            steps += 1;
        }
        assert!(steps >= 3, "the generation, the lease and the fill");
    }
}

/// The removal that was made is of before the one that was not.
#[test]
fn a_write_that_succeeds_leaves_the_pending_removal_of_a_later_one() {
    let world = World::new(By::Jobs);
    for is_insert in [false, true] {
        let (jobs, first, second) = processes(&world);
        first.cache.insert(1, "old".to_owned()).unwrap();
        let mut write = Polled::pending(async {
            match is_insert {
                true => first.cache.insert_async(1, "late".to_owned()).await,
                false => first.cache.invalidate_async(&1).await,
            }
        });
        jobs.step();
        assert!(write.poll().is_none());
        // It is made, and has not heard of that.
        jobs.step();
        first.tier.fail_next(1, TierError::TimedOut);
        first.cache.invalidate(&1).unwrap_err();
        second.load(1, || "older than the second write".to_owned());
        assert_eq!(jobs.finish(write), Ok(()));
        assert_eq!((first.remote().pending_removals, first.cache.get(&1)), (1, None));
        first.cache.poll().unwrap();
        world.clock.advance(5 * SECOND);
        assert_eq!((second.get(1), first.cache.get(&1)), (None, None));
    }
}

/// A load that does not wait any longer for the insert reads the old value, before the insert has
/// replaced it.
#[test]
fn an_insert_replaces_what_a_caller_has_loaded_that_timed_out_on_it() {
    let world = World::new(By::Jobs);
    let jobs = Jobs::default();
    let memory = Cache::builder().executor(jobs.clone());
    let memory = memory.coalesce_timeout(Duration::from_millis(5));
    let first = world.process_of(memory, |builder| builder);
    world.process().insert(1, "old").unwrap();
    let insert = Polled::pending(first.cache.insert_async(1, "new".to_owned()));
    assert_eq!(first.cache.get_with(1, || unreachable!("the tier has it")), "old");
    assert_eq!(jobs.finish(insert), Ok(()));
    assert_eq!(first.cache.get_with(1, || unreachable!("the tier has it")), "new");
}

/// Hearing of a flush supersedes the insert in memory, so a load that comes then does not wait for
/// it, and reads what the tier has before.
#[test]
fn an_insert_replaces_what_was_loaded_after_it_has_heard_of_a_flush() {
    let world = World::new(By::Jobs);
    let (jobs, first, second) = processes(&world);
    first.cache.poll().unwrap();
    second.flush().unwrap();
    second.load(1, || "old".to_owned());
    let mut insert = Polled::pending(first.cache.insert_async(1, "new".to_owned()));
    jobs.step();
    assert!(insert.poll().is_none());
    assert_eq!(first.remote().flushes_heard, 1);
    assert_eq!(first.cache.get_with(1, || unreachable!("the tier has it")), "old");
    assert_eq!(jobs.finish(insert), Ok(()));
    assert_eq!(first.cache.get_with(1, || unreachable!("the tier has it")), "new");
}

/// What a batch must not keep is a value all the same.
#[test]
fn a_caller_that_has_joined_a_batch_is_given_a_value_that_is_not_kept() {
    let world = World::new(By::Tasks);
    let (first, second) = (world.process(), world.process());
    let gate = Gate::default();
    let batch =
        first.cache.get_many_with_async(&[1], |_| gate.then(vec![(1, "loaded".to_owned())]));
    let mut batch = Polled::pending(batch);
    let own = async { Some("own".to_owned()) };
    let joined = Polled::pending(first.cache.optionally_get_with_async(1, own));
    second.invalidate(1).unwrap();
    gate.open();
    assert_eq!(batch.poll(), Some(vec![Some("loaded".to_owned())]));
    assert_eq!(joined.finish().as_deref(), Some("loaded"));
    assert_eq!((first.in_memory(1), first.remote().fills_refused), (None, 1));
}

/// The write has read the counter, and has yet to use it.
#[test]
fn a_write_into_which_a_flush_of_its_own_process_comes_is_made_after_the_flush() {
    for is_insert in [false, true] {
        let world = World::new(By::Jobs);
        let (jobs, first, second) = processes(&world);
        second.insert(1, "old").unwrap();
        let mut write = Polled::pending(async {
            match is_insert {
                true => first.cache.insert_async(1, "new".to_owned()).await,
                false => first.cache.invalidate_async(&1).await,
            }
        });
        jobs.step();
        let flush = Polled::pending(first.cache.invalidate_all_async());
        assert!(write.poll().is_none());
        assert_eq!((jobs.finish(flush), jobs.finish(write)), (Ok(()), Ok(())));
        second.cache.poll().unwrap();
        let new = is_insert.then(|| "new".to_owned());
        assert_eq!((second.get(1), first.remote().pending_removals), (new, 0));
    }
}

/// What a write has read since it began is good for it, also if reading took longer than that is
/// good for others.
#[test]
fn a_write_goes_on_with_a_counter_that_took_long_to_read() {
    let world = World::new(By::Jobs);
    let jobs = Jobs::default();
    let memory = Cache::builder().executor(jobs.clone());
    let first = world.process_of(memory, |builder| builder.poll_period(1_000 * SECOND));
    let write = Polled::pending(first.cache.insert_async(1, "new".to_owned()));
    jobs.step();
    world.clock.advance(10_000 * SECOND);
    assert_eq!(jobs.finish(write), Ok(()));
    assert_eq!(world.process().get(1).as_deref(), Some("new"));
}
