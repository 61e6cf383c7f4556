//! Slots as the policy sees them, without a table.

use super::hash;
use crate::table::{Links, SlotFields, SlotHeader, SlotId, Slots};

/// Slots with a weight each.
pub(super) struct TestSlots {
    pub(super) headers: Vec<SlotHeader>,
    pub(super) links: Vec<Links>,
    pub(super) weights: Vec<u32>,
}

impl TestSlots {
    pub(super) fn new(len: u32) -> Self {
        let slots = TestSlots {
            headers: (0..len).map(|_| SlotHeader::default()).collect(),
            links: (0..len).map(|_| Links::default()).collect(),
            weights: vec![1; len as usize],
        };
        (0..len).for_each(|id| slots.header(id).set_hash(hash(id)));
        slots
    }

    pub(super) fn header(&self, id: u32) -> &SlotHeader {
        &self.headers[id as usize]
    }

    pub(super) fn nth(&self, id: u32) -> TestSlot<'_> {
        TestSlot { slots: self, id: slot(id) }
    }
}

pub(super) const fn slot(id: u32) -> SlotId {
    SlotId::of_test(id)
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct TestSlot<'s> {
    slots: &'s TestSlots,
    id: SlotId,
}

impl Slots for TestSlots {
    type Slot<'s> = TestSlot<'s>;

    fn at(&self, id: SlotId) -> TestSlot<'_> {
        TestSlot { slots: self, id }
    }

    fn links(&self, id: SlotId) -> &Links {
        &self.links[id.get() as usize]
    }
}

impl SlotFields for TestSlot<'_> {
    fn id(self) -> SlotId {
        self.id
    }

    fn header(&self) -> &SlotHeader {
        self.slots.header(self.id.get())
    }

    fn links(&self) -> &Links {
        self.slots.links(self.id)
    }

    fn weight(self) -> u32 {
        self.slots.weights[self.id.get() as usize]
    }
}
