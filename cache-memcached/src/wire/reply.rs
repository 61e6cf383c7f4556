//! One reply, from its bytes.

use super::fault::Fault;

/// The longest line of a reply: a key of 250 bytes and some flags need 350.
const MOST_OF_A_LINE: usize = 1_024;

/// Memory reserved for a value before its bytes come.
const RESERVED: usize = 16 * 1_024;

/// The word that a reply begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// `HD`: done, without a value.
    Done,
    /// `VA`: done, with a value.
    Value,
    /// `EN`: a read has found nothing.
    Missing,
    /// `NF`: a write has found nothing.
    NotFound,
    /// `NS`: not stored.
    NotStored,
    /// `EX`: the CAS is another one.
    Exists,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: Status,
    pub(crate) value: Vec<u8>,
    /// `c`
    pub(crate) cas: u64,
    /// `t`: seconds left, negative: without end.
    pub(crate) life: i64,
    /// `W`: this caller has the lease.
    pub(crate) is_won: bool,
    /// `Z`: another caller has it.
    pub(crate) is_lost: bool,
    /// `X`: the item is marked as stale.
    pub(crate) is_stale: bool,
    /// `O`
    pub(crate) opaque: Option<u64>,
    /// `k`
    pub(crate) key: Option<Vec<u8>>,
}

/// Reads replies from bytes that come in any pieces.
#[derive(Debug)]
pub(crate) struct Parser {
    /// The most bytes of a value.
    limit: usize,
    line: Vec<u8>,
    /// A reply whose value is still coming, and how many bytes of that, with the end of the line,
    /// are awaited.
    valued: Option<(Reply, usize)>,
}

impl Parser {
    pub(crate) fn new(limit: usize) -> Self {
        Parser { limit, line: Vec::new(), valued: None }
    }

    /// Takes bytes off the front of `bytes` and returns a reply if one is complete. If none is, all
    /// bytes were taken.
    ///
    /// # Errors
    /// If the bytes are no reply, or one beyond the limits. The parser is of no use then.
    pub(crate) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Reply>, Fault> {
        while !bytes.is_empty() {
            if self.valued.is_none() {
                let Some(reply) = self.take_line(bytes)? else { continue };
                let Some(length) = reply.1 else { return Ok(Some(reply.0)) };
                self.valued = Some((reply.0, length + 2));
            }
            if let Some(reply) = self.take_value(bytes)? {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    fn take_line(&mut self, bytes: &mut &[u8]) -> Result<Option<(Reply, Option<usize>)>, Fault> {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let (head, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        if self.line.len() + head.len() > MOST_OF_A_LINE {
            return Err(Fault::Broken("a reply whose first line does not end".into()));
        }
        self.line.extend_from_slice(head);
        *bytes = rest;
        if end.is_none() {
            return Ok(None);
        }
        let reply = parse(&self.line, self.limit)?;
        self.line.clear();
        Ok(Some(reply))
    }

    fn take_value(&mut self, bytes: &mut &[u8]) -> Result<Option<Reply>, Fault> {
        let Some((reply, awaited)) = &mut self.valued else { return Ok(None) };
        let (head, rest) = bytes.split_at((*awaited).min(bytes.len()));
        if reply.value.capacity() == 0 {
            reply.value.reserve((*awaited).min(RESERVED));
        }
        reply.value.extend_from_slice(head);
        *bytes = rest;
        *awaited -= head.len();
        if *awaited > 0 {
            return Ok(None);
        }
        if !reply.value.ends_with(b"\r\n") {
            return Err(Fault::Broken("a value that is longer than announced".into()));
        }
        let whole = self.valued.take().map(|(mut reply, _)| {
            reply.value.truncate(reply.value.len() - 2);
            reply
        });
        Ok(whole)
    }
}

/// Reads a line, with its end, and the length of the value if one follows.
fn parse(line: &[u8], limit: usize) -> Result<(Reply, Option<usize>), Fault> {
    let broken = || Fault::Broken(format!("no reply: {}", shown(line)));
    let text = line.strip_suffix(b"\r\n").ok_or_else(broken)?;
    let mut words = text.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let status = match words.next().ok_or_else(broken)? {
        b"HD" => Status::Done,
        b"VA" => Status::Value,
        b"EN" => Status::Missing,
        b"NF" => Status::NotFound,
        b"NS" => Status::NotStored,
        b"EX" => Status::Exists,
        b"ERROR" | b"CLIENT_ERROR" | b"SERVER_ERROR" => return Err(Fault::Refused(shown(text))),
        _ => return Err(broken()),
    };
    let mut length = None;
    if status == Status::Value {
        let announced = words.next().and_then(number).ok_or_else(broken)?;
        let fits = usize::try_from(announced).ok().filter(|length| *length <= limit);
        length = Some(fits.ok_or(Fault::Oversized { size: announced, limit })?);
    }
    let mut reply = Reply {
        status,
        value: Vec::new(),
        cas: 0,
        life: 0,
        is_won: false,
        is_lost: false,
        is_stale: false,
        opaque: None,
        key: None,
    };
    for word in words {
        read_flag(&mut reply, word).ok_or_else(broken)?;
    }
    Ok((reply, length))
}

/// Returns `None` if a flag that has a number has none. Flags that were not asked for are skipped.
fn read_flag(reply: &mut Reply, word: &[u8]) -> Option<()> {
    let (&letter, rest) = word.split_first()?;
    match letter {
        b'c' => reply.cas = number(rest)?,
        b't' => reply.life = std::str::from_utf8(rest).ok()?.parse().ok()?,
        b'O' => reply.opaque = Some(number(rest)?),
        b'k' => reply.key = Some(rest.to_vec()),
        b'W' => reply.is_won = true,
        b'Z' => reply.is_lost = true,
        b'X' => reply.is_stale = true,
        _ => {}
    }
    Some(())
}

/// Reads a decimal number without a sign, and with blanks behind it, as a counter that has become
/// shorter has them.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    let digits = digits.trim_ascii_end();
    let is_number = digits.first().is_some_and(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// Shows the beginning of what a server has sent.
pub(crate) fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(80)].trim_ascii_end().escape_ascii().to_string()
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
