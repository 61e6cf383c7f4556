//! One exchange with a server, from the breaker to the report.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cache_core::tier::TierError;

use super::address::Address;
use super::breaker::{Breaker, Permit};
use super::connection::{Connection, is_quiet};
use super::outage::{Outages, Start};
use super::pool::{Era, Pool, Waited};
use crate::wire::batch::Batch;
use crate::wire::fault::{Fault, of_io};
use crate::wire::replies::Replies;
use crate::wire::reply::Reply;

/// The time limits, and the limit on what is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connect: Duration,
    pub(crate) exchange: Duration,
    /// The most bytes of a value.
    pub(crate) value: usize,
}

/// What is known of a server whatever process looks at it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) address: Address,
    pub(crate) outages: Outages,
}

/// A server, as one process uses it.
pub(crate) struct Server {
    known: Arc<Known>,
    limits: Limits,
    pool: Pool,
    breaker: Breaker,
}

/// Replies to the first commands of a batch, and what went wrong then, if anything did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) replies: Vec<Reply>,
    pub(crate) error: Option<TierError>,
    pub(crate) distrusted_before: Option<SystemTime>,
}

/// An exchange that has been let through.
pub(crate) struct Running<'s> {
    server: &'s Server,
    permit: Permit<'s>,
    start: Start,
    era: Era,
}

/// An exchange whose commands are sent.
pub(crate) struct Sent<'s> {
    running: Running<'s>,
    connection: Connection,
    at: Instant,
}

impl Server {
    pub(crate) fn new(known: Arc<Known>, limits: Limits, breaker: Breaker) -> Self {
        Server { known, limits, pool: Pool::default(), breaker }
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn address(&self) -> &Address {
        &self.known.address
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns `true` if a connection waits.
    pub(crate) fn has_connection(&self) -> bool {
        self.pool.has_any()
    }

    /// Sends the commands and waits for the replies.
    pub(crate) fn exchange(&self, batch: &Batch) -> Outcome {
        match self.send(batch) {
            Ok(sent) => {
                let deadline = sent.deadline();
                sent.receive(batch, deadline)
            }
            Err(error) => Outcome::failed(error),
        }
    }

    /// Sends the commands.
    ///
    /// # Errors
    /// If they could not be sent. That has been reported.
    pub(crate) fn send(&self, batch: &Batch) -> Result<Sent<'_>, TierError> {
        let (running, waiting) = self.begin()?;
        let connection = match waiting {
            Some(stream) => Ok(Connection::new(stream)),
            None => self.open(),
        };
        let at = Instant::now();
        let sent = connection.and_then(|mut connection| {
            connection.write(batch.bytes(), at + self.limits.exchange)?;
            Ok(connection)
        });
        match sent {
            Ok(connection) => Ok(Sent { running, connection, at }),
            Err(fault) => Err(running.fail(fault)),
        }
    }

    /// Asks the breaker, and takes a connection from the pool if one is there.
    ///
    /// # Errors
    /// If the breaker is open.
    pub(crate) fn begin(&self) -> Result<(Running<'_>, Option<TcpStream>), TierError> {
        let permit = self.breaker.admit().ok_or(TierError::BreakerOpen)?;
        let (waited, mut era) = self.pool.take(Instant::now());
        let stream = match waited {
            Some(Waited::Shortly(stream) | Waited::TooLong(stream)) if !is_quiet(&stream) => {
                // The server has closed it while nobody used it: it may have restarted, with old
                // data. No call has failed, so the breaker is not told.
                self.known.outages.fail();
                era = self.pool.lose_all();
                None
            }
            Some(Waited::Shortly(stream)) => Some(stream),
            Some(Waited::TooLong(_)) | None => None,
        };
        // After the outage: this exchange, if it succeeds, ends it.
        let start = self.known.outages.begin();
        Ok((Running { server: self, permit, start, era }, stream))
    }

    fn open(&self) -> Result<Connection, Fault> {
        let stream = self.known.address.connect(self.limits.connect)?;
        of_io(stream.set_nodelay(true))?;
        Ok(Connection::new(stream))
    }
}

impl Running<'_> {
    /// Reports that all replies have come, and keeps the connection.
    pub(crate) fn succeed(self, stream: TcpStream) {
        let server = self.server;
        server.known.outages.succeed(self.start, SystemTime::now());
        self.permit.succeeded();
        server.pool.give_back(stream, self.era, Instant::now());
    }

    /// Reports a failure.
    pub(crate) fn fail(self, fault: Fault) -> TierError {
        let server = self.server;
        if fault.is_outage() {
            server.known.outages.fail();
            self.permit.failed();
        } else {
            // The server is well enough to say no.
            self.permit.succeeded();
        }
        if matches!(fault, Fault::Lost(_)) {
            let _ = server.pool.lose_all();
        }
        server.known.address.named(fault).into()
    }
}

impl Sent<'_> {
    /// Returns the end of the time that this exchange has.
    pub(crate) fn deadline(&self) -> Instant {
        self.at + self.running.server.limits.exchange
    }

    /// Waits for the replies, and reports.
    pub(crate) fn receive(mut self, batch: &Batch, deadline: Instant) -> Outcome {
        let server = self.running.server;
        let mut replies = Replies::new(batch, server.limits.value);
        let error = match self.connection.receive(&mut replies, deadline) {
            Ok(()) => {
                self.running.succeed(self.connection.into_stream());
                None
            }
            Err(fault) => Some(self.running.fail(fault)),
        };
        Outcome::new(server, replies, error)
    }
}

impl Outcome {
    pub(crate) fn new(server: &Server, replies: Replies<'_>, error: Option<TierError>) -> Self {
        let distrusted_before = server.known.outages.distrusted_before();
        Outcome { replies: replies.into_came(), error, distrusted_before }
    }

    /// Makes one without replies.
    pub(crate) fn failed(error: TierError) -> Self {
        Outcome { replies: Vec::new(), error: Some(error), distrusted_before: None }
    }

    /// Returns the reply to the first command, or the error that came in its place.
    pub(crate) fn into_first(self) -> Result<Reply, TierError> {
        self.into_replies().next().unwrap_or_else(|| Err(nothing_came()))
    }

    /// Returns the replies, and for ever after the error that came in place of the next.
    pub(crate) fn into_replies(self) -> impl Iterator<Item = Result<Reply, TierError>> {
        let error = self.error.unwrap_or_else(nothing_came);
        let came = self.replies.into_iter().map(Ok);
        came.chain(std::iter::repeat_with(move || Err(error.clone())))
    }
}

fn nothing_came() -> TierError {
    TierError::Protocol("the reply is missing".into())
}
