//! How much of a flight lies in the dark.
//!
//! The track is the great circle between the two airports, cut into [`SAMPLES`] equal pieces. At
//! the middle of each piece the Sun is placed for the moment the plane gets there, and the piece
//! counts as night when the Sun stands lower than at sunset.
//!
//! Points on the Earth and the direction of the Sun are unit vectors that turn with the Earth (x
//! towards longitude 0 on the equator, z towards the north pole), so the sine of the Sun's height
//! is one scalar product. The Sun is placed by the short formula of the Astronomical Almanac, good
//! to a hundredth of a degree. That is far finer than the rounding of the departure to an hour and
//! a week, which is done by the caller and makes many flights share one result.

/// Pieces of the track, each a kilometre or two; the result's last printed digit, a thousandth, is
/// two of them.
pub const SAMPLES: u32 = 2_000;

const EARTH_RADIUS_KM: f64 = 6_371.0;
const CRUISE_KM_PER_HOUR: f64 = 830.0;
/// Taxiing, climb and descent, on top of the distance at cruising speed.
const OVERHEAD_HOURS: f64 = 0.5;
/// The Sun's centre at sunset: half its width and the bending of light below the horizon.
const SUNSET_DEGREES: f64 = -0.833;

type Vector = [f64; 3];

/// A point on the Earth in degrees; north and east are positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Degrees north of the equator.
    pub latitude: f64,
    /// Degrees east of Greenwich.
    pub longitude: f64,
}

/// Returns the share, from 0 to 1, of the track that is flown at night by a plane that leaves in
/// the middle of the given hour of universal time, in the middle of the given week of the year.
pub fn night_share(from: Place, to: Place, week: u8, hour: u8) -> f64 {
    let (start, end) = (unit(from), unit(to));
    let angle = angle_between(start, end);
    let side = direction(start, end);
    let duration = OVERHEAD_HOURS + angle * EARTH_RADIUS_KM / CRUISE_KM_PER_HOUR;
    let departure = (f64::from(week) * 7.0 + 3.0) * 24.0 + f64::from(hour) + 0.5;
    let sunset = SUNSET_DEGREES.to_radians().sin();

    let mut dark = 0_u32;
    for sample in 0..SAMPLES {
        let part = (f64::from(sample) + 0.5) / f64::from(SAMPLES);
        let (sine, cosine) = (part * angle).sin_cos();
        let point: Vector = std::array::from_fn(|i| start[i] * cosine + side[i] * sine);
        if dot(point, sun(departure + part * duration)) < sunset {
            dark += 1;
        }
    }
    f64::from(dark) / f64::from(SAMPLES)
}

/// Returns the direction of the Sun, given hours of universal time since the year began. The year
/// is 2013; in others the Sun is within a day of the same place.
fn sun(hours: f64) -> Vector {
    // Days from noon of 1 January 2000, where the formula starts, to midnight of 1 January 2013.
    let days = 4_748.5 + hours / 24.0;
    let anomaly = (357.528 + 0.985_600_3 * days).to_radians();
    let correction = 1.915 * anomaly.sin() + 0.020 * (2.0 * anomaly).sin();
    let longitude = (280.460 + 0.985_647_4 * days + correction).to_radians();
    let tilt = (23.439 - 0.000_000_4 * days).to_radians();
    let (along, toward) = longitude.sin_cos();
    // Against the stars, x towards the spring equinox.
    let [x, y, z] = [toward, tilt.cos() * along, tilt.sin() * along];
    // The Earth turns once more in a year than there are days.
    let (sine, cosine) = (280.460_6 + 360.985_647_37 * days).to_radians().sin_cos();
    [x * cosine + y * sine, y * cosine - x * sine, z]
}

fn unit(place: Place) -> Vector {
    let (north, level) = place.latitude.to_radians().sin_cos();
    let (east, zero) = place.longitude.to_radians().sin_cos();
    [level * zero, level * east, north]
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Computed from the length of the difference, which stays exact where the arc cosine does not.
fn angle_between(a: Vector, b: Vector) -> f64 {
    let gap: Vector = std::array::from_fn(|i| a[i] - b[i]);
    2.0 * (dot(gap, gap).sqrt() / 2.0).min(1.0).asin()
}

/// Returns the unit vector at right angles to `start` that points along the track; zero when the
/// two are the same place.
fn direction(start: Vector, end: Vector) -> Vector {
    let along = dot(start, end);
    let side: Vector = std::array::from_fn(|i| end[i] - start[i] * along);
    let length = dot(side, side).sqrt();
    if length == 0.0 { side } else { side.map(|part| part / length) }
}

#[cfg(test)]
mod tests {
    use super::{Place, night_share, sun};

    const NEW_YORK: Place = Place { latitude: 40.64, longitude: -73.78 };
    const LOS_ANGELES: Place = Place { latitude: 33.94, longitude: -118.41 };
    const MIDSUMMER: u8 = 24;
    const MIDWINTER: u8 = 50;

    #[test]
    fn sun_declination_follows_the_seasons() {
        let height = |day: f64| sun(day * 24.0 + 12.0)[2].asin().to_degrees();
        assert!((height(171.0) - 23.44).abs() < 0.1, "21 June: {}", height(171.0));
        assert!((height(354.0) + 23.44).abs() < 0.1, "21 December: {}", height(354.0));
        assert!(height(78.0).abs() < 0.2, "20 March: {}", height(78.0));
    }

    #[test]
    fn sun_at_noon_is_off_by_the_equation_of_time() {
        // Sundials are 16.4 minutes ahead in early November and 14.2 behind in mid February.
        for (day, minutes) in [(306.0, 16.4), (42.0, -14.2)] {
            let [x, y, _] = sun(day * 24.0 + 12.0);
            let west = -y.atan2(x).to_degrees();
            assert!((west - minutes / 4.0).abs() < 0.1, "day {day}: {west}");
        }
    }

    #[test]
    fn night_share_by_day_and_by_night() {
        // 16:00 to 22:00 universal time is the middle of the day all the way across.
        assert_eq!(night_share(NEW_YORK, LOS_ANGELES, MIDSUMMER, 16), 0.0);
        assert_eq!(night_share(NEW_YORK, LOS_ANGELES, MIDWINTER, 3), 1.0);
    }

    #[test]
    fn night_share_is_a_part_when_the_sun_sets_on_the_way() {
        // Sunset in New York in December is at about 21:30 universal time.
        let share = night_share(NEW_YORK, LOS_ANGELES, MIDWINTER, 20);
        assert!(share > 0.3 && share < 0.9, "{share}");
        assert!(night_share(NEW_YORK, LOS_ANGELES, MIDWINTER, 21) > share, "an hour later");
    }

    #[test]
    fn night_share_of_a_place_to_itself_is_all_or_nothing() {
        let polar = Place { latitude: 89.0, longitude: 0.0 };
        assert_eq!(night_share(polar, polar, MIDSUMMER, 0), 0.0);
        assert_eq!(night_share(polar, polar, MIDWINTER, 12), 1.0);
    }
}
