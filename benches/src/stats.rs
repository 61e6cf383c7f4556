//! Order statistics of small samples. Medians and quartiles rather than means: one slot that the
//! scheduler interrupted would move a mean, and leaves a median where it was.

/// Returns the value below which a share `q` of the samples lies, interpolated between neighbours;
/// NaN when there are none.
pub fn quantile(samples: &[f64], q: f64) -> f64 {
    if samples.is_empty() {
        return f64::NAN;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (low, share) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * share
}

/// Returns the middle of the samples.
pub fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

/// Returns half the distance between the quartiles as a share of the median: how far a typical
/// round strays.
pub fn spread(samples: &[f64]) -> f64 {
    (quantile(samples, 0.75) - quantile(samples, 0.25)) / 2.0 / median(samples)
}

/// Returns the median of `ours[i] / theirs[i]`. Both were measured within round `i`, so whatever
/// slowed that round slowed both; the ratio of the two medians would not cancel it.
pub fn median_ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
    median(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_even_and_no_samples() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn quantile_interpolates_and_stays_inside() {
        let samples = [10.0, 20.0, 30.0, 40.0, 50.0];
        assert_eq!(quantile(&samples, 0.0), 10.0);
        assert_eq!(quantile(&samples, 1.0), 50.0);
        assert_eq!(quantile(&samples, 0.9), 46.0);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
    }

    #[test]
    fn spread_is_relative_to_the_median() {
        assert_eq!(spread(&[10.0, 20.0, 30.0, 40.0, 50.0]), 10.0 / 30.0);
        assert_eq!(spread(&[5.0, 5.0, 5.0]), 0.0);
    }

    /// Three rounds, the second ten times slower for both: the ratio does not notice.
    #[test]
    fn ratio_is_taken_within_each_round() {
        let (ours, theirs) = ([1.0, 10.0, 1.2], [2.0, 20.0, 2.4]);
        assert_eq!(median_ratio(&ours, &theirs), 0.5);
    }
}
