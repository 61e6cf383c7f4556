//! The figures of timed cases as a reader wants them: an overview of all cases, the hit ratios
//! where they differ, every case in full, and charts.

use crate::{
    chart::{self, Bar},
    markdown::Table,
    outcome::{Outcome, Series},
    publish::{Picture, Section},
    stats::quantile,
};
use std::fmt::Write;

/// Returns a section with a row for each case and a column for each subject: nanoseconds for an
/// operation and, in brackets, our time over it.
pub fn overview(outcomes: &[Outcome]) -> Section {
    let names = names(outcomes);
    let mut table = Table::new("", names.iter().copied().chain(["spread", "cores"]));
    for outcome in outcomes {
        let own = outcome.own();
        let cell = |name: &&str| outcome.of(name).map_or("-".to_owned(), |it| with_ratio(it, own));
        let spread = outcome.series.iter().map(Series::spread).fold(0.0, f64::max);
        let cores = outcome.cores.map_or_else(String::new, |cores| format!("{cores:.2}"));
        let rest = [format!("{:.0} %", spread * 100.0), cores];
        table.push(spoken(&outcome.name), names.iter().map(cell).chain(rest));
    }
    let mut text = format!(
        "ns for an operation; in brackets: the time of `{}` over that.\n\
         Spread: half the distance of the quartiles over the median, of the subject that strays \
         most; cores: what two threads had.\n\n{}",
        outcomes.iter().find_map(Outcome::own).map_or("ours", |own| own.label.name),
        table.text()
    );
    if let Some(table) = hits(outcomes, &names) {
        let _ = write!(text, "\nHit %:\n\n{}", table.text());
    }
    Section::new("figures", text)
}

fn with_ratio(series: &Series, own: Option<&Series>) -> String {
    let ns = number(series.ns_per_op());
    match own {
        Some(own) if own.label != series.label => format!("{ns} ({:.2})", series.ratio_of(own)),
        _ => ns,
    }
}

/// Returns the hit ratios of the cases in which not all is hit.
fn hits(outcomes: &[Outcome], names: &[&'static str]) -> Option<Table> {
    let mut table = Table::new("", names.iter().copied());
    for outcome in outcomes {
        let ratio = |name: &&'static str| outcome.of(name)?.tally.hit_ratio();
        if names.iter().filter_map(ratio).any(|ratio| ratio < 0.9999) {
            let cell = |name: &&'static str| {
                ratio(name).map_or("-".to_owned(), |ratio| format!("{:.2}", ratio * 100.0))
            };
            table.push(spoken(&outcome.name), names.iter().map(cell));
        }
    }
    (!table.is_empty()).then_some(table)
}

/// Returns every case with its quartiles.
pub fn details(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let own: Vec<&Series> = outcome.series.iter().filter(|series| series.label.ours).collect();
        let ratios = own.iter().map(|own| format!("{}:it", own.label.name));
        let heads = ["ns/op", "lower quartile", "upper quartile", "M/s", "hit %"];
        let mut table = Table::new("", heads.into_iter().map(str::to_owned).chain(ratios));
        for series in &outcome.series {
            let ns = [0.5, 0.25, 0.75].map(|part| number(quantile(&series.ns, part)));
            let rate = number(1e3 / series.ns_per_op());
            let hit = series.tally.hit_ratio().map_or("-".to_owned(), |it| {
                // Never rounded up to a hundred.
                format!("{:.2}", (it * 10_000.0).floor() / 100.0)
            });
            let ratios = own.iter().map(|own| format!("{:.3}", series.ratio_of(own)));
            table.push(series.label.name, ns.into_iter().chain([rate, hit]).chain(ratios));
        }
        let cores = outcome.cores.map_or_else(String::new, |it| format!(" ({it:.2} cores)"));
        let _ = write!(text, "### {}{cores}\n\n{}\n", outcome.name, table.text());
    }
    text
}

/// Returns a chart for each two cases that differ in the number of threads only.
pub fn pictures(bench: &str, outcomes: &[Outcome], caption: &str) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for one in outcomes {
        let Some(case) = one.name.strip_suffix("/1t") else { continue };
        let Some(two) = outcomes.iter().find(|other| other.name == format!("{case}/2t")) else {
            continue;
        };
        let bar = |series: &Series| {
            let both = two.of(series.label.name)?;
            Some(Bar {
                name: series.label.name.to_owned(),
                note: String::new(),
                is_ours: series.label.ours,
                nanos: [series.ns_per_op(), both.ns_per_op()],
            })
        };
        let bars: Vec<Bar> = one.series.iter().filter_map(bar).collect();
        let name = case.replace('/', "-");
        let name = if name.starts_with(bench) { name } else { format!("{bench}-{name}") };
        let title = format!("{}: time for an operation", title(bench, case));
        let lines = [
            "Wall time over the operations of all threads; to the left is better. Medians of \
             interleaved rounds.",
            caption,
        ];
        let svg = chart::svg(&title, ["one thread", "two threads"], &bars, &lines);
        pictures.push(Picture { name, svg });
    }
    pictures
}

