//! How large a cache is to be: a share of what the trace has, or a number.

use crate::trace::{Trace, Unit};
use std::{fmt, str::FromStr};

/// The capacities of a run that names none: shares of the distinct keys, or of their bytes.
pub const DEFAULT: [Capacity; 5] = [
    Capacity::Share(0.001),
    Capacity::Share(0.01),
    Capacity::Share(0.05),
    Capacity::Share(0.1),
    Capacity::Share(0.2),
];

/// The capacity of a cache, before the trace is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Capacity {
    /// A share of the distinct keys, or of the sum of their sizes.
    Share(f64),
    /// So many entries or bytes.
    Count(u64),
}

impl Capacity {
    /// Returns the capacity for a trace, rounded to the nearest whole.
    pub fn of(self, trace: &Trace, unit: Unit) -> u64 {
        match self {
            Capacity::Share(share) => (trace.total(unit) as f64 * share).round() as u64,
            Capacity::Count(count) => count,
        }
    }

    /// Reads several, with commas between them.
    pub fn list(text: &str) -> Result<Vec<Capacity>, String> {
        text.split(',').map(str::parse).collect()
    }
}

impl FromStr for Capacity {
    type Err = String;

    /// Reads `0.05` (a share) or `5000` (a number).
    fn from_str(text: &str) -> Result<Capacity, String> {
        if let Ok(count) = text.parse::<u64>() {
            if count > 0 {
                return Ok(Capacity::Count(count));
            }
        } else if let Ok(share) = text.parse::<f64>()
            && share > 0.0
            && share <= 1.0
        {
            return Ok(Capacity::Share(share));
        }
        Err(format!("a capacity is a share such as 0.05 or a number such as 5000, not {text}"))
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Rounded first: 100 times 0.07 is a little more than 7.
            Capacity::Share(share) => write!(f, "{} %", (share * 1e5).round() / 1e3),
            Capacity::Count(count) => write!(f, "{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_numbers_are_told_apart() {
        let list = Capacity::list("0.001,1.0,1,5000").unwrap();
        let shares = [Capacity::Share(0.001), Capacity::Share(1.0)];
        assert_eq!(list, [&shares[..], &[Capacity::Count(1), Capacity::Count(5000)]].concat());
        let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["0.1 %", "100 %", "1", "5000"]);
        assert_eq!(Capacity::Share(0.07).to_string(), "7 %");
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for wrong in ["0", "0.0", "1.5", "-1", "many", ""] {
            let error = Capacity::list(wrong).unwrap_err();
            assert!(error.ends_with(&format!("not {wrong}")), "{error}");
        }
    }

    #[test]
    fn a_share_is_of_keys_or_of_bytes() {
        let trace = Trace::of_accesses("t", (0..10_u64).map(|key| (key, Some(100))));
        let half = Capacity::Share(0.5);
        assert_eq!((half.of(&trace, Unit::Entries), half.of(&trace, Unit::Bytes)), (5, 500));
    }
}
