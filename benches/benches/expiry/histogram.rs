//! Latencies in buckets: 32 for each power of two, so that a latency is known to three per cent.

const FINE: u32 = 5;

pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram { counts: vec![0; 64 << FINE], total: 0, max: 0 }
    }

    #[inline]
    pub(crate) fn add(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    pub(crate) fn merge(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// Returns the latency that this part of all operations does not exceed, to a bucket.
    pub(crate) fn quantile(&self, part: f64) -> u64 {
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

fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(1 << FINE);
    let power = nanos.ilog2() - FINE;
    ((power << FINE) + (nanos >> power) as u32 - (1 << FINE)) as usize
}

fn start_of(bucket: usize) -> u64 {
    let (power, fine) = (bucket >> FINE, bucket as u64 & ((1 << FINE) - 1));
    (fine + (1 << FINE)) << power
}
