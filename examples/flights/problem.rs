//! The one error of this program: a line of text that names the place and says what to do.
//!
//! Every failure ends the same way, as one line on the terminal and exit code 1, so nothing would
//! be gained by an enum of kinds. It is `Clone` because the cached functions return it: threads
//! that wait for the same failed load share its error.

use std::fmt;
use std::path::Path;

/// What went wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(String);

impl Problem {
    /// Makes a failure that belongs to no file, already worded in full.
    pub fn new(text: impl Into<String>) -> Problem {
        Problem(text.into())
    }

    /// Makes a failure of a whole file.
    pub fn in_file(file: &Path, what: impl fmt::Display, remedy: &str) -> Problem {
        Problem(format!("{}: {what}; {remedy}", file.display()))
    }

    /// Makes a failure at one line of an input; the first line is 1.
    pub fn at_line(input: &str, line: u64, what: impl fmt::Display, remedy: &str) -> Problem {
        Problem(format!("{input}, line {line}: {what}; {remedy}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

/// Returns a value from a file in quotes, escaped and cut short, so that a message stays one line.
pub fn quoted(value: &str) -> String {
    const LONGEST: usize = 40;
    if value.chars().count() <= LONGEST {
        return format!("{value:?}");
    }
    let start: String = value.chars().take(LONGEST).collect();
    format!("{start:?}...")
}
