//! The three cached functions, and everything that uses their caches.
//!
//! Each is an ordinary function with one attribute. It queries through this thread's connection, so
//! no argument has to carry a connection and none has to be left out of the key. "There is no such
//! plane" is a result like any other (`Ok(None)`): it is stored, and spares the database the same
//! query again. Errors are not stored.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Stats, cached};

use crate::database;
use crate::hour::Hour;
use crate::input::{Columns, Row};
use crate::problem::{Problem, quoted};
use crate::track::{self, Place};

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

/// Entries that each cache may hold by default: above the 53,063 that the largest needs.
pub const DEFAULT_CAPACITY: u64 = 100_000;

static CAPACITY: AtomicU64 = AtomicU64::new(DEFAULT_CAPACITY);

/// Sets the bound of all three caches. A cache reads it once, when it is first used.
pub fn set_capacity(entries: u64) {
    CAPACITY.store(entries, Ordering::Relaxed);
}

fn capacity() -> u64 {
    CAPACITY.load(Ordering::Relaxed)
}

/// What the database knows of a plane.
#[derive(Debug, PartialEq, Eq)]
pub struct Plane {
    year: Option<i64>,
    manufacturer: String,
    model: String,
    seats: Option<i64>,
}

/// The weather of one hour: degrees Fahrenheit, miles per hour, inches, miles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weather {
    temp: Option<f64>,
    wind_speed: Option<f64>,
    precip: Option<f64>,
    visib: Option<f64>,
}

/// Returns the plane with this tail number. In an `Arc`, because a hit clones the value.
#[cached(max_capacity = capacity())]
pub fn plane(tail: &str) -> Result<Option<Arc<Plane>>, Problem> {
    let sql = "SELECT year, manufacturer, model, seats FROM plane WHERE tailnum = ?";
    database::find(sql, &[&tail], |row| {
        Ok(Arc::new(Plane {
            year: row.get(0)?,
            manufacturer: row.get(1)?,
            model: row.get(2)?,
            seats: row.get(3)?,
        }))
    })
}

/// Returns the weather at an airport in the hour with this number since 1970.
#[cached(max_capacity = capacity())]
pub fn weather(origin: &str, hour: i64) -> Result<Option<Weather>, Problem> {
    let sql = "SELECT temp, wind_speed, precip, visib FROM weather WHERE origin = ? AND hour = ?";
    database::find(sql, &[&origin, &hour], |row| {
        Ok(Weather {
            temp: row.get(0)?,
            wind_speed: row.get(1)?,
            precip: row.get(2)?,
            visib: row.get(3)?,
        })
    })
}

/// Returns the share of the way from `origin` to `dest` that lies in the dark, by week of the year
/// and hour of departure; `None` where an airport is unknown. Its arguments are already rounded to
/// what it depends on, so that equal arguments mean an equal result whether it is cached or not.
#[cached(max_capacity = capacity())]
pub fn night_share(origin: &str, dest: &str, week: u8, hour: u8) -> Result<Option<f64>, Problem> {
    let (Some(from), Some(to)) = (airport(origin)?, airport(dest)?) else { return Ok(None) };
    Ok(Some(track::night_share(from, to, week, hour)))
}

fn airport(code: &str) -> Result<Option<Place>, Problem> {
    database::find("SELECT lat, lon FROM airport WHERE faa = ?", &[&code], |row| {
        Ok(Place { latitude: row.get(0)?, longitude: row.get(1)? })
    })
}

/// Whether the functions are called through their caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As a user of the functions calls them.
    Cached,
    /// The bodies of the same functions, every time.
    Uncached,
}

/// What the three functions say of one flight.
struct Found {
    plane: Option<Arc<Plane>>,
    weather: Option<Weather>,
    night_share: Option<f64>,
}

fn look_up(tail: &str, origin: &str, dest: &str, hour: Hour, mode: Mode) -> Result<Found, Problem> {
    let Hour { since_1970, week, of_day } = hour;
    Ok(match mode {
        Mode::Cached => Found {
            plane: plane(tail)?,
            weather: weather(origin, since_1970)?,
            night_share: night_share(origin, dest, week, of_day)?,
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
    mode: Mode,
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

/// What the cache of one function has counted.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// The name of the function.
    pub function: &'static str,
    /// Calls served from the cache.
    pub hits: u64,
    /// Calls that found nothing stored.
    pub misses: u64,
    /// Runs of the body that gave a value.
    pub loads: u64,
    /// Time spent in the body, over all threads.
    pub load_time: Duration,
    /// Entries held now.
    pub entries: u64,
}

impl Counters {
    fn new(function: &'static str, stats: Stats, entries: u64) -> Counters {
        let Stats { hits, misses, loads, load_time, .. } = stats;
        Counters { function, hits, misses, loads, load_time, entries }
    }

    /// Returns the share of calls that were served from the cache; 0 before the first.
    pub fn hit_ratio(&self) -> f64 {
        let calls = self.hits + self.misses;
        if calls == 0 { 0.0 } else { self.hits as f64 / calls as f64 }
    }
}

/// Returns what the three caches have counted since the program began.
pub fn counters() -> [Counters; 3] {
    [
        Counters::new("plane", plane::stats(), plane::cache().entry_count()),
        Counters::new("weather", weather::stats(), weather::cache().entry_count()),
        Counters::new("night_share", night_share::stats(), night_share::cache().entry_count()),
    ]
}

/// Empties the three caches.
pub fn clear() {
    plane::clear();
    weather::clear();
    night_share::clear();
}
