//! One row: what the three functions say of it, and how that is written.

use std::io;
use std::sync::Arc;

use crate::functions::{Plane, Weather, night_share, plane, weather};
use crate::hour::Hour;
use crate::input::{Columns, Row};
use crate::problem::{Problem, quoted};
use crate::tiers::Tiers;

/// What enriching appends to every row.
pub const ADDED_COLUMNS: [&str; 9] = [
    "plane_year",
    "plane_manufacturer",
    "plane_model",
    "plane_seats",
    "temp",
    "wind_speed",
    "precip",
    "visib",
    "night_share",
];

/// Whether the functions are called through their caches.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'a> {
    /// As a user of the functions calls them.
    Cached,
    /// Their bodies behind two tiers.
    Tiered(&'a Tiers),
    /// The bodies of the same functions, every time.
    Uncached,
}

/// What the three functions say of one flight.
struct Found {
    plane: Option<Arc<Plane>>,
    weather: Option<Weather>,
    night_share: Option<f64>,
}

fn look_up(
    tail: &str,
    origin: &str,
    dest: &str,
    hour: Hour,
    mode: Mode<'_>,
) -> Result<Found, Problem> {
    let Hour { since_1970, week, of_day } = hour;
    Ok(match mode {
        Mode::Cached => Found {
            plane: plane(tail)?,
            weather: weather(origin, since_1970)?,
            night_share: night_share(origin, dest, week, of_day)?,
        },
        Mode::Tiered(tiers) => Found {
            plane: tiers.plane(tail)?,
            weather: tiers.weather(origin, since_1970)?,
            night_share: tiers.night_share(origin, dest, week, of_day)?,
        },
        Mode::Uncached => Found {
            plane: plane::uncached(tail)?,
            weather: weather::uncached(origin, since_1970)?,
            night_share: night_share::uncached(origin, dest, week, of_day)?,
        },
    })
}

/// Writes one row followed by what the functions say of it.
pub fn enrich<W: io::Write>(
    input: &str,
    columns: Columns,
    row: &Row,
    mode: Mode<'_>,
    out: &mut csv::Writer<W>,
) -> Result<(), Problem> {
    let field = |column: usize| &row.fields[column];
    let hour = Hour::parse(field(columns.time_hour)).ok_or_else(|| {
        let what = format!("time_hour is {}", quoted(field(columns.time_hour)));
        Problem::at_line(input, row.line, what, "write it like 2013-01-01T10:00:00Z")
    })?;
    let (tail, origin, dest) = (field(columns.tailnum), field(columns.origin), field(columns.dest));
    let found = look_up(tail, origin, dest, hour, mode)?;
    append(row, &found, out)
        .map_err(|error| Problem::at_line(input, row.line, error, "leave the row out"))
}

/// The number of digits is fixed, so that the same value is always the same text.
fn append<W: io::Write>(row: &Row, found: &Found, out: &mut csv::Writer<W>) -> csv::Result<()> {
    for field in &row.fields {
        out.write_field(field)?;
    }
    let plane = found.plane.as_deref();
    out.write_field(whole(plane.and_then(|plane| plane.year)))?;
    out.write_field(plane.map_or("", |plane| &plane.manufacturer))?;
    out.write_field(plane.map_or("", |plane| &plane.model))?;
    out.write_field(whole(plane.and_then(|plane| plane.seats)))?;
    let weather = found.weather.as_ref();
    out.write_field(decimal(weather.and_then(|weather| weather.temp), 2))?;
    out.write_field(decimal(weather.and_then(|weather| weather.wind_speed), 2))?;
    out.write_field(decimal(weather.and_then(|weather| weather.precip), 2))?;
    out.write_field(decimal(weather.and_then(|weather| weather.visib), 2))?;
    out.write_field(decimal(found.night_share, 3))?;
    out.write_record(None::<&[u8]>)
}

fn whole(value: Option<i64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn decimal(value: Option<f64>, digits: usize) -> String {
    value.map(|value| format!("{value:.digits$}")).unwrap_or_default()
}
