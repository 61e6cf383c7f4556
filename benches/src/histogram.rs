//! Latencies in buckets: 32 for each power of two, so that a latency is known to three per cent.
//! Counting one is an addition, whatever their number.

const FINE: u32 = 5;

/// Counts of latencies.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

impl Histogram {
    /// Makes an empty one.
    pub fn new() -> Histogram {
        Histogram { counts: vec![0; 64 << FINE], total: 0, max: 0 }
    }

    /// Counts an operation that took so many nanoseconds.
    #[inline]
    pub fn add(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// Returns how many operations were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns the longest, exactly.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Returns the latency that this part of all operations does not exceed, to a bucket; 0 when
    /// there were none.
    pub fn quantile(&self, part: f64) -> u64 {
        if self.total == 0 {
            return 0;
        }
        let rank = (self.total as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return start_of(bucket);
            }
        }
        self.max
    }
}

/// Below 32 ns each nanosecond has a bucket.
fn bucket(nanos: u64) -> usize {
    if nanos < 1 << FINE {
        return nanos as usize;
    }
    let power = nanos.ilog2() - FINE;
    ((power << FINE) + (nanos >> power) as u32) as usize
}

fn start_of(bucket: usize) -> u64 {
    let power = (bucket >> FINE).saturating_sub(1);
    (bucket as u64 - ((power as u64) << FINE)) << power
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    #[test]
    fn quantiles_are_known_to_three_per_cent() {
        let mut histogram = Histogram::new();
        (1..=100_000).for_each(|nanos| histogram.add(nanos));
        for (part, exact) in [(0.5, 50_000.0), (0.99, 99_000.0), (0.001, 100.0)] {
            let found = histogram.quantile(part) as f64;
            assert!((found - exact).abs() <= exact * 0.032, "{part}: {found}");
        }
        assert_eq!((histogram.total(), histogram.max()), (100_000, 100_000));
    }

    #[test]
    fn every_bucket_begins_where_it_says() {
        let nanos = (0..40).chain((5..63).flat_map(|power| [1 << power, (3 << power) / 2]));
        for nanos in nanos {
            assert_eq!(super::start_of(super::bucket(nanos)), nanos);
            assert!(super::bucket(nanos + 1) >= super::bucket(nanos));
        }
    }

    #[test]
    fn a_merged_histogram_has_counted_both() {
        let (mut one, mut other) = (Histogram::new(), Histogram::new());
        (0..99).for_each(|_| one.add(100));
        other.add(1_000_000);
        one.merge(&other);
        assert_eq!((one.total(), one.max(), one.quantile(0.99)), (100, 1_000_000, 100));
        assert!(one.quantile(1.0) > 900_000);
        assert_eq!(Histogram::new().quantile(0.5), 0);
    }
}
