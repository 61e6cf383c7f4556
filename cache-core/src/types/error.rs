//! Errors: of a configuration, of a load.

use std::fmt;
use std::sync::Arc;

/// An unusable configuration: the error of
/// [`CacheBuilder::try_build`](crate::CacheBuilder::try_build).
///
/// Its text names the option and says what to do; [`build`](crate::CacheBuilder::build) panics with
/// the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    option: &'static str,
    text: String,
}

impl BuildError {
    pub(crate) fn new(option: &'static str, text: impl Into<String>) -> Self {
        BuildError { option, text: text.into() }
    }

    /// Returns the name of the builder's method that was given the unusable value.
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

/// Why a load brought no value.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The loader failed. Callers that waited for the same load share its error.
    Failed(Arc<E>),
    /// The load took longer than the caller's limit: see
    /// [`LoadTimeouts::hard`](crate::LoadTimeouts::hard).
    TimedOut,
    /// The loader of many keys ([`build_with_bulk_loader`]) returned no value for this one.
    ///
    /// [`build_with_bulk_loader`]: crate::CacheBuilder::build_with_bulk_loader
    NotFound,
}

impl<E> LoadError<E> {
    /// Returns the loader's error, if it was the loader that failed.
    #[must_use]
    pub fn failure(&self) -> Option<&E> {
        match self {
            LoadError::Failed(error) => Some(error),
            LoadError::TimedOut | LoadError::NotFound => None,
        }
    }
}

impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            LoadError::Failed(error) => LoadError::Failed(Arc::clone(error)),
            LoadError::TimedOut => LoadError::TimedOut,
            LoadError::NotFound => LoadError::NotFound,
        }
    }
}

impl<E: fmt::Display> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Failed(error) => error.fmt(f),
            LoadError::TimedOut => f.write_str("the load took longer than its hard limit"),
            LoadError::NotFound => f.write_str("the loader has no value for this key"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for LoadError<E> {
    /// Returns the source of the loader's error, whose text is shown as this error's own.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failure()?.source()
    }
}
