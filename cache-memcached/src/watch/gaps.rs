//! Gaps in the numbers of a server's log.
//!
//! The server numbers what it logs, of all kinds, and each of its threads hands over what it has
//! logged in one piece: numbers come out of order. A number that is still missing when the next
//! look is taken, a second later, does not come any more. Only counts are kept: of the numbers up
//! to the highest at the last look, how many came before it and how many since.

/// Finds gaps.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    lowest: Option<u64>,
    highest: u64,
    came: u64,
    /// The highest number at the last look, and how many up to it have come.
    looked_at: u64,
    came_up_to_it: u64,
}

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Whole,
    Gap,
}

impl Gaps {
    /// Notes a number.
    pub(super) fn note(&mut self, number: u64) {
        let is_first = self.lowest.is_none();
        self.lowest = Some(self.lowest.map_or(number, |lowest| lowest.min(number)));
        self.highest = self.highest.max(number);
        self.came += 1;
        if !is_first && number <= self.looked_at {
            self.came_up_to_it += 1;
        }
    }

    /// Looks for a number that was missing at the last look and still is. After a gap it begins
    /// anew.
    pub(super) fn look(&mut self) -> Look {
        let Some(lowest) = self.lowest else { return Look::Whole };
        let is_whole =
            self.looked_at < lowest || self.came_up_to_it > self.looked_at.saturating_sub(lowest);
        if !is_whole {
            *self = Gaps::default();
            return Look::Gap;
        }
        self.looked_at = self.highest;
        self.came_up_to_it = self.came;
        Look::Whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(gaps: &mut Gaps, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| gaps.note(number));
    }

    #[test]
    fn numbers_out_of_order_are_no_gap() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.look(), Look::Whole);
        noted(&mut gaps, [3, 19, 20, 2, 4, 5, 6, 7]);
        assert_eq!(gaps.look(), Look::Whole, "the others may still come");
        noted(&mut gaps, 8..19);
        assert_eq!(gaps.look(), Look::Whole);
        noted(&mut gaps, [23, 22]);
        assert_eq!(gaps.look(), Look::Whole);
        noted(&mut gaps, [21]);
        assert_eq!((gaps.look(), gaps.look()), (Look::Whole, Look::Whole));
    }

    #[test]
    fn a_number_that_does_not_come_is_a_gap_once() {
        let mut gaps = Gaps::default();
        noted(&mut gaps, [1, 2, 4]);
        assert_eq!(gaps.look(), Look::Whole);
        noted(&mut gaps, [5, 6]);
        assert_eq!(gaps.look(), Look::Gap);
        noted(&mut gaps, [7, 8]);
        assert_eq!((gaps.look(), gaps.look()), (Look::Whole, Look::Whole));
    }
}
