//! Hit ratios: a cell for each trace and capacity, and what they come to.

use serde_json::{Value, json};
use traces::{capacity::Capacity, replay::Tally, trace::Unit};

/// Caches smaller than this say little about a policy.
const LEAST_CAPACITY: u64 = 32;
/// Where nothing can be hit, nothing is to be compared.
const LEAST_PERCENT: f64 = 1.0;

/// What a subject is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What no cache can beat: a percentage of its hit ratio is what the others have.
    Bound,
    /// Ours.
    Ours,
    /// A released crate.
    Peer,
    /// A textbook policy.
    Reference,
}

/// What one subject attained in a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The subject.
    pub name: &'static str,
    /// What it is compared as.
    pub role: Role,
    /// What it hit.
    pub tally: Tally,
}

/// One trace and one capacity.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The trace.
    pub trace: String,
    /// Not a recorded one.
    pub synthetic: bool,
    /// What the capacity counts.
    pub unit: Unit,
    /// The capacity as it was asked for.
    pub asked: Capacity,
    /// The capacity.
    pub capacity: u64,
    /// One for each subject that has a result here.
    pub scores: Vec<Score>,
}

impl Cell {
    /// Returns the hit ratio of a subject in percent, if it has one here.
    pub fn percent(&self, name: &str) -> Option<f64> {
        self.scores.iter().find(|score| score.name == name).map(|score| score.tally.percent())
    }

    /// Returns the best hit ratio of a role in percent.
    pub fn best(&self, role: Role) -> Option<f64> {
        let of_role = self.scores.iter().filter(|score| score.role == role);
        of_role.map(|score| score.tally.percent()).reduce(f64::max)
    }

    /// Returns `true` if the means are to cover it.
    pub fn counts(&self) -> bool {
        let bound = self.best(Role::Bound).is_some_and(|percent| percent >= LEAST_PERCENT);
        self.unit == Unit::Entries && self.capacity >= LEAST_CAPACITY && bound
    }

    /// Returns everything, for programs.
    pub fn json(&self) -> Value {
        let score = |score: &Score| {
            json!({
                "name": score.name,
                "accesses": score.tally.accesses,
                "hits": score.tally.hits,
                "bytes": score.tally.bytes,
                "hit_bytes": score.tally.hit_bytes,
                "hit_percent": score.tally.percent(),
                "byte_hit_percent": score.tally.byte_percent(),
            })
        };
        json!({
            "trace": self.trace,
            "synthetic": self.synthetic,
            "unit": format!("{:?}", self.unit),
            "asked": self.asked.to_string(),
            "capacity": self.capacity,
            "counts": self.counts(),
            "subjects": self.scores.iter().map(score).collect::<Vec<_>>(),
        })
    }
}

/// What a subject's cells come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The subject.
    pub name: &'static str,
    /// How many cells it has.
    pub cells: usize,
    /// The mean hit ratio in percent.
    pub hit: f64,
    /// The mean of its parts of the bound, in percent.
    pub of_bound: f64,
    /// The least of those.
    pub worst_of_bound: f64,
    /// The mean of the points below the best peer; a cell where it is above counts as 0.
    pub regret: f64,
    /// Cells more than 1 point below the best peer.
    pub behind_by_1: usize,
    /// Cells more than 3 points below the best peer.
    pub behind_by_3: usize,
}

/// Returns the standing of each subject over those of these cells that count, in the order of
/// their scores.
pub fn standings<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Vec<Standing> {
    let cells: Vec<&Cell> = cells.into_iter().filter(|cell| cell.counts()).collect();
    let mut names: Vec<&'static str> = Vec::new();
    for score in cells.iter().flat_map(|cell| &cell.scores) {
        if !names.contains(&score.name) {
            names.push(score.name);
        }
    }
    names.into_iter().map(|name| standing(name, &cells)).collect()
}

fn standing(name: &'static str, cells: &[&Cell]) -> Standing {
    let (mut hits, mut parts, mut behind) = (Vec::new(), Vec::new(), Vec::new());
    for cell in cells {
        let Some(percent) = cell.percent(name) else { continue };
        hits.push(percent);
        parts.push(100.0 * percent / cell.best(Role::Bound).unwrap_or(100.0));
        behind.push(cell.best(Role::Peer).map_or(0.0, |best| (best - percent).max(0.0)));
    }
    let more_than = |points: f64| behind.iter().filter(|by| **by > points).count();
    Standing {
        name,
        cells: hits.len(),
        hit: mean(&hits),
        of_bound: mean(&parts),
        worst_of_bound: parts.iter().copied().fold(f64::INFINITY, f64::min),
        regret: mean(&behind),
        behind_by_1: more_than(1.0),
        behind_by_3: more_than(3.0),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(capacity: u64, hits: [u64; 4]) -> Cell {
        let subjects = [
            ("bound", Role::Bound),
            ("ours", Role::Ours),
            ("one", Role::Peer),
            ("other", Role::Peer),
        ];
        let score = |((name, role), hits)| {
            let tally = Tally { accesses: 1000, hits, ..Tally::default() };
            Score { name, role, tally }
        };
        Cell {
            trace: "t".to_owned(),
            synthetic: false,
            unit: Unit::Entries,
            asked: Capacity::Count(capacity),
            capacity,
            scores: subjects.into_iter().zip(hits).map(score).collect(),
        }
    }

    #[test]
    fn a_standing_is_against_the_best_peer_of_each_cell() {
        let cells = [
            cell(100, [800, 400, 390, 300]),
            cell(100, [500, 400, 415, 420]),
            cell(100, [1000, 600, 640, 0]),
        ];
        let standings = standings(&cells);
        assert_eq!(standings.len(), 4);
        let ours = &standings[1];
        assert_eq!((ours.name, ours.cells), ("ours", 3));
        assert_eq!((ours.behind_by_1, ours.behind_by_3), (2, 1));
        assert!((ours.regret - (0.0 + 2.0 + 4.0) / 3.0).abs() < 1e-9);
        assert!((ours.of_bound - (50.0 + 80.0 + 60.0) / 3.0).abs() < 1e-9);
        assert!((ours.hit - 140.0 / 3.0).abs() < 1e-9);
        assert_eq!(ours.worst_of_bound, 50.0);
        // A peer is compared with the best peer, too.
        assert_eq!((standings[3].behind_by_1, standings[3].behind_by_3), (2, 2));
    }

    #[test]
    fn small_and_hopeless_cells_do_not_count() {
        assert!(cell(32, [10, 1, 1, 1]).counts());
        assert!(!cell(31, [10, 1, 1, 1]).counts());
        assert!(!cell(32, [9, 1, 1, 1]).counts());
        assert!(!Cell { unit: Unit::Bytes, ..cell(32, [10, 1, 1, 1]) }.counts());
        assert_eq!(standings(&[cell(31, [10, 1, 1, 1])]), []);
    }
}
