//! Keys of the tier as keys of the server.
//!
//! | what | on the server |
//! |---|---|
//! | an item | `namespace:` + the key |
//! | one whose key does not fit, is empty or begins with `~` | `namespace:~h:` + 32 hex digits |
//! | a counter | `namespace:~g:` + its name, or `namespace:~G:` + 32 hex digits |
//! | a tombstone | `namespace:~i:` + 16 hex digits of the process + `:` + the key |
//! | what is stored to have a line of the log | `namespace:~w:` |
//!
//! A key that begins with `~` is hashed, so no item has the key of a counter, a tombstone or a hash
//! by its own text. Without a namespace `namespace:` is left out.
//!
//! What is printable ASCII without blanks goes over the wire as it is. Other bytes go as base64,
//! which the server turns back, so that no key can bring a command with it. The server takes 250
//! bytes of either form.
//!
//! The hash is SipHash-2-4 of 128 bits with the key zero, over the key without its namespace,
//! written with the second of its two words first: fixed for ever, because processes of different
//! versions share the items. It is not secret: a caller that must defend itself against made
//! collisions compares the key with one stored in the value, as cache-core does.

use siphasher::sip128::{Hasher128, SipHasher24};

/// What the server takes, in bytes on the wire.
pub(crate) const MOST_ON_THE_WIRE: usize = 250;

/// `~i:`, 16 hex digits and a colon.
const TOMBSTONE_PREFIX: usize = 3 + 16 + 1;

/// Begins what is not a key's own text.
const MARK: u8 = b'~';
const HASHED: &[u8] = b"~h:";
const COUNTER: &[u8] = b"~g:";
const HASHED_COUNTER: &[u8] = b"~G:";
const TOMBSTONE: &[u8] = b"~i:";
const WAKING: &[u8] = b"~w:";

/// A key of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireKey {
    bytes: Vec<u8>,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Base64,
}

impl WireKey {
    /// Makes a key of these bytes, if the server takes them.
    fn new(bytes: Vec<u8>) -> Option<Self> {
        if bytes.is_empty() {
            return None;
        }
        let is_plain = bytes.iter().all(u8::is_ascii_graphic);
        let (form, length) = if is_plain {
            (Form::Plain, bytes.len())
        } else {
            (Form::Base64, bytes.len().div_ceil(3) * 4)
        };
        (length <= MOST_ON_THE_WIRE).then_some(WireKey { bytes, form })
    }

    /// Returns the bytes that the server knows it by: what servers are chosen by.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns `true` if the command needs the flag `b`.
    pub(crate) fn is_base64(&self) -> bool {
        self.form == Form::Base64
    }

    /// Appends it as it stands in a command.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self.form {
            Form::Plain => out.extend_from_slice(&self.bytes),
            Form::Base64 => write_base64(&self.bytes, out),
        }
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digit = |shift: u32| DIGITS[(bits >> shift) as usize % 64];
        out.extend([digit(18), digit(12)]);
        out.push(if chunk.len() > 1 { digit(6) } else { b'=' });
        out.push(if chunk.len() > 2 { digit(0) } else { b'=' });
    }
}

/// What a tombstone of another process tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tombstone {
    /// This key of the tier was written or removed.
    Key(Vec<u8>),
    /// The counter of this name was raised.
    Counter(Vec<u8>),
    /// A key was written or removed whose text does not fit here.
    Unnamed,
}

/// Where a tier's keys begin.
#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    /// With its colon, or empty.
    prefix: Vec<u8>,
}

impl Namespace {
    /// The most bytes of its name.
    pub(crate) const MOST: usize = 64;

    /// Makes one of a name that [`check`](Self::check) finds right.
    pub(crate) fn new(name: &str) -> Self {
        let mut prefix = name.as_bytes().to_vec();
        if !prefix.is_empty() {
            prefix.push(b':');
        }
        Namespace { prefix }
    }

