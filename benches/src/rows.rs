//! Tables of rows that a benchmark has as JSON: one object for each row.

use crate::{figures::number, markdown::Table};
use serde_json::Value;

/// A column: its key in the objects, its head, and how its values are shown.
pub struct Column {
    /// The key.
    pub key: &'static str,
    /// The head.
    pub head: &'static str,
    /// Formats a number.
    pub format: fn(f64) -> String,
}

/// Returns a table with a row for each object, named by its key `name`. What an object does not
/// have is left open.
pub fn table(rows: &Value, columns: &[Column]) -> Table {
    let mut table = Table::new("", columns.iter().map(|column| column.head));
    for row in rows.as_array().map_or(&[][..], Vec::as_slice) {
        let cell =
            |column: &Column| row[column.key].as_f64().map_or_else(String::new, column.format);
        table.push(row["name"].as_str().unwrap_or_default(), columns.iter().map(cell));
    }
    table
}

/// Formats a number as it is.
pub fn plain(value: f64) -> String {
    number(value)
}

/// Formats a count.
pub fn count(value: f64) -> String {
    let text = number(value);
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Formats nanoseconds in the unit that fits.
pub fn nanos(value: f64) -> String {
    crate::chart::duration(value)
}

/// Formats milliseconds.
pub fn millis(value: f64) -> String {
    let digits = if value < 1.0 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} ms")
}

/// Formats a share as a percentage.
pub fn percent(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_for_each_object_and_a_gap_for_what_it_lacks() {
        let rows = json!([{ "name": "one", "ns": 1500 }, { "name": "two", "share": 0.5 }]);
        let columns = [
            Column { key: "ns", head: "time", format: nanos },
            Column { key: "share", head: "memory", format: percent },
        ];
        let text = table(&rows, &columns).text();
        let cells = |row: usize| -> Vec<String> {
            let row = text.lines().nth(row).unwrap();
            row.split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        assert_eq!(cells(0)[1..4], ["", "time", "memory"]);
        assert_eq!(cells(2)[1..4], ["one", "1.5 µs", ""]);
        assert_eq!(cells(3)[1..4], ["two", "", "50 %"]);
        assert!(table(&json!(null), &columns).is_empty());
    }

    #[test]
    fn figures_have_their_units() {
        assert_eq!([0.021, 1.06, 483.4].map(millis), ["0.02 ms", "1.1 ms", "483 ms"]);
        assert_eq!([1.0, 12_345.0].map(count), ["1", "12,345"]);
    }
}
