//! An executor whose tasks run on one thread, in an order that the seed alone decides.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crate::time::Time;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The tasks of one simulation.
pub(crate) struct Tasks {
    time: Time,
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<usize>>,
    ready: Arc<Ready>,
}

/// A place for one task after another. A task that is woken after its end wakes the next one in
/// its place for nothing.
struct Slot {
    task: Option<Task>,
    waker: Waker,
}

#[derive(Default)]
struct Ready(Mutex<VecDeque<usize>>);

impl Ready {
    fn push(&self, place: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(place);
    }

    fn pop(&self) -> Option<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

struct Bell {
    place: usize,
    ready: Arc<Ready>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ready.push(self.place);
    }
}

impl Tasks {
    pub(crate) fn new(time: Time) -> Self {
        let (slots, free) = (RefCell::default(), RefCell::default());
        Tasks { time, slots, free, ready: Arc::default() }
    }

    /// Starts a task. It runs first when what runs at present waits.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let task: Option<Task> = Some(Box::pin(task));
        let mut slots = self.slots.borrow_mut();
        let place = self.free.borrow_mut().pop().unwrap_or(slots.len());
        match slots.get_mut(place) {
            Some(slot) => slot.task = task,
            None => {
                let bell = Bell { place, ready: Arc::clone(&self.ready) };
                slots.push(Slot { task, waker: Waker::from(Arc::new(bell)) });
            }
        }
        self.ready.push(place);
    }

    /// Runs the tasks until this time.
    pub(crate) fn run_until(&self, end: Duration) {
        loop {
            while let Some(place) = self.ready.pop() {
                self.run(place);
            }
            if !self.time.go_on(end) {
                return;
            }
        }
    }

    fn run(&self, place: usize) {
        // Taken out, without the borrow: it may start others.
        let Some((mut task, waker)) = self.take(place) else { return };
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.slots.borrow_mut()[place].task = Some(task);
        } else {
            self.free.borrow_mut().push(place);
        }
    }

    fn take(&self, place: usize) -> Option<(Task, Waker)> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(place)?;
        Some((slot.task.take()?, slot.waker.clone()))
    }

    /// Drops all tasks, which hold what they belong to.
    pub(crate) fn end(&self) {
        let slots = std::mem::take(&mut *self.slots.borrow_mut());
        drop(slots);
    }
}
