//! An even sample of a stream whose length is not known beforehand.
//!
//! Every row is kept at first. When twice as many are held as are wanted, every other one is
//! dropped and from then on only every second is taken, then every fourth, and so on. At each
//! moment the rows held are evenly spaced over what has been seen, and there are never more than
//! twice those wanted.

use csv::StringRecord;

use crate::problem::Problem;

/// Rows taken at even distances from all that were offered.
#[derive(Debug)]
pub struct Sample {
    header: StringRecord,
    wanted: usize,
    stride: u64,
    seen: u64,
    kept: Vec<StringRecord>,
}

impl Sample {
    /// Makes a sample that will hold `wanted` rows, or all when there are fewer; 0 keeps none.
    pub fn new(wanted: usize) -> Sample {
        Sample { header: StringRecord::new(), wanted, stride: 1, seen: 0, kept: Vec::new() }
    }

    /// Begins with the names of the columns.
    pub fn begin(&mut self, header: &StringRecord) {
        self.header = header.clone();
    }

    /// Shows the next row.
    pub fn offer(&mut self, row: &StringRecord) {
        if self.wanted > 0 && self.seen.is_multiple_of(self.stride) {
            self.kept.push(row.clone());
            if self.kept.len() >= self.wanted.saturating_mul(2) {
                let mut number = 0;
                self.kept.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
                self.stride *= 2;
            }
        }
        self.seen += 1;
    }

    /// Returns the rows, in the order in which they were offered.
    pub fn rows(&self) -> impl Iterator<Item = &StringRecord> {
        let count = self.wanted.min(self.kept.len());
        (0..count).map(move |number| &self.kept[number * self.kept.len() / count])
    }

    /// Returns the rows as csv, under the header of their source.
    pub fn csv(&self) -> Result<Vec<u8>, Problem> {
        let mut out = csv::Writer::from_writer(Vec::new());
        std::iter::once(&self.header)
            .chain(self.rows())
            .try_for_each(|row| out.write_record(row))
            .map_err(|error| Problem::new(error.to_string()))?;
        out.into_inner().map_err(|error| Problem::new(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;
    use csv::StringRecord;

    fn sample(wanted: usize, offered: usize) -> Vec<usize> {
        let mut sample = Sample::new(wanted);
        for number in 0..offered {
            sample.offer(&StringRecord::from(vec![number.to_string()]));
        }
        sample.rows().map(|row| row[0].parse().unwrap()).collect()
    }

    #[test]
    fn sample_of_few_rows_is_all_of_them() {
        assert!(sample(5, 0).is_empty());
        assert_eq!(sample(5, 4), [0, 1, 2, 3]);
        assert!(sample(0, 4).is_empty());
    }

    #[test]
    fn sample_of_many_rows_is_even_and_of_the_size_asked_for() {
        for offered in [100, 101, 999, 12_345] {
            let rows = sample(50, offered);
            assert_eq!(rows.len(), 50, "of {offered}");
            let even = offered / 50;
            for pair in rows.windows(2) {
                let gap = pair[1] - pair[0];
                assert!(gap >= even / 2 && gap <= even * 2 + 2, "gap {gap} in {offered}");
            }
            assert!(rows[49] > offered / 10 * 9, "reaches the end of {offered}");
        }
    }
}
