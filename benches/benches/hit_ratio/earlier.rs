//! Figures of earlier runs, so that only what has changed is replayed.

use benches::cells::Cell;
use serde_json::Value;
use std::{collections::HashMap, fs, path::PathBuf};
use traces::{replay::Tally, trace::Unit};

/// What the JSON files of earlier runs have.
#[derive(Default)]
pub(crate) struct Earlier {
    /// By trace, unit, capacity and subject.
    cells: HashMap<(String, String, u64, String), Tally>,
    /// Hit ratios in percent, by capacity, number of operations and subject.
    mixed: HashMap<(u64, u64, String), f64>,
}

impl Earlier {
    /// Reads files that `--json` has written; of figures that several have, the last counts.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Earlier, String> {
        let mut earlier = Earlier::default();
        for path in paths {
            let failed = |why: String| format!("{}: {why}", path.display());
            let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
            let json: Value = text.parse().map_err(|error| failed(format!("{error}")))?;
            let (cells, mixed) = (&json["cells"], &json["mixed"]);
            list(cells).iter().for_each(|cell| earlier.add_cell(cell));
            list(mixed).iter().for_each(|mixed| earlier.add_mixed(mixed));
        }
        Ok(earlier)
    }

    fn add_cell(&mut self, cell: &Value) {
        for subject in list(&cell["subjects"]) {
            let key = (text(&cell["trace"]), text(&cell["unit"]), number(&cell["capacity"]));
            let tally = Tally {
                accesses: number(&subject["accesses"]),
                hits: number(&subject["hits"]),
                bytes: number(&subject["bytes"]),
                hit_bytes: number(&subject["hit_bytes"]),
            };
            self.cells.insert((key.0, key.1, key.2, text(&subject["name"])), tally);
        }
    }

    fn add_mixed(&mut self, mixed: &Value) {
        let (capacity, operations) = (number(&mixed["capacity"]), number(&mixed["operations"]));
        for subject in list(&mixed["subjects"]) {
            let percent = subject["hit_percent"].as_f64().unwrap_or_default();
            self.mixed.insert((capacity, operations, text(&subject["name"])), percent);
        }
    }

    /// Returns the figure of a subject in a cell; that of a trace of another length is not one.
    pub(crate) fn tally(&self, cell: &Cell, name: &str, accesses: usize) -> Option<Tally> {
        let key = (cell.trace.clone(), unit(cell.unit), cell.capacity, name.to_owned());
        self.cells.get(&key).copied().filter(|tally| tally.accesses == accesses as u64)
    }

    /// Returns the figure of a subject in the mixed workload.
    pub(crate) fn mixed(&self, capacity: u64, operations: usize, name: &str) -> Option<f64> {
        self.mixed.get(&(capacity, operations as u64, name.to_owned())).copied()
    }
}

fn unit(unit: Unit) -> String {
    format!("{unit:?}")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
