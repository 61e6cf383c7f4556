//! Where a server is.
//!
//! A name is looked up again whenever a connection is opened, because what it stands for may move.
//! The system's look-up has no time limit, so it runs on a thread, which is left behind if it takes
//! too long.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::wire::fault::Fault;

/// A server's name and port.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    text: String,
    place: Result<Place, String>,
}

/// The fault of a name that stands for no address.
pub(crate) fn nowhere() -> Fault {
    Fault::Lost("the name has no address".into())
}

/// What an address says.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Number(SocketAddr),
    Name(String, u16),
}

/// Returns the time for the first of so many addresses.
pub(crate) fn share(deadline: Instant, addresses: usize) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    left / u32::try_from(addresses).unwrap_or(u32::MAX)
}

impl Address {
    /// Reads `host:port`. What is wrong with it is told by [`check`](Self::check).
    pub(crate) fn new(text: String) -> Self {
        let place = parse(&text);
        Address { text, place }
    }

    /// Returns it as it was given: what keys are distributed by.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Says what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.place.clone().map(drop)
    }

    /// Returns the number, or the name that must be looked up.
    ///
    /// # Errors
    /// If it is neither.
    pub(crate) fn place(&self) -> Result<&Place, Fault> {
        self.place.as_ref().map_err(|why| Fault::Lost(why.clone()))
    }

    /// Opens a connection within a time limit, which the addresses of a name share.
    pub(crate) fn connect(&self, limit: Duration) -> Result<TcpStream, Fault> {
        let deadline = Instant::now() + limit;
        let addresses = match self.place()? {
            Place::Number(number) => vec![*number],
            Place::Name(name, port) => look_up(name, *port, limit)?,
        };
        let mut last = nowhere();
        for (index, address) in addresses.iter().enumerate() {
            let share = share(deadline, addresses.len() - index);
            if share.is_zero() {
                return Err(Fault::TimedOut);
            }
            match TcpStream::connect_timeout(address, share) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Fault::of_io(&error),
            }
        }
        Err(last)
    }

    /// Adds the server's name to what is said of it.
    pub(crate) fn named(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Lost(why) => Fault::Lost(format!("{}: {why}", self.text)),
            Fault::Broken(what) => Fault::Broken(format!("{}: {what}", self.text)),
            Fault::Refused(what) => Fault::Refused(format!("{}: {what}", self.text)),
            other => other,
        }
    }
}

fn parse(text: &str) -> Result<Place, String> {
    if let Ok(number) = text.parse::<SocketAddr>() {
        return Ok(Place::Number(number));
    }
    let wrong = || {
        format!(
            "`{}` is not the address of a memcached server: write `host:port`, for example \
             `cache1:11211` or `[::1]:11211`",
            text.escape_debug()
        )
    };
    let (name, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if name.is_empty() || !name.bytes().all(is_fit) {
        return Err(wrong());
    }
    Ok(Place::Name(name.to_owned(), port))
}

fn look_up(name: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, Fault> {
    let (send, found) = channel();
    let target = (name.to_owned(), port);
    let thread = thread::Builder::new().name("cache-memcached-dns".into()).spawn(move || {
        // Nobody waits for it any more if this fails.
        drop(send.send(target.to_socket_addrs().map(Iterator::collect)));
    });
    thread.map_err(|error| Fault::Lost(format!("no thread for a look-up: {error}")))?;
    match found.recv_timeout(limit) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(Fault::Lost(format!("{name} is not found: {error}"))),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(Fault::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for right in ["127.0.0.1:11211", "[::1]:11211", "cache1:11211", "a-b.c_d.example:1"] {
            Address::new(right.into()).check().expect(right);
        }
        for wrong in ["", "cache1", "cache1:", ":11211", "cache1:0", "cache1:65536", "a b:1"] {
            let why = Address::new(wrong.into()).check().expect_err(wrong);
            assert!(why.contains("write `host:port`"), "{why}");
        }
    }

    #[test]
    fn an_address_that_is_none_fails_each_connection() {
        let limit = Duration::from_secs(1);
        let fault = Address::new("cache1".into()).connect(limit).expect_err("no address");
        assert!(matches!(fault, Fault::Lost(why) if why.contains("`cache1`")));
    }
}
