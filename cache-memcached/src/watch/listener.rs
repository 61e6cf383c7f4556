//! The thread that listens to one server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::tier::Event;

use super::gaps::{Gaps, Look};
use super::hall::{Hearers, Standing};
use crate::server::connection::Connection;
use crate::server::link::Known;
use crate::wire::batch::{Batch, Condition, random};
use crate::wire::fault::Fault;
use crate::wire::key::Tombstone;
use crate::wire::line::{Lines, LogLosses, StatsEnd, WatchLine, watch_line};
use crate::wire::replies::Replies;

/// Between two looks at the server's counters.
const PERIOD: Duration = Duration::from_secs(1);

/// For how long the log is silent before this process has a line logged, at least: see the head of
/// the module. At random up to twice as long, so that it is one of all processes.
const SILENCE: Duration = Duration::from_millis(50);

/// Between attempts to connect, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Before a server that forbids `watch` is asked again.
const PAUSE_IF_REFUSED: Duration = Duration::from_secs(60);

/// Read at once.
const BUFFER: usize = 64 * 1_024;

/// Listens until nobody wants to hear.
pub(super) fn run(hearers: &Arc<Hearers>, server: usize) {
    let _ended = Ended { hearers, server };
    let mut pause = FIRST_PAUSE;
    while hearers.is_wanted(server) {
        let mut listener = Listener::new(hearers, server);
        let fault = match listener.listen() {
            Ok(()) => return,
            Err(fault) => fault,
        };
        let was_listening = listener.is_listening;
        let is_refused = !was_listening && matches!(fault, Fault::Refused(_));
        let was_refused = hearers.lock().standing[server] == Standing::Refused;
        let standing = if is_refused { Standing::Refused } else { Standing::Connecting };
        hearers.stand(server, standing);
        if was_listening || (is_refused && !was_refused) {
            hearers.lost();
        }
        if was_listening {
            // What others have written meanwhile may not have reached the server either.
            listener.known().outages.fail();
            pause = FIRST_PAUSE;
        }
        hearers.pause(if is_refused { PAUSE_IF_REFUSED } else { pause });
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn end_of_silence() -> Instant {
    let part = random() as f64 / u64::MAX as f64;
    Instant::now() + SILENCE + SILENCE.mul_f64(part)
}

/// Notes the end of the thread, also if a sink panics.
struct Ended<'h> {
    hearers: &'h Hearers,
    server: usize,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.hearers.stand(self.server, Standing::Ended);
        }
    }
}

/// One watch, from its connection to its end.
struct Listener<'h> {
    hearers: &'h Hearers,
    server: usize,
    is_listening: bool,
    lines: Lines,
    gaps: Gaps,
    /// Something was lost since it was told last.
    has_lost: bool,
    stats: Option<Connection>,
    log_losses: LogLosses,
}

impl<'h> Listener<'h> {
    fn new(hearers: &'h Hearers, server: usize) -> Self {
        Listener {
            hearers,
            server,
            is_listening: false,
            lines: Lines::default(),
            gaps: Gaps::default(),
            has_lost: false,
            stats: None,
            log_losses: LogLosses::default(),
        }
    }

    fn known(&self) -> &Known {
        &self.hearers.surroundings.servers[self.server]
    }

    fn connect(&self) -> Result<Connection, Fault> {
        let stream = self.known().address.connect(self.hearers.surroundings.limits.connect)?;
        Ok(Connection::new(stream))
    }

    fn exchange_deadline(&self) -> Instant {
        Instant::now() + self.hearers.surroundings.limits.exchange
    }

    /// Listens until nobody wants to hear.
    ///
    /// # Errors
    /// If the server cannot be listened to any more.
    fn listen(&mut self) -> Result<(), Fault> {
        let mut connection = self.connect()?;
        connection.write(b"watch mutations\r\n", self.exchange_deadline())?;
        let mut buffer = vec![0; BUFFER];
        while !self.is_listening {
            let count = connection.read(&mut buffer, self.exchange_deadline())?;
            self.take(&buffer[..count])?;
        }
        self.look_at_counters()?;
        self.hearers.stand(self.server, Standing::Listening);
        // What was written until now was not heard.
        self.hearers.tell(&Event::Lost);
        self.has_lost = false;
        let mut tick = Instant::now() + PERIOD;
        let mut silent = end_of_silence();
        while self.hearers.is_wanted(self.server) {
            match connection.read(&mut buffer, tick.min(silent)) {
                Ok(count) => {
                    self.take(&buffer[..count])?;
                    silent = end_of_silence();
                }
                Err(Fault::TimedOut) => {}
                Err(fault) => return Err(fault),
            }
            if Instant::now() >= silent {
                self.wake();
                silent = end_of_silence();
            }
            if Instant::now() >= tick {
                self.look()?;
                tick = Instant::now() + PERIOD;
            }
            if std::mem::take(&mut self.has_lost) {
                self.hearers.lost();
            }
        }
        Ok(())
    }

