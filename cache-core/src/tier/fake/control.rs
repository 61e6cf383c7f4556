//! What a test has told a fake tier to do, and what it was asked: for each process that uses it.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::SystemTime;

use crate::tier::error::TierError;
use crate::tier::fake::store::FakeStore;
use crate::tier::invalidations::EventSink;

/// How often each operation was asked for, also in vain:
/// [`FakeTier::operations`](super::FakeTier::operations).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FakeOperations {
    /// Calls of `get`.
    pub gets: u64,
    /// Calls of `get_many`.
    pub batches: u64,
    /// Calls of `lease`.
    pub leases: u64,
    /// Calls of `fill`.
    pub fills: u64,
    /// Calls of `put`.
    pub puts: u64,
    /// Calls of `remove`.
    pub removes: u64,
    /// Calls of `mark_stale`.
    pub stale_marks: u64,
    /// Calls of `generation`.
    pub generations: u64,
    /// Calls of `bump`.
    pub bumps: u64,
}

/// What all handles share.
#[derive(Default)]
pub(super) struct FakeState {
    pub(super) store: FakeStore,
    /// The processes. None is ever removed.
    pub(super) peers: Vec<FakePeer>,
    pub(super) tells_writes: bool,
}

/// A process.
#[derive(Default)]
pub(super) struct FakePeer {
    pub(super) operations: FakeOperations,
    pub(super) failures: VecDeque<TierError>,
    pub(super) is_down: bool,
    pub(super) loses_reply: bool,
    pub(super) distrusted_before: Option<SystemTime>,
    pub(super) hearing_losses: u64,
    /// With the tickets of their subscriptions.
    pub(super) sinks: Vec<(u64, EventSink)>,
    pub(super) requests: Checkpoint,
    pub(super) replies: Checkpoint,
    pub(super) last_ticket: u64,
}

/// Where an operation may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before it is made.
    Request,
    /// After it was made.
    Reply,
}

/// The operations that are held at one moment.
#[derive(Default)]
pub(super) struct Checkpoint {
    /// How many holds there are. While there is one, no operation passes.
    pub(super) holds: usize,
    /// With their tickets.
    pub(super) waiting: Vec<(u64, Waker)>,
}

impl FakePeer {
    pub(super) fn checkpoint(&mut self, moment: Moment) -> &mut Checkpoint {
        match moment {
            Moment::Request => &mut self.requests,
            Moment::Reply => &mut self.replies,
        }
    }

    pub(super) fn next_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// Returns why an operation fails now, if it does.
    pub(super) fn failure(&mut self) -> Option<TierError> {
        if self.is_down {
            return Some(TierError::Unreachable("the fake tier is down".to_owned()));
        }
        self.failures.pop_front()
    }
}
