//! Connections that wait for their next exchange.
//!
//! The one that was used last is used next, so that no more stay open than are needed. One that has
//! waited for a minute is not used any more: what stands between may have forgotten it without a
//! word, and then the next exchange on it would be in vain.

use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many wait at most. Threads beyond that open their own, which are closed afterwards.
const MOST_WAITING: usize = 16;

/// For so long a connection is good.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The open connections of a process to one server that nobody uses at present.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    state: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// With the time of their last exchange, the oldest first.
    streams: Vec<(TcpStream, Instant)>,
    /// How often a connection broke.
    losses: u64,
}

/// A connection from the pool.
#[derive(Debug)]
pub(crate) enum Waited {
    Shortly(TcpStream),
    /// Its end still tells whether the server has closed it.
    TooLong(TcpStream),
}

/// How often a connection had broken when this one was taken or opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Era(u64);

impl Pool {
    /// Returns the connection that was used last, if there is one, and how often one has broken.
    pub(crate) fn take(&self, now: Instant) -> (Option<Waited>, Era) {
        let mut state = self.lock();
        let newest = state.streams.pop();
        // If the newest is good, nothing is learned from those that are too old.
        let waited = |since: Instant| now.saturating_duration_since(since);
        let is_old = |since: Instant| waited(since) > LONGEST_WAIT;
        let old: Vec<_> = state.streams.extract_if(.., |(_, since)| is_old(*since)).collect();
        let era = Era(state.losses);
        drop(state);
        drop(old);
        let newest = newest.map(|(stream, since)| match is_old(since) {
            true => Waited::TooLong(stream),
            false => Waited::Shortly(stream),
        });
        (newest, era)
    }

    pub(crate) fn has_any(&self) -> bool {
        !self.lock().streams.is_empty()
    }

    /// Takes a connection back. One from before a loss is closed.
    pub(crate) fn give_back(&self, stream: TcpStream, era: Era, now: Instant) {
        let mut state = self.lock();
        if state.losses == era.0 && state.streams.len() < MOST_WAITING {
            state.streams.push((stream, now));
        }
    }

    /// Closes all: one broke, so the server has restarted, or the way to it has.
    pub(crate) fn lose_all(&self) -> Era {
        let mut state = self.lock();
        state.losses += 1;
        let era = Era(state.losses);
        let streams = std::mem::take(&mut state.streams);
        drop(state);
        drop(streams);
        era
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing here panics halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn streams<const N: usize>() -> ([TcpStream; N], TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        ([(); N].map(|()| TcpStream::connect(address).expect("it listens")), listener)
    }

    fn own_address(waited: Option<Waited>) -> SocketAddr {
        let (Waited::Shortly(stream) | Waited::TooLong(stream)) = waited.expect("a connection");
        stream.local_addr().expect("it is connected")
    }

    #[test]
    fn the_one_used_last_is_used_next() {
        let ([first, second], _listener) = streams();
        let (one, two) = (first.local_addr().ok(), second.local_addr().ok());
        let (pool, now) = (Pool::default(), Instant::now());
        let (none, era) = pool.take(now);
        assert!(none.is_none() && !pool.has_any());
        pool.give_back(first, era, now);
        pool.give_back(second, era, now);
        assert_eq!(Some(own_address(pool.take(now).0)), two);
        assert_eq!(Some(own_address(pool.take(now).0)), one);
    }

    #[test]
    fn one_that_has_waited_for_too_long_is_told_apart() {
        let ([first, second, third], _listener) = streams();
        let (pool, now) = (Pool::default(), Instant::now());
        let (_, era) = pool.take(now);
        pool.give_back(first, era, now);
        pool.give_back(second, era, now + 30 * SECOND);
        let later = now + 61 * SECOND;
        pool.give_back(third, era, later);
        assert!(matches!(pool.take(later).0, Some(Waited::Shortly(_))));
        assert!(matches!(pool.take(later + 30 * SECOND).0, Some(Waited::TooLong(_))));
        assert!(pool.take(later).0.is_none(), "the first was closed");
    }

    #[test]
    fn one_from_before_a_loss_does_not_come_back() {
        let ([first, second], _listener) = streams();
        let (pool, now) = (Pool::default(), Instant::now());
        let (_, before) = pool.take(now);
        let after = pool.lose_all();
        pool.give_back(first, before, now);
        assert!(!pool.has_any());
        pool.give_back(second, after, now);
        assert!(pool.has_any());
    }
}
