//! Connections that wait for their next exchange.

use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many wait at most. Threads beyond that open their own, which are closed afterwards.
const MOST_WAITING: usize = 16;

/// The open connections of a process to one server that nobody uses at present.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    state: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    streams: Vec<TcpStream>,
    /// How often a connection broke.
    losses: u64,
}

/// How often a connection had broken when this one was taken or opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Era(u64);

impl Pool {
    /// Returns the connection that was used last, if there is one.
    pub(crate) fn take(&self) -> (Option<TcpStream>, Era) {
        let mut state = self.lock();
        (state.streams.pop(), Era(state.losses))
    }

    pub(crate) fn has_any(&self) -> bool {
        !self.lock().streams.is_empty()
    }

    /// Takes a connection back. One from before a loss is closed.
    pub(crate) fn give_back(&self, stream: TcpStream, era: Era) {
        let mut state = self.lock();
        if state.losses == era.0 && state.streams.len() < MOST_WAITING {
            state.streams.push(stream);
        }
    }

    /// Closes all: one broke, so the server has restarted, or the way to it has.
    pub(crate) fn lose_all(&self) {
        let mut state = self.lock();
        state.losses += 1;
        let streams = std::mem::take(&mut state.streams);
        drop(state);
        drop(streams);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing here panics halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
