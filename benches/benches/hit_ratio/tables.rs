//! Tables in Markdown that can be read as they stand.

use crate::mixed::Mixed;
use benches::{
    cells::{Cell, Role, Standing, standings},
    markdown::Table,
};
use std::fmt::Write;
use traces::{capacity::Capacity, replay::Tally, trace::Unit};

/// Returns the names of the subjects that have a result in any of these cells, in their order.
fn names(cells: &[&Cell]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for score in cells.iter().flat_map(|cell| &cell.scores) {
        if !names.contains(&score.name) {
            names.push(score.name);
        }
    }
    names
}

fn or_dash(figure: Option<String>) -> String {
    figure.unwrap_or_else(|| "-".to_owned())
}

fn of_bytes(tally: Tally) -> String {
    format!("{:.1} / {:.1}", tally.percent(), tally.byte_percent())
}

/// Returns the cells of one trace: hit ratios in percent and, in brackets, as a percentage of the
/// bound; by bytes those of the accesses and of their bytes.
pub(crate) fn of_trace(cells: &[Cell]) -> String {
    let cells: Vec<&Cell> = cells.iter().collect();
    let names = names(&cells);
    let mut table = Table::new("capacity", names.iter().copied());
    for cell in cells {
        let figure = |name: &&str| {
            let score = cell.scores.iter().find(|score| score.name == *name)?;
            Some(match (cell.unit, cell.best(Role::Bound), score.role) {
                (Unit::Bytes, ..) => of_bytes(score.tally),
                (_, Some(bound), Role::Ours | Role::Peer | Role::Reference) if bound > 0.0 => {
                    let percent = score.tally.percent();
                    format!("{percent:.2} ({:.0})", 100.0 * percent / bound)
                }
                _ => format!("{:.2}", score.tally.percent()),
            })
        };
        let unit = if cell.unit == Unit::Bytes { " bytes" } else { "" };
        let first = match cell.asked.to_string() {
            asked if asked.ends_with('%') => format!("{asked} = {}{unit}", cell.capacity),
            _ => format!("{}{unit}", cell.capacity),
        };
        table.push(first, names.iter().map(|name| or_dash(figure(name))));
    }
    table.text()
}

/// Returns what the cells that count come to, a row for each subject.
pub(crate) fn summary<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> String {
    let mut table = Table::new(
        "",
        [
            "cells",
            "mean hit %",
            "mean % of MIN",
            "worst % of MIN",
            "mean regret",
            "lost by > 1",
            "lost by > 3",
        ],
    );
    for standing in standings(cells) {
        let Standing { name, cells, hit, of_bound, worst_of_bound, regret, .. } = standing;
        let means = [hit, of_bound, worst_of_bound, regret].map(|mean| format!("{mean:.2}"));
        let counts = [standing.behind_by_1, standing.behind_by_3].map(|count| count.to_string());
        let all = [cells.to_string()].into_iter().chain(means).chain(counts);
        table.push(name, all);
    }
    table.text()
}

/// Returns the mean of each subject over those of the cells that count, in groups.
fn means(
    first: &str,
    cells: &[&Cell],
    group: impl Fn(&Cell) -> String,
    figure: impl Fn(&Standing) -> f64,
) -> String {
    let cells: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.counts()).collect();
    let names = names(&cells);
    let mut groups: Vec<String> = Vec::new();
    for cell in &cells {
        if !groups.contains(&group(cell)) {
            groups.push(group(cell));
        }
    }
    let mut table = Table::new(first, ["cells"].iter().chain(&names).copied());
    for name in groups {
        let standings = standings(cells.iter().copied().filter(|cell| group(cell) == name));
        let figure_of = |subject: &&str| {
            let standing = standings.iter().find(|standing| standing.name == *subject);
            or_dash(standing.map(|standing| format!("{:.1}", figure(standing))))
        };
        let count = standings.first().map_or(0, |standing| standing.cells);
        let figures = names.iter().map(figure_of);
        table.push(name, std::iter::once(count.to_string()).chain(figures));
    }
    table.text()
}

/// Returns the hit ratios of the mixed workload.
pub(crate) fn mixed(all: &[Mixed]) -> String {
    let names = all.first().map_or(Vec::new(), |one| one.names().collect());
    let mut table = Table::new("capacity", ["operations"].iter().chain(&names).copied());
    for one in all {
        let figures = one.percents().map(|percent| format!("{percent:.2}"));
        table.push(
            one.capacity.to_string(),
            std::iter::once(one.operations.to_string()).chain(figures),
        );
    }
    table.text()
}

/// Returns all that is worth keeping in a document: not each cell, but means.
pub(crate) fn digest(cells: &[Cell], mixtures: &[Mixed]) -> String {
    let (made, recorded): (Vec<&Cell>, Vec<&Cell>) = cells.iter().partition(|cell| cell.synthetic);
    let mut text = String::new();
    let mut part = |title: &str, table: String| {
        let _ = write!(text, "{title}\n\n{table}\n");
    };
    let trace = |cell: &Cell| cell.trace.clone();
    if !recorded.is_empty() {
        part("Traces:", summary(recorded.iter().copied()));
        let asked = |cell: &Cell| cell.asked.to_string();
        let of_bound = |standing: &Standing| standing.of_bound;
        let mut by_size = recorded.clone();
        by_size.sort_by(|one, other| order(one).total_cmp(&order(other)));
        part("% of MIN by capacity:", means("capacity", &by_size, asked, of_bound));
        part("Hit %, mean of a trace's cells:", means("trace", &recorded, trace, |s| s.hit));
    }
    for trace in by_bytes(&recorded) {
        let title =
            format!("{}, capacities in bytes; hit % by accesses / by bytes:", trace[0].trace);
        part(&title, of_trace(&trace));
    }
    if !made.is_empty() {
        part("Built-in streams:", summary(made.iter().copied()));
        part("Hit %, mean of a stream's cells:", means("stream", &made, trace, |s| s.hit));
    }
    if !mixtures.is_empty() {
        let title = "95 % get (insert on a miss), 5 % insert, Zipf keys; hit % of the gets:";
        part(title, mixed(mixtures));
    }
    text
}

/// Shares come before numbers, because they are below 1.
fn order(cell: &Cell) -> f64 {
    match cell.asked {
        Capacity::Share(share) => share,
        Capacity::Count(count) => count as f64,
    }
}

/// Returns the cells whose capacities are in bytes, by trace.
fn by_bytes(cells: &[&Cell]) -> Vec<Vec<Cell>> {
    let mut groups: Vec<Vec<Cell>> = Vec::new();
    for cell in cells.iter().filter(|cell| cell.unit == Unit::Bytes) {
        match groups.last_mut() {
            Some(group) if group[0].trace == cell.trace => group.push((*cell).clone()),
            _ => groups.push(vec![(*cell).clone()]),
        }
    }
    groups
}