    /// Takes bytes of the stream.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut lines = std::mem::take(&mut self.lines);
        let taken = lines.receive(bytes, |line| self.take_line(line));
        self.lines = lines;
        taken
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        match watch_line(line) {
            WatchLine::Begun => self.is_listening = true,
            WatchLine::Skipped => self.has_lost = true,
            WatchLine::Refused(why) => return Err(Fault::Refused(why)),
            WatchLine::Other { number } => self.note(number),
            WatchLine::Stored { number, key } => {
                self.note(number);
                let surroundings = &self.hearers.surroundings;
                match surroundings.space.heard(surroundings.process, &key) {
                    Some(Tombstone::Key(key) | Tombstone::Counter(key)) => {
                        self.hearers.tell(&Event::Key(key));
                    }
                    // A key that no cache of cache-core's has: it keeps to `max_key_len`. Nothing
                    // can be told but that something was not.
                    Some(Tombstone::Unnamed) => self.has_lost = true,
                    None => {}
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, number: Option<u64>) {
        if let Some(number) = number {
            self.gaps.note(number);
        }
    }

    /// Looks for what the stream does not say.
    ///
    /// # Errors
    /// If the server does not answer.
    fn look(&mut self) -> Result<(), Fault> {
        let before = self.log_losses;
        self.look_at_counters()?;
        let now = self.log_losses;
        let has_gap = self.gaps.look() == Look::Gap;
        self.has_lost |= now.worker_dropped != before.worker_dropped;
        self.has_lost |= has_gap && now.worker_dropped.is_none();
        if now.watcher_skipped != before.watcher_skipped {
            self.provoke_a_line()?;
        }
        Ok(())
    }

    /// Has the server log a line, and waits for no reply: should it hang, that is found when its
    /// counters are looked at, with a time limit that one slow reply in many does not exceed.
    fn wake(&mut self) {
        let mut command = b"ms ".to_vec();
        self.hearers.surroundings.space.waking().write(&mut command);
        command.extend_from_slice(b" 0 T1 q\r\n\r\n");
        let deadline = self.exchange_deadline();
        if self.stats.as_mut().is_some_and(|it| it.write(&command, deadline).is_err()) {
            // The next look opens another one.
            self.stats = None;
        }
    }

    /// Some watcher was left out, this one or another. If it was this one, its next line says so:
    /// has the server log one.
    ///
    /// # Errors
    /// If the server does not answer in time.
    fn provoke_a_line(&mut self) -> Result<(), Fault> {
        let Some(mut connection) = self.stats.take() else { return Ok(()) };
        let mut batch = Batch::default();
        batch.set(&self.hearers.surroundings.space.waking(), b"", 1, Condition::Always);
        let deadline = self.exchange_deadline();
        connection.write(batch.bytes(), deadline)?;
        connection.receive(&mut Replies::new(&batch, 0), deadline)?;
        self.stats = Some(connection);
        Ok(())
    }

    /// Asks for the counters of lost lines. A server that refuses them has none.
    ///
    /// # Errors
    /// If the server does not answer in time.
    fn look_at_counters(&mut self) -> Result<(), Fault> {
        let mut connection = match self.stats.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let deadline = self.exchange_deadline();
        connection.write(b"stats\r\n", deadline)?;
        let (mut lines, mut losses) = (Lines::default(), LogLosses::default());
        let (mut end, mut buffer) = (StatsEnd::Awaited, [0; 4_096]);
        while end == StatsEnd::Awaited {
            let count = connection.read(&mut buffer, deadline)?;
            let taken = lines.receive(&buffer[..count], |line| {
                end = losses.take(line)?;
                Ok(())
            });
            match taken {
                Ok(()) => {}
                Err(Fault::Refused(_)) => {
                    self.log_losses = LogLosses::default();
                    return Ok(());
                }
                Err(fault) => return Err(fault),
            }
        }
        self.log_losses = losses;
        self.stats = Some(connection);
        Ok(())
    }
}
