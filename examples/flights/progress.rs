//! The progress bar, on a terminal only: in a log it would be noise.
//!
//! The number of rows of a file is not known before its end. So the bar shows the part of the bytes
//! that has been read, or of `--limit` where that is nearer; the number of rows stands beside it.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::grouped;

const STEPS: u64 = 1_000;

/// At most 80 columns with what [`beside`] says of less than a billion rows and ten hours.
const STYLE: &str = "{prefix} [{bar:16}] {percent:>3}%  {msg}";

/// The settings of the next bar: if it is shown, and the words before it.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    shown: bool,
}

impl Progress {
    /// Shows bars when standard error is a terminal.
    pub fn on_terminal(what: &'static str) -> Progress {
        Progress { what, shown: std::io::stderr().is_terminal() }
    }

    /// Shows nothing.
    pub fn hidden() -> Progress {
        Progress { what: "", shown: false }
    }

    /// Begins a bar for a source of `length` bytes, of which another thread counts those
    /// `consumed`.
    pub fn start(&self, length: u64, consumed: Arc<AtomicU64>, limit: Option<u64>) -> Bar {
        let target =
            if self.shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Bar { bar: draw(self.what, target), length, consumed, limit, rows: AtomicU64::new(0) }
    }
}

/// Returns a bar that knows nothing yet.
fn draw(what: &'static str, target: ProgressDrawTarget) -> ProgressBar {
    let style =
        ProgressStyle::with_template(STYLE).unwrap_or_else(|_| ProgressStyle::default_bar());
    // `with_..`, not `set_..`: each of those draws, at first a line without its message.
    ProgressBar::with_draw_target(Some(STEPS), target)
        .with_style(style.progress_chars("=> "))
        .with_prefix(what)
        .with_message(beside(0, 0, Duration::ZERO))
}

/// Returns what stands beside the bar: the rows, the time they took, and how much more there will
/// be if it goes on like that.
fn beside(rows: u64, steps: u64, elapsed: Duration) -> String {
    let rows = format!("{} row{}", grouped(rows), if rows == 1 { "" } else { "s" });
    // Of little work follows nothing about the rest.
    if steps == 0 {
        return rows;
    }
    let left = elapsed.as_secs_f64() * STEPS.saturating_sub(steps) as f64 / steps as f64;
    format!("{rows}, {}, {} to go", minutes(elapsed.as_secs()), minutes(left.ceil() as u64))
}

/// Writes seconds as `m:ss`, or as `h:mm:ss`.
fn minutes(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours == 0 {
        format!("{minutes}:{seconds:02}")
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}")
    }
}

/// One bar; it goes away when dropped.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    length: u64,
    consumed: Arc<AtomicU64>,
    limit: Option<u64>,
    rows: AtomicU64,
}

impl Bar {
    /// Counts `rows` more.
    pub fn add(&self, rows: u64) {
        let rows = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        if self.bar.is_hidden() {
            return;
        }
        let read = STEPS * self.consumed.load(Ordering::Relaxed) / self.length.max(1);
        let limited = self.limit.map_or(0, |limit| STEPS * rows / limit.max(1));
        let steps = read.max(limited).min(STEPS);
        // The message first: the line that the new position draws has both.
        self.bar.set_message(beside(rows, steps, self.bar.elapsed()));
        self.bar.set_position(steps);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Result;
    use std::sync::Mutex;

    use indicatif::TermLike;

    use super::*;

    #[test]
    fn the_text_beside_the_bar_has_rows_and_times() {
        let second = Duration::from_secs(1);
        assert_eq!(beside(0, 0, 3 * second), "0 rows");
        assert_eq!(beside(1, STEPS / 2, second), "1 row, 0:01, 0:01 to go");
        assert_eq!(beside(20_000, 250, 25 * second), "20,000 rows, 0:25, 1:15 to go");
        assert_eq!(beside(336_776, STEPS, 3_723 * second), "336,776 rows, 1:02:03, 0:00 to go");
    }

    #[test]
    fn the_line_fits_eighty_columns_and_always_has_a_number_of_rows() {
        let screen = Screen::default();
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        // The longest words that a bar has before it.
        let bar = draw("without cache", target);
        bar.tick();
        bar.set_message(beside(999_999_999, STEPS / 2, Duration::from_secs(35_999)));
        bar.set_position(STEPS);
        let lines = screen.0.lock().unwrap().clone();
        let (first, last) = (&lines[0], &lines[lines.len() - 1]);
        assert_eq!(first, "without cache [                ]   0%  0 rows");
        let whole =
            "without cache [================] 100%  999,999,999 rows, 9:59:59, 9:59:59 to go";
        assert_eq!((last.as_str(), last.chars().count()), (whole, 79));
    }

    /// A terminal of more columns than any line has, which keeps the lines.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<Vec<String>>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            200
        }

        fn move_cursor_up(&self, _: usize) -> Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> Result<()> {
            let text = text.trim_end();
            if !text.is_empty() {
                self.0.lock().unwrap().push(text.to_owned());
            }
            Ok(())
        }

        fn clear_line(&self) -> Result<()> {
            Ok(())
        }

        fn flush(&self) -> Result<()> {
            Ok(())
        }
    }
}
