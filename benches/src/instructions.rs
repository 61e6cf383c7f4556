//! Instruction counts beside those of a file: what a change may not make dearer unnoticed.
//!
//! A count is worth something only with the compiler that made the code. So the file names the
//! compiler and the target; with others, the comparison is shown but decides nothing.

mod options;

pub use options::{MOST, Options, USAGE};

use crate::built;
use serde_json::{Map, Value, json};

/// A count may be so much above the file's, in percent.
pub const TOLERANCE: f64 = 3.0;

/// What the file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// `rustc --version`.
    pub compiler: String,
    /// The target triple.
    pub target: String,
    /// The name of each operation, and its instructions.
    pub counts: Vec<(String, f64)>,
}

impl Figures {
    /// Returns figures of this build.
    pub fn of_this_build(counts: Vec<(String, f64)>) -> Figures {
        let (compiler, target) = (built::COMPILER.to_owned(), built::TARGET.to_owned());
        Figures { compiler, target, counts }
    }

    /// Reads the text of the file.
    pub fn parse(text: &str) -> Result<Figures, String> {
        let json: Value = text.parse().map_err(|error| format!("not JSON: {error}"))?;
        let text = |name: &str| {
            let text = json[name].as_str().map(str::to_owned);
            text.ok_or_else(|| format!("the text `{name}` is missing"))
        };
        let counts = json["instructions"].as_object().ok_or("the `instructions` are missing")?;
        let count = |(name, count): (&String, &Value)| {
            let count = count.as_f64().filter(|count| *count > 0.0);
            let count = count.ok_or_else(|| format!("`{name}` has no positive count"))?;
            Ok((name.clone(), count))
        };
        Ok(Figures {
            compiler: text("compiler")?,
            target: text("target")?,
            counts: counts.iter().map(count).collect::<Result<_, String>>()?,
        })
    }

    /// Returns the text of the file, which [`Figures::parse`] reads.
    pub fn text(&self) -> String {
        format!("{:#}\n", self.json())
    }

    /// Returns the figures for programs.
    pub fn json(&self) -> Value {
        let rounded = |count: f64| json!((count * 10.0).round() / 10.0);
        let counts: Map<String, Value> =
            self.counts.iter().map(|(name, count)| (name.clone(), rounded(*count))).collect();
        json!({ "compiler": self.compiler, "target": self.target, "instructions": counts })
    }

    /// Returns the count of an operation.
    pub fn count(&self, name: &str) -> Option<f64> {
        self.counts.iter().find(|(other, _)| other == name).map(|(_, count)| *count)
    }

    /// Returns why counts of `other` cannot be held against these; `None` if they can.
    pub fn foreign(&self, other: &Figures) -> Option<String> {
        let differs = |what, ours: &str, theirs: &str| {
            (ours != theirs).then(|| format!("the {what} is {theirs}, not {ours}"))
        };
        differs("compiler", &self.compiler, &other.compiler)
            .or_else(|| differs("target", &self.target, &other.target))
    }
}

/// How a count compares with the file's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Within the tolerance; the change in percent.
    Same(f64),
    /// More than the tolerance above: a regression.
    Dearer(f64),
    /// More than the tolerance below: the file should be written anew.
    Cheaper(f64),
    /// The file does not have it.
    Unknown,
}

impl Verdict {
    /// Compares a count with that of the file.
    pub fn of(now: f64, before: Option<f64>) -> Verdict {
        let Some(before) = before else { return Verdict::Unknown };
        match 100.0 * (now / before - 1.0) {
            change if change > TOLERANCE => Verdict::Dearer(change),
            change if change < -TOLERANCE => Verdict::Cheaper(change),
            change => Verdict::Same(change),
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Verdict::Same(change) => write!(out, "{change:+.1} %"),
            Verdict::Dearer(change) => write!(out, "{change:+.1} %  TOO MANY"),
            Verdict::Cheaper(change) => write!(out, "{change:+.1} %  fewer: write the file anew"),
            Verdict::Unknown => write!(out, "not in the file: write it anew"),
        }
    }
}

/// Returns the number of instructions that callgrind reports at its end.
pub fn collected(report: &str) -> Option<u64> {
    let line = report.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(compiler: &str, target: &str) -> Figures {
        let counts = vec![("hit".to_owned(), 170.0), ("evict".to_owned(), 1300.5)];
        Figures { compiler: compiler.to_owned(), target: target.to_owned(), counts }
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let written = figures("rustc 1", "here");
        let mut read = Figures::parse(&written.text()).unwrap();
        read.counts.sort_by(|one, other| other.0.cmp(&one.0));
        assert_eq!(read, written);
        assert_eq!((read.count("evict"), read.count("miss")), (Some(1300.5), None));
    }

    #[test]
    fn a_broken_file_is_refused_by_what_is_wrong() {
        let wrong = |text: &str| Figures::parse(text).unwrap_err();
        assert!(wrong("{").contains("not JSON"));
        assert!(wrong(r#"{"target": "t", "instructions": {}}"#).contains("`compiler`"));
        assert!(wrong(r#"{"compiler": "c", "target": "t"}"#).contains("`instructions`"));
        let zero = r#"{"compiler": "c", "target": "t", "instructions": {"hit": 0}}"#;
        assert!(wrong(zero).contains("`hit`"));
    }

    #[test]
    fn another_compiler_or_target_decides_nothing() {
        let file = figures("rustc 1", "here");
        assert_eq!(file.foreign(&figures("rustc 1", "here")), None);
        assert!(file.foreign(&figures("rustc 2", "here")).unwrap().contains("rustc 2"));
        assert!(file.foreign(&figures("rustc 1", "there")).unwrap().contains("there"));
    }

    #[test]
    fn three_per_cent_are_tolerated_both_ways() {
        assert!(matches!(Verdict::of(102.9, Some(100.0)), Verdict::Same(_)));
        assert!(matches!(Verdict::of(97.1, Some(100.0)), Verdict::Same(_)));
        assert!(matches!(Verdict::of(103.1, Some(100.0)), Verdict::Dearer(_)));
        assert!(matches!(Verdict::of(96.9, Some(100.0)), Verdict::Cheaper(_)));
        assert_eq!(Verdict::of(1.0, None), Verdict::Unknown);
    }

    #[test]
    fn the_total_of_callgrind_is_found() {
        let report = "==7== Events    : Ir\n==7== Collected : 18012345\n==7== \n";
        assert_eq!(collected(report), Some(18_012_345));
        assert_eq!(collected("==7== Collected :"), None);
        assert_eq!(collected("killed"), None);
    }
}
