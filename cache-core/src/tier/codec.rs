//! Values as bytes.
//!
//! [`Postcard`] is the default: small and quick, and understood by Rust programs alone. What
//! programs in other languages are to read and write is better served by [`Raw`] or [`Json`], which
//! are stored without an envelope: an item is what the other program wrote, and nothing else.

use std::fmt;
use std::sync::Arc;

/// Writes values as bytes for a tier, and reads them again.
///
/// The bytes come from outside: another version of the program, another program, or anybody who
/// reaches the server. `decode` returns an error for what it does not understand, does not panic,
/// and does not allocate by a length that the bytes claim before it has seen as many.
///
/// ```
/// use cache_core::tier::{Codec, CodecError};
///
/// /// Temperatures as text, in tenths of a degree.
/// struct Tenths;
///
/// impl Codec<f32> for Tenths {
///     fn encode(&self, value: &f32, out: &mut Vec<u8>) -> Result<(), CodecError> {
///         out.extend_from_slice(((value * 10.0).round() as i32).to_string().as_bytes());
///         Ok(())
///     }
///
///     fn decode(&self, bytes: &[u8]) -> Result<f32, CodecError> {
///         let text = std::str::from_utf8(bytes).map_err(CodecError::new)?;
///         let tenths: i32 = text.parse().map_err(CodecError::new)?;
///         Ok(tenths as f32 / 10.0)
///     }
/// }
///
/// let mut out = Vec::new();
/// Tenths.encode(&36.6, &mut out).unwrap();
/// assert_eq!(out, b"366");
/// assert_eq!(Tenths.decode(&out).unwrap(), 36.6);
/// assert!(Tenths.decode(b"hot").is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "values of type `{V}` cannot be written for a tier by the codec `{Self}`",
    label = "no codec for `{V}`",
    note = "for the codec `Postcard`, which is the default, turn on the feature `postcard` of \
            cache-core and derive `serde::Serialize` and `serde::Deserialize` for `{V}`",
    note = "or name another codec, by `.codec(..)` or by `#[cached(codec = ..)]`: `Raw` for bytes \
            and strings, `Json` with the feature `json`, or your own"
)]
pub trait Codec<V>: Send + Sync + 'static {
    /// Appends the value to `out`. What is appended before an error is of no account.
    ///
    /// # Errors
    /// If the value cannot be written.
    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads a value, of exactly these bytes.
    ///
    /// # Errors
    /// If they are no value.
    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError>;

    /// Returns what is stored around the bytes.
    fn framing(&self) -> Framing {
        Framing::Envelope
    }
}

/// What is stored around the bytes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Framing {
    /// An envelope: the key, the schema, when the value was made and until when it is fresh, and a
    /// checksum. What does not check is a miss.
    Envelope,
    /// Nothing, so that programs in other languages read and write the same items. Only the codec
    /// tells bytes that are not its own; a value has no age, and a missing one cannot be noted. A
    /// key whose name in the tier is a hash stays out of the tier: nothing would tell whose the
    /// item is.
    Bare,
}

/// Why a [`Codec`] could not write or read a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecError(String);

impl CodecError {
    /// Makes an error of its reason.
    #[must_use]
    pub fn new(why: impl fmt::Display) -> Self {
        CodecError(why.to_string())
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CodecError {}

/// The default codec, with the feature `postcard`: serde and
/// [postcard](https://docs.rs/postcard), in an envelope.
///
/// The bytes do not describe themselves: after a change of the type they may be read as something
/// else. Give the tiered cache another `schema` with each such change.
///
/// A type that contains itself (a tree, a linked list) is read as deep as the bytes say, and
/// somebody who writes to the server can make that deeper than the stack. Values of such a type are
/// better kept by a codec with a limit, such as [`Json`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

#[cfg(feature = "postcard")]
mod with_postcard {
    use postcard::ser_flavors::Flavor;
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::{Codec, CodecError, Postcard};

    #[diagnostic::do_not_recommend]
    impl<V: Serialize + DeserializeOwned> Codec<V> for Postcard {
        fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
            postcard::serialize_with_flavor(value, Appending(out)).map_err(CodecError::new)
        }

        fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
            match postcard::take_from_bytes(bytes).map_err(CodecError::new)? {
                (value, []) => Ok(value),
                (_, rest) => Err(CodecError::new(format_args!(
                    "{} bytes follow the value; its type has changed, or they are another's",
                    rest.len()
                ))),
            }
        }
    }

    /// Writes behind what is there, without a copy: postcard's own writers begin a new vector, or
    /// push each byte.
    struct Appending<'a>(&'a mut Vec<u8>);

    impl Flavor for Appending<'_> {
        type Output = ();

        fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
            self.0.push(byte);
            Ok(())
        }

        fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }

        fn finalize(self) -> postcard::Result<()> {
            Ok(())
        }
    }
}

/// JSON, with the feature `json`: serde and [serde_json](https://docs.rs/serde_json), without an
/// envelope.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

#[cfg(feature = "json")]
#[diagnostic::do_not_recommend]
impl<V: serde::Serialize + serde::de::DeserializeOwned> Codec<V> for Json {
    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError> {
        serde_json::to_writer(out, value).map_err(CodecError::new)
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        serde_json::from_slice(bytes).map_err(CodecError::new)
    }

    fn framing(&self) -> Framing {
        Framing::Bare
    }
}

/// Bytes and strings as they are, without an envelope.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

macro_rules! raw_bytes {
    ($($type:ty)*) => {$(
        impl Codec<$type> for Raw {
            fn encode(&self, value: &$type, out: &mut Vec<u8>) -> Result<(), CodecError> {
                out.extend_from_slice(value);
                Ok(())
            }

            fn decode(&self, bytes: &[u8]) -> Result<$type, CodecError> {
                Ok(bytes.into())
            }

            fn framing(&self) -> Framing {
                Framing::Bare
            }
        }
    )*};
}

raw_bytes!(Vec<u8> Arc<[u8]> Box<[u8]>);

macro_rules! raw_text {
    ($($type:ty)*) => {$(
        impl Codec<$type> for Raw {
            fn encode(&self, value: &$type, out: &mut Vec<u8>) -> Result<(), CodecError> {
                out.extend_from_slice(value.as_bytes());
                Ok(())
            }

            fn decode(&self, bytes: &[u8]) -> Result<$type, CodecError> {
                std::str::from_utf8(bytes).map(Into::into).map_err(CodecError::new)
            }

            fn framing(&self) -> Framing {
                Framing::Bare
            }
        }
    )*};
}

raw_text!(String Arc<str> Box<str>);

#[cfg(all(test, not(loom)))]
mod tests;