fn title(bench: &str, case: &str) -> String {
    let (kind, rest) = case.split_once('/').unwrap_or((case, ""));
    let what = match (bench, kind) {
        ("load", "hit") => "get_with, a hit",
        ("load", "miss") => "get_with, a miss",
        (_, "hit") => "A hit",
        (_, "churn") => "A new key that evicts",
        (_, "update") => "An update",
        (_, "half") => "Half get, half update",
        (_, "mixed") => "Reads and writes",
        (_, "invalidate") => "Invalidate and insert again",
        _ => kind,
    };
    if rest.is_empty() { what.to_owned() } else { format!("{what}, {}", spoken(rest)) }
}

/// Returns the name of a case in words.
pub fn spoken(case: &str) -> String {
    let word = |part: &str| match part {
        "1k" => "1,000 entries".to_owned(),
        "10k" => "10,000 entries".to_owned(),
        "100k" => "100,000 entries".to_owned(),
        "1M" => "1,000,000 entries".to_owned(),
        "1t" => "one thread".to_owned(),
        "2t" => "two threads".to_owned(),
        "zipf" => "Zipf 0.99".to_owned(),
        "one-key" => "one key".to_owned(),
        "str" => "texts".to_owned(),
        "half" => "half get, half update".to_owned(),
        other => match other.split_once('-') {
            Some((gets, inserts)) if gets.parse::<u8>().is_ok() => {
                format!("{gets} % get, {inserts} % insert")
            }
            _ => other.to_owned(),
        },
    };
    case.split('/').map(word).collect::<Vec<_>>().join(", ")
}

/// Formats a figure to three digits or so, thousands apart.
pub fn number(value: f64) -> String {
    if value.abs() < 99.95 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

/// Returns the names of the subjects in any case, in their order.
fn names(outcomes: &[Outcome]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for series in outcomes.iter().flat_map(|outcome| &outcome.series) {
        if !names.contains(&series.label.name) {
            names.push(series.label.name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{subject::Label, workload::Tally};

    fn outcome(name: &str, hits: u64) -> Outcome {
        let series = |name, ours, ns: f64, hits| Series {
            label: Label { name, lacks: "", ours },
            ns: vec![ns, ns * 1.1, ns * 1.2],
            tally: Tally { gets: 1000, hits },
        };
        let series = vec![series("own", true, 10.0, 1000), series("peer", false, 1_500.0, hits)];
        Outcome { name: name.to_owned(), cores: None, series }
    }

    #[test]
    fn the_overview_has_times_and_ratios() {
        let text = overview(&[outcome("hit/100k/zipf/1t", 1000)]).text;
        let row = text.lines().last().unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[2..6], ["11.0", "1,650 (0.01)", "5 %", ""], "{text}");
        assert!(row.contains("hit, 100,000 entries, Zipf 0.99, one thread"));
        assert!(!text.contains("Hit %"), "all is hit: {text}");
    }

    #[test]
    fn hit_ratios_are_shown_where_they_differ() {
        let text = overview(&[outcome("mixed/95-5/1k/1t", 750), outcome("hit/1k/1t", 1000)]).text;
        let (_, table) = text.split_once("Hit %").unwrap();
        assert!(table.contains("95 % get, 5 % insert") && table.contains("75.00"));
        assert!(!table.contains("| hit"), "{table}");
    }

    #[test]
    fn details_have_the_quartiles() {
        let text = details(&[outcome("hit/1k/1t", 999)]);
        let row = text.lines().find(|line| line.contains("peer")).unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[1..8], ["peer", "1,650", "1,575", "1,725", "0.6", "99.90", "0.007"]);
    }

    #[test]
    fn a_chart_is_drawn_for_each_pair_of_thread_numbers() {
        let outcomes = [outcome("hit/1k/1t", 1), outcome("hit/1k/2t", 1), outcome("hit/x/2t", 1)];
        let pictures = pictures("load", &outcomes, "by a machine");
        assert_eq!(pictures.len(), 1);
        assert_eq!(pictures[0].name, "load-hit-1k");
        assert!(pictures[0].svg.contains("get_with, a hit, 1,000 entries"));
        assert!(pictures[0].svg.contains("by a machine"));
        assert_eq!(super::pictures("hit", &outcomes, "")[0].name, "hit-1k");
    }

    #[test]
    fn figures_have_their_thousands_apart() {
        let texts = [0.94, 99.94, 99.96, 1234.5, 1_234_567.0, -1500.0].map(number);
        assert_eq!(texts, ["0.9", "99.9", "100", "1,234", "1,234,567", "-1,500"]);
    }
}
