//! Numbers of slots and of blocks. Two types, so that neither is mistaken for the other, nor for a
//! hash or a weight.

/// The number of a slot in its table.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub(crate) struct SlotId(pub(super) u32);

impl SlotId {
    /// "No slot": ends a list, marks an empty lane.
    pub(crate) const NIL: SlotId = SlotId(u32::MAX);

    /// The slot that stands so many behind this one.
    #[inline]
    pub(super) const fn plus(self, offset: u32) -> SlotId {
        SlotId(self.0 + offset)
    }

    /// How many slots it stands behind another one. If it stands before that, more than there are.
    #[inline]
    pub(super) const fn offset_from(self, first: SlotId) -> u32 {
        self.0.wrapping_sub(first.0)
    }
}

/// The number of a block within the shard that has it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub(crate) struct BlockNo(pub(crate) u32);

impl BlockNo {
    #[inline]
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Any slot numbers, for tests of what is kept of slots elsewhere.
#[cfg(test)]
mod testing {
    use super::SlotId;

    impl SlotId {
        pub(crate) const fn of_test(number: u32) -> SlotId {
            SlotId(number)
        }

        pub(crate) const fn get(self) -> u32 {
            self.0
        }
    }
}
