//! Tables for people, JSON for programs.

use crate::{
    outcome::{Outcome, Series},
    stats::quantile,
};
use serde_json::{Value, json};
use std::{fmt::Write, path::Path, time::Duration};

/// Returns the text above the tables.
pub fn preamble(bench: &str, rounds: usize, slot: Duration, quick: bool) -> String {
    let mut text = format!(
        "{bench}: {rounds} interleaved rounds of {} ms a subject; medians.\n\
         ns/op is wall time over the operations of all threads. A column `X:it` is X's time over\n\
         that of the row, the median of the ratios within each round: below 1, X is faster.\n",
        slot.as_millis()
    );
    if quick {
        text.push_str("QUICK: this shows that the benchmark works; the figures mean nothing.\n");
    }
    text
}

/// Returns the table of one case: a line for each subject.
pub fn table(outcome: &Outcome) -> String {
    let ours: Vec<&Series> = outcome.series.iter().filter(|s| s.label.ours).collect();
    let cores = outcome.cores.map_or_else(String::new, |cores| {
        let few = if cores < 1.7 { ", TOO FEW to show contention" } else { "" };
        format!("   (the threads had {cores:.2} cores{few})")
    });
    let mut text = format!(
        "\n{}{}\n  {:<18}{:>10}{:>8}{:>9}{:>8}",
        outcome.name, cores, "", "ns/op", "+-", "M/s", "hit %"
    );
    for own in &ours {
        let _ = write!(text, "{:>20}", format!("{}:it", own.label.name));
    }
    text.push('\n');
    for series in &outcome.series {
        let ns = series.ns_per_op();
        let (spread, rate) = (series.spread() * 100.0, 1e3 / ns);
        let hits = series.tally.hit_ratio().map_or("-".to_owned(), percent);
        let name = series.label.name;
        let _ = write!(text, "  {name:<18}{ns:>10.1}{spread:>7.0}%{rate:>9.1}{hits:>8}");
        for own in &ours {
            let _ = write!(text, "{:>20.3}", series.ratio_of(own));
        }
        text.push('\n');
    }
    text
}

/// Formats a share to two decimal places, never rounded up to a hundred: one miss in a million is
/// still a miss.
fn percent(share: f64) -> String {
    format!("{:.2}", (share * 10_000.0).floor() / 100.0)
}

/// Returns a line for each subject that took part: what it lacks.
pub fn legend(outcomes: &[Outcome]) -> String {
    let mut text = "\nwhat each lacks beside ours:\n".to_owned();
    let mut labels: Vec<_> = Vec::new();
    for series in outcomes.iter().flat_map(|o| &o.series) {
        if !labels.contains(&series.label) {
            labels.push(series.label);
        }
    }
    // A subject with nothing to say here needs no line.
    for label in labels.into_iter().filter(|label| !label.lacks.is_empty()) {
        let _ = writeln!(text, "  {:<19}{}", label.name, label.lacks);
    }
    text
}

/// Returns everything measured, the rounds included.
pub fn json(bench: &str, quick: bool, outcomes: &[Outcome]) -> Value {
    json!({
        "bench": bench,
        "quick": quick,
        "cases": outcomes.iter().map(case_json).collect::<Vec<_>>(),
    })
}

fn case_json(outcome: &Outcome) -> Value {
    let subject = |series: &Series| {
        let ours = outcome.series.iter().filter(|s| s.label.ours);
        let ratios: serde_json::Map<String, Value> =
            ours.map(|own| (own.label.name.to_owned(), json!(series.ratio_of(own)))).collect();
        json!({
            "name": series.label.name,
            "lacks": series.label.lacks,
            "ns_per_op": series.ns_per_op(),
            "quartiles_ns": [quantile(&series.ns, 0.25), quantile(&series.ns, 0.75)],
            "spread": series.spread(),
            "hit_ratio": series.tally.hit_ratio(),
            "ours_over_it": ratios,
            "rounds_ns": series.ns,
        })
    };
    json!({
        "case": outcome.name,
        "cores": outcome.cores,
        "subjects": outcome.series.iter().map(subject).collect::<Vec<_>>(),
    })
}

/// Writes the file, see [`write_text`].
pub fn write_json(path: &Path, value: &Value) {
    // `{:#}` of a Value is indented JSON.
    write_text(path, &format!("{value:#}\n"));
}

/// Writes the file, or says why not. No panic: the figures have been printed already.
pub fn write_text(path: &Path, text: &str) {
    match std::fs::write(path, text) {
        Ok(()) => println!("\nwritten to {}", path.display()),
        Err(error) => eprintln!("cannot write {}: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{subject::Label, workload::Tally};

    fn outcome() -> Outcome {
        let series = |name, ours, ns: [f64; 3], hits| Series {
            label: Label { name, lacks: "nothing", ours },
            ns: ns.to_vec(),
            tally: Tally { gets: 1_000_000, hits },
        };
        let all = vec![
            series("own", true, [5.0, 6.0, 50.0], 1_000_000),
            series("peer", false, [10.0, 12.0, 100.0], 999_999),
        ];
        Outcome { name: "hit/1k".to_owned(), cores: Some(1.2), series: all }
    }

    #[test]
    fn table_shows_medians_and_ratios() {
        let text = table(&outcome());
        let peer: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(peer, ["peer", "12.0", "188%", "83.3", "99.99", "0.500"]);
        assert!(text.contains("1.20 cores, TOO FEW"));
        assert!(text.contains("hit/1k") && text.contains("own:it") && text.contains("100.00"));
    }

    #[test]
    fn json_carries_every_round() {
        let value = json("hit", true, &[outcome()]);
        let peer = &value["cases"][0]["subjects"][1];
        assert_eq!(peer["ours_over_it"]["own"], json!(0.5));
        assert_eq!(peer["rounds_ns"], json!([10.0, 12.0, 100.0]));
        assert_eq!(peer["quartiles_ns"], json!([11.0, 56.0]));
    }

    #[test]
    fn legend_names_each_subject_once() {
        let text = legend(&[outcome(), outcome()]);
        assert_eq!(text.matches("peer").count(), 1);
    }
}
