//! What a case has measured, before it is printed.

use crate::{
    stats::{median, median_ratio, spread},
    subject::Label,
    workload::Tally,
};

/// What one subject did in one case.
pub struct Series {
    /// The subject.
    pub label: Label,
    /// Nanoseconds per operation, one for each round.
    pub ns: Vec<f64>,
    /// What its gets found while it was measured; if the case counts operations, what they found
    /// before, over as many operations for each subject.
    pub tally: Tally,
}

impl Series {
    /// Returns the time of the median round.
    pub fn ns_per_op(&self) -> f64 {
        median(&self.ns)
    }

    /// Returns how far the rounds stray, see [`spread`].
    pub fn spread(&self) -> f64 {
        spread(&self.ns)
    }

    /// Returns the median, over the rounds, of our time over its time: below 1 ours is faster.
    pub fn ratio_of(&self, ours: &Series) -> f64 {
        median_ratio(&ours.ns, &self.ns)
    }
}

/// A case that has been measured.
pub struct Outcome {
    /// The name of the case.
    pub name: String,
    /// The cores that its threads had, where there are several threads.
    pub cores: Option<f64>,
    /// One series for each subject.
    pub series: Vec<Series>,
}

impl Outcome {
    /// Returns the series of a subject.
    pub fn of(&self, subject: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.label.name == subject)
    }

    /// Returns the series that the others are compared with first.
    pub fn own(&self) -> Option<&Series> {
        self.series.iter().find(|series| series.label.ours)
    }
}
