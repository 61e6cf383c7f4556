//! Operations that wait until a test lets them go on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::tier::fake::control::{Checkpoint, FakeState, Moment};
use crate::util::fork::{Condvar, Mutex, MutexGuard};

/// The state of a fake tier, and what blocks threads until operations are held.
pub(super) struct FakeShared {
    state: Mutex<FakeState>,
    held: Condvar,
}

impl FakeShared {
    pub(super) fn new() -> Self {
        FakeShared { state: Mutex::new(FakeState::default()), held: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, FakeState> {
        self.state.lock()
    }
}

/// Holds the operations of a [`FakeTier`](super::FakeTier), until it is dropped.
#[must_use = "dropping it lets the operations go on"]
pub struct FakeHold {
    shared: Arc<FakeShared>,
    peer: usize,
    moment: Moment,
}

impl FakeHold {
    pub(super) fn new(shared: &Arc<FakeShared>, peer: usize, moment: Moment) -> Self {
        shared.lock().peers[peer].checkpoint(moment).holds += 1;
        FakeHold { shared: Arc::clone(shared), peer, moment }
    }

    /// Returns how many operations are held.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.look(&mut self.shared.lock())
    }

    /// Blocks until at least `operations` are held.
    pub fn wait_for(&self, operations: usize) {
        let mut state = self.shared.lock();
        while self.look(&mut state) < operations {
            self.shared.held.wait(&mut state);
        }
    }

    /// Lets the operations go on, and those to come.
    pub fn release(self) {}

    fn look(&self, state: &mut FakeState) -> usize {
        state.peers[self.peer].checkpoint(self.moment).waiting.len()
    }
}

impl Drop for FakeHold {
    fn drop(&mut self) {
        let mut woken = Vec::new();
        let mut state = self.shared.lock();
        let checkpoint = state.peers[self.peer].checkpoint(self.moment);
        checkpoint.holds -= 1;
        if checkpoint.holds == 0 {
            woken.append(&mut checkpoint.waiting);
        }
        drop(state);
        for (_, waker) in woken {
            waker.wake();
        }
    }
}

impl fmt::Debug for FakeHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeHold").field("waiting", &self.waiting()).finish()
    }
}

/// The way of one operation past a checkpoint.
pub(super) struct Passing<'a> {
    shared: &'a FakeShared,
    peer: usize,
    moment: Moment,
    ticket: Option<u64>,
}

impl<'a> Passing<'a> {
    pub(super) fn new(shared: &'a FakeShared, peer: usize, moment: Moment) -> Self {
        Passing { shared, peer, moment, ticket: None }
    }
}

impl Future for Passing<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        let peer = &mut state.peers[self.peer];
        if peer.checkpoint(self.moment).holds == 0 {
            return Poll::Ready(());
        }
        let ticket = self.ticket.unwrap_or_else(|| peer.next_ticket());
        let old = place(peer.checkpoint(self.moment), ticket, context.waker().clone());
        drop(state);
        // After the unlocking: it is the executor's code.
        drop(old);
        self.ticket = Some(ticket);
        self.shared.held.notify_all();
        Poll::Pending
    }
}

/// Puts a waker in the place of a ticket. Returns the one that was there.
fn place(checkpoint: &mut Checkpoint, ticket: u64, waker: Waker) -> Option<Waker> {
    match checkpoint.waiting.iter_mut().find(|(at, _)| *at == ticket) {
        Some((_, old)) => Some(std::mem::replace(old, waker)),
        None => {
            checkpoint.waiting.push((ticket, waker));
            None
        }
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = self.shared.lock();
        let waiting = &mut state.peers[self.peer].checkpoint(self.moment).waiting;
        let place = waiting.iter().position(|(at, _)| *at == ticket);
        let waker = place.map(|place| waiting.swap_remove(place));
        drop(state);
        drop(waker);
    }
}
