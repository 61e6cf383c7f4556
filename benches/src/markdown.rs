//! Tables in Markdown that can be read as they stand.

use std::fmt::Write;

/// Rows of texts; the first row is the head.
pub struct Table(Vec<Vec<String>>);

impl Table {
    /// Makes a table of its head.
    pub fn new(first: &str, others: impl IntoIterator<Item = impl Into<String>>) -> Table {
        Table(vec![row(first, others)])
    }

    /// Adds a row.
    pub fn push(&mut self, first: impl Into<String>, others: impl IntoIterator<Item = String>) {
        self.0.push(row(first, others));
    }

    /// Returns `true` if there is nothing below the head.
    pub fn is_empty(&self) -> bool {
        self.0.len() < 2
    }

    /// Returns the text. The first column is aligned to the left, the others to the right.
    pub fn text(&self) -> String {
        let columns = self.0.first().map_or(0, Vec::len);
        let width = |column: usize| {
            self.0.iter().filter_map(move |row| row.get(column)).map(|text| text.chars().count())
        };
        let widths: Vec<usize> = (0..columns).map(|at| width(at).max().unwrap_or(0)).collect();
        let mut text = String::new();
        for (number, row) in self.0.iter().enumerate() {
            let (first, rest) = row.split_first().expect("a row has a first column");
            let _ = write!(text, "| {first:<0$} |", widths[0]);
            for (cell, width) in rest.iter().zip(&widths[1..]) {
                let _ = write!(text, " {cell:>width$} |");
            }
            text.push('\n');
            if number == 0 {
                let _ = write!(text, "|{}|", "-".repeat(widths[0] + 2));
                for width in &widths[1..] {
                    let _ = write!(text, "{}:|", "-".repeat(width + 1));
                }
                text.push('\n');
            }
        }
        text
    }
}

fn row(
    first: impl Into<String>,
    others: impl IntoIterator<Item = impl Into<String>>,
) -> Vec<String> {
    std::iter::once(first.into()).chain(others.into_iter().map(Into::into)).collect()
}

/// Replaces what stands between the marks of a section, `<!-- BENCH SECTION -->` and
/// `<!-- end of SECTION -->`; the error names the mark that is missing.
pub fn replaced(document: &str, bench: &str, section: &str, text: &str) -> Result<String, String> {
    let (from, to) = (format!("<!-- {bench} {section} -->"), format!("<!-- end of {section} -->"));
    let missing = |mark: &str| format!("the mark {mark} is missing");
    let (before, rest) = document.split_once(&from).ok_or_else(|| missing(&from))?;
    let (_, after) = rest.split_once(&to).ok_or_else(|| missing(&to))?;
    Ok(format!("{before}{from}\n\n{}\n\n{to}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new("", ["ns"]);
        assert!(table.is_empty());
        table.push("a long name", ["1.5".to_owned()]);
        table.push("ö", ["1,000".to_owned()]);
        let wanted = "|             |    ns |\n|-------------|------:|\n\
                      | a long name |   1.5 |\n| ö           | 1,000 |\n";
        assert_eq!(table.text(), wanted);
        assert!(!table.is_empty());
    }

    #[test]
    fn only_the_section_between_its_marks_is_replaced() {
        let document = "head\n<!-- hit now -->old<!-- end of now -->\n\
                        <!-- mixed now -->kept<!-- end of now -->\ntail";
        let new = replaced(document, "hit", "now", "\nnew\n").unwrap();
        assert_eq!(new, document.replace("old", "\n\nnew\n\n"));
        // What was put in is replaced the next time.
        assert_eq!(replaced(&new, "hit", "now", "new").unwrap(), new);
    }

    #[test]
    fn a_missing_mark_is_named() {
        let missing = |document, bench| replaced(document, bench, "now", "").unwrap_err();
        assert!(missing("<!-- hit now --><!-- end of now -->", "load").contains("<!-- load now"));
        assert!(missing("<!-- hit now -->", "hit").contains("<!-- end of now -->"));
    }
}
