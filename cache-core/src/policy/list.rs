//! A queue of slots, threaded through the slots' links.
//!
//! The list knows its oldest slot and its newest. Their *outward* links mean nothing and are not
//! kept up to date: so taking the oldest out, the most frequent removal, writes no neighbour and
//! fetches no neighbour's cache line. A step of a CLOCK, "the oldest becomes the newest", writes
//! the links of both, which are in the processor's cache: one is being examined, the other was in
//! the last step.

use crate::table::{Queue, SlotHeader, SlotId, Slots};

/// A slot whose header and weight were looked up once, for all that follows.
pub(super) struct SlotView<'n> {
    pub(super) id: SlotId,
    pub(super) header: &'n SlotHeader,
    pub(super) weight: u32,
}

impl<'n> SlotView<'n> {
    #[inline]
    pub(super) fn of(slots: &'n impl Slots, id: SlotId) -> SlotView<'n> {
        SlotView { id, header: slots.header(id), weight: slots.weight(id) }
    }
}

pub(super) struct SlotList {
    /// [`SlotId::NIL`] when empty. Toward `next` the slots get newer.
    oldest: SlotId,
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
    pub(super) fn push_newest(&mut self, slots: &impl Slots, slot: &SlotView<'_>) {
        self.link_newest(slots, slot.id);
        slot.header.set_queue(self.mark);
        self.len += 1;
        self.weight += u64::from(slot.weight);
    }

    #[inline]
    fn link_newest(&mut self, slots: &impl Slots, id: SlotId) {
        if self.oldest == SlotId::NIL {
            self.oldest = id;
        } else {
            slots.links(self.newest).next.set(id);
            slots.links(id).prev.set(self.newest);
        }
        self.newest = id;
    }

    /// The oldest becomes the newest.
    #[inline]
    pub(super) fn rotate(&mut self, slots: &impl Slots) {
        if self.oldest != self.newest {
            let oldest = self.oldest;
            self.oldest = slots.links(oldest).next.get();
            self.link_newest(slots, oldest);
        }
    }

    /// Takes a slot out, wherever it stands. Its links are left as they are.
    #[inline]
    pub(super) fn unlink(&mut self, slots: &impl Slots, slot: &SlotView<'_>) {
        debug_assert_eq!(slot.header.queue(), self.mark);
        if slot.id == self.oldest {
            self.oldest =
                if slot.id == self.newest { SlotId::NIL } else { slots.links(slot.id).next.get() };
        } else {
            let links = slots.links(slot.id);
            let prev = links.prev.get();
            if slot.id == self.newest {
                self.newest = prev;
            } else {
                let next = links.next.get();
                slots.links(prev).next.set(next);
                slots.links(next).prev.set(prev);
            }
        }
        slot.header.set_queue(Queue::None);
        self.len -= 1;
        self.weight -= u64::from(slot.weight);
    }

    /// Puts `new`, which stands in no list, exactly where `old` stands, and takes `old` out.
    #[inline]
    pub(super) fn replace(&mut self, slots: &impl Slots, old: &SlotView<'_>, new: &SlotView<'_>) {
        debug_assert_eq!(old.header.queue(), self.mark);
        let (gone, links) = (slots.links(old.id), slots.links(new.id));
        let (prev, next) = (gone.prev.get(), gone.next.get());
        links.prev.set(prev);
        links.next.set(next);
        if self.oldest == old.id {
            self.oldest = new.id;
        } else {
            slots.links(prev).next.set(new.id);
        }
        if self.newest == old.id {
            self.newest = new.id;
        } else {
            slots.links(next).prev.set(new.id);
        }
        new.header.set_queue(self.mark);
        old.header.set_queue(Queue::None);
        self.weight = self.weight - u64::from(old.weight) + u64::from(new.weight);
    }

    /// Panics unless the list leads from its oldest slot to its newest and back, and its marks and
    /// sums are right.
    pub(super) fn validate(&self, slots: &impl Slots) {
        assert_eq!(self.oldest == SlotId::NIL, self.len == 0, "length of {:?}", self.mark);
        let (mut len, mut weight, mut id) = (0, 0, self.oldest);
        while id != SlotId::NIL {
            let slot = SlotView::of(slots, id);
            assert_eq!(slot.header.queue(), self.mark, "{id:?} is not marked for its queue");
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
