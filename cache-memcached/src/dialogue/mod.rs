//! What is said to a server for each operation of a tier, without input and output.
//!
//! A [`Dialogue`] writes the commands of an exchange and is given the replies, until it is done:
//! most after one exchange. Threads and tasks run the same dialogues.

pub(crate) mod counter;
pub(crate) mod items;

use cache_core::tier::TierError;

use crate::server::link::Outcome;
use crate::wire::batch::Batch;
use crate::wire::key::WireKey;

/// An operation on one key.
pub(crate) trait Dialogue {
    /// What the operation returns.
    type Output;

    /// Returns the key, by which the server is chosen.
    fn key(&self) -> &WireKey;

    /// Writes the commands of the next exchange.
    fn ask(&self, batch: &mut Batch);

    /// Takes what came of it.
    ///
    /// # Errors
    /// Those of the operation.
    fn answer(&mut self, outcome: Outcome) -> Result<Step<Self::Output>, TierError>;
}

/// What follows an exchange.
#[derive(Debug)]
pub(crate) enum Step<T> {
    Again,
    Done(T),
}
