//! The choice of what goes, and its ghost.

use super::list::SlotView;
use super::{EVICTION_TICKS, PROMOTION, QueuePolicy, SCAN_BOUND};
use crate::table::{Queue, SlotFields, SlotId, Slots};

impl QueuePolicy {
    /// The entry to evict, taken out of its queue; `None` if there is none.
    #[inline(always)]
    pub(crate) fn victim<'n, S: Slots>(&mut self, slots: &'n S) -> Option<S::Slot<'n>> {
        self.prepare_eviction();
        // Most often it is a newcomer that nobody has used. The rest is other code, so that this is
        // short and straight. (The window is 1 at least, so the queue is not empty.)
        if self.small.weight >= self.window {
            let oldest = SlotView::of(slots.at(self.small.oldest));
            if oldest.header().frequency.get() == 0 {
                self.small.pop_oldest(&oldest);
                let used = oldest.header().last_moved();
                self.remember(oldest.header().hash(), oldest.weight, false, used);
                return Some(oldest.slot);
            }
        }
        let id = self.victim_at_length(slots);
        (id != SlotId::NIL).then(|| slots.at(id))
    }

    /// Returns [`SlotId::NIL`] if there is none: one number, in a register.
    #[inline(never)]
    fn victim_at_length(&mut self, slots: &impl Slots) -> SlotId {
        let Some((slot, from_main, used)) = self.choose(slots) else { return SlotId::NIL };
        self.take_out(slots, &slot, from_main, used);
        slot.slot.id()
    }

    /// The entry that would be evicted next; it stays in its queue.
    pub(crate) fn candidate(&mut self, slots: &impl Slots) -> Option<SlotId> {
        self.prepare_eviction();
        self.choose(slots).map(|(slot, ..)| slot.slot.id())
    }

    /// Takes out an entry that is evicted, as [`victim`](Self::victim) does.
    pub(crate) fn evict(&mut self, slots: &impl Slots, id: SlotId) {
        let slot = SlotView::of(slots.at(id));
        let from_main = slot.header().queue() == Queue::Main;
        let is_unused = !from_main && slot.header().frequency.get() == 0;
        let used = if is_unused { slot.header().last_moved() } else { self.now() };
        self.take_out(slots, &slot, from_main, used);
    }

    /// Makes the ghosts fit, and notes that the cache is full.
    #[inline(always)]
    fn prepare_eviction(&mut self) {
        if self.len() >= self.ghosts.enlarge_at {
            self.size_ghosts();
        }
        self.full = true;
    }

    fn take_out<S: Slots>(
        &mut self,
        slots: &S,
        slot: &SlotView<S::Slot<'_>>,
        from_main: bool,
        used: u16,
    ) {
        let list = if from_main { &mut self.main } else { &mut self.small };
        list.unlink(slots, slot);
        self.remember(slot.header().hash(), slot.weight, from_main, used);
    }

    /// Leaves a ghost of an entry that is evicted.
    #[inline(always)]
    fn remember(&mut self, hash: u32, weight: u32, from_main: bool, used: u16) {
        let count = if from_main { &mut self.main_evictions } else { &mut self.small_evictions };
        count.add(weight, EVICTION_TICKS, self.capacity);
        self.ghosts.push(hash, from_main, used as u8, self.counts());
    }

    /// The entry to evict, whether it stands in main, and when it may last have been used.
    #[inline]
    fn choose<'n, S: Slots>(&mut self, slots: &'n S) -> Option<(SlotView<S::Slot<'n>>, bool, u16)> {
        let mut steps = SCAN_BOUND;
        while let Some(oldest) = self.small.oldest() {
            if self.small.weight < self.window && self.main.len > 0 {
                break;
            }
            let oldest = SlotView::of(slots.at(oldest));
            let frequency = oldest.header().frequency.get();
            let moves_on = frequency >= PROMOTION || self.overflows(&oldest);
            if !moves_on || steps == 0 {
                // When an entry was hit is not recorded: it may have been just now.
                let used = if frequency == 0 { oldest.header().last_moved() } else { self.now() };
                return Some((oldest, false, used));
            }
            steps -= 1;
            self.promote(slots, &oldest);
        }
        let oldest = self.oldest_unused(slots, &mut steps)?;
        Some((oldest, true, self.now()))
    }

    /// Makes room for the ghosts of as many entries as a full quota holds if the others are like
    /// those here; of at most twice as many as there are, in case the first few are unlike the
    /// others.
    #[cold]
    pub(super) fn size_ghosts(&mut self) {
        let len = self.len();
        let share = len as u128 * u128::from(self.capacity) / u128::from(self.weight().max(1));
        self.ghosts.size_for(share.clamp(len as u128, len as u128 * 2) as usize);
    }
}
