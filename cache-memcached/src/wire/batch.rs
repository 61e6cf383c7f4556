//! Commands as bytes, and what their replies must echo.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::key::WireKey;

/// Numbers of commands. They begin at random, so that a reply to another process's command, as a
/// confused proxy may send it, is not taken for one to ours.
static OPAQUE: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(random()));

/// Returns a number that nobody else has, as good as certainly.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// What a read asks for beside value, life and CAS.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GetFlags {
    /// Seconds of the lease, if a missing key is to give one.
    pub(crate) lease: Option<u64>,
    /// Seconds: an item with less left to live gives a lease.
    pub(crate) refresh_within: Option<u64>,
}

/// What a store depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Condition {
    Always,
    /// The item, or the lease, has this CAS.
    Cas(u64),
}

/// What a removal does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Removal {
    Remove,
    /// Marks the item as stale, and gives it so many seconds.
    MarkStale(u64),
    /// Marks an item that is stale already, if it still has this CAS: the next reader gets the
    /// lease again.
    ReturnLease(u64),
}

/// A counter's change, and what one that is missing begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addition {
    pub(crate) by: u64,
    pub(crate) initial: u64,
}

/// What the reply to a command must look like.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) opaque: u64,
    /// Where the key stands in the bytes of the batch, if the reply echoes it.
    pub(crate) key: Option<Range<usize>>,
}

/// Some commands of one exchange.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    expected: Vec<Expected>,
}

impl Batch {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn expected(&self) -> &[Expected] {
        &self.expected
    }

    /// `mg`: value, CAS and life of an item.
    ///
    /// The key is echoed if it went as it is. The server (1.6.18 at least) forgets of an item that
    /// a lease has made that its key came as base64, and would echo its bytes into the reply, line
    /// ends and all.
    pub(crate) fn get(&mut self, key: &WireKey, flags: GetFlags) {
        let echo = self.begin(b"mg ", key);
        let is_echoed = !key.is_base64();
        self.bytes.extend_from_slice(if is_echoed { b" v c t k" } else { b" v c t" });
        self.flag(b'N', flags.lease);
        self.flag(b'R', flags.refresh_within);
        self.end(key, is_echoed.then_some(echo));
    }

    /// `mg`: the CAS of an item without its value, or of the lease that a missing key gives for so
    /// many seconds.
    pub(crate) fn claim(&mut self, key: &WireKey, lease: u64) {
        self.begin(b"mg ", key);
        self.bytes.extend_from_slice(b" c");
        self.flag(b'N', Some(lease));
        self.end(key, None);
    }

    /// `ms`: stores a value.
    pub(crate) fn set(&mut self, key: &WireKey, value: &[u8], seconds: u64, on: Condition) {
        self.begin(b"ms ", key);
        self.bytes.extend_from_slice(format!(" {} T{seconds}", value.len()).as_bytes());
        if let Condition::Cas(cas) = on {
            self.flag(b'C', Some(cas));
        }
        self.end(key, None);
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// `md`: removes an item, or marks it as stale.
    pub(crate) fn delete(&mut self, key: &WireKey, what: Removal) {
        self.begin(b"md ", key);
        match what {
            Removal::Remove => {}
            Removal::MarkStale(seconds) => {
                self.bytes.extend_from_slice(b" I");
                self.flag(b'T', Some(seconds));
            }
            Removal::ReturnLease(cas) => {
                self.bytes.extend_from_slice(b" I");
                self.flag(b'C', Some(cas));
            }
        }
        self.end(key, None);
    }

    /// `ma`: raises a counter, or makes it.
    pub(crate) fn add(&mut self, key: &WireKey, addition: Addition) {
        self.begin(b"ma ", key);
        self.bytes.extend_from_slice(b" N0 v");
        self.flag(b'J', Some(addition.initial));
        self.flag(b'D', Some(addition.by));
        self.end(key, None);
    }

    fn begin(&mut self, verb: &[u8], key: &WireKey) -> Range<usize> {
        self.bytes.extend_from_slice(verb);
        let start = self.bytes.len();
        key.write(&mut self.bytes);
        start..self.bytes.len()
    }

    fn flag(&mut self, letter: u8, number: Option<u64>) {
        if let Some(number) = number {
            self.bytes.extend([b' ', letter]);
            self.bytes.extend_from_slice(number.to_string().as_bytes());
        }
    }

    fn end(&mut self, key: &WireKey, echo: Option<Range<usize>>) {
        if key.is_base64() {
            self.bytes.extend_from_slice(b" b");
        }
        // Relaxed: the numbers only have to differ.
        let opaque = OPAQUE.fetch_add(1, Ordering::Relaxed);
        self.flag(b'O', Some(opaque));
        self.bytes.extend_from_slice(b"\r\n");
        self.expected.push(Expected { opaque, key: echo });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::key::Namespace;

    /// Input: some commands. Output: their text with `O#` for the opaque numbers.
    fn text(fill: impl FnOnce(&mut Batch)) -> String {
        let mut batch = Batch::default();
        fill(&mut batch);
        let mut text = String::from_utf8(batch.bytes.clone()).expect("ASCII");
        for expected in &batch.expected {
            text = text.replacen(&format!("O{}", expected.opaque), "O#", 1);
        }
        text
    }

    #[test]
    fn commands_have_their_flags() {
        let space = Namespace::new("");
        let (key, binary) = (space.item(b"key"), space.item(b"a b"));
        let lease = GetFlags { lease: Some(2), refresh_within: Some(10) };
        assert_eq!(text(|it| it.get(&key, GetFlags::default())), "mg key v c t k O#\r\n");
        assert_eq!(text(|it| it.get(&binary, lease)), "mg YSBi v c t N2 R10 b O#\r\n");
        assert_eq!(text(|it| it.claim(&binary, 2)), "mg YSBi c N2 b O#\r\n");
        assert_eq!(
            text(|it| it.set(&key, b"value", 60, Condition::Cas(7))),
            "ms key 5 T60 C7 O#\r\nvalue\r\n"
        );
        assert_eq!(
            text(|it| it.set(&binary, b"", 0, Condition::Always)),
            "ms YSBi 0 T0 b O#\r\n\r\n"
        );
        assert_eq!(text(|it| it.delete(&key, Removal::Remove)), "md key O#\r\n");
        assert_eq!(text(|it| it.delete(&key, Removal::MarkStale(9))), "md key I T9 O#\r\n");
        assert_eq!(text(|it| it.delete(&key, Removal::ReturnLease(9))), "md key I C9 O#\r\n");
        let addition = Addition { by: 1, initial: 100 };
        assert_eq!(text(|it| it.add(&key, addition)), "ma key N0 v J100 D1 O#\r\n");
    }

    #[test]
    fn numbers_of_commands_differ() {
        let key = Namespace::new("").item(b"key");
        let mut batch = Batch::default();
        batch.delete(&key, Removal::Remove);
        batch.get(&key, GetFlags::default());
        let [one, other] = batch.expected() else { panic!("two commands") };
        assert_ne!(one.opaque, other.opaque);
        assert_eq!(other.key.as_ref().map(|key| &batch.bytes()[key.clone()]), Some(&b"key"[..]));
    }
}
