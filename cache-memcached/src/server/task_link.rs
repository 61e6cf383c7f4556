//! One exchange with a server, as a task makes it.
//!
//! Connections wait in the pool as sockets of the system's, and are registered with the runtime for
//! one exchange only, at the cost of two system calls. So threads and tasks of any runtimes share
//! them, and none is lost with the runtime that has opened it.
//!
//! A future may be dropped at any point: the connection is dropped with it, and the breaker is told
//! that the call was given up.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::address::{Address, Place, nowhere, share};
use super::link::{Outcome, Server};
use crate::wire::batch::Batch;
use crate::wire::fault::{Fault, of_io};
use crate::wire::replies::Replies;

/// Read at once.
const BUFFER: usize = 4 * 1_024;

/// Sends the commands and waits for the replies.
pub(crate) async fn exchange(server: &Server, batch: &Batch) -> Outcome {
    let (running, waiting) = match server.begin() {
        Ok(begun) => begun,
        Err(error) => return Outcome::failed(error),
    };
    let limits = server.limits();
    let mut replies = Replies::new(batch, limits.value);
    let stream = match waiting {
        Some(stream) => registered(stream),
        None => connect(server.address(), limits.connect).await,
    };
    let ended = match stream {
        Ok(stream) => limited(limits.exchange, talk(stream, batch, &mut replies)).await,
        Err(fault) => Err(fault),
    };
    let error = match ended {
        Ok(stream) => {
            running.succeed(stream);
            None
        }
        Err(fault) => Some(running.fail(fault)),
    };
    Outcome::new(server, replies, error)
}

async fn limited<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    timeout(limit, work).await.unwrap_or(Err(Fault::TimedOut))
}

/// Opens a connection within a time limit, which the addresses of a name share.
async fn connect(address: &Address, limit: Duration) -> Result<TcpStream, Fault> {
    let deadline = Instant::now() + limit;
    let numbers: Vec<_> = match address.place()? {
        Place::Number(number) => vec![*number],
        Place::Name(name, port) => {
            let found = async { of_io(lookup_host((name.as_str(), *port)).await) };
            limited(limit, found).await?.collect()
        }
    };
    let mut last = nowhere();
    for (index, number) in numbers.iter().enumerate() {
        let opened = async { of_io(TcpStream::connect(number).await) };
        match limited(share(deadline, numbers.len() - index), opened).await {
            Ok(stream) => return of_io(stream.set_nodelay(true)).map(|()| stream),
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

/// Registers a connection with the runtime.
fn registered(stream: std::net::TcpStream) -> Result<TcpStream, Fault> {
    let ready = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
    of_io(ready)
}

/// Writes and reads until all replies are there, and takes the connection off the runtime.
async fn talk(
    mut stream: TcpStream,
    batch: &Batch,
    replies: &mut Replies<'_>,
) -> Result<std::net::TcpStream, Fault> {
    of_io(stream.write_all(batch.bytes()).await)?;
    let mut buffer = [0; BUFFER];
    while !replies.are_complete() {
        let count = of_io(stream.read(&mut buffer).await)?;
        if count == 0 {
            return Err(Fault::Lost("the server has closed the connection".into()));
        }
        replies.receive(&buffer[..count])?;
    }
    let stream = of_io(stream.into_std())?;
    of_io(stream.set_nonblocking(false)).map(|()| stream)
}
