//! Durations as people write them: `500ms`, `1m30s`, `2 h`.

use crate::suggest;
use std::time::Duration;

const UNITS: [(&str, u64); 20] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("sec", 1_000_000_000),
    ("secs", 1_000_000_000),
    ("second", 1_000_000_000),
    ("seconds", 1_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("mins", 60_000_000_000),
    ("minute", 60_000_000_000),
    ("minutes", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("hour", 3_600_000_000_000),
    ("hours", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("day", 86_400_000_000_000),
    ("days", 86_400_000_000_000),
];

/// Reads a duration: whole numbers, each with a unit, added up.
///
/// Input: `1m30s`. Output: 90 seconds.
/// Input: `5 minuets`. Output: an error that names the unit.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("an empty duration; write for example \"500ms\" or \"1m30s\"".to_owned());
    }
    if text.contains('(') || text.contains("::") {
        return Err(format!("`{rest}` is an expression: write it without the quotes"));
    }
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '_');
        let (unit, after) =
            split(after.trim_start(), |c| !c.is_ascii_digit() && !c.is_whitespace());
        total = total
            .checked_add(term(number, unit)?)
            .ok_or_else(|| format!("\"{text}\" is too long for a duration"))?;
        rest = after.trim_start();
    }
    Ok(total)
}

/// The longest start of `text` whose characters pass, and what follows.
fn split(text: &str, pass: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !pass(c)).unwrap_or(text.len()))
}

/// One number with its unit.
fn term(number: &str, unit: &str) -> Result<Duration, String> {
    if number.is_empty() {
        return Err(format!(
            "expected a number before `{unit}`; write for example \"500ms\" or \"1m30s\""
        ));
    }
    let count: u64 = number
        .replace('_', "")
        .parse()
        .map_err(|_| format!("`{number}` is too large for a duration"))?;
    if unit.starts_with(['.', ',']) {
        return Err(format!(
            "`{number}{unit}`: numbers are whole; write the rest in a smaller unit, for example \
             \"1s500ms\""
        ));
    }
    if unit.is_empty() {
        return Err(format!("`{number}` has no unit; write for example \"{number}s\""));
    }
    let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let remark = suggest::remark(unit, UNITS.iter().map(|(name, _)| *name));
        let remark = if remark.is_empty() { "; known are ns, us, ms, s, m, h, d" } else { &remark };
        return Err(format!("unknown unit `{unit}`{remark}"));
    };
    let nanos = u128::from(count) * u128::from(*nanos);
    let seconds = u64::try_from(nanos / 1_000_000_000)
        .map_err(|_| format!("`{number}{unit}` is too long for a duration"))?;
    #[allow(clippy::cast_possible_truncation, reason = "a remainder below 10^9 fits")]
    Ok(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_units_add_up() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse(" 1h 2m 3s 4ms 5us 6ns "), Ok(Duration::new(3723, 4_005_006)));
        assert_eq!(parse("1_000 ms"), Ok(Duration::from_secs(1)));
        assert_eq!(parse("2d"), Ok(Duration::from_secs(172_800)));
        assert_eq!(parse("1 day 2 hours 3 minutes 4 seconds"), Ok(Duration::from_secs(93_784)));
        assert_eq!(parse("1 second 1minute 1 hour 2 days"), Ok(Duration::from_secs(176_461)));
        assert_eq!(parse("3µs"), Ok(Duration::from_micros(3)));
    }

    #[test]
    fn parse_mistakes_are_named() {
        let error = |text| parse(text).expect_err(text);
        assert!(error("").contains("empty"));
        assert!(error("5").contains("no unit"));
        assert!(error("ms").contains("expected a number"));
        assert!(error("5 hors").contains("did you mean `hours`?"));
        assert!(error("5 minuets").contains("did you mean `minutes`?"));
        assert!(error("Duration::from_secs(60)").contains("without the quotes"));
        assert!(error("5 fortnights").contains("unknown unit `fortnights`; known are"));
        assert_eq!(
            error("1.5s"),
            "`1.`: numbers are whole; write the rest in a smaller unit, for example \"1s500ms\""
        );
        assert!(error("99999999999999999999s").contains("too large"));
        assert!(error("18446744073709551615d").contains("too long"));
        assert!(error("18446744073709551615s 1s").contains("too long"));
    }
}
