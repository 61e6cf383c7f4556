//! Tables, as text or as Markdown.

/// A table, and what it says.
pub(crate) struct Table {
    pub(crate) title: String,
    /// Sentences below it.
    pub(crate) notes: Vec<String>,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<T: ToString>(title: impl Into<String>, head: &[T]) -> Self {
        let head = head.iter().map(ToString::to_string).collect();
        Table { title: title.into(), notes: Vec::new(), head, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(crate) fn print(&self, is_markdown: bool) {
        match is_markdown {
            true => self.print_markdown(),
            false => self.print_text(),
        }
        self.notes.iter().for_each(|note| println!("{note}"));
        println!();
    }

    fn print_markdown(&self) {
        println!("### {}\n", self.title);
        println!("| {} |", self.head.join(" | "));
        println!("|---|{}", "--:|".repeat(self.head.len() - 1));
        self.rows.iter().for_each(|row| println!("| {} |", row.join(" | ")));
        println!();
    }

    fn print_text(&self) {
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.head]).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        println!("{}\n", self.title);
        for row in [&self.head].into_iter().chain(&self.rows) {
            let mut line = format!("  {:<1$}", row[0], widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                line.push_str(&format!("  {cell:>width$}"));
            }
            println!("{line}");
        }
        println!();
    }
}

/// Returns a part as a percentage.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    format!("{:.1}", 100.0 * part as f64 / whole.max(1) as f64)
}

/// Returns a duration in milliseconds, with as many digits as say something.
pub(crate) fn millis(duration: std::time::Duration) -> String {
    let millis = duration.as_secs_f64() * 1e3;
    if millis < 10.0 { format!("{millis:.1}") } else { format!("{millis:.0}") }
}
