//! Lives as the server counts them: whole seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The server takes a larger number for a Unix time: 30 days.
const MOST_RELATIVE: u64 = 2_592_000;

/// The server keeps times in 31 bits.
const MOST_ABSOLUTE: u64 = i32::MAX as u64;

/// The shortest lease that lasts at least a second: the server's seconds end when its clock ticks.
const SHORTEST_LEASE: u64 = 2;

/// Returns the number for a life. `None`, without end, is zero, which no other life becomes. Parts
/// of a second are rounded up: the server's life is only the outer bound, and the exact times
/// stand in what is stored. A life beyond what the server can count ends as late as it can count,
/// which from 2038 on is after 30 days.
pub(crate) fn seconds(life: Option<Duration>, now: SystemTime) -> u64 {
    let Some(life) = life else { return 0 };
    let seconds = rounded_up(life).max(1);
    if seconds <= MOST_RELATIVE {
        return seconds;
    }
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let end = now.saturating_add(seconds).min(MOST_ABSOLUTE);
    if end > now.saturating_add(MOST_RELATIVE) { end } else { MOST_RELATIVE }
}

/// Returns the number for a lease: no less than two, and no more than a relative time can be.
pub(crate) fn lease_seconds(lease: Duration) -> u64 {
    rounded_up(lease).clamp(SHORTEST_LEASE, MOST_RELATIVE)
}

/// Returns the number for the window in which an item is refreshed.
pub(crate) fn window_seconds(window: Duration) -> u64 {
    rounded_up(window).min(MOST_ABSOLUTE)
}

fn rounded_up(life: Duration) -> u64 {
    life.as_secs().saturating_add(u64::from(life.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(unix: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(unix)
    }

    #[test]
    fn only_a_life_without_end_is_zero() {
        let now = at(1_800_000_000);
        assert_eq!(seconds(None, now), 0);
        assert_eq!(seconds(Some(Duration::ZERO), now), 1);
        assert_eq!(seconds(Some(Duration::from_millis(1)), now), 1);
        assert_eq!(seconds(Some(Duration::from_millis(1_001)), now), 2);
        assert_eq!(seconds(Some(Duration::from_secs(7)), now), 7);
    }

    #[test]
    fn a_life_of_more_than_thirty_days_is_a_unix_time() {
        let now = at(1_800_000_000);
        assert_eq!(seconds(Some(Duration::from_secs(30 * DAY)), now), 30 * DAY);
        let beyond = Duration::from_millis(30 * DAY * 1_000 + 1);
        assert_eq!(seconds(Some(beyond), now), 1_800_000_000 + 30 * DAY + 1);
        assert_eq!(seconds(Some(Duration::from_secs(40 * DAY)), now), 1_800_000_000 + 40 * DAY);
    }

    #[test]
    fn a_life_beyond_what_the_server_counts_is_cut() {
        let now = at(1_800_000_000);
        assert_eq!(seconds(Some(Duration::MAX), now), MOST_ABSOLUTE);
        assert_eq!(seconds(Some(Duration::MAX), at(MOST_ABSOLUTE - 5)), MOST_RELATIVE);
        assert_eq!(seconds(Some(Duration::from_secs(40 * DAY)), at(1 << 40)), MOST_RELATIVE);
    }

    #[test]
    fn a_lease_has_two_seconds_at_least() {
        assert_eq!(lease_seconds(Duration::ZERO), 2);
        assert_eq!(lease_seconds(Duration::from_millis(2_100)), 3);
        assert_eq!(lease_seconds(Duration::MAX), MOST_RELATIVE);
    }
}
