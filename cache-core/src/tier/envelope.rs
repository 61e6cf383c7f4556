//! What is stored around the bytes of a value: whose they are, and how old.
//!
//! Bytes from a tier are not trusted. They may be another program's, another version's, another
//! key's (two names with one hash, a client that mixed up two replies), cut off, or flipped in a
//! memory without parity. So a value comes with all that is needed to tell, and what does not check
//! is a miss for one of the reasons in [`Rejected`].
//!
//! ```text
//! offset  bytes  (little-endian)
//!      0      3  the magic number: first a byte that no text in UTF-8 begins with
//!      3      1  the number of this format
//!      4      1  flags: 1 negative (there is no value, and that is known); 2 kept for compression
//!      5      4  the schema, a number of the user's
//!      9      8  when the value was made, in milliseconds of Unix time
//!     17      8  until when it is fresh
//!     25      8  until when it may be served stale
//!     33      4  how long the load took, in microseconds
//!     37      4  the length of the key
//!     41      k  the whole key
//!   41+k      p  the payload, which is all that is left
//! 41+k+p      8  the checksum: SipHash-1-3 with the key zero over all that stands before
//! ```
//!
//! The checksum is against accidents. It is no signature: somebody who writes to the server can
//! make a valid envelope. So a length is compared with what is there before it is used, and nothing
//! is allocated by one.

use std::hash::Hasher;
use std::ops::Range;
use std::time::Duration;

use siphasher::sip::SipHasher13;

const MAGIC: [u8; 3] = [0xCA, b'c', b'h'];
const FORMAT: u8 = 1;
const NEGATIVE: u8 = 1;
const HEAD_LEN: usize = 41;
const CHECKSUM_LEN: usize = 8;

/// What is known of a value beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// It says that there is no value.
    pub(crate) is_negative: bool,
    pub(crate) schema: u32,
    /// When the value was made, in milliseconds of Unix time.
    pub(crate) created: u64,
    /// Until when it is fresh.
    pub(crate) fresh_until: u64,
    /// Until when it may be served stale.
    pub(crate) stale_until: u64,
    /// How long the load took: whole microseconds, up to 71 minutes.
    pub(crate) load_time: Duration,
}

/// Why bytes are not the value that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rejected {
    /// No envelope.
    Foreign,
    /// An envelope of another version of this crate.
    OtherFormat,
    /// The checksum differs.
    Corrupt,
    /// A value of another type, or of another version of its type.
    OtherSchema,
    /// The value of another key.
    OtherKey,
    /// A value from before the end of an outage of its server, when an invalidation may have
    /// failed.
    Distrusted,
}

impl Rejected {
    /// Whether the item is to go. One that another version of the program understands stays: while
    /// the new version is rolled out both run.
    pub(super) fn is_to_be_discarded(self) -> bool {
        !matches!(self, Rejected::OtherFormat | Rejected::OtherSchema)
    }
}

impl Envelope {
    /// Returns the payload in the envelope, for this key.
    ///
    /// # Panics
    /// If the key has 4 GiB.
    pub(crate) fn write(&self, key: &[u8], payload: &[u8]) -> Vec<u8> {
        let key_len = u32::try_from(key.len()).expect("a key of less than 4 GiB");
        let micros = u32::try_from(self.load_time.as_micros()).unwrap_or(u32::MAX);
        let mut out = Vec::with_capacity(HEAD_LEN + key.len() + payload.len() + CHECKSUM_LEN);
        out.extend_from_slice(&MAGIC);
        out.push(FORMAT);
        out.push(if self.is_negative { NEGATIVE } else { 0 });
        out.extend_from_slice(&self.schema.to_le_bytes());
        for time in [self.created, self.fresh_until, self.stale_until] {
            out.extend_from_slice(&time.to_le_bytes());
        }
        out.extend_from_slice(&micros.to_le_bytes());
        out.extend_from_slice(&key_len.to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(payload);
        let sum = checksum(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// Reads an envelope of this schema and key. Returns also where the payload is.
    pub(crate) fn read(
        bytes: &[u8],
        schema: u32,
        key: &[u8],
    ) -> Result<(Envelope, Range<usize>), Rejected> {
        let mut left = checked(bytes)?;
        let [flags] = take(&mut left)?;
        let envelope = Envelope {
            is_negative: flags & NEGATIVE != 0,
            schema: u32::from_le_bytes(take(&mut left)?),
            created: u64::from_le_bytes(take(&mut left)?),
            fresh_until: u64::from_le_bytes(take(&mut left)?),
            stale_until: u64::from_le_bytes(take(&mut left)?),
            load_time: Duration::from_micros(u32::from_le_bytes(take(&mut left)?).into()),
        };
        let key_len = u32::from_le_bytes(take(&mut left)?);
        if flags & !NEGATIVE != 0 {
            return Err(Rejected::OtherFormat);
        }
        if envelope.schema != schema {
            return Err(Rejected::OtherSchema);
        }
        let echoed = usize::try_from(key_len).ok().and_then(|length| left.get(..length));
        match echoed {
            None => Err(Rejected::Corrupt),
            Some(echoed) if echoed != key => Err(Rejected::OtherKey),
            Some(_) => Ok((envelope, HEAD_LEN + key.len()..bytes.len() - CHECKSUM_LEN)),
        }
    }
}

/// Checks what every envelope of this format has: the magic number, the format's, the checksum.
/// Returns what stands between.
fn checked(bytes: &[u8]) -> Result<&[u8], Rejected> {
    let Some((format, _)) = bytes.strip_prefix(&MAGIC).and_then(<[u8]>::split_first) else {
        return Err(Rejected::Foreign);
    };
    if *format != FORMAT {
        return Err(Rejected::OtherFormat);
    }
    match bytes.split_last_chunk() {
        Some((sealed, sum)) if checksum(sealed) == u64::from_le_bytes(*sum) => {
            sealed.get(MAGIC.len() + 1..).ok_or(Rejected::Corrupt)
        }
        _ => Err(Rejected::Corrupt),
    }
}

/// Takes the next bytes off.
fn take<const N: usize>(left: &mut &[u8]) -> Result<[u8; N], Rejected> {
    let (taken, rest) = left.split_first_chunk().ok_or(Rejected::Corrupt)?;
    *left = rest;
    Ok(*taken)
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(all(test, not(loom)))]
mod tests;
