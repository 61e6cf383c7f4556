//! The table at the end: how fast it went, and what the caches did.

use std::fmt::Write;
use std::path::PathBuf;

use crate::functions::Counters;
use crate::pipeline::Pass;
use crate::tiers::TierCounters;

/// Everything that the table shows.
#[derive(Debug)]
pub struct Report {
    /// What the source is called.
    pub input: String,
    /// Where the enriched rows are.
    pub output: PathBuf,
    /// How many threads enriched.
    pub threads: usize,
    /// The pass that wrote the output.
    pub main: Pass,
    /// How the output was made.
    pub kind: Kind,
}

/// The kinds of run.
#[derive(Debug)]
pub enum Kind {
    /// Through the caches, with what they counted while the output was written.
    Cached {
        /// One for each function.
        counters: Vec<Counters>,
        /// Part of the rows again without a cache, unless there were none.
        baseline: Option<Pass>,
    },
    /// With `--tier`.
    Tiered {
        /// The address of the server.
        server: String,
        /// One for each function, of the time in which the output was written.
        counters: Vec<TierCounters>,
        /// Part of the rows again without a cache, unless there were none.
        baseline: Option<Pass>,
    },
    /// With `--no-cache`.
    Uncached,
}

impl Report {
    /// Returns the text, ending with a newline.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Report { input, output, threads, main, kind } = self;
        let s = if *threads == 1 { "" } else { "s" };
        writeln!(text, "{} rows of {input}, {threads} thread{s}", grouped(main.rows))?;
        writeln!(text, "enriched rows: {}\n", output.display())?;
        writeln!(text, "{:<44}{:>9}{:>10}{:>12}", "", "rows", "seconds", "rows/s")?;
        match kind {
            Kind::Uncached => pass_line(text, "without cache, every row", main),
            Kind::Cached { counters, baseline } => {
                let name = "with cache, every row, from empty caches";
                compared(text, name, main, baseline.as_ref())?;
                functions(text, counters)
            }
            Kind::Tiered { server, counters, baseline } => {
                let name = "with cache and memcached, every row";
                compared(text, name, main, baseline.as_ref())?;
                tiers(text, server, counters)
            }
        }
    }
}

fn compared(
    text: &mut String,
    name: &str,
    main: &Pass,
    baseline: Option<&Pass>,
) -> std::fmt::Result {
    pass_line(text, name, main)?;
    let Some(baseline) = baseline else { return Ok(()) };
    pass_line(text, "without cache, rows taken at even distances", baseline)?;
    let times = main.rate() / baseline.rate();
    writeln!(text, "speed-up: {times:.1} times the rows per second")?;
    writeln!(text, "those rows come out byte for byte the same both ways")
}

fn pass_line(text: &mut String, name: &str, pass: &Pass) -> std::fmt::Result {
    let rows = grouped(pass.rows);
    let rate = grouped(pass.rate().round() as u64);
    writeln!(text, "{name:<44}{rows:>9}{:>10.2}{rate:>12}", pass.elapsed.as_secs_f64())
}

fn functions(text: &mut String, counters: &[Counters]) -> std::fmt::Result {
    writeln!(
        text,
        "\n{:<14}{:>9}{:>9}{:>9}{:>11}{:>9}{:>17}",
        "function", "hits", "misses", "loads", "hit ratio", "entries", "seconds loading"
    )?;
    for one in counters {
        writeln!(
            text,
            "{:<14}{:>9}{:>9}{:>9}{:>10.1}%{:>9}{:>17.2}",
            one.function,
            grouped(one.hits),
            grouped(one.misses),
            grouped(one.loads),
            one.hit_ratio() * 100.0,
            grouped(one.entries),
            one.load_time.as_secs_f64(),
        )?;
    }
    writeln!(text, "(seconds loading are summed over the threads)")
}

fn tiers(text: &mut String, server: &str, counters: &[TierCounters]) -> std::fmt::Result {
    writeln!(
        text,
        "\n{:<14}{:>11}{:>11}{:>11}{:>11}",
        "answered by", "memory", "memcached", "the body", "entries"
    )?;
    for one in counters {
        writeln!(
            text,
            "{:<14}{:>11}{:>11}{:>11}{:>11}",
            one.function,
            grouped(one.memory),
            grouped(one.remote),
            grouped(one.loads),
            grouped(one.entries),
        )?;
    }
    let sum = |of: fn(&TierCounters) -> u64| counters.iter().map(of).sum::<u64>();
    let (found, loaded, failures) =
        (sum(|it| it.remote), sum(|it| it.loads), sum(|it| it.failures));
    let warmth = if found > loaded { "warm" } else { "cold" };
    let (of, found) = (grouped(found + loaded), grouped(found));
    writeln!(text, "{server} was {warmth}: it had {found} of {of} values that were not in memory")?;
    if failures > 0 {
        writeln!(text, "it did not answer {} times: is it running?", grouped(failures))?;
    }
    Ok(())
}

/// Formats a number with a comma after every third digit from the end: 336,776.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn grouped_puts_commas_between_thousands() {
        let texts = [0, 7, 999, 1_000, 336_776, 1_234_567].map(super::grouped);
        assert_eq!(texts, ["0", "7", "999", "1,000", "336,776", "1,234,567"]);
    }
}