    /// Says what is wrong with a name.
    pub(crate) fn check(name: &str) -> Result<(), String> {
        let is_fit = |byte: u8| byte.is_ascii_graphic() && byte != b':' && byte != MARK;
        if name.len() <= Self::MOST && name.bytes().all(is_fit) {
            return Ok(());
        }
        Err(format!(
            "the namespace `{}` does not fit: give at most {} printable ASCII characters, without \
             blanks, `:` and `~`",
            name.escape_debug(),
            Self::MOST
        ))
    }

    /// Returns the most bytes of a key that another process is told by name. It does not depend on
    /// whether this one tells: processes that share a tier must agree on the keys of their items.
    pub(crate) fn max_key_len(&self) -> usize {
        MOST_ON_THE_WIRE.saturating_sub(self.prefix.len() + TOMBSTONE_PREFIX)
    }

    /// Returns the key of an item.
    pub(crate) fn item(&self, key: &[u8]) -> WireKey {
        let own = if key.first() == Some(&MARK) { None } else { WireKey::new(self.with(&[key])) };
        own.unwrap_or_else(|| self.hashed(HASHED, key))
    }

    /// Returns the key of a counter.
    pub(crate) fn counter(&self, name: &[u8]) -> WireKey {
        let own = WireKey::new(self.with(&[COUNTER, name]));
        own.unwrap_or_else(|| self.hashed(HASHED_COUNTER, name))
    }

    /// Returns the key under which this process tells that it has written or removed a key.
    pub(crate) fn tombstone(&self, process: u64, told: &Told<'_>) -> WireKey {
        let process = format!("{process:016x}:");
        let (mark, name): (&[u8], &[u8]) = match told {
            Told::Key([MARK, ..]) => (HASHED, b""),
            Told::Key(key) => (b"", key),
            Told::Counter(name) => (COUNTER, name),
        };
        let own = WireKey::new(self.with(&[TOMBSTONE, process.as_bytes(), mark, name]));
        own.unwrap_or_else(|| {
            let unnamed = self.with(&[TOMBSTONE, process.as_bytes(), HASHED]);
            WireKey { bytes: unnamed, form: Form::Plain }
        })
    }

    /// Returns the key that is stored to have the server log a line, which tells nothing.
    pub(crate) fn waking(&self) -> WireKey {
        WireKey { bytes: self.with(&[WAKING]), form: Form::Plain }
    }

    /// Returns what a key that was stored on the server tells, if it is a tombstone of another
    /// process in this namespace.
    pub(crate) fn heard(&self, own_process: u64, stored: &[u8]) -> Option<Tombstone> {
        let rest = stored.strip_prefix(&self.prefix[..])?.strip_prefix(TOMBSTONE)?;
        let (process, rest) = rest.split_at_checked(16)?;
        let process = u64::from_str_radix(std::str::from_utf8(process).ok()?, 16).ok()?;
        let name = rest.strip_prefix(b":")?;
        if process == own_process {
            return None;
        }
        Some(match name {
            [MARK, ..] => match name.strip_prefix(COUNTER) {
                Some(counter) => Tombstone::Counter(counter.to_vec()),
                None => Tombstone::Unnamed,
            },
            key => Tombstone::Key(key.to_vec()),
        })
    }

    fn hashed(&self, mark: &[u8], key: &[u8]) -> WireKey {
        use std::hash::Hasher;
        let mut hasher = SipHasher24::new();
        hasher.write(key);
        let digits = format!("{:032x}", hasher.finish128().as_u128());
        WireKey { bytes: self.with(&[mark, digits.as_bytes()]), form: Form::Plain }
    }

    fn with(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = self.prefix.clone();
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        bytes
    }
}

/// What a tombstone is to tell.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told<'k> {
    /// A key of the tier.
    Key(&'k [u8]),
    /// The name of a counter.
    Counter(&'k [u8]),
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
