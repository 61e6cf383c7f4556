//! Lines that are not replies: of `watch` and of `stats`.

use super::fault::Fault;
use super::reply::{number, shown};

/// The longest line: a key of 250 bytes, each written as `%FF`, and what stands around it.
const MOST_OF_A_LINE: usize = 4_096;

/// Makes lines of bytes that come in any pieces.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
}

impl Lines {
    /// Gives each line, without its end, to `take`.
    ///
    /// # Errors
    /// If a line does not end, or what `take` returns.
    pub(crate) fn receive(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (head, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            self.push(head)?;
            take(self.line.strip_suffix(b"\r").unwrap_or(&self.line))?;
            self.line.clear();
        }
        self.push(bytes)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.line.len() + bytes.len() > MOST_OF_A_LINE {
            return Err(Fault::Broken("a line that does not end".into()));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }
}

/// A line of `watch mutations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WatchLine {
    /// The watch has begun.
    Begun,
    /// Lines were left out before this one.
    Skipped,
    /// A key was stored. The number counts what the server has logged, of all kinds.
    Stored { number: Option<u64>, key: Vec<u8> },
    /// Something else was logged.
    Other { number: Option<u64> },
    /// The server says no.
    Refused(String),
}

/// Reads a line of the watch. A line that means nothing is one of something else.
pub(crate) fn watch_line(line: &[u8]) -> WatchLine {
    let mut words = line.split(|&byte| byte == b' ');
    match words.next() {
        Some(b"OK") => return WatchLine::Begun,
        Some(b"ERROR" | b"CLIENT_ERROR" | b"SERVER_ERROR") => {
            return WatchLine::Refused(shown(line));
        }
        _ if line.starts_with(b"skipped=") => return WatchLine::Skipped,
        _ => {}
    }
    let word = |name: &[u8]| {
        let mut words = line.split(|&byte| byte == b' ');
        words.find_map(|word| word.strip_prefix(name))
    };
    let number = word(b"gid=").and_then(number);
    match (word(b"type="), word(b"key=")) {
        (Some(b"item_store"), Some(key)) => WatchLine::Stored { number, key: decoded(key) },
        _ => WatchLine::Other { number },
    }
}

/// Undoes the coding of URIs: `%41` is `A`.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let hex = (byte == b'%').then(|| digit(text.get(at + 1)).zip(digit(text.get(at + 2))));
        match hex.flatten() {
            Some((high, low)) => {
                bytes.push((16 * high + low) as u8);
                at += 3;
            }
            None => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    bytes
}

/// What the statistics tell of a log that lost lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogLosses {
    /// Dropped by the server's threads before they were in the stream.
    pub(crate) worker_dropped: Option<u64>,
    /// Left out of the stream of a watcher that did not read.
    pub(crate) watcher_skipped: Option<u64>,
}

/// Where the reading of the statistics stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatsEnd {
    Reached,
    Awaited,
}

impl LogLosses {
    /// Takes a line of `stats`.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn take(&mut self, line: &[u8]) -> Result<StatsEnd, Fault> {
        if line == b"END" {
            return Ok(StatsEnd::Reached);
        }
        let Some(stat) = line.strip_prefix(b"STAT ") else {
            return Err(Fault::Refused(shown(line)));
        };
        if let Some(count) = stat.strip_prefix(b"log_worker_dropped ") {
            self.worker_dropped = number(count);
        } else if let Some(count) = stat.strip_prefix(b"log_watcher_skipped ") {
            self.watcher_skipped = number(count);
        }
        Ok(StatsEnd::Awaited)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_a_real_server() {
        let line = b"ts=1795918735.601953 gid=3 type=item_store key=a%20b%3A%ff status=stored \
                     cmd=set ttl=10 clsid=1 cfd=26 size=2";
        let stored = WatchLine::Stored { number: Some(3), key: b"a b:\xff".to_vec() };
        assert_eq!(watch_line(line), stored);
        let other = b"ts=1.2 gid=35 type=item_get key=zz status=not_found clsid=0 cfd=25 size=0";
        assert_eq!(watch_line(other), WatchLine::Other { number: Some(35) });
        assert_eq!(watch_line(b"skipped=147552"), WatchLine::Skipped);
        assert_eq!(watch_line(b"OK"), WatchLine::Begun);
        assert_eq!(watch_line(b"ERROR"), WatchLine::Refused("ERROR".into()));
        assert_eq!(watch_line(b""), WatchLine::Other { number: None });
    }

    #[test]
    fn a_broken_code_is_left_as_it_is() {
        for text in [&b"%"[..], b"%2", b"%zz", b"a%", b"100%"] {
            assert_eq!(decoded(text), text);
        }
    }

    #[test]
    fn statistics_are_read_to_their_end() {
        let mut losses = LogLosses::default();
        let lines =
            b"STAT pid 1\r\nSTAT log_worker_dropped 5\r\nSTAT log_watcher_skipped 7\r\nEND\r\n";
        let mut end = StatsEnd::Awaited;
        let taken = Lines::default().receive(lines, |line| {
            end = losses.take(line)?;
            Ok(())
        });
        assert_eq!((taken, end), (Ok(()), StatsEnd::Reached));
        let all = LogLosses { worker_dropped: Some(5), watcher_skipped: Some(7) };
        assert_eq!(losses, all);
        assert_eq!(losses.take(b"ERROR"), Err(Fault::Refused("ERROR".into())));
    }

    #[test]
    fn a_line_that_does_not_end_is_refused() {
        let mut lines = Lines::default();
        let fault = (0..10).find_map(|_| lines.receive(&[b'x'; 1_000], |_| Ok(())).err());
        assert!(matches!(fault, Some(Fault::Broken(_))));
        assert!(lines.line.capacity() <= 2 * MOST_OF_A_LINE);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..9_000),
            piece in 1_usize..500,
        ) {
            let mut lines = Lines::default();
            for piece in bytes.chunks(piece) {
                drop(lines.receive(piece, |line| {
                    watch_line(line);
                    LogLosses::default().take(line).map(|_| ())
                }));
            }
        }

        #[test]
        fn coded_keys_come_back(key in prop::collection::vec(any::<u8>(), 0..250)) {
            let coded: String = key.iter().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(decoded(coded.as_bytes()), key);
        }
    }
}
