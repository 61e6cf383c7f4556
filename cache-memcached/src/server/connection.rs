//! An exchange on a blocking socket, within one time limit for all of it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::wire::fault::{Fault, of_io};
use crate::wire::replies::Replies;

/// Read at once.
const BUFFER: usize = 16 * 1_024;

/// A connection in the middle of an exchange.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Makes one of a stream that is in no exchange.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Connection { stream }
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// If they are not sent by the deadline.
    pub(crate) fn write(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let left = left_until(deadline).ok_or(Fault::TimedOut)?;
            of_io(self.stream.set_write_timeout(Some(left)))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(Fault::Lost("the connection takes nothing".into())),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::of_io(&error)),
            }
        }
        Ok(())
    }

    /// Waits until all replies are there.
    ///
    /// # Errors
    /// If they are not there by the deadline, or do not match.
    pub(crate) fn receive(
        &mut self,
        replies: &mut Replies<'_>,
        deadline: Instant,
    ) -> Result<(), Fault> {
        let mut buffer = [0; BUFFER];
        while !replies.are_complete() {
            let count = self.read(&mut buffer, deadline)?;
            replies.receive(&buffer[..count])?;
        }
        Ok(())
    }

    /// Reads some bytes. After the deadline it still takes what has come: the time may have gone to
    /// another server, or to another process.
    ///
    /// # Errors
    /// If none come by the deadline, or the connection has ended.
    pub(crate) fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, Fault> {
        loop {
            let read = match left_until(deadline) {
                Some(left) => {
                    of_io(self.stream.set_read_timeout(Some(left)))?;
                    match self.stream.read(buffer) {
                        // The thread may have slept for longer than the time limit.
                        Err(error) if Fault::of_io(&error) == Fault::TimedOut => continue,
                        read => read,
                    }
                }
                None => self.read_what_is_there(buffer)?,
            };
            match read {
                Ok(0) => return Err(Fault::Lost("the server has closed the connection".into())),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::of_io(&error)),
            }
        }
    }

    fn read_what_is_there(&mut self, buffer: &mut [u8]) -> Result<std::io::Result<usize>, Fault> {
        of_io(self.stream.set_nonblocking(true))?;
        let read = self.stream.read(buffer);
        of_io(self.stream.set_nonblocking(false))?;
        Ok(read)
    }
}

/// Returns `true` if nothing has come on a connection that waits. The end of the stream, or bytes
/// that nobody has asked for, make it unfit.
pub(crate) fn is_quiet(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return false;
    }
    let peeked = stream.peek(&mut [0]);
    let is_quiet = peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    is_quiet && stream.set_nonblocking(false).is_ok()
}

fn left_until(deadline: Instant) -> Option<Duration> {
    // Zero would mean to a socket that there is no limit.
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let stream = TcpStream::connect(address).expect("it listens");
        (Connection::new(stream), listener.accept().expect("it has connected").0)
    }

    #[test]
    fn what_has_come_by_the_deadline_is_taken_after_it() {
        let (mut connection, mut peer) = pair();
        let over = Instant::now();
        let mut buffer = [0; 10];
        assert_eq!(connection.read(&mut buffer, over), Err(Fault::TimedOut));
        peer.write_all(b"reply").expect("it is open");
        let waited = connection.stream.peek(&mut buffer);
        assert_eq!(waited.expect("it has come"), 5);
        assert_eq!(connection.read(&mut buffer, over), Ok(5));
        drop(peer);
        let ended = connection.read(&mut buffer, Instant::now() + Duration::from_secs(60));
        assert!(matches!(ended, Err(Fault::Lost(_))), "{ended:?}");
    }

    #[test]
    fn a_connection_that_has_bytes_or_an_end_is_not_quiet() {
        let (connection, mut peer) = pair();
        assert!(is_quiet(&connection.stream));
        peer.write_all(b"x").expect("it is open");
        assert_eq!(connection.stream.peek(&mut [0]).expect("it has come"), 1);
        assert!(!is_quiet(&connection.stream));
        let (connection, peer) = pair();
        drop(peer);
        assert_eq!(connection.stream.peek(&mut [0]).expect("the end"), 0);
        assert!(!is_quiet(&connection.stream));
    }
}
