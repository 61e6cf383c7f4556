//! What goes wrong with a tier.

use std::fmt;

/// Why a tier did not do what it was asked to.
///
/// Reads of a tiered cache treat it as a miss, and count it; its writes return it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TierError {
    /// No answer came in time. A write may or may not have been made.
    TimedOut,
    /// There is no connection: the server refuses it, has closed it, or cannot be found.
    Unreachable(String),
    /// The server has failed so often that it is not asked for a while.
    BreakerOpen,
    /// The value is larger than the tier takes. Nothing was sent, so that an older value is not
    /// dropped for it.
    TooLarge {
        /// What the value takes, in bytes, with everything that is stored beside it.
        size: usize,
        /// The most that the tier takes, in bytes.
        limit: usize,
    },
    /// The server's answer is an error, or is none to this question.
    Protocol(String),
    /// The value could not be written as bytes.
    Codec(String),
    /// The generation of the keys is unknown at present, see
    /// [`Tier::generation`](super::Tier::generation).
    UnknownGeneration,
}

impl fmt::Display for TierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the remote tier did not answer in time"),
            Self::Unreachable(why) => write!(f, "the remote tier cannot be reached: {why}"),
            Self::BreakerOpen => {
                f.write_str("the remote tier has failed repeatedly and is not asked for a while")
            }
            Self::TooLarge { size, limit } => {
                write!(f, "the value takes {size} bytes, and the remote tier takes {limit}")
            }
            Self::Protocol(what) => write!(f, "the remote tier answered with an error: {what}"),
            Self::Codec(why) => write!(f, "the value cannot be written as bytes: {why}"),
            Self::UnknownGeneration => {
                f.write_str("the remote tier does not say whether it was flushed")
            }
        }
    }
}

impl std::error::Error for TierError {}
