//! Keys as bytes, and the name under which a tier knows a key.
//!
//! A key alone is its plain text, so that a person, or a program in another language, can name it:
//! the key `"de"` of the cache `rates` is `rates:1:1790000000000:de` in the tier. Where several
//! parts make one key, each is preceded by its length, so that no two keys meet:
//!
//! Input: `("ab", 7_u32)`
//! Output: `2:ab1:7`
//!
//! A tier limits the length of its keys, and people read them in logs and on the wire. So a key
//! that is too long, or has a byte that does not print, is named by its hash instead:
//! [SipHash-2-4](https://www.aumasson.jp/siphash/siphash.pdf) of 128 bits with the key zero, which
//! is the same in every process and every version. The key is no secret, so somebody who chooses
//! keys may find two with one hash; the envelope echoes the whole key, which makes that a miss.

use std::borrow::Cow;
use std::fmt::Display;
use std::hash::Hasher;
use std::io::Write;
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::util::tuples::for_each_tuple;

/// A key that can be written as bytes, for a [`Tier`](super::Tier).
///
/// No two keys of a type are written alike, and a borrowed form (`str`, `(&str, u64)`) writes what
/// its owner (`String`, `(String, u64)`) writes.
///
/// A type of several parts writes the tuple of them:
/// ```
/// use cache_core::tier::RemoteKey;
///
/// struct Seat {
///     flight: String,
///     row: u8,
/// }
///
/// impl RemoteKey for Seat {
///     fn write(&self, out: &mut Vec<u8>) {
///         (&self.flight, self.row).write(out);
///     }
/// }
///
/// let mut out = Vec::new();
/// Seat { flight: "LX 14".to_owned(), row: 31 }.write(&mut out);
/// assert_eq!(out, b"5:LX 142:31");
/// ```
#[diagnostic::on_unimplemented(
    message = "a key of type `{Self}` cannot be written for a tier",
    label = "no `RemoteKey`",
    note = "implement `cache_core::tier::RemoteKey` for it, by writing a tuple of its parts; or use \
            a `String` as the key"
)]
pub trait RemoteKey {
    /// Appends the key to `out`, and changes nothing of what is there.
    fn write(&self, out: &mut Vec<u8>);
}

/// The plain bytes.
impl RemoteKey for [u8] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

/// The plain text.
impl RemoteKey for str {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

/// `-` for `None`, and `+` before a key: `None` is not the empty key.
impl<T: RemoteKey> RemoteKey for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(b'-'),
            Some(key) => {
                out.push(b'+');
                key.write(out);
            }
        }
    }
}

macro_rules! as_slice {
    ($(($($generics:tt)*) $owner:ty),* $(,)?) => {$(
        impl<$($generics)*> RemoteKey for $owner {
            fn write(&self, out: &mut Vec<u8>) {
                self[..].write(out);
            }
        }
    )*};
}

as_slice!(() String, () Vec<u8>, (const N: usize) [u8; N]);

macro_rules! as_target {
    ($($pointer:ty),* $(,)?) => {$(
        impl<T: RemoteKey + ?Sized> RemoteKey for $pointer {
            fn write(&self, out: &mut Vec<u8>) {
                (**self).write(out);
            }
        }
    )*};
}

as_target!(&T, Box<T>, Arc<T>);

impl<T: RemoteKey + ToOwned + ?Sized> RemoteKey for Cow<'_, T> {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }
}

macro_rules! as_text {
    ($($type:ty)*) => {$(
        /// As text: numbers in decimal.
        impl RemoteKey for $type {
            fn write(&self, out: &mut Vec<u8>) {
                push_text(self, out);
            }
        }
    )*};
}

as_text!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize bool char);

macro_rules! as_parts {
    ($($part:ident)*) => {
        /// Each part behind its length: `2:ab1:7`. The tuple of no parts is empty.
        impl<$($part: RemoteKey),*> RemoteKey for ($($part,)*) {
            fn write(&self, _out: &mut Vec<u8>) {
                #[allow(non_snake_case)]
                let ($($part,)*) = self;
                $(push_part($part, _out);)*
            }
        }
    };
}

for_each_tuple!(as_parts);

fn push_text(text: &impl Display, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(out, "{text}");
}

/// Appends a part behind its length. The part is written first, because it says how long it is, and
/// then moved behind.
fn push_part(part: &impl RemoteKey, out: &mut Vec<u8>) {
    let start = out.len();
    part.write(out);
    let end = out.len();
    push_text(&(end - start), out);
    out.push(b':');
    let length = out.len() - end;
    out[start..].rotate_right(length);
}

/// What stands before a hash. A readable key that begins with it is hashed, too, so that no key is
/// taken for the hash of another.
const MARK: u8 = b'~';
/// The mark and 32 hexadecimal digits.
const HASH_LEN: usize = 33;

/// The names of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TierKey {
    /// The name by which the tier knows it.
    pub(crate) wire: Vec<u8>,
    /// The name that nothing is cut from: what the envelope echoes.
    pub(crate) full: Vec<u8>,
}

/// Names a key whose names begin with `prefix`, in at most `max_len` bytes (or in a hash alone,
/// where not even that fits).
///
/// ```text
/// rates:1:1790000000000:de            all of it fits and prints
/// rates:1:1790000000000:~0123..cdef   the key does not
/// ~0123..cdef                         nor does the prefix with a hash
/// ```
pub(crate) fn tier_key(prefix: &str, key: &(impl RemoteKey + ?Sized), max_len: usize) -> TierKey {
    let mut full = Vec::with_capacity(prefix.len() + HASH_LEN);
    full.extend_from_slice(prefix.as_bytes());
    key.write(&mut full);
    let (before, key) = full.split_at(prefix.len());
    let is_plain = key.first() != Some(&MARK) && is_readable(&full);
    let wire = if is_plain && full.len() <= max_len {
        full.clone()
    } else if is_readable(before) && before.len() + HASH_LEN <= max_len {
        hashed(before, key)
    } else {
        hashed(b"", &full)
    };
    TierKey { wire, full }
}

/// Returns `true` if the bytes are printable ASCII without blanks.
pub(crate) fn is_readable(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_graphic)
}

/// Returns the prefix, a mark, and the hash of a text.
pub(crate) fn hashed(prefix: &[u8], key: &[u8]) -> Vec<u8> {
    let mut hasher = SipHasher24::new();
    hasher.write(key);
    let mut wire = Vec::with_capacity(prefix.len() + HASH_LEN);
    wire.extend_from_slice(prefix);
    wire.push(MARK);
    for byte in hasher.finish128().as_bytes() {
        push_text(&format_args!("{byte:02x}"), &mut wire);
    }
    wire
}

#[cfg(all(test, not(loom)))]
mod tests;
