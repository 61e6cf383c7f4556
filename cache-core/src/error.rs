//! What can be wrong with a configuration.

use std::fmt;

/// A configuration that no cache can be built from. Its text names the option and says what to do;
/// [`build`](crate::CacheBuilder::build) panics with the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    option: &'static str,
    text: String,
}

impl BuildError {
    pub(crate) fn new(option: &'static str, text: impl Into<String>) -> Self {
        BuildError { option, text: text.into() }
    }

    /// The builder's method that was given the unusable value.
    #[must_use]
    pub fn option(&self) -> &'static str {
        self.option
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.option, self.text)
    }
}

impl std::error::Error for BuildError {}
