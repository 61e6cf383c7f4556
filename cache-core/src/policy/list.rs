//! A queue of slots, threaded through the slots' links.
//!
//! The list knows its oldest slot and its newest. Their *outward* links mean nothing and are not
//! kept up to date: so taking the oldest out, the most frequent removal, writes no neighbour and
//! fetches no neighbour's cache line. A step of a CLOCK, "the oldest becomes the newest", writes
//! the links of both, which are in the processor's cache: one is being examined, the other was in
//! the last step.

use crate::table::{Queue, SlotFields, SlotHeader, SlotId, Slots};

/// A slot with its weight, which was looked up once, for all that follows.
#[derive(Clone, Copy)]
pub(super) struct SlotView<S> {
    pub(super) slot: S,
    pub(super) weight: u32,
}

impl<S: SlotFields> SlotView<S> {
    #[inline]
    pub(super) fn of(slot: S) -> Self {
        SlotView { slot, weight: slot.weight() }
    }

    #[inline]
    pub(super) fn header(&self) -> &SlotHeader {
        self.slot.header()
    }
}

pub(super) struct SlotList {
    /// [`SlotId::NIL`] when empty. Toward `next` the slots get newer.
    pub(super) oldest: SlotId,
    pub(super) newest: SlotId,
    pub(super) len: usize,
    pub(super) weight: u64,
    /// The mark a slot carries while it stands in this list.
    mark: Queue,
}

impl SlotList {
    pub(super) fn new(mark: Queue) -> Self {
        SlotList { oldest: SlotId::NIL, newest: SlotId::NIL, len: 0, weight: 0, mark }
    }

    #[inline]
    pub(super) fn oldest(&self) -> Option<SlotId> {
        (self.oldest != SlotId::NIL).then_some(self.oldest)
    }

    #[inline]
    pub(super) fn push_newest<S: Slots>(&mut self, slots: &S, slot: &SlotView<S::Slot<'_>>) {
        self.link_newest(slots, slot.slot);
        slot.header().set_queue(self.mark);
        self.len += 1;
        self.weight += u64::from(slot.weight);
    }

    #[inline]
    fn link_newest<S: Slots>(&mut self, slots: &S, slot: S::Slot<'_>) {
        if self.oldest == SlotId::NIL {
            self.oldest = slot.id();
        } else {
            slots.links(self.newest).next.set(slot.id());
            slot.links().prev.set(self.newest);
        }
        self.newest = slot.id();
    }

    /// The oldest, which is given, becomes the newest.
    #[inline]
    pub(super) fn rotate<S: Slots>(&mut self, slots: &S, oldest: S::Slot<'_>) {
        debug_assert_eq!(oldest.id(), self.oldest);
        if self.oldest != self.newest {
            self.oldest = oldest.links().next.get();
            self.link_newest(slots, oldest);
        }
    }

    /// Takes a slot out, wherever it stands. Its links are left as they are.
    #[inline]
    pub(super) fn unlink<S: Slots>(&mut self, slots: &S, slot: &SlotView<S::Slot<'_>>) {
        debug_assert_eq!(slot.header().queue(), self.mark);
        let (id, links) = (slot.slot.id(), slot.slot.links());
        if id == self.oldest {
            self.oldest = if id == self.newest { SlotId::NIL } else { links.next.get() };
        } else {
            let prev = links.prev.get();
            if id == self.newest {
                self.newest = prev;
            } else {
                let next = links.next.get();
                slots.links(prev).next.set(next);
                slots.links(next).prev.set(prev);
            }
        }
        slot.header().set_queue(Queue::None);
        self.len -= 1;
        self.weight -= u64::from(slot.weight);
    }

    /// Takes the oldest out, which is given.
    #[inline(always)]
    pub(super) fn pop_oldest(&mut self, oldest: &SlotView<impl SlotFields>) {
        debug_assert_eq!(oldest.slot.id(), self.oldest);
        let is_last = self.oldest == self.newest;
        self.oldest = if is_last { SlotId::NIL } else { oldest.slot.links().next.get() };
        oldest.header().set_queue(Queue::None);
        self.len -= 1;
        self.weight -= u64::from(oldest.weight);
    }

    /// Puts `new`, which stands in no list, exactly where `old` stands, and takes `old` out.
    #[inline]
    pub(super) fn replace<S: Slots>(
        &mut self,
        slots: &S,
        old: &SlotView<S::Slot<'_>>,
        new: &SlotView<S::Slot<'_>>,
    ) {
        debug_assert_eq!(old.header().queue(), self.mark);
        let (gone, links, id) = (old.slot.links(), new.slot.links(), new.slot.id());
        let (prev, next) = (gone.prev.get(), gone.next.get());
        links.prev.set(prev);
        links.next.set(next);
        if self.oldest == old.slot.id() {
            self.oldest = id;
        } else {
            slots.links(prev).next.set(id);
        }
        if self.newest == old.slot.id() {
            self.newest = id;
        } else {
            slots.links(next).prev.set(id);
        }
        new.header().set_queue(self.mark);
        old.header().set_queue(Queue::None);
        self.weight = self.weight - u64::from(old.weight) + u64::from(new.weight);
    }

    /// Panics unless the list leads from its oldest slot to its newest and back, and its marks and
    /// sums are right.
    pub(super) fn validate(&self, slots: &impl Slots) {
        assert_eq!(self.oldest == SlotId::NIL, self.len == 0, "length of {:?}", self.mark);
        let (mut len, mut weight, mut id) = (0, 0, self.oldest);
        while id != SlotId::NIL {
            let slot = SlotView::of(slots.at(id));
            assert_eq!(slot.header().queue(), self.mark, "{id:?} is not marked for its queue");
            len += 1;
            weight += u64::from(slot.weight);
            assert!(len <= self.len, "more than {} slots in {:?}", self.len, self.mark);
            if id == self.newest {
                break;
            }
            let next = slots.links(id).next.get();
            assert_eq!(slots.links(next).prev.get(), id, "{next:?} does not lead back to {id:?}");
            id = next;
        }
        assert_eq!(len, self.len, "length of {:?}", self.mark);
        assert_eq!(weight, self.weight, "weight of {:?}", self.mark);
    }
}
