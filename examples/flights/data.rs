//! The files that come with the example, inside the program.
//!
//! They are embedded so that the example runs from any folder. `examples/data/README.md` says where
//! they come from and how they were made.

use std::io::Read;

use flate2::read::GzDecoder;

/// Every flight that left New York in 2013, one row each.
pub const FLIGHTS: &[u8] = include_bytes!("../data/flights.csv.gz");
/// The planes by tail number.
pub const PLANES: &[u8] = include_bytes!("../data/planes.csv.gz");
/// The weather at the three airports of New York, by the hour.
pub const WEATHER: &[u8] = include_bytes!("../data/weather.csv.gz");
/// The airports of the United States.
pub const AIRPORTS: &[u8] = include_bytes!("../data/airports.csv.gz");

/// Returns a csv reader over one of the embedded files.
pub fn reader(packed: &'static [u8]) -> csv::Reader<impl Read> {
    csv::Reader::from_reader(GzDecoder::new(packed))
}

/// Returns a checksum of the embedded tables and `schema`, so that a database built from other ones
/// is recognised and built again.
pub fn fingerprint(schema: &str) -> i32 {
    let mut sum = flate2::Crc::new();
    for part in [PLANES, WEATHER, AIRPORTS, schema.as_bytes()] {
        sum.update(part);
    }
    sum.sum().cast_signed()
}
