//! Hours of universal time, as the column `time_hour` writes them.
//!
//! Two facts about an hour are needed: its number since 1970, which is the key of the weather
//! table, and its place in the year, which is what the Sun's position depends on.

/// One full hour of universal time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// Hours since 1970-01-01T00:00:00Z; the key of the weather table.
    pub since_1970: i64,
    /// Week of the year, from 0 to 52, the first beginning on 1 January.
    pub week: u8,
    /// Hour of the day, from 0 to 23.
    pub of_day: u8,
}

impl Hour {
    /// Parses the one accepted form, `2013-01-01T10:00:00Z`.
    pub fn parse(text: &str) -> Option<Hour> {
        let bytes = text.as_bytes();
        if bytes.len() != 20 || !text.ends_with(":00:00Z") {
            return None;
        }
        if bytes[4] != b'-' || bytes[7] != b'-' || bytes[10] != b'T' {
            return None;
        }
        let year = digits(&bytes[0..4])?;
        let month = digits(&bytes[5..7])?;
        let day = digits(&bytes[8..10])?;
        let hour = digits(&bytes[11..13])?;
        if !(1..=12).contains(&month)
            || !(1..=month_length(year, month)).contains(&day)
            || hour > 23
        {
            return None;
        }
        let first_of_month: i64 = (1..month).map(|earlier| month_length(year, earlier)).sum();
        let day_of_year = first_of_month + day - 1;
        Some(Hour {
            since_1970: (days_before_year(year) - days_before_year(1970) + day_of_year) * 24 + hour,
            week: u8::try_from(day_of_year / 7).ok()?,
            of_day: u8::try_from(hour).ok()?,
        })
    }
}

/// Parses decimal digits only; `str::parse` would accept a sign.
fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
    })
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the days from the start of year 0 to the start of `year`, in the Gregorian calendar.
fn days_before_year(year: i64) -> i64 {
    // Year 0 is a leap year, hence the rounding up: (n + 3) / 4 of the years 0..n divide by 4.
    year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400
}

#[cfg(test)]
mod tests {
    use super::Hour;

    #[test]
    fn hour_counts_from_1970() {
        assert_eq!(Hour::parse("1970-01-01T00:00:00Z").unwrap().since_1970, 0);
        // 1,700,000,000 seconds after 1970 fell into the hour 22 of 2023-11-14.
        let hour = Hour::parse("2023-11-14T22:00:00Z").unwrap();
        assert_eq!(hour.since_1970, 1_700_000_000 / 3600);
        assert_eq!(hour.of_day, 22);
        assert_eq!(Hour::parse("1969-12-31T23:00:00Z").unwrap().since_1970, -1);
    }

    #[test]
    fn hour_knows_its_week_also_in_leap_years() {
        assert_eq!(Hour::parse("2013-01-07T00:00:00Z").unwrap().week, 0);
        assert_eq!(Hour::parse("2013-01-08T00:00:00Z").unwrap().week, 1);
        assert_eq!(Hour::parse("2012-12-31T00:00:00Z").unwrap().week, 52);
    }

    #[test]
    fn hour_refuses_what_is_not_a_full_hour() {
        for wrong in [
            "",
            "2013-01-01T10:30:00Z",
            "2013-02-29T10:00:00Z",
            "2013-13-01T10:00:00Z",
            "2013-01-01T24:00:00Z",
            "2013-01-01 10:00:00Z",
            "+013-01-01T10:00:00Z",
            "2013-01-0éT1:00:00Z",
        ] {
            assert_eq!(Hour::parse(wrong), None, "{wrong}");
        }
    }
}
