//! The three cached functions, and what their caches have counted.
//!
//! Each is an ordinary function with one attribute. It queries through this thread's connection, so
//! no argument has to carry a connection and none has to be left out of the key. "There is no such
//! plane" is a result like any other (`Ok(None)`): it is stored, and spares the database the same
//! query again. Errors are not stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Stats, cached};
use serde::{Deserialize, Serialize};

use crate::database;
use crate::problem::Problem;
use crate::track::{self, Place};

/// Entries that each cache may hold by default: above the 53,063 that the largest needs.
pub const DEFAULT_CAPACITY: u64 = 100_000;

static CAPACITY: AtomicU64 = AtomicU64::new(DEFAULT_CAPACITY);

/// Sets the bound of all three caches. A cache reads it once, when it is first used.
pub fn set_capacity(entries: u64) {
    CAPACITY.store(entries, Ordering::Relaxed);
}

/// Returns the bound of each cache.
pub fn capacity() -> u64 {
    CAPACITY.load(Ordering::Relaxed)
}

/// What the database knows of a plane.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plane {
    /// When it was built.
    pub year: Option<i64>,
    /// Who has built it.
    pub manufacturer: String,
    /// The type.
    pub model: String,
    /// How many people it has room for.
    pub seats: Option<i64>,
}

/// The weather of one hour: degrees Fahrenheit, miles per hour, inches, miles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weather {
    /// The temperature.
    pub temp: Option<f64>,
    /// The speed of the wind.
    pub wind_speed: Option<f64>,
    /// How much has fallen.
    pub precip: Option<f64>,
    /// How far one sees.
    pub visib: Option<f64>,
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
