//! Counters: read one, or raise it.
//!
//! A counter is a decimal number without an end of life. Several processes may raise it at once, so
//! every change is either an addition, which the server makes in one piece, or depends on the CAS
//! of what was read.
//!
//! A value that is no number, or the largest one, is replaced, as if there were none. An error
//! would be the strict way, but then whatever program wrote it would stop all flushes for ever. And
//! nothing is lost: a counter that is gone is made anew in the same way.

use std::ops::ControlFlow;

use cache_core::tier::TierError;

use super::items::tell;
use super::{Dialogue, Step};
use crate::server::link::Outcome;
use crate::wire::batch::{Addition, Batch, Condition, GetFlags};
use crate::wire::key::WireKey;
use crate::wire::reply::{Reply, Status, number};

/// Other processes can get in between so often.
const MOST_EXCHANGES: u32 = 32;

/// What is wanted of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// To know it.
    Read,
    /// To have it raised.
    Raise,
}

/// The next exchange.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Read,
    /// Makes it, or adds to one that was made meanwhile.
    Add(Addition),
    /// Replaces what has this CAS.
    Replace(u64),
}

/// [`Tier::generation`](cache_core::tier::Tier::generation) and
/// [`Tier::bump`](cache_core::tier::Tier::bump).
pub(crate) struct Counter {
    key: WireKey,
    /// What one that is missing begins with, and one that is raised is at least.
    at_least: u64,
    wish: Wish,
    tombstone: Option<WireKey>,
    turn: Turn,
    exchanges: u32,
}

impl Counter {
    pub(crate) fn read(key: WireKey, if_absent: u64) -> Self {
        Self::new(key, if_absent, Wish::Read, None)
    }

    pub(crate) fn raise(key: WireKey, at_least: u64, tombstone: Option<WireKey>) -> Self {
        Self::new(key, at_least, Wish::Raise, tombstone)
    }

    fn new(key: WireKey, at_least: u64, wish: Wish, tombstone: Option<WireKey>) -> Self {
        Counter { key, at_least, wish, tombstone, turn: Turn::Read, exchanges: 0 }
    }

    fn suits(&self, value: u64) -> bool {
        self.wish == Wish::Read || value >= self.at_least
    }

    /// Returns what follows the reading of it, or what it is if nothing needs to follow.
    fn after_reading(&self, reply: &Reply) -> ControlFlow<u64, Turn> {
        let by = u64::from(self.wish == Wish::Raise);
        let addition = |initial| ControlFlow::Continue(Turn::Add(Addition { by, initial }));
        let known = match reply.status {
            Status::Value => number(&reply.value).filter(|known| *known < u64::MAX),
            _ => return addition(self.at_least),
        };
        match (known, self.wish) {
            (Some(known), Wish::Read) => ControlFlow::Break(known),
            // Should it be gone by then, it begins with what it would have become.
            (Some(known), Wish::Raise) if known + 1 >= self.at_least => addition(known + 1),
            _ => ControlFlow::Continue(Turn::Replace(reply.cas)),
        }
    }
}

impl Dialogue for Counter {
    type Output = u64;

    fn key(&self) -> &WireKey {
        &self.key
    }

    fn ask(&self, batch: &mut Batch) {
        match self.turn {
            Turn::Read => return batch.get(&self.key, GetFlags::default()),
            Turn::Add(addition) => batch.add(&self.key, addition),
            Turn::Replace(cas) => {
                let text = self.at_least.to_string();
                batch.set(&self.key, text.as_bytes(), 0, Condition::Cas(cas));
            }
        }
        tell(batch, self.tombstone.as_ref());
    }

    fn answer(&mut self, outcome: Outcome) -> Result<Step<u64>, TierError> {
        let reply = outcome.into_first()?;
        // What has changed meanwhile is read anew.
        let next = match self.turn {
            Turn::Read => self.after_reading(&reply),
            Turn::Add(_) => match number(&reply.value) {
                Some(value) if self.suits(value) => ControlFlow::Break(value),
                _ => ControlFlow::Continue(Turn::Read),
            },
            Turn::Replace(_) if reply.status == Status::Done => ControlFlow::Break(self.at_least),
            Turn::Replace(_) => ControlFlow::Continue(Turn::Read),
        };
        self.exchanges += 1;
        match next {
            ControlFlow::Break(value) => Ok(Step::Done(value)),
            ControlFlow::Continue(_) if self.exchanges >= MOST_EXCHANGES => {
                Err(TierError::Protocol("a counter that never stays the same".into()))
            }
            ControlFlow::Continue(turn) => {
                self.turn = turn;
                Ok(Step::Again)
            }
        }
    }
}
