//! The progress bar, on a terminal only: in a log it would be noise.
//!
//! The number of rows of a file is not known before its end. So the bar shows the part of the bytes
//! that has been read, or of `--limit` where that is nearer; the number of rows stands beside it.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const STEPS: u64 = 1_000;

/// Whether bars are shown, and what is written beside the next one.
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
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let style = "{prefix} [{bar:40}] {percent:>3}%  {msg} rows, {elapsed} so far, {eta} to go";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(self.what);
        Bar { bar, length, consumed, limit, rows: AtomicU64::new(0) }
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
        self.bar.set_position(read.max(limited).min(STEPS));
        self.bar.set_message(crate::report::grouped(rows));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
