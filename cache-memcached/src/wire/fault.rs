//! What goes wrong in an exchange, and what follows from it.

use cache_core::tier::TierError;

/// Why an exchange did not bring what it was to bring. After any of them the connection is
/// discarded: bytes of the rest may still come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The time allowed is over.
    TimedOut,
    /// There is no connection, or it broke.
    Lost(String),
    /// What came is no reply to what was asked.
    Broken(String),
    /// The server has answered with an error line.
    Refused(String),
    /// A value larger than the limit.
    Oversized { size: u64, limit: usize },
}

impl Fault {
    /// Returns `true` if other processes' writes to this server may have failed as well. A server
    /// that says no in time, or has a value of another program's, is well.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::TimedOut | Self::Lost(_) | Self::Broken(_))
    }

    /// Makes a fault of an error of the system's.
    pub(crate) fn of_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        match error.kind() {
            // What a socket's time limit is called depends on the system.
            TimedOut | WouldBlock => Self::TimedOut,
            _ => Self::Lost(error.to_string()),
        }
    }
}

/// Makes a fault of the system's error, if it is one.
pub(crate) fn of_io<T>(result: std::io::Result<T>) -> Result<T, Fault> {
    result.map_err(|error| Fault::of_io(&error))
}

impl From<Fault> for TierError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TimedOut => Self::TimedOut,
            Fault::Lost(why) => Self::Unreachable(why),
            Fault::Broken(what) | Fault::Refused(what) => Self::Protocol(what),
            Fault::Oversized { size, limit } => Self::Protocol(format!(
                "a value of {size} bytes, and no more than {limit} are read: see \
                 MemcachedBuilder::max_value_size"
            )),
        }
    }
}
